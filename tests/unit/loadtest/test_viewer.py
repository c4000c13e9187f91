"""A viewer's way to an edge and from one to the other, with edges that fail by script."""

import time
from pathlib import Path

import pytest

from loadtest.adapters.base import EdgePlacement, TokenRefusedError
from loadtest.clock import HostClock
from loadtest.recorder import Recorder
from loadtest.users.screening import EdgeLostError, Watching
from loadtest.users.viewer import Viewer
from reference_impl.domain.errors import OperationalError, RetryableError
from reference_impl.domain.records import Switch
from reference_impl.domain.units import NS_PER_S
from sim.scenario import Arrival, Viewing

LIFE_NS = NS_PER_S // 5


class Target:
    """Answers placements from a list, one entry a call; the last entry stays."""

    def __init__(self, *places: str | Exception) -> None:
        self.places = list(places)
        self.tokens: list[str] = []
        self.avoided: list[str] = []

    def log_in(self, player: int) -> str:
        self.tokens.append(f"token-{len(self.tokens)}")
        return self.tokens[-1]

    def place_viewer(self, token: str, table: int, avoid: str) -> EdgePlacement:
        self.avoided.append(avoid)
        place = self.places.pop(0) if len(self.places) > 1 else self.places[0]
        if isinstance(place, Exception):
            raise place
        return EdgePlacement(place, int(place[-1]), "http://127.0.0.1:9", f"/{token}/live/{table}")


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(target: Target, dying: set[str]) -> tuple[list[tuple[str, Switch]], list[str]]:
        seen: list[tuple[str, Switch]] = []
        problems: list[str] = []
        recorder = Recorder(tmp_path, 0)
        now_ns = time.monotonic_ns()

        class Screening:
            def __init__(self, watching: Watching, placement: EdgePlacement, sleep: object) -> None:
                self.watching, self.placement = watching, placement

            def run(self) -> None:
                seen.append((self.placement.edge, self.watching.switched))
                if self.placement.edge in dying:
                    raise EdgeLostError("gone")
                time.sleep(LIFE_NS / NS_PER_S)

        monkeypatch.setattr("loadtest.users.viewer.Screening", Screening)
        watching = Watching(
            Arrival(1, 1, 0.0), Viewing(), recorder, HostClock(), now_ns + LIFE_NS,
            lambda kind, ms, problem: problems.append(problem),
        )  # fmt: skip
        Viewer(watching, target, now_ns, sleep=lambda _: None).run()
        recorder.close()
        return seen, problems

    return run


def test_viewer_of_a_lost_edge_avoids_it_and_remembers_the_change(watch) -> None:
    target = Target("edge-0", "edge-1")
    seen, problems = watch(target, {"edge-0"})
    assert seen == [("edge-0", Switch.NONE), ("edge-1", Switch.EDGE)]
    assert target.avoided == ["", "edge-0"]
    assert problems == ["edge-0: gone"]
    assert len(target.tokens) == 1


def test_failure_that_may_pass_is_tried_again(watch) -> None:
    seen, problems = watch(Target(RetryableError("503"), RetryableError("503"), "edge-0"), set())
    assert [edge for edge, _ in seen] == ["edge-0"]
    assert problems == []


def test_refused_token_is_renewed(watch) -> None:
    target = Target(TokenRefusedError("401"), "edge-0")
    watch(target, set())
    assert target.tokens == ["token-0", "token-1"]


def test_target_without_video_sends_the_viewer_home_with_one_line(watch) -> None:
    seen, problems = watch(Target(OperationalError("no video")), set())
    assert seen == []
    assert problems == ["viewer 1: no video"]
