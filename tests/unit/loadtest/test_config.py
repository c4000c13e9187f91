"""A bad campaign file is refused in one line that names key, value and limit."""

from pathlib import Path

import pytest

from loadtest.config import CAMPAIGNS, SCHEMA, load_campaign, parse_campaign, schema_text
from reference_impl.domain.errors import ConfigError
from reference_impl.stack.config import filmed_as
from sim.processes import Replay
from sim.scenario import Ladder, Scenario, arrivals, people, viewer_arrivals

NAMED = 'name = "x"\n'
CROWD = NAMED + "[[scenario.crowds]]\ncount=1\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "missing required field `name`"),
        ("name = ", "not valid TOML"),
        ('name = "a/b"', "name = 'a/b': must be"),
        (
            NAMED + 'expect = ["late-refusd"]',
            "expect[0] = 'late-refusd': there is no such path, did you mean 'late-refused'?",
        ),
        (NAMED + "sceanrio = 1", "unknown key 'sceanrio', did you mean 'scenario'?"),
        (NAMED + "[scenario.bettting]", "unknown key 'scenario.bettting', did you mean 'betting'?"),
        (
            NAMED + "[scenario.timing]\nwindow_s = 1",
            "unknown key 'scenario.timing.window_s', did you mean 'window_ms'?",
        ),
        (
            NAMED + "[scenario.betting.timing]\nlate_shar = 1",
            "unknown key 'scenario.betting.timing.late_shar', did you mean 'late_share'?",
        ),
        (
            NAMED + "[[scenario.surges]]\ntable=1\nat_s=1\nwithin_s=1\nfactor=2\nfaktor=3",
            "unknown key 'scenario.surges[0].faktor', did you mean 'factor'?",
        ),
        (NAMED + "[scenario]\ntables = 0", "scenario.tables = 0: expected `int` >= 1"),
        (NAMED + '[scenario]\ntables = "2"', "scenario.tables = '2': expected `int`, got `str`"),
        (NAMED + "[scenario.timing]\nwindow_ms = 1.5", "scenario.timing.window_ms = 1.5: expected `int`"),
        (NAMED + "[scenario.timing]\nwindow_ms = 0", "scenario.timing.window_ms = 0: must lie between 1 and 600000"),
        (NAMED + "[scenario.timing]\npause_ms = -1", "scenario.timing.pause_ms = -1: must lie between 0"),
        (
            NAMED + "[scenario.timing]\nwindow_ms = 2000",
            "scenario.timing.closing_soon_ms = 3000: must not exceed window_ms = 2000",
        ),
        (NAMED + "[scenario]\nload_s = 1.0", "scenario.ramp_s = 5: must not exceed load_s = 1"),
        (
            NAMED + "[scenario.betting]\nstake_minor_min = 5000",
            "scenario.betting.stake_minor_max = 2000: must lie between stake_minor_min = 5000",
        ),
        (
            NAMED + "[scenario.betting.timing]\nlate_share = 0.9",
            "scenario.betting.timing.late_share = 0.9: repeat_share and late_share add up to 1.15, limit 1",
        ),
        (
            NAMED + "[scenario.betting.timing]\nlate_mean_s = 0.0",
            "scenario.betting.timing.late_mean_s = 0: must be greater than 0",
        ),
        (
            NAMED + "[[scenario.surges]]\ntable=3\nat_s=1\nwithin_s=1\nfactor=2",
            "scenario.surges[0].table = 3: there are only tables 1 to 2",
        ),
        (
            NAMED + '[[scenario.faults]]\nkind="kill"\ntarget="gateway-2"\nat_s=1',
            "scenario.faults[0].target = 'gateway-2': there is no such process",
        ),
        (
            NAMED + '[[scenario.faults]]\nkind="kill"\ntarget="edge-0"\nat_s=1',
            "scenario.faults[0].target = 'edge-0': there is no such process",
        ),
        (
            NAMED + '[scenario]\nedges=2\n[[scenario.faults]]\nkind="kill"\ntarget="studio-3"\nat_s=1',
            "dealer, services, studio-1, studio-2, origin, edge-0, edge-1",
        ),
        (
            NAMED + "[scenario]\nviewers_per_table = 5",
            "scenario.viewers_per_table = 5: without edges there is no video to watch",
        ),
        (NAMED + "[scenario]\nedges = -1", "scenario.edges = -1: expected `int` >= 0"),
        (
            NAMED + "[scenario.viewing]\ncatch_up_rate_max = 3.0",
            "scenario.viewing.catch_up_rate_max = 3.0: expected `float` <= 2.0",
        ),
        (
            NAMED + '[[scenario.faults]]\nkind="burn"\ntarget="nats"\nat_s=1',
            "scenario.faults[0].kind = 'burn': there is no such choice",
        ),
        (
            NAMED + '[[scenario.faults]]\nkind="slow-fsync"\ntarget="nats"\nat_s=1\nfor_s=1\nlatency_ms=5',
            "scenario.faults[0].target = 'nats': slow-fsync strikes only postgres",
        ),
        (
            NAMED + '[[scenario.faults]]\nkind="stop"\ntarget="nats"\nat_s=1',
            "scenario.faults[0].for_s = 0: stop needs it",
        ),
        (
            NAMED + '[[scenario.faults]]\nkind="kill"\ntarget="nats"\nat_s=1\nlatency_ms=5',
            "scenario.faults[0].latency_ms = 5: kill knows no such thing",
        ),
        (
            NAMED + '[[scenario.faults]]\nkind="stop"\ntarget="nats"\nat_s=59\nfor_s=2',
            "scenario.faults[0].for_s = 2: it would last beyond load_s = 60",
        ),
        (
            NAMED + '[scenario.random_faults]\nstart_s=1\nevery_s=2\ncount=3\nstrikes=["kill pigeon-"]',
            "scenario.random_faults.strikes[0] = 'kill pigeon-': there is no process 'pigeon-', known are postgres,",
        ),
        (NAMED + 'allow_skipped=["disk"]', "allow_skipped[0] = 'disk': there is no such kind of fault, did you mean"),
        (
            NAMED + '[[scenario.faults]]\nkind="kill"\ntarget="nats"\nat_s=99',
            "scenario.faults[0].at_s = 99: must be less than load_s = 60",
        ),
        (NAMED + "[scenario]\nplayers_per_table = 0", "scenario.players_per_table = 0: without crowds nobody comes"),
        (
            NAMED + '[scenario]\nedges=1\nviewers_per_table=1\nviewing={rule="LoL+"}',
            "scenario.viewing.rule = 'LoL+': simulated viewers know only 'throughput'; set simulate = false",
        ),
        (
            NAMED + '[scenario]\nedges=1\nviewers_per_table=1\nladder="lowest"',
            "scenario.ladder = 'lowest': simulated studios know only 'small'; set simulate = false",
        ),
        (CROWD + 'kind="bettr"', "scenario.crowds[0].kind = 'bettr': there is no such choice, did you mean 'bettor'?"),
        (CROWD + "tabel=1", "unknown key 'scenario.crowds[0].tabel', did you mean 'table'?"),
        (CROWD + "table=3", "scenario.crowds[0].table = 3: there are only tables 1 to 2, and 0 for all of them"),
        (CROWD + 'kind="viewer"', "scenario.crowds[0].kind = 'viewer': without edges there is no video to watch"),
        (
            CROWD + "betting={timing={late_shar=1.0}}",
            "unknown key 'scenario.crowds[0].betting.timing.late_shar', did you mean 'late_share'?",
        ),
        (
            CROWD + "betting={stake_minor_min=9000}",
            "scenario.crowds[0].betting.stake_minor_max = 2000: must lie between stake_minor_min = 9000",
        ),
        (
            CROWD + 'arrival={process="poison", within_s=1.0}',
            "scenario.crowds[0].arrival.process = 'poison': there is no such choice, did you mean 'poisson'?",
        ),
        (CROWD + "arrival={within_s=1.0}", "scenario.crowds[0].arrival.process is missing: one of uniform, poisson"),
        (
            CROWD + 'arrival={process="mmpp", within=1.0}',
            "unknown key 'scenario.crowds[0].arrival.within', did you mean 'within_s'?",
        ),
        (
            CROWD + 'arrival={process="stages", stages=[{within_s=1.0, rat=1.0}]}',
            "unknown key 'scenario.crowds[0].arrival.stages[0].rat', did you mean 'rate'?",
        ),
        (
            CROWD + 'arrival={process="flash-crowd", rise_s=90.0}',
            "scenario.crowds[0].arrival: ends at 95 s, after the load, load_s = 60",
        ),
        (CROWD + 'arrival={process="replay"}', "scenario.crowds[0].arrival: its rate is 0 all the time"),
        (
            CROWD + 'arrival={process="replay", file="none.txt"}',
            "scenario.crowds[0].arrival.file = 'none.txt': none.txt cannot be read",
        ),
        (NAMED + '[scenario.betting]\npace="shut"', "scenario.betting.pace = 'shut': there is no such choice"),
        (
            NAMED + '[[scenario.storms]]\nkind="reconect"\nat_s=1',
            "scenario.storms[0].kind = 'reconect': there is no such choice, did you mean 'reconnect'?",
        ),
        (
            NAMED + '[[scenario.storms]]\nkind="reconnect"\nat_s=60',
            "scenario.storms[0].at_s = 60: must be less than load_s = 60",
        ),
        (
            NAMED + '[scenario]\ntables=1\n[[scenario.storms]]\nkind="exit-to-lobby"\nat_s=1',
            "scenario.storms[0].kind = 'exit-to-lobby': there is no other table to go to, tables = 1",
        ),
    ],
)
def test_bad_campaign_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_campaign(text)
    assert line in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: there is no such campaign file"):
        load_campaign(tmp_path / "none.toml")


def test_a_shipped_campaign_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_campaign("smoke") == load_campaign(CAMPAIGNS / "smoke.toml")
    with pytest.raises(ConfigError, match=r"^smoek: there is no such campaign file; shipped are .*, smoke, "):
        load_campaign("smoek")


def test_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(NAMED + "workers = 0")
    with pytest.raises(ConfigError, match=r"bad\.toml: workers = 0: expected `int` >= 1"):
        load_campaign(file)


def test_replayed_counts_are_read_from_beside_the_campaign_and_kept_in_it(tmp_path: Path) -> None:
    (tmp_path / "evening.txt").write_text("# minute by minute\n12\n30 # the match ends\n\n0\n")
    (tmp_path / "c.toml").write_text(CROWD + 'arrival={process="replay", file="evening.txt", minute_s=2.0}')
    (crowd,) = load_campaign(tmp_path / "c.toml").scenario.crowds
    assert isinstance(crowd.arrival, Replay)
    assert crowd.arrival.per_minute == (12, 30, 0)


@pytest.mark.parametrize("count", ["-1", "1.5", "many", "9999999999"])
def test_what_is_no_count_in_a_replay_is_named(tmp_path: Path, count: str) -> None:
    (tmp_path / "evening.txt").write_text(f"1\n{count}\n")
    (tmp_path / "c.toml").write_text(CROWD + 'arrival={process="replay", file="evening.txt"}')
    with pytest.raises(ConfigError, match=f"'{count}' is no count from 0 to"):
        load_campaign(tmp_path / "c.toml")


@pytest.mark.parametrize("file", sorted(CAMPAIGNS.glob("*.toml")), ids=lambda file: file.stem)
def test_shipped_campaign_loads_under_its_file_name(file: Path) -> None:
    assert load_campaign(file).name == file.stem


def test_demo_triples_table_1_within_ten_seconds_and_keeps_rounds_short() -> None:
    scenario = load_campaign(CAMPAIGNS / "demo.toml").scenario
    at_table_1 = [arrival.at_s for arrival in arrivals(scenario) if arrival.table == 1]
    before = sum(at_s < 20.0 for at_s in at_table_1)
    assert len(at_table_1) == 3 * before
    assert max(at_table_1) < 30.0
    timing = scenario.timing
    assert timing.window_ms + timing.dealing_ms + timing.pause_ms <= 12_000 - timing.flush_ms_max


def test_schema_file_is_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "write loadtest.config.schema_text() to schema.json"


def test_schema_forbids_unknown_keys_at_every_depth() -> None:
    assert schema_text().count('"additionalProperties": false') == schema_text().count('"properties": {')


def test_viewers_are_numbered_after_the_players_and_come_during_the_ramp() -> None:
    scenario = Scenario(players_per_table=3, viewers_per_table=2, edges=1, ramp_s=4.0)
    viewers = viewer_arrivals(scenario)
    assert [(viewer.player, viewer.table, viewer.at_s) for viewer in viewers] == [
        (7, 1, 1.0), (8, 1, 3.0), (9, 2, 1.0), (10, 2, 3.0),
    ]  # fmt: skip
    everybody = people(scenario)
    assert sorted(person.player for person in everybody) == list(range(1, 11))
    assert [person.at_s for person in everybody] == sorted(person.at_s for person in everybody)


def test_studios_can_film_with_every_ladder_that_a_scenario_can_name():
    heights = {ladder: [rung.height for rung in filmed_as(ladder).ladder] for ladder in Ladder}
    assert heights == {"full": [720, 480, 240], "small": [480, 240], "single": [480], "lowest": [240]}
