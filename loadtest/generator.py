"""The load generator as the conductor sees it: Locust in processes of its own.

Locust is never imported here: importing it patches the whole process. All its processes share one process group, so
that ending the group ends them all.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from loadtest.elsewhere import SECRETS
from loadtest.machines import WORKERS_S_MAX, Machines
from loadtest.plan import PLAN_VARIABLE, LoadPlan
from reference_impl.domain.errors import OperationalError
from reference_impl.stack.processes import end, free_port, spawn

START_S_MAX = 60.0
END_S_MAX = 5.0
OVERTIME_S_MAX = 30.0
POLL_S = 0.05

_LOCUSTFILE = Path(__file__).parent / "users" / "locustfile.py"
_ROOT = Path(__file__).parent.parent


class Habits(NamedTuple):
    """How Locust is run, as its users know it.

    Parameters
    ----------
    ui : bool
        Serve its web page on loopback while the load runs.
    ui_port : int
        The page's port.
    tags : tuple of str
        Play only people with one of these tags.
    machines : Machines, optional
        Be the master of workers on other machines.
    """

    ui: bool = False
    ui_port: int = 8089
    tags: tuple[str, ...] = ()
    machines: Machines | None = None


class LoadGenerator:
    """Locust, driving one campaign's load.

    Parameters
    ----------
    plan : LoadPlan
        The load.
    folder : Path
        Where its plan, log and statistics go.
    workers : int
        Worker processes; a single one is its own master.
    habits : Habits
        How it is run.
    say : callable
        Told in plain words what happens.
    """

    def __init__(self, plan: LoadPlan, folder: Path, workers: int, habits: Habits, say: Callable[[str], None]) -> None:
        self.log_path = folder / "locust.log"
        self._plan = plan
        self._folder = folder
        self._workers = workers
        self._habits = habits
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> int:
        """Start it; return the load's zero, CLOCK_MONOTONIC ns.

        Raises
        ------
        OperationalError
            If it ends, or does not begin within :data:`START_S_MAX` after its workers came (:data:`WORKERS_S_MAX`).
        """
        plan_path = self._folder / "load.json"
        self._plan.save(plan_path)
        if self._habits.ui:
            self._say(f"Locust's page: http://127.0.0.1:{self._habits.ui_port}")
        self._process = spawn(self._command(), self.log_path, env=locust_environment(plan_path))
        start_s_max = START_S_MAX
        if machines := self._habits.machines:
            start_s_max += WORKERS_S_MAX
            self._say(f"waiting for {machines.expected} load workers at {machines.bind}:{machines.port}")
        deadline_s = time.monotonic() + start_s_max
        while (start_ns := self._plan.start_ns()) is None:
            self._refuse_failure()
            if time.monotonic() > deadline_s:
                raise OperationalError(
                    f"the load generator did not begin within {start_s_max:g} s; see {self.log_path}"
                )
            await asyncio.sleep(POLL_S)
        return start_ns

    def running(self) -> bool:
        """Tell whether it still works.

        Raises
        ------
        OperationalError
            If it failed.
        """
        self._refuse_failure()
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End all of its processes."""
        if self._process is None:
            return
        end([(self._process, signal.SIGTERM)], END_S_MAX)
        with contextlib.suppress(ProcessLookupError):  # the group is gone with its last process
            os.killpg(self._process.pid, signal.SIGKILL)

    def _command(self) -> list[str]:
        habits = self._habits
        command = locust_command(_LOCUSTFILE, self._plan.api_url, self._folder, ui_port=habits.ui and habits.ui_port)
        if habits.tags:
            command += ["--tags", *habits.tags]
        if machines := habits.machines:
            return [*command, *_master_options(machines)]
        if self._workers == 1:
            return command
        port = str(free_port())  # Locust's own is the same for every campaign, and open to the network
        address = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
        return [*command, "--processes", str(self._workers), *address]

    def _refuse_failure(self) -> None:
        code = self._process.poll() if self._process is not None else None
        if code:
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "it said nothing"
            raise OperationalError(f"the load generator ended with {code}: {last}; see {self.log_path}")


def _master_options(machines: Machines) -> list[str]:
    return [
        "--master", "--master-bind-host", machines.bind, "--master-bind-port", str(machines.port),
        "--expect-workers", str(machines.expected), "--expect-workers-max-wait", f"{WORKERS_S_MAX:g}",
    ]  # fmt: skip


def locust_command(locustfile: Path, target: str, folder: Path, *, ui_port: int = 0) -> list[str]:
    """Return the command that runs Locust, its statistics going to `folder`; with a web page if it has a port."""
    shown = ["--headless", "--only-summary"]
    if ui_port:
        shown = ["--autostart", "--autoquit", "1", "--web-host", "127.0.0.1", "--web-port", str(ui_port)]
    return [
        sys.executable, "-m", "locust", "--locustfile", str(locustfile), *shown,
        "--host", target, "--csv", str(folder / "locust"), "--exit-code-on-error", "0",
        "--stop-timeout", f"{END_S_MAX:g}",
    ]  # fmt: skip


def locust_environment(plan_path: Path) -> dict[str, str]:
    """Return the environment of Locust's processes: they find the plan and our modules, and no secrets."""
    return bare_environment() | {PLAN_VARIABLE: str(plan_path)}


def bare_environment() -> dict[str, str]:
    """Return our environment for Locust's processes: they find our modules, and no secrets."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}
