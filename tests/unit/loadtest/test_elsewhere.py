"""What can and cannot be asked of a system that was started elsewhere, and how its adapter is found."""

import os
from pathlib import Path

import pytest

from loadtest.adapters.base import Target, TargetAdapter
from loadtest.adapters.loading import OURS, load_adapter
from loadtest.adapters.ours import LiveTable
from loadtest.campaign import run_campaign
from loadtest.clock import HostClock
from loadtest.config import parse_campaign
from loadtest.elsewhere import Elsewhere, foreign_bets, judged_from_outside
from loadtest.generator import locust_command, locust_environment
from reference_impl.domain.errors import ConfigError

URL = "http://127.0.0.1:1"


class OnlyPlayers(TargetAdapter):
    """A target with nothing but players."""

    def log_in(self, player: int) -> str:
        return str(player)

    def connect(self, url: str):
        raise NotImplementedError


class Unfinished(TargetAdapter):
    """Says nothing."""


def test_adapter_is_found_by_module_and_class() -> None:
    assert load_adapter(OURS) is LiveTable


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("LiveTable", "must be module:Class"),
        ("no.such:Thing", "No module named"),
        ("loadtest.adapters.ours:Nothing", "Nothing"),
        ("loadtest.adapters.ours:OurLink", "no subclass"),
        (f"{__name__}:Unfinished", "does not say how to connect or log_in"),
    ],
)
def test_adapter_that_cannot_be_used_is_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_adapter(name)
    assert "\n" not in str(caught.value)


async def test_faults_and_viewers_that_the_target_cannot_have_are_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    elsewhere = Elsewhere(Target(URL), f"{__name__}:OnlyPlayers")
    faulty = parse_campaign('name = "x"\n[[scenario.faults]]\nkind = "kill"\ntarget = "dealer"\nat_s = 1.0\n')
    with pytest.raises(ConfigError, match=f"dealer cannot be broken at {URL}"):
        await run_campaign(faulty, tmp_path, progress=False, elsewhere=elsewhere)
    watched = parse_campaign('name = "x"\n[scenario]\nedges = 1\nviewers_per_table = 1\n')
    with pytest.raises(ConfigError, match="knows no video"):
        await run_campaign(watched, tmp_path, progress=False, elsewhere=elsewhere)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - an async test may not call pathlib's


def test_checks_without_their_records_may_be_skipped_and_no_others() -> None:
    campaign = parse_campaign('name = "x"\n')
    outside = judged_from_outside(campaign, frozenset({"pushes", "messages"}))
    assert {"conservation", "timeline", "video_advances"} <= set(outside.skippable)
    assert not {"answers_agree", "events_complete", "exercised"} & set(outside.skippable)
    assert not outside.simulate
    with_ledger = judged_from_outside(campaign, frozenset({"pushes", "messages", "ledger"}))
    assert "conservation" not in with_ledger.skippable


def test_secrets_come_from_the_environment_and_reach_no_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVETABLE_ADMIN_TOKEN", "sesame")
    monkeypatch.setenv("LIVETABLE_DSN", "postgresql://a postgresql://b")
    elsewhere = Elsewhere.named(URL + "/", OURS, {"LIVETABLE_ADMIN_TOKEN": "t", "LIVETABLE_DSN": "one two"})
    assert elsewhere.target == Target(URL, "t", ("one", "two"))
    told = locust_environment(tmp_path / "load.json")
    assert not {"LIVETABLE_ADMIN_TOKEN", "LIVETABLE_DSN"} & told.keys()


def test_missing_admin_token_is_named() -> None:
    with pytest.raises(ConfigError, match="LIVETABLE_ADMIN_TOKEN"):
        LiveTable(Target(URL), HostClock()).provision(1, 100)


def test_bets_of_other_loads_are_counted(tmp_path: Path) -> None:
    rows = [("3", f"{7:016x}" + "0" * 16), ("3", f"{8:016x}" + "0" * 16), ("1", "0" * 32)]
    lines = ["kind,ref", *(f"{kind},{ref}" for kind, ref in rows)]
    (tmp_path / "ledger-0.csv").write_text("\n".join(lines))
    assert foreign_bets(tmp_path, 7) == 1


def test_page_is_served_on_loopback_and_ends_with_the_load(tmp_path: Path) -> None:
    command = locust_command(Path("l.py"), URL, tmp_path, ui_port=8123)
    assert "--headless" not in command
    assert [command[command.index(flag) + 1] for flag in ("--web-host", "--web-port")] == ["127.0.0.1", "8123"]
    assert {"--autostart", "--autoquit"} <= set(command)
