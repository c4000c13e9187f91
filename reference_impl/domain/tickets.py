"""Socket tickets: short-lived, signed, for one player, one table and one gateway.

A ticket is ``payload.signature`` in URL-safe base64 and travels in the first frame, never in a URL.
"""

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

import msgspec

TICKET_S_MAX = 30


class Ticket(NamedTuple):
    """What a ticket says; ``session`` is the log-in that it belongs to, and ends with.

    One that a gateway gave out to ``moved`` a player says so: the player is not moved again soon.
    """

    player: int
    table: int
    gateway: str
    session: str
    issued_unix_ns: int
    expires_unix_s: int
    nonce: str
    moved: bool = False


def seal(ticket: Ticket, secret: bytes) -> str:
    """Return the signed text of a ticket."""
    payload = msgspec.msgpack.encode(ticket)
    signature = hmac.digest(secret, payload, hashlib.sha256)
    return ".".join(base64.urlsafe_b64encode(part).decode() for part in (payload, signature))


def unseal(text: str, secret: bytes, gateway: str, now_unix_s: float) -> Ticket | None:
    """Return the ticket if it is genuine, for this gateway and not expired; otherwise None."""
    try:
        payload, signature = (base64.urlsafe_b64decode(part) for part in text.split("."))
    except (ValueError, binascii.Error):
        return None
    if not hmac.compare_digest(hmac.digest(secret, payload, hashlib.sha256), signature):
        return None
    ticket = msgspec.msgpack.decode(payload, type=Ticket)
    if ticket.gateway != gateway or now_unix_s >= ticket.expires_unix_s:
        return None
    return ticket
