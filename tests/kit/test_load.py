"""The load on a wallet: what its result says, and that wrong money is found."""

import pytest
from kit.faults import DebitsTwice

from loadtest.kit.example import ExampleWallet
from loadtest.kit.load import run_load
from loadtest.kit.load_order import CallRecords, PartResult
from loadtest.kit.load_result import summarise, table
from loadtest.kit.profile import SECRET_VARIABLE, Profile
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


async def test_a_wallet_that_debits_duplicates_twice_is_found_by_its_balances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    rules = DebitsTwice(Conventions(), "EUR")
    for player in ("ann", "bob"):
        rules.open(player, 100_000)
    with ExampleWallet(rules, {"lab": Hmac(SECRET)}) as wallet:
        result = await run_load(wallet.url, Profile(), wallet.tokens, 60, 2.5, seed=1)
    assert (result.verdict, result.exit_code) == ("consistency", 3)
    assert "balance of" in "".join(result.complaints)
