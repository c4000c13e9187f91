"""Whether pressure moves before anyone feels it: the balancer on the real system, at a size that one machine bears.

In each leg people bet at a table on three gateways, placed by the API. Then something happens:

``hot``       one gateway is held up ever longer (SIGSTOP and SIGCONT, ten times a second)
``pile-up``   half of the people, until then at another table, come to this one within a few seconds
``flash``     as many people again come within two seconds, all of them through one gateway's door
``rolling``   every gateway is drained in turn and starts anew
``slow-edge`` one edge is held up like the hot gateway

A ``hot`` leg is played with ours and with the peer in turn (placement by two choices, nobody is ever moved), and once
with each other policy and with an oracle: it knows which gateway will be slow, and sends everybody away as that begins.
In time means that the first player was told to move before the hot gateway's p99 had doubled, by either measure of
:mod:`loadtest.bench.felt`; both are told.
"""

import asyncio
import dataclasses
import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from loadtest.adapters.base import Placement, Target
from loadtest.adapters.ours import LiveTable
from loadtest.bench.bettors import Answered, Bettor
from loadtest.bench.felt import doubled_at, felt_at, p99_of
from loadtest.bench.result import Result, summarise
from loadtest.clock import HostClock
from loadtest.progress import Progress
from reference_impl import bus
from reference_impl.domain.balance_messages import OPERATOR_EPOCH, Drain, GatewayReport, MoveAway
from reference_impl.domain.balancing.policies import Balancing, PolicyName
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.stack import Stack
from reports.balancing import ORACLE, OURS, PEER

GATEWAYS = 3
PEOPLE = 90
GAP_S = 0.5
BEFORE_S = 8.0
ROUND_S = 4.0
"""Each leg strikes at another moment of the round: people are moved between rounds only."""
RAMP_S = 24.0
PERIOD_S = 0.1
HELD_S_MAX = 0.085
OTHERS = (ORACLE, "random", "least-loaded", "peak-ewma", "bounded-ring")
DRAIN_S_MAX = 10.0
BACK_S_MAX = 20.0
SYSTEM = StackConfig(
    tables=1, gateways=GATEWAYS, shards=1, edges=0, balancers=1,
    password_cost=dataclasses.replace(StackConfig().password_cost, memory_kib=64, iterations=1),
    timing=Timing(window_ms=2500, closing_soon_ms=500, dealing_ms=300, pause_ms=700),
)  # fmt: skip


class Leg(NamedTuple):
    """A leg: all answers, when it struck, the people, and what else it found."""

    answered: list[Answered]
    struck_s: float
    people: list[Bettor]
    found: dict[str, Any]


class Evening:
    """A system with people at it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.answered: list[Answered] = []
        self.people: list[Bettor] = []
        self._adapter = LiveTable(Target(stack.api_url, stack.admin_token), HostClock())
        self._playing: list[asyncio.Task[None]] = []

    async def provision(self, people: int) -> None:
        """Open everybody's account."""
        await asyncio.to_thread(self._adapter.provision, people, 10**9)

    async def come(self, count: int, avoid: str = "", table: int = 1) -> None:
        """Let people come to a table, placed by the API."""
        numbers = range(len(self.people) + 1, len(self.people) + count + 1)
        places = await asyncio.gather(*(asyncio.to_thread(self._place, number, table, avoid) for number in numbers))
        for place in places:
            person = Bettor(table, GAP_S, self.answered)
            await person.join(place)
            self.people.append(person)
            self._playing.append(asyncio.create_task(person.play()))

    def _place(self, number: int, table: int, avoid: str) -> Placement:
        return self._adapter.place(self._adapter.log_in(number), table, avoid)

    def leave(self, people: Sequence[Bettor]) -> None:
        """Let people leave; they count no more."""
        for person in people:
            self._playing[self.people.index(person)].cancel()
            person.leave()
            person.gateway = ""

    @property
    def connections(self) -> Counter[str]:
        """Where everybody is."""
        return Counter(person.gateway for person in self.people if person.gateway)

    @property
    def max_mean(self) -> float:
        """The fullest gateway's people over the mean."""
        here = self.connections
        return round(max(here.values()) * GATEWAYS / here.total(), 3)

    async def go(self) -> int:
        """Let everybody stop betting, and leave; return how many bets were never answered."""
        for task in self._playing:
            task.cancel()
        await asyncio.sleep(3.0)
        for person in self.people:
            person.leave()
        return sum(len(person.sent) for person in self.people)


@asynccontextmanager
async def _evening(config: StackConfig, people: int) -> AsyncIterator[Evening]:
    async with Stack(config) as stack:
        evening = Evening(stack)
        await evening.provision(2 * PEOPLE)
        await evening.come(people)
        await asyncio.sleep(BEFORE_S + random.uniform(0.0, ROUND_S))
        yield evening


async def hold_up(pid: int, seconds: float) -> None:
    """Stop and continue a process ten times a second, ever longer, until it stands still most of the time."""
    began_s = time.monotonic()
    try:
        while (past_s := time.monotonic() - began_s) < seconds:
            held_s = HELD_S_MAX * past_s / seconds
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(held_s)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(PERIOD_S - held_s)
    finally:
        os.kill(pid, signal.SIGCONT)


async def _hot(policy: str) -> Leg:
    """Hold a gateway up; only ours is balanced, and only an oracle is told."""
    placing = PEER if policy == ORACLE else policy  # an oracle's knowledge is in what it moves
    config = msgspec.structs.replace(SYSTEM, balancing=Balancing(policy=PolicyName(placing)))
    balanced = policy == OURS
    async with _evening(config, PEOPLE) as evening:
        if not balanced:
            os.kill(evening.stack.pid("balancer-0"), signal.SIGSTOP)
        hot = f"gateway-{random.randrange(GATEWAYS)}"
        before = evening.connections[hot]
        struck_s = time.monotonic()
        if policy == ORACLE:
            await _empty(evening, hot, before)
        await hold_up(evening.stack.pid(hot), RAMP_S)
        told_s = [at_s for person in evening.people for at_s, by in person.told if at_s >= struck_s and by == hot]
        after = evening.connections[hot]
        if not balanced:
            os.kill(evening.stack.pid("balancer-0"), signal.SIGCONT)
        lost = await evening.go()
        doubled_s, felt_s = (at(evening.answered, hot, struck_s) for at in (doubled_at, felt_at))
        first_s = min(told_s) - struck_s if told_s else None
        found = {
            "hot": hot, "players_before": before, "players_after": after, "told": len(told_s),
            "first_told_s": first_s, "p99_doubled_s": doubled_s, "felt_s": felt_s, "unanswered": lost,
            "before_doubled": first_s is not None and (doubled_s is None or first_s < doubled_s),
            "before_felt": first_s is not None and (felt_s is None or first_s < felt_s),
            "p99_ms_before": p99_of(evening.answered, 0.0, struck_s),
            "p99_ms": p99_of(evening.answered, struck_s, time.monotonic()),
            "twice": sum(len(person.told) > 1 for person in evening.people),
        }  # fmt: skip
        return Leg(evening.answered, struck_s, evening.people, found)


async def _empty(evening: Evening, gateway: str, people: int) -> None:
    """Send everybody of a gateway to the others, as an operator may."""
    client = await bus.connect(evening.stack.nats_url, "bench")
    reports: dict[str, GatewayReport] = {}
    heard = await client.subscribe("report.gateway")
    while len(reports) < GATEWAYS:
        report = msgspec.msgpack.decode((await heard.next_msg(BACK_S_MAX)).data, type=GatewayReport)
        reports[report.gateway] = report
    to = [(name, one.number, one.url, people // 2 + 1) for name, one in reports.items() if name != gateway]
    order = msgspec.msgpack.encode(MoveAway(OPERATOR_EPOCH, 0, people, to, "bench"))
    await client.request(f"balance.order.{gateway}", order, timeout=5)
    await client.close()


async def _flash() -> Leg:
    async with _evening(SYSTEM, PEOPLE // 2) as evening:
        struck_s = time.monotonic()
        await evening.come(PEOPLE, avoid="gateway-0")
        return await _crowded(evening, struck_s)


async def _pile_up() -> Leg:
    async with _evening(msgspec.structs.replace(SYSTEM, tables=2), PEOPLE // 2) as evening:
        await evening.come(PEOPLE // 2, table=2)
        struck_s = time.monotonic()
        evening.leave(evening.people[PEOPLE // 2 :])
        await evening.come(PEOPLE // 2)
        return await _crowded(evening, struck_s)


async def _crowded(evening: Evening, struck_s: float) -> Leg:
    """Return what becomes of a crowd that has just come."""
    at_once = evening.max_mean
    await asyncio.sleep(RAMP_S)
    after = evening.max_mean
    lost = await evening.go()
    found = {
        "max_mean_at_once": at_once, "max_mean_after": after, "unanswered": lost,
        "p99_ms_before": p99_of(evening.answered, 0.0, struck_s),
        "p99_ms": p99_of(evening.answered, struck_s, time.monotonic()),
    }  # fmt: skip
    return Leg(evening.answered, struck_s, evening.people, found)


async def _rolling() -> Leg:
    async with _evening(SYSTEM, PEOPLE) as evening:
        client = await bus.connect(evening.stack.nats_url, "bench")
        struck_s = time.monotonic()
        order = msgspec.msgpack.encode(Drain(OPERATOR_EPOCH, DRAIN_S_MAX, "bench"))
        took_s = []
        for number in range(GATEWAYS):
            name, began_s = f"gateway-{number}", time.monotonic()
            pid = evening.stack.pid(name)
            await client.request(f"balance.order.{name}", order, timeout=5)
            await _until_back(evening.stack, name, pid)
            took_s.append(round(time.monotonic() - began_s, 1))
        over_s = time.monotonic()
        await client.close()
        usual_ms = p99_of(evening.answered, 0.0, struck_s)
        lost = await evening.go()
        found = {
            "took_s": took_s, "unanswered": lost, "p99_ms_before": usual_ms,
            "p99_ms": p99_of(evening.answered, struck_s, over_s),
            "refused": sum(person.refused for person in evening.people),
            "died": sum(event.what == "died" for event in evening.stack.events),
        }  # fmt: skip
        return Leg(evening.answered, struck_s, evening.people, found)


async def _until_back(stack: Stack, name: str, pid: int) -> None:
    until_s = time.monotonic() + DRAIN_S_MAX + BACK_S_MAX
    while time.monotonic() < until_s:
        ready = [event for event in stack.events if event.node == name and event.what == "ready"]
        if len(ready) > 1 and stack.runs(name) and stack.pid(name) != pid:
            return
        await asyncio.sleep(0.05)


async def _slow_edge() -> Leg:
    config = msgspec.structs.replace(
        SYSTEM, edges=2, video=msgspec.structs.replace(SYSTEM.video, ladder=SYSTEM.video.ladder[:1])
    )
    async with _evening(config, GATEWAYS) as evening:
        struck_s = time.monotonic()
        await hold_up(evening.stack.pid("edge-0"), RAMP_S)
        os.kill(evening.stack.pid("edge-0"), signal.SIGSTOP)
        stopped_s = time.monotonic()
        await asyncio.sleep(6.0)
        os.kill(evening.stack.pid("edge-0"), signal.SIGCONT)
        told_s = sorted(at_s for person in evening.people for at_s in person.steered_s)
        await evening.go()
        found = {
            "left_after_silence_s": next((round(at_s - stopped_s, 2) for at_s in told_s if at_s > stopped_s), None),
            "steered_before_s": next((round(at_s - struck_s, 1) for at_s in told_s if at_s <= stopped_s), None),
        }  # fmt: skip
        return Leg(evening.answered, struck_s, evening.people, found)


SINGLE: dict[str, Callable[[], Awaitable[Leg]]] = {
    "pile-up": _pile_up, "flash": _flash, "rolling": _rolling, "slow-edge": _slow_edge,
}  # fmt: skip


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench: `n` pairs of hot legs, one with each other policy, and one of each other kind."""
    ours: list[dict[str, Any]] = []
    peer: list[dict[str, Any]] = []
    for turn in range(n):
        for name, legs in ((OURS, ours), (PEER, peer)):
            legs.append((await _hot(name)).found)
            progress.say(f"hot {turn + 1}/{n}, {name}: {legs[-1]}")
    detail: dict[str, Any] = {
        "hot": ours,
        "hot_left_alone": peer,
        **{name: sum(leg[name] for leg in ours) for name in ("before_doubled", "before_felt")},
    }
    for name in OTHERS:
        detail[f"hot, {name}"] = (await _hot(name)).found
        progress.say(f"hot, {name}: {detail[f'hot, {name}']}")
    for name, leg in SINGLE.items():
        detail[name] = (await leg()).found
        progress.say(f"{name}: {detail[name]}")
    detail["told_before_doubled_s"] = statistics.median(leg["first_told_s"] or RAMP_S for leg in ours)
    return summarise(
        "pressure", "p99 ms of bets while a gateway slows down", [leg["p99_ms"] for leg in ours],
        [leg["p99_ms"] for leg in peer], "power of two choices, nobody moved", detail, lower_is_better=True,
    )  # fmt: skip
