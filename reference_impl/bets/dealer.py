"""The dealer role: all tables of one process, each driven by :mod:`reference_impl.bets.dealer_table`."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.background import Background
from reference_impl.bets.dealer_outcomes import FEED_S_MAX, FileFeed, OutcomeSource, SeededSource
from reference_impl.bets.dealer_table import Table
from reference_impl.domain.balance_messages import GatewayReport, Stand
from reference_impl.domain.games.catalogue import DEFAULT_GAMES, game_at
from reference_impl.domain.games.game import Game
from reference_impl.domain.round_timing import Timing, timing_at
from reference_impl.domain.table_messages import TableOrder, Watermark

GATEWAY_SILENT_S_MAX = 3.0
"""A gateway that has not reported for so long is not waited for at the cut-off."""
ALIVE = "dealer.alive"
ALIVE_S = 0.5
DEALER_SILENT_S_MAX = 2.5
"""A dealer of which nothing was heard for so long has left its tables: whoever it fenced takes them again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DealerConfig:
    """What a dealer is told.

    Parameters
    ----------
    tables : tuple of int
        Its tables.
    shards : int
        Size of the system.
    timing, timings : Timing, tuple of Timing
        Every table's timings, or those of tables 1, 2, … in turn.
    games : tuple of str
        The tables' games, dealt out in turn.
    feed_dir : str
        Where devices write outcomes; empty means that outcomes are drawn from committed seeds.
    feed_s_max : float
        How long a round waits for a device.
    """

    tables: tuple[int, ...]
    shards: int
    timing: Timing
    timings: tuple[Timing, ...] = ()
    games: tuple[str, ...] = DEFAULT_GAMES
    feed_dir: str = ""
    feed_s_max: float = FEED_S_MAX

    def source(self, number: int, game: Game) -> OutcomeSource:
        """Return where a table's outcomes come from."""
        if not self.feed_dir:
            return SeededSource(game)
        return FileFeed(game, Path(self.feed_dir) / f"table-{number}.jsonl", self.feed_s_max)


class Dealer:
    """The dealer role: all tables of one process.

    Parameters
    ----------
    config : DealerConfig
        What it is told.
    bus : nats.aio.client.Client
        A connected NATS client.
    record_phase : callable
        Takes the fields of a :data:`reference_impl.domain.records.PHASES` record.
    """

    def __init__(self, config: DealerConfig, bus: Client, record_phase: Callable[..., None]) -> None:
        self._bus = bus
        self._beside = Background("dealer")
        self._heard: dict[str, float] = {}
        self._table = partial(self._new_table, config=config, record_phase=record_phase)
        self._tables = {number: self._table(number) for number in config.tables}
        self._another_s = dict.fromkeys(config.tables, 0.0)
        self._over = asyncio.Event()

    @property
    def load(self) -> tuple[int, int, int, int]:
        """Tables (as connections); a dealer has no queue, operations or egress to speak of."""
        return len(self._tables), 0, 0, 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Play until cancelled."""
        await self._bus.subscribe("report.gateway", cb=self._on_report)
        await self._bus.subscribe("cutoff.*", cb=self._on_watermark)
        await self._bus.subscribe("dealer.*.state", cb=self._on_state)
        await self._bus.subscribe("dealer.*.order", cb=self._on_order)
        await self._bus.subscribe("dealer.drain", cb=self._on_drain)
        await self._bus.subscribe(ALIVE, cb=self._on_alive)
        ready()
        self._beside.spawn(self._say_alive())
        try:
            async with asyncio.TaskGroup() as group:
                for number in self._tables:
                    group.create_task(self._deal(number))
            self._over.set()
            await asyncio.Event().wait()
        finally:
            self._beside.cancel()

    async def _deal(self, number: int) -> None:
        """Deal at a table until drained; fenced by another dealer, stand by until nothing is heard of it."""
        while True:
            table = self._tables[number]
            await table.run()
            if not table.fenced:
                return
            await self._until_another_is_silent(number)
            log.warning("table %d: the other dealer is silent; taking the table again", number)
            self._tables[number] = self._table(number)
            if table.draining:
                self._tables[number].drain()

    async def _until_another_is_silent(self, number: int) -> None:
        self._another_s[number] = time.monotonic()
        while True:
            rest_s = self._another_s[number] + DEALER_SILENT_S_MAX - time.monotonic()
            if rest_s <= 0:
                return
            await asyncio.sleep(rest_s)

    async def _say_alive(self) -> None:
        while True:
            epochs = {number: table.epoch for number, table in self._tables.items() if not table.fenced}
            await self._bus.publish(ALIVE, msgspec.msgpack.encode(epochs))
            await asyncio.sleep(ALIVE_S)

    async def _on_alive(self, msg: Msg) -> None:
        epochs = msgspec.msgpack.decode(msg.data, type=dict[int, int])
        for number, epoch in epochs.items():
            if (table := self._tables.get(number)) is not None and epoch > table.epoch:
                self._another_s[number] = time.monotonic()

    def _new_table(self, number: int, config: DealerConfig, record_phase: Callable[..., None]) -> Table:
        game = game_at(config.games, number)
        source = config.source(number, game)
        timing = timing_at(config.timing, config.timings, number)
        return Table(number, config.shards, timing, game, source, self._bus, self._gateways, record_phase)

    def _gateways(self) -> frozenset[str]:
        since_s = time.monotonic() - GATEWAY_SILENT_S_MAX
        return frozenset(name for name, heard_s in self._heard.items() if heard_s > since_s)

    async def _on_report(self, msg: Msg) -> None:
        report = msgspec.msgpack.decode(msg.data, type=GatewayReport)
        if report.stand == Stand.GONE:  # it has acknowledged every window before
            self._heard.pop(report.gateway, None)
            for table in self._tables.values():
                table.left(report.gateway)
        else:
            self._heard[report.gateway] = time.monotonic()

    async def _on_watermark(self, msg: Msg) -> None:
        if table := self._tables.get(int(msg.subject.split(".")[1])):
            table.watermark(msgspec.msgpack.decode(msg.data, type=Watermark))

    def _dealt_by_us(self, msg: Msg) -> Table | None:
        """Return the table that is asked about; None if it is another dealer's, who answers."""
        table = self._tables.get(int(msg.subject.split(".")[1]))
        return table if table is not None and not table.fenced else None

    async def _on_state(self, msg: Msg) -> None:
        if table := self._dealt_by_us(msg):
            await msg.respond(msgspec.json.encode(table.last) if table.last else b"")

    async def _on_order(self, msg: Msg) -> None:
        if table := self._dealt_by_us(msg):
            self._beside.spawn(self._order(table, msg))

    async def _order(self, table: Table, msg: Msg) -> None:
        order = msgspec.msgpack.decode(msg.data, type=TableOrder)
        await msg.respond(msgspec.msgpack.encode(await table.order(order)))

    async def _on_drain(self, msg: Msg) -> None:
        for table in self._tables.values():
            table.drain()
        await self._over.wait()
        await msg.respond(b"")
