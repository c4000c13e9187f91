"""Until when a running gateway takes a bet: by policy, and by the round trip that it measured itself."""

import asyncio
import time
from typing import Any

import pytest
from picows import WSFrame, WSMsgType, WSTransport, ws_connect
from table_client import Player, Socket, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.bets import Status
from reference_impl.domain.cutoff import ClosePolicy
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack

AWAY_S = 0.45
GRACE_MS = 800
POLICIES = (ClosePolicy.SERVER, ClosePolicy.GRACE, ClosePolicy.EQUAL)
TIMINGS = tuple(
    Timing(
        window_ms=2500, closing_soon_ms=1000, dealing_ms=200, pause_ms=200, close_policy=policy, grace_ms_max=GRACE_MS
    )
    for policy in POLICIES
)
CASES = [
    # table, when after the announced close, near is taken, far is taken
    (1, -0.2, True, True), (1, 0.2, False, False),
    (2, -0.2, True, True), (2, 0.2, False, True), (2, 0.65, False, False),
    (3, -0.6, False, True), (3, -0.15, False, False),
]  # fmt: skip


class FarSocket(Socket):
    """Answers pings late, as somebody far away does, or somebody who would like to seem so."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.PING:
            answer = frame.get_payload_as_bytes()
            asyncio.get_running_loop().call_later(AWAY_S, transport.send_pong, answer)
            return
        super().on_ws_frame(transport, frame)


class FarPlayer(Player):
    async def join(self, avoid: str = "") -> dict[str, Any]:
        await self.log_in()
        place = await self.placement(avoid)
        _, self.socket = await ws_connect(FarSocket, place["url"], enable_auto_pong=False)
        self.socket.send({"t": "hello", "ticket": place["ticket"]})
        return await self.socket.until(lambda m: m["t"] == "welcome")


async def status_of(player: Player, after_close_s: float) -> Status:
    await player.next_open()  # by the end of this round the trip has been measured
    opened = await player.next_open()
    await asyncio.sleep(opened["closes_at_unix_ns"] / 1e9 + after_close_s - time.time())
    return Status((await player.answer(player.bet(opened)))["status"])


@pytest.mark.soak
async def test_gateways_take_bets_as_the_policy_of_the_table_says() -> None:
    cost = PasswordCost(memory_kib=64, iterations=1)
    config = StackConfig(tables=3, gateways=1, shards=1, edges=0, timings=TIMINGS, password_cost=cost)
    async with Stack(config) as stack:
        await open_players(stack, *range(1, 2 * len(CASES) + 1))
        near = [Player(stack, 2 * n + 1, table) for n, (table, *_) in enumerate(CASES)]
        far = [FarPlayer(stack, 2 * n + 2, table) for n, (table, *_) in enumerate(CASES)]
        for player in (*near, *far):
            await player.join()
        answers = await asyncio.gather(
            *(status_of(player, at_s) for player, (_, at_s, _, _) in zip((*near, *far), CASES * 2, strict=True))
        )
    expected = [taken for *_, taken, _ in CASES] + [taken for *_, taken in CASES]
    assert [answer is Status.ACCEPTED for answer in answers] == expected
    assert set(answers) == {Status.ACCEPTED, Status.WINDOW_CLOSED}
