"""A crowd's simulation: SimPy for what is scarce and shared, compiled kernels for players, one clock.

SimPy drives tables, control requests, faults and the host's state. Between two of its events the kernels let
everything happen that belongs to players, gateways' queues and wallets' batches, in the order of time, and stop early
where SimPy has to act. So nothing is rounded to a step: the two halves exchange events at nanoseconds.

Players who are *followed* (a share of all, chosen by a draw of their own, and whoever is named) leave rows in the Run,
with the weight of those they stand for. Totals and histograms count everybody.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import simpy

from reference_impl.domain.balancing.policies import policy_of
from reference_impl.domain.hls_steering import CONNECTIONS_A_VIEWER
from reference_impl.domain.ids import shard_of, table_of
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from sim import kernels, random_streams
from sim.arrivals import rule_arguments
from sim.cores import Work
from sim.draws import Draws
from sim.faults import Faults, Victim, carried_out_in_a_crowd, streaming
from sim.gateway import ANSWER_BYTES, EVENT_BYTES
from sim.hybrid import layout, loop
from sim.hybrid.audience import Audience
from sim.hybrid.events import COLUMNS
from sim.hybrid.exact import Exact, busiest, exact
from sim.hybrid.gateways import CrowdGateways
from sim.hybrid.layout import Setup, World
from sim.hybrid.scope import refuse_what_no_crowd_has
from sim.hybrid.seats import leave
from sim.hybrid.tables import ops_frame, pushes_frame, sightings
from sim.hybrid.wallet import CrowdShard, State, write_commits
from sim.kernels import Int64s
from sim.laws import Books, hold
from sim.observations import Observations
from sim.parameters import LEVELS, Model
from sim.random_streams import Stream
from sim.scenario import Scenario, bettors, senders, size_of
from sim.server import after
from sim.wiring import OverloadError, Starts, begin_tables, load_start_ns, make_tables, over, overload, victims


class Crowd:
    """One simulated system with a crowd.

    Parameters
    ----------
    scenario : Scenario
        What happens.
    model : Model
        How long it takes.
    starts : mapping of int to FirstRound
        Each table's first round.
    share : float
        Share of the players who are followed.
    trace : collection of int
        Players who are followed in any case, with weight 0 if the draw left them out.
    warm_up_s : float
        Histograms count from so long after the load starts.

    Raises
    ------
    ConfigError
        If the scenario asks for something that only the model of single players carries out.

    Notes
    -----
    :meth:`run` raises :class:`sim.wiring.OverloadError` once more bets wait than gateways keep.
    """

    def __init__(
        self,
        scenario: Scenario,
        model: Model,
        starts: Starts,
        *,
        share: float = 1.0,
        trace: Collection[int] = (),
        warm_up_s: float = 0.0,
    ) -> None:
        refuse_what_no_crowd_has(scenario)
        self.share = share
        self._warm_up_ns = round(warm_up_s * NS_PER_S)
        self._scenario = scenario
        self._model = model
        self._starts = starts
        self._env = env = simpy.Environment()
        self._seen = Observations(deposit_minor=scenario.deposit_minor)
        self._draws = Draws(env, scenario.seed, model, self._work, senders(scenario))
        self._host_state = 0
        self.load_start_ns = load_start_ns(starts)
        self._load_end_ns = self.load_start_ns + round(scenario.load_s * NS_PER_S)
        setup = make_setup(scenario, model, self.load_start_ns)
        self.state = State(make_world(scenario, model, self.load_start_ns, share, trace), setup)
        self.shards = [CrowdShard(env, number, self.state) for number in range(scenario.shards)]
        self._gateways = CrowdGateways(env, self.state)
        self._tables = make_tables(
            env, scenario, self._draws, self.shards, self, self._seen, self._load_end_ns
        )  # fmt: skip
        self.audience = Audience(env, scenario, self._draws, self.load_start_ns, share, trace)
        faults = Faults(
            env, self._draws, self._victims(), streaming(scenario), self._gateways.cut_offs, self._seen,
            carried_out_in_a_crowd,
        )  # fmt: skip
        faults.plan(scenario.faults, self.load_start_ns)

    def run(self) -> None:
        """Simulate until every round is over and every bet is answered."""
        self._provide()
        begin_tables(self._env, self._tables, self._starts, self._model, self.load_start_ns)
        self._env.process(self._sample())
        self.audience.start()
        if self._warm_up_ns:
            after(self._env, self.load_start_ns + self._warm_up_ns, self._forget)
        if len(self._model.host.states) > 1:
            self._env.process(self._draws.follow(self._finished))
        while self._advance():
            self._env.step()
            self._follow_host()
        self.books = hold(self._books())

    def _books(self) -> Iterator[Books]:
        now_ns = int(self._env.now)
        for shard in self.shards:
            yield shard.books()
        for number, row in enumerate(self.state.world.gateways):
            free_ns, idle_ns = int(row["free_ns"]), int(row["idle_ns"])
            work_ns = int(row["work_ns"]) - max(0, free_ns - now_ns)
            yield Books(f"gateway-{number}", work=work_ns, busy=min(free_ns, now_ns) - idle_ns)
        yield from self.audience.books()

    def call_at(self, at_s: float, then: Callable[[], None]) -> None:
        """Let something be called so long after the load starts; to be asked for before :meth:`run`."""
        after(self._env, self.load_start_ns + round(at_s * NS_PER_S), then)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables of the Run: those who are followed."""
        w = self.state.world
        sightings(w, self._seen)
        tables = self._seen.tables([shard.ledger for shard in self.shards])
        weight = 1.0 / self.share if 0.0 < self.share < 1.0 else 1.0
        tables["ops"] = ops_frame(w, weight, sampled(self._scenario.seed, w, self.share))
        tables["pushes"] = pushes_frame(w, self._gateways.frames)
        tables["video"] = self.audience.frame()
        return tables

    @property
    def now_ns(self) -> int:
        """The simulated instant."""
        return int(self._env.now)

    def exact(self) -> Exact:
        """Return what counts everybody."""
        return exact(self.state.world, int(self._env.now), self.load_start_ns, self._load_end_ns)

    def settled_ms(self) -> list[float]:
        """Return how long each round took from its announced result until all of its bets were settled."""
        rounds = self._seen.rounds.values()
        return [(seen.settled_ns - seen.result_ns) / NS_PER_MS for seen in rounds if seen.settled_ns and seen.result_ns]

    def gateway_bytes(self) -> int:
        """Return what all gateways sent to players."""
        return int(self.state.world.gateways["egress_bytes"].sum())

    def names_up(self) -> frozenset[str]:
        """Return the names of the gateways that live."""
        return self._gateways.names_up()

    def announce(self, news: Any) -> None:
        """Broadcast a table event."""
        w = self.state.world
        followed = int(w.followed_first[news.table] - w.followed_first[news.table - 1])
        self._make_room(seen=followed)
        self._gateways.announce(news, self._tables[news.table - 1].awaited)

    def pay(self, table: int, round_id: int, owners: Int64s, key: int) -> None:
        """Tell players that their bets were settled or voided."""
        self._make_room(seen=len(owners))
        self._gateways.pay(table, round_id, owners, key)

    def _advance(self) -> bool:
        """Let the kernels run up to SimPy's next event; return whether there is one."""
        while True:
            following = self._env.peek()
            until_ns = loop.FOREVER if following == simpy.core.Infinity else int(following)
            why = loop.advance(self.state.handle, self.state.fixed, until_ns)
            write_commits(self.state, self.shards)
            if why == loop.FULL:
                self._make_room()
            elif why == loop.TOLD_SOMETHING:
                self._schedule_told()
                return True
            else:
                return until_ns != loop.FOREVER

    def _schedule_told(self) -> None:
        w = self.state.world
        for at_ns, kind, a, b in w.told[: w.counts[layout.TOLD]].tolist():
            after(self._env, max(0, at_ns - int(self._env.now)), self._hear, kind, a, b)
        w.counts[layout.TOLD] = 0

    def _hear(self, kind: int, a: int, b: int) -> None:
        if kind == layout.TELL_WATERMARK:
            self._tables[table_of(b) - 1].watermark(self._gateways.acknowledged(a), b)
        elif kind == layout.TELL_CONTROL_WANTED:
            self.shards[a].begin_control(b)
        else:
            self.shards[a].end_control(b)

    def _provide(self) -> None:
        """Open accounts, and give everybody the first deposit."""
        w, deposit = self.state.world, self._scenario.deposit_minor
        w.players["balance"][1:], w.players["version"][1:] = deposit, 1
        w.shards["seq"] = np.bincount(w.players["shard"][1:], minlength=len(self.shards))
        for player in np.flatnonzero(w.players["followed"]).tolist():
            shard = self.shards[w.players["shard"][player]]
            shard.ledger.deposit(shard.new_ref(), player, deposit)
            self._seen.depositors.append(player)

    def _forget(self) -> None:
        """Begin the histograms anew: the warm-up is over."""
        self.state.world.histograms[:] = 0
        self.audience.forget()

    def _victims(self) -> dict[str, list[Victim]]:
        gateways = {
            f"gateway-{number}": Victim(
                partial(self._kill_gateway, number), partial(self._gateways.restart, number)
            )
            for number in range(self._scenario.gateways)
        }  # fmt: skip
        shards = {shard.name: Victim(shard.kill, shard.restart) for shard in self.shards}
        return victims(shards, gateways) | self.audience.victims()

    def _kill_gateway(self, number: int) -> None:
        lost = int(self.state.world.gateways["connections"][number])
        self._make_room(bets=lost, seen=2 * lost, events=lost)
        self._gateways.kill(number)

    def _work(self) -> Work:
        w = self.state.world
        counts = w.counts[[layout.OFFERED, layout.PUSHED, layout.LOGINS]]
        bets, pushes, logins = counts.tolist()
        return Work(bets, int(w.lanes["requests"].sum()), pushes, logins)

    def _follow_host(self) -> None:
        if self._draws.state != self._host_state:
            self._host_state = self._draws.state
            rows, cycle = layout.stage_rows(self._model.host.states[self._host_state])
            self.state.world.tables[: layout.STAGES] = rows
            self.state.world.cycle[:] = cycle

    def _sample(self) -> Any:
        """Note every process's load once a second; the last note closes the simulation."""
        yield self._env.timeout(self.load_start_ns % NS_PER_S or NS_PER_S)
        while not self._finished():
            self._note_nodes()
            yield self._env.timeout(NS_PER_S)
        self._note_nodes()
        self._make_room(seen=int(self.state.world.players["followed"].sum()))
        leave(self.state.handle, int(self._env.now))

    def _finished(self) -> bool:
        now_ns = int(self._env.now)
        unanswered = int(self.state.world.counts[layout.UNANSWERED_N])
        return over(now_ns, self._load_end_ns, self._tables, unanswered=unanswered)

    def _note_nodes(self) -> None:
        w, now_ns = self.state.world, int(self._env.now)
        note = partial(self._seen.node, now_ns)
        names = ("up", "connections", "waiting", "lag_ns_max", "work_ns", "free_ns", "bets", "egress_bytes")
        columns = [w.gateways[name].tolist() for name in names]
        for number, (_, connections, waiting, lag, work, free, bets, egress) in enumerate(zip(*columns, strict=True)):
            busy_ns = work - max(0, free - now_ns)
            note(f"gateway-{number}", connections, waiting, lag, busy_ns, bets, egress)
        w.gateways["lag_ns_max"] = 0
        if said := overload(self._scenario, columns[2], now_ns - self.load_start_ns):
            raise OverloadError(said, busiest(self.exact()))
        for number, shard in enumerate(self.shards):
            row = w.shards[number]
            busy_ns = int(row["busy_ns"]) + (now_ns - int(row["started_ns"]) if row["working"] else 0)
            note(shard.name, 0, int(row["queued"]), 0, busy_ns, int(row["placed"]), 0)
        for number, row in enumerate(self.audience.edges):
            lag_ns, row["lag_ns_max"] = int(row["lag_ns_max"]), 0
            note(f"edge-{number}", CONNECTIONS_A_VIEWER * int(row["viewers"]), 0, lag_ns,
                 int(row["busy_ns"]), int(row["requests"]), int(row["bytes"]))  # fmt: skip
        note("dealer", 0, 0, 0, 0, sum(table.rounds for table in self._tables), 0)
        begun = w.counts[layout.OFFERED] + w.counts[layout.LOGINS] + w.counts[layout.CONNECTS]
        self._seen.worker(now_ns, int(w.counts[layout.CONNECTED]), int(begun))

    def _make_room(self, bets: int = 0, seen: int = 0, events: int = 0) -> None:
        """Enlarge the pools until an event of this size cannot run out of rows."""
        margin = 2 * (loop.MARGIN + self.state.setup.batch_bets_max + 2 * len(self.state.world.gateways))
        self.state.replace(with_room(self.state.world, margin, bets, seen, events))


def with_room(w: World, margin: int, bets: int, seen: int, events: int) -> World:
    """Return the world with pools that have at least `margin` rows left beside what is asked for."""
    counts = w.counts
    for name, free, at, more in (
        ("bets", "free_bets", layout.FREE_BETS, bets),
        ("attempts", "free_attempts", layout.FREE_ATTEMPTS, bets),
        ("parcels", "free_parcels", layout.FREE_PARCELS, 0),
    ):
        while counts[at] < margin + (more if name == "bets" else 0):
            records, stack, counts[at] = layout.grown(getattr(w, name), getattr(w, free), int(counts[at]))
            w = w._replace(**{name: records, free: stack})
    for name, at, more in (
        ("heap", layout.EVENTS, 2 * bets + 2 * events), ("seen", layout.SEEN_N, seen), ("commits", layout.COMMITS, 0)
    ):  # fmt: skip
        while len(getattr(w, name)) < counts[at] + margin + more:
            rows = getattr(w, name)
            w = w._replace(**{name: np.concatenate([rows, np.zeros_like(rows)])})
    if len(w.timers) < counts[layout.TIMERS_N] + margin:
        straight = np.roll(w.timers, -int(counts[layout.TIMERS_FIRST]), axis=0)
        counts[layout.TIMERS_FIRST] = 0
        w = w._replace(timers=np.concatenate([straight, np.zeros_like(straight)]))
    return w


def sampled(seed: int, w: World, share: float) -> Any:
    """Tell which players the draw chose; shape (players + 1,)."""
    who = np.arange(len(w.players), dtype=np.int64)
    return (kernels.uniforms(seed, int(Stream.FOLLOW), who, 0) < share) & (who > 0)


def bets_max(setup: Setup) -> int:
    """Return how many bets a player places in a round at most."""
    return len(setup.cover) or int(setup.bets_mean) + 1


def bets_unfinished(players: int, setup: Setup) -> int:
    """Return for how many bets there is room at first: those of a round and a half, which are given back after it.

    Rows that are never used cost address space, not memory; a pool that grows is copied while the crowd waits.
    """
    mean = players * setup.participation * (len(setup.cover) or setup.bets_mean)
    return 1 << max(14, (int(1.5 * mean)).bit_length())


def make_setup(scenario: Scenario, model: Model, start_ns: int) -> Setup:
    """Return what does not change."""
    push_ns = layout.table_row(model.push_ns)
    return Setup(
        scenario.seed, start_ns, start_ns + round(scenario.load_s * NS_PER_S), round(scenario.answer_s_max * NS_PER_S),
        model.batch_bets_max, model.fanout_ns, model.accept_ns, int(push_ns[-1]), ANSWER_BYTES, EVENT_BYTES,
        scenario.betting.participation, scenario.betting.bets_per_round_mean, *rule_arguments(scenario),
        stream_keys(scenario.seed), policy_of(scenario.balancer.policy).code,
    )  # fmt: skip


def stream_keys(seed: int) -> Int64s:
    """Return the keys of both lanes of every stream, by the stream's number; shape (streams, 2)."""
    lanes = [random_streams.LANE_A, random_streams.LANE_B]
    streams = range(max(Stream) + 1)
    return np.array([[random_streams.stream_key(lane, seed, stream) for lane in lanes] for stream in streams])


def make_world(scenario: Scenario, model: Model, start_ns: int, share: float, trace: Collection[int]) -> World:
    """Return the world before anything happens."""
    groups = bettors(scenario)
    count = size_of(groups)
    at_s = np.concatenate([group.at_s for group in groups])
    at_ns = np.rint(at_s * NS_PER_S).astype(np.int64) + start_ns
    players = np.zeros(count + 1, dtype=layout.PLAYER)
    numbers = np.arange(1, count + 1, dtype=np.uint64)
    players["table"][1:] = np.repeat([group.table - 1 for group in groups], [len(group.at_s) for group in groups])
    rule: Any = shard_of  # it takes arrays, too
    players["shard"][1:] = rule(numbers, scenario.shards)
    for name in ("gateway", "bets", "before", "after", "op"):
        players[name] = -1
    tables, gateways, shards = scenario.tables, scenario.gateways, scenario.shards
    order = np.argsort(at_ns, kind="stable")
    by_table = np.argsort(players["table"][1:], kind="stable") + 1
    sizes = np.bincount(players["table"][1:], minlength=tables)
    setup = make_setup(scenario, model, start_ns)
    bets, free_bets = layout.pool(layout.BET, bets_unfinished(count, setup))
    attempts, free_attempts = layout.pool(layout.ATTEMPT, 1 << 14)
    parcels, free_parcels = layout.pool(layout.PARCEL, 1 << 14)
    counts = np.zeros(layout.COUNTS, dtype=np.int64)
    counts[[layout.FREE_BETS, layout.FREE_ATTEMPTS, layout.FREE_PARCELS]] = len(bets), len(attempts), len(parcels)
    books = np.zeros((tables * layout.ROUNDS_KEPT, shards), dtype=layout.BOOK)
    rounds = np.zeros(tables * layout.ROUNDS_KEPT, dtype=layout.ROUND)
    rounds["bets"] = -1
    seats = np.zeros((gateways, tables), dtype=layout.SEAT)
    for name in ("first", "last", "round"):
        seats[name] = -1
    rows = np.zeros(gateways, dtype=layout.GATEWAY)
    rows["up"] = 1
    queues = np.zeros(shards, dtype=layout.SHARD)
    for name in ("first", "last", "taken"):
        queues[name] = -1
    bets_each = bets_max(setup)
    w = World(
        counts=counts, levels=np.array(LEVELS), tables=layout.all_rows(model),
        cycle=layout.stage_rows(model.host.states[0])[1].astype(np.int64),
        histograms=np.zeros((layout.HISTOGRAMS, layout.HISTOGRAM), dtype=np.int64), players=players, bets=bets,
        free_bets=free_bets, attempts=attempts, free_attempts=free_attempts, parcels=parcels,
        free_parcels=free_parcels, gateways=rows, lanes=np.zeros((gateways, shards), dtype=layout.LANE),
        shards=queues, rounds=rounds, seats=seats,
        cuts=np.zeros((gateways, tables * layout.ROUNDS_KEPT), dtype=layout.CUT), books=books,
        table_first=np.concatenate([[0], np.cumsum(sizes)]), table_players=by_table,
        followed_first=np.zeros(tables + 1, dtype=np.int64), followed=np.zeros(0, dtype=np.int64),
        schedule=np.zeros((tables, max(1, int(sizes.max()) * bets_each), 3), dtype=np.int64),
        schedule_at=np.zeros((tables, 3), dtype=np.int64), arrivals=order + 1, arrivals_ns=at_ns[order],
        heap=np.zeros((1 << 14, COLUMNS), dtype=np.int64), timers=np.zeros((1 << 14, 4), dtype=np.int64),
        told=np.zeros((4096, 4), dtype=np.int64), commits=np.zeros((1 << 12, 3), dtype=np.int64),
        seen=np.zeros(1 << 14, dtype=layout.SEEN),
    )  # fmt: skip
    players["followed"] = sampled(scenario.seed, w, share)
    players["followed"][[player for player in trace if 0 < player <= count]] = 1
    followed = by_table[players["followed"][by_table] > 0]
    per_table = np.bincount(players["table"][followed], minlength=tables)
    return w._replace(followed=followed, followed_first=np.concatenate([[0], np.cumsum(per_table)]))
