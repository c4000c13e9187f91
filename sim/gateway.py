"""A gateway in simulated time: one core, its players' sockets, and a sender for each wallet shard.

All work of a gateway passes through one :class:`~sim.server.Server`: reading bets, writing answers, broadcasts. So a
broadcast to many sockets delays the bets behind it. A sender has one batch outstanding and rests after it; what arrives
meanwhile is the next batch. At the cut-off a gateway acknowledges once every in-time bet of the window has its answer.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import simpy

from reference_impl.domain.cutoff import in_time
from reference_impl.domain.pacing import rest_ns
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import PushKind
from reference_impl.domain.windows import opens_a_window
from sim.draws import Draws
from sim.kernels import Int64s
from sim.observations import Observations, Pushes
from sim.operations import EPOCH, Attempt, TableNews
from sim.random_streams import Stream
from sim.server import Server, after
from sim.wallet import BetBatch, WalletShard


class Listeners(Protocol):
    """What a gateway needs of the players."""

    def answered(self, attempt: Attempt, shard: int) -> None:
        """Take note that an answer is written to this attempt's socket from now on."""

    def arrive(self, players: Int64s, at_ns: Int64s) -> Int64s:
        """Return when pushes arrive, none before what was written to the same socket earlier."""

    def connections(self, players: Int64s) -> Int64s:
        """Return the numbers of the players' connections."""

    def heard(self, players: Int64s, at_ns: Int64s, news: TableNews) -> None:
        """Take note that a betting window opened."""

    def dropped(self, player: int) -> None:
        """Take note that a player's socket broke."""


@dataclass(slots=True)
class _Sender:
    pending: list[Attempt] = field(default_factory=list)
    outstanding: bool = False


class Gateway:
    """One gateway process.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    number : int
        The gateway.
    draws : Draws
        Stage times.
    shards : list of WalletShard
        Where bets go.
    listeners : Listeners
        The players.
    seen : Observations
        Where pushes are noted.
    watermark : callable
        Told of the gateway's name and the round whose bets are all handed over.
    """

    def __init__(
        self,
        env: simpy.Environment,
        number: int,
        draws: Draws,
        shards: list[WalletShard],
        listeners: Listeners,
        seen: Observations,
        watermark: Callable[[str, int], None],
    ) -> None:
        self.number = number
        self.name = f"gateway-{number}"
        self.up = True
        self.expected = 0
        self.bets = 0
        self.egress_bytes = 0
        self.pushes = 0
        self.server = Server(env)
        self._env = env
        self._draws = draws
        self._shards = shards
        self._listeners = listeners
        self._seen = seen
        self._watermark = watermark
        self._life = 0
        self._reset()

    def _reset(self) -> None:
        self._awake_ns = 0
        self._sockets: dict[int, dict[int, None]] = defaultdict(dict)
        self._senders = [_Sender() for _ in self._shards]
        self._unanswered: dict[int, int] = defaultdict(int)
        self._cut_off: set[int] = set()
        self._states: dict[int, TableNews] = {}

    @property
    def connections(self) -> int:
        """Open sockets."""
        return sum(map(len, self._sockets.values()))

    @property
    def waiting(self) -> int:
        """Bets that have no answer yet, and jobs for the core."""
        return self.server.jobs + sum(len(sender.pending) for sender in self._senders)

    def accept(self, player: int, table: int) -> int:
        """Open a socket; return when its first frame is written."""
        self._sockets[table][player] = None
        return self.server.submit(self._draws.model.accept_ns)[1]

    def leave(self, player: int, table: int) -> None:
        """Forget a socket; bets that were taken stand."""
        self._sockets[table].pop(player, None)

    def state(self, table: int) -> TableNews | None:
        """Return where a table stands, as a newcomer is told."""
        return self._states.get(table)

    def receive(self, attempt: Attempt) -> None:
        """Wake for a bet; read with it what has come by then."""
        if not self.up:
            return
        now_ns, wake_ns = int(self._env.now), self._draws.stages.wake_ns
        if now_ns >= self._awake_ns and wake_ns[-1]:
            self._awake_ns = now_ns + self._draws.node_ns(wake_ns, Stream.ROUSE, self.number)
        if now_ns < self._awake_ns:
            after(self._env, self._awake_ns - now_ns, self._read, self._life, attempt)
        else:
            self._read(self._life, attempt)

    def _read(self, life: int, attempt: Attempt) -> None:
        if life != self._life:
            return
        check_ns = self._draws.node_ns(self._draws.stages.check_ns, Stream.CHECK, self.number)
        attempt.received_ns, attempt.checked_ns = self.server.submit(check_ns)
        news = self._states.get(attempt.op.table)
        known = news is not None and news.round_id == attempt.op.round_id
        attempt.late = not (known and news and in_time(attempt.received_ns, news.opens_ns, news.closes_ns))
        if not attempt.late:
            self._unanswered[attempt.op.round_id] += 1
        self.bets += 1
        after(self._env, attempt.checked_ns - int(self._env.now), self._checked, self._life, attempt)

    def announce(self, news: TableNews) -> None:
        """Broadcast a table event, and act on it."""
        if not self.up:
            return
        self._enter(news)
        players = np.fromiter(self._sockets[news.table], dtype=np.int64)
        if len(players):
            at_ns = self._broadcast(players, self._draws.model.fanout_ns, news.table << 24 | news.seq)
            self._seen.pushed(
                Pushes(PushKind.TABLE, self.number, news.table, EPOCH, news.seq, news.round_id, news.phase,
                       news.outcome, players, self._listeners.connections(players), at_ns)
            )  # fmt: skip
            if news.phase is Phase.BETS_OPEN:
                self._listeners.heard(players, at_ns, news)

    def pay(self, table: int, round_id: int, owners: Int64s, key: int) -> None:
        """Tell those of the players who sit here that their bets were settled or voided."""
        here = self._sockets[table] if self.up else {}
        players = np.array([player for player in owners.tolist() if player in here], dtype=np.int64)
        if len(players):
            at_ns = self._broadcast(players, self._draws.model.fanout_ns, key)
            self._seen.pushed(
                Pushes(PushKind.PAID, self.number, table, 0, 0, round_id, Phase.IDLE, -1, players,
                       self._listeners.connections(players), at_ns)
            )  # fmt: skip

    def kill(self) -> None:
        """Die: what is queued and under way here is lost, and every socket breaks."""
        lost = [player for sockets in self._sockets.values() for player in sockets]
        self.up = False
        self._life += 1
        self.expected = 0
        self.server.stop()
        self._seen.cut(self.number, int(self._env.now))
        self._reset()
        for player in lost:
            self._listeners.dropped(player)

    def hold(self, for_ns: int) -> None:
        """Do nothing for so long; what comes meanwhile waits, and what was begun counts as done."""
        if self.up:
            self.server.submit(for_ns)

    def restart(self, tables: list[TableNews]) -> None:
        """Serve again, told by the dealer where each table stands."""
        self.up = True
        for news in tables:
            self._enter(news)

    def _broadcast(self, players: Int64s, send_ns: int, key: int) -> Int64s:
        """Write one frame to each socket in turn; return when they arrive."""
        start_ns, _ = self.server.submit(send_ns * len(players))
        self.egress_bytes += EVENT_BYTES * len(players)
        self.pushes += len(players)
        written_ns = start_ns + send_ns * np.arange(1, len(players) + 1)
        way_ns = self._draws.many_ns(self._draws.model.push_ns, Stream.PUSH, players, key)
        return self._listeners.arrive(players, written_ns + way_ns)

    def _checked(self, life: int, attempt: Attempt) -> None:
        if life != self._life:
            return
        shard = attempt.op.home
        sender = self._senders[shard]
        sender.pending.append(attempt)
        left_ns = self.server.free_ns - int(self._env.now)
        if not sender.outstanding and left_ns > 0:  # what was read by now is checked, and taken along
            sender.outstanding = True
            after(self._env, left_ns, self._free_sender, life, shard)
        self._send(shard)

    def _send(self, shard: int) -> None:
        sender = self._senders[shard]
        if sender.outstanding or not sender.pending:
            return
        limit = self._draws.model.batch_bets_max
        batch, sender.pending = sender.pending[:limit], sender.pending[limit:]
        sender.outstanding = True
        for attempt in batch:
            attempt.sent_ns = int(self._env.now)
        life = self._life

        def answered() -> None:
            back_ns = self._draws.node_ns(self._draws.stages.reply_ns, Stream.REPLY, self._lane(shard))
            after(self._env, back_ns, self._replied, life, shard, batch)

        request_ns = self._draws.node_ns(self._draws.stages.request_ns, Stream.REQUEST, self._lane(shard))
        after(self._env, request_ns, self._shards[shard].place, BetBatch(batch, answered))

    def _lane(self, shard: int) -> int:
        return self.number << 16 | shard

    def _replied(self, life: int, shard: int, batch: list[Attempt]) -> None:
        if life != self._life:
            return
        now_ns = int(self._env.now)
        self.egress_bytes += ANSWER_BYTES * len(batch)
        stages = self._draws.stages
        tables = [stages.write_ns, *[stages.more_ns] * (len(batch) - 1)]
        spans = [self.server.submit(self._draws.node_ns(table, Stream.WRITE, self.number)) for table in tables]
        taken_ns = spans[0][0]
        for attempt, (writing_ns, written_ns) in zip(batch, spans, strict=True):
            attempt.replied_ns, attempt.written_ns = taken_ns, written_ns
            after(self._env, writing_ns - now_ns, self._writing, life, shard, attempt)
            after(self._env, written_ns - now_ns, self._written, life, attempt)
        over_ns = self._draws.node_ns(stages.oversleep_ns, Stream.OVERSLEEP, self._lane(shard))
        free_ns = written_ns + max(rest_ns(taken_ns - batch[0].sent_ns) + over_ns, 0)
        after(self._env, free_ns - now_ns, self._free_sender, life, shard)

    def _free_sender(self, life: int, shard: int) -> None:
        if life == self._life:
            self._senders[shard].outstanding = False
            self._send(shard)

    def _writing(self, life: int, shard: int, attempt: Attempt) -> None:
        if life == self._life:
            self._listeners.answered(attempt, shard)

    def _written(self, life: int, attempt: Attempt) -> None:
        if life == self._life and not attempt.late:
            self._unanswered[attempt.op.round_id] -= 1
            self._acknowledge(attempt.op.round_id)

    def _enter(self, news: TableNews) -> None:
        known, self._states[news.table] = self._states.get(news.table), news
        if opens_a_window(known and known.told, news.told):
            left_ns = max(0, news.closes_ns - int(self._env.now))
            after(self._env, left_ns, self._cut, self._life, news.round_id)

    def _cut(self, life: int, round_id: int) -> None:
        if life == self._life:
            self._cut_off.add(round_id)
            self._acknowledge(round_id)

    def _acknowledge(self, round_id: int) -> None:
        if round_id not in self._cut_off or self._unanswered[round_id]:
            return
        self._cut_off.discard(round_id)
        del self._unanswered[round_id]
        way_ns = self._draws.node_ns(self._draws.model.watermark_ns, Stream.WATERMARK, self.number)
        after(self._env, max(way_ns, 1), self._watermark, self.name, round_id)


ANSWER_BYTES = 170
EVENT_BYTES = 420
"""Typical frames, for the egress figure only."""


class Gateways:
    """All gateways, as a table speaks to them.

    Parameters
    ----------
    gateways : list of Gateway
        They may be filled in later.
    """

    def __init__(self, gateways: list[Gateway]) -> None:
        self._gateways = gateways

    def names_up(self) -> frozenset[str]:
        """Return the names of those that live."""
        return frozenset(gateway.name for gateway in self._gateways if gateway.up)

    def announce(self, news: TableNews) -> None:
        """Broadcast a table event."""
        for gateway in self._gateways:
            gateway.announce(news)

    def pay(self, table: int, round_id: int, owners: Int64s, key: int) -> None:
        """Tell players that their bets were settled or voided."""
        for gateway in self._gateways:
            gateway.pay(table, round_id, owners, key)
