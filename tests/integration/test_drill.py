"""What was told before the point is there after a restore; and a loss, or another place in the journal, is noticed."""

import pytest

from loadtest.drill import Accepted, drill, lost_of


def test_a_bet_that_is_gone_or_stands_elsewhere_is_lost():
    told = [Accepted("a", 0, 5), Accepted("b", 0, 6), Accepted("c", 0, 7)]
    assert lost_of(told, {"a": 5, "b": 6, "c": 7, "d": 8}) == []
    assert lost_of(told, {"a": 5, "c": 9}) == ["b", "c"]


@pytest.mark.soak
@pytest.mark.timeout(180)
async def test_a_restored_system_has_all_that_was_told_before_the_point_and_goes_on(tmp_path):
    found = await drill(tmp_path, 2.0, lambda _line: None)
    assert found.findings == []
    assert (found.lost, found.sound) == (0, True)
    assert found.told > 50
    assert found.told_after > 20
    assert found.in_trail > 0
    assert found.backup_bytes > 10 << 20
