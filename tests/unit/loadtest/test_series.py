"""A campaign at several loads, several times each."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest import series
from loadtest.campaign import CampaignResult
from loadtest.config import parse_campaign
from loadtest.host_load import host_sample
from reference_impl.domain.errors import ConfigError, OperationalError

CAMPAIGN = parse_campaign('name = "a"')
LOADS = [10, 20, 30]


def finish(folder: Path, reason: str = "finished") -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"exit_reason": reason}))
    return folder


@pytest.fixture
def played(monkeypatch):
    """Campaigns that take no time; the fourth fails."""
    names = []

    async def run_campaign(campaign, out):
        names.append(campaign.name)
        folder = finish(out / f"20260101T00000{len(names)}-{campaign.name}")
        return CampaignResult(folder, None if len(names) == 4 else ..., "pass", 0, "no port is free")

    monkeypatch.setattr(series, "run_campaign", run_campaign)
    return names


def test_each_repeat_has_every_load_once_in_an_order_of_its_own_and_another_plan_of_bets():
    members = series.series_of(CAMPAIGN, "players_per_table", LOADS, 4, seed=1)
    rounds = [members[at : at + 3] for at in range(0, 12, 3)]
    orders = [[member.campaign.scenario.players_per_table for member in each] for each in rounds]
    assert [sorted(order) for order in orders] == [LOADS] * 4
    assert len({tuple(order) for order in orders}) > 1
    assert [{member.campaign.scenario.seed for member in each} for each in rounds] == [{2}, {3}, {4}, {5}]
    assert members == series.series_of(CAMPAIGN, "players_per_table", LOADS, 4, seed=1)


def test_what_ran_already_is_not_run_again_but_what_was_broken_off_is(played, tmp_path):
    members = series.series_of(CAMPAIGN, "players_per_table", LOADS, 1, seed=1)
    finish(tmp_path / f"20251231T000000-{members[0].name}")
    finish(tmp_path / f"20251231T000001-{members[1].name}", "interrupted")
    folders = [folder for _, folder in series.run_series(members, tmp_path)]
    assert played == [members[1].name, members[2].name]
    assert [series.finished(tmp_path, member.name) for member in members[1:]] == folders
    assert list(series.run_series(members, tmp_path)) == []


def test_no_run_is_begun_that_would_not_end_in_time(played, tmp_path, monkeypatch):
    clock = iter([0.0, 0.0, 40.0, 40.0, 59.0, 75.0])
    monkeypatch.setattr(series, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    members = series.series_of(CAMPAIGN, "players_per_table", LOADS, 1, seed=1)
    assert len(list(series.run_series(members, tmp_path, within_s=100.0))) == 2


def test_a_run_that_fails_ends_the_series_with_one_line(played, tmp_path):
    members = series.series_of(CAMPAIGN, "players_per_table", LOADS, 2, seed=1)
    with pytest.raises(OperationalError, match=rf"{members[3].name}: no port is free; see "):
        list(series.run_series(members, tmp_path))
    assert len(played) == 4


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("players", 10, "--vary players: a scenario has no such field"),
        ("players_per_table", "many", "--vary players_per_table=many: Expected `int`, got `str`"),
    ],
)
def test_a_field_or_a_value_that_no_scenario_has_is_refused_in_one_line(field, value, said):
    with pytest.raises(ConfigError, match=said):
        series.series_of(CAMPAIGN, field, [value], 1, seed=1)


def test_the_host_is_busier_after_something_was_done():
    before = host_sample()
    while host_sample()[1] - before[1] < 20_000_000:
        sum(range(100_000))
    after = host_sample()
    assert after[0] > before[0]
    assert after[2] >= before[2]
