"""One table, driven round by round: carries out what the rules of a round ask for.

The rules are :func:`reference_impl.domain.game_round.step`; this module only does what they say and tells them what
happened. Every effect is safe to repeat and is repeated until it is answered, so a shard that was away is settled or
voided when it is back; until then the table plays without it.

A dealer that starts takes its tables under a new epoch, which fences every earlier dealer, and first completes what it
finds: a round with a recorded decision is settled or voided accordingly, a round without one is voided.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import msgspec
from nats.aio.client import Client

from reference_impl.background import Background
from reference_impl.bets.dealer_cards import Cards
from reference_impl.bets.dealer_orders import Orders
from reference_impl.bets.dealer_outcomes import OutcomeSource
from reference_impl.bus import ask_wallet, ask_wallet_until_answered
from reference_impl.domain import cutoff
from reference_impl.domain import game_round as gr
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.errors import OutcomeUnknownError, RemoteProtocolError
from reference_impl.domain.games.game import Game
from reference_impl.domain.ids import home_shard, round_id
from reference_impl.domain.phases import TERMINAL, On, Phase
from reference_impl.domain.round_effects import (
    Announce,
    CloseShards,
    Decide,
    Draw,
    Effect,
    OpenShards,
    SettleShards,
    VoidShards,
    WakeAt,
)
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.table_messages import TableEnvelope, TableEvent, TableOrder, Watermark
from reference_impl.domain.units import NS_PER_S

INBOX_MESSAGES_MAX = 10_000
PROBE_S = 0.5

_WINDOW_LIVES = frozenset(
    {Phase.OPENING, Phase.BETS_OPEN, Phase.CLOSING_SOON, Phase.NO_MORE_BETS, Phase.CLOSING,
     Phase.REOPENING, Phase.DECISIONS_OPEN, Phase.NO_MORE_DECISIONS}
)  # fmt: skip
"""Phases in which a shard that did not open or close the present window is asked again."""

log = logging.getLogger(__name__)
Reply = TypeVar("Reply")


class FencedError(Exception):
    """Another dealer holds the table now."""


class Left(NamedTuple):
    """A gateway has left for good."""

    gateway: str


@dataclass
class Table:
    """One table, driven round by round.

    Parameters
    ----------
    number : int
        The table.
    shards : int
        Size of the system.
    timing : Timing
        The table's timings.
    game : Game
        What is played.
    source : OutcomeSource
        Where outcomes come from.
    bus : nats.aio.client.Client
        A connected NATS client.
    gateways : callable
        Returns the names of the gateways that report now.
    record_phase : callable
        Takes the fields of a :data:`reference_impl.domain.records.PHASES` record.
    """

    number: int
    shards: int
    timing: Timing
    game: Game
    source: OutcomeSource
    bus: Client
    gateways: Callable[[], frozenset[str]]
    record_phase: Callable[..., None]
    last: TableEnvelope | None = None
    draining: bool = False
    epoch: int = 0
    fenced: bool = False
    _asked: frozenset[int] = frozenset()
    state: gr.RoundState | None = None
    _timer: asyncio.TimerHandle | None = None
    _owing: dict[int, set[asyncio.Task[None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._beside = Background(f"table {self.number}", self._failed)
        self._inbox: asyncio.Queue[gr.Message | FencedError | Left] = asyncio.Queue(INBOX_MESSAGES_MAX)
        self._to_announce: asyncio.Queue[TableEvent] = asyncio.Queue(INBOX_MESSAGES_MAX)
        self._orders = Orders(self)
        self._cards = Cards(self)
        self.home = home_shard(self.number, self.shards)

    async def run(self) -> None:
        """Play rounds until drained, fenced or cancelled."""
        self._beside.spawn(self._announce_in_order())
        try:
            round_no = await self._take()
            while not self.draining:
                await self._orders.until_it_may_go_on()
                if self.draining:
                    break
                await self._play(round_no)
                round_no += 1
                await asyncio.sleep(self.timing.pause_ms / 1000)
            await self._let_shards_finish()
            await self._to_announce.join()
        except FencedError as error:
            log.warning("table %d: %s; it is left to the other dealer", self.number, error)
            self.fenced = True
        finally:
            self._beside.cancel()

    def drain(self) -> None:
        """Start no new round."""
        self.draining = True
        self._orders.wake()

    async def order(self, order: TableOrder) -> m.Done | m.Refused:
        """Carry out what the operator orders."""
        if not self.epoch:
            return m.Refused(f"table {self.number} is not taken yet; try again")
        try:
            return await self._orders.carry_out(order)
        except FencedError as error:
            return m.Refused(str(error), fenced=True)

    def owed(self, shard: int) -> set[asyncio.Task[None]]:
        """Return what a shard still owes."""
        return self._owing.get(shard, set())

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run something beside the rounds."""
        self._beside.spawn(work)

    def watermark(self, mark: Watermark) -> None:
        """Take a gateway's acknowledgement of the cut-off."""
        if self.state is not None and (mark.round_id, mark.window) == (self.state.round_id, self.state.window):
            self.post(gr.Message(On.WATERMARK, mark.gateway))

    def left(self, gateway: str) -> None:
        """Take a gateway's leave: all that it took has been answered."""
        self.post(Left(gateway))

    async def _take(self) -> int:
        taken = await self.ask(self.home, m.TakeTable(self.number), m.Taken)
        self._orders.stopped = taken.stopped
        self.epoch = taken.epoch
        for shard in self._others():
            self._owe(shard, self._recover(shard, fence_first=True))
        await self._recover(self.home, fence_first=False)
        if owed := [task for tasks in self._owing.values() for task in tasks]:
            await asyncio.wait(owed, timeout=self.timing.open_wait_ms_max / 1000)
        home = await self.ask(self.home, m.GetUnfinished(self.number), m.Unfinished)
        self._orders.resume(home.corrections)
        return taken.next_round_no

    async def _recover(self, shard: int, *, fence_first: bool) -> None:
        """Bring the rounds that an earlier dealer left in this shard to their end."""
        if fence_first:
            await self.ask(shard, m.Fence(self.number, self.epoch), m.Done)
        unfinished = await self.ask(shard, m.GetUnfinished(self.number), m.Unfinished)
        for known in unfinished.round_ids:
            void = m.RecordDecision(known, self.epoch, void=True, outcome=-1, seed=b"", heads=[], game=self.game.name)
            decision = await self.ask(self.home, void, m.Decision)
            log.warning("table %d: round %d was left unfinished in shard %d: %s", self.number, known, shard,
                        "voided" if decision.void else f"settled for {decision.outcome}")  # fmt: skip
            if not decision.void:
                # Before a decision all windows were closed; but a shard that the round began without may have one open.
                await self.ask(shard, m.CloseWindow(known, 0, self.epoch), m.Sequenced)
                # Whoever decided may still be dealing: a payment before the result would tell it.
                await asyncio.sleep(self.timing.dealing_ms / 1000)
            await self._finish(shard, known, decision)

    async def _finish(self, shard: int, known: int, decision: m.Decision) -> None:
        if decision.void:
            await self.ask(shard, m.VoidRound(known, self.epoch), m.Done)
        else:
            await self.ask(shard, m.SettleRound(known, self.epoch, decision.outcome, decision.game), m.Done)

    async def _play(self, round_no: int) -> None:
        await self._until_home_owes_nothing()
        self.source.start_round()
        self._orders.void_reason = ""
        self._cards.start_round()
        state = gr.RoundState(
            round_id(self.number, round_no),
            frozenset(shard for shard in range(self.shards) if not self._owing.get(shard)),
            self.gateways(),
            self.timing,
            decides=self.game.stages is not None and bool(self.source.seed),
        )
        message: gr.Message | FencedError | Left = gr.Message(On.START)
        while True:
            if isinstance(message, FencedError):
                raise message
            if isinstance(message, Left):
                state, effects = gr.leave(state, message.gateway, time.time_ns())
            else:
                state, effects = gr.step(state.joined_by(self.gateways()), message, time.time_ns())
            self.state = state
            for effect in effects:
                self._carry_out(effect, state)
            if state.phase in TERMINAL:
                return
            message = await self._inbox.get()

    async def _until_home_owes_nothing(self) -> None:
        while owed := self._owing.get(self.home):
            await asyncio.wait(owed)

    def _carry_out(self, effect: Effect, state: gr.RoundState) -> None:
        known = state.round_id
        match effect:
            case OpenShards(shards, until_ns):
                self._asked = frozenset(shards)
                opening = m.OpenWindow(known, state.window, self.epoch, until_ns)
                self._beside_each(self._open(shard, opening) for shard in shards)
            case CloseShards(shards):
                closing = m.CloseWindow(known, state.window, self.epoch)
                self._beside_each(self._close(shard, closing) for shard in shards)
            case Draw(heads):
                self._beside.spawn(self._draw(state, heads))
            case Decide(void, heads):
                chain = self._cards.chain or [head for _, head in heads]
                self._beside.spawn(self._decide(known, chain, void=void))
            case SettleShards(shards, outcome):
                for shard in shards:
                    self._owe(shard, self._end(shard, known, m.Decision(False, outcome, self.game.name)))
            case VoidShards(shards):
                for shard in shards:
                    self._owe(shard, self._end(shard, known, m.Decision(True, -1)))
            case Announce(phase, outcome):
                self.announce(phase, state, outcome)
                self._part_with_silent_shards(phase, state)
            case WakeAt(at_ns):
                self._wake_at(at_ns)

    def _beside_each(self, work: Iterable[Coroutine[None, None, None]]) -> None:
        for one in work:
            self._beside.spawn(one)

    def _part_with_silent_shards(self, phase: Phase, state: gr.RoundState) -> None:
        """Have the shards that a round begins without forget it: they may have opened its window after all."""
        begins, never_began = phase is Phase.BETS_OPEN, phase is Phase.VOIDED and not state.opens_at_ns
        for shard in self._asked - state.shards if begins else self._asked if never_began else ():
            self._owe(shard, self._finish(shard, state.round_id, m.Decision(True, -1)))

    async def _let_shards_finish(self) -> None:
        if owed := [task for tasks in self._owing.values() for task in tasks]:
            await asyncio.wait(owed, timeout=self.timing.done_wait_ms_max / 1000)

    async def _open(self, shard: int, request: m.OpenWindow) -> None:
        if await self._ask_while_current(shard, request, m.Sequenced):
            self.post(gr.Message(On.SHARD_OPENED, shard), request.round_id)

    async def _close(self, shard: int, request: m.CloseWindow) -> None:
        if closed := await self._ask_while_current(shard, request, m.Sequenced):
            self.post(gr.Message(On.SHARD_CLOSED, shard, closed.head), request.round_id)

    async def _draw(self, state: gr.RoundState, heads: tuple[tuple[int, bytes], ...]) -> None:
        goes_on = await self._cards.draw(state, heads)
        self.post(gr.Message(On.DRAWN if goes_on else On.DRAWN_LAST), state.round_id)

    async def _decide(self, known: int, chain: list[bytes], *, void: bool) -> None:
        outcome = None if void else await self.source.outcome(chain)
        drawn = -1 if outcome is None else outcome
        request = m.RecordDecision(
            known, self.epoch, outcome is None, drawn, self.source.seed, chain, self.game.name, self._orders.void_reason
        )
        decision = await self.ask(self.home, request, m.Decision)
        on = On.DECIDED_VOID if decision.void else On.DECIDED_OUTCOME
        self.post(gr.Message(on, outcome=decision.outcome), known)

    async def _end(self, shard: int, known: int, decision: m.Decision) -> None:
        await self._finish(shard, known, decision)
        self.post(gr.Message(On.SHARD_DONE, shard), known)

    def announce(self, phase: Phase, state: gr.RoundState | None, outcome: int | None = None, reason: str = "") -> None:
        """Tell everybody that the table entered a phase."""
        if state is None:
            state = gr.RoundState(round_id(self.number, 0), frozenset(), frozenset(), self.timing)
        revealed = phase in (Phase.RESULT, Phase.SETTLED, Phase.VOIDED)
        hand, dealer, votes = self._cards.public(phase)
        event = TableEvent(
            self.number,
            state.round_id,
            state.window,
            int(phase),
            time.time_ns(),
            state.opens_at_ns,
            state.closes_at_ns,
            tuple(sorted(state.shards)),
            -1 if outcome is None else outcome,
            self.source.commitment,
            self.source.seed.hex() if revealed else "",
            self.game.name,
            (self._orders.void_reason if phase is Phase.VOIDED else reason)
            if outcome is None
            else self.game.describe(outcome),
            *self.timing.closing,
            hand=hand,
            dealer=dealer,
            votes=votes,
        )
        self._note(event)

    def announce_correction(self, known: int, outcome: int, reason: str) -> None:
        """Tell everybody that a settled round has another outcome."""
        result = f"{self.game.describe(outcome)}, corrected: {reason}"
        event = TableEvent(
            self.number, known, 0, int(Phase.SETTLED), time.time_ns(), outcome=outcome,
            game=self.game.name, result=result, corrected=True,
        )  # fmt: skip
        self._to_announce.put_nowait(event)

    def _note(self, event: TableEvent) -> None:
        """Announce an event and record the very instant that it bears: a dealer may lose its core in between."""
        at_ns = time.monotonic_ns() - (time.time_ns() - event.at_unix_ns)
        self.record_phase(
            at_ns, event.at_unix_ns, self.number, event.phase, event.round, self.epoch, event.outcome,
            event.opens_at_unix_ns, event.closes_at_unix_ns,
            *self._window_ends(event), event.window,
        )  # fmt: skip
        self._to_announce.put_nowait(event)

    @staticmethod
    def _window_ends(event: TableEvent) -> tuple[int, int]:
        """Return when the first and the last player's window ends, 0 as long as none is announced."""
        if not event.closes_at_unix_ns:
            return 0, 0
        first_ns = cutoff.first_close_ns(event.closes_at_unix_ns, event.early_ns)
        return first_ns, cutoff.last_close_ns(event.closes_at_unix_ns, event.early_ns, event.grace_ns)

    async def _announce_in_order(self) -> None:
        while True:
            event = await self._to_announce.get()
            request = m.AnnounceTable(self.number, self.epoch, msgspec.json.encode(event))
            numbered = await self.ask(self.home, request, m.Sequenced)
            self.last = TableEnvelope(self.number, self.epoch, numbered.seq, event)
            self._to_announce.task_done()

    def _wake_at(self, at_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0, at_ns - time.time_ns()) / NS_PER_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.post, gr.Message(On.TICK))

    async def ask(self, shard: int, request: m.ControlRequest, expected: type[Reply]) -> Reply:
        """Ask a shard until it answers; a refusal is an error."""
        reply = await ask_wallet_until_answered(self.bus, shard, request, expected)
        return self._unless_refused(reply, request)

    async def try_to(self, shard: int, request: m.ControlRequest, expected: type[Reply]) -> Reply | m.Refused:
        """Ask a shard until it answers; a refusal is an answer, unless another dealer holds the table."""
        reply = await ask_wallet_until_answered(self.bus, shard, request, expected)
        if isinstance(reply, m.Refused) and reply.fenced:
            raise FencedError(reply.reason)
        return reply

    async def _ask_while_current(
        self, shard: int, request: m.OpenWindow | m.CloseWindow, expected: type[Reply]
    ) -> Reply | None:
        """Ask until answered, but only as long as the round still waits for it."""
        asked = request.round_id, request.window
        while (state := self.state) is not None and (state.round_id, state.window) == asked:
            if state.phase not in _WINDOW_LIVES or shard not in state.shards:
                return None
            try:
                return self._unless_refused(await ask_wallet(self.bus, shard, request, expected, PROBE_S), request)
            except OutcomeUnknownError as error:
                log.warning("table %d: %s", self.number, error)
        return None

    def _unless_refused(self, reply: Reply | m.Refused, request: m.ControlRequest) -> Reply:
        if isinstance(reply, m.Refused) and reply.fenced:
            raise FencedError(reply.reason)
        if isinstance(reply, m.Refused):
            raise RemoteProtocolError(f"table {self.number}: {type(request).__name__} was refused: {reply.reason}")
        return reply

    def _others(self) -> list[int]:
        return [shard for shard in range(self.shards) if shard != self.home]

    def post(self, message: gr.Message | FencedError | Left, known: int | None = None) -> None:
        """Hand a message to the round, unless it speaks of a round that is over."""
        if known is None or (self.state is not None and self.state.round_id == known):
            self._inbox.put_nowait(message)

    def _owe(self, shard: int, work: Coroutine[None, None, None]) -> None:
        """Run an effect that the shard owes: until it is done the shard takes part in no new round."""
        task = self._beside.spawn(work)
        owed = self._owing.setdefault(shard, set())
        owed.add(task)
        task.add_done_callback(owed.discard)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, FencedError):
            self.post(error)
        else:
            self._beside.complain(error)
