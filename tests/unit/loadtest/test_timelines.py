"""Workers' clocks: how far off they are, how sure that is, and where their records lie afterwards."""

from pathlib import Path

import numpy as np
import pytest

from loadtest.machines import Outbox
from loadtest.timelines import BLOCK_NS, INSTANTS, timeline, unify
from reference_impl.domain.records import CLOCKS, GENERATOR
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reference_impl.stack.recording import RecordFile
from reports.convert import read_records, record_dtype

HOUR_NS = 3600 * NS_PER_S
DURATIONS = {"lag_ns_max", "cpu_ns", "start_lag_ns_max", "clock_offset_ns", "clock_error_ns"}
DURATIONS |= {"media_unix_ns"}  # of no worker's clock


def samples(*rows: tuple[int, int, int]) -> np.ndarray:
    return np.array(list(rows), dtype=record_dtype(CLOCKS))


def test_the_shortest_round_trip_of_a_block_is_believed_and_bounds_the_error() -> None:
    line = timeline(samples((1, HOUR_NS + 9_000_000, 20_000_000), (2, HOUR_NS, 400_000), (3, HOUR_NS - 5_000, 900_000)))
    assert line.ahead_ns.tolist() == [HOUR_NS]
    assert line.error_ns == 200_000
    assert line.to_master(np.array([5, 0])).tolist() == [HOUR_NS + 5, 0], "what did not happen stays 0"


def test_drift_is_followed_and_counts_as_error() -> None:
    drifted_ns = 100_000
    line = timeline(samples((BLOCK_NS, -HOUR_NS, 2), (2 * BLOCK_NS, drifted_ns - HOUR_NS, 2)))
    half_way = 2 * HOUR_NS + np.array([0])
    assert line.to_master(np.array([BLOCK_NS + BLOCK_NS // 2])).tolist() == [
        BLOCK_NS + BLOCK_NS // 2 - HOUR_NS + drifted_ns // 2
    ]
    assert line.to_master(half_way).tolist() == [HOUR_NS + drifted_ns], "after the last sample it is taken to stay"
    assert line.error_ns == drifted_ns + 1


@pytest.mark.parametrize("delay_ns", [0, 3 * NS_PER_MS, 40 * NS_PER_MS])
def test_however_lopsided_a_round_trip_the_stated_error_covers_it(delay_ns: int) -> None:
    """All of the delay on one way: the worst that can happen."""
    truth_ns, asked_ns = 7 * HOUR_NS, 1_000
    back_ns = asked_ns + delay_ns
    ahead_ns = asked_ns + truth_ns - (asked_ns + back_ns) // 2
    line = timeline(samples((back_ns, ahead_ns, delay_ns)))
    assert abs(line.to_master(np.array([asked_ns]))[0] - (asked_ns + truth_ns)) <= line.error_ns


def test_every_time_in_a_workers_records_is_known_for_an_instant_or_a_duration() -> None:
    for layout, instants in INSTANTS.items():
        times = {name for name, _ in layout.fields if name.endswith("_ns")}
        assert times - DURATIONS == set(instants), layout.name


def test_instants_move_and_durations_stay(tmp_path: Path) -> None:
    clocks = RecordFile(tmp_path / "clocks-w0.bin", CLOCKS)
    clocks.append(10, HOUR_NS, 100)
    clocks.close()
    health = RecordFile(tmp_path / "generator-w0.bin", GENERATOR)
    health.append(20, 0, 1, 333, 444, 5, 0, 666, 777, 888)
    health.close()
    Outbox(tmp_path).seal(0)
    said = unify(tmp_path, workers=2)
    assert said[0] == {"worker": 0, "complete": True, "ahead_ns": HOUR_NS, "error_ns": 50}
    assert said[1] == {"worker": 1, "complete": False, "ahead_ns": None, "error_ns": None}, "it never came"
    (row,) = read_records(tmp_path, GENERATOR)
    assert row["t_ns"] == HOUR_NS + 20
    assert [int(row[name]) for name in ("lag_ns_max", "cpu_ns", "start_lag_ns_max", "clock_offset_ns")] == [
        333,
        444,
        666,
        777,
    ]
