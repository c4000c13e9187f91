"""Fragmented MP4 (CMAF) boxes of one H.264 or AAC track, written straight from encoded samples.

A part is ``prft moof mdat``; a segment is the concatenation of its parts; the init section is ``ftyp moov``. Decode
times count from the Unix epoch, and ``prft`` carries the capture instant of the fragment's first frame.

References
----------
ISO/IEC 14496-12 (boxes; 8.16.5 for ``prft``), 14496-15 (``avcC``), 14496-1 (``esds``), 23000-19 (CMAF), RFC 6381 (codec
strings).
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reference_impl.domain.errors import LocalProtocolError
from reference_impl.domain.hls import TIMESCALE_HZ
from reference_impl.domain.hls_media import NTP_TO_UNIX_S
from reference_impl.domain.units import NS_PER_S

TRACK = 1
SYNC_SAMPLE = 0x0200_0000
DIFFERENCE_SAMPLE = 0x0101_0000
NAL_SLICE, NAL_IDR, NAL_SPS, NAL_PPS = 1, 5, 7, 8
UNITY_MATRIX = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


class Sample(NamedTuple):
    """An encoded frame: length-prefixed slices, duration in media ticks, whether it is independent."""

    data: bytes
    ticks: int
    key: bool


def nal_units(annexb: bytes) -> list[bytes]:
    """Return the NAL units of an Annex B byte stream, without start codes."""
    units = []
    at = annexb.find(b"\0\0\1")
    while at >= 0:
        following = annexb.find(b"\0\0\1", at + 3)
        unit = annexb[at + 3 : following] if following >= 0 else annexb[at + 3 :]
        units.append(unit.rstrip(b"\0"))
        at = following
    return units


def length_prefixed(annexb: bytes) -> bytes:
    """Return a frame's slices, each behind its 32-bit length; parameter sets live in the init section."""
    slices = (unit for unit in nal_units(annexb) if unit[0] & 31 in (NAL_SLICE, NAL_IDR))
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in slices)


def codec_string(extradata: bytes) -> str:
    """Return the RFC 6381 name of a stream, such as ``avc1.64001e``."""
    return f"avc1.{_one(extradata, NAL_SPS)[1:4].hex()}"


def init_section(width: int, height: int, extradata: bytes) -> bytes:
    """Return the ``ftyp`` and ``moov`` boxes of a track.

    Parameters
    ----------
    width, height : int
        Size in pixels.
    extradata : bytes
        The encoder's parameter sets, Annex B.
    """
    entry = _video_entry(width, height, extradata)
    return _init(width, height, _media(TIMESCALE_HZ, b"vide", _full(b"vmhd", 0, 1, bytes(8)), entry))


def sound_init_section(rate_hz: int, channels: int, config: bytes) -> bytes:
    """Return the ``ftyp`` and ``moov`` boxes of an AAC track, whose media clock is its sample rate.

    Parameters
    ----------
    rate_hz, channels : int
        Samples a second, channels.
    config : bytes
        The encoder's AudioSpecificConfig.
    """
    return _init(
        0, 0, _media(rate_hz, b"soun", _full(b"smhd", 0, 0, bytes(4)), _sound_entry(rate_hz, channels, config))
    )


def _init(width: int, height: int, media: bytes) -> bytes:
    brands = _box(b"ftyp", b"cmfc", bytes(4), b"iso6cmfcmp41")
    movie = _full(b"mvhd", 0, 0, bytes(8), struct.pack(">2IIH", 1000, 0, 1 << 16, 1 << 8), bytes(10),
                  UNITY_MATRIX, bytes(24), struct.pack(">I", TRACK + 1))  # fmt: skip
    header = _full(b"tkhd", 0, 3, bytes(8), struct.pack(">I", TRACK), bytes(24), UNITY_MATRIX,
                   struct.pack(">2I", width << 16, height << 16))  # fmt: skip
    defaults = _full(b"trex", 0, 0, struct.pack(">5I", TRACK, 1, 0, 0, 0))
    track = _box(b"trak", header, media)
    return brands + _box(b"moov", movie, track, _box(b"mvex", defaults))


def fragment(sequence: int, decode_ticks: int, captured_unix_ns: int, samples: Sequence[Sample]) -> bytes:
    """Return one ``prft moof mdat``.

    Parameters
    ----------
    sequence : int
        Number of the fragment; its low 32 bits are written.
    decode_ticks : int
        Decode time of the first sample on the track's media clock.
    captured_unix_ns : int
        When the first frame was taken.
    samples : sequence of Sample
        The frames in order, at least one.
    """
    ntp = (captured_unix_ns + NTP_TO_UNIX_S * NS_PER_S << 32) // NS_PER_S
    reference = _full(b"prft", 1, 24, struct.pack(">IQQ", TRACK, ntp, decode_ticks))
    rows = b"".join(
        struct.pack(">3I", sample.ticks, len(sample.data), SYNC_SAMPLE if sample.key else DIFFERENCE_SAMPLE)
        for sample in samples
    )
    head = _box(b"mfhd", bytes(4), struct.pack(">I", sequence & 0xFFFF_FFFF))
    track = _full(b"tfhd", 0, 0x02_0000, struct.pack(">I", TRACK))
    clock = _full(b"tfdt", 1, 0, struct.pack(">Q", decode_ticks))
    # The run's data offset counts from the moof: all boxes before the mdat's payload have known sizes.
    run_bytes = 12 + 8 + len(rows)
    moof_bytes = 8 + len(head) + 8 + len(track) + len(clock) + run_bytes
    run = _full(b"trun", 0, 0x0701, struct.pack(">2I", len(samples), moof_bytes + 8), rows)
    moof = _box(b"moof", head, _box(b"traf", track, clock, run))
    return b"".join((reference, moof, _box(b"mdat", *(sample.data for sample in samples))))


def _media(clock_hz: int, kind: bytes, kind_header: bytes, entry: bytes) -> bytes:
    header = _full(b"mdhd", 0, 0, bytes(8), struct.pack(">2I2H", clock_hz, 0, 0x55C4, 0))  # language: undetermined
    handler = _full(b"hdlr", 0, 0, bytes(4), kind, bytes(12), kind + b"\0")
    tables = (
        _full(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        _full(b"stts", 0, 0, bytes(4)),
        _full(b"stsc", 0, 0, bytes(4)),
        _full(b"stsz", 0, 0, bytes(8)),
        _full(b"stco", 0, 0, bytes(4)),
    )
    data = _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1), _full(b"url ", 0, 1)))
    information = _box(b"minf", kind_header, data, _box(b"stbl", *tables))
    return _box(b"mdia", header, handler, information)


def _sound_entry(rate_hz: int, channels: int, config: bytes) -> bytes:
    specific = b"\x05" + bytes([len(config)]) + config
    # Object type 0x40 is MPEG-4 audio, stream type 5 is audio; buffer and bit rates are left open.
    decoder = b"\x04" + bytes([13 + len(specific)]) + b"\x40\x15" + bytes(11) + specific
    layer = b"\x06\x01\x02"
    stream = b"\x03" + bytes([3 + len(decoder) + len(layer)]) + bytes([0, TRACK, 0]) + decoder + layer
    sizes = struct.pack(">2H4xI", channels, 16, rate_hz << 16)
    return _box(b"mp4a", bytes(6), struct.pack(">H", 1), bytes(8), sizes, _full(b"esds", 0, 0, stream))


def _video_entry(width: int, height: int, extradata: bytes) -> bytes:
    sps, pps = _one(extradata, NAL_SPS), _one(extradata, NAL_PPS)
    sets = struct.pack(">H", len(sps)) + sps + b"\1" + struct.pack(">H", len(pps)) + pps
    # Profile, compatibility and level repeat the SPS; lengths take 4 bytes; one SPS.
    avcc = _box(b"avcC", b"\1", sps[1:4], b"\xff\xe1", sets)
    colour = _box(b"colr", b"nclx", struct.pack(">3HB", 1, 1, 1, 0))  # BT.709, limited range
    size = struct.pack(">2H2I", width, height, 72 << 16, 72 << 16)
    return _box(b"avc1", bytes(6), struct.pack(">H", 1), bytes(16), size, bytes(4), struct.pack(">H", 1), bytes(32),
                struct.pack(">Hh", 24, -1), avcc, colour)  # fmt: skip


def _one(extradata: bytes, kind: int) -> bytes:
    for unit in nal_units(extradata):
        if unit[0] & 31 == kind:
            return unit
    raise LocalProtocolError(f"the encoder's {len(extradata)} bytes of parameter sets hold no NAL unit of type {kind}")


def _box(kind: bytes, *payload: bytes) -> bytes:
    return b"".join(_framed(kind, payload))


def _framed(kind: bytes, payload: Iterable[bytes]) -> list[bytes]:
    pieces = list(payload)
    return [struct.pack(">I4s", 8 + sum(map(len, pieces)), kind), *pieces]


def _full(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *payload)
