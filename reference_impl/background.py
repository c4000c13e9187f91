"""Work that a service runs beside what it is doing: held until it is done, its failures told."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)


class Background:
    """Tasks that nobody awaits.

    Parameters
    ----------
    name : str
        Whose work it is, for the log.
    failed : callable, optional
        Told of each failure; otherwise failures are logged.
    """

    def __init__(self, name: str, failed: Callable[[BaseException], None] | None = None) -> None:
        self._name = name
        self._failed = failed or self.complain
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start something; the event loop alone would not keep it from being collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def cancel(self) -> None:
        """Cancel whatever still runs."""
        for task in self._tasks:
            task.cancel()

    def complain(self, error: BaseException) -> None:
        """Log a failure."""
        log.error("%s: %s: %s", self._name, type(error).__name__, error)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failed(error)
