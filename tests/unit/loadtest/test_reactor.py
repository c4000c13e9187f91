"""The reactor serves many guests from one loop: what is due before what has arrived."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from loadtest.users.reactor import READS_A_TURN, Reactor
from reference_impl.domain.units import NS_PER_MS, NS_PER_S


class Guest:
    """Reads its socket, notes each step, and leaves after a text that says so."""

    def __init__(self, wakes_ms: list[int] | None = None) -> None:
        self.mine, self.yours = socket.socketpair()
        self.mine.setblocking(False)
        self.start_ns = time.monotonic_ns()
        self.agenda = [self.start_ns + ms * NS_PER_MS for ms in wakes_ms or []]
        self.heard: list[bytes] = []
        self.woken_late_ns: list[int] = []
        self.listening = True
        self.steps = 0

    @property
    def told_to_go(self) -> bool:
        return any(text.endswith(b"go") for text in self.heard)

    def close(self) -> None:
        self.mine.close()
        self.yours.close()

    def fileno(self) -> int:
        return self.mine.fileno()

    def step(self, now_ns: int, *, readable: bool) -> int | None:
        self.steps += 1
        if readable and self.listening:
            with contextlib.suppress(BlockingIOError):
                self.heard.append(self.mine.recv(100))
        if b"fail" in self.heard:
            raise ValueError("told to fail")
        if self.told_to_go:
            return None
        while self.agenda and self.agenda[0] <= now_ns:
            self.woken_late_ns.append(now_ns - self.agenda.pop(0))
        return self.agenda[0] if self.agenda else now_ns + NS_PER_S


@pytest.fixture
def guest_of() -> Iterator[Callable[..., Guest]]:
    guests: list[Guest] = []

    def make(*arguments: list[int]) -> Guest:
        guests.append(Guest(*arguments))
        return guests[-1]

    yield make
    for guest in guests:
        guest.close()


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    served = Reactor(select.epoll())
    thread = threading.Thread(target=served.run)
    thread.start()
    yield served
    served.close()
    thread.join()


def test_guest_is_served_until_it_says_that_it_is_over(reactor: Reactor, guest_of) -> None:
    guest = guest_of()
    guest.yours.send(b"go")
    reactor.attend(guest)
    assert guest.heard == [b"go"]


def test_guest_is_woken_when_it_asked_to_be(reactor: Reactor, guest_of) -> None:
    guest = guest_of([10, 20, 20, 30])
    threading.Timer(0.06, guest.yours.send, [b"go"]).start()
    reactor.attend(guest)
    assert len(guest.woken_late_ns) == 4
    assert max(guest.woken_late_ns) < 200 * NS_PER_MS


def test_guest_that_puts_off_or_brings_forward_its_waking_is_woken_once_when_it_said_last(guest_of) -> None:
    reactor = Reactor(select.epoll())
    guest = guest_of([200, 260])
    threading.Thread(target=reactor.attend, args=[guest], daemon=True).start()
    while not guest.steps:
        reactor.turn()
    for agenda_ms in ([400], [50], [80]):  # later, earlier, later than the last
        guest.agenda = [guest.start_ns + ms * NS_PER_MS for ms in agenda_ms]
        guest.yours.send(b"news")
        while b"news" not in guest.heard:
            reactor.turn()
        guest.heard.clear()
    steps = guest.steps
    while not guest.woken_late_ns:
        reactor.turn(0.005)
    assert guest.steps == steps + 1, "nothing but its waking"
    assert time.monotonic_ns() >= guest.start_ns + 80 * NS_PER_MS


def test_what_a_guest_raises_reaches_whoever_attends_it_and_nobody_else(reactor: Reactor, guest_of) -> None:
    steady, failing = guest_of(), guest_of()
    failing.yours.send(b"fail")
    with ThreadPoolExecutor(1) as pool:
        staying = pool.submit(reactor.attend, steady)
        with pytest.raises(ValueError, match="told to fail"):
            reactor.attend(failing)
        steady.yours.send(b"go")
        staying.result(timeout=5)


def test_guest_that_does_not_listen_is_left_alone_until_it_is_due(reactor: Reactor, guest_of) -> None:
    guest = guest_of([1, 60])
    guest.listening = False
    guest.yours.send(b"go")
    steps = []

    def listen() -> None:
        steps.append(guest.steps)
        guest.listening = True

    threading.Timer(0.04, listen).start()
    reactor.attend(guest)
    assert steps[0] <= 4, "a deaf guest must not keep the loop busy"
    assert guest.heard == [b"go"]


def test_what_is_due_does_not_wait_for_all_that_has_arrived(guest_of) -> None:
    reactor = Reactor(select.epoll())
    crowd = [guest_of() for _ in range(4 * READS_A_TURN)]
    punctual = guest_of()
    for guest in (*crowd, punctual):
        threading.Thread(target=reactor.attend, args=[guest], daemon=True).start()
    while punctual.steps == 0 or not all(guest.steps for guest in crowd):
        reactor.turn()
    for guest in crowd:
        guest.yours.send(b"news")
    punctual.agenda = [time.monotonic_ns() + 10 * NS_PER_MS]
    punctual.yours.send(b"wake me then")
    while punctual.heard != [b"wake me then"]:
        reactor.turn()
    read_before = sum(bool(guest.heard) for guest in crowd)
    time.sleep(0.011)
    reactor.turn()
    assert punctual.woken_late_ns
    assert sum(bool(guest.heard) for guest in crowd) <= read_before + READS_A_TURN
    for guest in (*crowd, punctual):
        guest.yours.send(b"go")
    while not all(guest.told_to_go for guest in (*crowd, punctual)):
        reactor.turn()
