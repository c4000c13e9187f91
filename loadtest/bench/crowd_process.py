"""A process of :mod:`loadtest.bench.clients`: started, told, listened to."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import msgspec

from loadtest.bench.clients import BetLeg, BetsDone, Leg, PushesDone, PushLeg, Sockets
from reference_impl.domain.errors import OperationalError

ANSWER_S_MAX = 60.0

T = TypeVar("T")


class CrowdProcess:
    """Sockets in a process of their own; an async context manager.

    Parameters
    ----------
    sockets : Sockets
        Where to connect.
    """

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.bench.clients",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            self._tell(self._sockets)
            await self._hear(dict)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    async def bet(self, leg: BetLeg, cost: Callable[[], float]) -> tuple[BetsDone, float]:
        """Carry a leg of bets out; return its figures, and what `cost` grew by within the measured time."""
        return await self._measured(leg, BetsDone, cost)

    async def watch(
        self, leg: PushLeg, cost: Callable[[], float], push: Callable[[], Awaitable[None]]
    ) -> tuple[PushesDone, float]:
        """Watch what `push` sends; return when it arrived, and what `cost` grew by meanwhile."""
        return await self._measured(leg, PushesDone, cost, push)

    async def _measured(
        self, leg: Leg, kind: type[T], cost: Callable[[], float], push: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[T, float]:
        self._tell(leg)
        await self._hear(dict)
        before = cost()
        if push is not None:
            await push()
        await self._hear(dict)
        grown = cost() - before
        return await self._hear(kind), grown

    def _tell(self, what: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(msgspec.json.encode(what) + b"\n")

    async def _hear(self, kind: type[T]) -> T:
        line = b""
        if self._process.stdout is not None:
            async with asyncio.timeout(ANSWER_S_MAX):
                line = await self._process.stdout.readline()
        if not line or b'"failed"' in line:
            said: Any = msgspec.json.decode(line)["failed"] if line else "it ended"
            raise OperationalError(f"the bench's clients: {said}")
        return msgspec.json.decode(line, type=kind)
