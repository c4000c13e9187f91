"""Appending fixed-size records to a file (see :mod:`reference_impl.domain.records`)."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reference_impl.domain.records import Layout
from reference_impl.domain.units import KIB

BUFFER_BYTES_MAX = 64 * KIB


LINES_BYTES_MAX = 256 * KIB * KIB
"""A file of lines stops growing there: who keeps a system for months rotates it."""


class LineFile:
    """A file of lines, each one write, so that it survives the process's SIGKILL.

    Parameters
    ----------
    path : Path
        The file; it is created if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._left = LINES_BYTES_MAX - os.fstat(self._file).st_size

    def append(self, line: bytes) -> None:
        """Append a line, unless the file is full."""
        if self._left >= len(line):
            self._left -= os.write(self._file, line)


class RecordFile:
    """A file of records, opened for appending.

    Parameters
    ----------
    path : Path
        The file; it is created if it is not there.
    layout : Layout
        What a record looks like.
    unbuffered : bool
        Write each record at once, so that it survives the process's SIGKILL. Otherwise records are written when
        64 KiB are full, at :meth:`flush` and at :meth:`close`.
    look : callable, optional
        Shown the records of each write, just before it; the memory is used again afterwards.
    """

    def __init__(
        self, path: Path, layout: Layout, *, unbuffered: bool = False, look: Callable[[memoryview], None] | None = None
    ) -> None:
        self._look = look
        self._packer = layout.packer
        self._limit = 0 if unbuffered else BUFFER_BYTES_MAX
        self._buffer = bytearray(BUFFER_BYTES_MAX + layout.packer.size)
        self._end = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def append(self, *values: Any) -> None:
        """Append a record; values in the layout's order."""
        self._packer.pack_into(self._buffer, self._end, *values)
        self._count(self._packer.size)

    def append_packed(self, record: bytes) -> None:
        """Append a record that is packed already."""
        self._buffer[self._end : self._end + len(record)] = record
        self._count(len(record))

    def _count(self, size_bytes: int) -> None:
        self._end += size_bytes
        if self._end > self._limit:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the kernel."""
        written = 0
        with memoryview(self._buffer) as buffer:
            if self._look is not None:
                self._look(buffer[: self._end])
            while written < self._end:
                written += os.write(self._file, buffer[written : self._end])
        self._end = 0

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self._file)
