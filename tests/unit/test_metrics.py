"""What Prometheus reads is well formed, and says what happened."""

import re

import numpy as np

from reference_impl.bets.bet_metrics import STAGE_BOUNDS, BetMetrics
from reference_impl.domain.bets import Status
from reference_impl.domain.protocol import CloseCode
from reference_impl.domain.records import STAGES
from reference_impl.metrics import Family, Histogram, Sample, exposition, one

LINE = re.compile(r'^[a-z_]+(\{([a-z]+="[^"]*",?)+\})? -?[0-9.e+-]+$')


def read(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    assert all(LINE.match(line) for line in lines), lines
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_family_is_told_with_its_meaning_its_kind_and_its_series() -> None:
    told = exposition(
        [one("up_total", "counter", "Starts.", 3), Family("x", "gauge", "X.", [Sample(0.5, (("a", "b"),))])]
    )
    assert told.decode().splitlines() == [
        "# HELP up_total Starts.", "# TYPE up_total counter", "up_total 3",
        "# HELP x X.", "# TYPE x gauge", 'x{a="b"} 0.5',
    ]  # fmt: skip


def test_labels_are_escaped() -> None:
    told = exposition([Family("x", "gauge", "X.", [Sample(1, (("a", 'q"\\\n'),))])])
    assert told.decode().splitlines()[2] == 'x{a="q\\"\\\\\\n"} 1'


def test_a_bound_belongs_to_its_bucket_and_buckets_are_cumulative() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(np.array([0.5, 1.0, 1.5, 2.0, 9.0]))
    histogram.observe(np.array([9.0]))
    series = read(exposition([Family("h", "histogram", "H.", histogram.samples())]))
    assert series == {'h_bucket{le="1"}': 2, 'h_bucket{le="2"}': 4, 'h_bucket{le="+Inf"}': 6, "h_sum": 23, "h_count": 6}


def record(received_ms: int, committed_ns: int, batch: int) -> bytes:
    stamps = [received_ms * 1_000_000 + place * 2_000_000 for place in range(8)]
    stamps[5] = committed_ns
    return STAGES.packer.pack(b"\1" * 16, 0, 1, batch, 7, *stamps)


def test_stages_of_a_bet_add_up_and_a_batch_counts_once() -> None:
    metrics = BetMetrics()
    metrics.look_at(memoryview(record(1, 50_000_000, 3) + record(2, 50_000_000, 3) + record(5, 60_000_000, 40)))
    metrics.look_at(memoryview(b""))
    metrics.count_answers([Status.ACCEPTED, Status.ACCEPTED, Status.WINDOW_CLOSED])
    series = read(exposition(metrics.families()))
    assert series["livetable_bet_duration_seconds_count"] == 3
    stages = [series[f'livetable_bet_stage_duration_seconds_sum{{stage="{stage}"}}'] for stage in STAGE_BOUNDS]
    assert abs(sum(stages) - series["livetable_bet_duration_seconds_sum"]) < 1e-9
    assert series["livetable_wallet_batch_bets_count"] == 2
    assert series['livetable_bet_answers_total{status="accepted"}'] == 2
    assert series['livetable_bet_answers_total{status="window_closed"}'] == 1


def test_the_number_of_series_does_not_grow_with_what_happens() -> None:
    metrics = BetMetrics()
    before = read(exposition(metrics.families())).keys()
    for batch in range(1, 500):
        metrics.look_at(memoryview(record(batch, batch, batch)))
        metrics.count_answers([batch % 16 + 1])
        metrics.count_closed(CloseCode.SLOW_CONSUMER)
    assert read(exposition(metrics.families())).keys() == before
