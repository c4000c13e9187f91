"""Refusals by limits, and what distance costs."""

import pytest
from histories import MS
from planted.fairness import refuse_a_stake_within_limits

from reference_impl.domain.records import OpKind
from reports.checks import CHECKS, History
from reports.checks.fairness import latency_deciles


def test_refusals_by_limits_that_nobody_recorded_are_unknown(tables):
    refuse_a_stake_within_limits(tables)
    assert CHECKS["fairness"].function(History(tables)).status == "unknown"


def test_deciles_tell_what_distance_costs(tables):
    ops = tables["ops"]
    bets = (ops["kind"] == int(OpKind.BET)) & (ops["received_ns"] > 0)
    far = bets & (ops["session"] > 12)
    for name in ("due_ns", "invoke_ns"):
        ops.loc[far, name] -= 900 * MS
    deciles = latency_deciles(History(tables))
    assert deciles["decile"].tolist() == list(range(1, 11))
    assert deciles["bets"].sum() == bets.sum()
    assert deciles["uplink_ms"].is_monotonic_increasing
    assert deciles["usable_ms"].iloc[0] - deciles["usable_ms"].iloc[-1] == pytest.approx(900, abs=20)
