"""A long legal history, made at once from arrays: what checks are timed on.

Everybody bets three times a round; one bet in fifty comes too late. All of it is what a truthful system would leave:
journal, answers, stamps, table events to every player, payments, the audit trail. Only the video is missing.
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.games.outcome import commitment, seeded_outcome
from reference_impl.domain.games.roulette import GROSS, POCKETS, SPOTS
from reference_impl.domain.ids import AccountKind, account_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind, print_of
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.columns import TABLES
from reports.orders import first_deposits
from reports.run import empty_table, frame_of

BETS_A_ROUND = 3
ROUNDS = 34
PLAYERS_A_TABLE = 500
SHARDS, GATEWAYS = 2, 4
WINDOW_NS, LATE_NS = 7 * NS_PER_S, NS_PER_S // 7
ROUND_NS = 12 * NS_PER_S
START_NS = 1_000 * NS_PER_S
DEPOSIT_MINOR = 10**9
STAKE_MINOR = 100
EUR = 978

Integers = npt.NDArray[np.int64]
_EVENTS = {
    Phase.BETS_OPEN: 0, Phase.CLOSING_SOON: 4_000, Phase.NO_MORE_BETS: 7_000, Phase.BETS_CLOSED: 7_250,
    Phase.DEALING: 7_300, Phase.RESULT: 9_300, Phase.SETTLED: 9_500,
}  # fmt: skip
"""Announcements, in ms after a round's opening."""


def long_history(bets: int, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Return the tables of a legal history of about so many bets.

    Parameters
    ----------
    bets : int
        Bets, rounded up to whole tables of players.
    seed : int
        Seeds stakes, spots and instants.
    """
    tables = -(-bets // (BETS_A_ROUND * ROUNDS * PLAYERS_A_TABLE))
    return _History(tables, np.random.default_rng(seed)).tables()


class _History:
    def __init__(self, tables: int, rng: np.random.Generator) -> None:
        self.n_tables, self.rng = tables, rng
        self.players = np.arange(1, tables * PLAYERS_A_TABLE + 1)
        self.rounds = self._rounds()
        self.bets = self._bets()
        self.entries = self._journal()

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all tables of the Run."""
        made = {
            "ops": self._ops(), "pushes": self._pushes(), "rounds": self._rounds_table(), "ledger": self._ledger(),
            "accounts": self._accounts(), "orders": first_deposits(self.players.tolist(), DEPOSIT_MINOR),
            "audit": self._audit(), "sessions": self._sessions(),
        }  # fmt: skip
        return {name: made.get(name, empty_table(name)) for name in TABLES}

    def _rounds(self) -> dict[str, Any]:
        table = np.repeat(np.arange(1, self.n_tables + 1), ROUNDS)
        number = np.tile(np.arange(1, ROUNDS + 1), self.n_tables)
        known = table << 32 | number
        seeds = [hashlib.sha256(b"%d" % value).digest() for value in known]
        heads = [[hashlib.sha256(b"%d/%d" % (value, shard)).digest() for shard in range(SHARDS)] for value in known]
        outcome = [seeded_outcome(seed, head, POCKETS) for seed, head in zip(seeds, heads, strict=True)]
        return {
            "table": table, "round": known, "round_no": number,
            "opens_ns": START_NS + NS_PER_S + number * ROUND_NS + table * 10 * NS_PER_MS,
            "outcome": np.array(outcome), "seed": [seed.hex() for seed in seeds],
            "heads": [";".join(head.hex() for head in row) for row in heads],
            "print": np.array([print_of(commitment(seed)) for seed in seeds]),
        }  # fmt: skip

    def _bets(self) -> dict[str, Integers]:
        row = np.repeat(np.arange(len(self.rounds["round"])), PLAYERS_A_TABLE * BETS_A_ROUND)
        place = np.tile(np.repeat(np.arange(PLAYERS_A_TABLE), BETS_A_ROUND), len(self.rounds["round"]))
        account = (self.rounds["table"][row] - 1) * PLAYERS_A_TABLE + place + 1
        n = len(row)
        arrives_ns = np.sort(self.rng.integers(NS_PER_S // 100, WINDOW_NS + LATE_NS, (n // BETS_A_ROUND, BETS_A_ROUND)))
        offset_ns = arrives_ns.reshape(-1)
        selection, amount = self.rng.integers(0, len(SPOTS), n), STAKE_MINOR * self.rng.integers(1, 20, n)
        accepted = offset_ns < WINDOW_NS
        return {
            "row": row, "account": account, "shard": account % SHARDS, "gateway": account // SHARDS % GATEWAYS,
            "selection": selection, "amount": amount, "received_ns": self.rounds["opens_ns"][row] + offset_ns,
            "status": np.where(accepted, int(Status.ACCEPTED), int(Status.WINDOW_CLOSED)),
            "payout": GROSS[selection, self.rounds["outcome"][row]] * amount, "op": account << 24 | np.arange(n),
        }  # fmt: skip

    def _journal(self) -> dict[str, Integers]:
        """Return every shard's entries in the order of their instants, with balances and versions of players."""
        parts = [self._deposits(), self._bet_entries(), self._ends()]
        parts += [self._steps(shard, kind, ms) for shard in range(SHARDS) for kind, ms in _STEPS]
        parts += [self._sweeps(shard) for shard in range(SHARDS)]
        rows = {name: np.concatenate([np.broadcast_to(part[name], len(part["at_ns"])) for part in parts])
                for name in parts[0]}  # fmt: skip
        order = np.lexsort((rows["at_ns"], rows["shard"]))
        rows = {name: values[order] for name, values in rows.items()}
        first = np.searchsorted(rows["shard"], np.arange(SHARDS))
        rows["seq"] = np.arange(len(order)) - first[rows["shard"]] + 1
        chain = np.lexsort((rows["seq"], rows["account"]))
        starts = np.flatnonzero(np.diff(rows["account"][chain], prepend=-1))
        for name, change in (("balance_after", rows["moved"]), ("version", (rows["moved"] != 0).astype(np.int64))):
            total = np.cumsum(change[chain])
            before = np.repeat(total[starts] - change[chain][starts], np.diff(starts, append=len(chain)))
            rows[name] = np.empty(len(chain), dtype=np.int64)
            rows[name][chain] = total - before
        return rows

    def _deposits(self) -> dict[str, Any]:
        shard = self.players % SHARDS
        return {
            "shard": shard, "at_ns": np.full(len(self.players), START_NS), "op": self.players + (1 << 60), "slot": 0,
            "kind": int(EntryKind.DEPOSIT), "status": 1, "account": self.players, "amount": DEPOSIT_MINOR,
            "counter": account_id(AccountKind.CASH, 0) + shard, "moved": DEPOSIT_MINOR, "round": 0, "selection": 0,
        }  # fmt: skip

    def _bet_entries(self) -> dict[str, Any]:
        bets = self.bets
        known = self.rounds["round"][bets["row"]]
        return {
            "shard": bets["shard"], "at_ns": bets["received_ns"], "op": bets["op"], "slot": 0,
            "kind": int(EntryKind.BET), "status": bets["status"], "account": bets["account"], "amount": bets["amount"],
            "counter": account_id(AccountKind.ESCROW, 0) + known, "round": known, "selection": bets["selection"],
            "moved": np.where(bets["status"] == int(Status.ACCEPTED), -bets["amount"], 0),
        }  # fmt: skip

    def _ends(self) -> dict[str, Any]:
        own = self.bets["status"] == int(Status.ACCEPTED)
        bets = {name: values[own] for name, values in self.bets.items()}
        return {
            "shard": bets["shard"], "at_ns": self._at(Phase.RESULT)[bets["row"]] + NS_PER_MS, "op": bets["op"],
            "slot": int(Slot.TERMINAL), "kind": int(EntryKind.SETTLE), "status": 1, "account": bets["account"],
            "counter": account_id(AccountKind.HOUSE, 0) + bets["shard"], "amount": bets["payout"],
            "moved": bets["payout"], "round": self.rounds["round"][bets["row"]], "selection": bets["selection"],
        }  # fmt: skip

    def _steps(self, shard: int, kind: EntryKind, after_ms: int) -> dict[str, Any]:
        home = np.ones(len(self.rounds["round"]), dtype=bool)
        if kind is EntryKind.DECIDE:
            home = self.rounds["table"] % SHARDS == shard
        known = self.rounds["round"][home]
        return {
            "shard": shard, "at_ns": self.rounds["opens_ns"][home] + after_ms * NS_PER_MS,
            "op": int(kind) << 50 | known, "slot": 0, "kind": int(kind), "status": 1,
            "account": account_id(AccountKind.ESCROW, 0) + known, "counter": account_id(AccountKind.HOUSE, shard),
            "amount": 0, "moved": 0, "round": known,
            "selection": self.rounds["outcome"][home] if kind is EntryKind.DECIDE else 0,
        }  # fmt: skip

    def _sweeps(self, shard: int) -> dict[str, Any]:
        own = (self.bets["status"] == int(Status.ACCEPTED)) & (self.bets["shard"] == shard)
        stakes = np.bincount(self.bets["row"][own], self.bets["amount"][own], len(self.rounds["round"]))
        known = self.rounds["round"]
        return {
            "shard": shard, "at_ns": self._at(Phase.RESULT) + 2 * NS_PER_MS, "op": 99 << 50 | known, "slot": 0,
            "kind": int(EntryKind.SWEEP), "status": 1, "account": account_id(AccountKind.HOUSE, shard),
            "counter": account_id(AccountKind.ESCROW, 0) + known, "amount": stakes.astype(np.int64),
            "moved": stakes.astype(np.int64), "round": known, "selection": 0,
        }  # fmt: skip

    def _at(self, phase: Phase) -> Integers:
        at_ns: Integers = self.rounds["opens_ns"] + _EVENTS[phase] * NS_PER_MS
        return at_ns

    def _ledger(self) -> pd.DataFrame:
        return frame_of("ledger", {name: self.entries[name] for name in TABLES["ledger"] if name in self.entries})

    def _audit(self) -> pd.DataFrame:
        columns = {name: self.entries[name] for name in TABLES["audit"] if name in self.entries}
        ones = np.ones(len(self.entries["seq"]))
        return frame_of("audit", {**columns, "batch": (self.entries["seq"] + 9) // 10, "linked": ones})

    def _accounts(self) -> pd.DataFrame:
        rows = self.entries
        sides = [(rows["account"], rows["moved"]), (rows["counter"], -rows["moved"])]
        legs = pd.DataFrame(
            {
                "shard": np.concatenate([rows["shard"], rows["shard"]]),
                "account": np.concatenate([account for account, _ in sides]),
                "balance": np.concatenate([change for _, change in sides]),
                "version": np.concatenate([rows["moved"] != 0] * 2),
            }
        )
        sums = legs.groupby(["shard", "account"], as_index=False).sum()
        return frame_of("accounts", {**sums, "currency": np.full(len(sums), EUR)})

    def _ops(self) -> pd.DataFrame:
        bets, n = self.bets, len(self.bets["op"])
        placed = np.flatnonzero(self.entries["kind"] == int(EntryKind.BET))
        entry = placed[np.argsort(self.entries["op"][placed])][np.argsort(np.argsort(bets["op"]))]
        at_ns, ms = bets["received_ns"], NS_PER_MS
        stamps = {
            "due_ns": at_ns - ms, "invoke_ns": at_ns - ms // 2, "received_ns": at_ns, "checked_ns": at_ns + 9_000,
            "sent_ns": at_ns + ms // 10, "wallet_received_ns": at_ns + ms // 5, "batch_started_ns": at_ns + ms // 2,
            "committed_ns": at_ns + 3 * ms, "replied_ns": at_ns + 4 * ms, "written_ns": at_ns + 4 * ms,
            "return_ns": at_ns + 5 * ms,
        }  # fmt: skip
        accepted = bets["status"] == int(Status.ACCEPTED)
        answers = {"balance": "balance_after", "version": "version", "seq": "seq"}
        columns = {
            "op": bets["op"], "kind": int(OpKind.BET), "attempts": 1, "session": bets["account"],
            "account": bets["account"], "table": self.rounds["table"][bets["row"]],
            "round": self.rounds["round"][bets["row"]], "outcome": np.where(accepted, Outcome.OK, Outcome.REJECTED),
            "timelines": 1, "currency": EUR, "weight": 1, **stamps,
            **{name: bets[name] for name in ("gateway", "selection", "amount", "status", "shard")},
            **{name: self.entries[column][entry] for name, column in answers.items()},
        }  # fmt: skip
        return frame_of("ops", {name: np.broadcast_to(values, n) for name, values in columns.items()})

    def _pushes(self) -> pd.DataFrame:
        told = [self._news(), self._payments()]
        sizes = [len(part["session"]) for part in told]
        columns = {
            name: np.concatenate(
                [np.broadcast_to(part.pop(name, 0), n) for part, n in zip(told, sizes, strict=True)], dtype=column.dtype
            )
            for name, column in TABLES["pushes"].items()
        }
        return frame_of("pushes", columns)

    def _news(self) -> dict[str, Any]:
        """Return every event once for every player of its table, in the order of the events' instants."""
        rounds, n = self.rounds, len(self.rounds["round"])
        phase = np.repeat([int(phase) for phase in _EVENTS], n)
        row = np.tile(np.arange(n), len(_EVENTS))
        at_ns = np.concatenate([self._at(phase) for phase in _EVENTS])
        order = np.argsort(at_ns, kind="stable")
        phase, row, at_ns = phase[order], row[order], at_ns[order]
        table = rounds["table"][row]
        by_table = np.lexsort((np.arange(len(table)), table))
        seq = np.empty(len(table), dtype=np.int64)
        seq[by_table] = np.tile(np.arange(1, ROUNDS * len(_EVENTS) + 1), self.n_tables)
        result = phase >= int(Phase.RESULT)
        event = {
            "table": table, "seq": seq, "round": rounds["round"][row], "phase": phase,
            "outcome": np.where(result, rounds["outcome"][row], -1), "commitment": rounds["print"][row],
            "seed": np.where(result, rounds["print"][row], 0), "epoch": np.ones(len(row), dtype=np.int64),
            "app_ns": at_ns,
        }  # fmt: skip
        crowd = PLAYERS_A_TABLE
        columns = {name: np.repeat(values, crowd) for name, values in event.items()}
        seat = np.tile(np.arange(1, crowd + 1), len(row))
        columns["app_ns"] = columns["app_ns"] + self.rng.integers(0, NS_PER_MS, len(seat))
        return {**columns, "session": (columns["table"] - 1) * crowd + seat, "kind": int(PushKind.TABLE)}

    def _payments(self) -> dict[str, Any]:
        rows = np.flatnonzero(self.entries["slot"] == int(Slot.TERMINAL))
        own = {name: values[rows] for name, values in self.entries.items()}
        return {
            "session": own["account"], "kind": int(PushKind.PAID), "outcome": -1, "round": own["round"],
            "op": own["op"], "amount": own["amount"], "balance": own["balance_after"], "version": own["version"],
            "app_ns": own["at_ns"] + 5 * NS_PER_MS,
        }  # fmt: skip

    def _rounds_table(self) -> pd.DataFrame:
        rounds, rows = self.rounds, self.entries
        instants = {
            "closes_ns": Phase.NO_MORE_BETS, "no_more_bets_ns": Phase.NO_MORE_BETS, "bets_closed_ns": Phase.BETS_CLOSED,
            "informative_ns": Phase.DEALING, "result_ns": Phase.RESULT, "settled_ns": Phase.SETTLED,
        }  # fmt: skip
        columns: dict[str, Any] = {name: self._at(phase) for name, phase in instants.items()}
        for name, kind in (("opened_seqs", EntryKind.OPEN), ("closed_seqs", EntryKind.CLOSE)):
            own = np.flatnonzero(rows["kind"] == int(kind))
            by_round = own[np.lexsort((rows["shard"][own], rows["round"][own]))]
            columns[name] = list(rows["seq"][by_round].reshape(-1, SHARDS))
        until_ns = np.repeat(self._at(Phase.BETS_CLOSED)[:, None], SHARDS, axis=1)
        given = {name: rounds[name] for name in rounds if name != "print"}
        return frame_of(
            "rounds",
            {**given, **columns, "accept_until_ns": list(until_ns), "closed_heads": rounds["heads"],
             "decision": ["outcome"] * len(until_ns), "epoch": np.ones(len(until_ns))},
        )  # fmt: skip

    def _sessions(self) -> pd.DataFrame:
        n = len(self.players)
        end_ns = int(self.rounds["opens_ns"].max()) + ROUND_NS
        return frame_of(
            "sessions",
            {"session": self.players, "account": self.players, "opened_ns": np.full(n, START_NS),
             "closed_ns": np.full(n, end_ns), "close_code": np.full(n, 1000)},
        )  # fmt: skip


_STEPS = ((EntryKind.OPEN, -1), (EntryKind.CLOSE, 7_200), (EntryKind.DECIDE, 7_290))
"""Entries of a round that move no money, in ms after its opening."""
