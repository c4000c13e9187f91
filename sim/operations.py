"""What travels through the simulated system: operations, the attempts to send them, and news of tables."""

from dataclasses import dataclass
from typing import NamedTuple

from reference_impl.domain.bets import Status
from reference_impl.domain.journal import Answer, Bet
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.windows import Told

WINDOW = 0
"""Every simulated round has one betting window."""

EPOCH = 1
"""One dealer drives a table from the first round to the last."""

COUNTER_BITS = 24


def operation_ref(seed: int, session: int, counter: int) -> bytes:
    """Return the 16 bytes that name a player's operation; the low 63 bits are unique within the simulation."""
    return (seed & (1 << 64) - 1).to_bytes(8, "big") + (session << COUNTER_BITS | counter).to_bytes(8, "big")


@dataclass(slots=True, eq=False)
class Attempt:
    """One sending of a bet, with the stamps that gateway and wallet put on it."""

    op: "Op"
    number: int
    connection: int
    gateway: int
    late: bool = False
    answer: Answer | None = None
    received_ns: int = 0
    checked_ns: int = 0
    sent_ns: int = 0
    wallet_received_ns: int = 0
    batch_started_ns: int = 0
    committed_ns: int = 0
    replied_ns: int = 0
    written_ns: int = 0
    queue_depth: int = 0
    batch_size: int = 0

    def as_bet(self) -> Bet:
        """Return the row that the wallet gets."""
        op = self.op
        return Bet(op.ref, op.account, op.round_id, op.window, op.selection, op.amount, self.late)


@dataclass(slots=True, eq=False)
class Op:
    """A client operation, as the client knows it. Instants are simulated ns; 0 means "did not happen".

    ``home`` is the shard that holds the account, ``shard`` the one that answered; ``draw`` numbers the bet's draws.
    """

    ref: bytes
    kind: OpKind
    account: int
    table: int
    home: int
    due_ns: int
    invoke_ns: int = 0
    return_ns: int = 0
    round_id: int = 0
    window: int = 0
    selection: int = 0
    amount: int = 0
    closes_ns: int = 0
    draw: int = 0
    attempts: int = 0
    connection: int = 0
    gateway: int = -1
    outcome: Outcome = Outcome.UNKNOWN
    status: int = 0
    balance: int = 0
    version: int = 0
    shard: int = -1
    seq: int = 0
    last: Attempt | None = None

    def end(self, attempt: Attempt, answer: Answer, shard: int, now_ns: int) -> None:
        """Take the answer."""
        self.last = attempt
        self.outcome = Outcome.OK if answer.status is Status.ACCEPTED else Outcome.REJECTED
        self.status, self.balance, self.version, self.seq = int(answer.status), *answer[1:]
        self.shard, self.return_ns = shard, now_ns


class TableNews(NamedTuple):
    """A numbered table event."""

    table: int
    round_id: int
    seq: int
    phase: Phase
    outcome: int
    opens_ns: int
    closes_ns: int

    @property
    def told(self) -> Told:
        """What it says about its window."""
        return Told(self.phase, self.round_id)
