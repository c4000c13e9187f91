"""One loop for all players' sockets of a worker: it reads what arrived and lets each player do what is due.

A greenlet a player costs a switch, a timer and a watcher for every message. Here the kernel says which of thousands of
sockets have something (epoll), and one loop serves them in turn. What is *due* goes first, again after every few reads:
an answer that waits in the kernel bears its arrival stamp and loses nothing by waiting, a bet that waits is late.

Whoever is served must never block: links receive with timeout 0 and send without waiting.
"""

import heapq
import os
import select
import threading
import time
from collections import deque
from typing import Protocol

from reference_impl.domain.units import NS_PER_S

READS_A_TURN = 32
"""Sockets that are read before what has become due is looked at again."""

NEVER_NS = 1 << 63
IDLE_S_MAX = 1.0
WAIT_S_MIN = 1e-6


class Guest(Protocol):
    """Whoever has a socket and a schedule."""

    def fileno(self) -> int:
        """Return the socket's descriptor."""

    @property
    def listening(self) -> bool:
        """Whether it reads what arrives; it is asked after each step."""

    def step(self, now_ns: int, *, readable: bool) -> int | None:
        """Take what arrived if there is something, do what is due; return when there is more to do, None at the end."""


class _Place:
    """A guest, when it is to be woken, when the agenda first comes to it, and how its stay ended."""

    __slots__ = ("error", "fd", "guest", "listening", "over", "rings_ns", "wake_ns")

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.fd = guest.fileno()
        self.wake_ns = 0
        self.rings_ns = NEVER_NS
        self.listening = True
        self.over = threading.Event()
        self.error: BaseException | None = None


class Reactor:
    """Serves guests, a turn at a time.

    Whoever drives it calls :meth:`turn` when ``epoll`` is readable or the time that the last turn named has passed;
    :meth:`run` does so where there is no event loop. Whether the last turn found nothing to read, ``idle`` tells.

    Parameters
    ----------
    epoll : select.epoll
        The kernel's list of sockets.
    """

    def __init__(self, epoll: "select.epoll") -> None:
        self._epoll = epoll
        self._doorbell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._doorbell, select.EPOLLIN)
        self._coming: deque[_Place] = deque()
        self._places: dict[int, _Place] = {}
        self._agenda: list[tuple[int, int, _Place]] = []
        self._entries = 0
        self._closed = False
        self.idle = True

    def attend(self, guest: Guest) -> None:
        """Have a guest served; return when it says that it is over, or raise what it raised."""
        place = _Place(guest)
        self._coming.append(place)
        os.eventfd_write(self._doorbell, 1)
        place.over.wait()
        if place.error is not None:
            raise place.error

    def turn(self, wait_s: float = 0.0) -> float:
        """Do what is due, then read a few sockets, then do again what is due; return the seconds to the next due.

        Parameters
        ----------
        wait_s : float
            How long to wait for something to arrive. The kernel counts whole milliseconds.
        """
        self._serve_due()
        readable = self._epoll.poll(wait_s, READS_A_TURN)
        self.idle = not readable
        for fd, _ in readable:
            if (place := self._places.get(fd)) is not None:
                self._serve(place, readable=True)
            elif fd == self._doorbell:
                os.eventfd_read(fd)
                self._admit()
        self._serve_due()
        if not self._agenda:
            return IDLE_S_MAX
        return min(max((self._agenda[0][0] - time.monotonic_ns()) / NS_PER_S, WAIT_S_MIN), IDLE_S_MAX)

    def run(self) -> None:
        """Serve until closed, in a thread of its own."""
        wait_s = 0.0
        while not self._closed:
            wait_s = self.turn(wait_s)
        self._epoll.close()
        os.close(self._doorbell)

    def close(self) -> None:
        """End :meth:`run`; guests that are still there stay where they are."""
        self._closed = True
        os.eventfd_write(self._doorbell, 1)

    def _admit(self) -> None:
        while self._coming:
            place = self._coming.popleft()
            self._places[place.fd] = place
            self._epoll.register(place.fd, select.EPOLLIN)
            self._serve(place, readable=True)

    def _serve_due(self) -> None:
        now_ns = time.monotonic_ns()
        agenda = self._agenda
        while agenda and agenda[0][0] <= now_ns:
            rings_ns, _, place = heapq.heappop(agenda)
            if place.rings_ns != rings_ns:  # it was called earlier meanwhile
                continue
            place.rings_ns = NEVER_NS
            if place.wake_ns <= now_ns:
                self._serve(place, readable=False)
            else:  # it was put off meanwhile
                self._call(place)

    def _serve(self, place: _Place, *, readable: bool) -> None:
        try:
            wake_ns = place.guest.step(time.monotonic_ns(), readable=readable)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever attends, and is raised there
            place.error, wake_ns = error, None
        if wake_ns is None:
            self._leave(place)
            return
        if place.listening != place.guest.listening:
            place.listening = place.guest.listening
            self._epoll.modify(place.fd, select.EPOLLIN if place.listening else 0)
        place.wake_ns = wake_ns
        if wake_ns < place.rings_ns:
            self._call(place)

    def _call(self, place: _Place) -> None:
        """Put a guest on the agenda. Whoever is put off later stays there, and is put off when its time comes."""
        place.rings_ns = place.wake_ns
        self._entries += 1
        heapq.heappush(self._agenda, (place.rings_ns, self._entries, place))

    def _leave(self, place: _Place) -> None:
        self._epoll.unregister(place.fd)
        del self._places[place.fd]
        place.rings_ns = NEVER_NS
        place.over.set()
