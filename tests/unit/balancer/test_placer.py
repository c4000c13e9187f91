"""Placement: who is alive, who is chosen, who is avoided."""

import msgspec

from reference_impl.balancer.places import Choice, Places, edges
from reference_impl.domain.balance_messages import EdgeReport, Stand
from reference_impl.domain.balancing.policies import Wish, policy_of
from reference_impl.domain.balancing.signals import REPORT_S_MAX
from reference_impl.domain.units import NS_PER_S

FORECAST = policy_of("forecast")
WISH = Wish(1, 1, 0.0, 0.0)


def report(name: str, connections: int = 0, stand: Stand = Stand.SERVING) -> EdgeReport:
    return EdgeReport(name, int(name[-1]), f"http://{name}", connections, 0, 0.0, 0.0, stand)


def places(*loads: int) -> Places[EdgeReport]:
    known = edges()
    for number, load in enumerate(loads):
        known.hear(f"edge-{number}", report(f"edge-{number}", load), 0.0)
    return known


def choose(known: Places[EdgeReport], avoid: str = "", now_s: float = 0.0) -> Choice[EdgeReport] | None:
    return known.choose(FORECAST, WISH, 7, avoid, round(now_s * NS_PER_S))


def names(choice: Choice[EdgeReport] | None) -> list[str]:
    assert choice is not None
    return [one.edge for one in choice.reports]


def test_nobody_is_chosen_before_the_first_report() -> None:
    assert choose(places()) is None


def test_less_loaded_of_two_comes_first() -> None:
    assert names(choose(places(5, 2))) == ["edge-1", "edge-0"]


def test_others_follow_by_load() -> None:
    assert names(choose(places(4, 9, 7, 1))) == ["edge-0", "edge-3", "edge-2", "edge-1"]


def test_placements_since_the_report_count_as_load_until_the_next_one() -> None:
    known = places(0, 1)
    assert [names(choose(known))[0] for _ in range(4)] == ["edge-0", "edge-0", "edge-1", "edge-0"]


def test_silent_place_is_not_chosen_and_comes_back_with_its_next_report() -> None:
    known = places(0, 0)
    known.hear("edge-1", report("edge-1"), 1.0)
    assert names(choose(known, now_s=REPORT_S_MAX)) == ["edge-1"]
    known.hear("edge-0", report("edge-0"), REPORT_S_MAX)
    assert len(names(choose(known, now_s=REPORT_S_MAX))) == 2


def test_failed_one_is_avoided_unless_it_is_the_only_one() -> None:
    assert names(choose(places(0, 50), "edge-0")) == ["edge-1"]
    assert names(choose(places(0), "edge-0")) == ["edge-0"]


def test_who_drains_is_not_chosen_and_who_is_gone_is_forgotten() -> None:
    known = places(0, 50)
    known.hear("edge-0", report("edge-0", 0, Stand.DRAINING), 0.5)
    assert names(choose(known, now_s=0.5)) == ["edge-1"]
    known.hear("edge-0", report("edge-0", 0, Stand.GONE), 0.6)
    assert "edge-0" not in known.alive(0.6)


def test_a_reports_p99_of_own_work_counts_for_a_policy_that_looks_at_latency() -> None:
    known = places(10, 10)
    slow = msgspec.structs.replace(report("edge-0", 10), p99_ms=40.0)
    quick = msgspec.structs.replace(report("edge-1", 10), p99_ms=2.0)
    for second in range(1, 4):
        known.hear("edge-0", slow, float(second))
        known.hear("edge-1", quick, float(second))
    choice = known.choose(policy_of("peak-ewma"), WISH, 7, "", 3 * NS_PER_S)
    assert names(choice)[0] == "edge-1"
