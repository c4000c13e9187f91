"""What each fault did to those who were served: when they noticed, when they were served again, what became of bets.

A process that is ready need not serve. So a fault's recovery is told by those whom it struck: from the strike, or from
its undoing, to the first operation of theirs that went well afterwards. It includes waiting for the next open window.

=============  =======================================================================================================
target         served again
=============  =======================================================================================================
gateway-N      a player who was connected to it had a bet accepted, wherever
wallet-N       a bet of that shard was accepted
postgres       a bet was accepted in every shard
nats           a bet was accepted through every gateway that had players
dealer         every table came to its next phase
studio-N       a viewer had film of that table which was taken afterwards
origin         a viewer had film of every table which was taken afterwards
edge-N         a viewer whom it served had a part, from wherever
services       nobody waits for them in the Run: ready is what is known
=============  =======================================================================================================
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd
from msgspec import Struct

from reference_impl.domain.records import FetchKind, OpKind, Outcome
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.run import Run

CRASH: Final = "crash"
"""Kind of a fault that the campaign did not order."""

CALM_NS: Final = 10 * NS_PER_S
"""So long before a fault counts as calm."""
_PHASES: Final = ("opens_ns", "no_more_bets_ns", "bets_closed_ns", "informative_ns", "result_ns", "settled_ns")
_HTTP_OK: Final = 200


class Recovery(Struct, frozen=True):
    """A fault and what it did, ms from the strike, or from its undoing if it lasted; None where nobody can tell.

    Parameters
    ----------
    at_s, kind, target, lasted_s, how
        What was done when, in seconds after the load's start.
    noticed_ms : float or None
        From the strike until the supervisor, or the first player whose bet took longer than all before, noticed.
    ready_ms : float or None
        Until the process was ready, or the fault undone.
    served_ms : float or None
        Until those whom it struck were served again.
    hit : int
        Bets under way meanwhile, of those whom it struck.
    resent, accepted, refused, unknown : int
        How many of them were sent again, and how they ended.
    p99_ms : float or None
        99th percentile of their latencies.
    """

    at_s: float
    kind: str
    target: str
    lasted_s: float
    how: str
    noticed_ms: float | None
    ready_ms: float | None
    served_ms: float | None
    hit: int
    resent: int
    accepted: int
    refused: int
    unknown: int
    p99_ms: float | None


def recoveries(run: Run, faults: pd.DataFrame | None = None) -> list[Recovery]:
    """Return every fault of a Run, or those of these rows of its ``faults``, in order of time."""
    rows = run.faults if faults is None else faults
    seen = _Seen(run)
    return [seen.of(fault) for fault in rows.sort_values("t_ns").itertuples()]


class _Seen:
    """A Run's tables as faults are looked at."""

    def __init__(self, run: Run) -> None:
        self._run = run
        bets = run.ops[run.ops["kind"].to_numpy() == int(OpKind.BET)]
        sent = (bets["invoke_ns"] > 0) & (bets["outcome"] != int(Outcome.REFUSED))  # never sent, never under way
        bets = bets[sent].sort_values("invoke_ns")
        shard_of = bets[bets["shard"] >= 0].groupby("account")["shard"].first()
        self._bets: pd.DataFrame = bets.assign(shard=bets["account"].map(shard_of).fillna(-1).astype(np.int64))
        self._parts: pd.DataFrame = run.video[
            (run.video["kind"] == int(FetchKind.PART)) & (run.video["status"] == _HTTP_OK)
        ]

    def of(self, fault: Any) -> Recovery:
        """Return what a fault did."""
        t_ns, since_ns = int(fault.t_ns), int(fault.ended_ns or fault.t_ns)
        bets = self._struck(fault.target, t_ns)
        served_ns = self._served_ns(fault.target, t_ns, since_ns) or int(fault.recovered_ns)
        if fault.target.startswith("gateway") and bets.empty:  # nobody sat there: nobody can tell
            served_ns = 0
        ended_ns = np.where(bets["return_ns"] > 0, bets["return_ns"], np.iinfo(np.int64).max)
        hit = bets[(bets["invoke_ns"] < max(served_ns, since_ns)) & (ended_ns > t_ns)]
        outcome = hit["outcome"].to_numpy()
        late_ms = (hit["return_ns"] - hit["due_ns"])[hit["return_ns"] > 0].to_numpy() / NS_PER_MS
        return Recovery(
            at_s=(t_ns - self._run.manifest["load_start_ns"]) / NS_PER_S,
            kind=str(fault.kind), target=str(fault.target), how=str(fault.how),
            lasted_s=(since_ns - t_ns) / NS_PER_S,
            noticed_ms=_ms(t_ns, int(fault.detected_ns) or self._noticed_ns(bets, t_ns, max(served_ns, since_ns))),
            ready_ms=_ms(since_ns, int(fault.recovered_ns)),
            served_ms=_ms(since_ns, served_ns),
            hit=len(hit), resent=int((hit["attempts"] > 1).sum()) if "attempts" in hit else 0,
            accepted=int((outcome == int(Outcome.OK)).sum()),
            refused=int((outcome == int(Outcome.REJECTED)).sum()),
            unknown=int((outcome == int(Outcome.UNKNOWN)).sum()),
            p99_ms=round(float(np.percentile(late_ms, 99)), 1) if len(late_ms) else None,
        )  # fmt: skip

    def _struck(self, target: str, t_ns: int) -> pd.DataFrame:
        """Return the bets of those whom a fault of this process strikes."""
        role, _, number = target.partition("-")
        if role == "gateway":
            return rows_where(self._bets, self._bets["session"].isin(self._connected(int(number), t_ns)))
        if role == "wallet":
            return rows_where(self._bets, self._bets["shard"] == int(number))
        return self._bets.head(0) if role in {"studio", "origin", "edge"} else self._bets

    def _connected(self, gateway: int, t_ns: int) -> pd.Series:
        rows = self._open_sessions(t_ns)
        found: pd.Series = rows.loc[rows["gateway"] == gateway, "session"]
        return found

    def _gateways_used(self, t_ns: int) -> pd.Series:
        found: pd.Series = self._open_sessions(t_ns)["gateway"]
        return found

    def _open_sessions(self, t_ns: int) -> pd.DataFrame:
        rows = self._run.sessions
        return rows_where(rows, (rows["opened_ns"] <= t_ns) & ((rows["closed_ns"] == 0) | (rows["closed_ns"] >= t_ns)))

    def _served_ns(self, target: str, t_ns: int, since_ns: int) -> int:
        role, _, number = target.partition("-")
        if role in {"gateway", "wallet", "postgres", "nats"}:
            bets = self._struck(target, t_ns)
            good = bets[(bets["invoke_ns"] >= t_ns) & (bets["return_ns"] > since_ns)]
            good = good[good["outcome"] == int(Outcome.OK)]
            if role == "nats":  # through a gateway without players nobody is ever served
                used = self._gateways_used(t_ns)
                good, bets = rows_where(good, good["gateway"].isin(used)), rows_where(bets, bets["gateway"].isin(used))
            return _last_first(good, {"postgres": "shard", "nats": "gateway"}.get(role), "return_ns", bets)
        if role == "dealer":
            rounds = self._run.rounds
            instants = rounds.melt("table", [name for name in _PHASES if name in rounds], value_name="t_ns")
            return _last_first(instants[instants["t_ns"] > since_ns], "table", "t_ns", instants)
        parts = self._parts
        if role == "edge":
            served = (parts["edge"] == int(number)) & parts["end_ns"].between(t_ns - CALM_NS, t_ns)
            theirs = parts["viewer"].isin(parts.loc[served, "viewer"])
            return _last_first(parts[theirs & (parts["start_ns"] >= since_ns)], None, "end_ns", parts)
        if role in {"studio", "origin"}:
            fresh = parts[parts["media_ns"] > since_ns]
            if role == "studio":
                return _last_first(fresh[fresh["table"] == int(number)], None, "end_ns", parts)
            return _last_first(fresh, "table", "end_ns", parts)
        return 0

    @staticmethod
    def _noticed_ns(bets: pd.DataFrame, t_ns: int, over_ns: int) -> int:
        """Return when the first bet under way took longer than every one in the calm before, 0 if none did."""
        answered = bets[bets["return_ns"] > 0]
        took_ns = answered["return_ns"] - answered["invoke_ns"]
        calm = took_ns[answered["return_ns"].between(t_ns - CALM_NS, t_ns)]
        if calm.empty:
            return 0
        there = (answered["return_ns"] > t_ns) & (answered["invoke_ns"] < over_ns)
        slow = answered[there & (took_ns > calm.max())]
        return max(int(slow["invoke_ns"].min() + calm.max()), t_ns) if len(slow) else 0


def rows_where(frame: pd.DataFrame, mask: pd.Series) -> pd.DataFrame:
    """Return the rows where `mask` holds."""
    rows: pd.DataFrame = frame[mask]
    return rows


def _last_first(good: pd.DataFrame, each: str | None, instant: str, everything: pd.DataFrame) -> int:
    """Return the first instant; with `each` the last of the firsts, 0 if one of them never came."""
    if good.empty:
        return 0
    if each is None:
        return int(good[instant].min())
    firsts = good.groupby(each)[instant].min()
    known = {value for value in everything[each].unique() if value >= 0}
    return int(firsts.max()) if known <= set(firsts.index) else 0


def _ms(since_ns: int, until_ns: int) -> float | None:
    return round(max(until_ns - since_ns, 0) / NS_PER_MS, 1) if until_ns else None


def group_of(target: str) -> str:
    """Return what a process is one of: gateway-1 is a gateway."""
    return target.partition("-")[0]


def spans(found: Iterable[Recovery]) -> dict[tuple[str, str], list[float]]:
    """Return the times until service by kind and group of targets."""
    times: dict[tuple[str, str], list[float]] = {}
    for one in found:
        if one.served_ms is not None:
            times.setdefault((one.kind, group_of(one.target)), []).append(one.served_ms)
    return times


def recovery_table(found: Iterable[Recovery]) -> list[str]:
    """Return a line for each fault, for a terminal."""
    lines = [f"{'at s':>7} {'fault':34} {'noticed':>8} {'ready':>8} {'served':>8} {'p99':>8}   bets under way"]
    for one in found:
        name = f"{one.kind} {one.target}" + (f", {one.lasted_s:.1f} s" if one.lasted_s else "")
        times = " ".join(f"{_text(ms):>8}" for ms in (one.noticed_ms, one.ready_ms, one.served_ms, one.p99_ms))
        lines.append(f"{one.at_s:7.1f} {name:34} {times}   {bets_text(one)}")
    return [*lines, "times in ms; ready and served count from the strike, or from its undoing if it lasted"]


def bets_text(one: Recovery) -> str:
    """Return what became of the bets under way, in words."""
    if not one.hit:
        return "none"
    ends = {"accepted": one.accepted, "refused": one.refused, "unknown": one.unknown, "sent again": one.resent}
    return f"{one.hit:,}: " + ", ".join(f"{count:,} {name}" for name, count in ends.items() if count)


def _text(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:,.0f}"
