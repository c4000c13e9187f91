"""What this machine can do to a system: each means of breaking it is tried, not guessed."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from reference_impl.domain.errors import OperationalError
from reference_impl.domain.units import KIB
from reference_impl.stack.hosts import Hosts
from reference_impl.stack.quota import TURN_S, can_group
from reference_impl.stack.shim import Shims
from reference_impl.stack.small_disk import SmallDisk
from sim.fault_kinds import KINDS, Fault, FaultKind, Need

_TRIAL_DISK_BYTES: Final = 8 * 1024 * KIB


class Finding(Struct, frozen=True):
    """A kind of fault: whether it can be done here, and how or why not."""

    kind: FaultKind
    possible: bool
    reason: str


def examine(kinds: Iterable[FaultKind] = tuple(FaultKind)) -> list[Finding]:
    """Try the means of these kinds of faults, each once; takes less than a second."""
    kinds = list(dict.fromkeys(kinds))
    found = {need: _tried(need) for need in {KINDS[kind].needs for kind in kinds}}
    return [Finding(kind, *found[KINDS[kind].needs]) for kind in kinds]


def impossible(faults: Iterable[Fault]) -> dict[str, str]:
    """Return the kinds among these faults that this machine cannot do, and why."""
    return {one.kind: one.reason for one in examine(fault.kind for fault in faults) if not one.possible}


def _tried(need: Need | None) -> tuple[bool, str]:
    if need is None:
        return True, "signals to our own processes"
    try:
        with tempfile.TemporaryDirectory() as folder:
            return True, _TRIALS[need](Path(folder))
    except OperationalError as error:
        return False, str(error)


def _try_shim(folder: Path) -> str:
    environment = Shims(folder).environment("trial")
    done = subprocess.run(["true"], env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0 or done.stderr:
        raise OperationalError(f"the library cannot be loaded: {done.stderr.strip()}")
    return "a library of ours, compiled here and loaded before the C library"


def _try_disk(folder: Path) -> str:
    disk = SmallDisk(folder, _TRIAL_DISK_BYTES)
    try:
        disk.fill()
    finally:
        disk.remove()
    return "an ext4 file system in a file"


def _try_hosts(_folder: Path) -> str:
    if shutil.which("ip") is None:
        raise OperationalError("there is no program ip (iproute2)")
    Hosts(("trial",)).remove()
    return "network namespaces on a bridge"


_TRIALS: Final[dict[Need, Callable[[Path], str]]] = {
    Need.LINKS: lambda _: "a proxy between roles and servers",
    Need.SHIM: _try_shim,
    Need.SMALL_DISK: _try_disk,
    Need.HOSTS: _try_hosts,
    Need.QUOTA: lambda _: "control groups" if can_group() else f"stopped and continued in turns of {TURN_S:g} s",
}
