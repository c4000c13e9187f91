"""What the wallet is asked and answers, on NATS, encoded as msgpack.

==========================  ===========================================  =========================
subject                     request                                      reply
==========================  ===========================================  =========================
``wallet.<shard>.bets``     :class:`BetBatch`                            :class:`BetAnswers`
``wallet.<shard>.control``  one of :data:`ControlRequest`                one of :data:`ControlReply`
``nudge.<shard>``           empty                                        published by the wallet
==========================  ===========================================  =========================
"""

from typing import TypeAlias

from msgspec import Struct

from reference_impl.domain.games.roulette import ROULETTE


class BetBatch(Struct, array_like=True, frozen=True):
    """Bets of one gateway for one shard, in arrival order; columns of equal length."""

    refs: list[bytes]
    accounts: list[int]
    rounds: list[int]
    windows: list[int]
    selections: list[int]
    amounts: list[int]
    late: list[bool]


class BetAnswers(Struct, array_like=True, frozen=True):
    """The answers to a batch, in its order, and when the wallet did what (CLOCK_MONOTONIC ns of its host).

    ``overloaded`` means that the batch was not looked at and may be sent again.
    """

    status: list[int]
    balance: list[int]
    version: list[int]
    seq: list[int]
    received_ns: int = 0
    started_ns: int = 0
    committed_ns: int = 0
    batch_size: int = 0
    queue_depth: int = 0
    overloaded: bool = False


class TakeTable(Struct, tag=True, frozen=True):
    """A dealer takes a table in its home shard; the reply's epoch fences every earlier dealer."""

    table_id: int


class Fence(Struct, tag=True, frozen=True):
    """Refuse, in this shard, whatever a dealer below this epoch asks, and close its open windows."""

    table_id: int
    epoch: int


class OpenWindow(Struct, tag=True, frozen=True):
    """Open a betting window."""

    round_id: int
    window: int
    epoch: int
    accept_until_unix_ns: int


class CloseWindow(Struct, tag=True, frozen=True):
    """Write a window's close entry."""

    round_id: int
    window: int
    epoch: int


class RecordDecision(Struct, tag=True, frozen=True):
    """Record a round's decision in the table's home shard, unless there is one already."""

    round_id: int
    epoch: int
    void: bool
    outcome: int
    seed: bytes
    heads: list[bytes]
    game: str = ROULETTE.name
    reason: str = ""


class SettleRound(Struct, tag=True, frozen=True):
    """Settle all bets of a round for this outcome of this game."""

    round_id: int
    epoch: int
    outcome: int
    game: str = ROULETTE.name


class VoidRound(Struct, tag=True, frozen=True):
    """Return all stakes of a round."""

    round_id: int
    epoch: int


class AnnounceTable(Struct, tag=True, frozen=True):
    """Append a table event to the home shard's outbox; the shard numbers it. ``event`` is JSON."""

    table_id: int
    epoch: int
    event: bytes


class PlaceTogether(Struct, tag=True, frozen=True):
    """Debit once what players collected in a window, at "no more bets announced": all new bets of a player, or none.

    Until the answer the bets are pending and nobody's word. Columns as in :class:`BetBatch`.
    """

    refs: list[bytes]
    accounts: list[int]
    rounds: list[int]
    windows: list[int]
    selections: list[int]
    amounts: list[int]
    late: list[bool]


class SettleBets(Struct, tag=True, frozen=True):
    """Settle single bets of a round that no dealer decides, each for its own gross payout."""

    round_id: int
    refs: list[bytes]
    accounts: list[int]
    payouts: list[int]


class OpenAccounts(Struct, tag=True, frozen=True):
    """Open players' accounts with a first deposit each; repeating it changes nothing. All are in the one currency."""

    refs: list[bytes]
    accounts: list[int]
    amounts: list[int]
    currency: int


class MoveCash(Struct, tag=True, frozen=True):
    """Deposit (kind 1, which opens an account) or withdraw (kind 2), in order; columns of equal length.

    ``currency`` must be that of the accounts; 0 takes whatever theirs is.
    """

    kinds: list[int]
    refs: list[bytes]
    accounts: list[int]
    amounts: list[int]
    currency: int


class CancelBets(Struct, tag=True, frozen=True):
    """Cancel bets, in order; `late` is the gateway's judgement, as for bets."""

    refs: list[bytes]
    accounts: list[int]
    late: list[bool]


class CorrectBets(Struct, tag=True, frozen=True):
    """Give settled bets of a round other gross payouts, once a bet."""

    round_id: int
    refs: list[bytes]
    accounts: list[int]
    payouts: list[int]


class RecordCorrection(Struct, tag=True, frozen=True):
    """Give a settled round another outcome, in the table's home shard, unless it was given one already."""

    round_id: int
    epoch: int
    outcome: int
    reason: str


class CorrectRound(Struct, tag=True, frozen=True):
    """Pay or take back, in this shard, what a round's bets are owed after its correction."""

    round_id: int
    epoch: int
    outcome: int
    game: str


class FinishCorrection(Struct, tag=True, frozen=True):
    """Every shard has carried the correction out."""

    round_id: int
    epoch: int


class StopTable(Struct, tag=True, frozen=True):
    """Keep, in the table's home shard, why it starts no new round; no reason means that it may."""

    table_id: int
    epoch: int
    reason: str


class SetLimits(Struct, tag=True, frozen=True):
    """Set players' limits (``domain.limits.LimitKind``), in order; a looser one holds from ``loosen_at_unix_ns`` on."""

    refs: list[bytes]
    accounts: list[int]
    kinds: list[int]
    amounts: list[int]
    now_unix_ns: int
    loosen_at_unix_ns: int


class SendMoney(Struct, tag=True, frozen=True):
    """Transfer money to other players of any shard, in order.

    Accepted means that it left the sender and will arrive, or come back if it cannot; :class:`GetTransfer` tells which.
    """

    refs: list[bytes]
    accounts: list[int]
    to: list[int]
    amounts: list[int]


class ReceiveMoney(Struct, tag=True, frozen=True):
    """What was sent arrives; the wallet of the sender's shard asks, as often as it takes."""

    refs: list[bytes]
    accounts: list[int]
    senders: list[int]
    amounts: list[int]


class EndTransfers(Struct, tag=True, frozen=True):
    """The sender's shard learns that what it sent has arrived, or gives it back."""

    refs: list[bytes]
    accounts: list[int]
    arrived: list[bool]


class GetTransfer(Struct, tag=True, frozen=True):
    """Ask what became of a transfer; ``account`` is the sender's."""

    ref: bytes
    account: int


class GetBalance(Struct, tag=True, frozen=True):
    """Ask for a player's balance."""

    account: int


class CountVotes(Struct, tag=True, frozen=True):
    """Ask how a shard's players decided in a closed window, in a game in which they do; ``hand`` is what they saw."""

    round_id: int
    window: int
    game: str
    hand: tuple[int, ...]


class GetLimits(Struct, tag=True, frozen=True):
    """Ask for a player's limits."""

    account: int


class GetSums(Struct, tag=True, frozen=True):
    """Ask what a player's entries of a span of time moved: committed after one instant, and until another."""

    account: int
    from_unix_ns: int
    to_unix_ns: int


class GetEntries(Struct, tag=True, frozen=True):
    """Ask for a player's accepted entries of some kinds in ``(after_seq, to_seq]`` of the journal, from either end."""

    account: int
    after_seq: int
    to_seq: int
    kinds: list[int]
    newest_first: bool
    rows_max: int


class GetUnfinished(Struct, tag=True, frozen=True):
    """Ask for the rounds of a table that are neither settled nor voided in this shard."""

    table_id: int


ControlRequest: TypeAlias = (
    TakeTable
    | Fence
    | OpenWindow
    | CloseWindow
    | RecordDecision
    | SettleRound
    | VoidRound
    | AnnounceTable
    | OpenAccounts
    | MoveCash
    | CancelBets
    | CorrectBets
    | RecordCorrection
    | CorrectRound
    | FinishCorrection
    | StopTable
    | PlaceTogether
    | SettleBets
    | SetLimits
    | SendMoney
    | ReceiveMoney
    | EndTransfers
    | GetTransfer
    | GetBalance
    | GetLimits
    | GetSums
    | GetEntries
    | GetUnfinished
    | CountVotes
)


class Taken(Struct, tag=True, frozen=True):
    """The table is the asker's, under this epoch, and its next round has this number; ``stopped`` says why it waits."""

    epoch: int
    next_round_no: int
    stopped: str = ""


class Sequenced(Struct, tag=True, frozen=True):
    """Done; ``seq`` is the entry's (or the table event's) number and ``head`` the journal head there."""

    seq: int
    head: bytes = b""


class Decision(Struct, tag=True, frozen=True):
    """The decision that is on record."""

    void: bool
    outcome: int
    game: str = ROULETTE.name


class Done(Struct, tag=True, frozen=True):
    """Done; ``count`` rows were touched now (0 when it had been done before)."""

    count: int


class Balance(Struct, tag=True, frozen=True):
    """A player's balance, or none if the account is unknown."""

    balance: int
    version: int
    currency: int
    known: bool


class LimitRows(Struct, tag=True, frozen=True):
    """A player's limits: kind, amount, the one that waits and from when on (or neither), period, lost in it."""

    rows: list[tuple[int, int, int | None, int | None, int, int]]


class Sums(Struct, tag=True, frozen=True):
    """A span of the journal, ``(first_seq, last_seq]``: the balance at both ends, what was moved between, by kind."""

    first_seq: int
    last_seq: int
    opening_minor: int
    closing_minor: int
    kinds: list[int]
    counts: list[int]
    sums_minor: list[int]


class EntryRow(Struct, array_like=True, frozen=True):
    """An accepted entry of a player, and when it was committed."""

    seq: int
    at_unix_ns: int
    ref: bytes
    kind: int
    amount_minor: int
    balance_minor: int
    round_id: int
    selection: int


class EntryRows(Struct, tag=True, frozen=True):
    """A page of a player's entries."""

    rows: list[EntryRow]


class Answers(Struct, tag=True, frozen=True):
    """The answers to a batch of operations, in its order."""

    status: list[int]
    balance: list[int]
    version: list[int]
    seq: list[int]


class Transfer(Struct, tag=True, frozen=True):
    """A transfer as its sender's shard knows it: at most one of ``arrived`` and ``returned``; neither: on its way."""

    known: bool
    status: int = 0
    arrived: bool = False
    returned: bool = False


class Votes(Struct, tag=True, frozen=True):
    """How many of a shard's players drew a card in a window, and how many stood."""

    drew: int
    stood: int


class Unfinished(Struct, tag=True, frozen=True):
    """Rounds that still owe their end in this shard, and corrections that were recorded here and not carried out."""

    round_ids: list[int]
    corrections: list[tuple[int, int, str]] = []


class Refused(Struct, tag=True, frozen=True):
    """The request was refused and had no effect. ``fenced`` says that a newer dealer holds the table."""

    reason: str
    fenced: bool = False


ControlReply: TypeAlias = (
    Taken
    | Sequenced
    | Decision
    | Done
    | Answers
    | Transfer
    | Balance
    | LimitRows
    | Sums
    | EntryRows
    | Unfinished
    | Votes
    | Refused
)
