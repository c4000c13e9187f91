"""Fitting a :class:`~sim.parameters.Model` to a measured Run, stage by stage.

Each stage's table is the empirical distribution between two stamps, over the rounds of one parity: the twin of a Run is
fitted on its odd rounds and compared on its even ones. A stage with fewer than :data:`SAMPLES_MIN` observations keeps
its assumed table, so a short or empty Run still gives a model.

The host's states are classes of time slices by how slow their bets were. That explains nothing, but keeps together what
was slow together; see :mod:`sim.parameters`.

A batch shares its stamps, so hops and database calls are counted once a batch and not once a bet. The cost of a call is
fitted as ``alpha + beta * n``; residuals keep what the line does not explain. Sizes that hardly vary say nothing about
`beta`: it then keeps its assumed value. The video has a module of its own: :mod:`sim.calibrate_video`.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.ids import ROUND_NO_MAX
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import Run
from sim.calibrate_video import ENDED, STREAMING, fit_video, in_slices
from sim.empirical import (
    SAMPLES_MIN,
    entries,
    since_fault,
    table_of,
    undisturbed,
    undisturbed_rounds,
    weighted_quantiles,
)
from sim.gateway_time import with_gateway_times
from sim.kernels import Int64s
from sim.parameters import PPM, Cycle, Host, Model, Stages, Table, Validity

Parity: TypeAlias = Literal["odd", "even", "all"]

SIZES_SPREAD_MIN = 8
"""Range of batch sizes (5 % to 95 %) below which the cost of a row keeps its assumed value."""

QUIET_BOUNDS = (0.5, 0.8, 0.95)
DISTURBED_BOUNDS = (0.5, 0.85)
"""Shares of the bets up to which each host state but the last reaches, by the slowness of their slices."""

STATE_BETS_MIN = 60
"""Bets that make states worth telling apart: for each quiet one, and for all of a disturbance."""

PRIOR_SLICES = 2.0

QUARTERS = (0.25, 0.5, 0.75, 0.95)
TENTHS = tuple(tenth / 10 for tenth in range(1, 10))
"""Quantiles of sizes between which times count as of one size."""

ROUNDS_MIN = 30
"""Rounds from which the cost of settling a bet is fitted."""

SLICES_MAX = 1_000_000
"""Slices between two openings, more than there can be."""

_ANNOUNCED = {Phase.BETS_OPEN: "opens_ns", Phase.NO_MORE_BETS: "no_more_bets_ns", Phase.RESULT: "result_ns"}
"""Events whose news no earlier event can hold up in the outbox."""


def fit(run: Run, parity: Parity = "odd", host: Host | None = None) -> Model:
    """Return the model that a Run's rounds of one parity suggest.

    Parameters
    ----------
    run : Run
        A Run with stage stamps.
    parity : {"odd", "even", "all"}
        Which rounds are used, by their number at their table.
    host : Host, optional
        Times of a bet's stages, if they are known already.

    Raises
    ------
    ConfigError
        If the parity is unknown.
    """
    bets = staged_bets(run, parity)
    rounds = undisturbed_rounds(run.rounds[_of_parity(run.rounds["round"], parity)], run.faults)
    default = Model()
    gaps = _gaps(run.rounds, rounds)
    shards = max(int(run.ledger["shard"].max()) + 1, 1) if len(run.ledger) else 1
    ended = run.faults[run.faults["kind"].isin(ENDED)]
    betting = ended[~ended["target"].str.startswith(STREAMING)]
    announce_ns, fanout_ns = _announcements(run, rounds, default)
    settle, settle_factor_ppm = _settle(rounds, bets, default, shards)
    return Model(
        host=host or _host(bets, run.rounds),
        login_ns=_operations(run.ops, OpKind.LOGIN, default.login_ns),
        connect_ns=_operations(run.ops[run.ops["connection"] <= 1], OpKind.CONNECT, default.connect_ns),
        reconnect_ns=_operations(run.ops[run.ops["connection"] > 1], OpKind.CONNECT, default.reconnect_ns),
        push_ns=table_of(bets["return_ns"] - bets["written_ns"], default.push_ns),
        announce_ns=announce_ns,
        open_ns=table_of(gaps - run_pause_ns(run), default.open_ns, few=True, largest_of=shards),
        close_ns=_close(rounds, default, shards),
        decide_ns=_between(rounds, "bets_closed_ns", "informative_ns", default.decide_ns),
        watermark_ns=default.watermark_ns,
        settle=settle,
        settle_factor_ppm=settle_factor_ppm,
        detect_ns=since_fault(betting, "detected_ns", default.detect_ns),
        restart_ns=since_fault(betting, "recovered_ns", default.restart_ns),
        fanout_ns=fanout_ns,
        accept_ns=default.accept_ns,
        video=fit_video(run, parity),
        valid=_validity(run, parity, bets, rounds),
    )


def run_pause_ns(run: Run) -> int:
    """Return the pause between two rounds that the Run's campaign asks for."""
    timing = run.manifest.get("campaign", {}).get("scenario", {}).get("timing", {})
    return int(timing.get("pause_ms", 0)) * NS_PER_MS


def cycle_of(
    sizes: npt.NDArray[np.int64],
    times_ns: npt.NDArray[np.int64],
    default: Cycle,
    weights: npt.NDArray[np.float64] | None = None,
) -> Cycle:
    """Return the line and residuals of call times over sizes.

    Parameters
    ----------
    sizes, times_ns : arrays of int, shape (n,)
        Rows in each call, and how long it took.
    default : Cycle
        Used with fewer than :data:`SAMPLES_MIN` calls; its `beta` also when the sizes hardly differ.
    weights : array of float, shape (n,), optional
        How much each call counts; all alike without them.

    Notes
    -----
    Slow calls are rare and long, so the line goes through the medians of the sizes' quartile groups rather than
    through means. Both costs are at least 0.
    """
    if len(sizes) < SAMPLES_MIN:
        return default
    x, y = sizes.astype(np.float64), times_ns.astype(np.float64)
    beta = float(default.beta_ns)
    if np.quantile(x, 0.95) - np.quantile(x, 0.05) >= SIZES_SPREAD_MIN:
        beta = max(float(np.polyfit(*_group_medians(x, y), 1)[0]), 0.0)
    counts = np.ones(len(x)) if weights is None else weights
    alpha = max(float(weighted_quantiles(y - beta * x, counts, (0.5,))[0]), 0.0)
    residual = entries(y - alpha - beta * x, counts).round().astype(np.int64)
    return Cycle(alpha_ns=round(alpha), beta_ns=round(beta), residual_ns=tuple(residual.tolist()))


def _group_medians(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], levels: Sequence[float] = QUARTERS
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    edges = np.unique(np.quantile(x, levels))
    group = np.searchsorted(edges, x)
    known = np.unique(group)
    return (
        np.array([np.median(x[group == g]) for g in known]),
        np.array([np.median(y[group == g]) for g in known]),
    )


def _of_parity(rounds: "pd.Series[int]", parity: str) -> npt.NDArray[np.bool_]:
    numbers = rounds.to_numpy() & ROUND_NO_MAX
    wanted = {"odd": numbers % 2 == 1, "even": numbers % 2 == 0, "all": numbers >= 0}
    if parity not in wanted:
        raise ConfigError(f"parity is '{parity}', must be one of {', '.join(wanted)}")
    chosen: npt.NDArray[np.bool_] = wanted[parity]
    return chosen


def staged_bets(run: Run, parity: Parity) -> pd.DataFrame:
    """Return answered bets of one attempt with all their stamps and their gateways' times, but what a fault held up."""
    ops = run.ops
    answered = ops["outcome"].isin([int(Outcome.OK), int(Outcome.REJECTED)])
    staged = (ops[["received_ns", "sent_ns", "batch_started_ns", "written_ns", "return_ns"]] > 0).all(axis=1)
    known = with_gateway_times(ops[answered & staged & (ops["kind"] == int(OpKind.BET))])
    wanted = (known["attempts"] == 1) & _of_parity(known["round"], parity)
    return undisturbed(known[wanted], run.faults)


def _host(bets: pd.DataFrame, rounds: pd.DataFrame) -> Host:
    """Return the host's states and how they follow one another.

    A slice of time is as slow as the median bet that was due in it. Slices are counted from the last opening of a
    window, as the simulation counts them; those in the disturbance after it have states of their own. What was slow
    together is thereby drawn together. Slices without a bet say nothing.
    """
    default = Host()
    pooled = stages_of(bets, default.states[0])
    if len(bets) < STATE_BETS_MIN * (len(QUIET_BOUNDS) + 1):
        return Host(states=(pooled,))
    due_ns = bets["due_ns"].to_numpy()
    opens_ns = np.sort(rounds["opens_ns"].to_numpy())
    opening = np.searchsorted(opens_ns, due_ns, "right")
    age_ns = due_ns - np.concatenate(([0], opens_ns))[opening]
    disturbed = age_ns < default.disturbance_ns
    if disturbed.sum() < STATE_BETS_MIN:
        disturbed[:] = False
    slices = opening * SLICES_MAX + age_ns // default.slice_ns
    latency_ns = (bets["return_ns"] - bets["due_ns"]).groupby(slices).transform("median").to_numpy()
    state, n_states = _classes(latency_ns, disturbed)
    _, first, sizes = np.unique(slices, return_index=True, return_counts=True)
    seen = (slices[first], state[first], sizes)
    quiet = _chain(*seen, ~disturbed[first], n_states)
    return Host(
        states=tuple(stages_of(bets[state == number], pooled) for number in range(n_states)),
        quiet=quiet,
        disturbed=_chain(*seen, disturbed[first], n_states) if disturbed.any() else quiet,
    )


def _classes(latency_ns: npt.NDArray[np.float64], disturbed: npt.NDArray[np.bool_]) -> tuple[Int64s, int]:
    """Return the class of each bet's slice, and the number of classes: quiet ones first, then those of disturbances."""
    state = np.zeros(len(latency_ns), dtype=np.int64)
    n_states = 0
    for chosen, bounds in ((~disturbed, QUIET_BOUNDS), (disturbed, DISTURBED_BOUNDS)):
        if chosen.any():
            limits = np.quantile(latency_ns[chosen], bounds)
            state[chosen] = n_states + np.searchsorted(limits, latency_ns[chosen])
            n_states += len(bounds) + 1
    return state, n_states


def _chain(
    slices: Int64s, states: Int64s, sizes: Int64s, chosen: npt.NDArray[np.bool_], n_states: int
) -> tuple[tuple[float, ...], ...]:
    """Return the probabilities of chosen slices' states, given the state of the slice before.

    Slices weigh as many bets as they hold, so that bets meet each state as often as they did. Few transitions are seen;
    each row begins with :data:`PRIOR_SLICES` imagined ones, spread as the chosen slices are.
    """
    weights = sizes / sizes[chosen].mean()
    seen = np.bincount(states[chosen], weights[chosen], minlength=n_states)
    counts = np.tile(PRIOR_SLICES * seen / seen.sum(), (n_states, 1))
    follows = (np.diff(slices) == 1) | (slices[1:] % SLICES_MAX == 0)
    later = 1 + np.flatnonzero(follows & chosen[1:])
    np.add.at(counts, (states[later - 1], states[later]), weights[later])
    return tuple(tuple(row) for row in (counts / counts.sum(axis=1, keepdims=True)).tolist())


def stages_of(bets: pd.DataFrame, default: Stages, *, tail: bool = False) -> Stages:
    """Return the stage tables of answered bets; stages that too few of them had keep the default's.

    With `tail`, tables have fitted tails: see :func:`sim.empirical.table_of`. Bets of several campaigns name theirs in
    a column `campaign`, in `weight` how much they count, and in `slowness` how slow their machine was: it is taken out.
    """
    if "campaign" not in bets:
        bets = bets.assign(campaign=0, weight=1.0, slowness=1.0)
    sent = bets.drop_duplicates(["gateway", "shard", "sent_ns"])
    replied = bets.drop_duplicates(["gateway", "shard", "replied_ns"])
    written = bets.drop_duplicates(["gateway", "shard", "replied_ns", "written_ns"])
    first, further = (
        written[(written["writing_ns"] == written["replied_ns"]) == is_first] for is_first in (True, False)
    )
    calls = bets.drop_duplicates(["shard", "batch_started_ns"])
    # Simulated writers begin at once if they are idle; how long real ones take is what the quickest beginnings show.
    begun_ns = (calls["batch_started_ns"] - calls["wallet_received_ns"]).quantile(0.1)
    share = bets.groupby("campaign")["weight"].sum()
    due, waited = bets[bets["first_due"]], sent[sent["oversleep_ns"].notna()]
    together = bool(bets["together"].mean() > 0.5) if len(bets) else default.uplink_ns == (0,)
    sent_off = bets[bets["read_at_once"] & (bets["roused"] | (not together))]
    way_ns = sent_off["received_ns"] - sent_off["invoke_ns"]
    taken = replied[replied["taken_at_once"]]

    def timed(rows: pd.DataFrame, took_ns: Any, assumed: Table, *, signed: bool = False) -> Table:
        return table_of(took_ns, assumed, tail=tail, weights=_weights(rows, share), signed=signed)

    def table(rows: pd.DataFrame, took_ns: Any, assumed: Table) -> Table:
        return timed(rows, took_ns / rows["slowness"], assumed)

    return Stages(
        lag_ns=timed(due, due["invoke_ns"] - due["due_ns"], default.lag_ns),
        uplink_ns=(0,) if together else table(sent_off, way_ns, default.uplink_ns),
        wake_ns=table(sent_off, way_ns, default.wake_ns) if together else (0,),
        check_ns=table(bets, bets["checked_ns"] - bets["received_ns"], default.check_ns),
        request_ns=table(sent, sent["wallet_received_ns"] - sent["sent_ns"] + begun_ns, default.request_ns),
        reply_ns=table(taken, taken["replied_ns"] - taken["committed_ns"], default.reply_ns),
        write_ns=table(first, first["written_ns"] - first["writing_ns"], default.write_ns),
        more_ns=table(further, further["written_ns"] - further["writing_ns"], default.more_ns),
        oversleep_ns=timed(waited, waited["oversleep_ns"], default.oversleep_ns, signed=True),
        downlink_ns=table(bets, bets["return_ns"] - bets["writing_ns"], default.downlink_ns),
        batch=cycle_of(
            calls["batch_size"].to_numpy().astype(np.int64),
            ((calls["committed_ns"] - calls["batch_started_ns"]) / calls["slowness"]).to_numpy(),
            default.batch,
            _weights(calls, share),
        ),
    )


def _weights(rows: pd.DataFrame, share: "pd.Series[float]") -> npt.NDArray[np.float64]:
    """Return how much each row counts: all of a campaign's together as much as its bets, however few they are."""
    each = share / rows.groupby("campaign").size()
    found: npt.NDArray[np.float64] = np.asarray(each.loc[rows["campaign"]], dtype=np.float64)
    return found


def _operations(ops: pd.DataFrame, kind: OpKind, default: Table) -> Table:
    done = ops[(ops["kind"] == int(kind)) & (ops["outcome"] == int(Outcome.OK)) & (ops["return_ns"] > 0)]
    return table_of(done["return_ns"] - done["due_ns"], default)


def _between(rounds: pd.DataFrame, earlier: str, later: str, default: Table) -> Table:
    both = rounds[(rounds[earlier] > 0) & (rounds[later] > 0)]
    return table_of(both[later] - both[earlier], default, few=True)


def _gaps(all_rounds: pd.DataFrame, rounds: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the times from a round's end to the next one's opening, for the next ones in `rounds`."""
    ordered = all_rounds.sort_values(["table", "round_no"])
    ended_ns = ordered.groupby("table")["settled_ns"].shift()
    gap = ordered["opens_ns"] - ended_ns
    known = gap[gap.index.isin(rounds.index) & (ordered["opens_ns"] > 0) & (ended_ns > 0) & (gap > 0)]
    return known.to_numpy().astype(np.int64)


def _close(rounds: pd.DataFrame, default: Model, shards: int) -> Table:
    """Return the closing requests' times: what is left of the closing after the gateways' watermarks.

    The watermarks' way is not stamped; it is taken as assumed.
    """
    both = rounds[(rounds["no_more_bets_ns"] > 0) & (rounds["bets_closed_ns"] > 0)]
    watermark_ns = default.watermark_ns[len(default.watermark_ns) // 2]
    left_ns = both["bets_closed_ns"] - both["no_more_bets_ns"] - watermark_ns
    return table_of(left_ns, default.close_ns, few=True, largest_of=shards)


def _settle(rounds: pd.DataFrame, bets: pd.DataFrame, default: Model, shards: int) -> tuple[Cycle, Table]:
    """Return the settling cycle, and how rounds differ; one Run has too few to tell the cost of a row."""
    done = rounds[(rounds["result_ns"] > 0) & (rounds["settled_ns"] > 0)]
    if len(done) < 2:
        return default.settle, default.settle_factor_ppm
    per_shard = bets.groupby(["round", "shard"]).size().groupby("round").max()
    rows = done["round"].map(per_shard).fillna(0).to_numpy().astype(np.float64)
    took_ns = (done["settled_ns"] - done["result_ns"]).to_numpy().astype(np.float64)
    beta_ns = default.settle.beta_ns
    if len(done) < ROUNDS_MIN:
        left = np.maximum(took_ns - beta_ns * rows, 0.0)
        residual_ns = table_of(left, default.settle.residual_ns, few=True, largest_of=shards)
        return Cycle(alpha_ns=0, beta_ns=beta_ns, residual_ns=residual_ns), default.settle_factor_ppm
    return settling_of(_beside(done, rows), took_ns, default.settle)


def settling_of(rows: npt.NDArray[np.float64], took_ns: npt.NDArray[np.float64], default: Cycle) -> tuple[Cycle, Table]:
    """Return the line of settlements' times over their rows, and in millionths how rounds differ from it.

    The line is that of least relative errors: a round that is twice as large lies twice as far from it.

    Parameters
    ----------
    rows, took_ns : arrays of float, shape (n,)
        Bets that each round settled, and how long it took.
    default : Cycle
        Its `beta` is kept when rounds hardly differ in size.
    """
    sizes, took = _group_medians(rows, took_ns, TENTHS)
    beta, alpha = float(default.beta_ns), float(np.median(took_ns - default.beta_ns * rows))
    if np.ptp(sizes) >= SIZES_SPREAD_MIN:
        beta, alpha = np.polyfit(sizes, took, 1, w=1.0 / took).tolist()
    beta, alpha = max(beta, 0.0), max(alpha, 0.0)
    factor_ppm = table_of(PPM * took_ns / np.maximum(alpha + beta * rows, 1.0), (PPM,))
    return Cycle(alpha_ns=round(alpha), beta_ns=round(beta), residual_ns=(0,)), factor_ppm


def _beside(done: pd.DataFrame, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the rows of each round and of those that a shard's writer settles at the same time, turn by turn."""
    begins, ends = done["result_ns"].to_numpy(), done["settled_ns"].to_numpy()
    together = (begins[None, :] < ends[:, None]) & (ends[None, :] > begins[:, None])
    found: npt.NDArray[np.float64] = together @ rows
    return found


def _announcements(run: Run, rounds: pd.DataFrame, default: Model) -> tuple[Table, int]:
    """Return how long news takes from the dealer to the first player, and a gateway's cost of one socket."""
    pushes = run.pushes[run.pushes["kind"] == int(PushKind.TABLE)]
    seats = _seats(run.sessions)
    delays: list[npt.NDArray[np.int64]] = []
    slopes: list[float] = []
    for phase, column in _ANNOUNCED.items():
        known = rounds.loc[rounds[column] > 0, ["round", column]]
        heard = pushes[pushes["phase"] == int(phase)].merge(known, on="round")
        heard["after_ns"] = heard["kernel_ns"].where(heard["kernel_ns"] > 0, heard["app_ns"]) - heard[column]
        delays.append(heard.groupby("round")["after_ns"].min().to_numpy())
        slopes += _slopes(heard.merge(seats, on="session"))
    fanout_ns = max(0, round(float(np.median(slopes)))) if slopes else default.fanout_ns
    return table_of(np.concatenate(delays), default.announce_ns, few=True), fanout_ns


def _seats(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return gateway and order among its sockets of those players who had one connection only."""
    once = sessions[~sessions["session"].duplicated(keep=False)].sort_values("opened_ns")
    order = once.groupby(["gateway", "table"]).cumcount()
    return pd.DataFrame({"session": once["session"], "gateway": once["gateway"], "order": order})


def _slopes(heard: pd.DataFrame) -> list[float]:
    """Return, for each broadcast to enough sockets, the time from one socket to the next, by least squares."""
    slopes = []
    for _, group in heard.groupby(["round", "gateway"]):
        if len(group) >= SAMPLES_MIN:
            slopes.append(float(np.polyfit(group["order"].to_numpy(), group["after_ns"].to_numpy(), 1)[0]))
    return slopes


def _validity(run: Run, parity: str, bets: pd.DataFrame, rounds: pd.DataFrame) -> Validity:
    source = str(run.manifest.get("name", ""))
    fetches = int(in_slices(run, run.video["due_ns"], parity).sum())
    if bets.empty:
        return Validity(source=source, parity=parity, rounds=len(rounds), fetches=fetches)
    per_s = np.bincount((bets["due_ns"].to_numpy() - int(bets["due_ns"].min())) // NS_PER_S)
    return Validity(
        source=source,
        parity=parity,
        bets=len(bets),
        rounds=len(rounds),
        fetches=fetches,
        bets_per_s_max=float(per_s.max()),
        batch_bets_max=int(bets["batch_size"].max()),
    )
