"""When crowds come: every process keeps its number, its span and its shape, and is drawn once for all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.arrival_times import Knot, even_shares, instants_s, intensity, when
from sim.processes import FLASH_FACTOR, FlashCrowd, Mmpp, Poisson, Process, Replay, Stage, Stages, Uniform

PROCESSES: list[Process] = [
    Uniform(start_s=3.0, within_s=10.0),
    Poisson(start_s=3.0, within_s=10.0),
    Stages(start_s=3.0, stages=(Stage(within_s=5.0, rate=1.0), Stage(within_s=5.0, rate=0.0))),
    Mmpp(start_s=3.0, within_s=10.0),
    FlashCrowd(start_s=3.0, calm_s=2.0, rise_s=4.0, stay_s=2.0, fall_s=2.0),
    Replay(start_s=3.0, minute_s=2.0, per_minute=(4, 0, 9, 2, 1)),
]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: type(process).__name__)
def test_so_many_come_in_order_within_the_process_and_always_the_same(process: Process) -> None:
    times = when(process, 500, 7, 2)
    assert len(times) == 500
    assert times == sorted(times)
    assert times[0] >= 3.0
    assert times[-1] <= 13.0
    assert times == when(process, 500, 7, 2)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: type(process).__name__)
def test_only_processes_of_chance_differ_with_seed_and_crowd(process: Process) -> None:
    by_chance = not isinstance(process, Uniform | Stages)
    assert (when(process, 50, 1, 1) != when(process, 50, 2, 1)) == by_chance
    assert (when(process, 50, 1, 1) != when(process, 50, 1, 2)) == by_chance


def test_poisson_arrivals_have_exponential_gaps() -> None:
    gaps = np.diff(when(Poisson(within_s=1000.0), 10_000, 3, 1))
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.03)
    assert np.quantile(gaps, 0.5) / gaps.mean() == pytest.approx(np.log(2), abs=0.03)


def test_modulated_arrivals_are_burstier_than_poisson_ones() -> None:
    def dispersion(process: Process) -> float:
        counts = np.histogram(when(process, 5000, 3, 1), bins=np.arange(0.0, 301.0))[0]
        return float(counts.var() / counts.mean())

    assert dispersion(Poisson(within_s=300.0)) == pytest.approx(1.0, abs=0.3)
    assert dispersion(Mmpp(within_s=300.0)) > 5.0


def test_flash_crowd_comes_the_measured_factor_faster_at_its_peak() -> None:
    process = FlashCrowd(calm_s=100.0, rise_s=100.0, stay_s=100.0, fall_s=100.0)
    calm, _, peak, _ = np.histogram(when(process, 50_000, 3, 1), bins=[0, 100, 200, 300, 400])[0]
    assert peak / calm == pytest.approx(FLASH_FACTOR, rel=0.05)


def test_replay_gives_each_minute_its_share() -> None:
    process = Replay(minute_s=2.0, per_minute=(100, 0, 300))
    counts = np.histogram(when(process, 4000, 3, 1), bins=[0, 2, 4, 6])[0]
    assert counts == pytest.approx([1000, 0, 3000], abs=80)


def test_stages_move_in_straight_lines() -> None:
    rising = when(Stages(stages=(Stage(within_s=10.0, rate=1.0),)), 1000, 1, 1)
    assert rising == pytest.approx(10.0 * np.sqrt(even_shares(1000)), abs=1e-9)


RATES = st.floats(0.0, 1e6)
LENGTHS = st.floats(1e-3, 1e4)


@settings(deadline=None)
@given(st.lists(st.tuples(LENGTHS, RATES), min_size=1, max_size=8), RATES, st.integers(1, 40))
def test_any_intensity_is_inverted(stages: list[tuple[float, float]], first_rate: float, count: int) -> None:
    process = Stages(first_rate=first_rate, stages=tuple(Stage(within_s=s, rate=r) for s, r in stages))
    knots = intensity(process, 1, 1)
    if max(knot.rate for knot in knots) < 1e-6:
        return
    times = np.array(instants_s(knots, even_shares(count)))
    at_s, rate = (np.array(column) for column in zip(*knots, strict=True))
    come = np.concatenate(([0.0], np.cumsum(np.diff(at_s) * (rate[:-1] + rate[1:]) / 2)))
    i = np.clip(np.searchsorted(at_s, times, side="right") - 1, 0, len(at_s) - 2)
    here = np.interp(times, at_s, rate)
    reached = come[i] + (times - at_s[i]) * (rate[i] + here) / 2
    assert reached / come[-1] == pytest.approx(even_shares(count), abs=1e-6)


def test_an_intensity_that_brings_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="brings nobody"):
        instants_s([Knot(0.0, 0.0), Knot(5.0, 0.0)], even_shares(3))
