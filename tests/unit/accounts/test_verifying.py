"""The queue before the password check takes in what can be served before a client gives up, and no more."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from reference_impl.accounts.verifying import WAIT_S_MAX, VerificationQueue
from reference_impl.domain.errors import RetryableError

SECOND = 1.0


async def verified(queue: VerificationQueue, verify: Callable[[], bool]) -> bool:
    with queue.place():
        return await queue.run(verify)


async def waiting_in(queue: VerificationQueue, count: int, gate: threading.Event) -> list[asyncio.Task[bool]]:
    """Put verifications in the queue that end when the gate opens."""
    tasks = [asyncio.create_task(verified(queue, lambda: gate.wait(30))) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_as_many_wait_as_can_be_served_in_time_and_the_next_is_told_when_to_come_back() -> None:
    gate, queue = threading.Event(), VerificationQueue(SECOND, threads=2)
    room = int(WAIT_S_MAX * 2 / SECOND)
    tasks = await waiting_in(queue, room, gate)
    with pytest.raises(RetryableError, match=rf"{room} log-ins wait already, .* limit 4 s; try again in 1 s"):
        await verified(queue, lambda: True)
    gate.set()
    assert await asyncio.gather(*tasks) == [True] * room
    assert await verified(queue, lambda: True), "there is room again"


async def test_the_bound_follows_the_measured_time_of_a_verification() -> None:
    queue = VerificationQueue(WAIT_S_MAX * 100, threads=1)
    for _ in range(200):
        assert await verified(queue, lambda: True), "whoever comes alone is served, however slow it may be"
    assert queue.wait_s < WAIT_S_MAX / 100


async def test_a_verification_that_fails_leaves_the_queue() -> None:
    queue = VerificationQueue(SECOND, threads=1)

    def fail() -> bool:
        raise ValueError("wrong")

    for _ in range(50):
        with pytest.raises(ValueError, match="wrong"):
            await verified(queue, fail)
    assert queue.wait_s < SECOND, "nobody waits, and failures are quick"
