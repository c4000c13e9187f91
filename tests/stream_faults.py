"""Faults of live streams, one for each rule of the lint: what a faulty server would answer, as an edit of an answer.

The same edits are planted in recorded walks and in a proxy before a real stream.
"""

import re
import struct
from typing import NamedTuple

import msgspec

from loadtest.streamlint.walk import PLAYLISTS, RELOADS, Ask

NS_PER_S = 10**9


class Fault(NamedTuple):
    """An edit of the answers to some requests; `edit` takes and returns a fetch."""

    asks: frozenset
    edit: object

    def __call__(self, fetch):
        return self.edit(fetch) if fetch.ask in self.asks else fetch


def text(edit, *asks):
    """Change a playlist's text."""

    def change(fetch):
        if fetch.status != 200:
            return fetch
        return msgspec.structs.replace(fetch, body=edit(fetch.text, fetch).encode())

    return Fault(frozenset(asks or PLAYLISTS), change)


def replaced(pattern, by, *asks, count=0):
    return text(lambda said, _: re.sub(pattern, by, said, count=count, flags=re.MULTILINE), *asks)


def body(edit, *asks):
    """Change media bytes."""
    return Fault(
        frozenset(asks),
        lambda f: msgspec.structs.replace(f, body=edit(f.body, f)) if f.status == 200 else f,
    )


def status(code, *asks):
    return Fault(frozenset(asks), lambda f: msgspec.structs.replace(f, status=code))


def header(name, value, *asks):
    """Set a header, or remove it."""

    def change(fetch):
        rest = {key: kept for key, kept in fetch.headers.items() if key != name}
        return msgspec.structs.replace(fetch, headers=rest if value is None else {**rest, name: value})

    return Fault(frozenset(asks), change)


def shifted(fetch, **shifts_s):
    """Move instants of a fetch."""
    moved = {name: getattr(fetch, name) + round(by_s * NS_PER_S) for name, by_s in shifts_s.items()}
    return msgspec.structs.replace(fetch, **moved)


def every_other(first, then):
    """Answer by turns: what must not change does."""
    return lambda said, fetch: re.sub(first, then, said) if fetch.wanted[1] % 2 else said


def odd_segments(pattern, by):
    """Change what stands before each segment of odd number."""

    def change(said, _):
        lines = []
        for line in said.splitlines():
            msn = re.search(r"(\d+)\.(?:\d+\.)?m4s", line)
            lines.append(re.sub(pattern, by, line) if msn and int(msn[1]) % 2 else line)
        return "\n".join(lines) + "\n"

    return change


def map_after_part(said, _):
    """The init section comes after the first part of a segment."""
    found = re.search(r"^#EXT-X-MAP:.*\n", said, re.MULTILINE)
    if not found:
        return said
    return re.sub(r"(#EXT-X-PART:.*\n)", r"\1" + found[0], said.replace(found[0], ""), count=1)


def map_changes(said, _):
    """Another init section without a discontinuity, before the newest segment."""
    at = said.rindex("#EXT-X-PROGRAM-DATE-TIME")
    return said[:at] + '#EXT-X-MAP:URI="other.mp4"\n' + said[at:]


def steals_first_segments(said, _):
    """Almost all segments are gone."""
    entries = re.findall(r"^\d+\.m4s$", said, re.MULTILINE)
    if len(entries) < 3:
        return said
    head, _, rest = said.partition("#EXT-X-PROGRAM-DATE-TIME")
    kept = rest[rest.index(entries[-2]) + len(entries[-2]) + 1 :]
    msn = int(entries[-1].split(".")[0])
    return re.sub(r"MEDIA-SEQUENCE:\d+", f"MEDIA-SEQUENCE:{msn}", re.sub(r"#EXT-X-SKIP.*\n", "", head)) + kept


def discontinuity_forgotten(said, fetch):
    """A discontinuity leaves the playlist and is not counted: here it comes and goes with every other answer."""
    if fetch.wanted[1] % 2 == 0:
        return said
    return re.sub(r"(#EXT-X-DISCONTINUITY-SEQUENCE:)\d+", r"\g<1>5", said)


def without(pattern):
    return lambda said, _: re.sub(pattern, "", said, flags=re.MULTILINE)


def first_box_of(kind, edit):
    """Change the first box of a kind: `edit` takes the bytes from its type on."""

    def change(data, _):
        at = data.find(kind)
        return data if at < 0 else data[:at] + edit(data[at:])

    return change


def later(by):
    """Move a fragment's decode time."""

    def change(data, fetch):
        at = data.find(b"tfdt") + 8
        (ticks,) = struct.unpack_from(">Q", data, at)
        return data[:at] + struct.pack(">Q", ticks + by * (fetch.wanted[1] % 2)) + data[at + 8 :]

    return change


MASTER_AUDIO = re.compile(r"(#EXT-X-STREAM-INF:)")

FAULTS = {
    "master.format": replaced(r"^[^#].*$", "", Ask.MASTER),
    "master.bandwidth": replaced(r"BANDWIDTH=\d+", "BANDWIDTH=1000", Ask.MASTER),
    "master.codecs": replaced("avc1", "hvc1", Ask.MASTER),
    "master.audio": replaced(MASTER_AUDIO.pattern, r'\1AUDIO="nobody",', Ask.MASTER),
    "playlist.format": replaced(r"#EXTINF:", "#EXTINF:x", Ask.RELOAD),
    "playlist.version": replaced(r"VERSION:\d+", "VERSION:6"),
    "playlist.target-duration": replaced(r"#EXTINF:[\d.]+", "#EXTINF:1.6"),
    "playlist.target-constant": text(every_other(r"(TARGETDURATION:)\d+", r"\g<1>2")),
    "playlist.sequence": text(every_other(r"(?m)^(\d+)\.m4s", r"other-\1.m4s")),
    "playlist.discontinuity-sequence": text(discontinuity_forgotten),
    "playlist.window": text(steals_first_segments),
    "playlist.date-time": text(without(r"^#EXT-X-PROGRAM-DATE-TIME.*\n")),
    "playlist.clock": replaced(r"(TIME:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z", r"\1.900+00:00", count=1),
    "order.first": text(map_after_part),
    "discontinuity.map": text(map_changes),
    "part.target": text(without(r"^#EXT-X-PART-INF.*\n")),
    "part.target-constant": text(every_other(r"PART-TARGET=[\d.]+", "PART-TARGET=0.25")),
    "hold-back.constant": text(every_other(r"PART-HOLD-BACK=[\d.]+", "PART-HOLD-BACK=0.9")),
    "part.longest": replaced(r"(#EXT-X-PART:DURATION=)[\d.]+", r"\g<1>0.21"),
    "part.shortest": replaced(r"(#EXT-X-PART:DURATION=)[\d.]+", r"\g<1>0.15"),
    "part.adds-up": replaced(r"(#EXT-X-PART:DURATION=)[\d.]+(,URI=\"\d+\.3)", r"\g<1>0.19\2"),
    "part.listed": text(without(r"^#EXT-X-PART:.*\n")),
    "part.life": status(404, Ask.DROPPED_PART),
    "segment.life": status(404, Ask.DROPPED_SEGMENT),
    "hold-back.part": replaced(r"PART-HOLD-BACK=[\d.]+", "PART-HOLD-BACK=0.3"),
    "hold-back.part-three": replaced(r"PART-HOLD-BACK=[\d.]+", "PART-HOLD-BACK=0.5"),
    "hold-back.segment": replaced(r",HOLD-BACK=[\d.]+", ",HOLD-BACK=2.0"),
    "gap.segment": replaced(r"(#EXT-X-PART:.*\.2\.m4s\")", r"\1,GAP=YES"),
    "gap.media": status(404, Ask.SEGMENT),
    "init.format": body(lambda data, _: data[:40], Ask.INIT),
    "part.format": body(lambda data, _: data[:-1], Ask.HINT),
    "part.parent": body(lambda data, _: data[: len(data) // 5 * 4], Ask.SEGMENT),
    "part.duration": replaced(r"(#EXT-X-PART:DURATION=)[\d.]+", r"\g<1>0.16"),
    "part.timeline": body(later(9000), Ask.HINT),
    "part.independent": replaced(r"(#EXT-X-PART:.*m4s\")$", r"\1,INDEPENDENT=YES"),
    "segment.independent": replaced(",INDEPENDENT=YES", ""),
    "part.capture-time": body(first_box_of(b"prft", lambda rest: b"free" + rest[4:]), Ask.HINT),
    "reload.offered": replaced("CAN-BLOCK-RELOAD=YES,", ""),
    "reload.waits": text(without(r"^#EXT-X-PART:.*\n(?=#EXT-X-PRELOAD)"), Ask.RELOAD, Ask.DELTA),
    "reload.segment": text(lambda said, f: re.sub(rf"(?m)^{f.wanted[0]}\.m4s\n", "", said), Ask.RELOAD_SEGMENT),
    "reload.next-part": status(400, Ask.RELOAD_NEXT),
    "reload.answered": Fault(RELOADS, lambda f: shifted(f, end_ns=9)),
    "reload.old": Fault(frozenset({Ask.OLD_SEGMENT}), lambda f: shifted(f, end_ns=0.8)),
    "reload.part-alone": status(200, Ask.PART_WITHOUT_SEGMENT),
    "reload.far-segment": status(200, Ask.FAR_SEGMENT),
    "reload.far-part": status(503, Ask.FAR_PART),
    "delta.boundary": replaced(r"CAN-SKIP-UNTIL=[\d.]+", "CAN-SKIP-UNTIL=4.0"),
    "delta.skips": text(without(r"^#EXT-X-SKIP.*\n"), Ask.DELTA),
    "delta.complete": text(
        lambda said, _: re.sub(r"(?m)^(#EXT-X-SKIP:SKIPPED-SEGMENTS=).*$", r"\g<1>2", said), Ask.DELTA
    ),
    "renditions.together": Fault(
        frozenset({Ask.RELOAD, Ask.DELTA}), lambda f: shifted(f, end_ns=0.9) if f.track else f
    ),
    "hint.next": text(without(r"^#EXT-X-PRELOAD-HINT.*\n")),
    "hint.true": replaced(r"(PRELOAD-HINT:.*URI=\")", r"\1../"),
    "hint.held": status(404, Ask.HINT),
    "hint.line-speed": Fault(frozenset({Ask.HINT}), lambda f: shifted(f, first_byte_ns=-0.15)),
    "report.each": text(without(r"^#EXT-X-RENDITION-REPORT.*\n")),
    "report.true": text(lambda said, _: re.sub(r"LAST-MSN=(\d+)", lambda m: f"LAST-MSN={int(m[1]) - 2}", said)),
    "file.unknown": status(200, Ask.UNKNOWN_FILE),
    "cache.blocking": header("cache-control", "no-cache", *RELOADS),
    "cache.plain": header("cache-control", "max-age=6", Ask.PLAIN),
    "cache.error": header("cache-control", "max-age=60", Ask.UNKNOWN_FILE),
    "cache.media": header("cache-control", None, Ask.HINT),
    "cache.age": header("age", None, Ask.HINT),
    "transport.gzip": header("vary", None, Ask.GZIP),
    "transport.etag": header("etag", None, Ask.RELOAD),
    "transport.cors": header("access-control-expose-headers", "ETag", Ask.HINT),
    "transport.type": header("content-type", "text/plain", Ask.RELOAD),
    "transport.length": header("content-length", None, Ask.HINT),
    "steering.tag": replaced(r'PATHWAY-ID="[^"]*"', 'PATHWAY-ID="nowhere"', Ask.MASTER, count=1),
    "steering.status": status(429, Ask.STEERING),
    "steering.manifest": replaced(r'"TTL":\d+', '"TTL":0', Ask.STEERING),
    "steering.cache-key": status(400, Ask.STEERED),
}
