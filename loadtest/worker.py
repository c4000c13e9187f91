"""A machine that takes part in another's load: Locust's workers in processes of their own, until the master is done.

Such a machine needs neither campaign nor secrets: the plan comes from the master, records go to it. The adapter is
named on both, so that no master can make this machine load code.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.adapters.loading import OURS, load_adapter
from loadtest.generator import END_S_MAX, bare_environment
from loadtest.machines import LEFTOVERS, MASTER_PORT, REFUSED
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.stack.processes import end, spawn

FOLDER_VARIABLE: Final = "LIVETABLE_WORKER"
ADAPTER_VARIABLE: Final = "LIVETABLE_ADAPTER"

_LOCUSTFILE = Path(__file__).parent / "users" / "worker_locustfile.py"


class Allegiance(NamedTuple):
    """Whom a machine works for.

    Parameters
    ----------
    host : str
        The master's address.
    port : int
        Its port.
    processes : int
        Load workers on this machine.
    adapter : str
        How the target is spoken to, ``module:Class``.
    """

    host: str
    port: int = MASTER_PORT
    processes: int = 1
    adapter: str = OURS


def work(allegiance: Allegiance, folder: Path, say: Callable[[str], None]) -> None:
    """Take part in a load until its master is done.

    Parameters
    ----------
    allegiance : Allegiance
        Whom to work for.
    folder : Path
        Where the log goes, and records until the master has them.
    say : callable
        Told in plain words what happens.

    Raises
    ------
    ConfigError
        If the master's load needs something else than this machine offers.
    OperationalError
        If there is no master, or it did not get all records: they stay in the folder then.
    """
    load_adapter(allegiance.adapter)
    log_path = folder / "locust.log"
    environment = bare_environment() | {FOLDER_VARIABLE: str(folder), ADAPTER_VARIABLE: allegiance.adapter}
    say(f"working for {allegiance.host}:{allegiance.port}")
    process = spawn(_command(allegiance), log_path, env=environment)
    try:
        process.wait()
    finally:
        end([(process, signal.SIGTERM)], END_S_MAX)
    _refuse_failure(process, folder, log_path)
    say("the master has all records")
    shutil.rmtree(folder)


def _command(allegiance: Allegiance) -> list[str]:
    several = ["--processes", str(allegiance.processes)] if allegiance.processes > 1 else []
    return [
        sys.executable, "-m", "locust", "--locustfile", str(_LOCUSTFILE), "--worker", *several,
        "--master-host", allegiance.host, "--master-port", str(allegiance.port), "--stop-timeout", f"{END_S_MAX:g}",
    ]  # fmt: skip


def _refuse_failure(process: subprocess.Popen[bytes], folder: Path, log_path: Path) -> None:
    refused = folder / REFUSED
    if refused.exists():
        raise ConfigError(refused.read_text(encoding="utf-8"))
    if left := sorted(path.name for path in folder.glob(LEFTOVERS) if path.is_dir()):
        raise OperationalError(f"the master did not get all records of {', '.join(left)}; they lie in {folder}")
    if process.returncode:
        raise OperationalError(f"the load worker ended with {process.returncode}; see {log_path}")
