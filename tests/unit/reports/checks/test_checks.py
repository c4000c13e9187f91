"""Every check on a clean history, and on histories in which one thing was made wrong."""

import json

import pytest
from histories import write_history
from judging import verdict_of
from planted import PLANTED

from reports.checks import CHECKS, allowed_skips, run_checks
from reports.run import frame_of, update_manifest


@pytest.mark.parametrize("name", CHECKS)
def test_a_clean_history_is_ok(name, tables):
    verdict = verdict_of(name, tables)
    assert (verdict.status, verdict.witness) == ("ok", None), verdict.message


@pytest.mark.parametrize(("name", "plant"), PLANTED, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_violation_is_illegal_with_its_witness(name, plant, tables):
    expected = plant(tables)
    verdict = verdict_of(name, tables)
    assert verdict.status == "illegal", verdict.message
    assert verdict.witness is not None
    assert {key: verdict.witness[key] for key in expected} == expected
    assert verdict.counts["violations"] >= 1


def test_every_check_has_a_planted_violation():
    assert {name for name, _ in PLANTED} | {"exercised"} == set(CHECKS)


@pytest.mark.parametrize("name", [name for name in CHECKS if "ledger" in CHECKS[name].needs])
def test_without_the_ledger_a_check_that_needs_it_is_unknown(name, tables):
    tables["ledger"] = frame_of("ledger", {})
    assert verdict_of(name, tables).status == "unknown"


def test_checks_are_written_beside_the_run(tmp_path):
    run = write_history(tmp_path / "run")
    verdicts = run_checks(run)
    written = json.loads((run.path / "checks.json").read_text())
    assert {name: check["status"] for name, check in written.items()} == {
        name: v.status for name, v in verdicts.items()
    }
    assert list(verdicts) == list(CHECKS)


def test_a_check_is_skipped_if_the_target_cannot_give_its_records(tmp_path):
    run = update_manifest(write_history(tmp_path / "run"), capabilities={"ledger": False, "stages": True})
    skipped = {name for name, verdict in run_checks(run).items() if verdict.status == "skipped"}
    assert skipped == {name for name, check in CHECKS.items() if "ledger" in check.needs}


def test_only_a_simulation_may_skip_what_it_cannot_tell(tmp_path):
    untold = {"ledger": True, "audit": False}
    measured, simulated = (
        update_manifest(write_history(tmp_path / kind, kind=kind), capabilities=untold)
        for kind in ("measured", "simulated")
    )
    assert allowed_skips(measured) == frozenset()
    assert allowed_skips(simulated) == {"trail_equals_ledger"}
