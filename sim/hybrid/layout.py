"""The state of a crowd: records in arrays, and the pools from which they come.

A *player* is a row for the whole run. A *bet* is a row from the moment it is planned until its round is over and its
answer is there. An *attempt* is one sending of a bet, with the stamps of gateway and wallet; a *parcel* is a gateway's
batch under way. Rows of the last three come from free lists that grow between kernel calls, never inside one.

Rows of players who are followed (:attr:`World.players` ``followed``) are never freed: they become the Run's tables.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba.experimental import structref

from reference_impl.domain.bets import Status
from sim.hybrid.handles import Borrowed, register
from sim.kernels import Floats, Int64s
from sim.parameters import LEVELS, Model, Stages, Table

Records = npt.NDArray[Any]
Row: TypeAlias = Any
"""One record: its fields are attributes in kernels."""


def constants(values: Iterable[int]) -> list[Any]:
    """Return numbers as NumPy scalars: a function would be compiled once more for each plain int it is called with."""
    return [np.int64(value) for value in values]


# Every field is an int64: other widths would have the kernels compiled once more for each mixture.
# What a bet's way touches stands first: a million rows are far away, and each line of 64 bytes is waited for.
PLAYER = np.dtype(
    [
        ("table", "i8"), ("shard", "i8"), ("gateway", "i8"), ("connection", "i8"), ("opened_ns", "i8"),
        ("up_ns", "i8"), ("down_ns", "i8"), ("bets", "i8"), ("followed", "i8"), ("balance", "i8"), ("version", "i8"),
        ("place", "i8"), ("heard_round", "i8"), ("operations", "i8"), ("before", "i8"), ("after", "i8"),
        ("way_ns", "i8"), ("tries", "i8"), ("op", "i8"),
    ],
    align=True,
)  # fmt: skip
BET = np.dtype(
    [
        ("player", "i8"), ("state", "i8"), ("return_ns", "i8"), ("next", "i8"), ("next_of_round", "i8"),
        ("next_accepted", "i8"), ("selection", "i8"), ("amount", "i8"), ("kind", "i8"), ("number", "i8"),
        ("round", "i8"), ("due_ns", "i8"), ("invoke_ns", "i8"), ("draw", "i8"), ("attempts", "i8"), ("outcome", "i8"),
        ("last", "i8"), ("connection", "i8"), ("gateway", "i8"), ("placed", "i8"), ("balance", "i8"),
        ("version", "i8"), ("seq", "i8"), ("written_ns", "i8"),
    ],
    align=True,
)  # fmt: skip
ATTEMPT = np.dtype(
    [
        ("bet", "i8"), ("next", "i8"), ("number", "i8"), ("connection", "i8"), ("gateway", "i8"), ("late", "i8"),
        ("received_ns", "i8"), ("checked_ns", "i8"), ("sent_ns", "i8"), ("wallet_received_ns", "i8"),
        ("batch_started_ns", "i8"), ("committed_ns", "i8"), ("replied_ns", "i8"), ("written_ns", "i8"),
        ("queue_depth", "i8"), ("batch_size", "i8"),
    ],
    align=True,
)  # fmt: skip
PARCEL = np.dtype([("gateway", "i8"), ("shard", "i8"), ("life", "i8"), ("size", "i8"), ("first", "i8"), ("next", "i8")])
GATEWAY = np.dtype(
    [
        ("up", "i8"), ("life", "i8"), ("expected", "i8"), ("connections", "i8"), ("free_ns", "i8"),
        ("work_ns", "i8"), ("lag_ns_max", "i8"), ("bets", "i8"), ("egress_bytes", "i8"), ("checks", "i8"),
        ("writes", "i8"), ("watermarks", "i8"), ("waiting", "i8"), ("idle_ns", "i8"), ("wakes", "i8"),
        ("awake_ns", "i8"),
    ],
    align=True,
)  # fmt: skip
LANE = np.dtype(
    [
        ("first", "i8"), ("last", "i8"), ("pending", "i8"), ("outstanding", "i8"), ("free_ns", "i8"),
        ("requests", "i8"), ("replies", "i8"), ("waking", "i8"), ("rests", "i8"),
    ],
    align=True,
)  # fmt: skip
SHARD = np.dtype(
    [
        ("first", "i8"), ("last", "i8"), ("queued", "i8"), ("controls", "i8"), ("controls_next", "i8"),
        ("working", "i8"), ("down", "i8"), ("life", "i8"), ("busy_ns", "i8"), ("started_ns", "i8"), ("batches", "i8"),
        ("taken", "i8"), ("size", "i8"), ("placed", "i8"), ("seq", "i8"), ("depth", "i8"), ("work_ns", "i8"),
        ("ends_ns", "i8"), ("here", "i8"), ("since_ns", "i8"), ("inside_ns", "i8"), ("stays_ns", "i8"),
    ],
    align=True,
)  # fmt: skip
ROUND = np.dtype(
    [
        ("id", "i8"), ("table", "i8"), ("phase", "i8"), ("opens_ns", "i8"), ("closes_ns", "i8"), ("bets", "i8"),
        ("accepted", "i8"), ("over", "i8"), ("awaited", "i8"), ("acknowledged", "i8"),
    ],
    align=True,
)  # fmt: skip
SEAT = np.dtype(
    [
        ("first", "i8"), ("last", "i8"), ("count", "i8"), ("round", "i8"), ("phase", "i8"),
        ("start_ns", "i8"), ("key", "i8"), ("earlier_ns", "i8"), ("earlier_key", "i8"),
    ],
    align=True,
)  # fmt: skip
CUT = np.dtype(
    [("unanswered", "i8"), ("awaits", "i8"), ("cut", "i8"), ("written_ns", "i8"), ("acknowledged", "i8")], align=True
)
BOOK = np.dtype(
    [
        ("until_ns", "i8"), ("known", "i8"), ("closed", "i8"), ("first", "i8"), ("last", "i8"), ("count", "i8"),
    ],
    align=True,
)  # fmt: skip
SEEN = np.dtype(
    [("kind", "i8"), ("player", "i8"), ("at_ns", "i8"), ("a", "i8"), ("b", "i8"), ("c", "i8"), ("x", "f8")], align=True
)

# A bet's state, and what kinds of rows are followed.
PLANNED, WAITING, UNANSWERED, ENDED = constants(range(4))
SEEN_PUSH, SEEN_SESSION, SEEN_PLACEMENT = constants(range(1, 4))
ZERO, NONE = constants((0, -1))

# Events. `a` and `b` are a row and what tells a stale event from a true one.
(
    ON_DUE, ON_TABLE_DUE, ON_INVOKE, ON_REACH, ON_CHECKED, ON_PARCEL, ON_PLACED, ON_REPLIED, ON_FREE, ON_CUT,
    ON_WATERMARK, ON_CONTROL, ON_LOGGED_IN, ON_KNOCK, ON_WELCOME, ON_READ,
) = constants(range(16))  # fmt: skip

# What a kernel tells SimPy.
TELL_WATERMARK, TELL_CONTROL_WANTED, TELL_CONTROL_DONE = constants(range(1, 4))

# The first axis of `counts`: where pools stand, and exact totals.
(
    NOW, EVENTS, ORDER, SEEN_N, TOLD, COMMITS, FREE_BETS, FREE_ATTEMPTS, FREE_PARCELS, ARRIVED, TIMERS_FIRST,
    TIMERS_N, OFFERED, OK, REJECTED, REFUSED, RESENT, CONNECTED, UNANSWERED_N, ROUNDTRIPS, LOGINS, CONNECTS,
    RECONNECTS, PUSHED, EVENTS_DONE, GENERATOR_AWAKE, BY_STATUS,
) = constants(range(27))  # fmt: skip
COUNTS = int(BY_STATUS) + max(Status) + 1

# Rows of `tables`.
(
    T_LAG, T_UPLINK, T_WAKE, T_CHECK, T_REQUEST, T_REPLY, T_WRITE, T_MORE, T_OVERSLEEP, T_DOWNLINK, T_BATCH, T_LOGIN,
    T_CONNECT, T_RECONNECT, T_PUSH, T_WATERMARK,
) = constants(range(16))  # fmt: skip
STAGES = 11
"""The first rows of `tables` change with the host's state."""

# Rows of `cycle`: the batch cycle of the present host state.
ALPHA, BETA = 0, 1

ROUNDS_KEPT = 4
"""Rounds of one table that may be unfinished at once, a power of two."""

BUCKETS_PER_OCTAVE = 128
HISTOGRAM = 41 * BUCKETS_PER_OCTAVE
"""Buckets of a latency histogram: each is less than 0.8 % wide, up to 2**46 ns."""

LATENCY, WALLET, GATEWAY_IN, QUEUE = 0, 1, 2, 3
"""Rows of `histograms`: due to answer; handed to the wallet to committed; sent to read; waiting in the wallet."""
HISTOGRAMS = 4


class Setup(NamedTuple):
    """What does not change during a run; `keys`, of shape (streams, 2), are those of both lanes of each stream.

    `policy` is a constant of :mod:`reference_impl.domain.balancing.choosing`, for gateways.
    """

    seed: int
    load_start_ns: int
    load_end_ns: int
    patience_ns: int
    batch_bets_max: int
    fanout_ns: int
    accept_ns: int
    push_ns_max: int
    answer_bytes: int
    event_bytes: int
    participation: float
    bets_mean: float
    window_s: float
    repeat_share: float
    late_share: float
    repeat_mean_s: float
    late_mean_s: float
    stake_minor_min: int
    stake_minor_max: int
    n_selections: int
    cover: Int64s
    keys: Int64s
    policy: int


class World(NamedTuple):
    """All arrays of a run."""

    counts: Int64s
    levels: Floats
    tables: Floats
    cycle: Int64s
    histograms: Int64s
    players: Records
    bets: Records
    free_bets: Int64s
    attempts: Records
    free_attempts: Int64s
    parcels: Records
    free_parcels: Int64s
    gateways: Records
    lanes: Records
    shards: Records
    rounds: Records
    seats: Records
    cuts: Records
    books: Records
    table_first: Int64s
    table_players: Int64s
    followed_first: Int64s
    followed: Int64s
    schedule: Int64s
    schedule_at: Int64s
    arrivals: Int64s
    arrivals_ns: Int64s
    heap: Int64s
    timers: Int64s
    told: Int64s
    commits: Int64s
    seen: Records


def table_row(table_ns: Table) -> Floats:
    """Return a model's table as a row of :attr:`World.tables`."""
    return np.array(table_ns if len(table_ns) > 1 else table_ns * len(LEVELS), dtype=np.float64)


def stage_rows(stages: Stages) -> tuple[Floats, Int64s]:
    """Return the rows of `tables` and of `cycle` that follow the host's state."""
    order = (
        stages.lag_ns, stages.uplink_ns, stages.wake_ns, stages.check_ns, stages.request_ns, stages.reply_ns,
        stages.write_ns, stages.more_ns, stages.oversleep_ns, stages.downlink_ns, stages.batch.residual_ns,
    )  # fmt: skip
    return np.array([table_row(t) for t in order]), np.array([stages.batch.alpha_ns, stages.batch.beta_ns])


def all_rows(model: Model) -> Floats:
    """Return all rows of `tables`, for the host's first state."""
    others = (model.login_ns, model.connect_ns, model.reconnect_ns, model.push_ns, model.watermark_ns)
    return np.concatenate([stage_rows(model.host.states[0])[0], np.array([table_row(t) for t in others])])


def pool(dtype: np.dtype[Any], size: int) -> tuple[Records, Int64s]:
    """Return records and the free list of their rows, the first row on top."""
    return np.zeros(size, dtype=dtype), np.arange(size - 1, -1, -1, dtype=np.int64)


def grown(records: Records, free: Int64s, n_free: int) -> tuple[Records, Int64s, int]:
    """Return twice as many records; what was there keeps its row."""
    size = len(records)
    wider = np.zeros(2 * size, dtype=records.dtype)
    wider[:size] = records
    stack = np.empty(2 * size, dtype=np.int64)
    stack[:size] = np.arange(2 * size - 1, size - 1, -1)
    stack[size : size + n_free] = free[:n_free]
    return wider, stack, size + n_free


class _WorldType(Borrowed):
    pass


class _SetupType(Borrowed):
    pass


class WorldHandle(structref.StructRefProxy):
    """A world as kernels take it; made anew when a pool has grown."""


class SetupHandle(structref.StructRefProxy):
    """A setup as kernels take it."""


register(_WorldType, WorldHandle, World._fields)
register(_SetupType, SetupHandle, Setup._fields)
