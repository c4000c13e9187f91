"""A Run by kind of user: what each kind asked for and got, and what late-betting adversaries gained.

A Run's manifest says which accounts are whose (``people``). A gain is a bet that was accepted although it was sent
after the announced cut-off, or after its own session had been told that no more bets are taken; nothing is expected.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import Struct

from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reference_impl.domain.units import NS_PER_MS
from reports.checks.history import History, taken
from reports.latency import of_kind, operation_figures
from reports.run import Run

ADVERSARY: Final = "adversary"


class AdversaryGain(Struct, frozen=True):
    """What late-betting adversaries tried, and what came of it.

    Parameters
    ----------
    bets : int
        Bets that they sent.
    after_close, after_told : int
        Of these, sent after the announced cut-off, and after the session was told that no more bets are taken.
    accepted_after_close, accepted_after_told : int
        Of these, accepted: the gain.
    last_accepted_ms, first_refused_ms : float or None
        When, relative to the cut-off, the last accepted bet reached its gateway, and the first one refused as late.
    """

    bets: int
    after_close: int
    after_told: int
    accepted_after_close: int
    accepted_after_told: int
    last_accepted_ms: float | None
    first_refused_ms: float | None

    @property
    def sentence(self) -> str:
        """The gain, for people."""
        gained = self.accepted_after_close + self.accepted_after_told
        said = f"late-betting adversaries sent {self.bets:,} bets, {self.after_close:,} after the cut-off"
        said += f" and {self.after_told:,} after being told; "
        said += f"{gained:,} of these were accepted" if gained else "none of these was accepted"
        if self.last_accepted_ms is not None and self.first_refused_ms is not None:
            said += (
                f"; by bisection the last bet was taken {-self.last_accepted_ms:,.1f} ms before the cut-off"
                f" and the first refused {self.first_refused_ms:,.1f} ms after it"
            )
        return said


def user_figures(run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    """Return counts and latencies of each kind of operation that each kind of user did; viewers' are in the video."""
    figures = {}
    for kind in run.manifest.get("people", {}):
        own = operation_figures(_of_users(run, run.ops, kind))
        figures[kind] = {name: asked for name, asked in own.items() if asked["offered"]}
    return {kind: own for kind, own in figures.items() if own}


def adversary_gain(run: Run) -> AdversaryGain | None:
    """Return what late-betting adversaries gained; None if there were none."""
    bets = _of_users(run, of_kind(run.ops, OpKind.BET), ADVERSARY)
    # Decisions come when stakes are long closed: they are no late bets.
    bets = bets[(bets["outcome"] != int(Outcome.REFUSED)) & (bets["window"] == 0)]
    if bets.empty:
        return None
    history = History.of(run)
    closes_ns = taken(history.rounds, "closes_ns", history.window_rows(bets))
    accepted = (bets["outcome"] == int(Outcome.OK)).to_numpy()
    invoke_ns, told_ns = bets["invoke_ns"].to_numpy(), _told_closed_ns(run, bets)
    late = (closes_ns > 0) & (invoke_ns >= closes_ns)
    told = (told_ns > 0) & (invoke_ns >= told_ns)
    arrived = (closes_ns > 0) & (bets["received_ns"] > 0).to_numpy() & (bets["attempts"] == 1).to_numpy()
    margin_ms = (bets["received_ns"].to_numpy() - closes_ns) / NS_PER_MS
    refused = arrived & (bets["outcome"] == int(Outcome.REJECTED)).to_numpy()
    return AdversaryGain(
        len(bets), int(late.sum()), int(told.sum()), int((late & accepted).sum()), int((told & accepted).sum()),
        _extreme(margin_ms[arrived & accepted], np.max), _extreme(margin_ms[refused], np.min),
    )  # fmt: skip


def _of_users(run: Run, ops: pd.DataFrame, kind: str) -> pd.DataFrame:
    mine = np.zeros(len(ops), dtype=bool)
    for first, last in run.manifest.get("people", {}).get(kind, ()):
        mine |= ops["session"].between(first, last).to_numpy()
    return ops[mine]


def _told_closed_ns(run: Run, bets: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return when each bet's session was first told that its round takes no more bets; 0 if it never was."""
    pushes, key = run.pushes, ["session", "round"]
    closed = (pushes["kind"] == int(PushKind.TABLE)) & (pushes["phase"] >= int(Phase.NO_MORE_BETS))
    first = pushes[closed].groupby(key)["app_ns"].min().reset_index()
    told = bets[key].merge(first, how="left", on=key)["app_ns"]
    return told.fillna(0).to_numpy(dtype=np.int64)


def _extreme(values_ms: npt.NDArray[np.float64], choose: Callable[[npt.NDArray[np.float64]], float]) -> float | None:
    return round(float(choose(values_ms)), 3) if len(values_ms) else None
