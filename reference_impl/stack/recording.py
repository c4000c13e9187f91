"""Appending fixed-size records to a file (see :mod:`reference_impl.domain.records`)."""

import os
from pathlib import Path
from typing import Any

from reference_impl.domain.records import Layout
from reference_impl.domain.units import KIB

BUFFER_BYTES_MAX = 64 * KIB


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
    """

    def __init__(self, path: Path, layout: Layout, *, unbuffered: bool = False) -> None:
        self._pack = layout.packer.pack
        self._limit = 0 if unbuffered else BUFFER_BYTES_MAX
        self._buffer = bytearray()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def append(self, *values: Any) -> None:
        """Append a record; values in the layout's order."""
        self.append_packed(self._pack(*values))

    def append_packed(self, record: bytes) -> None:
        """Append a record that is packed already."""
        self._buffer += record
        if len(self._buffer) > self._limit:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the kernel."""
        while self._buffer:
            del self._buffer[: os.write(self._file, self._buffer)]

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self._file)
