"""Items of OWASP ASVS 5.0 in a running system: each test carries its item. Those of sessions are with the accounts."""

import asyncio
import base64
import json
import secrets
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey
from table_client import HttpError, Player, call, connect, open_players

from reference_impl.accounts.passwords import FAILURES_MAX, PasswordCost
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import round_id
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import AMOUNT_MINOR_MAX, CloseCode
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMING = Timing(window_ms=1000, closing_soon_ms=400, dealing_ms=300, pause_ms=200, flush_ms_max=300)
DEPOSIT = 100_000
NUMBERS = iter(range(1, 60))
LOOPBACK = "0100007F"
LISTENS = "0A"
SPOOFED = {
    "X-Forwarded-For": "10.1.1.1", "X-Real-IP": "10.1.1.1", "Forwarded": "for=10.1.1.1;host=evil.example",
    "X-Forwarded-Host": "evil.example", "X-User-ID": "1", "X-Player": "1", "X-Forwarded-User": "player-1",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    async with Stack(StackConfig(tables=2, edges=0, timing=TIMING, password_cost=cost)) as running:
        await open_players(running, *range(1, 60), deposit_minor=DEPOSIT)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def player(stack: Stack) -> Player:
    joined = Player(stack, next(NUMBERS))
    await joined.join()
    return joined


async def status_of(stack: Stack, path: str, token: str = "", body: Any = None, **headers: str) -> int:
    """Return the status of a call with headers of one's own."""
    told = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {}) | headers
    request = urllib.request.Request(
        f"{stack.api_url}{path}", None if body is None else json.dumps(body).encode(), told
    )

    def send() -> int:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    return await asyncio.to_thread(send)


async def rows(stack: Stack, query: str, *arguments: Any) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = []
    for dsn in stack.dsns:
        connection = await asyncpg.connect(dsn)
        try:
            found += await connection.fetch(query, *arguments)
        finally:
            await connection.close()
    return found


async def closed_with(url: str, hello: dict[str, Any]) -> int | None:
    socket = await connect(url)
    socket.send({"t": "hello", **hello})
    await asyncio.wait_for(socket.closed.wait(), 5)
    return socket.close_code


def sockets() -> list[list[str]]:
    files = [Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")]
    return [line.split() for file in files for line in file.splitlines()[1:]]


async def test_what_speaks_without_tls_listens_on_this_machine_alone_asvs_4_4_1(stack: Stack, player: Player) -> None:
    urls = (stack.api_url, (await player.placement())["url"])
    ports = {urlsplit(url).port for url in urls}
    assert {urlsplit(url).hostname for url in urls} == {"127.0.0.1"}
    listening = [fields[1].split(":") for fields in sockets() if fields[3] == LISTENS]
    ours = [address for address, port in listening if int(port, 16) in ports]
    assert ours == [LOOPBACK] * len(ports)


async def test_a_socket_takes_a_ticket_once_and_never_the_log_in_token_asvs_4_4_3(stack: Stack, player: Player) -> None:
    place = await player.placement()
    assert await closed_with(place["url"], {"ticket": player.token}) == CloseCode.BAD_TICKET
    socket = await connect(place["url"])
    socket.send({"t": "hello", "ticket": place["ticket"]})
    await socket.until(lambda m: m["t"] == "welcome")
    assert await closed_with(place["url"], {"ticket": place["ticket"]}) == CloseCode.BAD_TICKET


async def test_tickets_come_from_a_log_in_and_are_bound_to_one_gateway_asvs_4_4_4(stack: Stack, player: Player) -> None:
    with pytest.raises(HttpError) as caught:
        await call(stack, "/v1/placement", {"table": 1})
    assert caught.value.status == 401
    place = await player.placement()
    other = await player.placement(avoid=place["gateway"])
    assert other["gateway"] != place["gateway"]
    assert await closed_with(other["url"], {"ticket": place["ticket"]}) == CloseCode.BAD_TICKET
    forged = place["ticket"][:-4] + ("AAAA" if place["ticket"][-4:] != "AAAA" else "BBBB")
    assert await closed_with(place["url"], {"ticket": forged}) == CloseCode.BAD_TICKET


async def test_headers_of_intermediaries_make_nobody_another_asvs_4_1_3(stack: Stack, player: Player) -> None:
    assert await status_of(stack, "/v1/session", **SPOOFED) == 401
    assert await status_of(stack, "/v1/admin/desk", player.token, **SPOOFED) == 401
    request = urllib.request.Request(
        f"{stack.api_url}/v1/placement", json.dumps({"table": 1}).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {player.token}"} | SPOOFED,
    )  # fmt: skip
    with await asyncio.to_thread(urllib.request.urlopen, request, timeout=10) as answer:
        place = json.loads(answer.read())
    assert urlsplit(place["url"]).hostname == "127.0.0.1"
    socket = await connect(place["url"])
    socket.send({"t": "hello", "ticket": place["ticket"]})
    assert (await socket.until(lambda m: m["t"] == "welcome"))["player"] == player.number


async def test_another_forwarded_address_gives_no_more_guesses_asvs_15_3_4(stack: Stack) -> None:
    name = f"player-{next(NUMBERS)}"
    for n in range(FAILURES_MAX):
        spoofed = {"X-Forwarded-For": f"10.0.0.{n}", "X-Real-IP": f"10.0.0.{n}"}
        assert await status_of(stack, "/v1/login", body={"name": name, "password": "wrong"}, **spoofed) == 401
    body = {"name": name, "password": name}
    assert await status_of(stack, "/v1/login", body=body, **{"X-Forwarded-For": "10.9.9.9"}) == 429


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 0}, {"amount_minor": -100}, {"amount_minor": AMOUNT_MINOR_MAX + 1}, {"amount_minor": "100"},
        {"amount_minor": 0.5}, {"selection": -1}, {"selection": None}, {"id": "short"}, {"window": -1}, {"more": 1},
    ],
    ids=lambda wrong: "-".join(map(str, *wrong.items())),
)  # fmt: skip
async def test_values_of_other_form_or_range_have_no_effect_asvs_2_2_1(player: Player, wrong: dict[str, Any]) -> None:
    op = secrets.token_hex(16)
    sent = {"t": "bet", "id": op, "table": 1, "round": 1, "window": 0, "selection": 0, "amount_minor": 100} | wrong
    player.socket.send(sent)
    await asyncio.wait_for(player.socket.closed.wait(), 5)
    assert player.socket.close_code == CloseCode.MALFORMED
    assert await rows(player.stack, "SELECT 1 FROM journal WHERE account = $1 AND kind = 3", player.number) == []


async def test_limits_of_the_table_are_checked_on_the_server_asvs_2_2_2(player: Player) -> None:
    event = await player.next_open()
    rules = await call(player.stack, "/v1/rules?table=1")
    for selection, amount, status in (
        (0, rules["stake_minor_min"] - 1, Status.BAD_AMOUNT),
        (0, rules["stake_minor_max"] + 1, Status.BAD_AMOUNT),
        (len(rules["spots"]), 100, Status.BAD_SELECTION),
        (len(rules["spots"]) - 1, 100, Status.ACCEPTED),
    ):
        assert (await player.answer(player.bet(event, selection, amount)))["status"] == status


async def test_a_bet_names_a_round_and_a_window_that_belong_together_asvs_2_2_3(player: Player) -> None:
    event = await player.next_open()
    for wrong in ({"window": 7}, {"round": round_id(1, 99_999)}, {"round": round_id(2, 1)}):
        answer = await player.answer(player.bet(event | wrong))
        assert answer["status"] in {Status.UNKNOWN_ROUND, Status.WINDOW_CLOSED}
    assert (
        await rows(player.stack, "SELECT 1 FROM journal WHERE account = $1 AND kind = 3 AND status = 1", player.number)
        == []
    )


async def test_steps_of_a_round_are_taken_in_their_order_asvs_2_3_1(player: Player) -> None:
    event = await player.next_open()
    early = player.bet({"round": event["round"] + 1})
    assert (await player.answer(early))["status"] in {Status.UNKNOWN_ROUND, Status.WINDOW_CLOSED}
    for phase in (Phase.BETS_CLOSED, Phase.SETTLED):
        await player.phase(phase, event["round"] - 1)
        assert (await player.answer(player.bet(event)))["status"] == Status.WINDOW_CLOSED
    with pytest.raises(HttpError) as caught:
        await call(player.stack, f"/v1/admin/rounds/{event['round']}/void", {"reason": "x"}, player.stack.admin_token)
    assert caught.value.status == 409


async def test_money_moves_wholly_or_not_at_all_asvs_2_3_3(player: Player) -> None:
    event = await player.next_open()
    sent = [player.bet(event, n % 37, 9_000) for n in range(30)]
    answers = [await player.answer(bet) for bet in sent]
    taken = sum(answer["status"] == Status.ACCEPTED for answer in answers)
    assert taken == DEPOSIT // 9_000
    assert min(answer["balance_minor"] for answer in answers) == DEPOSIT - taken * 9_000
    assert sum(row["balance"] for row in await rows(player.stack, "SELECT balance FROM account")) == 0
    query = "SELECT count(*) FROM journal WHERE account = $1 AND kind = 3 AND status = 1"
    assert sum(row["count"] for row in await rows(player.stack, query, player.number)) == taken


async def test_one_id_is_one_bet_however_often_it_is_sent_asvs_2_3_4(player: Player) -> None:
    event = await player.next_open()
    op = secrets.token_hex(16)
    for _ in range(20):
        player.bet(event, 0, 60_000, op)
    await asyncio.sleep(0.5)
    answers = [m for m in player.socket.messages if m["t"] == "answer" and m["id"] == op]
    assert len(answers) == 20
    assert {(m["status"], m["balance_minor"], m["seq"]) for m in answers} == {
        (Status.ACCEPTED, DEPOSIT - 60_000, answers[0]["seq"])
    }


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def opens(stack: Stack, token: str) -> bool:
    return await status_of(stack, "/v1/session", token) == 200


def signed(stack: Stack, claims: dict[str, Any], alg: str = "HS256", **header: Any) -> str:
    """Sign as the system itself would."""
    key = OctKey.import_key(stack._wiring.token_secret)
    return jwt.encode({"alg": alg, **header}, claims, key, algorithms=[alg])


async def test_tokens_of_another_key_open_nothing_asvs_9_1_1(stack: Stack, player: Player) -> None:
    claims = claims_of(player.token)
    assert await opens(stack, signed(stack, claims)), "what is signed here is what the system signs"
    foreign = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(b"another key of thirty-two bytes.."))
    head, body, signature = player.token.split(".")
    other = part(claims | {"sub": str(player.number + 1)})
    for token in (foreign, player.token[:-2], f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}..{signature}"):
        assert not await opens(stack, token)


async def test_algorithms_that_were_not_chosen_open_nothing_asvs_9_1_2(stack: Stack, player: Player) -> None:
    claims = claims_of(player.token)
    for none in ("none", "None", "NONE"):
        assert not await opens(stack, f"{part({'alg': none, 'typ': 'JWT'})}.{part(claims)}.")
    for alg in ("HS384", "HS512"):
        assert not await opens(stack, signed(stack, claims, alg))


async def test_a_token_does_not_say_which_key_proves_it_asvs_9_1_3(stack: Stack, player: Player) -> None:
    key = OctKey.import_key(b"another key of thirty-two bytes..")
    claims = claims_of(player.token)
    for header in ({"jwk": {"kty": "oct", "k": "YQ"}}, {"jku": f"{stack.api_url}/static/x"}, {"kid": "../../dev/null"}):
        forged = f"{part({'alg': 'HS256', **header})}.{part(claims)}"
        mac = jwt.encode({"alg": "HS256"}, claims, key).split(".")[2]
        assert not await opens(stack, f"{forged}.{mac}")


async def test_tokens_have_their_time_asvs_9_2_1(stack: Stack, player: Player) -> None:
    claims = claims_of(player.token)
    assert not await opens(stack, signed(stack, claims | {"exp": int(time.time()) - 1}))
    assert not await opens(stack, signed(stack, {name: value for name, value in claims.items() if name != "exp"}))


async def test_tickets_and_playback_tokens_are_no_log_in_tokens_asvs_9_2_2(stack: Stack, player: Player) -> None:
    ticket = (await player.placement())["ticket"]
    claims = claims_of(player.token)
    assert not await opens(stack, ticket)
    assert not await opens(stack, signed(stack, {name: value for name, value in claims.items() if name != "sid"}))


async def test_tokens_for_others_open_nothing_asvs_9_2_3(stack: Stack, player: Player) -> None:
    claims = claims_of(player.token)
    for wrong in ({"aud": "livetable-operator"}, {"aud": ""}, {"iss": "elsewhere"}):
        assert not await opens(stack, signed(stack, claims | wrong))
    for missing in ("aud", "iss"):
        assert not await opens(stack, signed(stack, {k: v for k, v in claims.items() if k != missing}))


async def test_a_token_is_for_one_player_and_one_session_asvs_9_2_4(stack: Stack, player: Player) -> None:
    claims = claims_of(player.token)
    other = Player(stack, next(NUMBERS))
    await other.log_in()
    swapped = claims_of(other.token)
    for wrong in ({"sub": swapped["sub"]}, {"sid": swapped["sid"]}, {"sid": "0" * 16}):
        assert not await opens(stack, signed(stack, claims | wrong))
    assert claims["aud"] == "livetable-api"
