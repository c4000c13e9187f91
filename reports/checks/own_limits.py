"""Players' own limits: what they allow is not refused, and what they forbid is not accepted.

Theory
------
Who has a limit is replayed entry by entry, in the journal's order, by the rules of :mod:`reference_impl.domain.limits`.
When a bet was judged is known within bounds only: after it was sent and before it was committed. A bet for which the
limits say one thing at the earliest instant and another at the latest may have been judged either way. Where a day or a
week ended in between, what counts against a loss limit is not known any more from there on, and neither are the
verdicts that rest on it: these are counted.

Bets are judged one by one. Of bets that are placed together, all are refused with the first that cannot be; that no
table does (:class:`reference_impl.domain.wallet_messages.PlaceTogether`).
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.ids import AccountKind
from reference_impl.domain.limits import LOOSEN_AFTER_NS, LOSS_KINDS, Limit, LimitKind, period_of
from reference_impl.domain.units import NS_PER_S
from reports.checks.history import History, kind_of_account, taken
from reports.checks.ordering import Integers, positions, stable_order
from reports.checks.verdict import Rule

OWN_LIMITS = (Status.STAKE_LIMIT, Status.ROUND_LIMIT, Status.LOSS_LIMIT, Status.TIME_OUT, Status.EXCLUDED)
"""Refusals by what a player asked to be protected from."""

STAMP_NS_MAX = 10 * NS_PER_S
"""A limit's entry is stamped when it is written; it was judged by a clock that was read at most so long before."""

_JUDGED_BY_LIMITS = (*OWN_LIMITS, Status.ACCEPTED, Status.INSUFFICIENT_FUNDS)
_FOLLOWED = (
    EntryKind.BET, EntryKind.CANCEL, EntryKind.SETTLE, EntryKind.VOID, EntryKind.CORRECT, EntryKind.RECLAIM,
    EntryKind.LIMIT,
)  # fmt: skip
_KINDS = frozenset(map(int, LimitKind))
_NUMBER_MASK = (1 << 56) - 1
_FOREVER_NS = 1 << 62
_ENTRY = (
    "shard", "seq", "op", "slot", "kind", "status", "account", "amount", "round", "selection",
    "early_ns", "late_ns", "held", "next_amount", "next_from_unix_ns", "set_unix_ns",
)  # fmt: skip


class OwnLimits(NamedTuple):
    """What a history says of players' own limits: rules, and how much of it was looked at or could not be."""

    rules: tuple[Rule, ...]
    judged: int
    undecided: int


class _Entry(NamedTuple):
    shard: int
    seq: int
    op: int
    slot: int
    kind: int
    status: int
    account: int
    amount: int
    round: int
    selection: int
    early_ns: int
    late_ns: int
    held: int
    next_amount: int
    next_from_unix_ns: int
    set_unix_ns: int


def own_limits(history: History) -> OwnLimits:
    """Replay the entries of everybody who has a limit, or was refused by one."""
    entries = _entries(history)
    found = _Replay()
    found.read(_Entry(*row) for row in zip(*(entries[name].to_list() for name in _ENTRY), strict=True))
    shown = entries[["shard", "seq", "op", "status", "account", "amount", "round"]]
    rules = [
        Rule(message, shown.iloc[rows].assign(limits_say=said).reset_index(drop=True), np.ones(len(rows), dtype=bool))
        for message, rows, said in found.broken()
    ]
    return OwnLimits(tuple(rules), found.judged, found.undecided)


def _entries(history: History) -> pd.DataFrame:
    """Return the entries of everybody concerned, player by player, with when bets were judged and what was held."""
    ledger = history.ledger
    kind, status, account = (ledger[name].to_numpy() for name in ("kind", "status", "account"))
    refused = (kind == EntryKind.BET) & np.isin(status, OWN_LIMITS)
    concerned = np.unique(account[refused | (kind == EntryKind.LIMIT)])
    rows = np.flatnonzero(np.isin(kind, _FOLLOWED)) if len(concerned) else np.arange(0)
    # what a player owes after a correction is booked beside the account
    player = np.where(kind_of_account(account[rows]) == AccountKind.OWED, account[rows] & _NUMBER_MASK, account[rows])
    own = np.isin(player, concerned)
    order = stable_order(player[own])
    entries = ledger.iloc[rows[own][order]].assign(account=player[own][order]).reset_index(drop=True)
    early_ns, late_ns = _judged_between(history, entries["op"].to_numpy())
    return entries.assign(early_ns=early_ns, late_ns=late_ns, **_limits_beside(history, entries))


def _judged_between(history: History, ops: Integers) -> tuple[Integers, Integers]:
    """Return the earliest and the latest instant, Unix ns, at which each operation may have been judged."""
    bets = history.bets
    row = positions(bets["op"], ops)
    invoked, committed, returned = (taken(bets, name, row) for name in ("invoke_ns", "committed_ns", "return_ns"))
    until_ns = np.where(committed > 0, committed, returned)
    ahead_ns, error_ns = history.unix_ahead_ns, history.clock_error_ns
    early_ns = np.where(invoked > 0, np.maximum(invoked + ahead_ns - error_ns, 0), 0)
    return early_ns, np.where(until_ns > 0, until_ns + ahead_ns + error_ns, _FOREVER_NS)


def _limits_beside(history: History, entries: pd.DataFrame) -> dict[str, Integers]:
    limits = history.limits
    key, wanted = (
        frame["shard"].to_numpy(dtype=np.int64) << 48 | frame["seq"].to_numpy(dtype=np.int64)
        for frame in (limits, entries)
    )
    row = positions(key, wanted)
    return {name: taken(limits, name, row) for name in ("held", "next_amount", "next_from_unix_ns", "set_unix_ns")}


class _Replay:
    """Follows one player after the other, and notes the places of entries that break a rule."""

    def __init__(self) -> None:
        self.judged = self.undecided = 0
        self._wrong: dict[str, list[tuple[int, int]]] = {message: [] for message in _BROKEN}
        self._begin()

    def _begin(self) -> None:
        self._limits: dict[LimitKind, Limit] = {}
        self._staked: Counter[int] = Counter()
        self._lost = self._blurred = False

    def broken(self) -> list[tuple[str, list[int], list[int]]]:
        """Return for each rule the places that break it, and what the limits say there (0: nothing against it)."""
        return [(message, [at for at, _ in rows], [said for _, said in rows]) for message, rows in self._wrong.items()]

    def read(self, entries: Iterable[_Entry]) -> None:
        """Follow entries in order of player and journal."""
        account = None
        for place, entry in enumerate(entries):
            if entry.account != account:
                account = entry.account
                self._begin()
            if entry.kind == EntryKind.LIMIT:
                self._set(place, entry)
            elif entry.kind == EntryKind.BET:
                self._bet(place, entry)
            elif entry.status == Status.ACCEPTED and entry.slot != Slot.FIRST:
                self._returned(entry)

    def _set(self, place: int, entry: _Entry) -> None:
        if not entry.set_unix_ns or entry.selection not in _KINDS:
            self._lost = True  # nobody recorded what it limits, or from when on
            return
        kind = LimitKind(entry.selection)
        known = self._limits.setdefault(kind, Limit(kind, entry.amount))
        expected = Limit(kind, known.amount, known.next_amount, known.next_from_ns)
        expected.change(entry.amount, entry.set_unix_ns, entry.set_unix_ns + LOOSEN_AFTER_NS - STAMP_NS_MAX)
        known.amount = entry.held
        waits = entry.next_from_unix_ns > 0
        known.next_amount = entry.next_amount if waits else None
        known.next_from_ns = entry.next_from_unix_ns if waits else None
        follows = (expected.amount, expected.next_amount) == (known.amount, known.next_amount)
        too_soon = waits and entry.next_from_unix_ns < (expected.next_from_ns or 0)
        if not follows or too_soon:
            self._wrong[_LOOSENED].append((place, 0))

    def _bet(self, place: int, entry: _Entry) -> None:
        # a decision that costs nothing is under no limit
        if entry.status in _JUDGED_BY_LIMITS and entry.amount:
            self._judge(place, entry)
        if entry.status != Status.ACCEPTED:
            return
        self._staked[entry.round] += entry.amount
        for kind in LOSS_KINDS:
            if limit := self._limits.get(kind):
                self._blurred |= period_of(kind, entry.early_ns) != period_of(kind, entry.late_ns)
                limit.stake(entry.amount, entry.late_ns)

    def _judge(self, place: int, entry: _Entry) -> None:
        if self._lost:
            self.undecided += 1
            return
        self.judged += 1
        said = {self._reached(entry, now_ns) for now_ns in (entry.early_ns, entry.late_ns)}
        refused = entry.status in OWN_LIMITS
        if (entry.status if refused else 0) in said:
            return
        if self._blurred and (entry.status == Status.LOSS_LIMIT or Status.LOSS_LIMIT in said):
            self.undecided += 1
        else:
            self._wrong[_REFUSED if refused else _ACCEPTED].append((place, max(said)))

    def _reached(self, entry: _Entry, now_ns: int) -> int:
        """Return the status by which limits refuse a bet at an instant, 0 if they allow it."""
        held = {kind: limit.in_force(now_ns) for kind, limit in self._limits.items()}
        if now_ns < held.get(LimitKind.EXCLUSION, 0):
            return Status.EXCLUDED
        if now_ns < held.get(LimitKind.TIME_OUT, 0):
            return Status.TIME_OUT
        if entry.amount > held.get(LimitKind.STAKE, entry.amount):
            return Status.STAKE_LIMIT
        in_round = self._staked[entry.round] + entry.amount
        if in_round > held.get(LimitKind.ROUND, in_round):
            return Status.ROUND_LIMIT
        for kind in LOSS_KINDS:
            if kind in held and self._limits[kind].used_at(now_ns) + entry.amount > held[kind]:
                return Status.LOSS_LIMIT
        return 0

    def _returned(self, entry: _Entry) -> None:
        amount = -entry.amount if entry.kind == EntryKind.RECLAIM else entry.amount
        if entry.kind == EntryKind.CANCEL:
            self._staked[entry.round] -= amount
        for kind in LOSS_KINDS:
            if limit := self._limits.get(kind):
                limit.used_minor -= amount


_REFUSED = "a bet that its player's own limits allow, refused as against them"
_ACCEPTED = "a bet against its player's own limits that was not refused for them"
_LOOSENED = "a limit that is not what was asked, or is to hold too soon"
_BROKEN = (_REFUSED, _ACCEPTED, _LOOSENED)
