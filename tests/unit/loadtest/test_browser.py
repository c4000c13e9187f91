"""Somebody who looks round the lobby, told by hand what time it is."""

import pytest

from loadtest.clock import ServerClock
from loadtest.users.browser import LOOK_EVERY_S, LOOKS_MAX, STAY_S_MAX, BrowserScript
from reference_impl.domain.protocol import Welcome
from reference_impl.domain.units import NS_PER_S
from sim.scenario import Arrival, Kind, Scenario

END_NS = 600 * NS_PER_S


@pytest.fixture
def script() -> BrowserScript:
    browser = Arrival(7, 1, 0.0, Kind.LOBBY_BROWSER)
    return BrowserScript(browser, Scenario(tables=3, load_s=600.0), 1, ServerClock(), END_NS, 9.0, 15.0)


def test_lobby_is_looked_at_a_few_times_before_a_table_is_opened_for_a_while(script: BrowserScript) -> None:
    now_ns, tables, counts = 0, set(), set()
    for connection in range(1, 30):
        looks = script.lobby_looks(now_ns)
        counts.add(len(looks))
        tables.add(script.table)
        assert looks == [now_ns + round(i * LOOK_EVERY_S * NS_PER_S) for i in range(len(looks))]
        script.connected(Welcome(7, 0, 100, 1, 978, looks[-1], None), 0, connection, looks[-1])
        now_ns = script.wake_ns(looks[-1])
        while not script.overdue(now_ns):
            now_ns = script.wake_ns(now_ns)
        assert 0 < now_ns - looks[-1] <= STAY_S_MAX * NS_PER_S
        assert script.take_due(now_ns) == []
        script.disconnected()
    assert tables == {1, 2, 3}
    assert counts == set(range(1, LOOKS_MAX + 1))


def test_nobody_looks_round_after_the_loads_end(script: BrowserScript) -> None:
    assert script.lobby_looks(END_NS) == []
    assert not script.overdue(END_NS)
    assert script.finished(END_NS)
