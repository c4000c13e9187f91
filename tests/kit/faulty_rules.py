"""Wallets whose books are kept wrongly: each honest but for one thing."""

import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec

from loadtest.kit.model import Bet, BetState, Book, ModelWallet, MoneyCall
from reference_impl.domain.seamless import (
    Answer,
    Cancel,
    Code,
    Credit,
    Debit,
    Promo,
    Receipt,
    problem,
)

RACE_S = 0.01


class DebitsTwice(ModelWallet):
    """A repeated debit takes the stake again."""

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        return None if isinstance(call, Debit) and call == before else super().repeat(book, call, before, answer)


class CreditsTwice(ModelWallet):
    """A repeated credit pays again."""

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        if isinstance(call, Credit) and call == before and isinstance(answer, Receipt):
            return self.move(book, call, call.amount_minor)
        return super().repeat(book, call, before, answer)


class ReplaysAfterCredit(ModelWallet):
    """Once its bet is settled, a debit's id is forgotten: sent again it takes another stake."""

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        if isinstance(call, Debit) and call == before and book.bets[call.transaction].state is BetState.SETTLED:
            return self.move(book, call, -call.amount_minor)
        return super().repeat(book, call, before, answer)


class RedebitsAfterCancel(ModelWallet):
    """Once its bet is cancelled, a debit's id is forgotten: sent again it takes another stake."""

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        if isinstance(call, Debit) and call == before and book.bets[call.transaction].state is BetState.CANCELLED:
            return self.move(book, call, -call.amount_minor)
        return super().repeat(book, call, before, answer)


class IgnoresCancels(ModelWallet):
    """A cancel is answered politely and returns nothing."""

    def cancel(self, book: Book, call: Cancel) -> Answer:
        return self.move(book, call, 0)


class ForgetsTombstones(ModelWallet):
    """A cancel of an unknown bet leaves no trace: the late debit takes the stake."""

    def cancel(self, book: Book, call: Cancel) -> Answer:
        return super().cancel(book, call) if call.bet in book.bets else self.move(book, call, 0)


class CancelsWithEveryId(ModelWallet):
    """Each rollback id returns the stake again."""

    def cancel(self, book: Book, call: Cancel) -> Answer:
        bet = book.bets.get(call.bet)
        if bet and bet.state is BetState.CANCELLED and not bet.unseen:
            return self.move(book, call, bet.stake_minor)
        return super().cancel(book, call)


class CancelsSettledBets(ModelWallet):
    """A bet that was settled can still be rolled back."""

    def cancel(self, book: Book, call: Cancel) -> Answer:
        bet = book.bets.get(call.bet)
        if bet and bet.state is BetState.SETTLED:
            bet.state = BetState.OPEN
        return super().cancel(book, call)


class CreditsCancelledBets(ModelWallet):
    """A bet that was cancelled can still be won."""

    def credit(self, book: Book, call: Credit) -> Answer:
        bet = book.bets.get(call.bet)
        if bet and bet.state is BetState.CANCELLED:
            bet.state = BetState.OPEN
        return super().credit(book, call)


class CreditsWithEveryId(ModelWallet):
    """Each credit id pays, whether the bet was settled or not."""

    def credit(self, book: Book, call: Credit) -> Answer:
        bet = book.bets.get(call.bet)
        if bet and bet.state is BetState.SETTLED:
            bet.state = BetState.OPEN
        return super().credit(book, call)


class CreditsUnknownBets(ModelWallet):
    """A credit needs no bet."""

    def credit(self, book: Book, call: Credit) -> Answer:
        if call.bet not in book.bets:
            return self.move(book, call, call.amount_minor)
        return super().credit(book, call)


class AcceptsChangedAmounts(ModelWallet):
    """Only the id of a repetition is looked at."""

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        return super().repeat(book, before, before, answer)


class SharesIdsAmongPlayers(ModelWallet):
    """An id is taken for the same transaction whoever the player is."""

    def apply(self, call: Any) -> Answer:
        for player, book in self.books.items():
            known = book.seen.get(getattr(call, "transaction", ""))
            if known and player != getattr(call, "player", "") and type(known[0]) is type(call):
                return (
                    msgspec.structs.replace(known[1], player=call.player) if hasattr(known[1], "player") else known[1]
                )
        return super().apply(call)


class RefusesZeroWins(ModelWallet):
    """A credit of 0 is malformed."""

    def credit(self, book: Book, call: Credit) -> Answer:
        if call.amount_minor == 0:
            return problem(Code.MALFORMED, "amount must be positive")
        return super().credit(book, call)


class RoundsToSinglePrecision(ModelWallet):
    """Amounts pass through a 32-bit float."""

    def move(self, book: Book, call: MoneyCall, change_minor: int) -> Receipt:
        return super().move(book, call, int.from_bytes(_single(change_minor), "big", signed=True))


class RoundsToTens(ModelWallet):
    """Amounts are rounded to ten minor units."""

    def move(self, book: Book, call: MoneyCall, change_minor: int) -> Receipt:
        return super().move(book, call, round(change_minor, -1))


class TellsOldBalance(ModelWallet):
    """Answers carry the balance from before the transaction."""

    def move(self, book: Book, call: MoneyCall, change_minor: int) -> Receipt:
        told = super().move(book, call, change_minor)
        return msgspec.structs.replace(told, balance_minor=told.balance_minor - change_minor)


class AllowsOneMore(ModelWallet):
    """The funds check is off by one minor unit."""

    def debit(self, book: Book, call: Debit) -> Answer:
        if call.amount_minor == book.balance_minor + 1:
            book.bets[call.transaction] = Bet(call.amount_minor, BetState.OPEN)
            return self.move(book, call, -call.amount_minor)
        return super().debit(book, call)


class JudgesRefusedDebitsAgain(ModelWallet):
    """A refused debit is judged again although it was agreed to be frozen."""

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        bet = book.bets.get(call.transaction)
        if isinstance(call, Debit) and call == before and bet and bet.state is BetState.REFUSED:
            return None
        return super().repeat(book, call, before, answer)


class ForgetsCancelsOfRefusedDebits(JudgesRefusedDebitsAgain):
    """A refused debit is judged again even if it was cancelled meanwhile."""

    def cancel(self, book: Book, call: Cancel) -> Answer:
        bet = book.bets.get(call.bet)
        if bet and bet.state is BetState.REFUSED:
            return self.move(book, call, 0)
        return super().cancel(book, call)


class TakesAnyCurrency(ModelWallet):
    """The currency of a call is not looked at."""

    def apply(self, call: Any) -> Answer:
        known = call if isinstance(call, Cancel) else msgspec.structs.replace(call, currency=self.currency)
        return super().apply(known)


class ForgetsCreditsThatBroke(ModelWallet):
    """Every other credit breaks after its id was noted and before it was paid; sent again it is "done before"."""

    broken = 0

    def credit(self, book: Book, call: Credit) -> Answer:
        self.broken += 1
        if self.broken % 2:
            return super().credit(book, call)
        book.bets[call.bet].state = BetState.SETTLED
        book.seen[call.transaction] = call, self.move(book, call, 0)
        raise OSError("the ledger went away")


class ForgetsDebitsThatBroke(ModelWallet):
    """Every fifth debit breaks after the money moved and before its id was noted; sent again it moves it again."""

    broken = 0

    def debit(self, book: Book, call: Debit) -> Answer:
        self.broken += 1
        if self.broken % 5 == 0 and call.amount_minor <= book.balance_minor:
            book.balance_minor -= call.amount_minor
            raise OSError("the ledger went away")
        return super().debit(book, call)


class RacesDuplicates(ModelWallet):
    """An id is looked up, and noted only after the money moved: duplicates in between are not seen."""

    def first(self, book: Book, call: MoneyCall) -> Answer:
        if isinstance(call, Debit):
            time.sleep(RACE_S)
        return super().first(book, call)


class RacesCredits(ModelWallet):
    """As the race of duplicates, of credits: whether the bet is open is not looked at again."""

    def credit(self, book: Book, call: Credit) -> Answer:
        was_open = call.bet in book.bets and book.bets[call.bet].state is BetState.OPEN
        time.sleep(RACE_S)
        if was_open:
            book.bets[call.bet].state = BetState.OPEN
        return super().credit(book, call)


class RacesBalances(ModelWallet):
    """The balance is read, and written back later: debits in between are lost."""

    def debit(self, book: Book, call: Debit) -> Answer:
        balance_minor = book.balance_minor
        if call.amount_minor > balance_minor or call.transaction in book.bets:
            return super().debit(book, call)
        time.sleep(RACE_S)
        book.bets[call.transaction] = Bet(call.amount_minor, BetState.OPEN)
        book.balance_minor = balance_minor - call.amount_minor
        return Receipt(call.transaction, call.player, book.balance_minor)


class OverdrawsAtRace(ModelWallet):
    """Whether the stake is covered is looked at before, and not when the money moves."""

    def debit(self, book: Book, call: Debit) -> Answer:
        covered = call.amount_minor <= book.balance_minor
        time.sleep(RACE_S)
        if covered and call.transaction not in book.bets:
            book.bets[call.transaction] = Bet(call.amount_minor, BetState.OPEN)
            return self.move(book, call, -call.amount_minor)
        return super().debit(book, call)


class DrainsAfterAWhile(ModelWallet):
    """The fiftieth transaction of a player loses one minor unit more: only long histories meet it."""

    def move(self, book: Book, call: MoneyCall, change_minor: int) -> Receipt:
        lost = len(book.seen) % 50 == 49 and isinstance(call, Credit)
        told = super().move(book, call, change_minor)
        book.balance_minor -= lost
        return told


class PromosTwice(ModelWallet):
    """A repeated promo pays again."""

    def repeat(self, book: Book, call: MoneyCall, before: MoneyCall, answer: Answer) -> Answer | None:
        return None if isinstance(call, Promo) and call == before else super().repeat(book, call, before, answer)


class OpensAccountsForAnybody(ModelWallet):
    """A promo to a player whom nobody knows opens an account."""

    def apply(self, call: Any) -> Answer:
        if call.player not in self.books:
            self.open(call.player, 0)
        return super().apply(call)


class ForgetsCancelsThatBroke(ModelWallet):
    """Every other cancel breaks after the bet's end was noted and before the stake was returned."""

    broken = 0

    def cancel(self, book: Book, call: Cancel) -> Answer:
        self.broken += 1
        if self.broken % 2:
            return super().cancel(book, call)
        book.bets[call.bet].state = BetState.CANCELLED
        raise OSError("the ledger went away")


class RacesCancels(ModelWallet):
    """Whether the bet is open is looked at before, and not when the stake is returned."""

    def cancel(self, book: Book, call: Cancel) -> Answer:
        was_open = call.bet in book.bets and book.bets[call.bet].state is BetState.OPEN
        time.sleep(RACE_S)
        if was_open:
            book.bets[call.bet].state = BetState.OPEN
        return super().cancel(book, call)


class RacesTombstones(ModelWallet):
    """A cancel that saw no bet leaves no trace, and a debit on its way takes the stake."""

    def cancel(self, book: Book, call: Cancel) -> Answer:
        seen = call.bet in book.bets
        time.sleep(RACE_S)
        return super().cancel(book, call) if seen else self.move(book, call, 0)


class RacesEnds(ModelWallet):
    """A credit and a cancel each look whether the bet is open, and both end it."""

    def credit(self, book: Book, call: Credit) -> Answer:
        return self.end(book, call, super().credit)

    def cancel(self, book: Book, call: Cancel) -> Answer:
        return self.end(book, call, super().cancel)

    def end(self, book: Book, call: Any, how: Callable[[Book, Any], Answer]) -> Answer:
        was_open = book.bets[call.bet].state is BetState.OPEN
        time.sleep(RACE_S)
        if was_open:
            book.bets[call.bet].state = BetState.OPEN
        return how(book, call)


def _single(value: int) -> bytes:
    return int(struct.unpack("f", struct.pack("f", value))[0]).to_bytes(8, "big", signed=True)
