"""Host contention as a mechanism: what operations cost the cores, and how hard the cores are pressed by them.

1. *Costs*: the CPU time of all of the system's processes, span by span, on what they did (non-negative least
   squares). What the host was busy with beyond that are *others*: whoever shared the cores.
2. *Pressure* of each slice of a run, by the same fluid queue that a simulation has (:mod:`sim.cores`).

How slow stages are at a pressure: :mod:`sim.levels`.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.pacing import rest_ns
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, PushKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import Run
from sim.cores import Cores, Pressure, Work
from sim.scenario import senders
from sim.twin import campaign_of

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

SLICE_NS = 25 * NS_PER_MS
SPAN_SAMPLES = 2
"""Samples of the host, a second apart, by which work and CPU time are held against each other: processes note theirs
every 1.1 s, so that shorter spans ascribe work to its neighbours' time, which levels out what differs."""
TAKEN_NS_MIN = 10 * NS_PER_MS
"""CPU time of a span below which it weighs no more: a tick of the clock that counts it."""


class Seen(NamedTuple):
    """What a run did, as instants: the parts of :class:`sim.cores.Work`; and when windows' openings were heard."""

    bets: Int64s
    calls: Int64s
    pushes: Int64s
    logins: Int64s
    openings: Int64s


class Slices(NamedTuple):
    """A run's slices of time: when each begins, and its pressure in cores."""

    begin_ns: Int64s
    pressure: Floats

    def at(self, t_ns: "pd.Series[int]") -> Floats:
        """Return the pressures of the slices in which instants lie."""
        found: Floats = self.pressure[np.maximum(np.searchsorted(self.begin_ns, t_ns.to_numpy(), "right") - 1, 0)]
        return found


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
    """Return what operations cost the cores, by non-negative least squares over all runs, two seconds at a time.

    Errors are relative ones, since a slow machine makes all costs larger: otherwise the busiest seconds alone would
    tell what a nearly idle system takes.
    """
    rows, taken = [], []
    for run in runs:
        at_ns, did = host_load(run)[::SPAN_SAMPLES, 0], seen(run.ops, run.pushes)
        done = [np.searchsorted(instants, at_ns) for instants in did[:4]]
        rows.append(np.column_stack([*(np.diff(each) for each in done), np.diff(at_ns)]))
        taken.append(np.diff(own_cpu(run, at_ns)))
    x, y = np.concatenate(rows), np.concatenate(taken)
    weight = 1.0 / np.maximum(y, TAKEN_NS_MIN)
    bets, calls, pushes, logins, base = non_negative(x * weight[:, None], y * weight).tolist()
    return Cores(
        count=count, bet_ns=round(bets), call_ns=round(calls), push_ns=round(pushes), login_ns=round(logins),
        cycle_ns=round(float(np.median([cycle_ns(run.ops) for run in runs]))), base=base,
    )  # fmt: skip


def cycle_ns(ops: pd.DataFrame) -> float:
    """Return how long a run's senders were busy with a call, the rest after it included: the median of its calls."""
    bets = ops[(ops["kind"] == int(OpKind.BET)) & (ops["sent_ns"] > 0) & (ops["replied_ns"] > 0)]
    calls = bets.drop_duplicates(["gateway", "shard", "sent_ns"])
    flights_ns = (calls["replied_ns"] - calls["sent_ns"]).tolist()
    return float(np.median([flight_ns + rest_ns(flight_ns) for flight_ns in flights_ns])) if flights_ns else 0.0


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


def slices_of(run: Run, cores: Cores) -> Slices:
    """Return a run's slices and their pressures, as a simulation would find them; `others` are taken from the run."""
    did, start_ns, end_ns = (
        seen(run.ops, run.pushes),
        int(run.manifest["load_start_ns"]),
        int(run.manifest["load_end_ns"]),
    )
    begin_ns = np.fromiter(_begins(start_ns, end_ns + 10 * NS_PER_S, did.openings), dtype=np.int64)
    done = np.column_stack([np.searchsorted(instants, begin_ns, "right") for instants in did[:4]])
    pressed = Pressure(structs.replace(cores, others=others_of(run)), SLICE_NS, senders(campaign_of(run).scenario))
    pressure = [
        pressed.after(int(t_ns) - start_ns, Work(*work)) for t_ns, work in zip(begin_ns, done.tolist(), strict=True)
    ]
    return Slices(begin_ns, np.array(pressure))


def _begins(start_ns: int, end_ns: int, openings: Int64s) -> Iterator[int]:
    """Yield when slices begin: one after the other, and anew with each opening."""
    for first_ns, next_ns in pairwise([start_ns, *openings[openings > start_ns].tolist(), end_ns]):
        yield from range(first_ns, next_ns, SLICE_NS)


BEGINS = {
    "due_ns": ("lag_ns", "uplink_ns", "wake_ns", "check_ns"),
    "sent_ns": ("request_ns",),
    "batch_started_ns": ("batch",),
    "committed_ns": ("reply_ns", "write_ns", "more_ns", "oversleep_ns", "downlink_ns"),
}
"""Stages by the instant whose slice decides how hard they are pressed: where a simulation draws them."""


def with_pressures(bets: pd.DataFrame, slices: Slices) -> pd.DataFrame:
    """Return bets with the pressures at each of :data:`BEGINS`, in columns named ``pressed_`` and the instant."""
    return bets.assign(**{f"pressed_{instant}": slices.at(bets[instant]) for instant in BEGINS})
