"""Two PostgreSQL servers by a list of DSNs are two shards; one that dies at close costs a round and nothing else."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from table_client import Player, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.bets import Status
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.ids import shard_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.embedded import EmbeddedPostgres
from reference_impl.stack.processes import end
from reference_impl.stack.stack import Stack
from reference_impl.stack.verification import verify

TIMING = Timing(
    window_ms=900,
    closing_soon_ms=300,
    dealing_ms=100,
    pause_ms=100,
    flush_ms_max=300,
    close_wait_ms_max=500,
    done_wait_ms_max=500,
)
HERE, THERE = (next(n for n in range(1, 40) if shard_of(n, 2) == shard) for shard in range(2))


@pytest.mark.soak
async def test_a_server_that_dies_at_close_voids_its_round_and_is_caught_up_later(tmp_path: Path) -> None:
    servers = [make_server(tmp_path / str(number)) for number in range(2)]
    try:
        dsns = tuple([await make_database(server) for server in servers])
        config = StackConfig(
            tables=1, gateways=1, edges=0, dsns=dsns, timing=TIMING,
            password_cost=PasswordCost(memory_kib=64, iterations=1),
        )  # fmt: skip
        async with Stack(config) as stack:
            await open_players(stack, HERE, THERE)
            players = [Player(stack, HERE), Player(stack, THERE)]
            for player in players:
                await player.join()
            fine = await bet_in_both(players)
            assert (await players[0].phase(Phase.RESULT, fine - 1))["round"] == fine
            struck = await bet_in_both(players)
            victim = servers[0]  # table 1 lives in shard 1: its decision can still be recorded
            os.killpg(victim.process.pid, signal.SIGKILL)
            victim.process.wait()
            assert (await players[0].phase(Phase.VOIDED, struck - 1))["round"] == struck
            without = await players[1].phase(Phase.BETS_OPEN, struck)
            assert without["shards"] == [1]
            assert (await players[1].answer(players[1].bet(without)))["status"] == Status.ACCEPTED
            await restart(victim)
            async with asyncio.timeout(30):
                while (await players[1].next_open()).get("shards") != [0, 1]:
                    pass
            await bet_in_both(players)
            await stack.finish_rounds()
            assert [verified.findings for verified in await verify(stack.dsns, stack.audit_dir)] == [[]] * 4
            for dsn in dsns:
                await require_settled(dsn, struck)
    finally:
        end([(server.process, server.stop_signal) for server in servers], 10)


def make_server(folder: Path) -> EmbeddedPostgres:
    folder.mkdir()
    server = EmbeddedPostgres(folder)
    server.start()
    return server


async def make_database(server: EmbeddedPostgres) -> str:
    connection = await asyncpg.connect(server.dsn("postgres"))
    await connection.execute("CREATE DATABASE casino")
    await connection.close()
    return server.dsn("casino")


async def restart(server: EmbeddedPostgres) -> None:
    """Start a server that was killed; it refuses as long as its orphans live."""
    async with asyncio.timeout(20):
        while True:
            with suppress(OperationalError):
                return await asyncio.to_thread(server.start)


async def bet_in_both(players: list[Player]) -> int:
    """Bet once in each shard in a round that opens from now on; return the round."""
    event = await players[0].next_open()
    sent = [player.bet(event) for player in players]
    answers = [await player.answer(bet) for player, bet in zip(players, sent, strict=True)]
    assert [answer["status"] for answer in answers] == [Status.ACCEPTED] * 2
    return event["round"]


async def require_settled(dsn: str, voided: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        assert await connection.fetchval("SELECT sum(balance)::bigint FROM account") == 0
        assert await connection.fetch("SELECT FROM account WHERE id >> 56 = 2 AND balance <> 0") == []
        assert await connection.fetch("SELECT FROM betting_window WHERE NOT finished") == []
        ends = await connection.fetch("SELECT kind FROM journal WHERE round = $1 AND slot = 1", voided)
        assert {row["kind"] for row in ends} == {6}
    finally:
        await connection.close()
