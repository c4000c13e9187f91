"""A table in simulated time: carries out what the rules of a round ask for.

The rules are :func:`reference_impl.domain.game_round.step`, the same that the real dealer follows. Effects become
requests to wallet shards and announcements to gateways, and what they answer becomes the next message.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import simpy

from reference_impl.domain import game_round as gr
from reference_impl.domain.games.game import Game
from reference_impl.domain.ids import home_shard, round_id, round_no_of
from reference_impl.domain.phases import TERMINAL, On, Phase
from reference_impl.domain.round_effects import (
    Announce,
    CloseShards,
    Decide,
    Effect,
    OpenShards,
    SettleShards,
    VoidShards,
    WakeAt,
)
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_MS
from sim.draws import Draws
from sim.kernels import Int64s
from sim.observations import Observations, RoundSeen
from sim.operations import TableNews
from sim.parameters import PPM
from sim.parameters import Table as EmpiricalTable
from sim.random_streams import Stream
from sim.server import after
from sim.wallet import Control


class Gateways(Protocol):
    """What a table needs of the gateways, all of them together."""

    def names_up(self) -> frozenset[str]:
        """Return the names of those that live."""

    def announce(self, news: TableNews) -> None:
        """Broadcast a table event."""

    def pay(self, table: int, round_id: int, owners: Int64s, key: int) -> None:
        """Tell players that their bets were settled or voided."""


class Shard(Protocol):
    """What a table needs of a wallet shard."""

    number: int

    def ask(self, control: Control) -> None:
        """Queue a control request."""

    def open_window(self, known: int, until_ns: int) -> None:
        """Open a round's window."""

    def close_window(self, known: int) -> bytes:
        """Close a round's window; return the journal's head."""

    def unsettled(self, known: int) -> int:
        """Return how many bets of a round have no end yet."""

    def settle(self, known: int, game: Game, outcome: int, limit: int) -> Int64s:
        """Settle the first of the bets that :meth:`unsettled` counted last; return whose they were."""

    def void(self, known: int) -> Int64s:
        """Return the stakes of a round's bets; return whose they were."""


class Table:
    """One table, driven round by round.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    number : int
        The table.
    seed : int
        The scenario's seed; seeds of rounds follow from it.
    game : Game
        What is played.
    timing : reference_impl.domain.round_timing.Timing
        The table's timings.
    draws : Draws
        Stage times.
    shards : sequence of Shard
        All shards.
    gateways : Gateways
        All gateways.
    seen : Observations
        Where phases are noted.
    last_start_ns : int
        No round starts from then on.
    """

    def __init__(
        self,
        env: simpy.Environment,
        number: int,
        seed: int,
        game: Game,
        timing: Timing,
        draws: Draws,
        shards: Sequence[Shard],
        gateways: Gateways,
        seen: Observations,
        last_start_ns: int,
    ) -> None:
        self.number = number
        self.news: TableNews | None = None
        self.playing = True
        self.rounds = 0
        self._env = env
        self._seed = seed
        self._game = game
        self._timing = timing
        self._draws = draws
        self._shards = shards
        self._gateways = gateways
        self._seen = seen
        self._last_start_ns = last_start_ns
        self._home = shards[home_shard(number, len(shards))]
        self._state = gr.RoundState(0, frozenset(), frozenset(), timing)
        self._decided: dict[int, gr.Message] = {}
        self._owing: set[int] = set()
        self._events = 0
        self._announced_ns = 0
        self._payments = 0

    def start(self, first_round_no: int) -> None:
        """Start a round now; others follow until the end of the load."""
        known = round_id(self.number, first_round_no)
        self._seen.rounds[known] = RoundSeen(self.number, known, first_round_no)
        self.rounds += 1
        shards = frozenset(range(len(self._shards))) - self._owing
        gateways = self._gateways.names_up()
        self._state = gr.RoundState(known, shards, gateways, self._timing)
        self._take(known, gr.Message(On.START))

    @property
    def awaited(self) -> int:
        """Gateways whose acknowledgement of the round's cut-off is awaited."""
        return len(self._state.gateways)

    def watermark(self, gateways: frozenset[str], known: int) -> None:
        """Take gateways' acknowledgements of the cut-off."""
        self._take(known, gr.Message(On.WATERMARK, gateways))

    def _take(self, known: int, message: gr.Message) -> None:
        if known != self._state.round_id or self._state.phase in TERMINAL:
            return
        state = self._state.joined_by(self._gateways.names_up())
        self._state, effects = gr.step(state, message, int(self._env.now))
        for effect in effects:
            self._carry_out(effect, known)
        if self._state.phase in TERMINAL:
            self._next_round(known)

    def _next_round(self, known: int) -> None:
        pause_ns = self._timing.pause_ms * NS_PER_MS
        self.playing = int(self._env.now) + pause_ns < self._last_start_ns
        if self.playing:
            after(self._env, pause_ns, self.start, round_no_of(known) + 1)

    def _carry_out(self, effect: Effect, known: int) -> None:
        model = self._draws.model
        match effect:
            case OpenShards(shards, until_ns):
                for shard in sorted(shards):
                    self._ask(shard, model.open_ns, Stream.OPEN, partial(self._open, shard, known, until_ns))
            case CloseShards(shards):
                for shard in sorted(shards):
                    self._ask(shard, model.close_ns, Stream.CLOSE, partial(self._close, shard, known))
            case Decide(void, heads):
                decide = partial(self._decide, known, void=void, heads=heads)
                self._ask(self._home.number, model.decide_ns, Stream.DECIDE, decide)
            case SettleShards(shards, outcome):
                for shard in sorted(shards):
                    self._end(shard, known, outcome)
            case VoidShards(shards):
                for shard in sorted(shards):
                    self._end(shard, known, None)
            case Announce(phase, outcome):
                self._announce(phase, -1 if outcome is None else outcome, known)
            case WakeAt(at_ns):
                wait_ns = max(0, at_ns - int(self._env.now))
                after(self._env, wait_ns, self._take, known, gr.Message(On.TICK))

    def _ask(self, shard: int, table_ns: EmpiricalTable, stream: Stream, apply: Callable[[], bool]) -> None:
        cost_ns = partial(self._draws.node_ns, table_ns, stream, self.number << 8 | shard)
        self._shards[shard].ask(Control(cost_ns, apply))

    def _open(self, shard: int, known: int, until_ns: int) -> bool:
        self._shards[shard].open_window(known, until_ns)
        self._take(known, gr.Message(On.SHARD_OPENED, shard))
        return True

    def _close(self, shard: int, known: int) -> bool:
        head = self._shards[shard].close_window(known)
        self._take(known, gr.Message(On.SHARD_CLOSED, shard, head=head))
        return True

    def _decide(self, known: int, *, void: bool, heads: tuple[tuple[int, bytes], ...]) -> bool:
        seed = hashlib.sha256(f"{self._seed} {known}".encode()).digest()
        outcome = self._game.draw(seed, [head for _, head in heads])
        wish = gr.Message(On.DECIDED_VOID) if void else gr.Message(On.DECIDED_OUTCOME, outcome=outcome)
        record = self._decided.setdefault(known, wish)
        seen = self._seen.rounds[known]
        seen.game = self._game.name
        seen.decision, seen.outcome = ("void", -1) if record.outcome is None else ("outcome", record.outcome)
        self._take(known, record)
        return True

    def _end(self, shard: int, known: int, outcome: int | None) -> None:
        """Settle (or, without an outcome, void) a round in a shard, in chunks between which bets may pass."""
        self._owing.add(shard)
        wallet = self._shards[shard]
        model, number = self._draws.model, round_no_of(known)
        limit = model.settle_bets_max
        factor_ppm = self._draws.ns(model.settle_factor_ppm, Stream.SETTLE_FACTOR, self.number, number)
        left = 0

        def cost_ns() -> int:
            nonlocal left
            left = wallet.unsettled(known)
            rows = min(left, limit)
            usual_ns = self._draws.cycle_ns(model.settle, Stream.SETTLE, self.number << 8 | shard, rows)
            return usual_ns * factor_ppm // PPM

        def apply() -> bool:
            owners = wallet.void(known) if outcome is None else wallet.settle(known, self._game, outcome, limit)
            if len(owners):
                self._pay(known, owners)
            if outcome is not None and left > limit:
                return False
            self._owing.discard(shard)
            self._take(known, gr.Message(On.SHARD_DONE, shard))
            return True

        wallet.ask(Control(cost_ns, apply))

    def _pay(self, known: int, owners: Int64s) -> None:
        self._payments += 1
        key = 1 << 31 | self.number << 24 | self._payments
        way_ns = self._draws.node_ns(self._draws.model.announce_ns, Stream.ANNOUNCE, self.number << 8 | 1)
        after(self._env, way_ns, self._gateways.pay, self.number, known, owners, key)

    def _announce(self, phase: Phase, outcome: int, known: int) -> None:
        now_ns = int(self._env.now)
        self._events += 1
        state = self._state
        self._seen.phase(known, phase, now_ns)
        if phase is Phase.BETS_OPEN:
            self._seen.rounds[known].opens_ns = state.opens_at_ns
            self._seen.rounds[known].closes_ns = state.closes_at_ns
        news = TableNews(self.number, known, self._events, phase, outcome, state.opens_at_ns, state.closes_at_ns)
        way_ns = self._draws.node_ns(self._draws.model.announce_ns, Stream.ANNOUNCE, self.number << 8)
        # The outbox keeps the order of events.
        self._announced_ns = max(self._announced_ns, now_ns + way_ns)
        after(self._env, self._announced_ns - now_ns, self._spread, news)

    def _spread(self, news: TableNews) -> None:
        self.news = news
        self._gateways.announce(news)
        if news.phase is Phase.BETS_OPEN:
            self._draws.disturb()
