from dataclasses import replace

import pytest
from histories import DEMO, Shape, make_tables, write_history

from reports.run import update_manifest


@pytest.fixture(scope="session")
def clean():
    return make_tables(Shape())


@pytest.fixture
def tables(clean):
    """A clean small history, to be changed at will."""
    return {name: frame.copy() for name, frame in clean.items()}


@pytest.fixture(scope="session")
def demo_pair(tmp_path_factory):
    """A measured Run with a surge and a fault, and its twin."""
    folder = tmp_path_factory.mktemp("runs")
    shape = replace(DEMO, players=30, surge_players=40)
    write_history(folder / "simulated", replace(shape, seed=9, latency_ms=3.2), "simulated", label="fit")
    run = write_history(folder / "measured", shape)
    return update_manifest(run, twin="../simulated")
