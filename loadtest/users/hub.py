"""Driving the reactor from gevent's loop: its callbacks, without a greenlet to switch to and a timer to make each time.

gevent hides the kernel's epoll from patched code, so it is fetched from where gevent keeps the originals.
"""

import math
import time

import gevent
from gevent import monkey

from loadtest.users.reactor import Reactor

STAY_S = 0.001
"""How long the loop's other greenlets may wait while one message follows another: going round the loop for each costs
as much as reading it."""

_READABLE = 1  # libev's EV_READ


class HubReactor(Reactor):
    """A reactor that the loop of the present thread's hub drives from now on."""

    def __init__(self) -> None:
        epoll = monkey.get_original("select", "epoll")()
        super().__init__(epoll)
        loop = gevent.get_hub().loop
        self._loop = loop
        self._timer = loop.timer(0.0)
        self._rings_s = math.inf
        self._readable = loop.io(epoll.fileno(), _READABLE)
        self._readable.start(self._on_loop)

    def _on_loop(self) -> None:
        """Take turns while there is traffic; then see to it that the timer rings no later than something is due."""
        leaves_s = time.monotonic() + STAY_S
        wait_s = self.turn()
        while not self.idle and time.monotonic() < leaves_s:
            wait_s = self.turn(min(wait_s, STAY_S))
        due_s = time.monotonic() + wait_s
        if due_s < self._rings_s:
            self._timer.stop()
            self._timer = self._loop.timer(max(due_s - time.monotonic(), 0.0))
            self._timer.start(self._on_ring)
            self._rings_s = due_s

    def _on_ring(self) -> None:
        self._rings_s = math.inf
        self._on_loop()
