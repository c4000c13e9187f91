"""What a journal consists of: entries, the operations that write them, the answers, and which way money moves.

An entry's key is ``(account, ref, slot)``. Both legs of a posting are one entry: ``amount`` moves between ``account``
and ``counter``, in the direction that ``kind`` says, so each is balanced by construction.
"""

from typing import NamedTuple

from reference_impl.domain.bets import EntryKind, Slot, Status

DIRECTION: dict[EntryKind, int] = {
    EntryKind.DEPOSIT: 1,
    EntryKind.WITHDRAW: -1,
    EntryKind.BET: -1,
    EntryKind.CANCEL: 1,
    EntryKind.SETTLE: 1,
    EntryKind.VOID: 1,
    EntryKind.SWEEP: 1,
    EntryKind.OPEN: 0,
    EntryKind.CLOSE: 0,
    EntryKind.DECIDE: 0,
    EntryKind.CORRECT: 1,
    EntryKind.RECLAIM: -1,
    EntryKind.TRANSFER_OUT: -1,
    EntryKind.TRANSFER_IN: 1,
    EntryKind.TRANSFER_END: 0,
    EntryKind.TRANSFER_BACK: 1,
    EntryKind.LIMIT: 0,
}
"""Sign of an accepted entry's effect on its account; the counter account gets the opposite."""


class Answer(NamedTuple):
    """What the ledger says to an operation. ``seq`` is 0 when nothing was written."""

    status: Status
    balance: int
    version: int
    seq: int


class Bet(NamedTuple):
    """A bet as a gateway hands it over; `late` means that it was received after the cut-off.

    In a later window than the first it may be a decision, and its amount 0.
    """

    ref: bytes
    account: int
    round_id: int
    window: int
    selection: int
    amount: int
    late: bool


class Entry(NamedTuple):
    """One row of the journal."""

    seq: int
    account: int
    ref: bytes
    slot: Slot
    kind: EntryKind
    status: Status
    counter: int
    amount: int
    balance_after: int
    version: int
    round_id: int
    window: int
    selection: int
