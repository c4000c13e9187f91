"""European roulette against the published table."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from reference_impl.domain.games.outcome import seeded_outcome
from reference_impl.domain.games.roulette import (
    ANNOUNCED,
    GROSS,
    POCKETS,
    ROULETTE,
    SPOT_CODE,
    SPOTS,
    WHEEL,
    announced,
    draw,
)

HOW_MANY = {
    "straight": (37, 1), "split": (60, 2), "street": (12, 3), "trio": (2, 3), "corner": (22, 4), "first_four": (1, 4),
    "line": (11, 6), "dozen": (3, 12), "column": (3, 12),
    "red": (1, 18), "black": (1, 18), "even": (1, 18), "odd": (1, 18), "low": (1, 18), "high": (1, 18),
}  # fmt: skip

SECTORS = {
    "voisins": (9, {22, 18, 29, 7, 28, 12, 35, 3, 26, 0, 32, 15, 19, 4, 21, 2, 25}),
    "tiers": (6, {27, 13, 36, 11, 30, 8, 23, 10, 5, 24, 16, 33}),
    "orphelins": (5, {17, 34, 6, 1, 20, 14, 31, 9}),
    "jeu_zero": (4, {12, 35, 3, 26, 0, 32, 15}),
}
"""How many chips an announced bet takes, and the sector of the wheel that it covers."""


def test_the_layout_has_every_standard_bet_with_the_right_reach() -> None:
    seen: dict[str, list[int]] = {}
    for spot in SPOTS:
        seen.setdefault(spot.name.split(":")[0], []).append(len(spot.numbers))
    assert {name: (len(reach), reach[0]) for name, reach in seen.items()} == HOW_MANY
    assert all(len(set(reach)) == 1 for reach in seen.values())


def test_every_spot_returns_the_published_share() -> None:
    assert set(ROULETTE.returns()) == {Fraction(36, 37)}
    assert round(36 / 37, 4) == 0.9730


def test_every_bet_pays_on_every_pocket_what_its_numbers_say() -> None:
    stakes = np.full(len(SPOTS), 250)
    for pocket in range(POCKETS):
        paid = ROULETTE.payouts_minor(np.arange(len(SPOTS)), stakes, pocket)
        expected = [250 * 36 // len(spot.numbers) if pocket in spot.numbers else 0 for spot in SPOTS]
        assert paid.tolist() == expected
        assert GROSS[:, pocket].tolist() == ROULETTE.odds(pocket).tolist()


def test_the_wheel_holds_every_pocket_once_and_alternates_colours() -> None:
    assert sorted(WHEEL) == list(range(POCKETS))
    red = SPOTS[SPOT_CODE["red"]].numbers
    colours = [number in red for number in WHEEL[1:]]
    assert all(a != b for a, b in itertools.pairwise(colours))


def test_a_straight_win_pays_thirty_five_to_one_and_the_stake() -> None:
    codes = np.array([SPOT_CODE["straight:17"], SPOT_CODE["straight:18"], SPOT_CODE["odd"]])
    assert ROULETTE.payouts_minor(codes, np.array([100, 100, 250]), 17).tolist() == [3600, 0, 500]


@pytest.mark.parametrize("name", ANNOUNCED)
def test_an_announced_bet_covers_its_sector_of_the_wheel_with_its_chips(name: str) -> None:
    chips, sector = SECTORS[name]
    bets = announced(name, 100)
    assert sum(stake for _, stake in bets) == chips * 100
    assert set().union(*(SPOTS[selection].numbers for selection, _ in bets)) == sector
    places = sorted(WHEEL.index(number) for number in sector)
    gaps = sum(after - before > 1 for before, after in itertools.pairwise(places))
    assert gaps <= (2 if name == "orphelins" else 1)  # one run around the wheel; the orphans are two


def test_voisins_tiers_and_orphelins_are_the_whole_wheel() -> None:
    covered = [number for name in ("voisins", "tiers", "orphelins") for number in SECTORS[name][1]]
    assert sorted(covered) == list(range(POCKETS))


def test_an_announced_bet_returns_what_every_bet_returns() -> None:
    for name in ANNOUNCED:
        bets = announced(name, 37)
        paid = sum(int(GROSS[selection].sum()) * stake for selection, stake in bets)
        assert Fraction(paid, POCKETS) == Fraction(36, 37) * sum(stake for _, stake in bets)


def test_neighbours_are_a_pocket_and_two_on_either_side() -> None:
    bets = announced("neighbours:0", 50)
    assert {SPOTS[selection].numbers[0] for selection, _ in bets} == {3, 26, 0, 32, 15}
    assert {stake for _, stake in bets} == {50}


@pytest.mark.parametrize("name", ["finals", "neighbours:37", "neighbours:x", "neighbours"])
def test_an_unknown_announced_bet_is_refused(name: str) -> None:
    with pytest.raises(KeyError, match=name.partition(":")[0]):
        announced(name, 1)


def test_outcomes_are_uniform() -> None:
    counts = np.bincount([draw(n.to_bytes(32), [b"h"]) for n in range(37_000)], minlength=POCKETS)
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 68  # 99.9 % quantile of chi-square with 36 degrees of freedom: 67.99
    assert draw(b"s", [b"h"]) == seeded_outcome(b"s", [b"h"], POCKETS)
