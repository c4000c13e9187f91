"""The wallet's report says what its legs say, and tells a later measurement that does not agree."""

import asyncio

import pytest
from click.testing import CliRunner
from msgspec import structs

from livetable.root import cli
from loadtest.bench import result as bench_result
from loadtest.bench.result import Result
from loadtest.bench.wallet_report import FIGURE, REPORT
from reference_impl.domain.errors import ConfigError
from reports.publishing import compare, publish

OURS = [80_000, 90_000, 100_000]
PEERS = [{"1": 1_000, "8": 4_000}, {"1": 1_100, "8": 4_500}, {"1": 900, "8": 4_000}]
RESULT = Result(
    "wallet", "durable bets/s", 90_000.0, 4_000.0, "pgbench", 20.0, 3, 0.25,
    {
        "legs_ours": OURS, "legs_peer": PEERS, "legs_floor": [100_000, 100_000, 110_000],
        "legs_bare_floor": [120_000, 130_000, 125_000], "postgres_cpu_us_per_bet": 12.0,
        "natural_batching": [
            {"offered_per_s": 5_000, "bets": 75_000, "p50_ms": 1.5, "p99_ms": 9.0, "legs_p99_ms": [8.0, 9.0, 30.0]},
            {"offered_per_s": 10_000, "bets": 150_000, "p50_ms": 2.5, "p99_ms": 70.0, "legs_p99_ms": [60, 70, 80]},
        ],
    },
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    publish(REPORT, RESULT, tmp_path, "livetable bench wallet")
    return tmp_path


def changed(**detail):
    return structs.replace(RESULT, detail=RESULT.detail | detail)


def test_the_page_answers_what_was_asked_with_n_and_spread(folder):
    page = (folder / "README.md").read_text()
    assert "90,000 durable bets a second (median of 3 legs): 20 (15.6 – 29.7) times pgbench at its best" in page
    assert "99 of 100 bets are answered within 9 ms at 5,000 bets/s and 70 ms at 10,000 bets/s." in page
    for line in (
        "| at least 8 times pgbench | 20 times | yes |",
        "| at least 0.75 of its own floor | 0.90 | yes |",
        "| p99 at 10,000/s at most 60 ms | 70 ms | **no** |",
        "| the wallet | 90,000 | 80,000 – 100,000 |  |",
        "| 5,000 | 75,000 | 1.5 | 9 | 8 · 9 · 30 |",
        "| 2 | 1,100 | 4,500 | 90,000 | 100,000 | 130,000 |",
    ):
        assert line in page
    assert "| pgbench at its best, leg by leg | 4,000 |  | 20 (15.6 – 29.7) |" in page
    assert (folder / FIGURE).read_text().count("ours is 90 times that") == 1


def test_an_untouched_copy_agrees_with_itself_and_with_another_hour(folder):
    assert "found again" in compare(REPORT, RESULT, folder)
    assert "found again" in compare(REPORT, changed(legs_ours=[70_000, 90_000, 95_000]), folder)


def test_a_wallet_that_became_slow_is_told(folder):
    with pytest.raises(ConfigError, match=r"ours over pgbench at its best is 5, published are 20 to 25"):
        compare(REPORT, changed(legs_ours=[20_000, 22_500, 20_000]), folder)


def test_a_figure_that_somebody_improved_is_told(folder):
    figure = folder / FIGURE
    figure.write_text(figure.read_text().replace("ours is 90 times that", "ours is 900 times that"))
    with pytest.raises(ConfigError, match=r"wallet.svg: was changed after it was published"):
        compare(REPORT, RESULT, folder)


def test_the_verb_publishes_compares_and_refuses_benches_without_a_page(tmp_path, monkeypatch):
    async def measured(name: str, n: int, _: object) -> Result:
        await asyncio.sleep(0)
        return structs.replace(RESULT, name=name, n=n)

    monkeypatch.setattr(bench_result, "measure", measured)
    typed = ["bench", "wallet", "-n", "3", "--out", str(tmp_path / "out")]
    assert "published: " in CliRunner().invoke(cli, typed, catch_exceptions=False).output
    assert "found again" in CliRunner().invoke(cli, [*typed, "--check"], catch_exceptions=False).output
    for words, says in (
        (
            ["bench", "settle", "--out", "x"],
            "bench 'settle' has no page to publish; there are wallet, balance",
        ),
        (["bench", "wallet", "--check"], "--check: needs --out"),
    ):
        with pytest.raises(ConfigError, match=says):
            CliRunner().invoke(cli, words, catch_exceptions=False)
