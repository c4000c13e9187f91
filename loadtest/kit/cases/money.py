"""Amounts and balances: exact to the last minor unit, never below zero, in one currency."""

import msgspec

from loadtest.kit.story import AT_ONCE_MAX, Misbehaved, Story
from reference_impl.domain.seamless import Code, RejectedRetry

SINGLE_PRECISION_MINOR = 16_777_217
"""The first integer that a 32-bit float cannot hold."""


def a_bet_is_debited_and_its_win_credited(story: Story) -> None:
    """A debit takes the stake, a credit pays the win, and both answers carry the balance right after."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(500)
    story.done(bet, before - 500)
    story.done(ann.credit(bet.transaction, 1250), before + 750)
    ann.holds(before + 750, "a debit of 500 and a credit of 1250")


def a_zero_win_settles_the_bet(story: Story) -> None:
    """A credit of 0 is accepted, changes nothing and ends the bet."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    story.done(ann.credit(bet.transaction, 0), before - 100)
    story.refused(ann.cancel(bet.transaction), Code.BET_SETTLED)
    ann.holds(before - 100, "a lost bet of 100")


def amounts_are_exact_to_the_last_minor_unit(story: Story) -> None:
    """Small, odd and large amounts come out as they went in: nothing is rounded."""
    ann, expected = story.ann, story.ann.balance()
    for stake, win in ((1, 0), (7, 13), (99, 101), (333, SINGLE_PRECISION_MINOR), (SINGLE_PRECISION_MINOR, 0)):
        bet = ann.debit(stake)
        expected -= stake
        story.done(bet, expected)
        expected += win
        story.done(ann.credit(bet.transaction, win), expected)
    ann.holds(expected, "odd amounts")


def amounts_that_are_no_positive_integers_are_refused(story: Story) -> None:
    """A fraction, a negative amount, a text and a missing amount are refused and move nothing."""
    ann, before = story.ann, story.ann.balance()
    for bad in ("10.5", "-10", '"10"', "null", "1e2"):
        call = ann.debit(10)
        body = msgspec.json.encode(call).replace(b'"amount_minor":10', b'"amount_minor":' + bad.encode())
        client = story.wallet.client
        what = f"debit {bad} as {call.transaction}"
        seen = story.note(what, client.send("debit", body, client.headers("debit", body)))
        if not 400 <= seen.status < 500:
            raise Misbehaved(f"{what}: expected a refusal of the 4xx kind, got {seen} [{seen.request}]")
    ann.holds(before, "amounts that are none")


def the_whole_balance_may_be_staked_and_no_more(story: Story) -> None:
    """A stake of the balance plus one is refused; a stake of exactly the balance is taken."""
    ann, before = story.ann, story.ann.balance()
    story.refused(ann.debit(before + 1), Code.INSUFFICIENT_FUNDS)
    ann.holds(before, "a refused debit")
    bet = ann.debit(before)
    story.done(bet, 0)
    story.refused(ann.debit(1), Code.INSUFFICIENT_FUNDS)
    story.done(ann.cancel(bet.transaction), before)
    ann.holds(before, "a cancelled bet of everything")


def a_refused_debit_sent_again_is_judged_as_agreed(story: Story) -> None:
    """A debit that was refused for lack of funds stays refused, or is judged again: as the conventions say."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(before + 1)
    story.refused(bet, Code.INSUFFICIENT_FUNDS)
    story.done(ann.promo(1), before + 1)
    if story.profile.conventions.rejected_retry is RejectedRetry.FROZEN:
        story.refused(bet, Code.INSUFFICIENT_FUNDS)
    else:
        story.done(bet, 0)
        story.done(ann.cancel(bet.transaction), before + 1)
    ann.holds(before + 1, "a refused debit sent again")


def parallel_debits_never_overdraw(story: Story) -> None:
    """Of fifty debits at once, of a tenth of the balance each, only those are taken that the balance covers."""
    ann, before = story.ann, story.ann.balance()
    stake = before // 10
    bets = [ann.debit(stake) for _ in range(AT_ONCE_MAX)]
    answers = story.at_once(bets)
    taken = [bet for bet, seen in zip(bets, answers, strict=True) if seen.status == 200]
    for bet, seen in zip(bets, answers, strict=True):
        if seen.status != 200:
            story.require_refused(bet, seen, Code.INSUFFICIENT_FUNDS)
        elif seen.balance_minor is not None and seen.balance_minor < 0:
            shown = f"debit {stake} as {bet.transaction}"
            raise Misbehaved(f"{shown}: expected a balance of 0 or more, got {seen.balance_minor} [{seen.request}]")
    ann.holds(before - stake * len(taken), f"{AT_ONCE_MAX} debits of {stake} at once, {len(taken)} of them taken")
    covered = before // stake
    if len(taken) != covered:
        raise Misbehaved(f"balance {before}: expected {covered} debits of {stake} to be taken, got {len(taken)}")
    for bet in taken:
        story.done(ann.cancel(bet.transaction))
    ann.holds(before, "the bets were cancelled")


def a_promo_pays_once(story: Story) -> None:
    """A promo is money without a bet; its id pays once."""
    ann, before = story.ann, story.ann.balance()
    promo = ann.promo(77)
    first = story.done(promo, before + 77)
    story.same(promo, first)
    story.refused(ann.promo(78, promo.transaction), Code.CONFLICT)
    ann.holds(before + 77, "a promo of 77 sent twice, and again with 78")


def another_currency_is_refused(story: Story) -> None:
    """A debit, a credit and a promo in a currency that is not the account's are refused and move nothing."""
    ann, before = story.ann, story.ann.balance()
    bet = ann.debit(100)
    story.done(bet)
    foreign = story.profile.foreign_currency
    for call in (ann.debit(100), ann.credit(bet.transaction, 200), ann.promo(100)):
        story.refused(msgspec.structs.replace(call, currency=foreign), Code.WRONG_CURRENCY)
    story.done(ann.cancel(bet.transaction))
    ann.holds(before, f"calls in {foreign}")


def an_unknown_player_is_refused(story: Story) -> None:
    """Nobody plays on an account that does not exist."""
    call = msgspec.structs.replace(story.ann.promo(100), player=f"nobody-{story.prefix}")
    story.refused(call, Code.UNKNOWN_PLAYER)


CASES = (
    a_bet_is_debited_and_its_win_credited,
    a_zero_win_settles_the_bet,
    amounts_are_exact_to_the_last_minor_unit,
    amounts_that_are_no_positive_integers_are_refused,
    the_whole_balance_may_be_staked_and_no_more,
    a_refused_debit_sent_again_is_judged_as_agreed,
    parallel_debits_never_overdraw,
    a_promo_pays_once,
    another_currency_is_refused,
    an_unknown_player_is_refused,
)
