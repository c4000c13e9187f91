"""A million's report says what its replications say, and follows from seeds."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs

from loadtest.million import FIGURE, REPORT, summary
from reference_impl.domain.errors import ConfigError
from reports.publishing import compare, publish
from sim.hybrid.scope import refuse_what_no_crowd_has
from sim.million import BETS, VIDEO, Asked, Found, Sizes, changes_of_bets, changes_of_video, million, scenario_of, sized
from sim.parameters import Model

ASKED = Asked(players=400, tables=4, replications=2, pairs=2)
WHOLE = {
    "bet.per_s": [20.0, 21.0], "bet.p50_ms": [9.0, 9.2], "bet.p95_ms": [20.0, 21.0], "bet.p99_ms": [40.0, 42.0],
    "settle.p95_ms": [100.0, 100.0], "edge.bps": [4e9, 5e9], "video.latency_p50_ms": [1000.0, 1000.0],
    "edge.busy_cores": [3.0, 3.2], "gateway.busy_cores": [0.5, 0.5], "shard.busy_cores": [0.7, 0.8],
}  # fmt: skip


def figures(names, factor=1.0):
    return {name: [factor * 10.0, factor * 12.0] for name in names}


FOUND = Found(
    asked=ASKED, sizes=Sizes(shards=1, gateways=2, edges=3, origins=1), scenario=scenario_of(ASKED), model="",
    holds=True, p99_ms_below=60.0, extrapolates=["the parameters are assumed"], whole=WHOLE,
    bets={"": figures(BETS), "a quarter more bets of each": figures(BETS, 1.5)},
    video={"": figures(VIDEO), "a quarter fewer edges": figures(VIDEO)},
    took_s={"wall": 3.0, "plan": 1.0, "whole": 2.0, "bets": 0.5, "video": 0.5},
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    publish(REPORT, FOUND, tmp_path, "livetable sim million")
    return tmp_path


def test_the_page_answers_first_with_intervals_and_flags_what_is_extrapolated(folder):
    page = (folder / "README.md").read_text()
    assert summary(FOUND) in page
    assert "1 wallet shard, 2 gateways, 3 edges, 1 origin and 4 Gbit/s" in page
    assert "**Extrapolation:** the parameters are assumed." in page
    assert "| p99, ms | 41 ± 13 | 40 – 42 |" in page
    assert "| a quarter more bets of each | 16.5 (not told apart) |" in page
    assert "| a quarter fewer edges | 11 | 11 |" in page
    assert "It took 3 s, and 4 s of CPU" in page
    assert (folder / FIGURE).read_text().startswith("<svg")


def test_an_untouched_copy_agrees_however_long_it_took_and_a_changed_figure_does_not(folder):
    assert "found again" in compare(REPORT, structs.replace(FOUND, took_s=FOUND.took_s | {"wall": 9.0}), folder)
    slower = structs.replace(FOUND, bets=FOUND.bets | {"": figures(BETS, 1.5)})
    with pytest.raises(ConfigError, match=r"nothing: bet.p50_ms is \[15.0, 18.0\], published is \[10.0, 12.0\]"):
        compare(REPORT, slower, folder)
    (folder / FIGURE).write_text("<svg/>")
    with pytest.raises(ConfigError, match=r"million.svg: was changed"):
        compare(REPORT, FOUND, folder)


def test_a_plan_sizes_everything_and_every_change_is_one_that_a_crowd_carries_out():
    job, planned = sized(ASKED, Model())
    assert planned.holds
    assert (job.scenario.shards, job.scenario.gateways) == (planned.shards, planned.gateways)
    assert job.scenario.edges >= planned.edges >= 1
    larger = job._replace(scenario=structs.replace(job.scenario, shards=4, gateways=8, edges=12))
    for changes, watched in ((changes_of_bets(larger), False), (changes_of_video(larger), True)):
        base = changes[""]
        assert all(other != base for name, other in changes.items() if name)
        for other in changes.values():
            refuse_what_no_crowd_has(other.scenario)
            assert bool(other.scenario.viewers_per_table) == watched
    assert "3 shards, not 4" in changes_of_bets(larger)


@pytest.mark.soak  # simulates the video, whose loops compile for seven seconds
def test_the_same_seeds_give_the_same_report(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        found, again = (million(ASKED, Model(), pool) for _ in range(2))
    publish(REPORT, found, tmp_path, "livetable sim million")
    assert "found again" in compare(REPORT, again, tmp_path)
    assert found.whole["video.stalled_share"] == [0.0, 0.0]
    busier = found.bets["a quarter more bets of each"]["shard.utilisation_max"]
    assert all(more > less for more, less in zip(busier, found.bets[""]["shard.utilisation_max"], strict=True))
