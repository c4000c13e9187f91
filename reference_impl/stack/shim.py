"""A library that is loaded before the C library, so that fsync and the wall clock of a process can be broken.

It is compiled where it is needed (``shim.c``, 0.1 s) and told what to do through a mapped file a process, at any time.
Programs that speak to the kernel without the C library, such as NATS, do not notice it.
"""

import mmap
import shutil
import struct
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from reference_impl.domain.errors import OperationalError
from reference_impl.domain.units import NS_PER_MS

_TOLD = struct.Struct("<qqq")


def compiler() -> str | None:
    """Return the C compiler of this machine, None if there is none."""
    return shutil.which("cc") or shutil.which("gcc")


class Told(NamedTuple):
    """What a process is told: how much longer an fsync takes, with which errno it fails, how far the clock is off."""

    fsync_ms: int = 0
    fsync_errno: int = 0
    shift_ms: int = 0


class Shims:
    """The compiled library and what each process is told through it.

    Parameters
    ----------
    folder : Path
        Where the library and the mapped files lie.

    Raises
    ------
    OperationalError
        If it cannot be compiled here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = folder / "shim.so"
        self._told: dict[str, mmap.mmap] = {}
        if (command := compiler()) is None:
            raise OperationalError("there is no C compiler (cc, gcc) for the library that breaks fsync and clocks")
        with as_file(files("reference_impl.stack") / "shim.c") as source:
            done = subprocess.run(
                [command, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(source), "-ldl"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise OperationalError(f"shim.c does not compile here: {done.stderr.strip().splitlines()[0]}")
        self._library.chmod(0o755)

    def environment(self, name: str) -> dict[str, str]:
        """Return what a process needs in its environment; it is told nothing yet."""
        path = self._folder / f"shim-{name}"
        if name not in self._told:
            path.write_bytes(bytes(_TOLD.size))
            path.chmod(0o644)
            with path.open("r+b") as file:
                self._told[name] = mmap.mmap(file.fileno(), _TOLD.size)
        return {"LD_PRELOAD": str(self._library), "LIVETABLE_SHIM": str(path)}

    def tell(self, name: str, told: Told) -> None:
        """Have a process behave so from now on."""
        self._told[name][:] = _TOLD.pack(told.fsync_ms * NS_PER_MS, told.fsync_errno, told.shift_ms * NS_PER_MS)
