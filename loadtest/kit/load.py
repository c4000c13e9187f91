"""Load on a seamless wallet: Locust plays rounds for test players, and their balances are held to our own books.

A round is a debit and, a little later, its credit or its cancel. Debits are due at the instants of a Poisson process
and are sent then, whatever is outstanding; latency counts from there. Some calls are sent twice at once, and some are
cut off and sent again, as providers do. In the end every player's balance must be the opening one plus what was
acknowledged.

Locust is never imported here: importing it patches the whole process.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from loadtest.kit.load_order import ORDER_VARIABLE, LoadOrder, PartResult
from loadtest.kit.load_result import LoadResult, summarise
from loadtest.kit.profile import Profile
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.units import NS_PER_S
from reference_impl.stack.processes import end, spawn

START_S_MAX = 60.0
LEAD_NS = NS_PER_S // 2
OVERTIME_S_MAX = 90.0
END_S_MAX = 5.0
POLL_S = 0.05
_ROOT = Path(__file__).parents[2]
_LOCUSTFILE = _ROOT / "loadtest" / "users" / "provider_locustfile.py"


async def run_load(
    url: str,
    profile: Profile,
    tokens: list[str],
    rounds_per_s: float,
    seconds: float,
    *,
    processes: int = 1,
    p99_ms_max: float | None = None,
    seed: int | None = None,
    tell: Callable[[float], None] = lambda _elapsed_s: None,
) -> LoadResult:
    """Load a wallet and judge what came of it.

    Parameters
    ----------
    url, profile : str, Profile
        The wallet.
    tokens : list of str
        Launch tokens of the test players, at least one a process.
    rounds_per_s, seconds : float
        Rate of debits, and for how long.
    processes : int
        Load processes.
    p99_ms_max : float, optional
        Limit of the 99th percentile of debits and credits, in milliseconds.
    seed : int, optional
        Of everything random.
    tell : callable
        Told how long the load has been running, in seconds.

    Raises
    ------
    OperationalError
        If a part fails or is not over in time.
    """
    run = secrets.token_hex(4)
    seed = secrets.randbits(32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="livetable-wallet-load-") as folder:
        orders = [
            LoadOrder(
                url=url, profile=profile, tokens=tokens[part::processes], rounds_per_s=rounds_per_s / processes,
                seconds=seconds, run=run, part=part, seed=seed, folder=folder,
            )
            for part in range(processes)
        ]  # fmt: skip
        running = [_start(order) for order in orders]
        try:
            await _wait(running, orders, START_S_MAX, lambda order: order.ready_file.exists())
            start_ns = _announce(orders[0])
            await _wait(
                running, orders, seconds + OVERTIME_S_MAX, lambda order: order.result_file.exists(),
                lambda: tell((time.monotonic_ns() - start_ns) / NS_PER_S),
            )  # fmt: skip
            parts = [msgspec.json.decode(order.result_file.read_bytes(), type=PartResult) for order in orders]
        finally:
            end([(process, signal.SIGTERM) for process in running], END_S_MAX)
    return summarise(url, run, parts, rounds_per_s, seconds, p99_ms_max)


def _start(order: LoadOrder) -> "subprocess.Popen[bytes]":
    path = Path(order.folder) / f"order-{order.part}.json"
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(order))
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, ORDER_VARIABLE: str(path), "PYTHONPATH": os.pathsep.join(paths)}
    command = [
        sys.executable, "-m", "locust", "--locustfile", str(_LOCUSTFILE), "--headless", "--only-summary", "--host",
        order.url, "--users", "1", "--spawn-rate", "1", "--exit-code-on-error", "0",
    ]  # fmt: skip
    return spawn(command, Path(order.folder) / f"locust-{order.part}.log", env=environment)


def _announce(order: LoadOrder) -> int:
    start_ns = time.monotonic_ns() + LEAD_NS
    draft = order.start_file.with_suffix(".draft")
    draft.write_text(str(start_ns), encoding="ascii")
    draft.replace(order.start_file)
    return start_ns


async def _wait(
    running: "list[subprocess.Popen[bytes]]",
    orders: list[LoadOrder],
    limit_s: float,
    there: Callable[[LoadOrder], bool],
    tell: Callable[[], None] = lambda: None,
) -> None:
    deadline_s = time.monotonic() + limit_s
    while not all(there(order) for order in orders):
        for process, order in zip(running, orders, strict=True):
            if order.failed_file.exists():
                raise OperationalError(order.failed_file.read_text(encoding="utf-8"))
            if process.poll() is not None and not there(order):
                log = (Path(order.folder) / f"locust-{order.part}.log").read_text(errors="replace").strip()
                last = log.splitlines()[-1] if log else "it said nothing"
                raise OperationalError(f"load process {order.part} ended with {process.returncode}: {last}")
        if time.monotonic() > deadline_s:
            raise OperationalError(f"the load processes were not done within {limit_s:g} s")
        tell()
        await asyncio.sleep(POLL_S)
