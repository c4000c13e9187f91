"""Who balances: one at a time, by a lease in a NATS key-value bucket.

The holder writes its name again and again, each time on condition that nobody wrote since (compare and set on the
key's revision). Who wants to hold it watches the revision: when it has not changed for :data:`LEASE_S` by the watcher's
own clock, the holder is gone or asleep, and the watcher writes its own name, on the same condition. So of two who try,
one succeeds; and no clocks are compared.

The revision under which it was taken is the holder's *epoch*. A holder that was asleep finds, by its own clock, that
its lease has run out before it does anything; and if it fell asleep between that look and what it then says, its epoch
is lower than what everybody has heard meanwhile (:class:`reference_impl.domain.balance_messages.Fence`).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import KeyValueConfig
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

BUCKET = "BALANCE"
KEY = "leader"
LEASE_S = 2.0
RENEW_S = 0.5
MARGIN_S = 0.5
"""The holder stops so long before others may take over."""

log = logging.getLogger(__name__)


async def open_bucket(bus: Client) -> KeyValue:
    """Return the bucket; it is made if it is not there yet. It outlives the server, so revisions never begin anew."""
    return await bus.jetstream().create_key_value(KeyValueConfig(bucket=BUCKET, history=1))


class Lease:
    """One balancer's part in the lease.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    name : str
        Who asks for it.
    clock : callable
        Returns monotonic seconds.
    """

    def __init__(self, bus: Client, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.epoch = 0
        self._bus = bus
        self._name = name
        self._clock = clock
        self._revision = 0
        self._until_s = 0.0
        self._seen = (0, 0.0)

    @property
    def held(self) -> bool:
        """Whether it is held now, as far as one's own clock can tell."""
        return self.epoch > 0 and self._clock() < self._until_s

    async def run(self) -> None:
        """Hold the lease, or wait for it, until cancelled; then give it back."""
        bucket = await open_bucket(self._bus)
        try:
            while True:
                try:
                    await self.turn(bucket)
                except (nats.errors.Error, nats.js.errors.Error) as error:
                    log.warning("%s: the lease: %s", self._name, error)
                await asyncio.sleep(RENEW_S)
        finally:
            if self.held:
                with contextlib.suppress(nats.errors.Error, nats.js.errors.Error, asyncio.CancelledError):
                    await bucket.delete(KEY, last=self._revision)

    async def turn(self, bucket: KeyValue) -> None:
        """Renew the lease, or take it if its holder has let it run out."""
        asked_s = self._clock()
        if self.held:
            await self._write(bucket, self._revision, asked_s)
            return
        self.epoch = 0
        try:
            entry = await bucket.get(KEY)
        except KeyNotFoundError:
            await self._write(bucket, None, asked_s)
            return
        revision = entry.revision or 0
        if revision != self._seen[0]:
            self._seen = (revision, asked_s)
        elif asked_s - self._seen[1] > LEASE_S:
            await self._write(bucket, revision, asked_s)

    async def _write(self, bucket: KeyValue, last: int | None, asked_s: float) -> None:
        name = self._name.encode()
        try:
            self._revision = await (bucket.create(KEY, name) if last is None else bucket.update(KEY, name, last=last))
        except KeyWrongLastSequenceError:
            if self.epoch:
                log.warning("%s: somebody else took the lease", self._name)
            self.epoch = 0
            return
        if not self.epoch:
            self.epoch = self._revision
            log.info("%s balances now, epoch %d", self._name, self.epoch)
        self._until_s = asked_s + LEASE_S - MARGIN_S
