"""An oracle for the fast checks: is there *any* order of events that explains what a player was told.

A history is linearizable if its operations can be put into one order that respects real time (what had ended before
something began precedes it) and in which a single account, served one operation after the other, gives the answers that
were given. The search is Wing and Gong's with Lowe's memory: it tries every operation that may come next and never
visits the same remaining operations with the same account twice.

The model is one account: balance, version, and the journal number of the last entry that touched it. A bet that is
accepted takes its stake and raises the version by one; one that is rejected changes nothing, and one that is rejected
for lack of funds finds less than its stake; a payout, a refund or a deposit adds. A bet without an answer may have
happened, once, or not.

Soundness: *illegal* means that every order was tried. Completeness: a search that exceeds its bound is *unknown*. The
search takes time exponential in the number of concurrent operations in the worst case, so it is for small histories:
the fast checks follow the journal's order, which the search has to find, and the two are held equal by tests.

References
----------
J. M. Wing, C. Gong, Testing and verifying concurrent objects, Journal of Parallel and Distributed Computing 17 (1993).
G. Lowe, Testing for linearizability, Concurrency and Computation: Practice and Experience 29 (2017).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import pandas as pd

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.records import Outcome
from reports.checks.history import History, is_player
from reports.checks.ordering import positions
from reports.checks.verdict import Verdict, ok, unknown

Row: TypeAlias = dict[str, Any]

FOREVER_NS: Final = 2**63 - 1
STEPS_MAX: Final = 200_000
"""After so many steps the search gives up and says unknown."""


class State(NamedTuple):
    """An account between two operations."""

    balance: int
    version: int
    seq: int


class Claim(NamedTuple):
    """What somebody says of an operation: its status, and the account after it; None where nothing is said."""

    status: int
    balance: int | None = None
    version: int | None = None
    seq: int | None = None

    def fits(self, state: State) -> bool:
        """Tell whether the account could be said to be so."""
        said = (self.balance, self.version, self.seq)
        return all(claimed is None or claimed == found for claimed, found in zip(said, state, strict=True))


_NO_EFFECT: Final = Claim(int(Status.OVERLOADED))
_NOT_ON_RECORD: Final = Claim(int(Status.OVERLOADED), seq=-1)
"""What the ledger says of an answer that names an entry which is not there: it fits no state."""


class Call(NamedTuple):
    """An operation on one account.

    Parameters
    ----------
    op : int
        Its id.
    invoke_ns, return_ns : int
        It took effect between these instants, both included.
    change : int
        What it adds to the balance if it is accepted.
    claims : tuple of Claim
        What client and ledger say of it.
    optional : bool
        Whether it may never have happened.
    seq : int
        Its journal number; 0 if unknown.
    """

    op: int
    invoke_ns: int
    return_ns: int
    change: int
    claims: tuple[Claim, ...] = ()
    optional: bool = False
    seq: int = 0


class Search(NamedTuple):
    """What a search found: the status, the calls of the longest order that was possible, and how many steps it took."""

    status: str
    order: tuple[int, ...]
    steps: int


def after(state: State, call: Call) -> Iterator[State]:
    """Yield the states in which a call may leave the account."""
    if call.seq and call.seq <= state.seq:
        return
    seq = call.seq or state.seq
    balance = state.balance + call.change
    if balance >= 0:
        accepted = State(balance, state.version + (call.change != 0), seq)
        if all(claim.status == Status.ACCEPTED and claim.fits(accepted) for claim in call.claims):
            yield accepted
    refused = State(state.balance, state.version, seq)
    if all(_refusal_fits(claim, refused, balance) for claim in call.claims):
        yield refused


def _refusal_fits(claim: Claim, state: State, balance: int) -> bool:
    if claim.status == Status.ACCEPTED or not claim.fits(state):
        return False
    return claim.status != Status.INSUFFICIENT_FUNDS or balance < 0


def search(calls: Sequence[Call], end: State | None = None, steps_max: int = STEPS_MAX) -> Search:
    """Look for an order of calls that an empty account explains.

    Parameters
    ----------
    calls : sequence of Call
        Operations on one account.
    end : State or None
        What the account was when everything had ended; its journal number does not count. None if nobody looked.
    steps_max : int
        Bound on the steps of the search.
    """
    ordered = sorted(range(len(calls)), key=lambda i: (calls[i].invoke_ns, calls[i].return_ns))
    open_calls = sum(1 << i for i in range(len(calls)))
    must = sum(1 << i for i, call in enumerate(calls) if not call.optional)
    start = State(0, 0, 0)
    seen = {(open_calls, start)}
    order: list[int] = []
    longest: tuple[int, ...] = ()
    steps = 0
    paths = [_next(calls, ordered, open_calls, start)]
    if _done(open_calls, must, start, end):
        return Search("ok", (), 0)
    while paths:
        step = next(paths[-1], None)
        if step is None:
            paths.pop()
            if order:
                order.pop()
            continue
        call, left, state = step
        steps += 1
        if steps > steps_max:
            return Search("unknown", longest, steps)
        if (left, state) in seen:
            continue
        seen.add((left, state))
        order.append(call)
        if len(order) > len(longest):
            longest = tuple(order)
        if _done(left, must, state, end):
            return Search("ok", tuple(order), steps)
        paths.append(_next(calls, ordered, left, state))
    return Search("illegal", longest, steps)


def _done(left: int, must: int, state: State, end: State | None) -> bool:
    return not left & must and (end is None or state[:2] == end[:2])


def _next(calls: Sequence[Call], ordered: Sequence[int], left: int, state: State) -> Iterator[tuple[int, int, State]]:
    """Yield each call that may come next: nothing that is left had ended before it began."""
    first_end_ns = FOREVER_NS
    candidates = []
    for i in ordered:
        if not left >> i & 1:
            continue
        if calls[i].invoke_ns > first_end_ns:
            break
        candidates.append(i)
        if not calls[i].optional:
            first_end_ns = min(first_end_ns, calls[i].return_ns)
    for i in candidates:
        for state_after in after(state, calls[i]):
            yield i, left & ~(1 << i), state_after


def linearizable(history: History, account: int, *, with_ledger: bool = True) -> Verdict:
    """Search for an order that explains what a player's account did.

    Parameters
    ----------
    history : History
        What clients and ledger tell.
    account : int
        A player's account, all of whose entries are in one shard.
    with_ledger : bool
        Hold the journal and the last balance against the order too. Without them only the answers that the player got
        count, and of the ledger no more than which payouts and deposits there were.
    """
    entries = history.ledger[history.ledger["account"].to_numpy() == account].reset_index(drop=True)
    bets = history.bets.where(history.bets["account"] == account).frame()
    placed = entries[entries["kind"] == int(EntryKind.BET)].reset_index(drop=True)
    strangers = positions(bets["op"].to_numpy(), placed["op"].to_numpy()) < 0
    if with_ledger and (strangers.any() or placed["op"].duplicated().any()):
        return Verdict("illegal", "the journal has a bet that nobody placed, or one twice")
    calls = [*_bets(bets, placed, with_ledger=with_ledger), *_other_entries(history, entries, with_ledger=with_ledger)]
    found = search(calls, _end(history, account) if with_ledger else None)
    counts = {"operations": len(calls), "steps": found.steps}
    if found.status == "ok":
        return ok(f"{len(calls)} operations fit one order", **counts)
    if found.status == "unknown":
        return unknown(f"no order was found within {STEPS_MAX:,} steps", **counts)
    return Verdict("illegal", "no order explains what was told", _witness(calls, found), counts)


def players_of(history: History) -> list[int]:
    """Return the players' accounts that the ledger has, in order."""
    accounts = history.ledger["account"].unique()
    return sorted(int(account) for account in accounts[is_player(accounts)])


def _bets(bets: pd.DataFrame, placed: pd.DataFrame, *, with_ledger: bool) -> Iterator[Call]:
    entries = _rows(placed)
    entry_of = positions(placed["op"].to_numpy(), bets["op"].to_numpy()).tolist()
    for place, bet in zip(entry_of, _rows(bets), strict=True):
        entry = entries[place] if with_ledger and place >= 0 else None
        call = _bet(bet, entry, with_ledger=with_ledger)
        if call is not None:
            yield call


def _bet(bet: Row, entry: Row | None, *, with_ledger: bool) -> Call | None:
    """Return a bet as a call; None if it certainly never happened and nobody says otherwise."""
    answered = bet["outcome"] in (Outcome.OK, Outcome.REJECTED)
    on_record = answered and bet["seq"] > 0
    claims = [_told(bet)] if answered else []
    if entry is not None:
        claims.append(_written(entry))
    elif with_ledger and not answered:
        return None
    if bet["outcome"] == Outcome.REFUSED:
        claims.append(_NO_EFFECT)
    if with_ledger and on_record and entry is None:
        claims.append(_NOT_ON_RECORD)
    return Call(
        bet["op"],
        bet["invoke_ns"],
        bet["return_ns"] if answered else FOREVER_NS,
        -bet["amount"],
        tuple(claims),
        optional=not answered and entry is None,
        seq=entry["seq"] if entry is not None else bet["seq"] if answered else 0,
    )


def _other_entries(history: History, entries: pd.DataFrame, *, with_ledger: bool) -> Iterator[Call]:
    rounds = {row["round"]: row for row in _rows(history.rounds[["round", "bets_closed_ns", "settled_ns"]])}
    for entry in _rows(entries[entries["kind"] != int(EntryKind.BET)]):
        begin_ns, end_ns = 0, FOREVER_NS
        if ended := rounds.get(entry["round"]):
            begin_ns = max(0, ended["bets_closed_ns"] - history.clock_error_ns)
            end_ns = ended["settled_ns"] + history.clock_error_ns if ended["settled_ns"] else FOREVER_NS
        claim = _written(entry) if with_ledger else Claim(int(Status.ACCEPTED))
        yield Call(entry["op"], begin_ns, end_ns, entry["moved"], (claim,), seq=claim.seq or 0)


def _rows(frame: pd.DataFrame) -> list[Row]:
    rows: list[Row] = frame.to_dict("records")  # type: ignore[assignment]
    return rows


def _told(bet: Row) -> Claim:
    if not bet["seq"]:
        return Claim(bet["status"])  # an answer without effect says nothing of the account
    return Claim(bet["status"], bet["balance"], bet["version"], bet["seq"])


def _written(entry: Row) -> Claim:
    return Claim(entry["status"], entry["balance_after"], entry["version"], entry["seq"])


def _end(history: History, account: int) -> State | None:
    rows = history.accounts[history.accounts["account"].to_numpy() == account]
    if len(rows) != 1:
        return None
    return State(int(rows["balance"].iloc[0]), int(rows["version"].iloc[0]), 0)


def _witness(calls: Sequence[Call], found: Search) -> dict[str, Any]:
    left = set(range(len(calls))) - set(found.order)
    stuck = min(left, key=lambda i: calls[i].invoke_ns, default=None)
    return {
        "explained": [calls[i].op for i in found.order],
        "not_explained": None if stuck is None else calls[stuck]._asdict(),
    }
