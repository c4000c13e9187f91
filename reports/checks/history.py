"""A Run's tables as the checks look at them, with the joins that several checks share."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.ids import AccountKind
from reference_impl.domain.ledger import DIRECTION
from reference_impl.domain.records import OpKind
from reports.columns import TABLES
from reports.run import Run

Integers = npt.NDArray[np.int64]

_SIGN = np.array([DIRECTION.get(EntryKind(k), 0) if k else 0 for k in range(max(EntryKind) + 1)], dtype=np.int64)


class History:
    """What happened, as clients and ledger tell it.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of a Run, all of :data:`reports.columns.TABLES`.
    clock_error_ns : int
        How far instants that were converted from the wall clock may be off.
    viewers : int
        How many viewers were to watch.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], clock_error_ns: int = 0, viewers: int = 0) -> None:
        self.ops = tables["ops"]
        self.pushes = tables["pushes"]
        self.accounts = tables["accounts"]
        self.faults = tables["faults"]
        self.rounds = tables["rounds"]
        self.video = tables["video"]
        self.viewers = viewers
        self._ledger = tables["ledger"]
        self.clock_error_ns = clock_error_ns

    @classmethod
    def of(cls, run: Run) -> "History":
        """Return the history of a Run."""
        tables = {name: run.table(name) for name in TABLES}
        viewers = _viewers(run.manifest["campaign"].get("scenario", {}))
        return cls(tables, int(run.manifest["clock_offsets"].get("error_ns", 0)), viewers)

    @cached_property
    def bets(self) -> pd.DataFrame:
        """Operations that are bets."""
        return rows_where(self.ops, self.ops["kind"] == int(OpKind.BET))

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """The journal in order of shard and sequence number, with ``moved``: each entry's effect on its account."""
        rows = self._ledger
        order = np.lexsort((rows["seq"].to_numpy(), rows["shard"].to_numpy()))
        if np.any(np.diff(order) != 1):
            rows = rows.iloc[order]
        rows = rows.reset_index(drop=True)
        accepted = rows["status"].to_numpy() == Status.ACCEPTED
        kind = np.clip(rows["kind"].to_numpy(), 0, len(_SIGN) - 1)
        return rows.assign(moved=np.where(accepted, _SIGN[kind] * rows["amount"].to_numpy(), 0))

    @cached_property
    def placed(self) -> pd.DataFrame:
        """The journal's bets, rejected ones too."""
        return rows_where(self.ledger, self.ledger["kind"] == int(EntryKind.BET))

    @cached_property
    def accepted(self) -> pd.DataFrame:
        """The journal's accepted bets."""
        return rows_where(self.placed, self.placed["status"] == int(Status.ACCEPTED))

    @cached_property
    def terminals(self) -> pd.DataFrame:
        """The journal's terminal entries: what ended a bet."""
        return rows_where(self.ledger, self.ledger["slot"] == int(Slot.TERMINAL))

    @cached_property
    def entry_of_bet(self) -> Integers:
        """For each of :attr:`bets` the row of its entry in :attr:`placed`, or -1."""
        return positions(self.placed["op"].to_numpy(), self.bets["op"].to_numpy())

    @cached_property
    def legs(self) -> pd.DataFrame:
        """Both sides of every movement of money, in journal order: shard, seq, account, change."""
        rows = self.ledger[self.ledger["moved"].to_numpy() != 0]
        sides = [
            pd.DataFrame({"shard": rows["shard"], "seq": rows["seq"], "account": rows[account], "change": change})
            for account, change in (("account", rows["moved"]), ("counter", -rows["moved"]))
        ]
        return pd.concat(sides).sort_index(kind="stable").reset_index(drop=True)

    def window_rows(self, entries: pd.DataFrame) -> Integers:
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


def window_key(frame: pd.DataFrame) -> Integers:
    """Return one integer for round and window of each row."""
    key: Integers = (frame["round"].to_numpy(dtype=np.int64) << 8) | frame["window"].to_numpy(dtype=np.int64)
    return key


def kind_of_account(accounts: Integers) -> Integers:
    """Return the :class:`AccountKind` of each account (vectorised `ids.account_kind`)."""
    return accounts >> 56


def is_player(accounts: Integers) -> npt.NDArray[np.bool_]:
    """Tell which accounts are players'."""
    players: npt.NDArray[np.bool_] = kind_of_account(accounts) == int(AccountKind.PLAYER)
    return players


def positions(keys: Integers, wanted: Integers) -> Integers:
    """Return the first position of each wanted value in `keys`, or -1."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    at = np.minimum(np.searchsorted(ranked, wanted), len(ranked) - 1)
    return np.where(ranked[at] == wanted, order[at], -1)


def taken(frame: pd.DataFrame, column: str, rows: Integers) -> Integers:
    """Return a column's values at `rows`, 0 where a row is -1."""
    values = frame[column].to_numpy()
    if not len(values):
        return np.zeros(len(rows), dtype=np.int64)
    return np.where(rows >= 0, values[rows], 0).astype(np.int64)


def repeated(values: pd.Series) -> npt.NDArray[np.bool_]:
    """Tell which rows repeat a value of an earlier row."""
    return values.duplicated().to_numpy()
