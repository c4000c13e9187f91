"""A Run must have tried what it claims to have tried."""

import numpy as np
import pandas as pd
import pytest
from histories import Shape, make_tables
from judging import with_terms

from reference_impl.domain.records import OpKind
from reports.run import frame_of


def test_a_fault_that_was_ordered_and_never_struck_leaves_the_run_unknown(tables):
    verdict = with_terms("exercised", tables, faults=(("kill", "gateway-1"),))
    assert (verdict.status, verdict.message) == ("unknown", "a fault that was ordered never struck: kill of gateway-1")
    tables["faults"] = frame_of("faults", {"t_ns": [5], "kind": ["kill"], "target": ["gateway-1"]})
    assert with_terms("exercised", tables, faults=(("kill", "gateway-1"),)).status == "ok"
    assert with_terms("exercised", tables, faults=(("kill", "gateway-1"),) * 2).status == "unknown"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("late-refused", Shape(late_share=0.4)),
        ("funds-refused", Shape(deposit_minor=1_000)),
        ("bet-resent", Shape(retried_share=0.4)),
        ("round-voided", Shape(void_share=1.0)),
    ],
)
def test_an_expected_path_must_have_been_taken(name, shape):
    assert with_terms("exercised", make_tables(shape), expect=(name,)).status == "ok"
    calm = make_tables(Shape(late_share=0.0, seed=2))
    assert with_terms("exercised", calm, expect=(name,)).status == "unknown"


def test_a_player_who_came_back_is_a_path_too(tables):
    assert with_terms("exercised", tables, expect=("reconnected",)).status == "unknown"
    ops = tables["ops"]
    again = ops[ops["kind"] == int(OpKind.CONNECT)].head(1).assign(op=77_777, connection=np.int32(2))
    tables["ops"] = pd.concat([ops, again], ignore_index=True)
    assert with_terms("exercised", tables, expect=("reconnected",)).counts["reconnected"] == 1
