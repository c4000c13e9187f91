"""How the bench of a growing ledger sums up its legs."""

import pytest

from loadtest.bench.growth import _table, _up_to
from loadtest.bench.postgres_cost import Cost


def legs(cost_us: float, *, up_to: int) -> list[dict[str, float]]:
    return [{"rows": rows, "postgres_cpu_us_per_bet": cost_us} for rows in range(100_000, up_to + 1, 100_000)]


def test_what_a_bet_cost_is_the_difference_of_two_readings_by_bets() -> None:
    spent = Cost(3.5, 9_000, 30, 4_000).a_bet_since(Cost(1.5, 1_000, 10, 2_000), 1_000)
    assert spent == pytest.approx(
        {
            "postgres_cpu_us_per_bet": 2000.0,
            "wal_bytes_per_bet": 8.0,
            "page_images_per_1000_bets": 20.0,
            "disk_bytes_per_bet": 2.0,
        }
    )


def test_a_table_has_one_line_a_million_rows_with_the_median_of_its_legs() -> None:
    measured = legs(9.0, up_to=2_000_000)
    measured[10]["postgres_cpu_us_per_bet"] = 500.0
    measured[19]["postgres_cpu_us_per_bet"] = 11.0
    assert _table(measured) == [
        {"rows": 1_000_000, "postgres_cpu_us_per_bet": 9.0},
        {"rows": 2_000_000, "postgres_cpu_us_per_bet": 9.0},
    ]


def test_legs_up_to_a_size_are_the_last_before_it() -> None:
    assert [leg["rows"] for leg in _up_to(legs(9.0, up_to=2_000_000), 1_000_000, 2)] == [900_000, 1_000_000]
