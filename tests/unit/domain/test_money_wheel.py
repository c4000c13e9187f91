"""The money wheel against its published returns."""

import pytest

from reference_impl.domain.games import money_wheel as wheel

PUBLISHED = {1: 95.34, 2: 95.51, 5: 91.24, 10: 96.58, 20: 92.74, 40: 90.81}
"""Per cent, https://www.newcasinogamereviews.com/dream-catcher/; they truncate where we round (92.74 for 92.735)."""


def test_there_are_fifty_four_segments() -> None:
    assert wheel.SEGMENTS == 54
    assert [wheel.LABELS.count(number) for number in (1, 2, 5, 10, 20, 40)] == [23, 15, 7, 4, 2, 1]


def test_every_number_returns_the_published_share() -> None:
    shares = [100 * float(share) for share in wheel.MONEY_WHEEL.returns()]
    assert shares == pytest.approx(list(PUBLISHED.values()), abs=0.006)


def test_the_bound_on_multipliers_costs_less_than_a_thousandth_of_a_percent() -> None:
    unbounded = [n * k / 45 + k / 52 for n, k in wheel.NUMBERS.items()]
    assert [float(share) for share in wheel.MONEY_WHEEL.returns()] == pytest.approx(unbounded, abs=1e-5)


def test_every_outcome_pays_its_number_alone_times_its_multipliers() -> None:
    seen = 0
    for twos in range(7):
        for sevens in range(7 - twos):
            for segment, number in enumerate(wheel.LABELS):
                outcome = wheel.outcome_of(segment, (twos, sevens))
                assert wheel.parts_of(outcome) == (segment, (twos, sevens))
                expected = [1 + n * 2**twos * 7**sevens if n == number else 0 for n in wheel.NUMBERS]
                assert wheel.odds(outcome).tolist() == expected
                seen += 1
    assert seen == 28 * 52


def test_codes_between_outcomes_are_none() -> None:
    multiplier, too_many = wheel.outcome_of(52, (0, 0)), wheel.outcome_of(0, (4, 3))
    assert not any(wheel.MONEY_WHEEL.is_outcome(code) for code in (multiplier, multiplier + 1, too_many))


def test_multipliers_come_as_often_as_their_segments() -> None:
    outcomes = [wheel.draw(k.to_bytes(32), []) for k in range(5000)]
    multiplied = sum(sum(wheel.parts_of(outcome)[1]) > 0 for outcome in outcomes)
    assert multiplied / 5000 == pytest.approx(2 / 54, abs=0.011)  # four standard deviations


def test_the_wheel_stops_on_a_number_after_six_multipliers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def worst(_draws: object, n: int) -> int:
        asked.append(n)
        return n - 1

    monkeypatch.setattr(wheel.Draws, "below", worst)
    assert wheel.parts_of(wheel.draw(b"", [])) == (51, (0, 6))
    assert asked == [54] * 6 + [52]


def test_an_outcome_reads_as_it_was_spun() -> None:
    assert wheel.describe(wheel.outcome_of(51, (1, 2))) == "2×7×7×40"
    assert wheel.describe(0) == "1"
