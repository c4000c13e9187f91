"""A small file system of its own, which can be filled to the last byte. Needs root."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from reference_impl.domain.errors import OperationalError
from reference_impl.domain.units import KIB

_CHUNKS = (1024 * KIB, 64 * KIB, 4 * KIB, 1)


class SmallDisk:
    """An ext4 file system in a file, mounted at a folder.

    Parameters
    ----------
    folder : Path
        Its file and where it is mounted are made here.
    size_bytes : int
        Its size.

    Raises
    ------
    OperationalError
        If it cannot be made here.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.path = folder / "small-disk"
        self._image = folder / "small-disk.img"
        self._ballast = self.path / "ballast"
        self.path.mkdir()
        with self._image.open("wb") as file:
            file.truncate(size_bytes)
        if shutil.which("mkfs.ext4") is None:
            raise OperationalError("there is no mkfs.ext4")
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        _run("mount", "-o", "loop", str(self._image), str(self.path))
        (self.path / "lost+found").rmdir()

    def fill(self) -> int:
        """Fill it to the last byte; return how many that were."""
        with self._ballast.open("wb") as file:
            for chunk in _CHUNKS:
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), chunk)
        return self._ballast.stat().st_size

    def clear(self) -> None:
        """Give it back its room."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it, also while somebody still looks into it."""
        unmount(self.path)


def unmount(path: Path) -> None:
    """Unmount what may be mounted at a folder."""
    if os.path.ismount(path):
        subprocess.run(["umount", "--lazy", str(path)], check=False, capture_output=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise OperationalError(f"{' '.join(command)}: {done.stderr.strip()}")
