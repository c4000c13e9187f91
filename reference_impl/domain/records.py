"""Fixed-size records that services and load generators append to files while they run.

A record is one ``write`` of a few dozen bytes: it costs next to nothing, survives the process's death by SIGKILL, and
is converted to the Run's parquet files afterwards. Layouts are little-endian and packed. Instants named ``*_ns`` are
CLOCK_MONOTONIC of the writing host, those named ``*_unix_ns`` CLOCK_REALTIME; 0 means "did not happen".
"""

import struct
from dataclasses import dataclass
from enum import IntEnum


class OpEvent(IntEnum):
    """Whether a record was written before sending or after the answer."""

    INVOKE = 1
    RETURN = 2


class OpKind(IntEnum):
    """Kinds of client operations."""

    BET = 1
    LOGIN = 2
    CONNECT = 3
    LOBBY = 4


class Outcome(IntEnum):
    """What the client knows of an operation. An operation without an answer is *unknown*, never failed."""

    UNKNOWN = 0
    OK = 1
    REJECTED = 2
    REFUSED = 3  # never sent: it certainly had no effect


class PushKind(IntEnum):
    """Kinds of messages that a client receives unasked."""

    TABLE = 1
    PAID = 2
    WELCOME = 3
    LOBBY = 4


class FetchKind(IntEnum):
    """What a viewer fetches."""

    MASTER = 1
    PLAYLIST = 2
    INIT = 3
    PART = 4
    SEGMENT = 5


class CacheState(IntEnum):
    """How an edge came by what it answered, as it says itself."""

    UNKNOWN = 0
    HIT = 1
    MISS = 2
    COALESCED = 3  # somebody else's fetch of the same thing was under way


class Switch(IntEnum):
    """What changes with a viewer's fetch."""

    WORSE = -1
    NONE = 0
    BETTER = 1
    EDGE = 2


@dataclass(frozen=True)
class Layout:
    """A record layout.

    Parameters
    ----------
    name : str
        Base name of the files that hold such records (``<name>-<writer>.bin``).
    fields : tuple of (str, str)
        Field names and their :mod:`struct` codes.
    """

    name: str
    fields: tuple[tuple[str, str], ...]

    @property
    def packer(self) -> struct.Struct:
        """The struct that packs one record's fields in order."""
        return struct.Struct("<" + "".join(code for _, code in self.fields))


OPS = Layout(
    "ops",
    (
        ("op", "16s"), ("event", "B"), ("attempt", "B"), ("outcome", "B"), ("status", "B"),
        ("kind", "h"), ("gateway", "h"), ("session", "i"), ("connection", "i"), ("table", "i"), ("window", "i"),
        ("selection", "i"), ("currency", "i"), ("shard", "i"), ("account", "q"), ("round", "q"), ("amount", "q"),
        ("due_ns", "q"), ("invoke_ns", "q"), ("return_ns", "q"), ("kernel_ns", "q"),
        ("balance", "q"), ("version", "q"), ("seq", "q"),
    ),
)  # fmt: skip
"""A client's operation. An INVOKE record is written before sending, a RETURN record when its answer is in."""

STAGES = Layout(
    "stages",
    (
        ("op", "16s"), ("gateway", "h"), ("shard", "h"), ("batch_size", "i"), ("queue_depth", "i"),
        ("received_ns", "q"), ("checked_ns", "q"), ("sent_ns", "q"), ("wallet_received_ns", "q"),
        ("batch_started_ns", "q"), ("committed_ns", "q"), ("replied_ns", "q"), ("written_ns", "q"),
    ),
)  # fmt: skip
"""One bet's way through gateway and wallet, written by the gateway."""

PUSHES = Layout(
    "pushes",
    (
        ("session", "i"), ("connection", "i"), ("table", "i"), ("epoch", "i"), ("kind", "i"), ("seq", "q"),
        ("round", "q"), ("phase", "i"), ("outcome", "i"), ("commitment", "q"), ("seed", "q"), ("op", "16s"),
        ("amount", "q"), ("balance", "q"), ("version", "q"), ("media_unix_ns", "q"),
        ("kernel_ns", "q"), ("app_ns", "q"),
    ),
)  # fmt: skip
"""A message that a client received unasked: one record, but for payments, which are one record a bet. ``commitment``
and ``seed`` are prints of 63 bits (:func:`print_of`)."""


def print_of(digest: bytes) -> int:
    """Return the first 63 bits of a digest: what records keep of it. No digest is 0."""
    return int.from_bytes(digest[:8], "big") >> 1


PHASES = Layout(
    "phases",
    (
        ("t_ns", "q"), ("t_unix_ns", "q"), ("table", "i"), ("phase", "i"), ("round", "q"), ("epoch", "i"),
        ("outcome", "i"), ("opens_unix_ns", "q"), ("closes_unix_ns", "q"),
        ("first_close_unix_ns", "q"), ("last_close_unix_ns", "q"), ("window", "i"),
    ),
)  # fmt: skip
"""A round entered a phase, in one of its windows, written by the dealer."""

NODES = Layout(
    "nodes",
    (
        ("t_ns", "q"), ("t_unix_ns", "q"), ("node", "24s"), ("pid", "i"), ("connections", "i"), ("queue", "i"),
        ("lag_ns_max", "q"), ("cpu_ns", "q"), ("run_delay_ns", "q"), ("ops", "q"), ("egress_bytes", "q"),
    ),
)  # fmt: skip
"""A process's load, once a second. Counters are totals since its start."""

RESOURCES = Layout(
    "resources",
    (("t_ns", "q"), ("node", "24s"), ("pid", "i"), ("memory_bytes", "q"), ("descriptors", "i"), ("disk_bytes", "q")),
)
"""What a process and its children held, every few seconds, written by whoever started it."""

SESSIONS = Layout(
    "sessions",
    (
        ("session", "i"), ("connection", "i"), ("gateway", "i"), ("table", "i"), ("account", "q"),
        ("opened_ns", "q"), ("closed_ns", "q"), ("close_code", "i"),
    ),
)  # fmt: skip
"""A client connection that ended."""

GENERATOR = Layout(
    "generator",
    (
        ("t_ns", "q"), ("worker", "i"), ("users", "i"), ("lag_ns_max", "q"), ("cpu_ns", "q"), ("ops", "q"),
        ("missed", "q"), ("start_lag_ns_max", "q"), ("clock_offset_ns", "q"), ("clock_error_ns", "q"),
    ),
)  # fmt: skip
"""A load worker's own health, once a second: timer lag, CPU, operations started and schedules missed, how late bets
started that nothing but the worker held up, and how far the target's clock is from the worker's, at most so far off."""

CLOCKS = Layout("clocks", (("t_ns", "q"), ("ahead_ns", "q"), ("trip_ns", "q")))
"""A load worker on another machine asked its master for the time: when (its own clock), how far the master's
CLOCK_MONOTONIC was ahead of its own, and how long the round trip took: half of that bounds the error."""

CLIPS = Layout(
    "clips",
    (
        ("viewer", "i"), ("table", "i"), ("rendition", "h"), ("msn", "q"), ("part", "i"), ("arrived_ns", "q"),
        ("shown_ns", "q"),
    ),
)  # fmt: skip
"""A part that a viewer kept in a file of its own: its picture says when it was filmed."""

PLACEMENTS = Layout(
    "placements",
    (
        ("t_ns", "q"), ("session", "q"), ("table", "i"), ("what", "8s"), ("chosen", "24s"), ("number", "h"),
        ("load", "d"), ("alternatives", "h"),
    ),
)  # fmt: skip
"""A player was sent to a gateway or an edge (``what``), written by the placer; ``session`` is the player, ``load`` what
the chosen one was believed to carry, ``alternatives`` how many there were to choose from."""

VIDEO = Layout(
    "video",
    (
        ("viewer", "i"), ("table", "i"), ("edge", "h"), ("rendition", "h"), ("kind", "h"), ("msn", "q"), ("part", "i"),
        ("bytes", "q"), ("due_ns", "q"), ("start_ns", "q"), ("first_byte_ns", "q"), ("end_ns", "q"), ("status", "h"),
        ("cache", "b"), ("media_ns", "q"), ("buffer_ms", "i"), ("latency_ms", "i"), ("stalled_ms", "i"),
        ("switched", "b"),
    ),
)  # fmt: skip
"""A viewer's fetch, and how its playback was after it. ``status`` 0 is a connection that failed."""

GIVEN_UP = 499
"""The ``status`` of an answer that its viewer left in the middle (as nginx calls a request that its client closed)."""

LAYOUTS = (OPS, STAGES, PUSHES, PHASES, NODES, RESOURCES, SESSIONS, GENERATOR, PLACEMENTS, CLOCKS)
