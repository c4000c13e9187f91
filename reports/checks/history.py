"""A Run's tables as the checks look at them, with the joins that several checks share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind, Slot, Status, TableLimits
from reference_impl.domain.ids import AccountKind
from reference_impl.domain.journal import DIRECTION
from reference_impl.domain.records import OpKind
from reference_impl.domain.units import NS_PER_S
from reports.checks.ordering import Integers, Mask, group_starts, positions, stable_order
from reports.checks.view import View
from reports.columns import TABLES
from reports.run import Run

MESSAGING = ("gateway", "wallet", "dealer", "services", "postgres", "nats")
"""Processes whose faults may cost a message."""

_FOREVER_NS = np.iinfo(np.int64).max

FAULT_ECHO_NS = 2 * NS_PER_S
"""How long after a process is back others may still be busy finding it: until then events may be missed."""

_SIGN = np.array([DIRECTION.get(EntryKind(k), 0) if k else 0 for k in range(max(EntryKind) + 1)], dtype=np.int64)


@dataclass(frozen=True)
class Terms:
    """What a Run was to be, beside what it is.

    Parameters
    ----------
    viewers : int
        How many viewers were to watch.
    expect : tuple of str
        Rare paths that were to be taken (:class:`reports.expectations.RarePath`).
    faults : tuple of (kind, target)
        What was to be broken.
    impossible : mapping of str to str
        Kinds of faults that the machine could not do, and why.
    allow_skipped : tuple of str
        Kinds of faults that may be left out for that reason.
    limits : TableLimits or None
        The tables' limits; None if nobody knows them.
    """

    viewers: int = 0
    expect: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    limits: TableLimits | None = None
    impossible: Mapping[str, str] = field(default_factory=dict)
    allow_skipped: tuple[str, ...] = ()

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Terms":
        """Return the terms that a Run's manifest holds; faults that a simulation leaves out are none of them."""
        campaign = manifest["campaign"]
        scenario = campaign.get("scenario", {})
        left_out = set(manifest.get("not_modelled", ()))
        faults = tuple(
            (fault["kind"], fault["target"])
            for fault in scenario.get("faults", ())
            if f"{fault['kind']} of {fault['target']} at {fault['at_s']:g} s" not in left_out
        )
        limits = manifest.get("limits")
        return cls(
            _viewers(scenario), tuple(campaign.get("expect", ())), faults,
            TableLimits(**limits) if limits else None, manifest.get("impossible_faults", {}),
            tuple(campaign.get("allow_skipped", ())),
        )  # fmt: skip


class Chain:
    """The players' journal entries, account by account, each after the one that it follows.

    Attributes
    ----------
    rows : array of int
        Rows of :attr:`History.ledger`.
    starts : array of bool
        Where an account begins.
    """

    def __init__(self, ledger: pd.DataFrame) -> None:
        own = np.flatnonzero(is_player(ledger["account"].to_numpy()))
        # accounts of two shards never share a number, but a broken ledger may say otherwise
        key = ledger["account"].to_numpy()[own] << 10 | ledger["shard"].to_numpy()[own]
        order = stable_order(key)
        self.rows: Integers = own[order]
        self.starts: Mask = group_starts(key[order])
        self._ledger = ledger

    def of(self, column: str) -> Integers:
        """Return a column in the chain's order."""
        values: Integers = self._ledger[column].to_numpy()[self.rows].astype(np.int64, copy=False)
        return values

    @cached_property
    def place(self) -> Integers:
        """For each row of the ledger its place in the chain, or -1 if it is no player's."""
        place = np.full(len(self._ledger), -1, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        return place

    def before(self, values: Integers) -> Integers:
        """Return each value's predecessor within its account, 0 for the first."""
        shifted = np.zeros_like(values)
        shifted[1:] = values[:-1]
        shifted[self.starts] = 0
        return shifted

    @cached_property
    def _moved(self) -> Integers:
        """The places of movements, in order."""
        return np.flatnonzero(self.of("moved") != 0)

    def at_version(self, accounts: Integers, versions: Integers) -> Integers:
        """Return the places of the entries that brought accounts to versions, or -1 if none did."""
        ledger, moved, heads = self._ledger, self._moved, np.flatnonzero(self.starts)
        group = positions(ledger["account"].to_numpy()[self.rows[heads]], accounts)
        if not len(heads):
            return group
        # in a sound chain the n-th movement makes version n, and the entry at which an account starts may be version 0
        nth = np.searchsorted(moved, heads)[group] + versions - 1
        place = moved[np.clip(nth, 0, len(moved) - 1)] if len(moved) else heads[group]
        place = np.where(versions == 0, heads[group], place)
        row = self.rows[place]
        fits = (group >= 0) & (ledger["version"].to_numpy()[row] == versions)
        fits &= ledger["account"].to_numpy()[row] == accounts
        rest = np.flatnonzero(~fits & (group >= 0))
        if len(rest):
            numbered = (np.cumsum(self.starts) - 1) << 40 | self.of("version")
            place[rest] = positions(numbered, group[rest] << 40 | versions[rest])
        return np.where(group >= 0, place, -1)


class History:
    """What happened, as clients and ledger tell it.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of a Run, all of :data:`reports.columns.TABLES`.
    clock_error_ns : int
        How far instants that were converted from the wall clock may be off.
    terms : Terms
        What was to happen.
    unix_ahead_ns : int
        The wall clock minus the Run's timeline, for what goes by days.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        clock_error_ns: int = 0,
        terms: Terms = Terms(),
        unix_ahead_ns: int = 0,
    ) -> None:
        self.ops = tables["ops"]
        self.pushes = tables["pushes"]
        self.accounts = tables["accounts"]
        self.faults = tables["faults"]
        self.rounds = tables["rounds"]
        self.video = tables["video"]
        self.glass = tables["glass"]
        self.limits = tables["limits"]
        self.orders = tables["orders"]
        self.audit = tables["audit"]
        self.sessions = tables["sessions"]
        self.terms = terms
        self._ledger = tables["ledger"]
        self.clock_error_ns = clock_error_ns
        self.unix_ahead_ns = unix_ahead_ns

    @classmethod
    def of(cls, run: Run) -> "History":
        """Return the history of a Run."""
        tables = {name: run.table(name) for name in TABLES}
        clock = run.manifest["clock_offsets"]
        pairs = clock.get("mono_unix_ns", [])
        mono_ns, unix_ns = pairs[len(pairs) // 2] if pairs else (0, 0)
        return cls(tables, int(clock.get("error_ns", 0)), Terms.of(run.manifest), unix_ns - mono_ns)

    @cached_property
    def bets(self) -> View:
        """Operations that are bets."""
        return View(self.ops).where(self.ops["kind"].to_numpy() == int(OpKind.BET))

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """The journal in order of shard and sequence number, with ``moved``: each entry's effect on its account."""
        rows = self._ledger
        order = stable_order(rows["shard"].to_numpy().astype(np.int64) << 48 | rows["seq"].to_numpy())
        if np.any(np.diff(order) != 1):
            rows = rows.iloc[order]
        rows = rows.reset_index(drop=True)
        accepted = rows["status"].to_numpy() == Status.ACCEPTED
        kind = np.clip(rows["kind"].to_numpy(), 0, len(_SIGN) - 1)
        return rows.assign(moved=np.where(accepted, _SIGN[kind] * rows["amount"].to_numpy(), 0))

    @cached_property
    def entries(self) -> View:
        """All of :attr:`ledger`."""
        return View(self.ledger)

    @cached_property
    def placed(self) -> View:
        """The journal's bets, rejected ones too."""
        return self.entries.where(self.ledger["kind"].to_numpy() == int(EntryKind.BET))

    @cached_property
    def ledger_row_of_bet(self) -> Integers:
        """For each of :attr:`bets` the row of its entry in :attr:`ledger`, or -1."""
        rows = np.flatnonzero(self.ledger["kind"].to_numpy() == int(EntryKind.BET))
        return np.where(self.entry_of_bet >= 0, rows[self.entry_of_bet], -1) if len(rows) else self.entry_of_bet

    @cached_property
    def accepted(self) -> View:
        """The journal's accepted bets."""
        return self.placed.where(self.placed["status"] == int(Status.ACCEPTED))

    @cached_property
    def terminals(self) -> View:
        """The journal's terminal entries: what ended a bet."""
        of_transfers = self.ledger["kind"].isin((int(EntryKind.TRANSFER_END), int(EntryKind.TRANSFER_BACK))).to_numpy()
        return self.entries.where((self.ledger["slot"].to_numpy() == int(Slot.TERMINAL)) & ~of_transfers)

    @cached_property
    def entry_of_bet(self) -> Integers:
        """For each of :attr:`bets` the row of its entry in :attr:`placed`, or -1."""
        entry = self._entry_by_answer()
        rest = np.flatnonzero(entry < 0)
        entry[rest] = positions(self.placed["op"], self.bets["op"][rest])
        return entry

    def _entry_by_answer(self) -> Integers:
        """For each of :attr:`bets` the row in :attr:`placed` that its answer names, -1 if that is not its entry."""
        ledger, bets = self.ledger, self.bets
        if ledger.empty:
            return np.full(len(bets), -1, dtype=np.int64)
        # journals have no gap: an entry's number is its place
        shard = ledger["shard"].to_numpy(np.int16)
        first = np.searchsorted(shard, np.arange(max(int(bets["shard"].max(initial=0)), 0) + 2, dtype=np.int16))
        row = first[bets["shard"]] + bets["seq"] - 1
        named = (bets["seq"] > 0) & (row < len(ledger))
        row = np.where(named, row, 0)
        is_bet = ledger["kind"].to_numpy() == int(EntryKind.BET)
        named &= is_bet[row]
        for name in ("op", "shard"):
            named &= ledger[name].to_numpy()[row] == bets[name]
        return np.where(named, (np.cumsum(is_bet) - 1)[row], -1)

    @cached_property
    def bet_of_end(self) -> Integers:
        """For each of :attr:`terminals` the row of its bet in :attr:`accepted`, or -1."""
        return positions(self.accepted["op"], self.terminals["op"])

    @cached_property
    def chain(self) -> Chain:
        """The players' entries, account by account."""
        return Chain(self.ledger)

    @cached_property
    def legs(self) -> pd.DataFrame:
        """Both sides of every movement of money, in journal order: shard, seq, account, change."""
        rows = self.entries.where(self.ledger["moved"].to_numpy() != 0)
        legs = {"shard": np.repeat(rows["shard"], 2), "seq": np.repeat(rows["seq"], 2)}
        for name, sides in (("account", ("account", "counter")), ("change", ("moved", "moved"))):
            legs[name] = np.stack([rows[side] for side in sides], axis=1).reshape(-1)
        legs["change"][1::2] *= -1
        return pd.DataFrame(legs, copy=False)

    def account_of(self, sessions: Integers) -> Integers:
        """Return the accounts that sessions play with, -1 where none is known."""
        numbers = self.ops["session"].to_numpy(dtype=np.int64)
        size = max(int(numbers.max(initial=0)), int(sessions.max(initial=0))) + 1
        account = np.full(size, -1, dtype=np.int64)
        account[numbers] = self.ops["account"].to_numpy()
        return account[sessions]

    def round_rows(self, rounds: Integers) -> Integers:
        """Return the first row in :attr:`rounds` of each round, or -1."""
        return positions(self.rounds["round"].to_numpy(), rounds)

    def of_round(self, column: str, rounds: Integers) -> Integers:
        """Return a column of :attr:`rounds` for each round, 0 where it is not known."""
        return taken(self.rounds, column, self.round_rows(rounds))

    def disturbed(self, from_ns: Integers, to_ns: Integers, targets: tuple[str, ...] = MESSAGING) -> Mask:
        """Tell which spans of time touch a fault of these processes, or what it leaves behind.

        Parameters
        ----------
        from_ns, to_ns : array of int, shape (n,)
            The spans.
        targets : tuple of str
            How the processes' names begin. The video's faults disturb no message.
        """
        hit = np.zeros(len(from_ns), dtype=bool)
        faults = self.faults[self.faults["target"].str.startswith(targets)]
        for struck_ns, recovered_ns in faults[["t_ns", "recovered_ns"]].to_numpy(dtype=np.int64):
            until_ns = recovered_ns + FAULT_ECHO_NS if recovered_ns else _FOREVER_NS
            hit |= (from_ns <= until_ns) & (to_ns >= struck_ns)
        return hit

    def window_rows(self, entries: pd.DataFrame | View) -> Integers:
        """Return, for each entry or operation, the row of its round and window in :attr:`rounds`, or -1."""
        return positions(window_key(self.rounds), window_key(entries))


def _viewers(scenario: Mapping[str, Any]) -> int:
    """Return how many viewers a scenario has."""
    tables = int(scenario.get("tables", 0))
    crowds = [crowd for crowd in scenario.get("crowds", ()) if crowd["kind"] == "viewer"]
    joined = sum(crowd["count"] * (1 if crowd["table"] else tables) for crowd in crowds)
    return int(scenario.get("viewers_per_table", 0)) * tables + int(joined)


def rows_where(frame: pd.DataFrame, mask: pd.Series) -> pd.DataFrame:
    """Return the rows where `mask` holds, numbered from 0."""
    rows: pd.DataFrame = frame[mask].reset_index(drop=True)
    return rows


def window_key(frame: pd.DataFrame | View) -> Integers:
    """Return one integer for round and window of each row."""
    key: Integers = (np.asarray(frame["round"], dtype=np.int64) << 8) | np.asarray(frame["window"], dtype=np.int64)
    return key


def kind_of_account(accounts: Integers) -> Integers:
    """Return the :class:`AccountKind` of each account (vectorised `ids.account_kind`)."""
    return accounts >> 56


def is_player(accounts: Integers) -> Mask:
    """Tell which accounts are players'."""
    players: Mask = kind_of_account(accounts) == int(AccountKind.PLAYER)
    return players


def taken(frame: pd.DataFrame | View, column: str, rows: Integers) -> Integers:
    """Return a column's values at `rows`, 0 where a row is -1."""
    values = np.asarray(frame[column])
    if not len(values):
        return np.zeros(len(rows), dtype=np.int64)
    found = values[rows].astype(np.int64, copy=False)
    if len(rows) and rows.min() < 0:
        found[rows < 0] = 0
    return found


def opened_seq(history: History, entries: pd.DataFrame | View) -> Integers:
    """Return the journal number of the open entry of each entry's window in its shard, 0 if there is none."""
    return by_shard(history.rounds["opened_seqs"], history.window_rows(entries), np.asarray(entries["shard"]))


def by_shard(lists: pd.Series, rows: Integers, shards: Integers) -> Integers:
    """Return the element of each row's list that belongs to a shard, 0 where either is not known."""
    width = max((len(values) for values in lists), default=0)
    if not width:
        return np.zeros(len(rows), dtype=np.int64)
    matrix = np.array([[*values, *([0] * (width - len(values)))] for values in lists], dtype=np.int64)
    known = (rows >= 0) & (shards >= 0) & (shards < width)
    return np.where(known, matrix[rows, np.clip(shards, 0, width - 1)], 0)
