"""How services talk: one NATS connection each, and questions to the wallet."""

import asyncio
import logging
from typing import TypeVar

import msgspec
import nats
import nats.errors
from nats.aio.client import Client

from reference_impl.domain.errors import OutcomeUnknownError, RemoteProtocolError
from reference_impl.domain.messages import ControlReply, ControlRequest, Refused
from reference_impl.domain.units import KIB

PENDING_BYTES_MAX = 16 * 1024 * KIB
RETRY_S = 0.1

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
