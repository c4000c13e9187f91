"""The one registry of compiled rules and kernels.

:func:`compiled` translates a plain scalar rule with Numba. A rule may call other rules: those that were registered
before it are replaced by their compiled forms (bottom-up), so the domain stays free of Numba and no rule is written
twice. Every entry keeps its plain form as ``.py_func``.

Invariants
----------
* Instants are int64 ns; arithmetic stays below 2**63.
* Machine code is kept in a folder named by a digest of all sources involved. Numba itself looks only at the file of the
  function that it compiles, and would go on using a changed rule's old code inside an unchanged kernel.
"""

import hashlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from reference_impl.domain import abr, bet_verdict, bets, cutoff, mixing, pacing, placement
from reference_impl.domain.balancing import choosing, heat, moves, signals
from reference_impl.domain.mixing import WORD
from sim import arrivals, random_streams
from sim.arrivals import DRAWS_PER_ROUND
from sim.random_streams import GOLDEN, LANE_A, LANE_B, SHIFT_32

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SOURCES = (
    abr, bet_verdict, bets, choosing, cutoff, heat, mixing, moves, pacing, placement, signals, arrivals, random_streams,
)  # fmt: skip
_HYBRID = (
    "handles", "layout", "ahead", "events", "shards", "path", "answers", "planning", "seats", "loop",
    "screens", "playback", "sharing", "serving", "landing",
)  # fmt: skip
_BALANCING = ("crowd", "believing", "moving", "serving")
"""Modules that compile more on top of this one."""

LOW_32 = np.uint64(WORD)
TO_UNIT = 1.0 / (WORD + 1)

PERCENT = 100
"""An empirical table's levels are percents, but for its last ones."""

_registry: dict[Callable[..., Any], Any] = {}


def _code_folder() -> Path | None:
    """Return where machine code is kept, or None if this installation is read-only."""
    here = Path(__file__)
    hybrid = [here.parent / "hybrid" / f"{name}.py" for name in _HYBRID]
    balancing = [here.parent / "balancing" / f"{name}.py" for name in _BALANCING]
    sources = [here, *hybrid, *balancing, *(Path(inspect.getfile(module)) for module in _SOURCES)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:16]
    folder = Path(__file__).parent / "__pycache__" / f"numba-{digest}"
    parent = folder.parent if folder.parent.exists() else folder.parent.parent
    return folder if os.access(parent, os.W_OK) else None


_FOLDER = _code_folder()


def compiled(rule: Callable[..., Any]) -> Any:
    """Return a rule's compiled form, compiling what it calls first.

    Parameters
    ----------
    rule : function
        A module-level function of scalars or arrays.

    Returns
    -------
    numba dispatcher
        Calls like `rule`; ``py_func`` is the plain form.
    """
    if rule in _registry:
        return _registry[rule]
    if not isinstance(rule, FunctionType):
        raise TypeError(f"only plain functions can be compiled, got {rule!r}")
    helpers = {name: _registry[value] for name, value in rule.__globals__.items() if _is_registered(value)}
    clone = FunctionType(rule.__code__, {**rule.__globals__, **helpers}, rule.__name__, rule.__defaults__)
    clone.__module__, clone.__qualname__, clone.__doc__ = rule.__module__, rule.__qualname__, rule.__doc__
    settings: Any = numba.config
    kept = settings.CACHE_DIR
    settings.CACHE_DIR = str(_FOLDER or "")
    try:
        dispatcher = numba.njit(clone, cache=_FOLDER is not None, nogil=True)
    finally:
        settings.CACHE_DIR = kept
    _registry[rule] = dispatcher
    return dispatcher


def _is_registered(value: object) -> bool:
    return isinstance(value, FunctionType) and value in _registry


def _quantile_ns(u: float, levels: Floats, table_ns: Floats) -> int:
    """Return a quantile of a distribution given by those at `levels`, interpolated between them."""
    i = int(u * PERCENT) + 1
    if i >= PERCENT:
        i = PERCENT
        while levels[i] < u:
            i += 1
    below, above = table_ns[i - 1], table_ns[i]
    return int(below + (above - below) * (u - levels[i - 1]) / (levels[i] - levels[i - 1]))


def _table_ns(seed: int, stream: int, who: int, k: int, levels: Floats, table_ns: Floats) -> int:
    """Return a draw from a distribution given by its quantiles at `levels`."""
    return int(quantile_ns(uniform(seed, stream, who, k), levels, table_ns))


def _tables_ns(seed: int, stream: int, who: Int64s, k: int, levels: Floats, table_ns: Floats) -> Int64s:
    drawn = np.empty(len(who), dtype=np.int64)
    for i in range(len(who)):
        drawn[i] = table_ns_of(seed, stream, who[i], k, levels, table_ns)
    return drawn


def _uniforms(seed: int, stream: int, who: Int64s, k: int) -> Floats:
    drawn = np.empty(len(who), dtype=np.float64)
    for i in range(len(who)):
        drawn[i] = uniform(seed, stream, who[i], k)
    return drawn


def _pair_keys(seed: int, stream: int, who: Int64s) -> Any:
    """Return everybody's key for pairs of draws: both lanes' own, side by side."""
    keys = np.empty(len(who), dtype=np.uint64)
    for i in range(len(who)):
        high = np.uint64(lane_key(LANE_A, seed, stream, who[i]))
        keys[i] = high << SHIFT_32 | np.uint64(lane_key(LANE_B, seed, stream, who[i]))
    return keys


def _pair(key: Any, k: int) -> tuple[float, float]:
    """Return the `k`-th two draws from (0, 1) under a key."""
    bits = mix64(np.uint64(key) + np.uint64(k) * GOLDEN)
    low = np.int64(bits & LOW_32)
    return (np.int64(bits >> SHIFT_32) + 0.5) * TO_UNIT, (low + 0.5) * TO_UNIT


def _plan_round(
    seed: int,
    players: Int64s,
    round_no: int,
    participation: float,
    mean: float,
    window_s: float,
    repeat_share: float,
    late_share: float,
    repeat_mean_s: float,
    late_mean_s: float,
    stake_minor_min: int,
    stake_minor_max: int,
    n_selections: int,
    cover: Int64s,
) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """Return all bets that these players plan for a round: index of the player, offset ns, selection, stake."""
    counts = np.empty(len(players), dtype=np.int64)
    for i in range(len(players)):
        counts[i] = bets_count(seed, players[i], round_no, participation, mean, len(cover))
    total = counts.sum()
    index = np.empty(total, dtype=np.int64)
    offset_ns = np.empty(total, dtype=np.int64)
    selection = np.empty(total, dtype=np.int64)
    stake = np.empty(total, dtype=np.int64)
    row = 0
    for i in range(len(players)):
        for j in range(counts[i]):
            index[row] = i
            offset_ns[row], selection[row], stake[row] = planned_bet(
                seed, players[i], round_no * DRAWS_PER_ROUND + j,
                window_s, repeat_share, late_share, repeat_mean_s, late_mean_s,
                stake_minor_min, stake_minor_max, n_selections, cover,
            )  # fmt: skip
            row += 1
    return index, offset_ns, selection, stake


def _batch_server(
    arrivals_ns: Int64s, batch_max: int, alpha_ns: int, beta_ns: int, extra_ns: Int64s
) -> tuple[Int64s, Int64s, Int64s]:
    """Serve sorted arrivals in batches: one cycle takes ``alpha + beta * n + extra`` and whoever has come meanwhile.

    Returns
    -------
    started_ns, done_ns, batch : arrays of int64, shape (n,)
        When each one's batch began and ended, and the batch's number; cycle `b` draws ``extra_ns[b % len]``.
    """
    n = len(arrivals_ns)
    started_ns = np.empty(n, dtype=np.int64)
    done_ns = np.empty(n, dtype=np.int64)
    batch = np.empty(n, dtype=np.int64)
    first, free_ns, number = 0, np.int64(0), 0
    while first < n:
        start_ns = max(free_ns, arrivals_ns[first])
        last = first
        while last < n and last - first < batch_max and arrivals_ns[last] <= start_ns:
            last += 1
        free_ns = start_ns + max(alpha_ns + beta_ns * (last - first) + extra_ns[number % len(extra_ns)], 1)
        started_ns[first:last] = start_ns
        done_ns[first:last] = free_ns
        batch[first:last] = number
        number += 1
        first = last
    return started_ns, done_ns, batch


mix32 = compiled(mixing.mix32)
stream_key = compiled(random_streams.stream_key)
who_key = compiled(random_streams.who_key)
lane_key = compiled(random_streams.lane_key)
lane_end = compiled(random_streams.lane_end)
uniform_under = compiled(random_streams.uniform_under)
uniform = compiled(random_streams.uniform)
bet_offset_s = compiled(bets.bet_offset_s)
in_time = compiled(cutoff.in_time)
rest_ns = compiled(pacing.rest_ns)
may_close = compiled(cutoff.may_close)
kept_share = compiled(abr.kept_share)
kept_shares = compiled(abr.kept_shares)
learn = compiled(abr.learn)
throughput_bps = compiled(abr.throughput_bps)
choose = compiled(abr.choose)
bets_count = compiled(arrivals.bets_count)
stake_minor = compiled(arrivals.stake_minor)
planned_ns = compiled(arrivals.planned_ns)
planned_stake = compiled(arrivals.planned_stake)
planned_bet = compiled(arrivals.planned_bet)
may_send = compiled(arrivals.may_send)
quantile_ns = compiled(_quantile_ns)
table_ns_of = compiled(_table_ns)
tables_ns = compiled(_tables_ns)
uniforms = compiled(_uniforms)
mix64 = compiled(random_streams.mix64)
pair_keys = compiled(_pair_keys)
pair = compiled(_pair)
plan_round = compiled(_plan_round)
for _rule in (
    placement.two_choices, choosing.random_one, choosing.least_loaded, choosing.weighted_one, choosing.two_costs,
    choosing.peak_ewma, choosing.bounded_ring, choosing.full_from, choosing.replica_choice,
):  # fmt: skip
    compiled(_rule)
choose_place = compiled(choosing.choose)
batch_server = compiled(_batch_server)
