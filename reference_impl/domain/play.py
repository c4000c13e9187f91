"""What a player's entries of a span of time come to: stakes, winnings, and how the balance got from one to the other.

The ledger and the event stream both tell sums by kind of entry; this is their one reading.

Invariants
----------
* The balance after a span is the balance before it plus :attr:`Play.net_minor` plus :attr:`Play.cash_minor`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.journal import DIRECTION

MOVES = (
    EntryKind.DEPOSIT, EntryKind.WITHDRAW, EntryKind.BET, EntryKind.CANCEL, EntryKind.SETTLE, EntryKind.VOID,
    EntryKind.CORRECT, EntryKind.RECLAIM, EntryKind.TRANSFER_OUT, EntryKind.TRANSFER_IN, EntryKind.TRANSFER_BACK,
)  # fmt: skip
"""Kinds of entries that move money of a player: what a statement lists."""


@dataclass(frozen=True, slots=True)
class Play:
    """What was played in a span of time, in minor units.

    Parameters
    ----------
    bets : int
        Accepted bets.
    staked_minor : int
        Their stakes.
    returned_minor : int
        Stakes that came back, of bets that were taken back or voided.
    won_minor : int
        What bets were paid, corrections included; gross, with their stakes.
    cash_minor : int
        What came in less what went out by other ways: deposits, withdrawals, transfers.
    """

    bets: int = 0
    staked_minor: int = 0
    returned_minor: int = 0
    won_minor: int = 0
    cash_minor: int = 0

    @property
    def net_minor(self) -> int:
        """What playing changed: below zero is a loss."""
        return self.won_minor + self.returned_minor - self.staked_minor


def play_of(sums: Mapping[EntryKind, tuple[int, int]]) -> Play:
    """Read sums of accepted entries of one account: by kind, how many there are and what amounts they have."""

    def amount(*kinds: EntryKind) -> int:
        return sum(DIRECTION[kind] * sums[kind][1] for kind in kinds if kind in sums)

    return Play(
        bets=sums.get(EntryKind.BET, (0, 0))[0],
        staked_minor=-amount(EntryKind.BET),
        returned_minor=amount(EntryKind.CANCEL, EntryKind.VOID),
        won_minor=amount(EntryKind.SETTLE, EntryKind.CORRECT, EntryKind.RECLAIM),
        cash_minor=amount(
            EntryKind.DEPOSIT, EntryKind.WITHDRAW, EntryKind.TRANSFER_OUT, EntryKind.TRANSFER_IN,
            EntryKind.TRANSFER_BACK,
        ),
    )  # fmt: skip
