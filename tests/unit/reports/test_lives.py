import base64
import gzip
import json

import numpy as np
import pytest
from click.testing import CliRunner
from histories import DEMO, Shape, make_manifest, write_history

from livetable.root import cli
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import Outcome
from reports import lives_page
from reports.latency import answered
from reports.lives import MOMENTS, life_of, life_text, lives, moments_of, notable
from reports.lives_page import COLUMNS, NEVER, page_of_lives, sampled
from reports.run import frame_of, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_history(tmp_path_factory.mktemp("lives") / "run", Shape())


def test_a_life_is_told_from_the_opening_to_the_settlement_in_order_of_time(run):
    told = lives(run)
    whole = told[(told["outcome"] == int(Outcome.OK)) & (told["attempts"] == 1)]
    instants = moments_of(whole.iloc[0])
    assert [ns for ns, _ in instants] == sorted(ns for ns, _ in instants)
    columns = [moment.column for _, moment in instants]
    assert columns[0] == "opens_ns"
    assert columns.index("received_ns") < columns.index("committed_ns") < columns.index("return_ns")
    assert columns.index("closes_ns") < columns.index("result_ns") <= columns.index("heard_result_ns")
    assert {"heard_open_ns", "seen_result_ns", "paid_ns", "settled_ns"} <= set(columns)


def test_the_picture_lies_behind_the_table_as_far_as_the_nearest_sample_says(run):
    told = lives(run)
    glass = run.glass
    life = told[told["seen_result_ns"] > 0].iloc[0]
    here = glass[glass["table"] == life["table"]]
    nearest = (here["captured_ns"] - life["result_ns"]).abs().idxmin()
    assert life["seen_result_ns"] - life["result_ns"] == glass["shown_ns"][nearest] - glass["captured_ns"][nearest]


def test_without_viewers_the_picture_tells_nothing(tmp_path, clean):
    tables = {name: frame for name, frame in clean.items() if name != "glass"}
    told = lives(write_run(tmp_path / "run", make_manifest(Shape()), {**tables, "glass": frame_of("glass", {})}))
    assert not told["seen_open_ns"].any()
    assert told["heard_open_ns"].any()


def test_the_slowest_answered_bet_is_told_unless_one_is_named(run):
    rows = answered(lives(run))
    slowest = rows.loc[(rows["return_ns"] - rows["due_ns"]).idxmax(), "op"]
    assert life_of(run, None)["op"] == slowest
    named = int(rows["op"].iloc[3])
    assert f"bet {named}: player " in life_text(life_of(run, named))


def test_a_bet_that_there_is_not_is_named_with_those_that_there_are(run):
    with pytest.raises(ConfigError, match=r"there is no bet -7 in this run; its bets are \d+ to \d+"):
        life_of(run, -7)


def test_the_command_line_tells_a_life_in_words_and_as_json(run):
    shown = CliRunner().invoke(cli, ["bet", str(run.path), "--json"])
    assert shown.exit_code == 0, shown.output
    record = json.loads(shown.output.splitlines()[-1])
    assert record["headline"] == shown.output.splitlines()[0]
    assert next(m["ns"] for m in record["moments"] if m["column"] == "due_ns") == 0


def unpacked(page):
    data, at, columns = gzip.decompress(base64.b64decode(page["packed"])), 0, {}
    for name, dtype in [*COLUMNS.items(), *((moment.column, "<i4") for moment in MOMENTS)]:
        columns[name] = np.frombuffer(data, dtype, page["bets"], at)
        at += columns[name].nbytes
    assert at == len(data)
    return columns


def test_the_page_carries_every_bet_with_its_instants_to_the_microsecond(run):
    told, page = lives(run), page_of_lives(run)
    columns = unpacked(page)
    assert columns["op"].tolist() == told["op"].tolist()
    assert [page["spots"][code] for code in columns["spot"]] == told["spot"].tolist()
    for moment in MOMENTS:
        happened = columns[moment.column] != NEVER
        assert (happened == (told[moment.column] > 0)).all(), moment.column
        since_us = (told[moment.column] - told["due_ns"]).to_numpy() // 1000
        assert (columns[moment.column][happened] == since_us[happened]).all()


def test_of_too_many_bets_the_special_ones_are_kept(run, monkeypatch):
    told = lives(run)
    special = list(notable(told).values())
    most = len(told) // 2
    kept = sampled(told, most, special)
    assert len(kept) == most
    assert kept["op"].is_unique
    assert set(special) <= set(kept["op"])
    assert set(told["op"][told["outcome"] != int(Outcome.OK)]) <= set(kept["op"])
    assert kept["due_ns"].is_monotonic_increasing
    monkeypatch.setattr(lives_page, "BETS_MAX", most)
    page = page_of_lives(run)
    assert (page["bets"], page["of"]) == (most, len(told))


def test_a_run_without_bets_has_no_lives(tmp_path, clean):
    tables = {**clean, "ops": clean["ops"].iloc[:0]}
    run = write_run(tmp_path / "run", make_manifest(DEMO), tables)
    assert page_of_lives(run) is None
    with pytest.raises(ConfigError, match="no bet was answered"):
        life_of(run, None)
