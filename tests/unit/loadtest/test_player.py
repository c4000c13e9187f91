"""A player's way in and back, against a target that refuses, fails and hangs up by script."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.adapters.base import Arrived, Placement, ShownResult, TokenRefusedError
from loadtest.clock import ServerClock
from loadtest.operations import Operation
from loadtest.recorder import Recorder
from loadtest.users.bettor import PlayerScript
from loadtest.users.player import TRIES_MAX, Player
from loadtest.users.reactor import Reactor
from loadtest.users.websocket import ConnectionLostError
from reference_impl.domain.errors import OperationalError, RetryableError
from reference_impl.domain.protocol import GoAway, Welcome
from reference_impl.domain.records import OPS, PUSHES, SESSIONS, STAGES, OpKind, Outcome, PushKind
from reference_impl.domain.units import NS_PER_S
from reports.convert import operations, read_records
from sim.scenario import Arrival, Scenario


class Link:
    """A link that ends after its welcome, with this close code, stays silent (None), or sends the player on (0)."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        self.near, self.far = socket.socketpair()
        if code == 0:
            self.far.send(b"!")
        elif code is not None:
            self.far.close()

    def fileno(self) -> int:
        return self.near.fileno()

    def greet(self, ticket: str, timeout_s: float) -> tuple[Welcome, list[Arrived]]:
        welcome = Welcome(1, 0, 100, 1, 978, time.time_ns(), None)
        return welcome, [Arrived(welcome, 0, time.monotonic_ns())]

    def send_bet(self, op: Operation) -> None:
        raise AssertionError("no table event, no bet")

    def receive(self, timeout_s: float) -> list[Arrived]:
        if self.code == 0 and self.near.recv(1):
            self.code = None
            away = GoAway("gateway-2", 2, "ws://nowhere/", "ticket", 5, "load")
            return [Arrived(away, 0, time.monotonic_ns())]
        if self.code is not None:
            raise ConnectionLostError(self.code)
        return []

    def close(self) -> None:
        self.near.close()
        self.far.close()


class Target:
    """Answers from lists, one entry a call; the last entry stays."""

    def __init__(self, log_in: list[str | Exception], place: list[str | Exception], close: list[int | None]) -> None:
        self.scripts = {"log_in": log_in, "place": place, "close": close}
        self.avoided: list[str] = []
        self.looks = 0
        self.links: list[Link] = []

    def _next(self, what: str) -> object:
        script = self.scripts[what]
        value = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(value, Exception):
            raise value
        return value

    def lobby(self) -> list[ShownResult]:
        self.looks += 1
        return [ShownResult(1, 55, 17), ShownResult(2, 66, 0)][: self.looks]

    def log_in(self, player: int) -> str:
        return str(self._next("log_in"))

    def place(self, token: str, table: int, avoid: str) -> Placement:
        self.avoided.append(avoid)
        return Placement(str(self._next("place")), 1, "ws://nowhere/", "ticket")

    def connect(self, url: str) -> Link:
        self.links.append(Link(self._next("close")))  # type: ignore[arg-type]
        return self.links[-1]


class Restless(PlayerScript):
    """Looks at the lobby twice, then leaves what arrives unread."""

    def lobby_looks(self, now_ns: int) -> list[int]:
        return [now_ns, now_ns + 1]

    def deaf_until_ns(self, now_ns: int) -> int:
        return now_ns + NS_PER_S


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    served = Reactor(select.epoll())
    thread = threading.Thread(target=served.run)
    thread.start()
    yield served
    served.close()
    thread.join()


@pytest.fixture
def play(tmp_path: Path, reactor: Reactor) -> Callable[..., tuple[list[tuple[OpKind, int, Outcome]], list[int]]]:
    def run(
        target: Target, script_of: type[PlayerScript] = PlayerScript
    ) -> tuple[list[tuple[OpKind, int, Outcome]], list[int]]:
        recorder = Recorder(tmp_path, 0)
        end_ns = time.monotonic_ns() + NS_PER_S // 5
        script = script_of(Arrival(1, 1, 0.0), Scenario(), 5, ServerClock(), end_ns, 0.0, 0.0)
        player = Player(
            script, target, recorder, time.monotonic_ns(), end_ns, lambda *_: None, reactor, sleep=lambda _: None
        )  # fmt: skip
        player.run()
        recorder.close()
        table = operations(read_records(tmp_path, OPS), read_records(tmp_path, STAGES)).sort_values("op")
        done = [
            (OpKind(kind), int(attempts), Outcome(outcome))
            for kind, attempts, outcome in zip(table["kind"], table["attempts"], table["outcome"], strict=True)
        ]
        return done, read_records(tmp_path, SESSIONS)["close_code"].tolist()

    return run


def test_player_logs_in_connects_stays_and_says_goodbye(play) -> None:
    done, codes = play(Target(["token"], ["gateway-0"], [None]))
    assert done == [(OpKind.LOGIN, 1, Outcome.OK), (OpKind.CONNECT, 1, Outcome.OK)]
    assert codes == [1000]


def test_player_looks_at_the_lobby_first_and_reads_nothing_while_deaf(play) -> None:
    target = Target(["token"], ["gateway-0"], [1006])
    done, codes = play(target, Restless)
    assert [kind for kind, _, _ in done] == [OpKind.LOGIN, OpKind.LOBBY, OpKind.LOBBY, OpKind.CONNECT]
    assert target.looks == 2
    assert codes == [1000], "the broken link was never read"


def test_each_result_that_the_lobby_shows_is_recorded_when_it_is_first_seen(play, tmp_path) -> None:
    started_ns = time.monotonic_ns()
    play(Target(["token"], ["gateway-0"], [None]), Restless)
    rows = read_records(tmp_path, PUSHES)
    lobby = rows[rows["kind"] == int(PushKind.LOBBY)]
    assert lobby[["session", "table", "round", "outcome"]].tolist() == [(1, 1, 55, 17), (1, 2, 66, 0)]
    assert (lobby["app_ns"] >= started_ns).all()


def test_failure_that_may_pass_is_tried_again_as_the_same_operation(play) -> None:
    target = Target(
        [RetryableError("503"), "token"], [RetryableError("503"), RetryableError("503"), "gateway-0"], [None]
    )
    done, _ = play(target)
    assert done == [(OpKind.LOGIN, 2, Outcome.OK), (OpKind.CONNECT, 3, Outcome.OK)]


def test_refused_log_in_ends_the_player(play) -> None:
    done, codes = play(Target([TokenRefusedError("401")], ["gateway-0"], [None]))
    assert (done, codes) == ([(OpKind.LOGIN, 1, Outcome.REJECTED)], [])


def test_refused_token_is_renewed_on_the_way_to_a_connection(play) -> None:
    done, _ = play(Target(["old", "new"], [TokenRefusedError("401"), "gateway-0"], [None]))
    assert done == [
        (OpKind.LOGIN, 1, Outcome.OK),
        (OpKind.CONNECT, 2, Outcome.OK),
        (OpKind.LOGIN, 1, Outcome.OK),
    ]


def test_player_returns_after_a_broken_connection_and_avoids_the_gateway_that_failed(play) -> None:
    target = Target(["token"], ["gateway-1", "gateway-0"], [1006, None])
    done, codes = play(target)
    assert [kind for kind, _, _ in done] == [OpKind.LOGIN, OpKind.CONNECT, OpKind.CONNECT]
    assert codes == [1006, 1000]
    assert target.avoided == ["", "gateway-1"]


def test_player_who_is_sent_on_is_there_before_leaving_and_asks_nobody_for_a_placement(play, tmp_path) -> None:
    target = Target(["token"], ["gateway-1"], [0, None])
    done, codes = play(target)
    assert done[1:] == [(OpKind.CONNECT, 1, Outcome.OK), (OpKind.CONNECT, 1, Outcome.OK)]
    assert (codes, target.avoided) == ([1000, 1000], [""])
    first, second = read_records(tmp_path, SESSIONS)[["opened_ns", "closed_ns", "gateway"]].tolist()
    assert (first[2], second[2]) == (1, 2)


def test_player_who_cannot_be_moved_stays(play) -> None:
    done, codes = play(Target(["token"], ["gateway-1"], [0, OSError("refused")]))
    assert [outcome for kind, _, outcome in done if kind is OpKind.CONNECT] == [Outcome.OK, Outcome.REJECTED]
    assert codes == [1000]


def test_tries_are_bounded_and_what_never_succeeded_stays_unknown(play) -> None:
    done, _ = play(Target(["token"], [RetryableError("503")], [None]))
    kind, attempts, outcome = done[1]
    assert (kind, outcome) == (OpKind.CONNECT, Outcome.UNKNOWN)
    assert attempts <= TRIES_MAX


def test_placement_refused_for_good_ends_the_player(play) -> None:
    done, _ = play(Target(["token"], [OperationalError("HTTP 400")], [None]))
    assert done[1] == (OpKind.CONNECT, 1, Outcome.REJECTED)
