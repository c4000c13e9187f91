"""Sorting and joining by packed keys is what NumPy's own slow functions do."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reports.checks import ordering
from reports.checks.ordering import group_starts, positions, repeated, running_max, running_sum, stable_order

anything = arrays(np.int64, st.integers(0, 60), elements=st.integers(-(2**63), 2**63 - 1))
few = arrays(np.int64, st.integers(0, 60), elements=st.integers(-3, 3))
keys = anything | few


@given(keys)
def test_the_order_is_that_of_a_stable_sort(values):
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()


@given(few | anything, few | anything)
def test_positions_are_the_first_ones(values, wanted):
    first = {int(value): at for at, value in reversed(list(enumerate(values)))}
    assert positions(values, wanted).tolist() == [first.get(int(value), -1) for value in wanted]


@given(keys)
def test_what_was_there_before_is_repeated(values):
    seen: set[int] = set()
    expected = []
    for value in values.tolist():
        expected.append(value in seen)
        seen.add(value)
    assert repeated(values).tolist() == expected


@given(keys, few | anything)
def test_pieces_join_without_a_seam(values, wanted):
    whole = stable_order(values), positions(values, wanted), repeated(values)
    with patch.object(ordering, "_PIECE", 4):
        pieces = stable_order(values), positions(values, wanted), repeated(values)
    assert [row.tolist() for row in pieces] == [row.tolist() for row in whole]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40).map(sorted))
def test_sums_and_maxima_run_within_groups(rows):
    group, value = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    starts = group_starts(group)
    so_far = [[v for g, v in rows[: at + 1] if g == rows[at][0]] for at in range(len(rows))]
    if rows:
        assert running_sum(value, starts).tolist() == [sum(values) for values in so_far]
        assert running_max(value, starts).tolist() == [max(values) for values in so_far]
