"""Host contention as a mechanism: what operations cost the cores, and how slow stages are when the cores are pressed.

1. *Costs*: the CPU time of all of the system's processes, second by second, on what they did (non-negative least
   squares). What the host was busy with beyond that are *others*: whoever shared the cores.
2. *Pressure* of each slice of a run, by the same fluid queue that a simulation has (:mod:`sim.cores`).
3. *Levels*: a slice belongs to a level of pressure, by its own run's load and not by how slow it was. Within a level it
   is of a kind, from quick to slow, by the median latency of its bets; kinds follow one another as a Markov chain. Each
   level and kind has stage tables of its own.
4. Beyond the highest level that was measured, stages take longer in proportion to pressure: cores are shared by all who
   want them. That is an extrapolation, and a prediction which needs it says so.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, PushKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import Run
from sim.cores import Cores, Pressure, Work
from sim.parameters import Cycle, Host, Stages, Table

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

SLICE_NS = 100 * NS_PER_MS
LEVEL_SHARES = (0.12, 0.25, 0.4, 0.55, 0.7, 0.8, 0.88, 0.95)
"""Shares of the bets, each run weighing the same, up to which the levels of pressure reach, but for the last."""
KIND_SHARES = (0.5, 0.85, 0.98)
"""Shares of a level's bets up to which its kinds of slices reach, but for the last."""
BEYOND = (1.25, 1.6, 2.0, 3.0, 5.0)
"""Pressures beyond the highest measured level, as multiples of it, for which there are states."""

PRIOR_SLICES = 2.0


class Seen(NamedTuple):
    """What a run did, as instants: the parts of :class:`sim.cores.Work`; and when windows' openings were heard."""

    bets: Int64s
    calls: Int64s
    pushes: Int64s
    logins: Int64s
    openings: Int64s


class Slices(NamedTuple):
    """A run's slices of time: when each begins, its pressure, and the number of the slice of each bet."""

    begin_ns: Int64s
    pressure: Floats
    of_bets: Int64s


def seen(ops: pd.DataFrame, pushes: pd.DataFrame) -> Seen:
    """Return what was done in a run. A frame counts when the first player has it: gateways write it to all at once."""
    bets = ops[ops["kind"] == int(OpKind.BET)]
    sent = bets.loc[bets["sent_ns"] > 0].drop_duplicates(["gateway", "shard", "sent_ns"])
    heard_ns = pushes["kernel_ns"].where(pushes["kernel_ns"] > 0, pushes["app_ns"])
    first_ns = heard_ns.groupby([pushes["round"], pushes["kind"], pushes["phase"]]).transform("min")
    opening = (pushes["kind"] == int(PushKind.TABLE)) & (pushes["phase"] == int(Phase.BETS_OPEN))
    return Seen(
        bets=_instants(bets["invoke_ns"]),
        calls=_instants(sent["sent_ns"]),
        pushes=_instants(first_ns),
        logins=_instants(ops.loc[ops["kind"] == int(OpKind.LOGIN), "due_ns"]),
        openings=np.unique(_instants(first_ns[opening])),
    )


def _instants(values: "pd.Series[int]") -> Int64s:
    found: Int64s = np.sort(values[values > 0].to_numpy().astype(np.int64))
    return found


def own_cpu(run: Run, at_ns: Floats) -> Floats:
    """Return the CPU ns that the system's and the generator's processes had taken at some instants."""
    total = np.zeros(len(at_ns))
    notes = [group for _, group in run.nodes.groupby(["node", "pid"])]
    notes += [group for _, group in run.generator.groupby("worker")]
    for group in notes:
        ordered = group.sort_values("t_ns")
        total += np.interp(at_ns, ordered["t_ns"].to_numpy(), ordered["cpu_ns"].to_numpy().astype(np.float64))
    return total


def host_load(run: Run) -> Floats:
    """Return the host's samples: instants, busy ns and waiting ns, shape (n, 3).

    Raises
    ------
    ConfigError
        If the run has none, as older ones do.
    """
    samples = np.array(run.manifest.get("host_load") or [], dtype=np.float64)
    if len(samples) < 3:
        raise ConfigError(f"{run.path}: has no samples of the host's load; runs of `campaign run` have them")
    return samples


def costs_of(runs: Sequence[Run], count: int) -> Cores:
    """Return what operations cost the cores, by non-negative least squares over all seconds of all runs."""
    rows, taken = [], []
    for run in runs:
        at_ns, did = host_load(run)[:, 0], seen(run.ops, run.pushes)
        done = [np.searchsorted(instants, at_ns) for instants in did[:4]]
        rows.append(np.column_stack([*(np.diff(each) for each in done), np.diff(at_ns)]))
        taken.append(np.diff(own_cpu(run, at_ns)))
    bets, calls, pushes, logins, base = non_negative(np.concatenate(rows), np.concatenate(taken)).tolist()
    return Cores(
        count=count, bet_ns=round(bets), call_ns=round(calls), push_ns=round(pushes), login_ns=round(logins), base=base
    )


def non_negative(x: Floats, y: Floats) -> Floats:
    """Return the least-squares coefficients that are at least 0, leaving out the most negative column in turn."""
    scale = np.maximum(np.abs(x).max(axis=0), 1e-300)
    left = list(range(x.shape[1]))
    found = np.zeros(x.shape[1])
    while left:
        solved = np.linalg.lstsq(x[:, left] / scale[left], y, rcond=None)[0]
        if solved.min() >= 0.0:
            found[left] = solved / scale[left]
            break
        left.pop(int(np.argmin(solved)))
    return found


def others_of(run: Run) -> tuple[float, ...]:
    """Return the cores that processes of nobody here took, in each second from the load's start to its end."""
    samples = host_load(run)
    own = np.diff(own_cpu(run, samples[:, 0]))
    cores = np.maximum(np.diff(samples[:, 1]) - own, 0.0) / np.diff(samples[:, 0])
    start_ns, end_ns = int(run.manifest["load_start_ns"]), int(run.manifest["load_end_ns"])
    seconds = np.arange(start_ns, end_ns, NS_PER_S)
    middle_ns = (samples[1:, 0] + samples[:-1, 0]) / 2
    return tuple(np.interp(seconds + NS_PER_S / 2, middle_ns, cores).round(4).tolist())


def slices_of(run: Run, bets: pd.DataFrame, cores: Cores) -> Slices:
    """Return a run's slices and their pressures, as a simulation would find them.

    Parameters
    ----------
    run : Run
        A measured run.
    bets : DataFrame
        The bets whose slices are asked for.
    cores : Cores
        Costs; `others` are taken from the run.
    """
    did, start_ns, end_ns = (
        seen(run.ops, run.pushes),
        int(run.manifest["load_start_ns"]),
        int(run.manifest["load_end_ns"]),
    )
    begin_ns = np.fromiter(_begins(start_ns, end_ns + 10 * NS_PER_S, did.openings), dtype=np.int64)
    done = np.column_stack([np.searchsorted(instants, begin_ns, "right") for instants in did[:4]])
    pressed = Pressure(structs.replace(cores, others=others_of(run)), SLICE_NS)
    pressure = [
        pressed.after(int(t_ns) - start_ns, Work(*work)) for t_ns, work in zip(begin_ns, done.tolist(), strict=True)
    ]
    at = np.searchsorted(begin_ns, bets["due_ns"].to_numpy(), "right") - 1
    return Slices(begin_ns, np.array(pressure), np.maximum(at, 0))


def _begins(start_ns: int, end_ns: int, openings: Int64s) -> Iterator[int]:
    """Yield when slices begin: one after the other, and anew with each opening."""
    for first_ns, next_ns in pairwise([start_ns, *openings[openings > start_ns].tolist(), end_ns]):
        yield from range(first_ns, next_ns, SLICE_NS)


class Placed(NamedTuple):
    """Bets of many runs with the level and the kind of their slices, and the chain of kinds."""

    bets: pd.DataFrame
    level: Int64s
    kind: Int64s
    bounds: tuple[float, ...]
    chain: tuple[tuple[float, ...], ...]
    top_pressure: float


def placed(bets: pd.DataFrame, pressure: Floats, slices: Int64s, weights: Floats) -> Placed:
    """Sort bets into levels of pressure, and a level's slices into kinds.

    Parameters
    ----------
    bets : DataFrame, n rows
        Answered bets of all runs with their stamps.
    pressure : array of float, shape (n,)
        Of each bet's slice.
    slices : array of int, shape (n,)
        Numbers of the bets' slices, unlike in different runs, and counting up within one.
    weights : array of float, shape (n,)
        How much each bet counts where levels are bounded.
    """
    bounds = np.unique(weighted_quantiles(pressure, weights, LEVEL_SHARES))
    level = np.searchsorted(bounds, pressure, "right")
    latency_ns = (bets["return_ns"] - bets["due_ns"]).groupby(slices).transform("median").to_numpy()
    kind = np.zeros(len(bets), dtype=np.int64)
    for each in range(len(bounds) + 1):
        own = level == each
        if own.any():
            kind[own] = np.searchsorted(np.quantile(latency_ns[own], KIND_SHARES), latency_ns[own])
    top = level == len(bounds)
    return Placed(bets, level, kind, tuple(bounds.tolist()), _chain(slices, kind), float(pressure[top].mean()))


def weighted_quantiles(values: Floats, weights: Floats, levels: Sequence[float]) -> Floats:
    """Return quantiles of values that weigh differently."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    found: Floats = values[order][np.minimum(np.searchsorted(reached, levels), len(values) - 1)]
    return found


def _chain(slices: Int64s, kinds: Int64s) -> tuple[tuple[float, ...], ...]:
    """Return the probabilities of the next slice's kind, slices weighing as many bets as they hold."""
    n_kinds = len(KIND_SHARES) + 1
    number, first, sizes = np.unique(slices, return_index=True, return_counts=True)
    weights, kind = sizes / sizes.mean(), kinds[first]
    seen_shares = np.bincount(kind, weights, minlength=n_kinds)
    counts = np.tile(PRIOR_SLICES * seen_shares / seen_shares.sum(), (n_kinds, 1))
    later = 1 + np.flatnonzero(np.diff(number) == 1)
    np.add.at(counts, (kind[later - 1], kind[later]), weights[later])
    return tuple(tuple(row) for row in (counts / counts.sum(axis=1, keepdims=True)).tolist())


def host_of(found: Placed, cores: Cores, stages_of: Callable[[pd.DataFrame, Stages | None], Stages]) -> Host:
    """Return the host whose states are the levels and kinds of placed bets, and those beyond.

    Parameters
    ----------
    found : Placed
        Bets with their levels and kinds.
    cores : Cores
        Costs and others.
    stages_of : callable
        Fits stage tables to bets, with a default for stages that too few of them had.
    """
    pooled = stages_of(found.bets, None)
    states = []
    for level in range(len(found.bounds) + 1):
        here = found.level == level
        whole = stages_of(found.bets[here], pooled)
        states += [stages_of(found.bets[here & (found.kind == kind)], whole) for kind in range(len(KIND_SHARES) + 1)]
    kinds = len(KIND_SHARES) + 1
    top = states[-kinds:]
    bounds = list(found.bounds)
    for earlier, factor in zip((1.0, *BEYOND), BEYOND, strict=False):
        bounds.append(found.top_pressure * (earlier + factor) / 2)
        states += [stretched(stages, factor) for stages in top]
    return Host(
        states=tuple(states), quiet=found.chain, disturbed=found.chain, slice_ns=SLICE_NS, disturbance_ns=0,
        cores=structs.replace(cores, bounds=tuple(bounds)),
    )  # fmt: skip


def stretched(stages: Stages, factor: float) -> Stages:
    """Return stages that take so many times as long: each process gets that much less of the cores."""

    def longer(table_ns: Table) -> Table:
        return tuple(round(value * factor) for value in table_ns)

    tables = {
        name: longer(getattr(stages, name)) for name in stages.__struct_fields__ if name.endswith("_ns")
    }  # fmt: skip
    cycle = stages.batch
    batch = Cycle(
        alpha_ns=round(cycle.alpha_ns * factor), beta_ns=round(cycle.beta_ns * factor),
        residual_ns=longer(cycle.residual_ns),
    )  # fmt: skip
    return Stages(**tables, batch=batch)


def measured_up_to(host: Host) -> float:
    """Return the mean pressure of the highest level that was measured, in cores; above it states are extrapolated."""
    if host.cores is None or len(host.cores.bounds) < len(BEYOND):
        return 0.0
    return host.cores.bounds[-len(BEYOND)] * 2 / (1.0 + BEYOND[0])
