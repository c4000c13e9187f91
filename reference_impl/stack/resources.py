"""What a process holds and should not hold ever more of: private memory, descriptors, files."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reference_impl.stack.telemetry import family_of

RESOURCES_S = 5.0
"""How far apart samples are."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Held(NamedTuple):
    """What a process and its children hold.

    Parameters
    ----------
    memory_bytes : int
        Memory of their own: what they share with others, such as PostgreSQL's buffers, is not in it.
    descriptors : int
        Open files, sockets and pipes.
    disk_bytes : int
        Size of the files that it keeps.
    """

    memory_bytes: int
    descriptors: int
    disk_bytes: int


def held_by(pid: int, kept: Path) -> Held:
    """Return what a process holds now; one that is gone holds nothing but its files.

    Parameters
    ----------
    pid : int
        The process.
    kept : Path
        The file or folder that it keeps.
    """
    family = family_of(pid)
    return Held(sum(map(_private_bytes, family)), sum(map(_descriptors, family)), size_bytes(kept))


def size_bytes(path: Path) -> int:
    """Return the size of a file or of all files below a folder; what vanishes meanwhile counts as nothing."""
    return sum(_size_of(file) for file in _files(path))


def _files(path: Path) -> Iterable[Path]:
    return (Path(folder) / name for folder, _, names in os.walk(path) for name in names) if path.is_dir() else (path,)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _private_bytes(pid: int) -> int:
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names only, hundreds of them
    except OSError:
        return 0
