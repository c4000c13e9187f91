"""A leak that is planted is found, and what only fills its caches, or wavers, is none."""

import numpy as np
import pytest
from histories import DEMO, LOAD_START_NS, S, make_manifest

from reports.leaks import MIB, growths
from reports.limits import parse_figure
from reports.measures import measure
from reports.run import frame_of, write_run

EVERY_S = 5
LOAD_S = 1800


def held(node, pid, from_s, to_s, memory_mib, descriptors, disk_mib=0.0):
    """Return samples of one life; what it holds is a function of its age in hours."""
    at_s = np.arange(from_s, to_s, EVERY_S)
    age_h = (at_s - from_s) / 3600
    return {
        "t_ns": LOAD_START_NS + at_s * S, "node": [node] * len(at_s), "pid": np.full(len(at_s), pid),
        "memory_bytes": (memory_mib(age_h) * MIB).astype(np.int64),
        "descriptors": descriptors(age_h).astype(np.int32),
        "disk_bytes": np.full(len(at_s), int(disk_mib * MIB)),
    }  # fmt: skip


def flat(level, seed=1, wavering=0.3):
    """Return something that wavers around a level, each sample close to the one before."""
    rng = np.random.default_rng(seed)

    def of(age_h):
        noise = np.zeros(len(age_h))
        for n in range(1, len(noise)):
            noise[n] = 0.9 * noise[n - 1] + rng.normal(0, wavering)
        return level + noise

    return of


def growing(per_h, level=80.0, seed=2):
    noise = flat(level, seed)
    return lambda age_h: noise(age_h) + per_h * age_h


@pytest.fixture
def run_of(tmp_path):
    def make(*lives):
        columns = {name: np.concatenate([life[name] for life in lives]) for name in lives[0]}
        manifest = {**make_manifest(DEMO), "load_end_ns": LOAD_START_NS + LOAD_S * S}
        return write_run(tmp_path / "run", manifest, {"resources": frame_of("resources", columns)})

    return make


def value(run, text):
    return measure(run, parse_figure(text)).value


def test_a_leak_over_several_lives_is_found_and_covered_by_its_interval(run_of):
    lives = [held("gateway-0", 10 + n, 600 * n, 600 * n + 590, growing(60, seed=n), flat(40)) for n in range(3)]
    run = run_of(*lives, held("gateway-1", 20, 0, LOAD_S, flat(80), flat(40)))
    leak = next(one for one in growths(run) if (one.node, one.what) == ("gateway-0", "memory"))
    assert leak.low < 60 < leak.high
    assert (leak.lives, leak.unit) == (3, "MiB/h")
    assert leak.low > 30
    assert value(run, "leak.memory_mib_per_h") == pytest.approx(leak.low, abs=1e-5)
    assert value(run, "leak[target=gateway-1].memory_mib_per_h") < 10


def test_a_leaked_descriptor_a_minute_is_found(run_of):
    run = run_of(held("wallet-0", 7, 0, LOAD_S, flat(50), lambda age_h: 30 + np.floor(60 * age_h)))
    assert value(run, "leak.descriptors_per_h") == pytest.approx(60, rel=0.1)
    assert value(run, "leak.disk_mib_per_h") == 0


def test_a_beginning_in_which_caches_fill_is_no_leak(run_of):
    filling = lambda age_h: 50 + 40 * np.minimum(age_h * 60, 1)  # noqa: E731 - forty MiB within the first minute
    run = run_of(*(held("dealer", n, 300 * n, 300 * n + 300, filling, flat(30)) for n in range(6)))
    assert value(run, "leak.memory_mib_per_h") <= 0


@pytest.mark.parametrize("seed", range(5))
def test_wavering_is_no_leak(run_of, seed):
    run = run_of(held("postgres", 5, 0, LOAD_S, flat(100, seed, wavering=1.0), flat(60, seed)))
    assert value(run, "leak.memory_mib_per_h") < 10


def test_what_was_seen_for_too_short_cannot_be_told(run_of):
    run = run_of(held("nats", 5, 0, 150, growing(600), flat(60)))
    assert growths(run) == []
    assert value(run, "leak.memory_mib_per_h") is None
