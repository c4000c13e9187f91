import json
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from loadtest import zoo
from loadtest.zoo import REPORT, Meeting, chosen, headline, resumed, run_zoo, score_of
from reference_impl.domain.errors import ConfigError
from reports.publishing import compare, publish

SEEN = Meeting.of(
    "late accept", "a.py", "no_late_bet", {"fairness": "illegal", "no_late_bet": "illegal", "x": "ok"}, 1.5
)
MISSED = Meeting.of("rounding", "b.py", "settled_once", {"settled_once": "ok"})


def test_a_bug_counts_as_caught_by_the_check_that_should() -> None:
    assert (SEEN.hit, SEEN.caught) == (True, ["no_late_bet", "fairness"])
    assert (MISSED.hit, MISSED.caught) == (False, [])
    assert headline([SEEN, MISSED]) == "bug zoo: 1 of 2 seeded bugs were caught by the check that should"


def test_the_score_is_published_for_people_and_programs(tmp_path) -> None:
    publish(REPORT, score_of([SEEN, MISSED], 2), tmp_path, "livetable zoo")
    score = json.loads((tmp_path / "score.json").read_text())
    assert (score["bugs"], score["caught"], score["meetings"][1]["caught"]) == (2, 1, [])
    text = (tmp_path / "README.md").read_text()
    assert "1 of 2 seeded bugs were caught by the check that should; 1 were noticed by others too." in text
    assert "| late accept | `a.py` | no_late_bet | fairness | 1.5 |" in text
    assert "| rounding | `b.py` | **MISSED** |" in text


def test_a_bug_that_is_not_caught_any_more_is_told(tmp_path) -> None:
    publish(REPORT, score_of([SEEN, MISSED], 2), tmp_path, "livetable zoo")
    assert "found again" in compare(REPORT, score_of([SEEN], 1), tmp_path)
    unseen = Meeting.of("late accept", "a.py", "no_late_bet", {"fairness": "illegal"})
    with pytest.raises(ConfigError, match="late accept: missed, published is caught"):
        compare(REPORT, score_of([unseen], 1), tmp_path)


def test_a_score_that_is_not_complete_says_so(tmp_path) -> None:
    publish(REPORT, score_of([SEEN], 2), tmp_path, "livetable zoo")
    assert "**1 more were not met yet.**" in (tmp_path / "README.md").read_text()


async def test_what_was_met_is_not_met_again(monkeypatch, tmp_path) -> None:
    publish(REPORT, score_of([SEEN], 2), tmp_path, "livetable zoo")
    asked: list[str] = []

    async def meetings(names: list[str]) -> AsyncIterator[Meeting]:
        asked.extend(names)
        yield MISSED

    monkeypatch.setattr(zoo, "_score", lambda: SimpleNamespace(meetings=meetings))
    assert await run_zoo(["rounding", "late accept"], lambda _: None, resumed(tmp_path)) == [MISSED, SEEN]
    assert asked == ["rounding"]


def test_a_score_of_another_commit_is_not_gone_on_with(monkeypatch, tmp_path) -> None:
    assert resumed(tmp_path) == []
    publish(REPORT, score_of([SEEN], 2), tmp_path, "livetable zoo")
    monkeypatch.setattr(zoo, "source_commit", lambda: "another")
    with pytest.raises(ConfigError, match=r"score\.json is of commit .*, this is another: run without --resume"):
        resumed(tmp_path)


def test_a_file_that_is_no_score_is_refused(tmp_path) -> None:
    (tmp_path / "score.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"score\.json is no score"):
        resumed(tmp_path)


def test_bugs_are_chosen_by_parts_of_their_names() -> None:
    names = chosen(["spoiler", "double bet"])
    assert {name.partition(":")[0] for name in names} == {"spoiler", "double bet"}
    assert len(chosen([])) > len(names)
    with pytest.raises(ConfigError, match="there is no bug 'no such bug' in the zoo"):
        chosen(["spoiler", "no such bug"])


def test_without_a_source_checkout_there_is_no_zoo(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(zoo, "TESTS", tmp_path)
    with pytest.raises(ConfigError, match="the zoo needs a source checkout"):
        chosen([])
