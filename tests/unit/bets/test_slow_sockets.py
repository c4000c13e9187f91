"""Who does not read is told so and let go; what waits for it is bounded, and nobody else notices."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from picows import ws_create_server

from loadtest.users.websocket import FrameDecoder, Opcode
from reference_impl.bets import player as module
from reference_impl.bets.bet_metrics import BetMetrics
from reference_impl.bets.frames import frame_of
from reference_impl.bets.gateway import Gateway, GatewayConfig
from reference_impl.bets.player import WRITE_BYTES_MAX, Player
from reference_impl.domain.protocol import CloseCode, Problem
from reference_impl.domain.units import KIB

FRAME = frame_of(Problem("x" * 16 * KIB))
PUSHES_MAX = 2_000
SEND_BYTES = 32 * KIB
"""What the kernel may keep for a socket, so that the gateway's own bound is reached soon."""


@asynccontextmanager
async def seated() -> AsyncIterator[tuple[Player, socket.socket]]:
    """A player's socket at a gateway without a bus, and the player's end of it, which is read by hand."""
    gateway = Gateway(GatewayConfig("gateway-0", 0, 0, 1, 1, {}, b"", ()), None, print, BetMetrics())
    players = []

    def accept(request):
        players.append(gateway._accept(request))
        return players[-1]

    server = await ws_create_server(accept, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    with socket.socket() as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * KIB)
        mine.setblocking(False)
        await loop.sock_connect(mine, server.sockets[0].getsockname())
        request = (
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await loop.sock_sendall(mine, request.encode())
        assert (await loop.sock_recv(mine, KIB)).startswith(b"HTTP/1.1 101")
        theirs = players[0]._transport.underlying_transport
        theirs.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        try:
            yield players[0], mine
        finally:
            server.close()


async def fill(player: Player) -> int:
    """Push until the gateway gives the socket up; return the most that waited in the gateway."""
    waiting = player._transport.underlying_transport.get_write_buffer_size
    most = 0
    for _ in range(PUSHES_MAX):
        player.push(FRAME)
        most = max(most, waiting())
        if player._transport is None:
            return most
    pytest.fail(f"{PUSHES_MAX} frames of {len(FRAME)} bytes were taken for a socket that reads nothing")


async def test_who_does_not_read_is_closed_with_the_reason_after_what_was_sent_before() -> None:
    async with seated() as (player, mine):
        most = await fill(player)
        assert most <= WRITE_BYTES_MAX + len(FRAME) + 150
        decoder, frames = FrameDecoder(), []
        while data := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(mine, 64 * KIB), 5):
            frames += decoder.feed(data)
        *before, last = frames
        assert {frame.payload for frame in before} == {FRAME[4:]}
        assert last.opcode is Opcode.CLOSE
        assert struct.unpack("!H", last.payload[:2]) == (CloseCode.SLOW_CONSUMER,)
        assert f"{WRITE_BYTES_MAX} bytes".encode() in last.payload


async def test_who_does_not_read_even_the_farewell_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAREWELL_S_MAX", 0.05)
    async with seated() as (player, _):
        transport = player._transport
        await fill(player)
        await asyncio.wait_for(transport.wait_disconnected(), 2)


async def test_who_catches_up_stays() -> None:
    async with seated() as (player, mine):
        sent = 0
        while player.push != player._refuse:
            player.push(FRAME)
            sent += len(FRAME)
        while sent:
            sent -= len(await asyncio.wait_for(asyncio.get_running_loop().sock_recv(mine, 64 * KIB), 5))
        await asyncio.sleep(0.01)
        player.push(FRAME)
        assert player._transport is not None
