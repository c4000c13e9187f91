"""The benches' clients: every bet is counted once, wherever reads end; pushes are stamped by the kernel."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from loadtest.bench.clients import BetLeg, Client, PushLeg, Sockets
from loadtest.bench.crowd_process import CrowdProcess
from loadtest.bench.listening import listening
from reference_impl.bets.frames import frame_of
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.protocol import Hello, Problem
from reference_impl.stack.processes import free_port

SOCKETS = 8
LEG = BetLeg(
    outstanding=0, bets_per_s=0.0, warm_s=0.2, measure_s=0.5, table=1, round=1, selections=37, nonce="0123456789abcdef"
)


@pytest_asyncio.fixture
async def house() -> AsyncIterator[int]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "loadtest.bench.house", str(port))
    try:
        await listening(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


def crowd(port: int, *, stamped: bool = False) -> CrowdProcess:
    hellos = [msgspec.json.encode(Hello(str(player))).decode() for player in range(1, SOCKETS + 1)]
    return CrowdProcess(Sockets([f"ws://127.0.0.1:{port}/"] * SOCKETS, hellos, stamped))


async def test_bets_are_offered_as_told_and_counted_once(house: int) -> None:
    spent = iter((1.0, 3.5, 10.0, 10.0))
    async with crowd(house) as players:
        done, cost = await players.bet(msgspec.structs.replace(LEG, bets_per_s=400.0), lambda: next(spent))
        assert cost == 2.5
        assert (done.rejected, done.unanswered) == (0, 0)
        assert 200 < done.accepted_per_s < 600
        assert 0 < done.p50_ms <= done.p99_ms
        kept, _ = await players.bet(
            msgspec.structs.replace(LEG, outstanding=16, nonce="fedcba9876543210"), lambda: next(spent)
        )
        assert kept.accepted_per_s > done.accepted_per_s
        assert 0 < kept.cpu_share <= 1.1


async def test_marked_pushes_are_stamped_on_every_socket(house: int) -> None:
    async with crowd(house, stamped=True) as players:
        from_ns = time.time_ns()
        done, _ = await players.watch(PushLeg('"t":"table"', 2, 10.0), lambda: 0.0, lambda: asyncio.sleep(0))
        assert done.missing == 0
        assert len(done.last_unix_ns) == 2
        assert from_ns <= done.median_unix_ns[0] <= done.last_unix_ns[0] <= done.last_unix_ns[1] <= time.time_ns()


async def test_nobody_there_is_one_clear_line() -> None:
    with pytest.raises(OperationalError, match=r"the bench's clients: .*refused"):
        async with crowd(free_port()):
            pass


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_messages_are_whole_wherever_a_read_ends(cut: int) -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        client = object.__new__(Client)
        client.rest, client.sock = b"", mine
        stream = frame_of(Problem("a")) + b"\x89\x02hi" + frame_of(Problem("b" * 200))
        found = client.messages(stream[:cut]) + client.messages(stream[cut:])
        assert [msgspec.json.decode(message, type=Problem).message for message in found] == ["a", "b" * 200]
        assert client.rest == b""
        assert theirs.recv(64) == b"\x8a\x82\0\0\0\0hi"
