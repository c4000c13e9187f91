"""What the balancer decides from what it heard; every plan is made again from its record."""

import json
import random
import statistics
import time

import pytest

from reference_impl.balancer.balancer import EXCESS_MIN, TURN_S, VIEWER_CONNECTIONS_MAX, Balancer
from reference_impl.balancer.decisions import Line, Shifted, agrees, line_of, parse
from reference_impl.balancer.reports import Reports
from reference_impl.domain.balance_messages import EdgeReport, Fence, GatewayReport, MoveAway, Stand, SteerVideo
from reference_impl.domain.units import NS_PER_S
from reference_impl.pulse import p98_of

LATE_MS = 60.0
HOLDS_PER_S = 10
RAMP_MS_PER_S = 3.5


class Heard:
    """A balancer without a bus, told what gateways and edges report."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.balancer = Balancer(None, Reports(None), "balancer", lambda made: self.lines.append(parse(line_of(made))))

    def gateway(self, number: int, tables: dict[int, int], now_s: float, lag_ms: float = 0.0,
                stand: Stand = Stand.SERVING, left: int = 0, high_ms: float | None = None) -> None:  # fmt: skip
        told = GatewayReport(
            f"gateway-{number}", number, f"ws://{number}", sum(tables.values()), lag_ms, stand, tables=tables,
            lag_ms_mean=lag_ms, left=left, lag_ms_p98=lag_ms if high_ms is None else high_ms,
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
    assert sum(count for *_, count in order.to) == order.players >= EXCESS_MIN
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


def test_who_has_far_too_many_gives_even_if_only_one_has_room_and_that_not_for_all() -> None:
    heard = Heard()
    for second in range(5):
        for number, crowd in enumerate((41, 32, 17)):
            heard.gateway(number, {1: crowd}, float(second))
    order = heard.orders(4.1)["gateway-0"]
    assert isinstance(order, MoveAway)
    assert [name for name, *_ in order.to] == ["gateway-2"]
    assert 0 < order.players < EXCESS_MIN


def late_ms(draw: random.Random, usual_ms: float, held_ms: float) -> tuple[float, float]:
    """Return mean and p98 of a second's lags: a timer rings at random distances, and is held up ten times a second."""
    at_ms, lags_ms = draw.uniform(0.0, 10.0), []
    while at_ms < 1000.0:
        over_ms = at_ms % (1000.0 / HOLDS_PER_S)
        lag_ms = max(0.0, held_ms - over_ms) + draw.expovariate(1 / usual_ms)
        lags_ms.append(lag_ms)
        at_ms += lag_ms + draw.uniform(5.0, 15.0)
    return statistics.fmean(lags_ms), p98_of(lags_ms)


@pytest.mark.parametrize("crowds", [(30, 30, 30), (25, 33, 32)], ids=["even", "fewer where it slows down"])
@pytest.mark.parametrize("seed", range(5))
def test_a_gateway_that_is_held_up_ever_longer_gives_before_its_hold_ups_are_what_a_bet_takes(
    seed: int, crowds: tuple[int, ...]
) -> None:
    heard, draw = Heard(), random.Random(seed)
    for second in range(40):
        for number, crowd in enumerate(crowds):
            held_ms = max(0.0, RAMP_MS_PER_S * (second - 20.5)) if number == 0 else 0.0
            mean_ms, high_ms = late_ms(draw, 0.3, held_ms)
            heard.gateway(number, {1: crowd}, float(second), mean_ms, high_ms=high_ms)
        if orders := heard.orders(second + 0.1):
            break
    assert set(orders) == {"gateway-0"}
    assert 20 < second <= 26, "held up by less than 20 ms"


@pytest.mark.parametrize(("usual_ms", "most"), [(0.3, 0), (3.0, 6)], ids=["quiet", "busy"])
def test_what_is_usual_on_a_machine_moves_nobody_or_hardly_anybody(usual_ms: float, most: int) -> None:
    heard, draw, moved = Heard(), random.Random(1), 0
    for second in range(600):
        for number in range(3):
            busy_ms = usual_ms * draw.lognormvariate(0.0, 0.3)
            hiccup_ms = 60.0 if draw.random() < 0.03 else 0.0
            mean_ms, high_ms = late_ms(draw, busy_ms, 0.0)
            heard.gateway(number, {1: 30}, float(second), mean_ms + hiccup_ms / 100, high_ms=high_ms)
        moved += bool(heard.orders(second + 0.1))
    assert moved <= most


def test_a_crowd_that_leaves_costs_nobody_the_trust() -> None:
    for told, taker in ((True, "gateway-1"), (False, "gateway-2")):
        heard = Heard()
        for second in range(30):
            gone = second >= 3
            for number in range(3):
                crowd, left = (0, 60 if told else 0) if gone and number == 1 else (60, 0)
                late = LATE_MS if number == 0 and second >= 25 else 0.0
                heard.gateway(number, {1: crowd}, float(second), late, left=left)
        order = heard.orders(29.1)["gateway-0"]
        assert isinstance(order, MoveAway)
        assert [name for name, *_ in order.to] == [taker]


def test_a_gateway_that_began_anew_counts_from_nothing_and_is_believed() -> None:
    heard = Heard()
    for second in range(6):
        crowd, left = ((60, 500), (10, 50))[second >= 3]
        heard.gateway(0, {1: crowd}, float(second), left=left)
    assert heard.balancer._gateways.place("gateway-0").load == pytest.approx(10, abs=3)


def test_a_crowd_of_viewers_costs_an_edge_no_trust() -> None:
    heard = Heard()
    for second in range(6):
        heard.edge(0, 5 if second < 3 else 400, float(second))
    place = heard.balancer._edges.place("edge-0")
    assert (place.load, place.error) == (400.0, 0.0)


async def test_who_begins_to_slow_down_is_looked_at_at_once() -> None:
    heard = evenly()
    heard.gateway(0, {1: 100}, 5.0, LATE_MS)
    began_s = time.monotonic()
    await heard.balancer._next_turn()
    assert time.monotonic() - began_s < TURN_S / 2
    assert not heard.balancer._slowing.is_set(), "once"


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
