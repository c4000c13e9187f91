"""What a player's bets are paid, given all that she staked and decided."""

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games import blackjack_slips as slips
from reference_impl.domain.games.blackjack import Decision
from reference_impl.domain.games.game import StandingBet

ANN, BOB = 1, 2


def seat(stake: int = 100, account: int = ANN) -> StandingBet:
    return StandingBet(account, 0, slips.SEAT, stake)


def behind(stake: int = 100, account: int = ANN) -> StandingBet:
    return StandingBet(account, 0, slips.BEHIND, stake)


def decided(window: int, decision: Decision, stake: int = 0, account: int = ANN) -> StandingBet:
    return StandingBet(account, window, decision, stake)


def pays(*bets: StandingBet, hand: tuple[int, ...] = (5, 6, 9), dealer: int = 19, behind: int = 0) -> list[int]:
    return slips.payouts_minor(bets, hand, behind, dealer)


def test_an_absent_player_is_played_to_the_end() -> None:
    assert pays(seat()) == [200]  # 11 draws by itself and is 20 against 19
    assert pays(seat(), dealer=21) == [0]
    assert pays(seat(), dealer=20) == [100]


def test_everybody_is_paid_for_what_she_decided() -> None:
    bets = seat(), decided(1, Decision.STAND), seat(account=BOB), decided(1, Decision.HIT, account=BOB)
    assert pays(*bets) == [0, 0, 200, 0]


def test_a_double_wins_and_loses_as_its_hand() -> None:
    doubled = seat(), decided(1, Decision.DOUBLE, 100)
    assert pays(*doubled) == [200, 200]
    assert pays(*doubled, dealer=21) == [0, 0]
    assert pays(*doubled, dealer=20) == [100, 100]


def test_a_double_is_as_large_as_all_seats_together() -> None:
    assert pays(seat(60), seat(40), decided(1, Decision.DOUBLE, 100)) == [120, 80, 200]
    # One of another size is none: the hand is played as if nothing had been decided, and the stake comes back.
    assert pays(seat(60), seat(40), decided(1, Decision.DOUBLE, 60), dealer=21) == [0, 0, 60]


def test_the_first_decision_of_a_window_counts_and_the_others_come_back() -> None:
    bets = seat(), decided(1, Decision.STAND), decided(1, Decision.DOUBLE, 100)
    assert pays(*bets) == [0, 0, 100]
    bets = seat(), decided(1, Decision.DOUBLE, 100), decided(1, Decision.DOUBLE, 100)
    assert pays(*bets) == [200, 200, 100]


def test_what_is_not_allowed_comes_back() -> None:
    hand = (2, 3, 4, 10)
    assert pays(seat(), decided(2, Decision.DOUBLE, 100), hand=hand) == [100, 100]  # later than the first window
    assert pays(seat(), decided(1, Decision.HIT, 50), dealer=21) == [0, 50]
    assert pays(seat(), StandingBet(ANN, 1, 7, 50), dealer=21) == [0, 50]
    assert pays(behind(), decided(1, Decision.DOUBLE, 100), dealer=21) == [0, 100]  # without a seat


def test_a_bet_behind_takes_what_the_seats_took() -> None:
    bets = seat(), behind(30), decided(1, Decision.STAND)
    assert pays(*bets, behind=1) == [0, 60, 0]
    assert pays(*bets, behind=0) == [0, 0, 0]


def test_three_to_two_is_rounded_down_a_bet() -> None:
    assert pays(seat(15), seat(1), behind(15), hand=(1, 10)) == [37, 2, 37]


def test_votes_are_of_players_who_are_still_in() -> None:
    hand = (1, 2, 3)  # cards: a two, a three, a four
    bets = [
        seat(), decided(1, Decision.HIT), decided(2, Decision.HIT),
        seat(account=BOB), decided(1, Decision.STAND, account=BOB), decided(2, Decision.HIT, account=BOB),
        seat(account=3), decided(2, Decision.STAND, account=3),  # absent in the first window, which drew for her
        behind(account=4), decided(2, Decision.HIT, account=4),
        seat(account=5), decided(1, Decision.DOUBLE, 100, account=5), decided(2, Decision.HIT, account=5),
    ]  # fmt: skip
    assert slips.votes(bets, hand[:2], 1) == (2, 1)
    assert slips.votes(bets, hand, 2) == (1, 1)


bets = st.lists(
    st.one_of(
        st.builds(
            StandingBet, st.sampled_from((ANN, BOB)), st.just(0), st.integers(0, 1), st.sampled_from((1, 50, 99))
        ),
        st.builds(
            StandingBet, st.sampled_from((ANN, BOB)), st.integers(1, 4), st.integers(0, 3),
            st.sampled_from((0, 0, 0, 50, 100, 101)),
        ),
    ),
    max_size=14,
)  # fmt: skip
shared = st.lists(st.integers(1, 10), min_size=6, max_size=6).map(
    lambda cards: tuple(cards[: next((n for n in range(2, 6) if not bj.may_draw(cards[:n])), 6)])
)
dealers = st.sampled_from((17, 18, 19, 20, 21, bj.BUST, bj.BLACKJACK))


@given(bets, shared, dealers)
def test_no_decision_costs_more_than_its_stake_and_none_pays_more_than_its_hand(
    some: list[StandingBet], hand: tuple[int, ...], dealer: int
) -> None:
    for bet, pay in zip(some, slips.payouts_minor(some, hand, 0, dealer), strict=True):
        assert 0 <= pay <= 5 * bet.stake_minor // 2
        if bet.window and bet.selection != Decision.DOUBLE:
            assert pay == bet.stake_minor


@given(bets, shared, dealers)
def test_what_a_player_is_paid_is_nobody_elses_business(
    some: list[StandingBet], hand: tuple[int, ...], dealer: int
) -> None:
    """A shard that settles only its own players, in any order among players, pays the same."""
    together = slips.payouts_minor(some, hand, 0, dealer)
    for account in (ANN, BOB):
        mine = [place for place, bet in enumerate(some) if bet.account == account]
        alone = slips.payouts_minor([some[place] for place in mine], hand, 0, dealer)
        assert alone == [together[place] for place in mine]


@given(bets, shared, dealers)
def test_money_is_at_risk_only_on_seats_behind_them_and_on_one_double(
    some: list[StandingBet], hand: tuple[int, ...], dealer: int
) -> None:
    pays = slips.payouts_minor(some, hand, 0, dealer)
    for account in (ANN, BOB):
        mine = [(bet, pay) for bet, pay in zip(some, pays, strict=True) if bet.account == account]
        seats = sum(bet.stake_minor for bet, _ in mine if bet[1:3] == (0, slips.SEAT))
        lost = sum(bet.stake_minor - pay for bet, pay in mine if bet.window)
        assert lost <= seats
