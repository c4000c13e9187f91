"""What was seen in a simulation, turned into the tables of a Run.

Rows are gathered as they come and become columns once, at the end. Row order is the order of events, so equal
simulations give equal tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reference_impl.domain.journal import Entry
from reference_impl.domain.ledger import Ledger
from reference_impl.domain.money import Currency
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, PushKind
from reports.columns import TABLES
from reports.orders import first_deposits
from reports.run import empty_table, frame_of
from sim.kernels import Int64s
from sim.operations import EPOCH, WINDOW, Attempt, Op

_STAMPS = (
    "received_ns", "checked_ns", "sent_ns", "wallet_received_ns", "batch_started_ns", "committed_ns", "replied_ns",
    "written_ns", "queue_depth", "batch_size",
)  # fmt: skip


class Pushes(NamedTuple):
    """One frame pushed to many players, and when each got it."""

    kind: PushKind
    gateway: int
    table: int
    epoch: int
    seq: int
    round_id: int
    phase: Phase
    outcome: int
    players: Int64s
    connections: Int64s
    at_ns: Int64s


@dataclass(slots=True)
class RoundSeen:
    """The instants of one round."""

    table: int
    round_id: int
    round_no: int
    opens_ns: int = 0
    closes_ns: int = 0
    first_close_ns: int = 0
    last_close_ns: int = 0
    no_more_bets_ns: int = 0
    bets_closed_ns: int = 0
    informative_ns: int = 0
    result_ns: int = 0
    settled_ns: int = 0
    game: str = ""
    decision: str = "unknown"
    outcome: int = -1


_NOT_SIMULATED = {"seed", "heads", "closed_heads"}
"""Columns of rounds that stay empty."""

_PHASE_COLUMN = {
    Phase.NO_MORE_BETS: "no_more_bets_ns",
    Phase.BETS_CLOSED: "bets_closed_ns",
    Phase.DEALING: "informative_ns",
    Phase.RESULT: "result_ns",
    Phase.SETTLED: "settled_ns",
    Phase.VOIDED: "settled_ns",
}


class SessionSeen(NamedTuple):
    """A connection that ended."""

    session: int
    connection: int
    gateway: int
    table: int
    account: int
    opened_ns: int
    closed_ns: int
    close_code: int


class VideoSeen(NamedTuple):
    """A viewer's fetch, and how its playback was after it; fields as the columns of the Run's table."""

    viewer: int
    table: int
    edge: int
    rendition: int
    kind: int
    msn: int
    part: int
    bytes: int
    due_ns: int
    start_ns: int
    first_byte_ns: int
    end_ns: int
    status: int
    cache: int
    media_ns: int
    buffer_ms: int
    latency_ms: int
    stalled_ms: int
    switched: int


class PlacementSeen(NamedTuple):
    """A player was sent somewhere."""

    t_ns: int
    session: int
    table: int
    what: str
    chosen: str
    number: int
    load: float
    alternatives: int


@dataclass
class Observations:
    """Everything that a Run records, row by row."""

    ops: list[Op] = field(default_factory=list)
    pushes: list[Pushes] = field(default_factory=list)
    rounds: dict[int, RoundSeen] = field(default_factory=dict)
    sessions: list[SessionSeen] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    generator: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    depositors: list[int] = field(default_factory=list)
    deposit_minor: int = 0
    video: list[VideoSeen] = field(default_factory=list)
    placements: list[PlacementSeen] = field(default_factory=list)

    def pushed(self, pushes: Pushes) -> None:
        """Note a frame."""
        self.pushes.append(pushes)

    def cut(self, gateway: int, now_ns: int) -> None:
        """Forget what a gateway that died now would still have pushed."""
        for i, pushes in enumerate(self.pushes):
            if pushes.gateway == gateway and pushes.at_ns[-1] > now_ns:
                came = pushes.at_ns <= now_ns
                self.pushes[i] = pushes._replace(
                    players=pushes.players[came], connections=pushes.connections[came], at_ns=pushes.at_ns[came]
                )

    def phase(self, round_id: int, phase: Phase, now_ns: int) -> None:
        """Note that a round entered a phase."""
        if column := _PHASE_COLUMN.get(phase):
            setattr(self.rounds[round_id], column, now_ns)

    def node(
        self, t_ns: int, node: str, connections: int, queue: int, lag_ns_max: int, cpu_ns: int, ops: int,
        egress_bytes: int,
    ) -> None:  # fmt: skip
        """Note a process's load."""
        self.nodes.append(
            {"t_ns": t_ns, "node": node, "pid": 0, "connections": connections, "queue": queue,
             "lag_ns_max": lag_ns_max, "cpu_ns": cpu_ns, "run_delay_ns": 0, "ops": ops, "egress_bytes": egress_bytes}
        )  # fmt: skip

    def worker(self, t_ns: int, users: int, ops: int) -> None:
        """Note what the load consists of: there is one worker, and it is never late."""
        self.generator.append(
            {"t_ns": t_ns, "worker": 0, "users": users, "lag_ns_max": 0, "cpu_ns": 0, "ops": ops, "missed": 0}
        )

    def tables(self, ledgers: Sequence[Ledger]) -> dict[str, pd.DataFrame]:
        """Return the tables of the Run."""
        return {
            "ops": _ops(self.ops),
            "pushes": _pushes(self.pushes),
            "rounds": _rounds(list(self.rounds.values()), ledgers),
            "ledger": _ledger(ledgers),
            "accounts": _accounts(ledgers),
            "orders": first_deposits(self.depositors, self.deposit_minor),
            "audit": empty_table("audit"),
            "limits": empty_table("limits"),
            "nodes": _rows("nodes", self.nodes),
            "resources": empty_table("resources"),
            "sessions": _rows("sessions", [seen._asdict() for seen in self.sessions]),
            "generator": _rows("generator", self.generator),
            "faults": _rows("faults", self.faults),
            "video": _columns("video", self.video),
            "glass": empty_table("glass"),
            "drops": empty_table("drops"),
            "placements": _columns("placements", self.placements),
        }


def _ints(values: Iterable[int]) -> Int64s:
    return np.fromiter(values, dtype=np.int64)


def _rows(table: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of(table, {name: [row[name] for row in rows] for name in (rows[0] if rows else ())})


def _columns(table: str, rows: Sequence[NamedTuple]) -> pd.DataFrame:
    names = list(TABLES[table])
    return frame_of(table, dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {})


def _ops(ops: list[Op]) -> pd.DataFrame:
    unsent = Attempt(Op(b"", OpKind.BET, 0, 0, 0, 0), 0, 0, -1)
    last = [op.last or unsent for op in ops]
    columns = {
        "op": _ints(low_bits(op.ref) for op in ops),
        "session": _ints(op.account for op in ops),
        "currency": np.full(len(ops), int(Currency.EUR)),
        "round": _ints(op.round_id for op in ops),
        "kernel_ns": _ints(op.return_ns for op in ops),
        "weight": np.ones(len(ops)),
        "timelines": _ints(attempt.written_ns > 0 for attempt in last),
        **{name: _ints(getattr(attempt, name) for attempt in last) for name in _STAMPS},
    }
    for name in TABLES["ops"]:
        if name not in columns:
            columns[name] = _ints(getattr(op, name) for op in ops)
    return frame_of("ops", columns)


def _pushes(pushes: list[Pushes]) -> pd.DataFrame:
    counts = [len(pushed.players) for pushed in pushes]

    def each(values: Iterable[int]) -> Int64s:
        return np.repeat(_ints(values), counts)

    def joined(parts: list[Int64s]) -> Int64s:
        return np.concatenate(parts) if parts else _ints(())

    at_ns = joined([pushed.at_ns for pushed in pushes])
    return frame_of(
        "pushes",
        {
            "session": joined([pushed.players for pushed in pushes]),
            "connection": joined([pushed.connections for pushed in pushes]),
            "table": each(pushed.table for pushed in pushes),
            "epoch": each(pushed.epoch for pushed in pushes),
            "seq": each(pushed.seq for pushed in pushes),
            "kind": each(pushed.kind for pushed in pushes),
            "round": each(pushed.round_id for pushed in pushes),
            "phase": each(pushed.phase for pushed in pushes),
            "outcome": each(pushed.outcome for pushed in pushes),
            "media_ns": each(0 for _ in pushes),
            "kernel_ns": at_ns,
            "app_ns": at_ns,
        },
    )


def _rounds(rounds: list[RoundSeen], ledgers: Sequence[Ledger]) -> pd.DataFrame:
    def seqs(attribute: str) -> list[list[int]]:
        return [
            [getattr(ledger.windows.get((seen.round_id, WINDOW)), attribute, 0) or 0 for ledger in ledgers]
            for seen in rounds
        ]

    columns: dict[str, Any] = {
        "round": [seen.round_id for seen in rounds],
        "window": [WINDOW for _ in rounds],
        "epoch": [EPOCH for _ in rounds],
        "accept_until_ns": seqs("accept_until_ns"),
        "opened_seqs": seqs("opened_seq"),
        "closed_seqs": seqs("closed_seq"),
    }
    for name in TABLES["rounds"]:
        if name not in columns and name not in _NOT_SIMULATED:
            columns[name] = [getattr(seen, name) for seen in rounds]
    return frame_of("rounds", columns)


def _ledger(ledgers: Sequence[Ledger]) -> pd.DataFrame:
    entries = [entry for ledger in ledgers for entry in ledger.journal]
    columns = {
        "shard": np.repeat(_ints(ledger.shard for ledger in ledgers), [len(ledger.journal) for ledger in ledgers]),
        "op": _ints(low_bits(entry.ref) for entry in entries),
        "round": _ints(entry.round_id for entry in entries),
    }
    for name in TABLES["ledger"]:
        if name not in columns:
            at = Entry._fields.index(name)
            columns[name] = _ints(int(entry[at]) for entry in entries)
    return frame_of("ledger", columns)


def _accounts(ledgers: Sequence[Ledger]) -> pd.DataFrame:
    rows = [(ledger.shard, number, account) for ledger in ledgers for number, account in ledger.accounts.items()]
    return frame_of(
        "accounts",
        {
            "shard": _ints(shard for shard, _, _ in rows),
            "account": _ints(number for _, number, _ in rows),
            "currency": np.full(len(rows), int(Currency.EUR)),
            "balance": _ints(account.balance for _, _, account in rows),
            "version": _ints(account.version for _, _, account in rows),
        },
    )


def low_bits(ref: bytes) -> int:
    """Return the number by which a Run knows an operation: the low 63 bits of its id."""
    return int.from_bytes(ref[8:], "big") & (1 << 63) - 1
