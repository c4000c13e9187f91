"""Moving players to other gateways: the new socket is there before the old one goes.

A player who is to go is told where, with a ticket for it, and leaves when the other gateway's welcome has come. The
other gateway says that the player is there (``joined``, with that ticket's nonce); what was asked here until then is
still answered here, and then the socket is closed. Who comes with any other ticket is another terminal, and closes the
old socket at once.

Players are told between rounds (:mod:`reference_impl.domain.balancing.moves`), a few a second, so that those who are
left notice nothing and those who take them are not overrun. A gateway that drains takes nobody new, moves everybody,
acknowledges nothing any more (the dealer forgets it: every bet that it took has its answer), and ends.
"""

import asyncio
import math
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import NamedTuple, Protocol

from reference_impl.bets.fanout import Fanout
from reference_impl.bets.frames import frame_of
from reference_impl.bets.player import Player
from reference_impl.domain.balance_messages import (
    Drain,
    Fence,
    GatewayOrder,
    GatewayReport,
    MoveAway,
    Stand,
    SteerVideo,
    Taken,
)
from reference_impl.domain.balancing.moves import MOVE_SHARE_MAX, may_move, move_rank
from reference_impl.domain.phases import Phase
from reference_impl.domain.placement import two_choices
from reference_impl.domain.protocol import CloseCode, EdgeNamed, GoAway, Steer
from reference_impl.domain.table_messages import Joined, TableEnvelope
from reference_impl.domain.tickets import TICKET_S_MAX, Ticket, seal
from reference_impl.domain.units import NS_PER_S

TURN_S = 0.25
"""Players are told in turns; who is told in one is given a moment of it, so that nobody arrives with all the others."""
MOVES_PER_S_MIN = 20.0
"""A gateway tells so many of its players in a second, or the share of :data:`.MOVE_SHARE_MAX`: no move is a herd."""
TAKING = frozenset({Phase.BETS_OPEN, Phase.CLOSING_SOON, Phase.NO_MORE_BETS, Phase.DECISIONS_OPEN})
OVER = frozenset({Phase.IDLE, Phase.SETTLED, Phase.VOIDED})
WANTED_MAX = 100_000
WANTED_S_MAX = 20.0
"""An order that found no moment between rounds for so long has lapsed."""
GO_S_MAX = 10.0
"""Who was told and has not gone by then may be told again."""
LATE_FRAMES_S = 0.25
"""A bet that crossed the welcome on its way is read within this time, and answered."""
REPORT_S_MAX = 3.0


class Door(NamedTuple):
    """Another gateway: where it is, and what it carried when it last said so."""

    name: str
    number: int
    url: str
    connections: int
    heard_s: float


class Host(Protocol):
    """What moving needs of its gateway."""

    fanout: Fanout

    def state_of(self, table: int) -> TableEnvelope | None:
        """Return where a table stands, if that is known."""

    async def answered(self, shard: int) -> None:
        """Wait until whatever was asked of a shard so far is answered."""


class Moving:
    """Moves one gateway's players.

    Parameters
    ----------
    name : str
        The gateway.
    secret : bytes
        The key of tickets.
    host : Host
        The gateway itself.
    spawn : callable
        Runs something beside everything else.
    """

    def __init__(
        self, name: str, secret: bytes, host: Host, spawn: Callable[[Coroutine[None, None, None]], object]
    ) -> None:
        self.stand = Stand.SERVING
        self.moved = 0
        """Players who left for another gateway because they were told to."""
        self.over = asyncio.Event()
        self._name = name
        self._secret = secret
        self._host = host
        self._spawn = spawn
        self._fence = Fence()
        self._wanted: list[tuple[int, str]] = []
        """Where players are to go, one place each: the table that they are of (0: any), and the gateway.

        A newer order replaces what is left of the one before: whoever gave it knew how far that had come.
        """
        self._wanted_until_s = 0.0
        self._doors: dict[str, Door] = {}
        self._told: dict[Player, tuple[str, float]] = {}
        self._credit = 0.0
        self._turned_s = 0.0
        self._turning = False

    @property
    def admits(self) -> bool:
        """Whether sockets may be opened here."""
        return self.stand is Stand.SERVING

    def hear(self, report: GatewayReport, now_s: float) -> None:
        """Take another gateway's report; who drains is no place to go to."""
        if report.gateway == self._name:
            return
        if report.stand == Stand.SERVING:
            self._doors[report.gateway] = Door(report.gateway, report.number, report.url, report.connections, now_s)
        else:
            self._doors.pop(report.gateway, None)

    def order(self, order: GatewayOrder) -> Taken:
        """Take an order; what it asks for is done little by little."""
        if not self._fence.admits(order.epoch):
            return Taken(0, f"epoch {order.epoch} is over: {self._name} has heard {self._fence.epoch}")
        if isinstance(order, Drain):
            return self._drain(order)
        if isinstance(order, SteerVideo):
            return self._steer(order)
        return self._move(order)

    def joined(self, joined: Joined, here: Player) -> bool:
        """Take the news that a player is elsewhere; return whether that is a move of ours, which is seen to here."""
        nonce, _ = self._told.get(here, ("", 0.0))
        if not nonce or nonce != joined.nonce:
            return False
        self._told[here] = ("", math.inf)
        self.moved += 1
        self._spawn(self._part(here))
        return True

    def _move(self, order: MoveAway) -> Taken:
        now_s = time.monotonic()
        wanted = []
        for name, number, url, players in order.to:
            self._doors.setdefault(name, Door(name, number, url, 0, now_s))
            wanted += [(order.table, name)] * players
        self._wanted = wanted[: min(order.players, WANTED_MAX)]
        random.shuffle(self._wanted)
        self._wanted_until_s = now_s + WANTED_S_MAX
        self._start()
        return Taken(len(self._wanted))

    def _drain(self, order: Drain) -> Taken:
        if self.stand is Stand.SERVING:
            self.stand = Stand.DRAINING
            self._wanted.clear()
            self._spawn(self._leave(order.drain_s_max))
            self._start()
        return Taken(len(self._host.fanout))

    def _steer(self, order: SteerVideo) -> Taken:
        frame = frame_of(Steer(order.table, order.leave, order.share, [EdgeNamed(*edge) for edge in order.to]))
        watchers = self._host.fanout.at(order.table)
        for watcher in watchers:
            watcher.push(frame)
        return Taken(len(watchers))

    def _start(self) -> None:
        if not self._turning:
            self._turning = True
            self._spawn(self._turns())

    def table_changed(self, envelope: TableEnvelope) -> None:
        """Take a table's event: a round that is over is the moment to tell players of it."""
        if self._turning and envelope.event.phase in OVER:
            self.turn(time.monotonic())

    async def _turns(self) -> None:
        while ((now_s := time.monotonic()) < self._wanted_until_s and self._wanted) or self.stand is Stand.DRAINING:
            self.turn(now_s)
            await asyncio.sleep(TURN_S)
        self._wanted.clear()
        self._turning = False

    def turn(self, now_s: float) -> None:
        """Tell as many players as one turn may, of tables that are between rounds."""
        per_s = max(MOVES_PER_S_MIN, MOVE_SHARE_MAX * len(self._host.fanout))
        self._credit = min(per_s, self._credit + per_s * (now_s - self._turned_s))
        self._turned_s = now_s
        ready = [player for player in self._here() if self._may_go(player, now_s)]
        random.shuffle(ready)
        ready.sort(key=self._rank)
        for player in ready:
            if self._credit < 1 or not self._send_off(player, now_s):
                return

    def _here(self) -> list[Player]:
        return [one for one in self._host.fanout.everybody() if isinstance(one, Player)]

    def _may_go(self, player: Player, now_s: float) -> bool:
        ticket = player.ticket
        told_s = self._told.get(player, ("", -GO_S_MAX))[1]
        if ticket is None or told_s > now_s - GO_S_MAX:
            return False
        state = self._host.state_of(ticket.table)
        over = state is None or state.event.phase in OVER
        taking = state is not None and state.event.phase in TAKING
        unsettled = int(state is not None and not over and player.bet_round == state.event.round)
        moved_s = now_s - (time.time_ns() - ticket.issued_unix_ns) / NS_PER_S if ticket.moved else -math.inf
        if self.stand is Stand.DRAINING:  # everybody has to leave
            moved_s = -math.inf
        return may_move(now_s, moved_s, not taking, unsettled)

    def _rank(self, player: Player) -> int:
        """Return who goes first: who never bet here, then who did not in the last round, then bettors."""
        state = self._host.state_of(player.ticket.table) if player.ticket is not None else None
        lately = state is not None and player.bet_round >= state.event.round - 1
        return move_rank(player.bet_round > 0, int(lately))

    def _send_off(self, player: Player, now_s: float) -> bool:
        """Tell a player to go, if there is somewhere; return whether others may be told too."""
        if player.ticket is None:
            return True
        door = self._door_for(player.ticket.table, now_s)
        if door is None:
            return self.stand is Stand.SERVING and bool(self._wanted)
        self._credit -= 1
        self._tell(player, player.ticket, door, now_s, TURN_S)
        return True

    def _door_for(self, table: int, now_s: float) -> Door | None:
        if self.stand is Stand.DRAINING:
            return self._least_loaded(now_s)
        for place, (of, name) in enumerate(self._wanted):
            if of in (0, table):
                del self._wanted[place]
                return self._doors.get(name)
        return None

    def _least_loaded(self, now_s: float) -> Door | None:
        doors = [door for door in self._doors.values() if door.heard_s > now_s - REPORT_S_MAX]
        if not doors:
            return None
        chosen = doors[two_choices([door.connections for door in doors], random.random(), random.random())]
        self._doors[chosen.name] = chosen._replace(connections=chosen.connections + 1)
        return chosen

    def _tell(self, player: Player, ticket: Ticket, door: Door, now_s: float, within_s: float) -> None:
        now_ns = time.time_ns()
        nonce = secrets.token_hex(8)
        sealed = seal(
            Ticket(
                ticket.player,
                ticket.table,
                door.name,
                ticket.session,
                now_ns,
                now_ns // NS_PER_S + TICKET_S_MAX,
                nonce,
                moved=True,
            ),
            self._secret,
        )
        why = "restart" if self.stand is Stand.DRAINING else "load"
        after_ms = int(random.random() * within_s * 1000)
        player.push(frame_of(GoAway(door.name, door.number, door.url, sealed, after_ms, why)))
        self._told = {one: told for one, told in self._told.items() if told[1] > now_s - TICKET_S_MAX}
        self._told[player] = (nonce, now_s)

    async def _part(self, player: Player) -> None:
        """Answer what a player who has gone asked here, and close the socket."""
        try:
            await asyncio.sleep(LATE_FRAMES_S)
            await self._host.answered(player.shard)
            player.close(CloseCode.MOVED, "the player is at another gateway")
        finally:
            del self._told[player]

    async def _leave(self, drain_s_max: float) -> None:
        """Wait until everybody has gone, or has had the time to; then see the last ones off and end."""
        await self._empty_by(time.monotonic() + drain_s_max)
        now_s = time.monotonic()
        for player in self._here():
            door = self._least_loaded(now_s)
            if player.ticket is not None and door is not None and player not in self._told:
                self._tell(player, player.ticket, door, now_s, TURN_S)
        await self._empty_by(now_s + min(GO_S_MAX, drain_s_max))
        for player in self._here():
            player.close(CloseCode.RESTARTING, "this gateway restarts; come back elsewhere")
        self.stand = Stand.GONE
        self.over.set()

    async def _empty_by(self, until_s: float) -> None:
        """Return when nobody is here any more, or at that time."""
        while len(self._host.fanout) and time.monotonic() < until_s:  # noqa: ASYNC110 - leaving players tell nobody
            await asyncio.sleep(TURN_S / 2)
