"""Outcomes that nobody was told, and long random histories: in the end the books agree.

A connection is cut after a call was sent; nobody knows what became of it. The same id, sent again, must tell.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.kit.model import BetState, ModelWallet, MoneyCall
from loadtest.kit.story import Misbehaved, Seat, Story, shown
from reference_impl.domain.seamless import Answer, Cancel, Code, Credit, Debit, Problem, Promo, Receipt

CUTS = 12
CUT_S_MAX = 0.006
HISTORY_CALLS = 120
CUT_SHARE = 0.1


def a_debit_whose_answer_was_lost_resumes(story: Story) -> None:
    """A debit is cut off at any moment and sent again: the stake is taken exactly once."""
    ann, expected = story.ann, story.ann.balance()
    for _ in range(CUTS):
        bet = ann.debit(story.random.randint(1, 50))
        story.cut(bet, story.random.uniform(0, CUT_S_MAX))
        expected -= bet.amount_minor
        story.done(bet, expected)
        ann.holds(expected, "a debit cut off and sent again")


def a_credit_whose_answer_was_lost_resumes(story: Story) -> None:
    """A credit is cut off at any moment, or answered 5xx, and sent again: the win is paid exactly once."""
    ann, expected = story.ann, story.ann.balance()
    for _ in range(CUTS):
        bet = ann.debit(20)
        story.done(bet)
        credit = ann.credit(bet.transaction, story.random.randint(21, 80))
        story.cut(credit, story.random.uniform(0, CUT_S_MAX))
        expected += credit.amount_minor - 20
        story.done(credit, expected)
        ann.holds(expected, "a credit cut off and sent again")


def a_cancel_whose_answer_was_lost_resumes(story: Story) -> None:
    """A cancel is cut off at any moment and sent again: the stake is returned exactly once."""
    ann, before = story.ann, story.ann.balance()
    for _ in range(CUTS):
        bet = ann.debit(30)
        story.done(bet)
        cancel = ann.cancel(bet.transaction)
        story.cut(cancel, story.random.uniform(0, CUT_S_MAX))
        story.done(cancel, before)
        ann.holds(before, "a cancel cut off and sent again")


def the_balance_is_ours_after_a_random_history(story: Story) -> None:
    """A random history of two players is answered as the rules say: repetitions, changed amounts, late debits, cuts."""
    rules = ModelWallet(story.profile.conventions, story.profile.currency)
    histories = []
    for seat in (story.ann, story.bob):
        rules.open(seat.player.id, seat.balance())
        histories.append(_History(story, seat, rules))
    for step in range(HISTORY_CALLS):
        story.random.choice(histories).step(step)
    for history in histories:
        book = rules.books[history.seat.player.id]
        history.seat.holds(book.balance_minor, f"a random history (seed {story.seed})")


@dataclass
class _History:
    story: Story
    seat: Seat
    rules: ModelWallet
    sent: list[MoneyCall] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def step(self, number: int) -> None:
        rng = self.story.random
        makes: list[tuple[int, Callable[[], MoneyCall]]] = [
            (30, self._debit), (25, self._credit), (15, self._cancel), (15, self._again), (8, self._changed),
            (4, self._late), (3, self._promo),
        ]  # fmt: skip
        call = rng.choices([make for _, make in makes], [weight for weight, _ in makes])[0]()
        book = self.rules.books[self.seat.player.id]
        before_minor = book.balance_minor
        told = self.rules.apply(call)
        repeated = call in self.sent or (isinstance(call, Cancel) and book.balance_minor == before_minor)
        cut = rng.random() < CUT_SHARE
        if cut:
            self.story.cut(call, rng.uniform(0, CUT_S_MAX))
        self.sent.append(call)
        self._compare(number, call, told, first=not (repeated or cut))

    def _compare(self, number: int, call: MoneyCall, told: Answer, *, first: bool) -> None:
        seen = self.story.ask(call)
        where = f"step {number} of a random history (seed {self.story.seed}): {shown(call)}"
        if isinstance(told, Problem) and told.code is not Code.ALREADY_EXISTS:
            if seen.status == 200:
                raise Misbehaved(f"{where}: expected a refusal {told.code}, got {seen} [{seen.request}]")
            return
        if not seen.done(self.story.profile.conventions.duplicate):
            raise Misbehaved(f"{where}: expected 200, got {seen} {seen.text} [{seen.request}]")
        if first and isinstance(told, Receipt) and seen.balance_minor != told.balance_minor:
            raise Misbehaved(f"{where}: expected balance {told.balance_minor}, got {seen} [{seen.request}]")

    def _bets(self, *states: BetState) -> list[str]:
        return [bet for bet, known in self.rules.books[self.seat.player.id].bets.items() if known.state in states]

    def _debit(self) -> MoneyCall:
        rng = self.story.random
        if rng.random() < 0.1:
            return self.seat.debit(self.rules.books[self.seat.player.id].balance_minor + rng.randint(1, 9))
        return self.seat.debit(rng.randint(1, 99))

    def _credit(self) -> MoneyCall:
        rng = self.story.random
        bets = self._bets(BetState.OPEN) or self._bets(*BetState)
        if not bets:
            return self._debit()
        return self.seat.credit(rng.choice(bets), rng.choice((0, rng.randint(1, 150))))

    def _cancel(self) -> MoneyCall:
        bets = self._bets(*BetState)
        return self.seat.cancel(self.story.random.choice(bets)) if bets else self._debit()

    def _again(self) -> MoneyCall:
        return self.story.random.choice(self.sent) if self.sent else self._debit()

    def _changed(self) -> MoneyCall:
        rng = self.story.random
        known = self.rules.books[self.seat.player.id].seen
        done = [call for call in self.sent if isinstance(known[call.transaction][1], Receipt)]
        taken = [call for call in done if isinstance(call, Debit | Credit | Promo)]
        if not taken:
            return self._debit()
        call = rng.choice(taken)
        amount_minor = call.amount_minor + rng.randint(1, 5)
        match call:
            case Debit():
                return self.seat.debit(amount_minor, call.transaction)
            case Credit():
                return self.seat.credit(call.bet, amount_minor, call.transaction)
            case Promo():
                return self.seat.promo(amount_minor, call.transaction)

    def _late(self) -> MoneyCall:
        bet = self.seat.debit(self.story.random.randint(1, 99))
        cancel = self.seat.cancel(bet.transaction)
        self.story.ask(cancel)
        self.rules.apply(cancel)
        return bet

    def _promo(self) -> MoneyCall:
        return self.seat.promo(self.story.random.randint(1, 9))


CASES = (
    a_debit_whose_answer_was_lost_resumes,
    a_credit_whose_answer_was_lost_resumes,
    a_cancel_whose_answer_was_lost_resumes,
    the_balance_is_ours_after_a_random_history,
)
