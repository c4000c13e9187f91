"""What gateways' cores did, read off the stamps of bets: what they woke for, and when each answer's writing began.

A simulated gateway makes bets and answers wait while it reads and writes others. So what is fitted as a bet's way must
not hold that waiting, too: it would be met twice. And answers of one batch are written in turn, so the writing of each
begins when the one before is written, and that of the first when the gateway takes the batch's answers up.

Where players are near, a bet's way to its gateway is how long the gateway takes to wake. Whatever is sent meanwhile is
read with it: such bets say nothing of how late a gateway wakes, as they came by chance just before. The same holds for
the generator, which starts with the first bet that is due whatever is due by then. Far players' bets come on ways of
their own, overtaking one another or as far apart as they were sent, which is how the two are told apart.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.pacing import rest_ns
from reference_impl.domain.units import NS_PER_MS, NS_PER_US

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PARCEL = ["gateway", "shard", "replied_ns"]
"""Answers with the same of these were written in turn."""
ONE_GO_NS = 500 * NS_PER_US
ONE_GO_MIN = 0.8
"""Share of the bets sent while others were on their way from which they count as read together with these: the share
that was read after the last of them, and no later than :data:`ONE_GO_NS`. Found on one machine: 96 to 98 %."""
BEHIND_NS = 150 * NS_PER_US
"""What a gateway does so soon after something else, it may have come to while it did that."""
EARLY_NS = 2 * NS_PER_MS
"""A bet that came so long before its sender's rest was over waited for that: no sleep ends so much too early."""
NEVER_NS = -(1 << 62)
TOGETHER_MIN = 20
"""Bets that were sent while others were on their way, below which nothing is said of that."""


def with_gateway_times(bets: pd.DataFrame) -> pd.DataFrame:
    """Return one run's answered bets with what their gateways' cores did.

    Returns
    -------
    DataFrame
        With the columns `writing_ns`, when the writing of each answer began; `read_at_once` and `taken_at_once`,
        whether the gateway did nothing else just before it read the bet, and before it took its answer up; `roused`,
        whether no other bet was on its way when this was sent; `together`, whether the gateway reads what has come when
        it wakes; `first_due`, whether no earlier bet was due and not yet sent; and `oversleep_ns`, how much longer than
        asked the sender rested before the bet left, of bets that waited for it, else NaN.

    Notes
    -----
    Whoever comes while the core is busy is served when it is not any more. When that happens is chance and no matter of
    the way, so those who met an idle core tell the law of all ways. Broadcasts leave no stamps at the gateway; waiting
    for them stays in the ways.
    """
    writings = bets[[*PARCEL, "written_ns"]].drop_duplicates().sort_values([*PARCEL, "written_ns"])
    before = writings.groupby(PARCEL)["written_ns"].shift()
    writings["writing_ns"] = before.where(before.notna(), writings["replied_ns"]).astype(np.int64)
    known = bets.merge(writings, on=[*PARCEL, "written_ns"], how="left").set_index(bets.index)
    read_at_once, taken_at_once, roused, together = np.zeros((4, len(known)), dtype=bool)
    for gateway in known["gateway"].unique():
        mine = (known["gateway"] == gateway).to_numpy()
        own, written = known[mine], writings[writings["gateway"] == gateway]
        begins = np.concatenate([written["writing_ns"], own["received_ns"]])
        ends = np.concatenate([written["written_ns"], own["checked_ns"]])
        sent_ns, read_ns = own["invoke_ns"].to_numpy(), own["received_ns"].to_numpy()
        read_at_once[mine] = read_ns > _latest_end(begins, ends, read_ns) + BEHIND_NS
        taken_ns = own["replied_ns"].to_numpy()
        taken_at_once[mine] = taken_ns > _latest_end(begins, ends, taken_ns) + BEHIND_NS
        latest_ns = _latest_before(sent_ns, read_ns)
        roused[mine] = sent_ns >= latest_ns
        behind = sent_ns < latest_ns
        after_ns = (read_ns - latest_ns)[behind]
        in_one_go = (after_ns >= 0) & (after_ns <= ONE_GO_NS)
        together[mine] = len(after_ns) >= TOGETHER_MIN and float(in_one_go.mean()) >= ONE_GO_MIN
    due_ns = known["due_ns"].to_numpy()
    first_due = due_ns >= _latest_before(due_ns, known["invoke_ns"].to_numpy())
    return known.assign(
        read_at_once=read_at_once, taken_at_once=taken_at_once, roused=roused, together=together, first_due=first_due,
        oversleep_ns=_oversleep_ns(known),
    )  # fmt: skip


def _oversleep_ns(bets: pd.DataFrame) -> Floats:
    """Return how much longer than asked a sender rested before each bet left; NaN where none waited for that."""
    lane = ["gateway", "shard"]
    flights = bets.groupby([*lane, "sent_ns"]).agg(
        replied_ns=("replied_ns", "max"), written_ns=("written_ns", "max"), checked_ns=("checked_ns", "min")
    ).reset_index()  # fmt: skip
    before = flights.groupby(lane)[["sent_ns", "replied_ns", "written_ns"]].shift()
    flown_ns = (before["replied_ns"] - before["sent_ns"]).fillna(0).astype(np.int64)
    over_ns = before["written_ns"] + [rest_ns(each) for each in flown_ns.tolist()]
    waited = flights["checked_ns"] < over_ns - EARLY_NS
    flights["oversleep_ns"] = (flights["sent_ns"] - over_ns).where(waited)
    found: Floats = bets.merge(flights[[*lane, "sent_ns", "oversleep_ns"]], on=[*lane, "sent_ns"], how="left")[
        "oversleep_ns"
    ].to_numpy(dtype=np.float64)
    return found


def _latest_end(begins: Int64s, ends: Int64s, at_ns: Int64s) -> Int64s:
    """Return when the last spell ended of those that began before some instants."""
    order = np.argsort(begins, kind="stable")
    latest = np.concatenate([[NEVER_NS], np.maximum.accumulate(ends[order])])
    found: Int64s = latest[np.searchsorted(begins[order], at_ns, "left")]
    return found


def _latest_before(begins_ns: Int64s, ends_ns: Int64s) -> Int64s:
    """Return, for each span, when the last of those had ended that began before it."""
    order = np.argsort(begins_ns, kind="stable")
    latest = np.empty_like(ends_ns)
    latest[order] = np.concatenate([[0], np.maximum.accumulate(ends_ns[order])[:-1]])[: len(order)]
    return latest
