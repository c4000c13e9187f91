"""What this machine can do for the lab: what will be slow, noisy or skipped here, and why.

Every probe looks at the machine as it is now and returns one finding. Nothing is changed and nothing keeps running.
"""

import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from importlib import resources
from pathlib import Path

import msgspec

from reference_impl.stack.embedded import unprivileged

CORES_MIN = 2
MEMORY_GIB_MIN = 4.0
DISK_GIB_MIN = 2.0
DESCRIPTORS_MIN = 4096
LOAD_SHARE_MAX = 0.25
SYNC_MS_MAX = 10.0
SYNCS = 25
PAGE = bytes(4096)


class State(StrEnum):
    """What a finding means for whoever wants to work here."""

    OK = "ok"
    SLOW = "slow"
    SKIPPED = "skipped"
    MISSING = "missing"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What was looked at.
    state : State
        ``slow``: figures taken here suffer; ``skipped``: something is left out; ``missing``: the main job cannot run.
    tells : str
        What was found, and what follows from it.
    """

    name: str
    state: State
    tells: str


def _finding(name: str, *, good: bool, otherwise: State, found: str, follows: str) -> Finding:
    return Finding(name, State.OK, found) if good else Finding(name, otherwise, f"{found}: {follows}")


def python() -> Finding:
    """Whether this interpreter is new enough."""
    found = sys.version.split()[0]
    return _finding(
        "python", good=sys.version_info >= (3, 11), otherwise=State.MISSING, found=found, follows="3.11 is needed"
    )


def cores() -> Finding:
    """How many cores this process may use."""
    usable = len(os.sched_getaffinity(0))
    return _finding(
        "cores", good=usable >= CORES_MIN, otherwise=State.SLOW, found=f"{usable} usable",
        follows=f"load and system want {CORES_MIN} at least; the generator will be late",
    )  # fmt: skip


def neighbours() -> Finding:
    """How much of the cores others use now."""
    usable = len(os.sched_getaffinity(0))
    share = os.getloadavg()[0] / usable
    return _finding(
        "neighbours", good=share <= LOAD_SHARE_MAX, otherwise=State.SLOW,
        found=f"{share:.0%} of the cores were asked for in the last minute",
        follows="percentiles taken now are theirs, too",
    )  # fmt: skip


def memory() -> Finding:
    """How much memory is to be had."""
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(told["MemAvailable"].split()[0]) / 2**20
    return _finding(
        "memory", good=free >= MEMORY_GIB_MIN, otherwise=State.SLOW, found=f"{free:.1f} GiB available",
        follows=f"the demonstration wants about {MEMORY_GIB_MIN:g} GiB",
    )  # fmt: skip


def disk() -> Finding:
    """How much room there is for data that a system keeps while it runs."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free / 2**30
    return _finding(
        "disk", good=free >= DISK_GIB_MIN, otherwise=State.SLOW, found=f"{free:.1f} GiB free in {folder}",
        follows=f"a long campaign writes more than {DISK_GIB_MIN:g} GiB; TMPDIR names another folder",
    )  # fmt: skip


def commits() -> Finding:
    """How long a durable write takes where the embedded servers keep their data."""
    times_ms = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(PAGE)
            file.flush()
            begun_s = time.perf_counter()
            os.fdatasync(file.fileno())
            times_ms.append((time.perf_counter() - begun_s) * 1e3)
    median = statistics.median(times_ms)
    return _finding(
        "commits", good=median <= SYNC_MS_MAX, otherwise=State.SLOW,
        found=f"a synced page takes {median:.2f} ms, {max(times_ms):.1f} at most (n = {SYNCS})",
        follows="every bet waits for one",
    )  # fmt: skip


def descriptors() -> Finding:
    """How many sockets one process may hold."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _finding(
        "descriptors", good=soft >= DESCRIPTORS_MIN, otherwise=State.SLOW, found=f"{soft} a process",
        follows=f"crowds of more than {soft // 2} sockets a worker need `ulimit -n` raised",
    )  # fmt: skip


def postgresql() -> Finding:
    """As whom the embedded PostgreSQL, which refuses to be root, would run."""
    identity = unprivileged()
    whom = "in a user namespace" if identity.prefix else f"as {identity.user}" if identity.user else "as you"
    return Finding("postgresql", State.OK, f"runs {whom}")


def chromium() -> str | None:
    """Return the path of the browser that tests and benchmarks drive; None if there is none."""
    return os.environ.get("LIVETABLE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def browser() -> Finding:
    """Whether there is a Chromium for the tests and benchmarks that need a browser."""
    path = chromium()
    return _finding(
        "browser", good=path is not None, otherwise=State.SKIPPED, found=path or "no Chromium",
        follows="browser tests and `bench stream` are left out; Debian has `apt-get install chromium`",
    )  # fmt: skip


def player() -> Finding:
    """Whether the page's LL-HLS player was installed."""
    there = resources.files("reference_impl.web").joinpath("vendor", "hls.min.mjs").is_file()
    return _finding(
        "player", good=there, otherwise=State.SKIPPED, found="hls.js" if there else "no hls.js",
        follows="the page plays its interactive tier only; `make page` installs it",
    )  # fmt: skip


PROBES: Sequence[Callable[[], Finding]] = (
    python, cores, neighbours, memory, disk, commits, descriptors, postgresql, browser, player,
)  # fmt: skip


def examine(probes: Sequence[Callable[[], Finding]] = PROBES) -> list[Finding]:
    """Return what each probe found."""
    return [probe() for probe in probes]


def able(findings: Sequence[Finding]) -> bool:
    """Tell whether the main job can run here."""
    return all(finding.state is not State.MISSING for finding in findings)


def findings_text(findings: Sequence[Finding]) -> str:
    """Return the findings as lines for a terminal."""
    return "\n".join(f"  {finding.state:<8} {finding.name:<12} {finding.tells}" for finding in findings)
