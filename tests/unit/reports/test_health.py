"""Each condition of the generator's health fires by itself, and makes the Run invalid."""

import numpy as np
import pytest
from histories import LOAD_START_NS, S, Shape, make_manifest, make_tables

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.records import OpKind
from reports.health import health_of
from reports.judgement import judge
from reports.run import frame_of, write_run


def late_bets(tables, _manifest):
    tables["ops"]["due_ns"] -= S // 10


def missed_operations(tables, _manifest):
    tables["generator"].loc[10, ["missed", "ops"]] = [50, 1000]


def no_cpu_to_spare(tables, _manifest):
    rows = tables["generator"]
    rows["cpu_ns"] = np.cumsum(np.where(np.arange(len(rows)) < 12, 950, 100)) * 10**6


def late_timers(tables, _manifest):
    tables["generator"].loc[::10, "lag_ns_max"] = S // 2


def a_worker_that_died(tables, manifest):
    manifest["campaign"]["workers"] = 2
    rows = tables["generator"]
    dead = rows[rows["t_ns"] < LOAD_START_NS + 20 * S].assign(worker=1)
    tables["generator"] = frame_of("generator", {key: [*rows[key], *dead[key]] for key in rows})


def a_worker_that_never_spoke(_tables, manifest):
    manifest["campaign"]["workers"] = 2


def clocks_apart(_tables, manifest):
    manifest["clock_offsets"] = {"error_ns": S // 10}


def clocks_unknown(_tables, manifest):
    manifest["clock_offsets"] = {}


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (late_bets, "generator.lag_p99_ms"),
        (missed_operations, "generator.missed_share"),
        (no_cpu_to_spare, "generator.cpu_share"),
        (late_timers, "generator.timer_lag_p95_ms"),
        (a_worker_that_died, "generator.silent_s"),
        (a_worker_that_never_spoke, "generator.silent_s"),
        (clocks_apart, "generator.clock_error_ms"),
        (clocks_unknown, "generator.clock_error_ms"),
    ],
)
def test_what_the_generator_did_wrong_is_named_and_makes_the_run_invalid(tmp_path, spoil, broken):
    tables, manifest = make_tables(Shape()), make_manifest(Shape())
    spoil(tables, manifest)
    judgement = judge(write_run(tmp_path, manifest, tables))
    assert [limit.name for limit in judgement.health if not limit.ok] == [broken]
    assert judgement.verdict == "invalid"


def test_a_healthy_generator_has_every_figure(tmp_path):
    health = health_of(write_run(tmp_path, make_manifest(Shape()), make_tables(Shape())))
    assert all(limit.ok and limit.value is not None for limit in health)
    assert {limit.name: limit.value for limit in health}["generator.cpu_share"] == pytest.approx(0.15)


def test_one_late_second_or_a_short_peak_of_cpu_is_forgiven(tmp_path):
    tables = make_tables(Shape())
    tables["generator"].loc[5, "lag_ns_max"] = S
    tables["generator"].loc[3:, "cpu_ns"] += S
    health = health_of(write_run(tmp_path, make_manifest(Shape()), tables))
    assert [limit.name for limit in health if not limit.ok] == []


def test_a_measured_run_needs_a_record_of_its_generator_and_a_simulated_one_does_not(tmp_path):
    tables = make_tables(Shape())
    tables["generator"] = frame_of("generator", {"t_ns": [LOAD_START_NS - S]})
    measured, simulated = (
        health_of(write_run(tmp_path / kind, make_manifest(Shape(), kind), tables))
        for kind in ("measured", "simulated")
    )
    assert simulated == []
    assert {limit.name for limit in measured if not limit.ok} == {
        f"generator.{name}" for name in ("missed_share", "cpu_share", "timer_lag_p95_ms", "silent_s")
    }


def test_limits_that_are_none_are_refused_in_one_line(tmp_path):
    manifest = make_manifest(Shape())
    manifest["campaign"]["health"] = {"lag_ms": 5}
    with pytest.raises(ConfigError, match="the manifest's limits of health are not understood"):
        health_of(write_run(tmp_path, manifest, {}))


def test_a_bet_that_fell_due_without_a_connection_started_on_time_when_it_was_sent_over_the_next(tmp_path):
    tables, manifest = make_tables(Shape()), make_manifest(Shape())
    late_bets(tables, manifest)
    assert lag_ms(write_run(tmp_path / "late", manifest, tables)) >= 100
    bets = tables["ops"][tables["ops"]["kind"] == int(OpKind.BET)]
    returned = {"session": bets["session"], "opened_ns": bets["invoke_ns"] - 2_000_000, "connection": 2}
    tables["sessions"] = frame_of("sessions", {
        name: returned.get(name, np.zeros(len(bets), dtype=np.int64)) for name in tables["sessions"]
    })  # fmt: skip
    assert lag_ms(write_run(tmp_path / "away", manifest, tables)) == pytest.approx(2.0)


def lag_ms(run):
    (found,) = [limit.value for limit in health_of(run) if limit.name == "generator.lag_p99_ms"]
    return found
