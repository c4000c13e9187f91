"""Playback tokens: what an edge checks before it serves a table's video.

A token is short-lived, signed, and bound to one player and one table. It travels as the first part of the URL's path
(``/<token>/live/…``), so that the relative URIs of a playlist carry it along in every player; edges leave it out of the
cache key. Unlike a seat's ticket it is checked on every request and may be used by many requests at once.
"""

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

import msgspec

PLAYBACK_S_MAX = 4 * 3600
SIGNATURE_BYTES = 16
TOKEN_CHARS_MAX = 256


class Playback(NamedTuple):
    """What a playback token says."""

    player: int
    table: int
    expires_unix_s: int


def seal_playback(playback: Playback, secret: bytes) -> str:
    """Return the signed text of a playback token, safe in a URL's path."""
    payload = msgspec.msgpack.encode(playback)
    return base64.urlsafe_b64encode(_signature(payload, secret) + payload).decode().rstrip("=")


def unseal_playback(text: str, secret: bytes) -> Playback | None:
    """Return the token if it is genuine, otherwise None; :func:`admits` says whether it is good for a request."""
    if len(text) > TOKEN_CHARS_MAX:
        return None
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    signature, payload = sealed[:SIGNATURE_BYTES], sealed[SIGNATURE_BYTES:]
    if not hmac.compare_digest(_signature(payload, secret), signature):
        return None
    return msgspec.msgpack.decode(payload, type=Playback)


def admits(playback: Playback, table: int, now_unix_s: float) -> bool:
    """Tell whether a genuine token is good for this table now."""
    return playback.table == table and now_unix_s < playback.expires_unix_s


def _signature(payload: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, payload, hashlib.sha256)[:SIGNATURE_BYTES]
