"""European roulette against the published table."""

import itertools

import numpy as np
import pytest

from reference_impl.domain.games.outcome import commitment, seeded_outcome
from reference_impl.domain.games.roulette import (
    GROSS,
    POCKETS,
    SPOT_CODE,
    SPOTS,
    WHEEL,
    payouts_minor,
    return_to_player,
)

HOW_MANY = {
    "straight": (37, 1), "split": (60, 2), "street": (12, 3), "trio": (2, 3), "corner": (22, 4), "first_four": (1, 4),
    "line": (11, 6), "dozen": (3, 12), "column": (3, 12),
    "red": (1, 18), "black": (1, 18), "even": (1, 18), "odd": (1, 18), "low": (1, 18), "high": (1, 18),
}  # fmt: skip


def test_the_layout_has_every_standard_bet_with_the_right_reach() -> None:
    seen: dict[str, list[int]] = {}
    for spot in SPOTS:
        seen.setdefault(spot.name.split(":")[0], []).append(len(spot.numbers))
    assert {name: (len(reach), reach[0]) for name, reach in seen.items()} == HOW_MANY
    assert all(len(set(reach)) == 1 for reach in seen.values())


@pytest.mark.parametrize("code", range(len(SPOTS)), ids=lambda code: SPOTS[code].name)
def test_every_spot_returns_the_published_share(code: int) -> None:
    assert return_to_player(code) == pytest.approx(36 / 37)
    assert set(np.flatnonzero(GROSS[code])) == set(SPOTS[code].numbers)


def test_the_wheel_holds_every_pocket_once_and_alternates_colours() -> None:
    assert sorted(WHEEL) == list(range(POCKETS))
    red = SPOTS[SPOT_CODE["red"]].numbers
    colours = [number in red for number in WHEEL[1:]]
    assert all(a != b for a, b in itertools.pairwise(colours))


def test_a_straight_win_pays_thirty_five_to_one_and_the_stake() -> None:
    codes = np.array([SPOT_CODE["straight:17"], SPOT_CODE["straight:18"], SPOT_CODE["odd"]])
    assert payouts_minor(codes, np.array([100, 100, 250]), 17).tolist() == [3600, 0, 500]


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


def test_outcomes_are_uniform() -> None:
    counts = np.bincount([seeded_outcome(n.to_bytes(32), [b"h"], POCKETS) for n in range(37_000)], minlength=POCKETS)
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 68  # 99.9 % quantile of chi-square with 36 degrees of freedom: 67.99
