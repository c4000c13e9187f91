"""The role that keeps sessions: ends them, tells gateways which ended, and carries out limits of time.

It stands beside the bets' way: what players do reaches it through :mod:`reference_impl.accounts.follower`.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from reference_impl.accounts.passwords import Passwords
from reference_impl.accounts.presence import Presence, UsedUp
from reference_impl.accounts.sessions import Sessions
from reference_impl.accounts.store import DATABASE_LOST, Store
from reference_impl.bus import ask_wallet
from reference_impl.domain.errors import OutcomeUnknownError
from reference_impl.domain.ids import shard_of
from reference_impl.domain.limits import LOOSEN_AFTER_NS, LimitKind
from reference_impl.domain.table_messages import EndedSince
from reference_impl.domain.wallet_messages import Answers, SetLimits

SWEEP_S = 1.0

log = logging.getLogger(__name__)


class SessionKeeper:
    """The session keeper.

    Parameters
    ----------
    store : Store
        The accounts' database.
    passwords, sessions, presence
        What is kept there.
    shards : int
        How many there are: a player whose time is used up gets a time-out in the player's own.
    bus : nats.aio.client.Client
        A connected NATS client.
    """

    def __init__(
        self, store: Store, passwords: Passwords, sessions: Sessions, presence: Presence, shards: int, bus: Client
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._sessions = sessions
        self._presence = presence
        self._shards = shards
        self._bus = bus

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        await self._store.open()
        await self._bus.subscribe("sessions.ended", cb=self._tell)
        ready()
        while True:
            try:
                await self._sweep()
            except DATABASE_LOST as error:
                log.warning("sessions: the sweep waits for the database: %s", error)
            except OutcomeUnknownError as error:
                log.warning("sessions: a time-out is asked for again: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def _sweep(self) -> None:
        await self._sessions.end_idle()
        await self._presence.end_silent()
        await self._passwords.forget_old_attempts()
        now_ns = time.time_ns()
        for one in await self._presence.used_up(now_ns):
            await self._end_the_day(one, now_ns)

    async def _end_the_day(self, one: UsedUp, now_ns: int) -> None:
        """Set a time-out until the next day. Its id tells the day, so that asking again changes nothing."""
        ref = hashlib.sha256(f"time of {one.player} until {one.until_unix_ns}".encode()).digest()[:16]
        loosen_at_ns = now_ns + LOOSEN_AFTER_NS  # a longer time-out stands
        ask = SetLimits([ref], [one.account], [LimitKind.TIME_OUT], [one.until_unix_ns], now_ns, loosen_at_ns)
        if isinstance(await ask_wallet(self._bus, shard_of(one.player, self._shards), ask, Answers), Answers):
            await self._presence.note_used_up(one.player, now_ns)

    async def _tell(self, msg: Msg) -> None:
        since = msgspec.msgpack.decode(msg.data, type=EndedSince)
        try:
            ended = await self._sessions.ended_since(since.unix_ms)
        except DATABASE_LOST as error:
            log.warning("sessions: gateways wait for the database: %s", error)
            return
        await msg.respond(msgspec.msgpack.encode(ended))
