"""Placement: who is alive, who is chosen, who is avoided."""

from reference_impl.balancer.placer import REPORT_S_MAX, Candidates
from reference_impl.domain.balance import EdgeReport


def report(name: str, connections: int = 0) -> EdgeReport:
    return EdgeReport(name, int(name[-1]), f"http://{name}", connections, 0, 0.0, 0.0)


def candidates(*loads: int, uniform: float = 0.0) -> Candidates[EdgeReport]:
    known = Candidates[EdgeReport](lambda: uniform)
    for number, load in enumerate(loads):
        known.hear(f"edge-{number}", report(f"edge-{number}", load), 0.0)
    return known


def names(choice) -> list[str]:
    return [one.edge for one in choice.reports]


def test_nobody_is_chosen_before_the_first_report() -> None:
    assert candidates().choose("", 0.0) is None


def test_less_loaded_of_two_comes_first() -> None:
    assert names(candidates(5, 2).choose("", 0.0)) == ["edge-1", "edge-0"]


def test_others_follow_by_load() -> None:
    assert names(candidates(4, 9, 7, 1).choose("", 0.0)) == ["edge-0", "edge-3", "edge-2", "edge-1"]


def test_placements_since_the_report_count_as_load_until_the_next_one() -> None:
    known = candidates(0, 1)
    assert [known.choose("", 0.0).reports[0].edge for _ in range(4)] == ["edge-0", "edge-0", "edge-1", "edge-0"]
    known.hear("edge-1", report("edge-1", 0), 0.0)
    assert names(known.choose("", 0.0))[0] == "edge-1"


def test_silent_candidate_is_not_chosen_and_comes_back_with_its_next_report() -> None:
    known = candidates(0, 0)
    known.hear("edge-1", report("edge-1"), 1.0)
    assert names(known.choose("", REPORT_S_MAX)) == ["edge-1"]
    known.hear("edge-0", report("edge-0"), REPORT_S_MAX)
    assert len(names(known.choose("", REPORT_S_MAX))) == 2


def test_failed_one_is_avoided_unless_it_is_the_only_one() -> None:
    assert names(candidates(0, 50).choose("edge-0", 0.0)) == ["edge-1"]
    assert names(candidates(0).choose("edge-0", 0.0)) == ["edge-0"]
