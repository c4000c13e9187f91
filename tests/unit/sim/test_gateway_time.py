"""What gateways' cores did, from bets' stamps."""

import numpy as np
import pandas as pd
import pytest

from reference_impl.domain.units import NS_PER_MS
from sim.gateway_time import with_gateway_times


def bets(*rows):
    """Return bets: gateway, shard, invoke, received, checked, committed, replied, written."""
    names = ("gateway", "shard", "invoke_ns", "received_ns", "checked_ns", "committed_ns", "replied_ns", "written_ns")
    told = pd.DataFrame(rows, columns=names).set_index(pd.Index(range(100, 100 + len(rows))))
    return told.assign(due_ns=told["invoke_ns"] // 100 * 100 - 10, sent_ns=told["checked_ns"])


FIRST = (0, 0, 100, 200, 205, 800, 1000, 1010)
SECOND = (0, 0, 110, 210, 215, 800, 1000, 1030)


def test_each_answer_of_a_batch_is_written_after_the_one_before():
    same_letter = (0, 0, 120, 220, 225, 800, 1000, 1030)
    other_shard = (0, 1, 130, 230, 235, 900, 1100, 1105)
    known = with_gateway_times(bets(SECOND, FIRST, same_letter, other_shard))
    assert known["writing_ns"].tolist() == [1010, 1000, 1010, 1100]
    assert known.index.tolist() == [100, 101, 102, 103]


def test_whoever_met_a_core_that_had_just_done_something_else_may_have_waited_for_it():
    us = [tuple(value * 1_000 if place > 1 else value for place, value in enumerate(row)) for row in (FIRST, SECOND)]
    behind = (0, 1, 800_000, 1_100_000, 1_105_000, 1_002_000, 1_500_000, 1_510_000)
    elsewhere = (1, 1, 800_000, 1_100_000, 1_105_000, 1_002_000, 1_200_000, 1_210_000)
    known = with_gateway_times(bets(*us, behind, elsewhere))
    assert known["read_at_once"].tolist() == [True, False, False, True]
    assert known["taken_at_once"].tolist() == [True, True, True, False]


def test_a_sender_oversleeps_by_what_waiting_bets_waited_beyond_flight_writing_and_rest():
    ms = NS_PER_MS
    asleep = (0, 0, 8 * ms, 8 * ms, 8 * ms, 20 * ms, 21 * ms, 21 * ms)
    later = (0, 0, 60 * ms, 60 * ms, 60 * ms, 62 * ms, 63 * ms, 63 * ms)
    told = bets((0, 0, 0, 1 * ms, 1 * ms, 4 * ms, 5 * ms, 6 * ms), asleep, later)
    known = with_gateway_times(told.assign(sent_ns=[1 * ms, 14 * ms + 400_000, 60 * ms]))
    assert known["oversleep_ns"].tolist() == pytest.approx([np.nan, 400_000, np.nan], nan_ok=True)


def test_bets_that_are_read_with_one_that_was_on_its_way_say_nothing_of_how_late_a_gateway_wakes():
    crowd = [(0, 0, 100 * n + own, 100 * n + 50 + own, 100 * n + 60, 0, 0, 0) for n in range(1, 31) for own in (0, 5)]
    known = with_gateway_times(bets(*crowd))
    assert known["together"].all()
    assert known["roused"].tolist() == [True, False] * 30
    assert known["first_due"].tolist() == [True, False] * 30


def test_bets_that_overtake_one_another_came_on_ways_of_their_own():
    crowd = [(0, 0, 100 * n + own, 100 * n + 50 - own, 100 * n + 60, 0, 0, 0) for n in range(1, 31) for own in (0, 5)]
    assert not with_gateway_times(bets(*crowd))["together"].any()


def test_bets_that_come_as_far_apart_as_they_were_sent_came_on_ways_of_their_own():
    ms = NS_PER_MS
    crowd = [(0, 0, 100 * n * ms + own, (100 * n + 20) * ms + own, (100 * n + 20) * ms + own, 0, 0, 0)
             for n in range(1, 31) for own in (0, 9 * ms)]  # fmt: skip
    assert not with_gateway_times(bets(*crowd))["together"].any()


def test_no_bets_have_no_times():
    assert with_gateway_times(bets()).empty
