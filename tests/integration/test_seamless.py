"""The seamless wallet of the running system, held to the kit's rules over HTTP, NATS and PostgreSQL."""

import asyncio
import json
import os
import secrets
import signal
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey
from litestar import Litestar
from litestar.datastructures import State

from loadtest.adapters.seamless import SeamlessClient
from loadtest.kit.cases import CASES
from loadtest.kit.conformance import Conformance, check
from loadtest.kit.load import run_load
from loadtest.kit.load_result import LoadResult
from loadtest.kit.players import open_test_players
from loadtest.kit.profile import SECRET_VARIABLE, Profile
from reference_impl.accounts.passwords import PasswordCost
from reference_impl.accounts.sessions import AUDIENCE, ISSUER, Sessions
from reference_impl.accounts.store import Store
from reference_impl.api.seamless import SeamlessDesk, router
from reference_impl.api.seamless_wallet import SeamlessWallet
from reference_impl.bus import connect
from reference_impl.domain.ids import shard_of
from reference_impl.domain.money import Currency
from reference_impl.domain.seamless import (
    CALLS,
    Authenticate,
    Authenticated,
    Balance,
    Code,
    Conventions,
    Credit,
    Debit,
    Duplicate,
    LateDebit,
    RejectedRetry,
    UnknownCancel,
)
from reference_impl.domain.seamless_signature import Hmac
from reference_impl.stack.config import SECRETS_VARIABLE, StackConfig
from reference_impl.stack.processes import free_port
from reference_impl.stack.stack import Stack
from reference_impl.stack.verification import verify

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = secrets.token_hex(16)
OTHERWISE = Conventions(
    duplicate=Duplicate.ALREADY_EXISTS,
    late_debit=LateDebit.NO_EFFECT,
    unknown_cancel=UnknownCancel.NOT_FOUND,
    rejected_retry=RejectedRetry.EVALUATED_AGAIN,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    os.environ[SECRETS_VARIABLE] = json.dumps({"lab": SECRET})
    cost = PasswordCost(memory_kib=64, iterations=1)
    async with Stack(StackConfig(tables=1, gateways=1, edges=0, password_cost=cost)) as running:
        del os.environ[SECRETS_VARIABLE]
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other_url(stack: Stack) -> AsyncIterator[str]:
    """Yield the address of a second API beside the first, on the same shards, which keeps all the other conventions."""
    bus = await connect(stack.nats_url, "other")
    store = Store(stack.dsns[0])
    await store.open()
    sessions = Sessions(store, stack._known.token_secret, stack.config.idle_s)
    wallet = SeamlessWallet(bus, sessions, stack.dsns, OTHERWISE)
    await wallet.open()
    app = Litestar([router()], state=State({"seamless": SeamlessDesk(wallet, {"lab": SECRET})}))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}/seamless"
    server.should_exit = True
    await serving
    await wallet.close()
    await store.close()
    await bus.close()


def url_of(stack: Stack) -> str:
    return f"{stack.api_url}/v1/seamless"


async def run_kit(stack: Stack, url: str, conventions: Conventions) -> Conformance:
    tokens = await asyncio.to_thread(open_test_players, stack.api_url, stack.admin_token, 2, 100_000)
    key = OctKey.import_key(stack._known.token_secret)
    player = jwt.decode(tokens[0], key, algorithms=["HS256"]).claims["sub"]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sid": "0" * 16, "sub": player, "iat": 0, "exp": int(time.time()) - 1}
    profile = Profile(conventions=conventions, expired_session=jwt.encode({"alg": "HS256"}, claims, key))
    return await asyncio.to_thread(check, url, profile, Hmac(SECRET), tokens, seed=7)


async def test_our_wallet_passes_every_case_of_the_kit(stack: Stack) -> None:
    result = await run_kit(stack, url_of(stack), Conventions())
    assert [f"{case.name}: {case.message}" for case in result.cases if case.verdict != "pass"] == []
    assert len(result.cases) == len(CASES)


async def test_our_wallet_passes_every_case_under_the_other_conventions(stack: Stack, other_url: str) -> None:
    result = await run_kit(stack, other_url, OTHERWISE)
    assert [f"{case.name}: {case.message}" for case in result.cases if case.verdict != "pass"] == []
    assert len(result.cases) == len(CASES)


@pytest_asyncio.fixture(loop_scope="module")
async def seat(stack: Stack) -> AsyncIterator[tuple[SeamlessClient, Authenticated]]:
    """Yield a connection, and a player with 1,000.00 in his account."""
    token = (await asyncio.to_thread(open_test_players, stack.api_url, stack.admin_token, 1, 100_000))[0]
    client = SeamlessClient(url_of(stack), "lab", Hmac(SECRET), 5.0)
    told = (await asyncio.to_thread(client.resolve, Authenticate(token))).accepted
    assert isinstance(told, Authenticated)
    yield client, told
    client.close()


async def test_money_of_another_currency_is_kept_apart(stack: Stack) -> None:
    tokens = await asyncio.to_thread(
        open_test_players, stack.api_url, stack.admin_token, 2, 100_000, currency=Currency.GBP
    )
    profile = Profile(currency="GBP", foreign_currency="EUR")
    cases = ("a_bet_is_debited_and_its_win_credited", "a_promo_pays_once", "another_currency_is_refused")
    result = await asyncio.to_thread(check, url_of(stack), profile, Hmac(SECRET), tokens, only=cases, seed=7)
    assert [case.message for case in result.cases if case.verdict != "pass"] == []


async def test_an_id_has_one_effect_through_two_apis_at_once(
    stack: Stack, other_url: str, seat: tuple[SeamlessClient, Authenticated]
) -> None:
    _, player = seat
    clients = [SeamlessClient(url, "lab", Hmac(SECRET), 5.0) for url in [url_of(stack), other_url] * 5]
    for number in range(5):
        bet = Debit(player.player, player.session, "EUR", f"bet-{number}", 100)
        credit = Credit(player.player, "", "EUR", f"win-{number}", bet.transaction, 40)
        for call in (bet, credit):
            answers = await asyncio.gather(*(asyncio.to_thread(client.resolve, call) for client in clients))
            assert {seen.code for seen in answers} <= {"", Code.ALREADY_EXISTS}
    balance = await asyncio.to_thread(clients[0].resolve, Balance(player.player, "EUR"))
    assert balance.balance_minor == 100_000 - 5 * 60
    for client in clients:
        client.close()


async def test_a_wallet_that_does_not_answer_is_unknown_and_the_same_id_tells(
    stack: Stack, seat: tuple[SeamlessClient, Authenticated]
) -> None:
    client, player = seat
    shard = shard_of(int(player.player), stack.config.shards)
    bet = Debit(player.player, player.session, "EUR", "bet", 700)
    stack.kill(f"wallet-{shard}", signal.SIGSTOP)
    try:
        started_s = time.monotonic()
        seen = await asyncio.to_thread(client.call, bet)
        assert time.monotonic() - started_s < 3.5
    finally:
        stack.kill(f"wallet-{shard}", signal.SIGCONT)
    assert (seen.status, seen.code) == (503, Code.OUTCOME_UNKNOWN)
    assert "send the same transaction again" in seen.text
    for _ in range(2):
        assert (await asyncio.to_thread(client.resolve, bet)).balance_minor == 99_300
    credit = Credit(player.player, "", "EUR", "win", "bet", 1000)
    assert (await asyncio.to_thread(client.resolve, credit)).balance_minor == 100_300


async def load_under_kills(
    stack: Stack, rate: float, seconds: float, nodes: Iterable[str], every_s: float
) -> LoadResult:
    """Load the wallet and kill processes meanwhile; return what became of it."""
    tokens = await asyncio.to_thread(open_test_players, stack.api_url, stack.admin_token, 10, 100_000)
    os.environ[SECRET_VARIABLE] = SECRET
    began = asyncio.Event()
    profile = Profile(timeout_s=4.0)
    load = asyncio.create_task(run_load(url_of(stack), profile, tokens, rate, seconds, tell=lambda _s: began.set()))
    await asyncio.wait_for(began.wait(), 60)
    for node in nodes:
        await asyncio.sleep(every_s)
        if stack.runs(node):
            stack.kill(node)
    result = await load
    del os.environ[SECRET_VARIABLE]
    return result


@pytest.mark.soak  # kills and a load
async def test_load_while_wallets_and_the_api_are_killed_leaves_every_balance_right(stack: Stack) -> None:
    result = await load_under_kills(stack, 25, 4, ("wallet-0", "services", "wallet-1"), 1.0)
    assert (result.complaints, result.unresolved, result.players) == ([], 0, 10)
    assert sum(call.done for call in result.calls) > 100


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_two_minutes_of_kills_leave_every_balance_right(stack: Stack) -> None:
    nodes = ["wallet-0", "wallet-1", "services", "postgres", "nats"] * 6
    result = await load_under_kills(stack, 40, 120, nodes, 3.8)
    assert (result.complaints, result.unresolved, result.players) == ([], 0, 10)
    assert sum(call.done for call in result.calls) > 4000


async def test_the_books_recompute_after_all_that(stack: Stack) -> None:
    for verified in await verify(tuple(stack.dsns), None):
        assert verified.findings == []
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            assert await connection.fetchval("SELECT sum(balance) FROM account") == 0
        finally:
            await connection.close()


async def test_the_interface_is_described_in_openapi_3_1(stack: Stack) -> None:
    def get() -> dict[str, Any]:
        with urllib.request.urlopen(f"{stack.api_url}/v1/schema/openapi.json", timeout=5) as answer:
            return json.load(answer)

    document = await asyncio.to_thread(get)
    assert document["openapi"].startswith("3.1")
    for call, kind in CALLS.items():
        operation = document["paths"][f"/v1/seamless/{call}"]["post"]
        assert {p["name"] for p in operation["parameters"]} >= {"X-Provider", "X-Timestamp", "X-Signature"}
        assert set(operation["responses"]) >= {"200", "400", "401", "402", "404", "409", "413", "422", "503"}
        body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert set(document["components"]["schemas"][body]["properties"]) == set(kind.__struct_fields__)


async def test_no_secret_and_no_session_is_in_a_log(stack: Stack, seat: tuple[SeamlessClient, Authenticated]) -> None:
    _, player = seat
    for path in stack.log_paths:
        text = path.read_text()
        assert SECRET not in text
        assert player.session not in text
