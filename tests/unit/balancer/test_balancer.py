"""What the balancer decides from what it heard; every plan is made again from its record."""

import json

import pytest

from reference_impl.balancer.balancer import MOVES_MIN, VIEWER_CONNECTIONS_MAX, Balancer
from reference_impl.balancer.decisions import Line, Shifted, agrees, line_of, parse
from reference_impl.balancer.reports import Reports
from reference_impl.domain.balance_messages import EdgeReport, Fence, GatewayReport, MoveAway, Stand, SteerVideo
from reference_impl.domain.units import NS_PER_S

LATE_MS = 60.0


class Heard:
    """A balancer without a bus, told what gateways and edges report."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.balancer = Balancer(None, Reports(None), "balancer", lambda made: self.lines.append(parse(line_of(made))))

    def gateway(self, number: int, tables: dict[int, int], now_s: float, lag_ms: float = 0.0,
                stand: Stand = Stand.SERVING) -> None:  # fmt: skip
        told = GatewayReport(
            f"gateway-{number}", number, f"ws://{number}", sum(tables.values()), lag_ms, stand, tables=tables,
            lag_ms_mean=lag_ms,
        )  # fmt: skip
        self.balancer._hear(told, now_s)

    def edge(self, number: int, viewers: int, now_s: float) -> None:
        told = EdgeReport(f"edge-{number}", number, f"http://{number}", viewers, 0, 1.0, 0.0)
        self.balancer._hear(told, now_s)

    def orders(self, now_s: float) -> dict[str, MoveAway | SteerVideo]:
        return dict(self.balancer.turn(round(now_s * NS_PER_S)).orders)


def evenly(seconds: int = 5, lag_ms: float = 0.0, crowd: int = 100) -> Heard:
    heard = Heard()
    for second in range(seconds):
        for number in range(3):
            heard.gateway(number, {1: crowd}, float(second), lag_ms if number == 0 and second >= 1 else 0.0)
    return heard


def test_nobody_is_moved_while_the_load_is_even() -> None:
    heard = evenly()
    assert heard.orders(4.1) == {}
    assert heard.lines == []


def test_a_gateway_that_slows_down_gives_players_to_the_others_and_says_why() -> None:
    heard = evenly(lag_ms=LATE_MS)
    order = heard.orders(4.1)["gateway-0"]
    assert isinstance(order, MoveAway)
    assert {name for name, *_ in order.to} == {"gateway-1", "gateway-2"}
    assert sum(count for *_, count in order.to) == order.players >= MOVES_MIN
    assert "60 ms late" in order.reason


def test_a_hot_table_is_spread_over_more_gateways() -> None:
    heard = Heard()
    for second in range(5):
        heard.gateway(0, {1: 20, 2: 280}, float(second))
        heard.gateway(1, {1: 150}, float(second))
        heard.gateway(2, {1: 150}, float(second))
    order = heard.orders(4.1)["gateway-0"]
    assert isinstance(order, MoveAway)
    assert order.table == 2


def test_who_tells_of_a_sudden_crowd_is_believed_if_the_crowd_was_seen_coming_and_not_otherwise() -> None:
    for seen_coming, believed in ((True, {"gateway-0"}), (False, set())):
        heard = Heard()
        for second in range(6):
            came = second == 2
            for number in range(3):
                for _ in range(60 if came and seen_coming else 0):
                    heard.balancer._gateways.joined(f"gateway-{number}")
                heard.gateway(number, {1: 60 if second >= 2 else 0}, float(second), LATE_MS if number == 0 else 0.0)
        assert set(heard.orders(5.1)) == believed


def test_few_players_are_left_where_they_are() -> None:
    heard = Heard()
    for second in range(5):
        heard.gateway(0, {1: 4}, float(second))
        heard.gateway(1, {}, float(second))
    assert heard.orders(4.1) == {}


def test_who_drains_is_given_nobody_and_ordered_nothing() -> None:
    heard = Heard()
    for second in range(5):
        heard.gateway(0, {1: 30}, float(second), stand=Stand.DRAINING)
        heard.gateway(1, {1: 320}, float(second))
        heard.gateway(2, {1: 50}, float(second))
    order = heard.orders(4.1)
    assert set(order) == {"gateway-1"}
    assert [name for name, *_ in order["gateway-1"].to] == ["gateway-2"]


@pytest.mark.parametrize(("silent_s", "told"), [(2.0, False), (4.0, True)])
def test_players_are_told_to_leave_an_edge_that_fell_silent(silent_s: float, told: bool) -> None:
    heard = Heard()
    for second in range(10):
        heard.gateway(0, {1: 10}, float(second))
        heard.edge(0, 5, float(second))
        if second <= 9 - silent_s:
            heard.edge(1, 5, float(second))
    steers = [one for one in heard.orders(9.1).values() if isinstance(one, SteerVideo)]
    assert [(one.leave, one.share, [name for name, *_ in one.to]) for one in steers] == (
        [("edge-1", 1.0, ["edge-0"])] if told else []
    )


def test_a_crowded_edge_sends_the_share_that_is_too_much_away_and_not_again_at_once() -> None:
    heard = Heard()
    for second in range(5):
        heard.gateway(0, {7: 10}, float(second))
        heard.edge(0, 90, float(second))
        heard.edge(1, 30, float(second))
    heard.orders(4.1)
    steer = heard.orders(4.2)["gateway-0"]
    assert isinstance(steer, SteerVideo)
    assert (steer.leave, steer.table) == ("edge-0", 7)
    assert 0.25 < steer.share < 0.4
    assert heard.orders(4.3) == {}


@pytest.mark.parametrize(
    ("connections", "told"),
    [((2, 1), set()), ((VIEWER_CONNECTIONS_MAX, 0), set()), ((2 * VIEWER_CONNECTIONS_MAX, 0), {"edge-0"})],
    ids=["few", "one page", "two pages"],
)
def test_viewers_too_few_to_share_out_are_left_where_they_are(connections: tuple[int, int], told: set[str]) -> None:
    heard = Heard()
    left = set()
    for second in range(30):
        heard.gateway(0, {7: 10}, float(second))
        for number, count in enumerate(connections):
            heard.edge(number, count, float(second))
        left |= {order.leave for order in heard.orders(second + 0.1).values() if isinstance(order, SteerVideo)}
    assert left == told


def test_every_plan_is_made_again_from_its_line_and_a_forged_one_is_not() -> None:
    heard = evenly(lag_ms=LATE_MS)
    heard.orders(4.1)
    (line,) = heard.lines
    assert isinstance(line, Shifted)
    assert agrees(line)
    forged = json.loads(line_of(line))
    forged["moves"][0][2] += 1
    assert not agrees(parse(json.dumps(forged).encode()))


def test_a_fence_lets_through_the_highest_epoch_and_operators() -> None:
    fence = Fence()
    assert [fence.admits(epoch) for epoch in (3, 5, 4, 5, 0, 6, 5)] == [True, True, False, True, True, True, False]
