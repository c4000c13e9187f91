"""A seamless wallet as pure rules: what every call must answer and do, under every convention.

The kit compares real wallets with it over random histories, and :mod:`loadtest.kit.example` serves it.

Life of a bet: nothing → open → settled or cancelled; a debit that was refused is *refused* and holds no stake; a cancel
that comes first leaves it *cancelled* for good.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from reference_impl.domain.seamless import (
    Answer,
    Balance,
    BalanceNow,
    Cancel,
    Code,
    Conventions,
    Credit,
    Debit,
    Duplicate,
    LateDebit,
    Promo,
    Receipt,
    RejectedRetry,
    UnknownCancel,
    problem,
)

MoneyCall: TypeAlias = Debit | Credit | Cancel | Promo


class BetState(Enum):
    """Where a bet stands."""

    OPEN = "open"
    REFUSED = "refused"
    SETTLED = "settled"
    CANCELLED = "cancelled"


@dataclass
class Bet:
    """A bet; ``unseen`` says that its cancel came first."""

    stake_minor: int
    state: BetState
    unseen: bool = False


@dataclass
class Book:
    """One player's balance, transactions and bets."""

    balance_minor: int
    seen: dict[str, tuple[MoneyCall, Answer]] = field(default_factory=dict)
    bets: dict[str, Bet] = field(default_factory=dict)


class ModelWallet:
    """The rules.

    Parameters
    ----------
    conventions : Conventions
        The switches.
    currency : str
        The currency of all accounts.
    """

    def __init__(self, conventions: Conventions, currency: str) -> None:
        self.conventions = conventions
        self.currency = currency
        self.books: dict[str, Book] = {}

    def open(self, player: str, balance_minor: int) -> None:
        """Open a player's account."""
        self.books[player] = Book(balance_minor)

    def was_done(self, call: MoneyCall) -> bool:
        """Tell whether a transaction of this id was carried out before."""
        book = self.books.get(call.player)
        return book is not None and isinstance(book.seen.get(call.transaction, (call, None))[1], Receipt)

    def apply(self, call: Balance | MoneyCall) -> Answer:
        """Carry a call out."""
        book = self.books.get(call.player)
        if book is None:
            return problem(Code.UNKNOWN_PLAYER, f"player {call.player!r} has no account")
        if not isinstance(call, Cancel) and call.currency != self.currency:
            return problem(Code.WRONG_CURRENCY, f"currency {call.currency}: the account is in {self.currency}")
        if isinstance(call, Balance):
            return BalanceNow(call.player, self.currency, book.balance_minor)
        if known := book.seen.get(call.transaction):
            repeated = self.repeat(book, call, *known)
            if repeated is not None:
                return repeated
        answer = self.first(book, call)
        book.seen[call.transaction] = call, answer
        return answer

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        """Answer a transaction id that was used before; None means: judge it anew."""
        if not _same(call, before):
            return problem(Code.CONFLICT, "this transaction id was used before for something else")
        bet = book.bets.get(call.transaction)
        if isinstance(answer, Receipt):
            came_late = bet is not None and bet.unseen
            if self.conventions.duplicate is Duplicate.ALREADY_EXISTS and not came_late:
                return problem(Code.ALREADY_EXISTS, "done before", answer.balance_minor)
            return answer
        if isinstance(call, Debit) and self.conventions.rejected_retry is RejectedRetry.FROZEN:
            return answer
        return None

    def first(self, book: Book, call: MoneyCall) -> Answer:
        """Carry out a transaction whose id is new."""
        match call:
            case Debit():
                return self.debit(book, call)
            case Credit():
                return self.credit(book, call)
            case Cancel():
                return self.cancel(book, call)
            case Promo():
                return self.move(book, call, call.amount_minor)

    def debit(self, book: Book, call: Debit) -> Answer:
        """Take a stake."""
        bet = book.bets.get(call.transaction)
        if bet is not None and bet.state is BetState.CANCELLED:
            if self.conventions.late_debit is LateDebit.NO_EFFECT:
                return self.move(book, call, 0)
            return problem(Code.BET_CANCELLED, "the bet was cancelled before it came", book.balance_minor)
        if call.amount_minor > book.balance_minor:
            book.bets[call.transaction] = Bet(0, BetState.REFUSED)
            return problem(Code.INSUFFICIENT_FUNDS, "the stake is above the balance", book.balance_minor)
        book.bets[call.transaction] = Bet(call.amount_minor, BetState.OPEN)
        return self.move(book, call, -call.amount_minor)

    def credit(self, book: Book, call: Credit) -> Answer:
        """Settle a bet."""
        bet = book.bets.get(call.bet)
        if bet is None or bet.state is BetState.REFUSED:
            return problem(Code.BET_NOT_FOUND, f"bet {call.bet} was never accepted")
        if bet.state is not BetState.OPEN:
            code = Code.BET_SETTLED if bet.state is BetState.SETTLED else Code.BET_CANCELLED
            return problem(code, f"bet {call.bet} is {bet.state.value}")
        bet.state = BetState.SETTLED
        return self.move(book, call, call.amount_minor)

    def cancel(self, book: Book, call: Cancel) -> Answer:
        """Return a stake, or make sure that it will never be taken."""
        known = book.seen.get(call.bet)
        if known is not None and not isinstance(known[0], Debit):
            return problem(Code.CONFLICT, f"{call.bet} is no bet")
        bet = book.bets.get(call.bet)
        if bet is None:
            bet = book.bets[call.bet] = Bet(0, BetState.CANCELLED, unseen=True)
        if bet.unseen and self.conventions.unknown_cancel is UnknownCancel.NOT_FOUND:
            return problem(Code.BET_NOT_FOUND, f"bet {call.bet} is unknown; if it comes late it will be refused")
        if bet.state is BetState.SETTLED:
            return problem(Code.BET_SETTLED, f"bet {call.bet} was settled")
        returned = bet.stake_minor if bet.state is BetState.OPEN else 0
        bet.state = BetState.CANCELLED
        return self.move(book, call, returned)

    def move(self, book: Book, call: MoneyCall, change_minor: int) -> Receipt:
        """Change a balance and say what it is now."""
        book.balance_minor += change_minor
        return Receipt(call.transaction, call.player, book.balance_minor)


def _same(call: MoneyCall, before: MoneyCall) -> bool:
    """Tell whether two calls ask for the same thing: a session is no part of that."""
    fields = [name for name in call.__struct_fields__ if name != "session"]
    return type(call) is type(before) and all(getattr(call, name) == getattr(before, name) for name in fields)
