"""Spoilt frames: what is no message closes its socket, and only what is a bet to the letter is taken."""

import json
import random
import re
import time
from typing import Any

import pytest
from picows import WSMsgType

from reference_impl.bets.batching import PENDING_BETS_MAX
from reference_impl.bets.bet_metrics import BetMetrics
from reference_impl.bets.gateway import Gateway, GatewayConfig
from reference_impl.bets.player import Player
from reference_impl.domain.bets import TableLimits
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import AMOUNT_MINOR_MAX, CloseCode
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.domain.tickets import Ticket
from reference_impl.domain.units import NS_PER_S

LIMITS = TableLimits(10, 5_000, 37)
TEMPLATES = (
    b'{"t":"bet","id":"%032x","table":1,"round":7,"window":0,"selection":17,"amount_minor":250}',
    b'{"t":"ping","sent_ns":%d}',
    b'{"t":"hello","ticket":"%d","seq":3}',
    b'{"t":"lobby","watch":false,"x":%d}',
)
TOKENS = (
    b'"',
    b"}",
    b"{",
    b"[",
    b",",
    b":",
    b"-",
    b"1e9",
    b"null",
    b"true",
    b'"t":"bet",',
    b"\xff",
    b"\x00",
    b"9" * 30,
)
BET_FIELDS = {"t", "id", "table", "round", "window", "selection", "amount_minor"}


class Wire:
    """The far end of a socket: keeps the code of a close."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    def send_close(self, code: int, _reason: bytes) -> None:
        self.codes.append(code)

    def disconnect(self, _graceful: bool = True) -> None:
        pass


class Frame:
    """A whole text frame."""

    msg_type, fin = WSMsgType.TEXT, True

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def get_payload_as_memoryview(self) -> memoryview:
        return memoryview(self._payload)


def spoil(chance: random.Random, frame: bytes) -> bytes:
    """Change, cut or insert somewhere, up to four times."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(frame) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            frame = frame[:at] + bytes((chance.randrange(256),)) + frame[at + 1 :]
        elif kind == 1:
            frame = frame[:at] + chance.choice(TOKENS) + frame[at:]
        elif kind == 2:
            frame = frame[:at] + frame[at + chance.randint(1, 12) :]
        else:
            digit = chance.choice(b"0123456789")
            frame = re.sub(rb"\d(?=[,}])", bytes((digit,)), frame, count=1)
    return frame


def whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def is_a_bet(payload: bytes) -> bool:
    """Judge by the protocol's document, not by its decoder: a bet that this table takes."""
    try:
        said = json.loads(payload.decode())
    except ValueError:
        return False
    return (
        isinstance(said, dict) and said.keys() == BET_FIELDS and said["t"] == "bet"
        and isinstance(said["id"], str) and re.fullmatch("[0-9a-f]{32}", said["id"]) is not None
        and whole(said["table"], 1, 1) and whole(said["round"], 0, 1 << 62) and whole(said["window"], 0, 100)
        and whole(said["selection"], 0, LIMITS.n_selections - 1)
        and whole(said["amount_minor"], LIMITS.stake_minor_min, min(LIMITS.stake_minor_max, AMOUNT_MINOR_MAX))
    )  # fmt: skip


@pytest.mark.parametrize("frames", [10_000, pytest.param(100_000, marks=pytest.mark.soak)])
async def test_spoilt_frames_have_no_effect(frames: int) -> None:
    gateway = Gateway(GatewayConfig("gateway-0", 0, 0, 1, 1, {1: LIMITS}, b"", ()), None, print, BetMetrics())
    now_ns = time.time_ns()
    event = TableEvent(1, 7, 0, Phase.BETS_OPEN, now_ns, now_ns, now_ns + 3600 * NS_PER_S, (0,))
    gateway._states[1] = TableEnvelope(1, 1, 1, event)
    ticket = Ticket(1, 1, "gateway-0", "session", now_ns, now_ns // NS_PER_S + 30, "nonce")
    chance, wire, bets, refused = random.Random(11), Wire(), 0, 0
    for number in range(frames):
        payload = spoil(chance, chance.choice(TEMPLATES) % chance.getrandbits(60))
        player = Player(gateway)
        player._transport, player.ticket = wire, ticket
        player.on_ws_frame(wire, Frame(payload))
        closed, due = player._transport is None, is_a_bet(payload)
        bets += due
        refused += closed
        assert len(gateway._senders[0]) == bets, f"frame {number}: {payload!r}"
        assert not (closed and due), f"frame {number} is a bet and closed its socket: {payload!r}"
    assert set(wire.codes) == {CloseCode.MALFORMED, CloseCode.BAD_TICKET}
    assert frames // 1_000 < bets < PENDING_BETS_MAX
    assert refused > frames * 3 // 4
