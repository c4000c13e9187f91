"""The Run's ``faults`` table: what was broken on purpose, what broke by itself, and what the supervisor saw of it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from loadtest.faults.strike import Struck
from reference_impl.domain.units import NS_PER_S
from reports.recovery import CRASH
from reports.run import frame_of
from sim.fault_kinds import KINDS, FaultKind

AFTERMATH_NS = 10 * NS_PER_S
"""So long after a deadly fault was undone, its process may still die of it."""


_GONE = ("died", "left")
"""What the supervisor says of a process that ended: by an error or a signal, or as it was asked to."""


class _Event(NamedTuple):
    """What the supervisor saw."""

    t_ns: int
    node: str
    what: str


def fault_rows(struck: Sequence[Struck], events: Iterable[tuple[int, str, str]]) -> pd.DataFrame:
    """Return the Run's ``faults`` table: what was broken on purpose, and as ``crash`` what broke by itself.

    Parameters
    ----------
    struck : sequence of Struck
        What was done.
    events : iterable of (t_ns, node, what)
        What the supervisor saw: "died" and "ready" count here.
    """
    seen = sorted(_Event(*event) for event in events)
    rows, expected = [], set()
    for fault in struck:
        deaths = _deaths(seen, fault)
        expected |= {(fault.target, t_ns) for t_ns in deaths}
        rows.append((fault, *_known(seen, fault, deaths)))
    for t_ns, node, what in seen:
        if what == "died" and (node, t_ns) not in expected:
            rows.append((Struck(t_ns, 0, CRASH, node, ""), t_ns, _first(seen, node, "ready", t_ns)))
    rows.sort()
    columns = {name: [getattr(fault, name) for fault, _, _ in rows] for name in Struck._fields}
    columns |= {"detected_ns": [row[1] for row in rows], "recovered_ns": [row[2] for row in rows]}
    return frame_of("faults", columns)


def known_of(fault: Struck, events: Iterable[tuple[int, str, str]]) -> tuple[int, int]:
    """Return when the supervisor noticed a fault, and when the process was ready again or the fault undone; or 0."""
    seen = sorted(_Event(*event) for event in events)
    return _known(seen, fault, _deaths(seen, fault))


def crashes(faults: pd.DataFrame) -> str:
    """Return which processes died though nobody broke them, as a few words; empty if none did."""
    counts = faults.loc[faults["kind"] == CRASH, "target"].value_counts(sort=False)
    return ", ".join(f"{target} {count} ×" for target, count in counts.items())


def _deaths(seen: Sequence[_Event], fault: Struck) -> list[int]:
    """Return when the process died of a fault: once if it was killed, any number of times while it cannot live."""
    kind = KINDS[FaultKind(fault.kind)]
    if not kind.deadly:
        return []
    if not kind.lasts:
        gone = (_first(seen, fault.target, what, fault.t_ns) for what in _GONE)
        return [min(found)] if (found := [t_ns for t_ns in gone if t_ns]) else []
    until_ns = fault.ended_ns + AFTERMATH_NS
    return [
        t_ns for t_ns, node, what in seen if (node, what) == (fault.target, "died") and fault.t_ns <= t_ns < until_ns
    ]


def _known(seen: Sequence[_Event], fault: Struck, deaths: Sequence[int]) -> tuple[int, int]:
    """Return when the supervisor noticed, and when the process was ready again or the fault undone."""
    if deaths:
        return deaths[0], _first(seen, fault.target, "ready", deaths[-1])
    kind = KINDS[FaultKind(fault.kind)]
    if kind.deadly and not kind.lasts:
        return 0, 0
    return 0, fault.ended_ns or fault.t_ns


def _first(seen: Sequence[_Event], node: str, what: str, since_ns: int) -> int:
    return next((t_ns for t_ns, name, kind in seen if t_ns >= since_ns and (name, kind) == (node, what)), 0)
