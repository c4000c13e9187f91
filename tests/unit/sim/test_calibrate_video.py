import numpy as np
import pandas as pd
import pytest
from msgspec import structs

from reports.run import empty_table, manifest_base, write_run
from sim.calibrate import fit
from sim.calibrate_video import SLICE_NS, in_slices, median, woken_ns
from sim.fault_kinds import Fault
from sim.parameters import Model, Video, load_model, lognormal_table, save_model
from sim.scenario import Campaign, Scenario
from sim.twin import MODEL_FILE, make_twin, sim_run

MS = 1_000_000
TRUE = Video(
    publish_ns=lognormal_table(45 * MS, 90 * MS),
    fetch_ns=lognormal_table(3 * MS, 6 * MS),
    trip_ns=lognormal_table(2 * MS, 8 * MS),
    wake_ns=lognormal_table(1 * MS, 30 * MS),
    body_ns=lognormal_table(0.5 * MS, 4 * MS),
    place_ns=(60 * MS,),
    restart_ns=(1500 * MS,),
    part_bytes=((9_000,), (50_000,)),
    playlist_bytes=3_300,
    edge_request_ns=100_000,
    origin_request_ns=250_000,
)
CAMPAIGN = Campaign(
    name="watched",
    scenario=Scenario(
        edges=2, viewers_per_table=20, players_per_table=20, ramp_s=3.0, load_s=42.0,
        faults=(Fault(kind="kill", target="edge-1", at_s=24.0),),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A Run to fit; made by the model itself, so that the true parameters are known."""
    return sim_run(CAMPAIGN, tmp_path_factory.mktemp("runs") / "source", structs.replace(Model(), video=TRUE))


def test_fit_finds_the_times_that_made_the_run(source):
    fitted = fit(source, "all").video
    for name, tolerance in (("publish_ns", 0.1), ("trip_ns", 0.2), ("fetch_ns", 0.4), ("wake_ns", 0.6)):
        assert median(getattr(fitted, name)) == pytest.approx(median(getattr(TRUE, name)), rel=tolerance), name
    assert fitted.restart_ns == TRUE.restart_ns
    assert np.mean(fitted.place_ns) == pytest.approx(60 * MS, rel=0.5)


def test_fit_finds_how_often_films_were_cut(tmp_path):
    cutting = structs.replace(TRUE, cut_share=0.03, cut_ns=(2000 * MS,))
    scenario = structs.replace(CAMPAIGN.scenario, faults=(Fault(kind="kill", target="studio-2", at_s=20.0),))
    run = sim_run(structs.replace(CAMPAIGN, scenario=scenario), tmp_path, structs.replace(Model(), video=cutting))
    fitted = fit(run, "all").video
    assert fitted.cut_share == pytest.approx(0.03, rel=0.7)
    assert np.mean(fitted.cut_ns) == pytest.approx(2000 * MS, rel=0.4)


def test_a_killed_edge_or_studio_is_no_cut(source):
    assert fit(source, "all").video.cut_share == 0


def test_fit_finds_sizes_and_costs(source):
    fitted = fit(source, "odd").video
    assert [sizes[50] for sizes in fitted.part_bytes] == [9_000, 50_000]
    assert fitted.playlist_bytes == TRUE.playlist_bytes
    assert fitted.edge_request_ns == pytest.approx(TRUE.edge_request_ns, rel=0.02)
    assert fitted.origin_request_ns == pytest.approx(TRUE.origin_request_ns, rel=0.1)
    assert fitted.studio_part_ns == pytest.approx(TRUE.studio_part_ns, rel=0.02)


def test_a_faults_times_of_streaming_processes_say_nothing_of_the_others(source):
    fitted = fit(source, "odd")
    assert fitted.restart_ns == Model().restart_ns
    assert fitted.detect_ns == Model().detect_ns


def test_odd_and_even_slices_share_the_fetches(source):
    fetches = [fit(source, parity).valid.fetches for parity in ("odd", "even", "all")]
    assert fetches[0] + fetches[1] == fetches[2] == len(source.video)
    assert min(fetches) > 0


def test_slices_are_numbered_from_the_beginning_of_the_load(source):
    start_ns = int(source.manifest["load_start_ns"])
    instants = pd.Series([start_ns - 1, start_ns, start_ns + SLICE_NS - 1, start_ns + SLICE_NS])
    assert in_slices(source, instants, "odd").tolist() == [False, True, True, False]
    assert in_slices(source, instants, "even").tolist() == [False, False, False, True]


def test_a_twin_sees_what_its_source_saw(source, tmp_path):
    twin = make_twin(source, tmp_path / "twin")
    assert load_model(twin.path / MODEL_FILE).video == fit(source, "odd").video
    figures = []
    for run in (source, twin):
        parts = run.video[(run.video["kind"] == 4) & (run.video["status"] == 200)]
        parts = parts[in_slices(run, parts["due_ns"], "even") & (parts["latency_ms"] > 0).to_numpy()]
        came_ms = (parts["end_ns"] - parts["media_ns"]) / MS
        figures.append([parts["latency_ms"].median(), parts["latency_ms"].quantile(0.9), came_ms.median(), len(parts)])
    assert figures[1] == pytest.approx(figures[0], rel=0.1)


def test_a_run_without_viewers_keeps_the_assumed_video(tmp_path):
    manifest = manifest_base(kind="measured", name="", campaign={}, seed=1)
    assert fit(write_run(tmp_path, manifest, {"ops": empty_table("ops")})).video == Video()


def test_waking_is_what_lies_between_viewers_beside_the_edges_own_work():
    row = {"edge": 0, "table": 1, "rendition": 1, "msn": 5, "part": 0}
    waited = pd.DataFrame([{**row, "first_byte_ns": at_ns} for at_ns in (1_000, 1_150, 1_900)])
    assert woken_ns(waited, 100).tolist() == [0, 50, 700]


def test_one_viewer_alone_says_nothing_of_waking():
    row = {"edge": 0, "table": 1, "rendition": 1, "msn": 5, "part": 0, "first_byte_ns": 1_000}
    assert len(woken_ns(pd.DataFrame([row]), 100)) == 0


def test_a_model_with_other_renditions_than_bit_rates_is_refused(tmp_path):
    wrong = structs.replace(TRUE, bandwidths_bps=(1_000,))
    save_model(structs.replace(Model(), video=wrong), tmp_path / "model.json")
    with pytest.raises(Exception, match="2 part sizes and 1 bit rates"):
        load_model(tmp_path / "model.json")
