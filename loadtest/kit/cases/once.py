"""An id has one effect, whatever is sent how often, by whom, and at the same time."""

from loadtest.adapters.seamless import Seen
from loadtest.kit.story import Misbehaved, Story
from reference_impl.domain.seamless import Call, Code, Duplicate

COPIES = 5


def a_debit_sent_twice_takes_the_stake_once(story: Story) -> None:
    """The same debit again gets the first answer and takes nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(300)
    first = story.done(bet, before - 300)
    other = ann.debit(50)
    story.done(other)
    story.same(bet, first)
    ann.holds(before - 350, "a debit of 300 sent twice and one of 50")


def a_credit_sent_twice_pays_once(story: Story) -> None:
    """The same credit again gets the first answer and pays nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    credit = ann.credit(bet.transaction, 900)
    first = story.done(credit, before + 800)
    story.done(ann.debit(50))
    story.same(credit, first)
    ann.holds(before + 750, "a credit of 900 sent twice")


def five_debits_with_one_id_at_once_take_the_stake_once(story: Story) -> None:
    """Five copies of one debit at the same time take the stake once and agree on the answer."""
    ann = story.ann
    for _ in range(3):
        before = ann.balance()
        bet = ann.debit(200)
        _agree(story, bet, story.at_once([bet] * COPIES), before - 200)
        ann.holds(before - 200, f"{COPIES} copies of a debit of 200 at once")
        story.done(ann.credit(bet.transaction, 200))


def five_credits_with_one_id_at_once_pay_once(story: Story) -> None:
    """Five copies of one credit at the same time pay once and agree on the answer."""
    ann = story.ann
    for _ in range(3):
        before = ann.balance()
        bet = ann.debit(100)
        story.done(bet)
        credit = ann.credit(bet.transaction, 400)
        _agree(story, credit, story.at_once([credit] * COPIES), before + 300)
        ann.holds(before + 300, f"{COPIES} copies of a credit of 400 at once")


def five_cancels_with_one_id_at_once_return_the_stake_once(story: Story) -> None:
    """Five copies of one cancel at the same time return the stake once and agree on the answer."""
    ann = story.ann
    for _ in range(3):
        before = ann.balance()
        bet = ann.debit(100)
        story.done(bet)
        cancel = ann.cancel(bet.transaction)
        _agree(story, cancel, story.at_once([cancel] * COPIES), before)
        ann.holds(before, f"{COPIES} copies of a cancel at once")


def a_debit_with_another_amount_is_a_conflict(story: Story) -> None:
    """A debit's id with another amount is refused, moves nothing, and leaves the first answer as it was."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    first = story.done(bet)
    story.refused(ann.debit(101, bet.transaction), Code.CONFLICT)
    story.refused(ann.debit(1, bet.transaction), Code.CONFLICT)
    story.same(bet, first)
    ann.holds(before - 100, "a debit of 100, then 101 and 1 under its id")


def a_credit_with_another_amount_is_a_conflict(story: Story) -> None:
    """A credit's id with another amount is refused and pays nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    credit = ann.credit(bet.transaction, 200)
    story.done(credit)
    story.refused(ann.credit(bet.transaction, 300, credit.transaction), Code.CONFLICT, Code.BET_SETTLED)
    ann.holds(before + 100, "a credit of 200, then 300 under its id")


def an_id_serves_one_purpose(story: Story) -> None:
    """An id that stood for a credit is refused for another bet's credit, and as a debit."""
    ann, before = story.ann, story.ann.balance()
    bets = [ann.debit(100), ann.debit(100)]
    for bet in bets:
        story.done(bet)
    credit = ann.credit(bets[0].transaction, 150)
    story.done(credit)
    story.refused(ann.credit(bets[1].transaction, 150, credit.transaction), Code.CONFLICT)
    story.refused(ann.debit(150, credit.transaction), Code.CONFLICT)
    ann.holds(before - 50, "one of two bets credited, its credit's id used again")


def two_players_may_use_one_id(story: Story) -> None:
    """Ids are unique for a player only: the same id of another player is another transaction."""
    ann, bob = story.ann, story.bob
    before = ann.balance(), bob.balance()
    bet = ann.debit(100)
    story.done(bet, before[0] - 100)
    story.done(bob.debit(250, bet.transaction), before[1] - 250)
    story.done(bob.credit(bet.transaction, 400), before[1] + 150)
    story.done(ann.cancel(bet.transaction), before[0])
    ann.holds(before[0], "a cancelled bet")
    bob.holds(before[1] + 150, "a won bet under the id of another player's")


def a_second_credit_of_a_bet_pays_nothing(story: Story) -> None:
    """A bet is settled once: a credit under another id is refused, whatever its amount."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    story.done(ann.credit(bet.transaction, 200))
    for amount_minor in (200, 300):
        story.refused(ann.credit(bet.transaction, amount_minor), Code.BET_SETTLED, Code.CONFLICT, Code.ALREADY_EXISTS)
    ann.holds(before + 100, "three credits of one bet under different ids")


def a_second_cancel_of_a_bet_returns_nothing(story: Story) -> None:
    """A rollback under a second id returns nothing more, whether it is accepted or refused."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    story.done(ann.cancel(bet.transaction), before)
    second = ann.cancel(bet.transaction)
    seen = story.ask(second)
    if seen.status != 200:
        story.require_refused(second, seen, Code.BET_CANCELLED, Code.ALREADY_EXISTS, Code.BET_NOT_FOUND)
    ann.holds(before, "two rollbacks of one bet under different ids")


def _agree(story: Story, call: Call, answers: list[Seen], balance_minor: int) -> None:
    accepted = [seen for seen in answers if seen.status == 200]
    if not accepted:
        raise Misbehaved(f"{COPIES} copies at once: none of them was answered 200, got {', '.join(map(str, answers))}")
    for seen in answers:
        story.require_done(call, seen)
        if seen.status == 200 and seen.balance_minor != balance_minor:
            raise Misbehaved(f"{COPIES} copies at once: expected balance {balance_minor}, got {seen} [{seen.request}]")
    if story.profile.conventions.duplicate is Duplicate.ALREADY_EXISTS and len(accepted) > 1:
        raise Misbehaved(f"{COPIES} copies at once: {len(accepted)} of them were answered 200, expected 1")


CASES = (
    a_debit_sent_twice_takes_the_stake_once,
    a_credit_sent_twice_pays_once,
    five_debits_with_one_id_at_once_take_the_stake_once,
    five_credits_with_one_id_at_once_pay_once,
    five_cancels_with_one_id_at_once_return_the_stake_once,
    a_debit_with_another_amount_is_a_conflict,
    a_credit_with_another_amount_is_a_conflict,
    an_id_serves_one_purpose,
    two_players_may_use_one_id,
    a_second_credit_of_a_bet_pays_nothing,
    a_second_cancel_of_a_bet_returns_nothing,
)
