"""How services talk: one NATS connection each, questions to the wallet, and reading the event stream from a place."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from reference_impl.domain.errors import OutcomeUnknownError, RemoteProtocolError
from reference_impl.domain.table_messages import TableEnvelope
from reference_impl.domain.units import KIB
from reference_impl.domain.wallet_messages import ControlReply, ControlRequest, Refused

PENDING_BYTES_MAX = 16 * 1024 * KIB
RETRY_S = 0.1
STREAM = "EVENTS"
"""The stream of everything that happened: the journals' batches and the tables' events."""
FETCH_BATCHES_MAX = 200
FETCH_S = 1.0
CONSUMER_IDLE_S_MAX = 30.0
PAST_S = 900.0
"""How far back the tables' events are read by who begins: some twelve rounds of the slowest game."""
PAST_EVENTS_MAX = 20_000

log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ControlReply).decode
Reply = TypeVar("Reply")


async def connect(url: str, name: str) -> Client:
    """Connect to NATS, and go on trying for ever whenever it is lost."""

    async def lost(error: Exception) -> None:
        log.warning("%s: bus: %s", name, error)

    return await nats.connect(
        url,
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RETRY_S,
        pending_size=PENDING_BYTES_MAX,
        error_cb=lost,
    )


async def read_after(bus: Client, place: int) -> JetStreamContext.PullSubscription:
    """Read the event stream from the place after this one on; the reader, not the server, knows what it has read."""
    start = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=place + 1,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=CONSUMER_IDLE_S_MAX,
    )
    return await bus.jetstream().pull_subscribe("", stream=STREAM, config=start)


async def fetch(consumer: JetStreamContext.PullSubscription) -> list[Msg]:
    """Return what came next, at most :data:`FETCH_BATCHES_MAX` messages; nothing if none came for a while.

    Raises
    ------
    nats.js.errors.NotFoundError
        If the server forgot the consumer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        # A cancellation that meets an arriving answer is lost in Python 3.11's wait_for, which nats-py uses.
        raise asyncio.CancelledError
    try:
        return await consumer.fetch(FETCH_BATCHES_MAX, timeout=FETCH_S)
    except TimeoutError:  # nats raises its own and asyncio's, of which its own is one
        await consumer.consumer_info()
        return []


async def past_table_events(bus: Client) -> list[TableEnvelope]:
    """Return what all tables said within the last :data:`PAST_S` seconds, oldest first; nothing if it cannot be told.

    Of more than :data:`PAST_EVENTS_MAX` events the oldest ones come, so that none is missing in between.
    """
    start = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_TIME,
        opt_start_time=datetime.now(UTC) - timedelta(seconds=PAST_S),
        ack_policy=AckPolicy.NONE,
        inactive_threshold=CONSUMER_IDLE_S_MAX,
    )
    past: list[TableEnvelope] = []
    try:
        consumer = await bus.jetstream().pull_subscribe("table.*", stream=STREAM, config=start)
        due = min(PAST_EVENTS_MAX, (await consumer.consumer_info()).num_pending or 0)
        while len(past) < due and (msgs := await fetch(consumer)):
            past += [msgspec.json.decode(msg.data, type=TableEnvelope) for msg in msgs]
        await consumer.unsubscribe()
    except (nats.errors.Error, NotFoundError) as error:
        log.warning("what the tables said before is not to be had: %s", error)
    return past


async def ask_wallet(
    bus: Client, shard: int, request: ControlRequest, expected: type[Reply], timeout_s: float = 2.0
) -> Reply | Refused:
    """Ask a shard's wallet, once.

    Returns
    -------
    Reply or Refused
        What was asked for, or why it had no effect.

    Raises
    ------
    OutcomeUnknownError
        If there was no answer; asking again is safe.
    """
    try:
        msg = await bus.request(f"wallet.{shard}.control", _encode(request), timeout=timeout_s)
    except nats.errors.Error as error:
        what = type(request).__name__
        raise OutcomeUnknownError(f"shard {shard} did not answer {what} within {timeout_s} s: {error}") from None
    reply = _decode(msg.data)
    if not isinstance(reply, expected | Refused):
        raise RemoteProtocolError(f"shard {shard} answered {type(request).__name__} with {type(reply).__name__}")
    return reply


async def ask_wallet_until_answered(
    bus: Client, shard: int, request: ControlRequest, expected: type[Reply]
) -> Reply | Refused:
    """Ask a shard's wallet until it answers, however long that takes. Cancel it to give up."""
    while True:
        try:
            return await ask_wallet(bus, shard, request, expected)
        except OutcomeUnknownError as error:
            log.warning("%s", error)
            await asyncio.sleep(RETRY_S)
