"""What every game promises, whichever it is."""

from itertools import islice

import numpy as np
import pytest

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import GAMES, game_named
from reference_impl.domain.games.game import OUTCOME_MAX, Game
from reference_impl.domain.games.outcome import Draws, commitment, seeded_outcome
from reference_impl.domain.protocol import AMOUNT_MINOR_MAX

each_game = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


def drawn(game: Game, n: int) -> list[int]:
    return [game.draw(k.to_bytes(32), [b"head"]) for k in range(n)]


@each_game
def test_a_draw_is_an_outcome_that_the_journal_can_hold(game: Game) -> None:
    for outcome in drawn(game, 300):
        assert 0 <= outcome <= OUTCOME_MAX
        assert game.is_outcome(outcome)
        assert game.describe(outcome)


@each_game
def test_a_draw_follows_from_the_seed_and_every_head(game: Game) -> None:
    def draws(heads: list[bytes]) -> list[int]:
        return [game.draw(k.to_bytes(32), heads) for k in range(40)]

    first = draws([b"a", b"b"])
    assert draws([b"a", b"b"]) == first
    assert all(draws(heads) != first for heads in ([b"a", b"c"], [b"ab", b""], [b"b", b"a"], [b"a"]))


@each_game
def test_what_is_no_outcome_is_refused_with_its_value(game: Game) -> None:
    for outcome in (-1, OUTCOME_MAX):
        assert not game.is_outcome(outcome)
        with pytest.raises(ValueError, match=str(outcome)):
            game.payouts_minor(np.array([0]), np.array([100]), outcome)


@each_game
def test_what_is_no_spot_is_refused_with_the_limit(game: Game) -> None:
    outcome = drawn(game, 1)[0]
    for selection in (-1, len(game.spots)):
        with pytest.raises(ValueError, match=f"spots 0 to {len(game.spots) - 1}, got {selection}"):
            game.payouts_minor(np.array([selection]), np.array([100]), outcome)


@each_game
def test_what_a_layout_says_of_a_place_is_the_least_that_its_win_pays(game: Game) -> None:
    spots, stakes = np.arange(len(game.spots)), np.full(len(game.spots), 1000)
    least = np.full(len(game.spots), 1 << 40)
    for outcome in drawn(game, 1000):
        won = game.payouts_minor(spots, stakes, outcome)
        least = np.where(won > stakes, np.minimum(least, won), least)
    said = [float(spot.pays.partition(":")[0]) for spot in game.spots]
    assert (least / 1000 - 1).tolist() == pytest.approx(said)


@each_game
def test_chances_add_up_to_one_and_no_spot_returns_more_than_is_staked(game: Game) -> None:
    assert sum(chance for _, chance in game.chances()) == 1
    assert all(0 < share < 1 for share in game.returns())


@each_game
def test_draws_return_what_chances_say(game: Game) -> None:
    """Holds the draw against the exact figures: they share the rules but not the way of counting."""
    n = 4000
    odds = np.array([game.odds(outcome) for outcome in drawn(game, n)]) / game.per
    error = np.abs(odds.mean(axis=0) - np.array([float(share) for share in game.returns()]))
    spread = odds.std(axis=0) / np.sqrt(n)
    plain = np.array([len(spot.numbers) != 1 for spot in game.spots])  # 37 straights are one test of uniformity
    rare = float(odds.max()) > 100
    assert (error <= 4.5 * spread + 1e-9)[plain].all() or rare


@each_game
def test_no_stake_overflows_and_what_does_not_divide_stays_with_the_house(game: Game) -> None:
    spots = np.arange(len(game.spots))
    for outcome, _ in islice(game.chances(), 200):
        for stake in (1, 3, 99, AMOUNT_MINOR_MAX):
            paid = game.payouts_minor(spots, np.full(len(spots), stake), outcome)
            exact = [int(odds) * stake for odds in game.odds(outcome)]
            assert [p * game.per for p in paid.tolist()] == [x - x % game.per for x in exact]


@each_game
def test_no_bets_are_paid_nothing(game: Game) -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert len(game.payouts_minor(nothing, nothing, drawn(game, 1)[0])) == 0


@each_game
def test_spots_have_names_of_their_own(game: Game) -> None:
    assert [game.spot(spot.name) for spot in game.spots] == list(range(len(game.spots)))
    with pytest.raises(KeyError, match="moon"):
        game.spot("moon")


def test_an_unknown_game_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="no game 'poker', known are roulette, baccarat, money_wheel, blackjack"):
        game_named("poker")


def test_an_outcome_depends_on_the_seed_and_on_every_head() -> None:
    seed, heads = b"s" * 32, [b"a", b"b"]
    draws = {
        seeded_outcome(seed, heads, 1 << 60),
        seeded_outcome(b"t" * 32, heads, 1 << 60),
        seeded_outcome(seed, [b"a", b"c"], 1 << 60),
        seeded_outcome(seed, [b"ab", b""], 1 << 60),
    }
    assert len(draws) == 4
    assert commitment(seed) != commitment(b"t" * 32)


def test_a_stream_of_draws_is_fixed_by_its_key_and_uniform() -> None:
    assert [Draws(b"k").below(416) for _ in range(3)] == [Draws(b"k").below(416)] * 3
    stream, again = Draws(b"k"), Draws(b"k")
    numbers = [stream.below(10) for _ in range(10_000)]
    assert numbers[:50] == [again.below(10) for _ in range(50)]
    chi_square = ((np.bincount(numbers, minlength=10) - 1000) ** 2 / 1000).sum()
    assert chi_square < 27.9  # 99.9 % quantile with 9 degrees of freedom: 27.88
