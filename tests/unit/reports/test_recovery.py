"""What a fault is said to have done is what it did, and nothing that others did before or after."""

from dataclasses import replace

import numpy as np
import pytest
from histories import DEMO, LOAD_START_NS, MS, S, make_manifest, make_tables

from reference_impl.domain.records import OpKind, Outcome
from reports.recovery import recoveries
from reports.run import frame_of, write_run

SHAPE = replace(DEMO, players=20, surge_players=20, fault_at_s=None)
STRUCK_NS = LOAD_START_NS + 30 * S


@pytest.fixture
def told(tmp_path):
    """Return what is said of one fault, the history changed before by a function of its tables."""

    def tell(change=lambda tables: None, **fault):
        tables = make_tables(SHAPE)
        change(tables)
        row = {"t_ns": STRUCK_NS, "kind": "latency", "ended_ns": STRUCK_NS + S, "recovered_ns": STRUCK_NS + S, **fault}
        tables["faults"] = frame_of("faults", {name: [value] for name, value in row.items()})
        (one,) = recoveries(write_run(tmp_path / "run", make_manifest(SHAPE), tables))
        return one

    return tell


def bets(tables):
    return tables["ops"].index[tables["ops"]["kind"] == int(OpKind.BET)]


def first_after(tables, since_ns):
    ops = tables["ops"].loc[bets(tables)]
    return ops.index[(ops["invoke_ns"] > since_ns) & (ops["outcome"] == int(Outcome.OK))]


def test_a_bet_that_was_never_sent_is_under_way_in_no_fault(told):
    def never_sent(tables):
        tables["ops"].loc[bets(tables)[:5], ["outcome", "return_ns"]] = (int(Outcome.REFUSED), 0)

    before, after = told(target="postgres"), told(never_sent, target="postgres")
    assert after.hit == before.hit == after.accepted + after.refused + after.unknown


def test_a_bet_that_was_slow_long_afterwards_notices_nothing(told):
    def slow_later(tables):
        late = first_after(tables, STRUCK_NS + 20 * S)[0]
        tables["ops"].loc[late, "return_ns"] += 10 * S

    def slow_now(tables):
        hit = first_after(tables, STRUCK_NS)[0]
        tables["ops"].loc[hit, "return_ns"] = STRUCK_NS + 10 * S

    assert told(slow_later, target="postgres").noticed_ms is None
    assert 0 < told(slow_now, target="postgres").noticed_ms < 10_000


def test_a_gateway_without_players_is_not_waited_for(told):
    def all_at_one_gateway_until(seconds):
        def change(tables):
            for name in ("ops", "sessions"):
                tables[name].loc[:, "gateway"] = 1
            back = first_after(tables, STRUCK_NS + seconds * S)
            tables["ops"].loc[back, "gateway"] = 0

        return change

    assert told(all_at_one_gateway_until(25), target="nats").served_ms < 10_000


def test_latencies_are_of_bets_under_way(told):
    one = told(target="postgres")
    ops = make_tables(SHAPE)["ops"]
    rows = ops[(ops["kind"] == int(OpKind.BET)) & (ops["return_ns"] > STRUCK_NS)]
    rows = rows[rows["invoke_ns"] < STRUCK_NS + S + one.served_ms * MS]
    assert one.p99_ms == pytest.approx(np.percentile((rows["return_ns"] - rows["due_ns"]) / MS, 99), abs=0.1)


def test_what_a_gateway_without_players_did_to_them_cannot_be_told(told):
    one = told(target="gateway-9", kind="cut", ended_ns=0)
    assert (one.hit, one.served_ms) == (0, None)
