"""Seeded faults: small seamless wallets that are honest but for one thing, each with the case that must name it."""

import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from loadtest.kit.example import ExampleWallet
from loadtest.kit.model import Bet, BetState, Book, ModelWallet, MoneyCall
from reference_impl.domain.seamless import (
    HEADER_TIMESTAMP,
    Answer,
    Authenticate,
    Call,
    Cancel,
    Code,
    Credit,
    Debit,
    Problem,
    Promo,
    Receipt,
    problem,
)
from reference_impl.domain.seamless_signature import judge

RACE_S = 0.01


class Fault(NamedTuple):
    """A wallet with a fault: its rules, its server, and the case that must fail."""

    rules: type[ModelWallet]
    server: type[ExampleWallet]
    case: str

    def __str__(self) -> str:
        return f"{(self.server if self.rules is ModelWallet else self.rules).__name__}-{self.case}"


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


class Unlocked(ExampleWallet):
    """No lock: whatever the rules leave open between reading and writing, others see."""

    def carry_out(self, call: Call) -> Answer:
        if isinstance(call, MoneyCall):
            return self.rules.apply(call)
        return super().carry_out(call)


class BlindToSignatures(ExampleWallet):
    """Signatures are not verified."""

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        refusal = super().judge(name, body, headers)
        return None if refusal is Code.BAD_SIGNATURE else refusal


class SignsReformattedBodies(ExampleWallet):
    """The signature is verified over the body as it is written again, not as it came."""

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        try:
            return super().judge(name, msgspec.json.encode(msgspec.json.decode(body)), headers)
        except msgspec.MsgspecError:
            return super().judge(name, body, headers)


class _AnyTime(ExampleWallet):
    def accepts(self, offset_ms: int) -> bool:
        raise NotImplementedError

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        verifier = self.verifiers.get(headers.get("X-Provider", ""))
        stamp = headers.get(HEADER_TIMESTAMP, "")
        now_ms = time.time_ns() // 1_000_000
        if verifier is None or not stamp.isdigit() or not self.accepts(int(stamp) - now_ms):
            return super().judge(name, body, headers)
        return judge(verifier, stamp, name, body, headers.get("X-Signature", ""), int(stamp), 1)


class AcceptsOldTimestamps(_AnyTime):
    """A captured call can be sent again for ever."""

    def accepts(self, offset_ms: int) -> bool:
        return offset_ms < 0


class AcceptsFutureTimestamps(_AnyTime):
    """A call can be signed ahead and kept."""

    def accepts(self, offset_ms: int) -> bool:
        return offset_ms > 0


class TightWindow(ExampleWallet):
    """The clock may be off by a second only."""

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        refusal = super().judge(name, body, headers)
        late_ms = abs(int(headers.get(HEADER_TIMESTAMP) or 0) - time.time_ns() // 1_000_000)
        return refusal or (Code.STALE_TIMESTAMP if late_ms > 1000 else None)


class WantsSessions(ExampleWallet):
    """Credits and cancels are refused once the session has expired."""

    kinds: tuple[type[Call], ...] = (Credit,)

    def carry_out(self, call: Call) -> Answer:
        if isinstance(call, self.kinds) and call.session not in self.tokens:
            return problem(Code.SESSION_EXPIRED, "the session has expired")
        return super().carry_out(call)


class WantsSessionsForCancels(WantsSessions):
    kinds = (Cancel,)


class NeedsNoSession(ExampleWallet):
    """A debit is taken under any session."""

    def carry_out(self, call: Call) -> Answer:
        return self.rules.apply(call) if isinstance(call, Debit) else super().carry_out(call)


class WantsSessionsForRepetitions(ExampleWallet):
    """A debit that was carried out is denied once the session has expired."""

    def carry_out(self, call: Call) -> Answer:
        if isinstance(call, Debit) and not self.is_session(call):
            return problem(Code.SESSION_EXPIRED, "the session has expired")
        return super().carry_out(call)


class ReadsAmountsLaxly(ExampleWallet):
    """Fractions are cut off and texts are read as numbers."""

    def answer(self, name: str, body: bytes, headers: Any) -> Answer:
        refusal = self.judge(name, body, headers)
        if name != "debit" or refusal:
            return super().answer(name, body, headers)
        raw = msgspec.json.decode(body)
        raw["amount_minor"] = abs(int(float(raw["amount_minor"] or 1)))
        return self.carry_out(msgspec.convert(raw, Debit))


class AdmitsAnybody(ExampleWallet):
    """A launch token that was never issued is the first player's."""

    def carry_out(self, call: Call) -> Answer:
        false = isinstance(call, Authenticate) and call.token not in self.tokens
        return super().carry_out(Authenticate(self.tokens[0]) if false else call)


class BreaksOnMalformedBodies(ExampleWallet):
    """What cannot be read is answered 503, so that the provider sends it for ever."""

    def answer(self, name: str, body: bytes, headers: Any) -> Answer:
        told = super().answer(name, body, headers)
        malformed = isinstance(told, Problem) and told.code is Code.MALFORMED
        return problem(Code.OUTCOME_UNKNOWN, "something broke") if malformed else told


def _single(value: int) -> bytes:
    return int(struct.unpack("f", struct.pack("f", value))[0]).to_bytes(8, "big", signed=True)


def _rules(rules: type[ModelWallet], case: str) -> Fault:
    return Fault(rules, ExampleWallet, case)


def _race(rules: type[ModelWallet], case: str) -> Fault:
    return Fault(rules, Unlocked, case)


def _server(server: type[ExampleWallet], case: str) -> Fault:
    return Fault(ModelWallet, server, case)


FAULTS = [
    _rules(DebitsTwice, "a_debit_sent_twice_takes_the_stake_once"),
    _rules(CreditsTwice, "a_credit_sent_twice_pays_once"),
    _rules(ReplaysAfterCredit, "an_old_debit_sent_after_its_credit_takes_nothing"),
    _rules(RedebitsAfterCancel, "an_old_debit_sent_after_its_cancel_takes_nothing"),
    _rules(IgnoresCancels, "a_cancel_without_an_amount_returns_the_stake"),
    _rules(ForgetsTombstones, "a_debit_after_its_cancel_never_moves_money"),
    _rules(CancelsWithEveryId, "a_second_cancel_of_a_bet_returns_nothing"),
    _rules(CancelsSettledBets, "a_settled_bet_cannot_be_cancelled"),
    _rules(CreditsCancelledBets, "a_cancelled_bet_cannot_be_credited"),
    _rules(CreditsWithEveryId, "a_second_credit_of_a_bet_pays_nothing"),
    _rules(CreditsUnknownBets, "a_credit_before_its_debit_waits"),
    _rules(AcceptsChangedAmounts, "a_debit_with_another_amount_is_a_conflict"),
    _rules(AcceptsChangedAmounts, "a_credit_with_another_amount_is_a_conflict"),
    _rules(AcceptsChangedAmounts, "an_id_serves_one_purpose"),
    _rules(SharesIdsAmongPlayers, "two_players_may_use_one_id"),
    _rules(RefusesZeroWins, "a_zero_win_settles_the_bet"),
    _rules(RoundsToSinglePrecision, "amounts_are_exact_to_the_last_minor_unit"),
    _rules(RoundsToTens, "amounts_are_exact_to_the_last_minor_unit"),
    _rules(TellsOldBalance, "a_bet_is_debited_and_its_win_credited"),
    _rules(AllowsOneMore, "the_whole_balance_may_be_staked_and_no_more"),
    _rules(JudgesRefusedDebitsAgain, "a_refused_debit_sent_again_is_judged_as_agreed"),
    _rules(ForgetsCancelsOfRefusedDebits, "a_refused_debit_that_was_cancelled_never_moves_money"),
    _rules(TakesAnyCurrency, "another_currency_is_refused"),
    _rules(ForgetsCreditsThatBroke, "a_credit_whose_answer_was_lost_resumes"),
    _rules(ForgetsDebitsThatBroke, "a_debit_whose_answer_was_lost_resumes"),
    _rules(DrainsAfterAWhile, "the_balance_is_ours_after_a_random_history"),
    _rules(PromosTwice, "a_promo_pays_once"),
    _rules(OpensAccountsForAnybody, "an_unknown_player_is_refused"),
    _rules(ForgetsCancelsThatBroke, "a_cancel_whose_answer_was_lost_resumes"),
    _race(RacesCancels, "five_cancels_with_one_id_at_once_return_the_stake_once"),
    _race(RacesTombstones, "a_debit_and_its_cancel_at_once_leave_the_balance"),
    _race(RacesEnds, "a_credit_and_a_cancel_at_once_end_the_bet_once"),
    _race(RacesDuplicates, "five_debits_with_one_id_at_once_take_the_stake_once"),
    _race(RacesCredits, "five_credits_with_one_id_at_once_pay_once"),
    _race(RacesBalances, "parallel_debits_never_overdraw"),
    _race(OverdrawsAtRace, "parallel_debits_never_overdraw"),
    _server(AdmitsAnybody, "a_false_launch_token_is_refused"),
    _server(BreaksOnMalformedBodies, "a_body_that_is_no_call_is_refused"),
    _server(BlindToSignatures, "a_false_signature_is_refused"),
    _server(SignsReformattedBodies, "a_changed_body_is_refused"),
    _server(AcceptsOldTimestamps, "a_stale_timestamp_is_refused"),
    _server(AcceptsFutureTimestamps, "a_future_timestamp_is_refused"),
    _server(TightWindow, "a_timestamp_within_the_window_is_accepted"),
    _server(WantsSessions, "a_credit_after_the_session_expired_is_paid"),
    _server(WantsSessionsForCancels, "a_cancel_after_the_session_expired_returns_the_stake"),
    _server(WantsSessionsForRepetitions, "a_debit_sent_again_after_the_session_expired_gets_its_answer"),
    _server(NeedsNoSession, "a_debit_needs_a_session"),
    _server(ReadsAmountsLaxly, "amounts_that_are_no_positive_integers_are_refused"),
]
"""Each fault with a case that must name it."""
