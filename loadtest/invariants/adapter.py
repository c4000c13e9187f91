"""The seam between the machine and a wallet: what one must be able to do, and what it may."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.journal import Answer, Bet, Entry
from reference_impl.domain.limits import LimitKind


class Capability(Enum):
    """What a wallet may be without. The machine leaves out what an adapter does not name."""

    CANCEL = "cancels, also before their bet"
    CORRECT = "corrections of settled bets, with debts"
    TOGETHER = "aggregate debits: all of a player's bets of a window, or none"
    LIMITS = "limits of players, and a clock that the caller sets"
    TRANSFERS = "money from player to player in three steps"
    CURRENCIES = "accounts in several currencies"
    VERSIONS = "answers tell the account's version and the entry's number, exactly as the model does"


EVERYTHING = frozenset(Capability)


class Move(NamedTuple):
    """A deposit or a withdrawal."""

    kind: EntryKind
    ref: bytes
    account: int
    amount: int


class Cancel(NamedTuple):
    """A cancel of the bet of the same id; `late` means that it was received after the cut-off."""

    ref: bytes
    account: int
    late: bool


class Payout(NamedTuple):
    """What a bet is paid, stake included: 0 if it lost."""

    ref: bytes
    account: int
    amount: int


class Transfer(NamedTuple):
    """Money from `account` to `to`; when it is received the two are as seen from the receiver."""

    ref: bytes
    account: int
    to: int
    amount: int


class TransferEnd(NamedTuple):
    """What became of a transfer."""

    ref: bytes
    account: int
    arrived: bool


class LimitChange(NamedTuple):
    """A player's wish; see :mod:`reference_impl.domain.limits`."""

    ref: bytes
    account: int
    kind: LimitKind
    amount: int


class WalletAdapter(ABC):
    """A wallet under test, empty at first.

    Every operation takes a batch and answers each member of it in order: an :class:`Answer` with the status and the
    account's balance after it (the balance as it is now, if nothing was written). Its version and number are looked at
    with :attr:`Capability.VERSIONS` only. An instant is Unix ns. Accounts are numbered as in ``domain/ids.py``; a
    deposit opens the account that it names.
    """

    can: frozenset[Capability] = EVERYTHING

    @abstractmethod
    def cash(self, moves: Sequence[Move]) -> Sequence[Answer]:
        """Deposit and withdraw."""

    @abstractmethod
    def open_window(self, round_id: int, accept_until_ns: int) -> None:
        """Open window 0 of a round; opening it again changes nothing."""

    @abstractmethod
    def close_window(self, round_id: int) -> None:
        """Close a window that was opened: no bet of it is accepted from here on."""

    @abstractmethod
    def place(self, bets: Sequence[Bet], now_ns: int) -> Sequence[Answer]:
        """Place bets, as if one after the other."""

    @abstractmethod
    def settle(self, round_id: int, payouts: Sequence[Payout]) -> Sequence[Status]:
        """Settle bets of a round."""

    @abstractmethod
    def void(self, round_id: int) -> int:
        """Return the stakes of all bets of a round that have no end; return how many there were."""

    @abstractmethod
    def balance(self, account: int) -> int:
        """Return an account's balance, 0 if there is none."""

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of everything."""

    def cancel(self, cancels: Sequence[Cancel], now_ns: int) -> Sequence[Answer]:
        """Cancel bets."""
        raise NotImplementedError(Capability.CANCEL.value)

    def correct(self, round_id: int, payouts: Sequence[Payout]) -> Sequence[Answer]:
        """Give settled bets other payouts, once a bet."""
        raise NotImplementedError(Capability.CORRECT.value)

    def place_together(self, bets: Sequence[Bet], now_ns: int) -> Sequence[Answer]:
        """Place what players collected: a player's new bets of a window are accepted all, or none."""
        raise NotImplementedError(Capability.TOGETHER.value)

    def set_limits(self, changes: Sequence[LimitChange], now_ns: int, loosen_at_ns: int) -> Sequence[Answer]:
        """Set limits; a looser one holds from `loosen_at_ns` on."""
        raise NotImplementedError(Capability.LIMITS.value)

    def send(self, transfers: Sequence[Transfer]) -> Sequence[Answer]:
        """Let money leave."""
        raise NotImplementedError(Capability.TRANSFERS.value)

    def receive(self, transfers: Sequence[Transfer]) -> Sequence[Answer]:
        """Let money arrive; the first answer stands, also a refusal."""
        raise NotImplementedError(Capability.TRANSFERS.value)

    def end_transfers(self, ends: Sequence[TransferEnd]) -> Sequence[Answer]:
        """Note that money arrived, or give it back."""
        raise NotImplementedError(Capability.TRANSFERS.value)

    def journal(self) -> Sequence[Entry] | None:
        """Return all entries, if they are to be held against the model's; None if not."""
        return None

    def accounts(self) -> dict[int, tuple[int, int]] | None:
        """Return every account's balance and version, if they are to be held against the model's; None if not."""
        return None
