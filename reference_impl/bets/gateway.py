"""The gateway: players' sockets on one side, the wallet's shards on the other.

A bet is judged by the instant at which its frame was read. What is in time goes to its shard in the next batch. What
is late goes there too, marked late: the shard refuses it on record, or answers what it answered before. So an id gets
the same answer for ever, through whichever gateway it comes.

At the announced cut-off the gateway waits until every bet and every undo that it took before has its answer, and then
acknowledges the window's watermark to the dealer.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from reference_impl.background import Background
from reference_impl.bets.batching import Flight, ShardSender
from reference_impl.bets.bet_metrics import BetMetrics
from reference_impl.bets.collecting import Slips, Taken
from reference_impl.bets.door import Door
from reference_impl.bets.fanout import WRITES_AT_ONCE, Fanout
from reference_impl.bets.frames import frame_of
from reference_impl.bets.load_report import LoadReporter
from reference_impl.bets.lobby_feed import LobbyFeed
from reference_impl.bets.moving import Moving
from reference_impl.bets.player import Player
from reference_impl.bets.undo import Undo, Undos
from reference_impl.bus import ask_wallet, past_table_events
from reference_impl.domain import cutoff, protocol
from reference_impl.domain.balance_messages import Drain, GatewayOrder, GatewayReport
from reference_impl.domain.bets import Status, TableLimits, check_static
from reference_impl.domain.errors import OutcomeUnknownError
from reference_impl.domain.games.catalogue import game_named
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import EndedSessions, EndedSince, Joined, PaidBatch, TableEnvelope, Watermark
from reference_impl.domain.tickets import Ticket
from reference_impl.domain.units import KIB, NS_PER_MS, NS_PER_S
from reference_impl.domain.wallet_messages import Answers, Balance, BetAnswers, GetBalance
from reference_impl.domain.windows import TAKING, Told, opens_a_window
from reference_impl.judging_clock import JudgingClock
from reference_impl.metrics import Family, Sample, one
from reference_impl.precedence import BACKLOG, Precedence, listening

REPORT_S = 1.0
STATE_RETRY_S = 0.2
SESSIONS_S = 1.0
BACK_MS_MAX = 1_500
"""Who loses the gateway without a word comes back elsewhere within so long, one a millisecond."""
STRANGERS_MAX = 5_000
"""Sockets that have not said who they are; each is given :data:`protocol.HANDSHAKE_S_MAX`."""

log = logging.getLogger(__name__)
_pack = msgspec.msgpack.Encoder().encode
_ACCEPTED = Status.ACCEPTED
_COLLECTING = TAKING | {Phase.NO_MORE_BETS}


class PendingBet(NamedTuple):
    """A bet between its frame and its answer."""

    player: Player
    id: str
    row: tuple[bytes, int, int, int, int, int, bool]
    received_ns: int
    checked_ns: int


@dataclass(frozen=True)
class GatewayConfig:
    """What a gateway is told.

    Parameters
    ----------
    name, number : str, int
        Who it is; the number appears in records.
    port : int
        Loopback port for players.
    shards, tables : int
        Size of the system.
    limits : dict of int to TableLimits
        The limits of each table.
    ticket_secret : bytes
        The key that placement signs tickets with.
    origins : tuple of str
        Pages that may open sockets.
    collecting : frozenset of int
        Tables that debit once, when no more bets are taken (:mod:`reference_impl.bets.collecting`).
    """

    name: str
    number: int
    port: int
    shards: int
    tables: int
    limits: dict[int, TableLimits]
    ticket_secret: bytes
    origins: tuple[str, ...]
    collecting: frozenset[int] = frozenset()

    @property
    def url(self) -> str:
        """Where players connect."""
        return f"ws://127.0.0.1:{self.port}/"


class Gateway:
    """The gateway role.

    Parameters
    ----------
    config : GatewayConfig
        What it is told.
    bus : nats.aio.client.Client
        A connected NATS client.
    record_stages : callable
        Takes the fields of a :data:`reference_impl.domain.records.STAGES` record.
    metrics : BetMetrics
        Is shown those records, and told the rest.
    """

    def __init__(
        self, config: GatewayConfig, bus: Client, record_stages: Callable[..., None], metrics: BetMetrics
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.fanout = Fanout()
        self.lobby = LobbyFeed()
        self.shards = config.shards
        self.decode: Callable[[memoryview], protocol.ClientMessage] = msgspec.json.Decoder(
            protocol.ClientMessage
        ).decode
        self._bus = bus
        self._record_stages = record_stages
        self._senders = [ShardSender[PendingBet](shard, bus, self._deliver) for shard in range(config.shards)]
        self._slips = Slips[PendingBet](bus, self._deliver_slips)
        self._states: dict[int, TableEnvelope] = {}
        self._recalled = asyncio.Event()
        self._door = Door(config.name, config.ticket_secret, config.origins)
        self.strangers = 0
        self.beside = Background(config.name)
        self._bets = 0
        self._egress_bytes = 0
        self.moving = Moving(config.name, config.ticket_secret, self, self.beside.spawn)
        self.reporter = LoadReporter(config, self.fanout, metrics, self.moving)
        self._hears_others = False
        self._undos = Undos(bus, list(self._senders), self.beside)
        # One reading a frame: what the stamps say and what the rules judged can then never differ.
        self._clock = JudgingClock()

    @property
    def load(self) -> tuple[int, int, int, int]:
        """Connections, waiting bets, bets taken and bytes broadcast."""
        waiting = sum(map(len, self._senders)) + len(self._slips)
        return len(self.fanout), waiting, self._bets, self._egress_bytes

    def families(self) -> list[Family]:
        """Return what a scrape is told."""
        sockets = {"seated": len(self.fanout), "stranger": self.strangers, "lobby": len(self.lobby)}
        waiting = [Sample(len(sender), (("shard", str(sender.shard)),)) for sender in self._senders]
        return [
            *self.metrics.families(),
            one("livetable_bets_total", "counter", "Bets that were read.", self._bets),
            Family("livetable_bets_waiting", "gauge", "Bets without an answer yet.", waiting),
            Family(
                "livetable_sockets", "gauge", "Sockets: at a table, without a hello yet, looking at the lobby.",
                [Sample(count, (("state", state),)) for state, count in sockets.items()],
            ),
        ]  # fmt: skip

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        await self._bus.subscribe("table.*", cb=self._on_table)
        await self._bus.subscribe("paid.*", cb=self._on_paid)
        await self._bus.subscribe("joined", cb=self._on_joined)
        await self._bus.subscribe(f"balance.order.{self.config.name}", cb=self._on_order)
        for envelope in await past_table_events(self._bus):
            self.lobby.enter(envelope)
        self._recalled.set()
        for table in range(1, self.config.tables + 1):
            self.beside.spawn(self._learn_state(table))
        server = await ws_create_server(
            self._accept,
            sock=listening("127.0.0.1", self.config.port, Precedence.BETS),
            backlog=BACKLOG,
            read_buffer_init_size=KIB,
            max_frame_size=protocol.FRAME_BYTES_MAX,
            use_aiofastnet=False,  # the loop's own transport costs an idle socket 5 KiB less
        )
        ready()
        try:
            async with asyncio.TaskGroup() as group:
                work = [*(sender.run() for sender in self._senders), self._report(), self._follow_sessions()]
                tasks = [group.create_task(one) for one in (*work, self.reporter.pulse.run())]
                await self.moving.over.wait()
                await asyncio.gather(*(self.answered(shard) for shard in range(self.shards)))
                await self._slips.handed_over()
                await self._tell_load()
                await self._bus.flush()
                for task in tasks:
                    task.cancel()
        finally:
            server.close()

    def admit(self, text: str) -> Ticket | None:
        """Return a ticket that opens a socket here; it is used up by that."""
        return self._door.admit(text, time.time())

    def state_of(self, table: int) -> TableEnvelope | None:
        """Return where a table stands, if that is known."""
        return self._states.get(table)

    async def answered(self, shard: int) -> None:
        """Wait until whatever was asked of a shard so far is answered."""
        await self._senders[shard].flushed()
        await self._undos.settled()

    async def welcome(self, player: Player, ticket: Ticket) -> None:
        """Tell a new player the balance and where the table stands, and other gateways that the player is here."""
        joined = Joined(ticket.player, self.config.name, ticket.issued_unix_ns, ticket.nonce, ticket.moved)
        await self._bus.publish("joined", _pack(joined))
        try:
            balance = await ask_wallet(self._bus, player.shard, GetBalance(ticket.player), Balance)
        except OutcomeUnknownError:
            player.close(protocol.CloseCode.GOING_AWAY, "the wallet does not answer; try again")
            return
        if not isinstance(balance, Balance) or not balance.known:
            player.close(protocol.CloseCode.BAD_TICKET, f"player {ticket.player} has no account")
            return
        state = await self.fanout.told(ticket.table)
        welcome = protocol.Welcome(
            ticket.player, self.config.number, balance.balance, balance.version, balance.currency, time.time_ns(),
            state, len(self.fanout) % BACK_MS_MAX,
        )  # fmt: skip
        self.reporter.accepted += 1
        player.push(frame_of(welcome))
        player.measure()

    def take(self, player: Player, account: int, bet: protocol.PlaceBet, received_ns: int) -> None:
        """Judge a bet and hand it to its shard, or answer at once if it can never be accepted."""
        limits, state = self.config.limits.get(bet.table), self._states.get(bet.table)
        if limits is None or state is None:
            status = Status.OVERLOADED
        else:
            status = check_static(limits, bet.selection, bet.amount_minor)
        self._hand_over(player, account, bet, bet.selection, status, state, received_ns)

    def take_decision(self, player: Player, account: int, decide: protocol.Decide, received_ns: int) -> None:
        """Judge a decision and hand it to its shard, which takes it as a bet of its window."""
        state = self._states.get(decide.table)
        self._hand_over(player, account, decide, decide.decision, _status_of(decide, state), state, received_ns)

    def _hand_over(
        self, player: Player, account: int, said: protocol.PlaceBet | protocol.Decide, choice: int, status: Status,
        state: TableEnvelope | None, received_ns: int,
    ) -> None:  # fmt: skip
        self._bets += 1
        player.bet_round = said.round
        self.reporter.table_bets[said.table] += 1
        if status is _ACCEPTED and state is not None:
            row = (
                bytes.fromhex(said.id), account, said.round, said.window, choice, said.amount_minor,
                # A shard that the round began without takes none of its bets; asked, it says so on record.
                player.shard not in state.event.shards
                or not self._in_time(state, said, received_ns + self._clock.offset_ns, player.round_trip.ns),
            )  # fmt: skip
            bet = PendingBet(player, said.id, row, received_ns, time.monotonic_ns())
            if said.table in self.config.collecting and not said.window and not row[-1]:
                taken = self._slips.take(player.shard, bet)
                if taken is Taken.PENDING:
                    player.push(frame_of(protocol.Pending(said.id)))
                    return
                status = Status.CONFLICT if taken is Taken.CONFLICT else Status.OVERLOADED
            elif self._senders[player.shard].add(bet):
                return
            else:
                status = Status.OVERLOADED
        self.metrics.count_answers((status,))
        player.push(frame_of(protocol.BetAnswer(said.id, status, 0, 0, player.shard, 0)))

    def take_back(self, player: Player, account: int, undo: protocol.UndoBet, received_ns: int) -> None:
        """Take a bet back, or say that it is too late."""
        state = self._states.get(undo.table)
        late = state is None or not self._in_time(
            state, undo, received_ns + self._clock.offset_ns, player.round_trip.ns
        )
        asked = Undo(bytes.fromhex(undo.id), account, player.shard, late)
        self._undos.take(asked, undo.round).add_done_callback(lambda answer: player.push(frame_of(answer.result())))

    def _accept(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        if not self._door.may_knock(request.headers):
            refusal = WSUpgradeResponse.create_error_response(403, b"this page may not open sockets here")
            return WSUpgradeResponseWithListener(refusal, None)
        if self.strangers >= STRANGERS_MAX or not self.moving.admits:
            refusal = WSUpgradeResponse.create_error_response(503, b"this gateway takes nobody now; try another")
            return WSUpgradeResponseWithListener(refusal, None)
        return Player(self)

    @staticmethod
    def _in_time(
        state: TableEnvelope, bet: protocol.PlaceBet | protocol.Decide | protocol.UndoBet, received_unix_ns: int,
        trip_ns: int,
    ) -> bool:  # fmt: skip
        event = state.event
        if (event.round, event.window) != (bet.round, bet.window):
            return False
        if bet.window and isinstance(bet, protocol.PlaceBet):
            return False  # what comes after the first window is a decision
        until_ns = cutoff.deadline_ns(event.closes_at_unix_ns, event.early_ns, event.grace_ns, trip_ns)
        return cutoff.in_time(received_unix_ns, event.opens_at_unix_ns, until_ns)

    def _deliver_slips(self, shard: int, bets: list[PendingBet], answers: Answers) -> None:
        """Answer bets that were handed over together; what they waited for is no stage of a bet's way."""
        for player, letters in self._mail(shard, bets, answers).items():
            player.push(b"".join([frame for _, frame in letters]))

    def _deliver(self, bets: list[PendingBet], answers: BetAnswers, flight: Flight) -> None:
        """Answer bets of one shard, and record how they went."""
        shard = bets[0].player.shard
        for player, letters in self._mail(shard, bets, answers).items():
            player.push(b"".join([frame for _, frame in letters]))
            written_ns = time.monotonic_ns()
            for bet, _ in letters:
                self._record_stages(
                    bet.row[0], self.config.number, shard, answers.batch_size, answers.queue_depth,
                    bet.received_ns, bet.checked_ns, flight.sent_ns, answers.received_ns,
                    answers.started_ns, answers.committed_ns, flight.replied_ns, written_ns,
                )  # fmt: skip

    def _mail(
        self, shard: int, bets: list[PendingBet], answers: Answers | BetAnswers
    ) -> dict[Player, list[tuple[PendingBet, bytes]]]:
        """Return the frames that answer bets: those of a player go out in one write, however many there are."""
        self.metrics.count_answers(answers.status)
        mail: dict[Player, list[tuple[PendingBet, bytes]]] = {}
        columns = zip(bets, answers.status, answers.balance, answers.version, answers.seq, strict=True)
        for bet, status, balance, version, seq in columns:
            frame = frame_of(protocol.BetAnswer(bet.id, status, balance, version, shard, seq))
            mail.setdefault(bet.player, []).append((bet, frame))
        return mail

    async def _on_table(self, msg: Msg) -> None:
        await self._recalled.wait()
        await self._enter(msgspec.json.decode(msg.data, type=TableEnvelope))

    async def _enter(self, envelope: TableEnvelope) -> None:
        known = self._states.get(envelope.table)
        if known is not None and (known.epoch, known.seq) >= (envelope.epoch, envelope.seq):
            return
        self._states[envelope.table] = envelope
        self.lobby.enter(envelope)
        if opens_a_window(_told(known) if known else None, _told(envelope)):
            wait_s = (_last_close_ns(envelope) - time.time_ns()) / NS_PER_S
            asyncio.get_running_loop().call_later(max(0.0, wait_s), self._cut_off, envelope)
        if self._slips and envelope.event.phase not in _COLLECTING:  # the round's window was ended before its time
            self.beside.spawn(self._slips.hand_over(envelope.event.round))
        self._egress_bytes += await self.fanout.announce(envelope)
        if envelope.event.grace_ns and envelope.event.phase in TAKING:
            for number, player in enumerate(self.fanout.at(envelope.table), 1):
                player.measure()
                if number % WRITES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        self.moving.table_changed(envelope)

    def _cut_off(self, envelope: TableEnvelope) -> None:
        early_ns = _last_close_ns(envelope) - (time.monotonic_ns() + self._clock.offset_ns)
        if early_ns >= 0:  # the loop's clock and ours differ by less than a tick
            asyncio.get_running_loop().call_later(early_ns / NS_PER_S, self._cut_off, envelope)
            return
        self.beside.spawn(self._acknowledge(envelope))

    async def _acknowledge(self, envelope: TableEnvelope) -> None:
        await asyncio.gather(*(self._senders[shard].flushed() for shard in envelope.event.shards))
        await self._undos.settled(envelope.event.round)
        await self._slips.hand_over(envelope.event.round)
        mark = Watermark(self.config.name, envelope.event.round, envelope.event.window)
        await self._bus.publish(f"cutoff.{envelope.table}", _pack(mark))

    async def _on_paid(self, msg: Msg) -> None:
        await self.fanout.pay(msgspec.json.decode(msg.data, type=PaidBatch))

    async def _on_joined(self, msg: Msg) -> None:
        """One terminal at a time: close the player's older socket here."""
        joined = msgspec.msgpack.decode(msg.data, type=Joined)
        here = self.fanout.of(joined.player)
        if not isinstance(here, Player) or here.ticket is None or joined.gateway == self.config.name:
            return
        if self.moving.joined(joined, here):
            return
        if here.ticket.issued_unix_ns < joined.issued_unix_ns:
            here.close(protocol.CloseCode.REPLACED, "the player connected elsewhere")

    async def _follow_sessions(self) -> None:
        """Close the sockets of sessions that ended; whatever was missed is asked for again."""
        while True:
            now_ms = time.time_ns() // NS_PER_MS
            question = EndedSince(self._door.ask_from_unix_ms(now_ms))
            try:
                msg = await self._bus.request("sessions.ended", _pack(question), timeout=1.0)
                ended = self._door.hear(msgspec.msgpack.decode(msg.data, type=EndedSessions), now_ms)
            except nats.errors.Error:
                ended = set()
            for player in self.fanout.everybody() if ended else ():
                if isinstance(player, Player) and player.ticket is not None and player.ticket.session in ended:
                    player.close(protocol.CloseCode.LOGGED_OUT, "the session ended; log in again")
            self._door.forget(now_ms)
            await asyncio.sleep(SESSIONS_S)

    async def _learn_state(self, table: int) -> None:
        """Ask the dealer where a table stands, until an event or an answer says so."""
        while table not in self._states:
            try:
                msg = await self._bus.request(f"dealer.{table}.state", b"", timeout=1.0)
            except nats.errors.Error:
                await asyncio.sleep(STATE_RETRY_S)
                continue
            if msg.data:
                await self._enter(msgspec.json.decode(msg.data, type=TableEnvelope))
            else:
                await asyncio.sleep(STATE_RETRY_S)

    async def _report(self) -> None:
        while True:
            self._clock.look()
            await self._tell_load()
            await asyncio.sleep(REPORT_S)

    async def _tell_load(self) -> None:
        _, waiting, bets, egress_bytes = self.load
        await self._bus.publish("report.gateway", _pack(self.reporter.report(waiting, bets, egress_bytes)))

    async def _on_order(self, msg: Msg) -> None:
        order = msgspec.msgpack.decode(msg.data, type=GatewayOrder)
        if isinstance(order, Drain) and not self._hears_others:
            self._hears_others = True
            await self._bus.subscribe("report.gateway", cb=self._on_report)
        await msg.respond(_pack(self.moving.order(order)))
        if isinstance(order, Drain):  # nobody is to be sent here in the coming second
            await self._tell_load()

    async def _on_report(self, msg: Msg) -> None:
        self.moving.hear(msgspec.msgpack.decode(msg.data, type=GatewayReport), time.monotonic())


def _status_of(decide: protocol.Decide, state: TableEnvelope | None) -> Status:
    """Return ACCEPTED, or why a decision can never be accepted at its table."""
    if state is None:
        return Status.OVERLOADED
    stages = game_named(state.event.game).stages
    known = stages is not None and decide.decision < len(stages.decisions)
    return Status.ACCEPTED if known else Status.BAD_SELECTION


def _told(envelope: TableEnvelope) -> Told:
    """Return what an event says about its window."""
    return Told(Phase(envelope.event.phase), envelope.event.round, envelope.event.window)


def _last_close_ns(envelope: TableEnvelope) -> int:
    event = envelope.event
    return cutoff.last_close_ns(event.closes_at_unix_ns, event.early_ns, event.grace_ns)
