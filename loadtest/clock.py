"""Three clocks and the ways between them.

Records carry CLOCK_MONOTONIC of the host; the kernel stamps arrivals with its CLOCK_REALTIME; a server names instants
by its own CLOCK_REALTIME. The two offsets are kept apart: one is read here, the other is learnt from messages.
"""

import time


def clock_pair() -> tuple[int, int]:
    """Return one instant on both clocks of this host: CLOCK_MONOTONIC ns and CLOCK_REALTIME ns."""
    before_ns = time.monotonic_ns()
    unix_ns = time.time_ns()
    return (before_ns + time.monotonic_ns()) // 2, unix_ns


class HostClock:
    """Converts this host's realtime stamps; :meth:`sample` follows steps and slews of its realtime clock."""

    def __init__(self) -> None:
        self._offset_ns = 0
        self.sample()

    def sample(self) -> None:
        """Read both clocks again."""
        monotonic_ns, unix_ns = clock_pair()
        self._offset_ns = monotonic_ns - unix_ns

    def to_monotonic(self, unix_ns: int) -> int:
        """Return an instant of this host's CLOCK_REALTIME on CLOCK_MONOTONIC; 0 stays 0."""
        return unix_ns + self._offset_ns if unix_ns else 0


class ServerClock:
    """Converts a server's instants to this host's CLOCK_MONOTONIC.

    Notes
    -----
    A message shows an offset that is too small by its own delay, so the least delayed message tells the offset best
    and the largest offset seen is kept. Drift between hosts within one campaign is neglected.
    """

    def __init__(self) -> None:
        self._ahead_ns: int | None = None
        self._trip_ns = -1

    @property
    def known(self) -> bool:
        """Whether a message told the server's time."""
        return self._ahead_ns is not None

    @property
    def error_ns(self) -> int:
        """How far off the server's clock may be taken to be: the shortest round trip so far, -1 before the first."""
        return self._trip_ns

    def ahead_of(self, host_unix_ns: int, host_monotonic_ns: int) -> int:
        """Return the server's wall clock minus this host's, given one instant on both of this host's clocks."""
        return self.to_server(host_monotonic_ns) - host_unix_ns

    def trip(self, round_trip_ns: int) -> None:
        """Learn how long asking the server and being told its time took: the error of the offset is no larger."""
        if self._trip_ns < 0 or round_trip_ns < self._trip_ns:
            self._trip_ns = round_trip_ns

    def saw(self, server_unix_ns: int, arrived_ns: int) -> None:
        """Learn from a message that names the server's present and arrived here at this instant."""
        ahead_ns = server_unix_ns - arrived_ns
        if self._ahead_ns is None or ahead_ns > self._ahead_ns:
            self._ahead_ns = ahead_ns

    def to_monotonic(self, server_unix_ns: int) -> int:
        """Return a server's instant on this host's CLOCK_MONOTONIC.

        Raises
        ------
        ValueError
            If no message was seen yet.
        """
        if self._ahead_ns is None:
            raise ValueError(f"server instant {server_unix_ns}: no message told the server's time yet")
        return server_unix_ns - self._ahead_ns

    def to_server(self, monotonic_ns: int) -> int:
        """Return an instant of this host's CLOCK_MONOTONIC on the server's wall clock; raises as the other way."""
        if self._ahead_ns is None:
            raise ValueError(f"instant {monotonic_ns}: no message told the server's time yet")
        return monotonic_ns + self._ahead_ns
