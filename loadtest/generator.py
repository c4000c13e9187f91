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
from pathlib import Path

from loadtest.plan import PLAN_VARIABLE, LoadPlan
from reference_impl.domain.errors import OperationalError
from reference_impl.stack.processes import end, spawn

START_S_MAX = 60.0
END_S_MAX = 5.0
OVERTIME_S_MAX = 30.0
POLL_S = 0.05

_LOCUSTFILE = Path(__file__).parent / "users" / "locustfile.py"
_ROOT = Path(__file__).parent.parent


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
    """

    def __init__(self, plan: LoadPlan, folder: Path, workers: int) -> None:
        self.log_path = folder / "locust.log"
        self._plan = plan
        self._folder = folder
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> int:
        """Start it; return the load's zero, CLOCK_MONOTONIC ns.

        Raises
        ------
        OperationalError
            If it ends, or does not begin within :data:`START_S_MAX`.
        """
        plan_path = self._folder / "load.json"
        self._plan.save(plan_path)
        self._process = spawn(self._command(), self.log_path, env=locust_environment(plan_path))
        deadline_s = time.monotonic() + START_S_MAX
        while (start_ns := self._plan.start_ns()) is None:
            self._refuse_failure()
            if time.monotonic() > deadline_s:
                raise OperationalError(
                    f"the load generator did not begin within {START_S_MAX:g} s; see {self.log_path}"
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
        command = locust_command(_LOCUSTFILE, self._plan.api_url, self._folder)
        return command if self._workers == 1 else [*command, "--processes", str(self._workers)]

    def _refuse_failure(self) -> None:
        code = self._process.poll() if self._process is not None else None
        if code:
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "it said nothing"
            raise OperationalError(f"the load generator ended with {code}: {last}; see {self.log_path}")


def locust_command(locustfile: Path, target: str, folder: Path) -> list[str]:
    """Return the command that runs Locust without a web page, its statistics going to `folder`."""
    return [
        sys.executable, "-m", "locust", "--locustfile", str(locustfile), "--headless", "--only-summary",
        "--host", target, "--csv", str(folder / "locust"), "--exit-code-on-error", "0",
        "--stop-timeout", f"{END_S_MAX:g}",
    ]  # fmt: skip


def locust_environment(plan_path: Path) -> dict[str, str]:
    """Return the environment of Locust's processes: they find the plan and our modules."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, PLAN_VARIABLE: str(plan_path), "PYTHONPATH": os.pathsep.join(paths)}
