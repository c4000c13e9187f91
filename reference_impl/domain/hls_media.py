"""Reading CMAF media: what a linter or a test learns from an init section and from a part's boxes.

Nothing is decoded. A part is one or more *chunks*, each a ``moof`` with its ``mdat`` and an optional ``prft`` before
it; a parent segment holds the same samples as its parts, so samples compare without regard to how boxes group them.

References
----------
ISO/IEC 14496-12: 8.8 (movie fragments), 8.16.5 (producer reference time); 14496-15 (``avcC``); 14496-1 (``esds``).
RFC 6381 (codec strings).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from reference_impl.domain.errors import RemoteProtocolError
from reference_impl.domain.units import NS_PER_S

NTP_TO_UNIX_S = 2_208_988_800
_NON_SYNC = 0x0001_0000
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"})
_ENTRY_HEAD_BYTES = {b"avc1": 78, b"avc3": 78, b"mp4a": 28}
_DESCRIPTOR_HEAD_BYTES = {3: 3, 4: 13}
"""Bytes of an ES and of a decoder configuration descriptor before the descriptors that they hold."""


class MediaInit(NamedTuple):
    """What an init section says. ``codec`` is as RFC 6381 names it, or the sample entry's four characters."""

    timescale_hz: int
    codec: str
    default_ticks: int
    default_flags: int


class MediaSample(NamedTuple):
    """A sample: its duration in ticks, whether decoding can begin with it, its bytes."""

    ticks: int
    sync: bool
    data: bytes


class Chunk(NamedTuple):
    """A movie fragment. ``captured_unix_ns`` is what ``prft`` says, None without one."""

    decode_ticks: int
    captured_unix_ns: int | None
    samples: tuple[MediaSample, ...]

    @property
    def end_ticks(self) -> int:
        """Decode time after the last sample."""
        return self.decode_ticks + sum(sample.ticks for sample in self.samples)


def read_init(data: bytes) -> MediaInit:
    """Return what an init section says of its one track.

    Raises
    ------
    RemoteProtocolError
        If it is no init section.
    """
    boxes = dict(_walk(data))
    try:
        clock, entries, defaults = boxes[b"mdhd"], boxes[b"stsd"], boxes[b"trex"]
        timescale_hz = struct.unpack_from(">I", clock, 20 if clock[0] else 12)[0]
        _, _, ticks, _, flags = struct.unpack_from(">5I", defaults, 4)
        return MediaInit(timescale_hz, _codec(entries[8:]), ticks, flags)
    except (KeyError, IndexError, struct.error) as error:
        raise RemoteProtocolError(f"init section of {len(data)} bytes cannot be read: {error!r}") from None


def read_chunks(data: bytes, init: MediaInit) -> tuple[Chunk, ...]:
    """Return the chunks of a part or a segment.

    Raises
    ------
    RemoteProtocolError
        If there is none, or a box cannot be read.
    """
    chunks: list[Chunk] = []
    captured: int | None = None
    fragment: dict[bytes, bytes] = {}
    try:
        for kind, payload in _boxes(data):
            if kind == b"prft":
                captured = _captured_unix_ns(payload)
            elif kind == b"moof":
                fragment = dict(_walk(payload))
            elif kind == b"mdat":
                chunks.append(_chunk(fragment, payload, captured, init))
                captured, fragment = None, {}
    except (KeyError, IndexError, struct.error) as error:
        raise RemoteProtocolError(f"media of {len(data)} bytes cannot be read: {error!r}") from None
    if not chunks:
        raise RemoteProtocolError(f"media of {len(data)} bytes holds no movie fragment")
    return tuple(chunks)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size_bytes, kind = struct.unpack_from(">I4s", data, at)
        head_bytes = 8
        if size_bytes == 1:
            size_bytes, head_bytes = struct.unpack_from(">Q", data, at + 8)[0], 16
        end = at + size_bytes if size_bytes else len(data)
        if end < at + head_bytes or end > len(data):
            raise RemoteProtocolError(f"box {kind!r} at byte {at} claims {size_bytes} of {len(data)} bytes")
        yield kind, data[at + head_bytes : end]
        at = end


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, payload in _boxes(data):
        yield kind, payload
        if kind in _CONTAINERS:
            yield from _walk(payload)


def _chunk(fragment: dict[bytes, bytes], media: bytes, captured: int | None, init: MediaInit) -> Chunk:
    clock = fragment[b"tfdt"]
    decode_ticks = struct.unpack_from(">Q" if clock[0] else ">I", clock, 4)[0]
    return Chunk(decode_ticks, captured, _samples(fragment[b"tfhd"], fragment[b"trun"], media, init))


def _samples(header: bytes, run: bytes, media: bytes, init: MediaInit) -> tuple[MediaSample, ...]:
    given = _header_defaults(header)
    ticks_usual = given.get(0x8, init.default_ticks)
    flags_usual = given.get(0x20, init.default_flags)
    what, count = struct.unpack_from(">2I", run)
    at = 8 + (4 if what & 0x1 else 0)
    first_flags = flags_usual
    if what & 0x4:
        first_flags = struct.unpack_from(">I", run, at)[0]
        at += 4
    samples: list[MediaSample] = []
    start = 0
    for index in range(count):
        row = {}
        for bit in (0x100, 0x200, 0x400, 0x800):
            if what & bit:
                row[bit] = struct.unpack_from(">I", run, at)[0]
                at += 4
        size_bytes = row.get(0x200, given.get(0x10, 0))
        flags = row.get(0x400, first_flags if index == 0 else flags_usual)
        samples.append(
            MediaSample(row.get(0x100, ticks_usual), not flags & _NON_SYNC, media[start : start + size_bytes])
        )
        start += size_bytes
    return tuple(samples)


def _header_defaults(header: bytes) -> dict[int, int]:
    what = struct.unpack_from(">I", header)[0]
    at = 8 + (8 if what & 0x1 else 0) + (4 if what & 0x2 else 0)
    found = {}
    for bit in (0x8, 0x10, 0x20):
        if what & bit:
            found[bit] = struct.unpack_from(">I", header, at)[0]
            at += 4
    return found


def _captured_unix_ns(payload: bytes) -> int:
    seconds, fraction = struct.unpack_from(">2I", payload, 8)
    taken_ns: int = (seconds - NTP_TO_UNIX_S) * NS_PER_S + (fraction * NS_PER_S >> 32)
    return taken_ns


def _codec(entries: bytes) -> str:
    kind, entry = next(_boxes(entries))
    inner = dict(_boxes(entry[_ENTRY_HEAD_BYTES.get(kind, len(entry)) :]))
    if b"avcC" in inner:
        return f"{kind.decode('latin-1')}.{inner[b'avcC'][1:4].hex()}"
    if b"esds" in inner:
        object_type, specific = _audio_object(inner[b"esds"][4:])
        return f"mp4a.{object_type:x}.{specific >> 3}"
    return kind.decode("latin-1")


def _audio_object(descriptors: bytes) -> tuple[int, int]:
    """Return the object type of an ``esds`` and the first byte of its decoder's specific configuration."""
    at, object_type = 0, 0
    while True:
        tag, at = descriptors[at], at + 1
        while descriptors[at] & 0x80:
            at += 1
        at += 1
        if tag == 5:
            return object_type, descriptors[at]
        if tag == 4:
            object_type = descriptors[at]
        at += _DESCRIPTOR_HEAD_BYTES[tag]
