"""Video dies, bets go on: the campaign against its control, one after the other, so that noise is known."""

import asyncio
import json
from statistics import median

import msgspec
import pytest

from loadtest.campaign import run_campaign
from loadtest.config import CAMPAIGNS, load_campaign
from reference_impl.domain.records import FetchKind
from reports.run import open_run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

PAIRS = 3
NOISE_SHARE = 1.1
BACK_S_MAX = 3.0


def campaign_of(*, faults):
    known = load_campaign(CAMPAIGNS / "kill-video.toml")
    if faults:
        return known
    quiet = msgspec.structs.replace(known.scenario, faults=())
    slo = tuple(line for line in known.slo if not line.startswith("fault."))
    return msgspec.structs.replace(known, name="kill-video-control", scenario=quiet, slo=slo)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs with and without faults, taken in turn."""
    found = {True: [], False: []}
    for pair in range(PAIRS):
        for faults in (pair % 2 == 0, pair % 2 == 1):
            out = tmp_path_factory.mktemp("runs")
            result = asyncio.run(run_campaign(campaign_of(faults=faults), out, progress=False))
            found[faults].append(open_run(result.run_path))
    return found


def summary(run):
    return json.loads((run.path / "summary.json").read_text())


def p99_ms(run):
    return summary(run)["bet"]["p99_ms"]


def test_bets_are_as_fast_as_without_faults_within_the_noise_of_repetition(runs):
    quiet, struck = ([p99_ms(run) for run in runs[faults]] for faults in (False, True))
    assert median(struck) <= max(quiet) * NOISE_SHARE, (quiet, struck)


def test_ledger_of_every_run_is_consistent_and_no_bet_is_lost(runs):
    for run in [*runs[True], *runs[False]]:
        assert summary(run)["verdict"] in {"pass", "slo"}, summary(run)["because"]
        assert summary(run)["bet"]["unknown"] == 0


def test_every_process_is_back_and_so_is_the_picture_within_three_seconds(runs):
    for run in runs[True]:
        faults = run.table("faults")
        assert set(faults["target"]) == {"studio-1", "studio-2", "origin", "edge-0", "edge-1"}
        parts = run.video[(run.video["kind"] == FetchKind.PART) & (run.video["status"] == 200)]
        for fault in faults.itertuples():
            later = parts[parts["end_ns"] > fault.recovered_ns]
            if fault.target.startswith("studio"):
                later = later[later["table"] == int(fault.target.partition("-")[2])]
            elif fault.target.startswith("edge"):
                continue  # its viewers are elsewhere by then
            assert (later["end_ns"].min() - fault.recovered_ns) / 1e9 <= BACK_S_MAX, fault.target


def test_viewers_recover_alone(runs):
    for run in runs[True]:
        late = run.video[run.video["end_ns"] > run.table("faults")["recovered_ns"].max() + 5 * 10**9]
        watching = late[(late["kind"] == FetchKind.PART) & (late["status"] == 200)]["viewer"].nunique()
        assert watching == run.video["viewer"].nunique()
