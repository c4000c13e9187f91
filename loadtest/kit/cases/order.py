"""Calls that overtake each other: the money is the same in every order."""

from loadtest.adapters.seamless import Seen
from loadtest.kit.story import Misbehaved, Seat, Story
from reference_impl.domain.seamless import Cancel, Code, Debit, LateDebit, UnknownCancel

RACES = 8


def a_cancel_without_an_amount_returns_the_stake(story: Story) -> None:
    """A rollback names the bet alone, returns what the debit took, and does so once."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(700)
    story.done(bet, before - 700)
    cancel = ann.cancel(bet.transaction)
    first = story.done(cancel, before)
    story.same(cancel, first)
    ann.holds(before, "a cancelled bet")


def a_debit_after_its_cancel_never_moves_money(story: Story) -> None:
    """A cancel that comes first is remembered: the late debit moves nothing, now and whenever it is sent again."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(300)
    cancel = ann.cancel(bet.transaction)
    _unknown_cancel(story, cancel)
    ann.holds(before, "the cancel of an unknown bet")
    for _ in range(2):
        _late_debit(story, bet, story.ask(bet), before)
        ann.holds(before, "a debit after its cancel")
    story.refused(ann.credit(bet.transaction, 500), Code.BET_CANCELLED, Code.BET_NOT_FOUND)
    ann.holds(before, "a credit of a bet that was cancelled before it came")


def a_debit_and_its_cancel_at_once_leave_the_balance(story: Story) -> None:
    """A debit and its cancel race each other: whoever wins, the stake is back in the end."""
    ann, before = story.ann, story.ann.balance()
    for _ in range(RACES):
        bet = ann.debit(100)
        cancel = ann.cancel(bet.transaction)
        debited, cancelled = story.at_once([bet, cancel])
        if debited.status != 200:
            story.require_refused(bet, debited, Code.BET_CANCELLED)
        if cancelled.status != 200:
            story.require_refused(cancel, cancelled, Code.BET_NOT_FOUND)
        ann.holds(before, "a debit and its cancel at once")


def a_refused_debit_that_was_cancelled_never_moves_money(story: Story) -> None:
    """A refused debit is cancelled and then covered: sent again after or during the cancel, it takes nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(before + 1)
    story.refused(bet, Code.INSUFFICIENT_FUNDS)
    story.ask(ann.cancel(bet.transaction))
    story.done(ann.promo(1), before + 1)
    story.ask(bet)
    ann.holds(before + 1, "a refused debit, its cancel, and the debit again")
    for _ in range(RACES):
        bet = ann.debit(ann.balance() + 1)
        story.refused(bet, Code.INSUFFICIENT_FUNDS)
        story.done(ann.promo(1))
        story.at_once([bet, ann.cancel(bet.transaction)])
        ann.holds(bet.amount_minor, "a covered debit and its cancel at once")


def an_old_debit_sent_after_its_credit_takes_nothing(story: Story) -> None:
    """A debit that is sent again after its bet was settled gets its old answer and takes nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(200)
    first = story.done(bet)
    credit = ann.credit(bet.transaction, 600)
    credited = story.done(credit, before + 400)
    story.same(bet, first)
    story.same(credit, credited)
    ann.holds(before + 400, "a debit and a credit, both sent again")


def an_old_debit_sent_after_its_cancel_takes_nothing(story: Story) -> None:
    """A debit that is sent again after its bet was cancelled takes nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(200)
    story.done(bet)
    story.done(ann.cancel(bet.transaction), before)
    story.ask(bet)
    ann.holds(before, "a debit, its cancel, and the debit again")


def a_credit_before_its_debit_waits(story: Story) -> None:
    """A credit of a bet that has not come yet is refused and pays nothing; sent again after the debit it pays."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    credit = ann.credit(bet.transaction, 250)
    story.refused(credit, Code.BET_NOT_FOUND)
    ann.holds(before, "a credit before its debit")
    story.done(bet, before - 100)
    story.done(credit, before + 150)
    ann.holds(before + 150, "the debit and its credit sent again")


def a_settled_bet_cannot_be_cancelled(story: Story) -> None:
    """A cancel after the credit is refused and returns nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    story.done(ann.credit(bet.transaction, 300))
    story.refused(ann.cancel(bet.transaction), Code.BET_SETTLED, Code.CONFLICT)
    ann.holds(before + 200, "a cancel after the credit")


def a_cancelled_bet_cannot_be_credited(story: Story) -> None:
    """A credit after the cancel is refused and pays nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    story.done(ann.cancel(bet.transaction))
    story.refused(ann.credit(bet.transaction, 300), Code.BET_CANCELLED, Code.BET_NOT_FOUND, Code.CONFLICT)
    ann.holds(before, "a credit after the cancel")


def a_credit_and_a_cancel_at_once_end_the_bet_once(story: Story) -> None:
    """A credit and a cancel race each other: exactly one of them ends the bet."""
    ann = story.ann
    for _ in range(RACES):
        before = ann.balance()
        bet = ann.debit(100)
        story.done(bet)
        credit, cancel = ann.credit(bet.transaction, 250), ann.cancel(bet.transaction)
        credited, cancelled = story.at_once([credit, cancel])
        _one_end(ann, before, credited, cancelled)


def _one_end(seat: Seat, before: int, credited: Seen, cancelled: Seen) -> None:
    ends = (credited.status == 200) + (cancelled.status == 200)
    if ends != 1:
        raise Misbehaved(
            f"a credit and a cancel at once: expected one of them to end the bet, got {credited} and {cancelled}"
        )
    seat.holds(before + (150 if credited.status == 200 else 0), "a credit and a cancel at once")


def _unknown_cancel(story: Story, cancel: Cancel) -> None:
    if story.profile.conventions.unknown_cancel is UnknownCancel.ACCEPTED:
        story.done(cancel)
    else:
        story.refused(cancel, Code.BET_NOT_FOUND)


def _late_debit(story: Story, bet: Debit, seen: Seen, balance_minor: int) -> None:
    if story.profile.conventions.late_debit is LateDebit.REFUSED:
        story.require_refused(bet, seen, Code.BET_CANCELLED)
    else:
        story.require_done(bet, seen, balance_minor)


CASES = (
    a_cancel_without_an_amount_returns_the_stake,
    a_debit_after_its_cancel_never_moves_money,
    a_debit_and_its_cancel_at_once_leave_the_balance,
    a_refused_debit_that_was_cancelled_never_moves_money,
    an_old_debit_sent_after_its_credit_takes_nothing,
    an_old_debit_sent_after_its_cancel_takes_nothing,
    a_credit_before_its_debit_waits,
    a_settled_bet_cannot_be_cancelled,
    a_cancelled_bet_cannot_be_credited,
    a_credit_and_a_cancel_at_once_end_the_bet_once,
)
