"""The queue before the password check: nobody is let in who could not be served before giving up.

A verification takes its time on purpose, and one processor does one at a time. So whoever comes waits for
``queued x seconds / processors``; if that is longer than a client waits for an answer, letting it in would only waste
the processor on answers that nobody reads, and everybody behind it would wait for those too. How long a verification
takes is measured while they run, so the bound follows the cost of the passwords and what else the machine does.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from reference_impl.domain.errors import RetryableError

WAIT_S_MAX: Final = 4.0
"""Longest time between asking and being verified: a client gives up after 5 s, and the rest of a log-in takes some."""

RECENT_SHARE: Final = 0.1
"""Weight of the last verification in the measured time of one."""


class VerificationQueue:
    """Verifies in as many threads as there are processors.

    Parameters
    ----------
    seconds : float
        What one verification takes, as far as is known before the first.
    threads : int
        How many run at a time.
    """

    def __init__(self, seconds: float, threads: int = os.cpu_count() or 1) -> None:
        self._seconds = seconds
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "verify")
        self._waiting = 0

    @property
    def wait_s(self) -> float:
        """How long whoever comes now would wait, its own verification included."""
        return (self._waiting + 1) * self._seconds / self._threads

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue, for one verification and what belongs to it.

        Raises
        ------
        RetryableError
            If its turn would come later than :data:`WAIT_S_MAX`: at once, with when to try again.
        """
        if (wait_s := self.wait_s) > WAIT_S_MAX and self._waiting:
            raise RetryableError(
                f"{self._waiting} log-ins wait already, the next would take {wait_s:.1f} s, limit {WAIT_S_MAX:g} s; "
                f"try again in {math.ceil(wait_s - WAIT_S_MAX)} s"
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def run(self, verify: Callable[[], bool]) -> bool:
        """Return what a verification says, when its turn has come; its place is held."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._timed, verify)

    def _timed(self, verify: Callable[[], bool]) -> bool:
        start_s = time.perf_counter()
        try:
            return verify()
        finally:
            self._seconds += RECENT_SHARE * (time.perf_counter() - start_s - self._seconds)
