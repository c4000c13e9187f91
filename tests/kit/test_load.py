"""The load on a wallet: what its result says, and that wrong money is found."""

import time

import pytest
from kit.faulty_rules import CreditsTwice, DebitsTwice, IgnoresCancels, RoundsToTens

from loadtest.kit.example import ExampleWallet
from loadtest.kit.load import run_load
from loadtest.kit.load_order import CallRecords, LoadOrder, PartResult
from loadtest.kit.load_result import summarise, table
from loadtest.kit.model import ModelWallet
from loadtest.kit.profile import SECRET_VARIABLE, Profile
from loadtest.users import provider
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.seamless import Conventions
from reference_impl.domain.seamless_signature import Hmac

SECRET = "a secret of the tests"


def part(**more: object) -> PartResult:
    calls = {"debit": CallRecords([1000] * 98 + [50_000] * 2, [100] * 100, done=100)}
    return PartResult(**({"calls": calls, "missed": 0, "players": 2, "complaints": [], "unresolved": []} | more))


@pytest.mark.parametrize(
    ("parts", "limit_ms", "verdict", "exit_code", "says"),
    [
        ([part()], None, "pass", 0, "every balance"),
        ([part()], 60.0, "pass", 0, "every balance"),
        ([part()], 10.0, "slo", 2, "debit p99 50 ms, limit 10 ms"),
        ([part(missed=3)], 10.0, "invalid", 4, "3 rounds not at all"),
        ([part(missed=3, unresolved=["x"])], None, "error", 1, "1 calls stayed unknown"),
        ([part(missed=3), part(unresolved=["x"], complaints=["money"])], 10.0, "consistency", 3, "money"),
        ([part(calls={})], None, "error", 1, "0 were carried out"),
    ],
)
def test_the_verdict_tells_the_worst(
    parts: list[PartResult], limit_ms: float | None, verdict: str, exit_code: int, says: str
) -> None:
    result = summarise("http://x", "run", parts, 10, 10, limit_ms)
    assert (result.verdict, result.exit_code) == (verdict, exit_code)
    assert says in result.message


def test_parts_add_up_and_the_table_has_a_row_a_call() -> None:
    result = summarise("http://x", "run", [part(), part()], 20, 10, None)
    assert (result.calls[0].sent, result.calls[0].p50_ms, result.players, result.calls_per_s) == (200, 1.0, 4, 20.0)
    assert table(result).splitlines()[1].split()[:3] == ["debit", "200", "200"]


def played(rules: type[ModelWallet], monkeypatch: pytest.MonkeyPatch) -> PartResult:
    """Return what a provider saw who played a second of rounds, here and now: without Locust nothing is concurrent."""
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr(provider, "CREDIT_AFTER_S_MEAN", 1e-6)
    wallet_rules = rules(Conventions(), "EUR")
    for player in ("ann", "bob"):
        wallet_rules.open(player, 100_000)
    with ExampleWallet(wallet_rules, {"lab": Hmac(SECRET)}) as wallet:
        order = LoadOrder(
            url=wallet.url, profile=Profile(), tokens=wallet.tokens, rounds_per_s=80, seconds=1, twice_share=0.1,
            cut_share=0.1, run="run", part=0, seed=1, folder="",
        )  # fmt: skip
        playing = provider.Provider(order, lambda _name, _ms, _problem: None)
        playing.enter()
        result = playing.play(time.monotonic_ns())
        playing.close()
    return result


def test_an_honest_wallet_has_the_balances_of_our_books(monkeypatch: pytest.MonkeyPatch) -> None:
    result = played(ModelWallet, monkeypatch)
    assert (result.complaints, result.unresolved, result.missed) == ([], [], 0)
    assert result.calls["debit"].done > 40
    assert result.calls["debit"].done == result.calls["credit"].done + result.calls["cancel"].done


@pytest.mark.parametrize("rules", [DebitsTwice, CreditsTwice, IgnoresCancels, RoundsToTens])
def test_wrong_money_is_found_by_the_balances(rules: type[ModelWallet], monkeypatch: pytest.MonkeyPatch) -> None:
    result = played(rules, monkeypatch)
    assert "balance of" in "".join(result.complaints)
    assert summarise("http://x", "run", [result], 80, 1, None).exit_code == 3


async def test_a_load_process_says_why_it_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    refused = pytest.raises(OperationalError, match="refuses a test player's launch token: 403 SESSION_EXPIRED")
    with ExampleWallet(ModelWallet(Conventions(), "EUR"), {"lab": Hmac(SECRET)}) as wallet, refused:
        await run_load(wallet.url, Profile(), ["never-issued"], 10, 1)
