"""Events that may be missed, and those that may not."""

import pytest
from histories import MS
from judging import a_fault, verdict_of
from planted.changing import pushes_of
from planted.events import lose_an_event_of_one_player, skip_a_number

from reference_impl.domain.records import PushKind


@pytest.mark.parametrize(("target", "status"), [("nats", "ok"), ("edge-0", "illegal")])
def test_an_event_that_was_missed_during_a_fault_is_excused_unless_only_the_video_broke(target, status, tables):
    lose_an_event_of_one_player(tables)
    own = pushes_of(tables, PushKind.TABLE, session=3)
    a_fault(tables, target, int(tables["pushes"].loc[own[1], "app_ns"]) + MS)
    assert verdict_of("events_complete", tables).status == status


def test_no_fault_excuses_a_number_that_the_trail_lacks(tables):
    skip_a_number(tables)
    a_fault(tables, "nats", 1)
    tables["faults"]["recovered_ns"] = 0
    assert verdict_of("events_complete", tables).status == "illegal"


def test_a_connection_that_falls_silent_leaves_the_events_unknown(tables):
    own = pushes_of(tables, PushKind.TABLE, session=3)
    tables["pushes"] = tables["pushes"].drop(own[-5:])
    verdict = verdict_of("events_complete", tables)
    assert (verdict.status, verdict.counts["silent"]) == ("unknown", 1)


def test_a_round_that_opened_without_a_commitment_is_unknown(tables):
    tables["pushes"]["commitment"] = 0
    tables["pushes"]["seed"] = 0
    assert verdict_of("outcomes_verified", tables).status == "unknown"
