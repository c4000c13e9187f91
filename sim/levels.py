"""How slow stages are when the cores are pressed: a host whose states are levels of pressure.

A slice belongs to a level of pressure, by its own run's load and not by how slow it was. Each level has stage tables of
its own, of the stages that began in its slices.

Beyond the highest level that was measured, stages take longer in proportion to pressure: cores are shared by all who
want them. Below the lowest, what a stage takes beyond its median shrinks in proportion: the chance to meet somebody who
has the core is the share of the time in which it is taken. Both are extrapolations.

References
----------
L. Kleinrock, Queueing Systems, volume 1, New York 1975, section 5.7: the Pollaczek-Khinchin mean value formula; at low
utilisation waiting grows in proportion to it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import structs

from sim.contention import BEGINS, SLICE_NS
from sim.cores import Cores
from sim.empirical import weighted_quantiles
from sim.parameters import LEVELS, Cycle, Host, Stages, Table
from sim.slowness import TIMED

Floats = npt.NDArray[np.float64]

LEVEL_SHARES = (0.12, 0.25, 0.4, 0.55, 0.7, 0.8, 0.88, 0.95)
"""Shares of the bets, each run weighing the same, up to which the levels of pressure reach, but for the last."""
MEASURED = (0.01, 0.99)
"""Shares of the bets between which pressures count as measured; beyond them states are extrapolated."""
BEYOND = (1.25, 1.6, 2.0, 3.0, 5.0)
"""Pressures beyond the highest measured one, as multiples of it, for which there are states."""
BELOW = (0.8, 0.6, 0.4, 0.2)
"""Pressures below the lowest measured one, as multiples of it, for which there are states."""


def host_of(bets: pd.DataFrame, cores: Cores, stages_of: Callable[[pd.DataFrame, Stages | None], Stages]) -> Host:
    """Return the host whose states are levels of pressure, and those beyond.

    A stage belongs to the level at which it began, so one call that takes a second is one slow call, whatever waits for
    it meanwhile.

    Parameters
    ----------
    bets : DataFrame, n rows
        Answered bets of all runs with their stamps and :func:`with_pressures`; `slowness` is that of their run,
        and `weight` how much each counts.
    cores : Cores
        Costs and others.
    stages_of : callable
        Fits stage tables to bets, with a default for stages that too few of them had.
    """
    pressure = bets["pressed_due_ns"].to_numpy()
    weights = bets["weight"].to_numpy()
    bounds = np.unique(weighted_quantiles(pressure, weights, LEVEL_SHARES)).tolist()
    whole = stages_of(bets, None)
    levels = {instant: np.searchsorted(bounds, bets[f"pressed_{instant}"].to_numpy(), "right") for instant in BEGINS}
    states = []
    for level in range(len(bounds) + 1):
        parts: dict[str, Any] = {}
        for instant, names in BEGINS.items():
            chosen = bets[levels[instant] == level]
            fitted = stages_of(chosen, whole)
            parts |= {name: getattr(fitted, name) for name in names}
        states.append(Stages(**parts))
    lowest, highest = weighted_quantiles(pressure, weights, MEASURED).tolist()
    below = [eased(states[0], factor) for factor in reversed(BELOW)]
    beyond = [stretched(states[-1], factor) for factor in BEYOND]
    bounds = [*_between(lowest, (*reversed(BELOW), 1.0)), *bounds, *_between(highest, (1.0, *BEYOND))]
    return Host(
        states=(*below, *states, *beyond), slice_ns=SLICE_NS, disturbance_ns=0,
        cores=structs.replace(cores, bounds=tuple(bounds)),
    )  # fmt: skip


def _between(pressure: float, factors: Sequence[float]) -> list[float]:
    """Return the pressures half-way between multiples of one."""
    return [pressure * (lower + higher) / 2 for lower, higher in pairwise(factors)]


def eased(stages: Stages, factor: float) -> Stages:
    """Return stages whose times beyond the median are that much smaller; the cost of rows stays."""
    batch = structs.replace(stages.batch, residual_ns=_eased(stages.batch.residual_ns, factor))
    return _changed(stages, _eased, factor, batch)


def _changed(stages: Stages, change: Callable[[Table, float], Table], factor: float, batch: Cycle) -> Stages:
    names = [name for name in stages.__struct_fields__ if name.endswith("_ns")]
    return Stages(**{name: change(getattr(stages, name), factor) for name in names}, batch=batch)


def _eased(table_ns: Table, factor: float) -> Table:
    median_ns = table_ns[LEVELS.index(0.5) if len(table_ns) > 1 else 0]
    return tuple(value if value <= median_ns else round(median_ns + factor * (value - median_ns)) for value in table_ns)


def stretched(stages: Stages, factor: float) -> Stages:
    """Return stages that take so many times as long: each process gets that much less of the cores."""
    return _changed(stages, _longer, factor, _longer_call(stages.batch, factor))


def slowed(host: Host, slowness: float) -> Host:
    """Return the host on a slower machine: everything takes so many times as long, but for timers."""
    states = [
        structs.replace(stretched(stages, slowness), **{name: getattr(stages, name) for name in TIMED})
        for stages in host.states
    ]
    return structs.replace(host, states=tuple(states))


def _longer_call(cycle: Cycle, factor: float) -> Cycle:
    alpha_ns, beta_ns = round(cycle.alpha_ns * factor), round(cycle.beta_ns * factor)
    return Cycle(alpha_ns=alpha_ns, beta_ns=beta_ns, residual_ns=_longer(cycle.residual_ns, factor))


def _longer(table_ns: Table, factor: float) -> Table:
    return tuple(round(value * factor) for value in table_ns)


def measured_up_to(host: Host) -> float:
    """Return the highest pressure that was measured, in cores; above it states are extrapolated."""
    if host.cores is None or len(host.cores.bounds) < len(BEYOND):
        return 0.0
    return host.cores.bounds[-len(BEYOND)] * 2 / (1.0 + BEYOND[0])
