"""Bugs seeded into a copy of the whole project are caught by a short campaign that the copy runs on itself."""

from pathlib import Path

import pytest
from zoo.bug import Bug
from zoo.system_bugs import SYSTEM_BUGS
from zoo.system_zoo import meet

from reference_impl.domain.bets import Status
from reports.checks import CHECKS
from reports.run import open_run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(180)]


@pytest.mark.parametrize("bug", SYSTEM_BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_fails_its_campaign(bug: Bug, tmp_path: Path, must_catch) -> None:
    verdict, said, _ = meet(bug, tmp_path)
    must_catch(bug, said)
    assert verdict in {"consistency", "invalid"}


def test_without_a_bug_the_campaign_finds_nothing(tmp_path: Path) -> None:
    verdict, said, run = meet(None, tmp_path)
    assert (verdict, said) == ("pass", dict.fromkeys(CHECKS, "ok"))
    statuses = open_run(run).ops["status"]
    assert (statuses == Status.WINDOW_CLOSED).any(), "no bet came late: the cut-off was not put to the test"
