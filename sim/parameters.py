"""The model's parameters: how long each stage takes, as measured or as assumed.

A stage time is an *empirical table*: its quantiles at :data:`LEVELS`, in ns; a draw interpolates between them. A single
value stands for a constant. Defaults are **assumptions**, rounded from measurements of the design's prototypes on two
shared cores; their origin stands beside each field. Calibration replaces them.

Host contention is a *host state* that all processes share: for a slice of time all of them are quick or all are slow.
States follow one another as a Markov chain, with other probabilities right after a window opens, when every client and
gateway wants a core at once. So slow stages come together, as they do on a real machine; drawn one by one they would
average out and hide the tail of the whole. That chain knows the load that it was fitted on, and no other. A host with
`cores` knows why it is slow (:mod:`sim.cores`): its states come in levels of pressure, and the load decides the level.
"""

import math
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.units import NS_PER_MS, NS_PER_S, NS_PER_US
from sim.cores import Cores
from sim.files import read_as

LEVELS: Final[tuple[float, ...]] = (*(percent / 100 for percent in range(100)), 0.995, 0.998, 0.999, 1.0)
"""Probabilities of an empirical table; closer together where the tail is."""

PPM: Final = 1_000_000

Table: TypeAlias = tuple[int, ...]
Whole: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]


def lognormal_table(p50_ns: float, p99_ns: float) -> Table:
    """Return the table of a lognormal stage time, cut at its 99.9 % quantile."""
    sigma = math.log(p99_ns / p50_ns) / NormalDist().inv_cdf(0.99)
    normal = NormalDist(math.log(p50_ns), sigma)
    return tuple(round(math.exp(normal.inv_cdf(min(max(level, 0.001), 0.999)))) for level in LEVELS)


class Cycle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A database call for `n` rows takes ``alpha + beta * n`` and a residual drawn from a table.

    Parameters
    ----------
    alpha_ns, beta_ns : int
        Cost of a call, and of each row in it.
    residual_ns : tuple of int
        Empirical table of what is left; entries may be negative.
    """

    alpha_ns: Whole
    beta_ns: Whole
    residual_ns: Table


class Stages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times of a bet's stages, between the stamps of the same names.

    Parameters
    ----------
    lag_ns : tuple of int
        Load generator: how late it wakes for the first bet that is due; what is due by then starts with it.
    uplink_ns : tuple of int
        Client's send to the gateway's socket, each bet for itself.
    wake_ns : tuple of int
        How late a gateway wakes for the first bet at its sockets, its own modelled work apart; it reads with it what
        has come by then.
    check_ns : tuple of int
        Gateway: decode and check.
    request_ns, reply_ns : tuple of int
        A batch from gateway to wallet, and its answers back.
    write_ns, more_ns : tuple of int
        Gateway: write the first answer of a batch, and each further one.
    oversleep_ns : tuple of int
        How much longer than asked a sender rests; may be negative, as timers count whole milliseconds.
    downlink_ns : tuple of int
        From when the gateway begins to write an answer to the client's application.
    batch : Cycle
        The wallet's database call.
    """

    # 18 µs of gateway CPU a bet, 209 µs for a NATS request and reply at 1000/s; loopback sockets add little.
    lag_ns: Table = (0,)
    uplink_ns: Table = lognormal_table(250 * NS_PER_US, 8 * NS_PER_MS)
    wake_ns: Table = (0,)
    check_ns: Table = lognormal_table(15 * NS_PER_US, 60 * NS_PER_US)
    request_ns: Table = lognormal_table(250 * NS_PER_US, 4 * NS_PER_MS)
    reply_ns: Table = lognormal_table(250 * NS_PER_US, 4 * NS_PER_MS)
    write_ns: Table = lognormal_table(10 * NS_PER_US, 60 * NS_PER_US)
    more_ns: Table = lognormal_table(10 * NS_PER_US, 60 * NS_PER_US)
    oversleep_ns: Table = (0,)
    downlink_ns: Table = lognormal_table(250 * NS_PER_US, 8 * NS_PER_MS)
    # One writer: 64 bets in 4.1 ms, 256 in 13.9 ms.
    batch: Cycle = Cycle(
        alpha_ns=900 * NS_PER_US, beta_ns=51 * NS_PER_US, residual_ns=lognormal_table(150 * NS_PER_US, 6 * NS_PER_MS)
    )


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The machine as all processes feel it: states, and how they follow one another.

    Parameters
    ----------
    states : tuple of Stages
        Stage times in each state.
    quiet, disturbed : tuple of rows
        Probabilities of the next slice's state (columns) given the present one (rows): usually, and for slices that
        begin within `disturbance_ns` after a betting window opened. The opening itself begins a slice.
    slice_ns, disturbance_ns : int
        Length of a slice and of a disturbance.
    cores : Cores or None
        What the load's pressure follows from. States then come in levels, lowest first, each with the same kinds of
        slices from quick to slow; the rows are probabilities of kinds.
    """

    states: Annotated[tuple[Stages, ...], Meta(min_length=1)] = (Stages(),)
    quiet: tuple[tuple[float, ...], ...] = ((1.0,),)
    disturbed: tuple[tuple[float, ...], ...] = ((1.0,),)
    slice_ns: Positive = 200 * NS_PER_MS
    disturbance_ns: Whole = 300 * NS_PER_MS
    cores: Cores | None = None

    @property
    def kinds(self) -> int:
        """Kinds of slices: states that differ, at one level of pressure."""
        return len(self.states) // (self.cores.levels if self.cores else 1)


class Video(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times and sizes of the video, from the camera to the viewer.

    Parameters
    ----------
    publish_ns : tuple of int
        From the capture of a part's last frame until the origin has the part.
    cut_share : float
        Probability that after a part the host starves its studios for so long that they cut their films.
    cut_ns : tuple of int
        How long that lasts; films go on with the next segment.
    fetch_ns : tuple of int
        An edge's request to the origin and the answer back, without waiting for a part.
    trip_ns : tuple of int
        A viewer's request to its edge and the answer's first byte back, without the edge's own work.
    wake_ns : tuple of int
        The way back alone, of an answer that many viewers have waited for: all of them wake at once.
    body_ns : tuple of int
        An answer's first byte to its last, without the edge's link.
    place_ns : tuple of int
        A viewer's request for an edge.
    detect_ns, restart_ns : tuple of int
        From a streaming process's death until the supervisor notices, and until it is ready again.
    part_bytes : tuple of tables
        Empirical tables of a part's size, for each rendition; the lowest bit rate first, as everywhere.
    bandwidths_bps : tuple of int
        Announced bit rates.
    playlist_bytes, setup_bytes : int
        Size of a media playlist, and of a multivariant playlist or an init section.
    edge_request_ns, origin_request_ns : int
        CPU of one request and its answer.
    edge_answer_ns : int
        Of an edge's, what writing the answer takes: so much lies between two viewers who waited for the same part.
    origin_part_ns, studio_part_ns : int
        The origin's CPU for taking a part, frame by frame, and a studio's for making it.
    edge_link_bps : int
        Capacity of an edge's link.
    origins : int
        Origins, to which the tables are dealt out; only a crowd's simulation has more than one.
    shields : int
        Caches between origin and edges, each for an equal share of the edges; only a crowd's simulation has them.
    timing : MediaTiming
        How streams are cut: two-second segments are one part of 50 frames.
    """

    # The last frame's encoding in two rungs, packing, one hop on loopback.
    publish_ns: Table = lognormal_table(15 * NS_PER_MS, 60 * NS_PER_MS)
    cut_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    cut_ns: Table = lognormal_table(700 * NS_PER_MS, 2 * NS_PER_S)
    fetch_ns: Table = lognormal_table(800 * NS_PER_US, 10 * NS_PER_MS)
    trip_ns: Table = lognormal_table(500 * NS_PER_US, 10 * NS_PER_MS)
    wake_ns: Table = lognormal_table(600 * NS_PER_US, 12 * NS_PER_MS)
    body_ns: Table = lognormal_table(60 * NS_PER_US, 3 * NS_PER_MS)
    place_ns: Table = lognormal_table(8 * NS_PER_MS, 60 * NS_PER_MS)
    detect_ns: Table = (20 * NS_PER_MS,)
    restart_ns: Table = lognormal_table(0.6 * NS_PER_S, 1.5 * NS_PER_S)
    # 320 ms of 300 and 1000 kbit/s; the announced rates leave room for bursts.
    part_bytes: tuple[Table, ...] = (lognormal_table(11_000, 18_000), lognormal_table(36_000, 60_000))
    bandwidths_bps: tuple[Positive, ...] = (375_000, 1_250_000)
    playlist_bytes: Positive = 2_500
    setup_bytes: Positive = 750
    edge_request_ns: Whole = 45 * NS_PER_US
    edge_answer_ns: Whole = 14 * NS_PER_US
    origin_request_ns: Whole = 120 * NS_PER_US
    origin_part_ns: Whole = 1_250 * NS_PER_US
    studio_part_ns: Whole = 50 * NS_PER_MS  # superfast: 0.12 + 0.03 CPU seconds a media second
    edge_link_bps: Positive = 10_000_000_000  # loopback, as good as no limit [assumed]
    origins: Positive = 1
    shields: Whole = 0
    timing: MediaTiming = MediaTiming()


class Validity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parameters were fitted on; beyond it every figure is an extrapolation.

    Parameters
    ----------
    source : str
        Name of the Run; ``""`` for assumed parameters.
    parity : str
        Which rounds were used: odd, even or all.
    bets, rounds, fetches : int
        How much was seen.
    bets_per_s_max, batch_bets_max : float, int
        The largest load seen: bets in one second, bets in one call.
    """

    source: str = ""
    parity: str = "all"
    bets: Whole = 0
    rounds: Whole = 0
    fetches: Whole = 0
    bets_per_s_max: float = 0.0
    batch_bets_max: Whole = 0


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the simulation needs beside the scenario.

    Parameters
    ----------
    host : Host
        Times of a bet's stages.
    login_ns, connect_ns : tuple of int
        Client operations as a whole; `connect_ns` without the gateway's queue.
    reconnect_ns : tuple of int
        From a broken connection to the next one that is open.
    push_ns : tuple of int
        A table event from the gateway's write to the client's application.
    open_ns, close_ns, decide_ns : tuple of int
        Control requests of the dealer, way there and back included.
    announce_ns : tuple of int
        From an event at the dealer (or a commit) through outbox and relay to the gateways.
    watermark_ns : tuple of int
        A gateway's acknowledgement on its way to the dealer.
    settle : Cycle
        One chunk of a settlement or a void.
    settle_factor_ppm : tuple of int
        How settlements of different rounds differ, small ones as large ones: what a round's chunks take of `settle`.
    detect_ns, restart_ns : tuple of int
        From a process's death until the supervisor notices, and until it is ready again.
    fanout_ns : int
        Gateway CPU for one socket of a broadcast.
    accept_ns : int
        Gateway CPU for a new connection.
    batch_bets_max, settle_bets_max : int
        Limits of one database call.
    video : Video
        Times and sizes of the video.
    valid : Validity
        What it was fitted on.
    """

    host: Host = Host()
    login_ns: Table = lognormal_table(60 * NS_PER_MS, 400 * NS_PER_MS)  # argon2id and a row look-up [assumed]
    connect_ns: Table = lognormal_table(8 * NS_PER_MS, 60 * NS_PER_MS)  # placement, TCP and the first frames [assumed]
    reconnect_ns: Table = lognormal_table(120 * NS_PER_MS, 900 * NS_PER_MS)  # full-jitter backoff [assumed]
    push_ns: Table = lognormal_table(250 * NS_PER_US, 8 * NS_PER_MS)
    open_ns: Table = lognormal_table(2 * NS_PER_MS, 15 * NS_PER_MS)
    close_ns: Table = lognormal_table(2 * NS_PER_MS, 15 * NS_PER_MS)
    decide_ns: Table = lognormal_table(2 * NS_PER_MS, 15 * NS_PER_MS)
    announce_ns: Table = lognormal_table(4 * NS_PER_MS, 30 * NS_PER_MS)
    watermark_ns: Table = lognormal_table(1 * NS_PER_MS, 10 * NS_PER_MS)
    settle: Cycle = Cycle(  # 10,000 bets in 0.55–0.80 s by chunks of 1000
        alpha_ns=2 * NS_PER_MS, beta_ns=65 * NS_PER_US, residual_ns=lognormal_table(500 * NS_PER_US, 10 * NS_PER_MS)
    )
    settle_factor_ppm: Table = (PPM,)
    detect_ns: Table = (20 * NS_PER_MS,)
    restart_ns: Table = lognormal_table(0.9 * NS_PER_S, 2.0 * NS_PER_S)  # a Python process imports 0.15-0.7 s
    fanout_ns: Whole = 8 * NS_PER_US  # a send of a prebuilt frame: 5.7–8 µs
    accept_ns: Whole = 200 * NS_PER_US
    batch_bets_max: Positive = 1000
    settle_bets_max: Positive = 1000
    video: Video = Video()
    valid: Validity = Validity()


def check_table(name: str, table_ns: Table) -> None:
    """Raise ConfigError unless this is one value or a rising value for each of :data:`LEVELS`."""
    if len(table_ns) not in {1, len(LEVELS)}:
        raise ConfigError(f"model: {name} has {len(table_ns)} values, must have 1 or {len(LEVELS)}")
    if falls := next((pair for pair in pairwise(table_ns) if pair[1] < pair[0]), None):
        raise ConfigError(f"model: {name} falls from {falls[0]} to {falls[1]}; quantiles must rise")


def check_host(host: Host) -> None:
    """Raise ConfigError unless the states fill all levels of pressure, and the chains fit their kinds."""
    levels = host.cores.levels if host.cores else 1
    if len(host.states) % levels:
        raise ConfigError(f"model: host has {len(host.states)} states, must be as many for each of {levels} levels")
    if host.cores and list(host.cores.bounds) != sorted(host.cores.bounds):
        raise ConfigError(f"model: host.cores.bounds is {host.cores.bounds}, must rise")
    check_chain("quiet", host.quiet, host.kinds)
    check_chain("disturbed", host.disturbed, host.kinds)


def check_chain(name: str, rows: tuple[tuple[float, ...], ...], states: int) -> None:
    """Raise ConfigError unless this is a row of probabilities for each host state."""
    if len(rows) != states or any(len(row) != states for row in rows):
        raise ConfigError(f"model: host.{name} must have {states} rows of {states} probabilities, one for each state")
    if wrong := next((row for row in rows if min(row) < 0 or abs(sum(row) - 1) > 1e-6), None):
        raise ConfigError(f"model: host.{name} has the row {wrong}; probabilities must be at least 0 and sum to 1")


def save_model(model: Model, path: Path) -> None:
    """Write a model as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")


def load_model(path: Path) -> Model:
    """Read a model.

    Raises
    ------
    ConfigError
        If the file is missing, no model, or holds a table that no draw can be made from.
    """
    model = read_as(Model, path, "model")
    check_model(model)
    return model


def check_model(model: Model) -> None:
    """Raise ConfigError if a model holds a table or a chain that no draw can be made from."""
    for name, table_ns in tables_of(model):
        check_table(name, table_ns)
    if not len(model.video.part_bytes) == len(model.video.bandwidths_bps) > 0:
        counts = f"{len(model.video.part_bytes)} part sizes and {len(model.video.bandwidths_bps)} bit rates"
        raise ConfigError(f"model: video has {counts}; each rendition needs one of each")
    check_host(model.host)


def tables_of(model: Struct, prefix: str = "") -> list[tuple[str, Table]]:
    """Return the dotted names and values of all tables in a model."""
    found: list[tuple[str, Table]] = []
    for name in model.__struct_fields__:
        value = getattr(model, name)
        if isinstance(value, Struct):
            found += tables_of(value, f"{prefix}{name}.")
        elif name == "states":
            for number, stages in enumerate(value):
                found += tables_of(stages, f"{prefix}{name}.{number}.")
        elif name == "part_bytes":
            found += [(f"{prefix}{name}.{rendition}", sizes) for rendition, sizes in enumerate(value)]
        elif name.endswith(("_ns", "_ppm")) and isinstance(value, tuple):
            found.append((prefix + name, value))
    return found
