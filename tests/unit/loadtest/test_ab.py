"""Two campaigns in turn."""

from pathlib import Path

import pytest

from loadtest import ab
from loadtest.campaign import CampaignResult
from loadtest.config import parse_campaign
from reference_impl.domain.errors import OperationalError

A, B = (parse_campaign(f'name = "{name}"') for name in ("a", "b"))


@pytest.fixture
def played(monkeypatch):
    """Campaigns that take no time; their names in the order in which they ran. The fifth ends with an error."""
    names = []

    async def run_campaign(campaign, out):
        names.append(campaign.name)
        verdict = "error" if len(names) == 5 else "pass"
        return CampaignResult(out / f"{len(names)}-{campaign.name}", None, verdict, 0, "no port is free")

    monkeypatch.setattr(ab, "run_campaign", run_campaign)
    return names


def test_campaigns_run_in_turn_and_each_is_first_as_often_as_the_other(played):
    first, second = ab.run_in_turn(A, B, 2, Path("runs"))
    assert played == ["a", "b", "b", "a"]
    assert [path.name for path in first] == ["1-a", "4-a"]
    assert [path.name for path in second] == ["2-b", "3-b"]


def test_a_campaign_that_fails_ends_it_with_one_line(played):
    with pytest.raises(OperationalError, match=r"turn 3, a: no port is free; see runs/5-a"):
        ab.run_in_turn(A, B, 3, Path("runs"))
    assert len(played) == 5
