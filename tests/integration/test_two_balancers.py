"""Two balancers on a real NATS: one balances, the other takes over, and they never fight."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from nats.aio.client import Client

from reference_impl import bus
from reference_impl.balancer.lease import LEASE_S, RENEW_S, Lease, open_bucket
from reference_impl.balancer.placer import Placer
from reference_impl.balancer.reports import Reports
from reference_impl.domain.balance_messages import BalanceMap
from reference_impl.stack.embedded import EmbeddedNats
from reference_impl.stack.processes import end

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROCESS = Path(__file__).parent.parent / "balancer_process.py"
TAKE_OVER_S_MAX = LEASE_S + 3 * RENEW_S + 1.5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    nats = EmbeddedNats(tmp_path_factory.mktemp("nats"))
    nats.start()
    yield nats
    end([(nats.process, nats.stop_signal)], 5)


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: EmbeddedNats) -> AsyncIterator[Client]:
    connected = await bus.connect(server.url, "test")
    yield connected
    await connected.jetstream().delete_key_value("BALANCE")
    await connected.close()


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_lease_is_renewed_by_its_holder_and_taken_when_it_has_run_out(client: Client) -> None:
    bucket, clock = await open_bucket(client), Clock()
    first, second = (Lease(client, name, clock) for name in ("first", "second"))
    await first.turn(bucket)
    for _ in range(10):
        clock.now_s += RENEW_S
        await second.turn(bucket)
        await first.turn(bucket)
        assert (first.held, second.held) == (True, False)
    clock.now_s += LEASE_S - 0.1
    assert not first.held, "it stops before anybody may take over"
    await second.turn(bucket)
    assert not second.held
    clock.now_s += RENEW_S
    await second.turn(bucket)
    assert not second.held, "it saw the last renewal only half a lease ago"
    clock.now_s += LEASE_S
    await second.turn(bucket)
    assert second.held
    assert second.epoch > first.epoch or not first.epoch
    await first.turn(bucket)
    assert not first.held


async def test_of_two_who_take_a_lease_at_once_one_gets_it(client: Client) -> None:
    bucket, clock = await open_bucket(client), Clock()
    leases = [Lease(client, f"balancer-{n}", clock) for n in range(5)]
    for _ in range(3):
        await asyncio.gather(*(lease.turn(bucket) for lease in leases))
        assert [lease.held for lease in leases].count(True) == 1
    clock.now_s += LEASE_S
    epochs = set()
    for _ in range(3):  # who reads before another writes notes that first, and tries a turn later
        clock.now_s += LEASE_S + 0.1
        await asyncio.gather(*(lease.turn(bucket) for lease in leases))
        assert [lease.held for lease in leases].count(True) <= 1
        epochs |= {lease.epoch for lease in leases}
    assert max(epochs) > 1


async def started(server: EmbeddedNats, name: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, str(PROCESS), server.url, name, stdout=PIPE)


async def said(process: Process, what: str) -> str:
    assert process.stdout is not None
    while True:
        line = (await asyncio.wait_for(process.stdout.readline(), TAKE_OVER_S_MAX + 5)).decode().strip()
        assert line, "it ended"
        if line.startswith(what):
            return line


@pytest.mark.soak
async def test_a_leader_that_is_stopped_is_succeeded_and_when_it_wakes_nobody_hears_it(
    server: EmbeddedNats, client: Client
) -> None:
    maps: list[BalanceMap] = []
    succeeded = asyncio.Event()
    placer = Placer(client, Reports(client), lambda: 0.0, lambda *_: None)

    async def hear(msg) -> None:
        known = msgspec.msgpack.decode(msg.data, type=BalanceMap)
        maps.append(known)
        placer.take(known)
        if known.leader == "other":
            succeeded.set()

    await client.subscribe("balance.map", cb=hear)
    one = await started(server, "one")
    first_epoch = int((await said(one, "holds")).split()[1])
    other = await started(server, "other")
    try:
        os.kill(one.pid, signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        stopped_s = loop.time()
        epoch = int((await said(other, "holds")).split()[1])
        assert epoch > first_epoch
        assert loop.time() - stopped_s <= TAKE_OVER_S_MAX
        await asyncio.wait_for(succeeded.wait(), 3)
        os.kill(one.pid, signal.SIGCONT)
        await said(one, "waits")
        await asyncio.sleep(1.2)
        after = maps[next(n for n, known in enumerate(maps) if known.leader == "other") :]
        assert {known.leader for known in after} == {"other"}, "who slept says nothing when it wakes"
        placer.take(BalanceMap(first_epoch, 10**6, "one", 0))
        assert placer.map is not None
        assert placer.map.leader == "other", "and were it to, nobody would heed it"
        other.kill()
        assert int((await said(one, "holds")).split()[1]) > epoch
    finally:
        for process in (one, other):
            if process.returncode is None:
                process.kill()
            await process.wait()
