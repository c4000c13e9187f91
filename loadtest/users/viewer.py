"""A viewer's life: log in, be sent to an edge, watch there, change the edge when it fails, leave."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.adapters.base import EdgePlacement, TargetAdapter, TokenRefusedError
from loadtest.users.player import TRIES_MAX, backoff_s
from loadtest.users.screening import EdgeLostError, Screening, Watching
from reference_impl.domain.errors import OperationalError, RetryableError
from reference_impl.domain.records import FetchKind, Switch
from reference_impl.domain.units import NS_PER_S

RETURN_S_MAX = 0.2


@dataclass
class Viewer:
    """One viewer, watching.

    Parameters
    ----------
    watching : Watching
        What the viewer keeps over edges.
    adapter : TargetAdapter
        How the target is reached.
    arrives_ns : int
        When the viewer comes.
    sleep : callable
        Waits for so many seconds.
    """

    watching: Watching
    adapter: TargetAdapter
    arrives_ns: int
    sleep: Callable[[float], None] = time.sleep
    _token: str = ""

    def run(self) -> None:
        """Live from arrival to leaving."""
        self._sleep_until(self.arrives_ns)
        avoid = ""
        while (placement := self._find_edge(avoid)) is not None:
            try:
                Screening(self.watching, placement, self.sleep).run()
            except EdgeLostError as error:
                self.watching.report(FetchKind.PLAYLIST, 0.0, f"{placement.edge}: {error}")
                self.watching.switched = Switch.EDGE
                avoid = placement.edge
                self.sleep(random.random() * RETURN_S_MAX)  # a dead edge sends all its viewers off at once

    def _find_edge(self, avoid: str) -> EdgePlacement | None:
        """Log in if need be and ask for an edge, until there is one or it is time to leave."""
        arrival = self.watching.arrival
        for attempt in range(1, TRIES_MAX + 1):
            if time.monotonic_ns() >= self.watching.leaves_ns:
                return None
            try:
                self._token = self._token or self.adapter.log_in(arrival.player)
                return self.adapter.place_viewer(self._token, arrival.table, avoid)
            except TokenRefusedError:
                self._token = ""
            except RetryableError:
                self.sleep(backoff_s(attempt, random.random()))
            except OperationalError as error:
                self.watching.report(FetchKind.MASTER, 0.0, f"viewer {arrival.player}: {error}")
                return None
        return None

    def _sleep_until(self, at_ns: int) -> None:
        while (left_ns := at_ns - time.monotonic_ns()) > 0:
            self.sleep(left_ns / NS_PER_S)
