import sys

import numba
import numpy as np

from sim.hybrid.handles import made
from sim.hybrid.screens import HallHandle, empty_hall
from sim.parameters import Video
from sim.scenario import Scenario


@numba.njit
def count_up(hall):
    for i in range(len(hall.totals)):
        hall.totals[i] += hall.part_ns


def test_kernels_write_into_the_arrays_that_a_handle_borrows():
    hall = empty_hall(Scenario(edges=1), Video())
    count_up(made(HallHandle, hall))
    assert set(hall.totals.tolist()) == {hall.part_ns}
    assert not any("call void @NRT_incref" in code for code in count_up.inspect_llvm().values())


def test_a_handle_keeps_its_arrays_alive_and_lets_them_go_when_it_goes():
    hall = empty_hall(Scenario(edges=1), Video())
    counts = [sys.getrefcount(hall.sizes)]
    for _ in range(3):
        handle = made(HallHandle, hall)
        counts.append(sys.getrefcount(hall.sizes))
    del handle
    counts.append(sys.getrefcount(hall.sizes))
    assert np.diff(counts).tolist() == [1, 0, 0, -1]
