"""The players in simulated time: they arrive, log in, sit at a gateway, bet, reconnect, and leave.

The load is open: a bet has an intended start and is sent then, whatever is outstanding. A bet whose connection broke
before its answer came is *unknown* to its player, who reconnects elsewhere and sends it again with the same id. A bet
that could not be sent before its window closed, or soon after the click, was refused: it had no effect.
"""

from dataclasses import dataclass, field

import numpy as np
import simpy

from reference_impl.domain.balancing.policies import policy_of
from reference_impl.domain.ids import round_no_of, shard_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim import kernels, placing
from sim.arrivals import DRAWS_PER_ROUND, may_send, rule_arguments
from sim.draws import Draws
from sim.gateway import Gateway
from sim.kernels import Int64s
from sim.observations import Observations, PlacementSeen, SessionSeen
from sim.operations import Attempt, Op, TableNews, operation_ref
from sim.people import betting_of, late_s, storms_of
from sim.random_streams import Stream
from sim.scenario import Arrival, Scenario, StormKind, arrivals
from sim.server import after

_ATTEMPT_SHIFT = 26
NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006
_NEVER_NS = 1 << 62


@dataclass(slots=True, eq=False)
class _Player:
    number: int
    table: int
    shard: int
    gateway: Gateway | None = None
    connection: int = 0
    opened_ns: int = 0
    operations: int = 0
    round_id: int = 0
    unanswered: dict[bytes, Op] = field(default_factory=dict)
    waiting: list[Op] = field(default_factory=list)
    aiming: list[tuple[int, int]] = field(default_factory=list)


class Players:
    """All players of a scenario.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    scenario : Scenario
        Who comes when and bets how.
    draws : Draws
        Delays on the way and in the clients.
    gateways : list of Gateway
        Where players may be placed; may be filled in later.
    seen : Observations
        Where operations and sessions are noted.
    load_start_ns : int
        The scenario's zero.
    """

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        draws: Draws,
        gateways: list[Gateway],
        seen: Observations,
        load_start_ns: int,
    ) -> None:
        self.unanswered = 0
        self.operations = 0
        self.offered = 0
        self.logins = 0
        self._env = env
        self._scenario = scenario
        self._policy = policy_of(scenario.balancer.policy)
        self._draws = draws
        self._gateways = gateways
        self._seen = seen
        self._load_start_ns = load_start_ns
        self._load_end_ns = load_start_ns + round(scenario.load_s * NS_PER_S)
        self._arrivals = arrivals(scenario)
        styles = [betting_of(scenario, arrival) for arrival in self._arrivals]
        self._styles = list(dict.fromkeys(styles))
        self._style = np.array([-1, *(self._styles.index(style) for style in styles)], dtype=np.int64)
        late_ns = (round(late_s(scenario, arrival.player) * NS_PER_S) for arrival in self._arrivals)
        self._late_ns = np.array([0, *late_ns], dtype=np.int64)
        self._players = {
            a.player: _Player(a.player, a.table, shard_of(a.player, scenario.shards)) for a in self._arrivals
        }
        self._awake_ns = 0
        # A socket keeps order, each way: the latest arrival of every player, by player number.
        self._up_ns = np.zeros(len(self._players) + 1, dtype=np.int64)
        self._down_ns = np.zeros(len(self._players) + 1, dtype=np.int64)

    @property
    def connected(self) -> int:
        """Players with an open connection."""
        return sum(player.gateway is not None for player in self._players.values())

    def accounts(self) -> list[tuple[int, int]]:
        """Return every player's account and its shard."""
        return [(player.number, player.shard) for player in self._players.values()]

    def start(self) -> None:
        """Let the players come."""
        for arrival in self._arrivals:
            at_ns = self._load_start_ns + round(arrival.at_s * NS_PER_S)
            after(self._env, at_ns - int(self._env.now), self._arrive, arrival)
            for storm in storms_of(self._scenario, arrival):
                at_ns = self._load_start_ns + round(storm.at_s * NS_PER_S)
                if storm.kind is StormKind.RECONNECT and storm.before_close_ms:
                    self._players[arrival.player].aiming.append((at_ns, storm.before_close_ms * NS_PER_MS))
                elif storm.kind is StormKind.RECONNECT:
                    after(self._env, at_ns - int(self._env.now), self._break_off, self._players[arrival.player])

    def leave(self) -> None:
        """Close every connection, and ask no longer for what has no answer."""
        for player in self._players.values():
            player.unanswered.clear()
            if player.gateway is not None:
                player.gateway.leave(player.number, player.table)
                self._close(player, NORMAL_CLOSURE)

    def arrive(self, players: Int64s, at_ns: Int64s) -> Int64s:
        """Return when pushes arrive, none before what was written to the same socket earlier."""
        in_order: Int64s = np.maximum(at_ns, self._down_ns[players])
        self._down_ns[players] = in_order
        return in_order

    def connections(self, players: Int64s) -> Int64s:
        """Return the numbers of the players' connections."""
        return np.array([self._players[number].connection for number in players.tolist()], dtype=np.int64)

    def heard(self, players: Int64s, at_ns: Int64s, news: TableNews) -> None:
        """Plan these players' bets of a window that they have heard of."""
        fresh = np.array([self._players[number].round_id < news.round_id for number in players.tolist()])
        players, at_ns = players[fresh], at_ns[fresh]
        for number in players.tolist():
            self._players[number].round_id = news.round_id
            self._aim(self._players[number], news.closes_ns)
        for style in np.unique(self._style[players]).tolist():
            alike = self._style[players] == style
            self._plan(players[alike], at_ns[alike] + self._late_ns[players[alike]], news, style)

    def _plan(self, players: Int64s, at_ns: Int64s, news: TableNews, style: int) -> None:
        """Plan the bets of players who bet alike, and heard of the window at these instants."""
        round_no, betting = round_no_of(news.round_id), self._styles[style]
        plan = kernels.plan_round(
            self._scenario.seed, players, round_no, betting.participation, betting.bets_per_round_mean,
            *rule_arguments(self._scenario, betting, news.table),
        )  # fmt: skip
        previous, ordinal = -1, 0
        for i, offset_ns, selection, amount in zip(*(column.tolist() for column in plan), strict=True):
            previous, ordinal = i, ordinal + 1 if i == previous else 0
            late_ns, heard_ns = int(self._late_ns[players[i]]), int(at_ns[i])
            due_ns = news.opens_ns + offset_ns + late_ns
            if due_ns < heard_ns:
                if news.phase is not Phase.BETS_OPEN:
                    continue  # the player came after this bet's time
                due_ns = heard_ns  # nobody bets before hearing that bets are open
            if due_ns < self._load_end_ns:
                op = self._new_op(self._players[int(players[i])], OpKind.BET, due_ns)
                op.round_id, op.selection, op.amount = news.round_id, selection, amount
                op.closes_ns, op.draw = news.closes_ns + late_ns, round_no * DRAWS_PER_ROUND + ordinal
                after(self._env, max(0, due_ns - int(self._env.now)), self._due, op)

    def answered(self, attempt: Attempt, shard: int) -> None:
        """Let an answer that is written now travel to its player."""
        op = attempt.op
        way_ns = self._draws.ns(
            self._draws.stages.downlink_ns, Stream.DOWNLINK, op.account, op.draw | attempt.number << _ATTEMPT_SHIFT
        )
        at_ns = max(int(self._env.now) + way_ns, int(self._down_ns[op.account]))
        self._down_ns[op.account] = at_ns
        after(self._env, at_ns - int(self._env.now), self._take_answer, attempt, shard)

    def dropped(self, number: int) -> None:
        """Reconnect a player whose socket broke."""
        player = self._players[number]
        self._close(player, ABNORMAL_CLOSURE)
        op = self._new_op(player, OpKind.CONNECT, int(self._env.now))
        avoid = op.gateway = -1 if player.gateway is None else player.gateway.number
        player.gateway = None
        way_ns = self._draws.ns(self._draws.model.reconnect_ns, Stream.RECONNECT, number, player.connection)
        self._sit_down(op, avoid, way_ns)

    def _new_op(self, player: _Player, kind: OpKind, due_ns: int) -> Op:
        player.operations += 1
        ref = operation_ref(self._scenario.seed, player.number, player.operations)
        op = Op(ref, kind, player.number, player.table, player.shard, due_ns)
        self._seen.ops.append(op)
        self.operations += 1
        return op

    def _arrive(self, arrival: Arrival) -> None:
        self.logins += 1
        player = self._players[arrival.player]
        op = self._new_op(player, OpKind.LOGIN, int(self._env.now))
        op.invoke_ns, op.attempts = op.due_ns, 1
        login_ns = self._draws.ns(self._draws.model.login_ns, Stream.LOGIN, player.number, 0)
        after(self._env, login_ns, self._logged_in, op, player)

    def _logged_in(self, login: Op, player: _Player) -> None:
        login.outcome, login.return_ns = Outcome.OK, int(self._env.now)
        op = self._new_op(player, OpKind.CONNECT, login.return_ns)
        way_ns = self._draws.ns(self._draws.model.connect_ns, Stream.CONNECT, player.number, 0)
        self._sit_down(op, -1, way_ns)

    def _sit_down(self, op: Op, avoid: int, way_ns: int) -> None:
        """Connect to the gateway that the policy chooses; try again while there is none."""
        op.invoke_ns = op.invoke_ns or int(self._env.now)
        op.attempts += 1
        candidates = [gateway for gateway in self._gateways if gateway.up and gateway.number != avoid]
        gateway = None
        if candidates:
            player = self._players[op.account]
            k = player.connection << 8 | op.attempts & 0xFF
            first = self._draws.uniform(Stream.PLACEMENT_FIRST, op.account, k)
            second = self._draws.uniform(Stream.PLACEMENT_SECOND, op.account, k)
            loads = [float(g.connections + g.expected) for g in candidates]
            numbers = [g.number for g in candidates]
            chosen = placing.chosen(self._policy, numbers, loads, op.account, 1, first, second)
            gateway = candidates[chosen]
            gateway.expected += 1
            self._seen.placements.append(
                PlacementSeen(int(self._env.now), op.account, op.table, "gateway", gateway.name, gateway.number,
                              loads[chosen], len(candidates))
            )  # fmt: skip
        after(self._env, way_ns, self._knock, op, gateway, way_ns)

    def _knock(self, op: Op, gateway: Gateway | None, way_ns: int) -> None:
        if gateway is not None:
            gateway.expected = max(0, gateway.expected - 1)
        if gateway is None or not gateway.up:
            self._sit_down(op, -1, max(way_ns, 1))
            return
        player = self._players[op.account]
        op.gateway, player.gateway = gateway.number, gateway
        player.connection += 1
        op.connection = player.connection
        written_ns = gateway.accept(player.number, player.table)
        after(self._env, written_ns - int(self._env.now), self._welcome, op, player.connection)

    def _welcome(self, op: Op, connection: int) -> None:
        player, now_ns = self._players[op.account], int(self._env.now)
        op.return_ns = now_ns
        if player.gateway is None or player.connection != connection:
            op.outcome = Outcome.REJECTED  # the gateway died meanwhile; another attempt is under way
            return
        op.outcome = Outcome.OK
        player.opened_ns = now_ns
        for unanswered in list(player.unanswered.values()):
            self._send(unanswered)
        waiting, player.waiting = player.waiting, []
        for due in waiting:
            self._invoke(due)
        news = player.gateway.state(player.table)
        if news is not None and news.phase in {Phase.BETS_OPEN, Phase.CLOSING_SOON}:
            self.heard(np.array([player.number]), np.array([now_ns]), news)

    def _close(self, player: _Player, code: int) -> None:
        gateway = -1 if player.gateway is None else player.gateway.number
        now_ns = int(self._env.now)
        opened_ns = player.opened_ns or now_ns
        self._seen.sessions.append(
            SessionSeen(player.number, player.connection, gateway, player.table, player.number, opened_ns, now_ns, code)
        )
        player.opened_ns = 0

    def _due(self, op: Op) -> None:
        now_ns = int(self._env.now)
        if now_ns >= self._awake_ns:
            self._awake_ns = now_ns + self._draws.ns(self._draws.stages.lag_ns, Stream.LAG, op.account, op.draw)
        after(self._env, self._awake_ns - now_ns, self._start, op)

    def _start(self, op: Op) -> None:
        self.offered += 1
        self._invoke(op)

    def _invoke(self, op: Op) -> None:
        player = self._players[op.account]
        if not may_send(int(self._env.now), op.due_ns, op.closes_ns, player.opened_ns or _NEVER_NS):
            op.invoke_ns = op.return_ns = int(self._env.now)
            op.outcome = Outcome.REFUSED
        elif player.opened_ns == 0:
            player.waiting.append(op)
        else:
            player.unanswered[op.ref] = op
            self.unanswered += 1
            self._send(op)

    def _send(self, op: Op) -> None:
        player, now_ns = self._players[op.account], int(self._env.now)
        gateway = player.gateway
        if gateway is None:
            return
        op.attempts += 1
        op.invoke_ns = op.invoke_ns or now_ns
        op.connection, op.gateway = player.connection, gateway.number
        attempt = op.last = Attempt(op, op.attempts, player.connection, gateway.number)
        way_ns = self._draws.ns(
            self._draws.stages.uplink_ns, Stream.UPLINK, op.account, op.draw | op.attempts << _ATTEMPT_SHIFT
        )
        at_ns = max(now_ns + way_ns, int(self._up_ns[op.account]))
        self._up_ns[op.account] = at_ns
        after(self._env, at_ns - now_ns, self._reach, gateway, attempt)
        after(self._env, round(self._scenario.answer_s_max * NS_PER_S), self._overdue, attempt)

    def _reach(self, gateway: Gateway, attempt: Attempt) -> None:
        if self._players[attempt.op.account].connection == attempt.connection:
            gateway.receive(attempt)

    def _overdue(self, attempt: Attempt) -> None:
        player = self._players[attempt.op.account]
        still = attempt.op.ref in player.unanswered and attempt.op.attempts == attempt.number
        if still and player.connection == attempt.connection:
            self._break_off(player)

    def _aim(self, player: _Player, closes_ns: int) -> None:
        """Let storms that wait for a cut-off strike before this one."""
        for from_ns, before_ns in list(player.aiming):
            if closes_ns - before_ns >= max(from_ns, int(self._env.now)):
                player.aiming.remove((from_ns, before_ns))
                after(self._env, closes_ns - before_ns - int(self._env.now), self._break_off, player)

    def _break_off(self, player: _Player) -> None:
        if player.gateway is not None and player.opened_ns:
            player.gateway.leave(player.number, player.table)
            self.dropped(player.number)

    def _take_answer(self, attempt: Attempt, shard: int) -> None:
        player = self._players[attempt.op.account]
        current = player.opened_ns and player.connection == attempt.connection
        if not current or attempt.answer is None or attempt.op.ref not in player.unanswered:
            return
        del player.unanswered[attempt.op.ref]
        self.unanswered -= 1
        attempt.op.end(attempt, attempt.answer, shard, int(self._env.now))
