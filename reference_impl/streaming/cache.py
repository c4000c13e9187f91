"""An edge's memory: a cache bounded in bytes, the least recently used object leaves first."""

from collections import OrderedDict
from typing import NamedTuple

ENTRY_BYTES = 1024
"""What an object costs beside its bodies: keys, heads, bookkeeping (a round figure)."""


class Body(NamedTuple):
    """A body in one encoding, behind the head that fits it."""

    head: bytes
    body: bytes


class Entry(NamedTuple):
    """A cached answer. Instants are monotonic seconds; ``age_s`` is the age at which it came."""

    status: int
    plain: Body
    gzipped: Body | None
    etag: str
    age_s: int
    stored_s: float
    expires_s: float

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        return ENTRY_BYTES + len(self.plain.body) + (len(self.gzipped.body) if self.gzipped else 0)


class Cache:
    """Entries by key.

    Parameters
    ----------
    bytes_max : int
        Bound of the entries' sizes.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.size_bytes = 0
        self.evicted = 0
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now_s: float) -> Entry | None:
        """Return the entry if it is there and fresh."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now_s >= entry.expires_s:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Keep an entry, unless it alone exceeds the bound; make room for it."""
        if key in self._entries:
            self._drop(key)
        if entry.size_bytes > self.bytes_max:
            return
        while self.size_bytes + entry.size_bytes > self.bytes_max:
            self._drop(next(iter(self._entries)))
            self.evicted += 1
        self._entries[key] = entry
        self.size_bytes += entry.size_bytes

    def _drop(self, key: str) -> None:
        self.size_bytes -= self._entries.pop(key).size_bytes
