import json

import pytest

from loadtest import zoo
from loadtest.zoo import Meeting, headline, page, publish, run_zoo
from reference_impl.domain.errors import ConfigError

SEEN = Meeting.of(
    "late accept", "a.py", "no_late_bet", {"fairness": "illegal", "no_late_bet": "illegal", "x": "ok"}, 1.5
)
MISSED = Meeting.of("rounding", "b.py", "settled_once", {"settled_once": "ok"})


def test_a_bug_counts_as_caught_by_the_check_that_should() -> None:
    assert (SEEN.hit, SEEN.caught) == (True, ["no_late_bet", "fairness"])
    assert (MISSED.hit, MISSED.caught) == (False, [])
    assert headline([SEEN, MISSED]) == "bug zoo: 1 of 2 seeded bugs were caught by the check that should"


def test_the_score_is_published_for_people_and_programs(tmp_path) -> None:
    publish([SEEN, MISSED], tmp_path, "livetable zoo")
    score = json.loads((tmp_path / "score.json").read_text())
    assert (score["bugs"], score["caught"], score["meetings"][1]["caught"]) == (2, 1, [])
    text = (tmp_path / "README.md").read_text()
    assert text == page([SEEN, MISSED], "livetable zoo")
    assert "| rounding | `b.py` | **MISSED** |" in text


async def test_an_unknown_bug_is_refused_with_what_was_asked() -> None:
    with pytest.raises(ConfigError, match="there is no bug 'no such bug' in the zoo"):
        await run_zoo("no such bug", print)


async def test_without_a_source_checkout_there_is_no_zoo(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(zoo, "TESTS", tmp_path)
    with pytest.raises(ConfigError, match="the zoo needs a source checkout"):
        await run_zoo("", print)
