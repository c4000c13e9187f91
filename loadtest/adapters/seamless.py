"""Any seamless wallet, as a game provider reaches it: signed calls over one HTTP connection.

Blocking calls, so that the same client serves the kit's threads and, under gevent, the load's greenlets. A client is
one connection and is used by one of them at a time.
"""

import contextlib
import http.client
import time
from collections.abc import Callable
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from reference_impl.domain.errors import ConfigError, OutcomeUnknownError
from reference_impl.domain.seamless import (
    CALLS,
    HEADER_PROVIDER,
    HEADER_SIGNATURE,
    HEADER_TIMESTAMP,
    Authenticated,
    BalanceNow,
    Call,
    Code,
    Duplicate,
    Receipt,
)
from reference_impl.domain.seamless_signature import Signer, signed_message
from reference_impl.domain.units import NS_PER_MS

REPLY_BYTES_MAX = 64 * 1024
TOO_MANY_REQUESTS = 429
RESOLVE_TRIES_MAX = 20
RESOLVE_PAUSE_S = 0.1

_NAMES = {kind: name for name, kind in CALLS.items()}
_ACCEPTED: dict[str, type[Authenticated | BalanceNow | Receipt]] = {
    "authenticate": Authenticated, "balance": BalanceNow, "debit": Receipt, "credit": Receipt, "cancel": Receipt,
    "promo": Receipt,
}  # fmt: skip
_encode = msgspec.json.Encoder().encode


class Seen(NamedTuple):
    """What a wallet answered: HTTP status 0 means that there was no answer.

    ``code`` is empty for a call that was carried out, ``balance_minor`` is None where the answer names none.
    """

    call: str
    request: str
    status: int
    code: str
    balance_minor: int | None
    text: str
    accepted: Authenticated | BalanceNow | Receipt | None = None

    @property
    def known(self) -> bool:
        """Whether the wallet said what became of the call; anything else is to be sent again."""
        return 0 < self.status < 500 and self.status != TOO_MANY_REQUESTS

    def done(self, duplicate: Duplicate) -> bool:
        """Tell whether the call is carried out, now or before."""
        return self.status == 200 or (duplicate is Duplicate.ALREADY_EXISTS and self.code == Code.ALREADY_EXISTS)

    def __str__(self) -> str:
        if self.status == 0:
            return f"no answer ({self.text})"
        balance = "" if self.balance_minor is None else f", balance {self.balance_minor}"
        return f"{self.status}{' ' + self.code if self.code else ''}{balance}"


class SeamlessClient:
    """One connection to a wallet.

    Parameters
    ----------
    base_url : str
        Where the calls are, such as ``https://wallet.example/v1/seamless``.
    provider : str
        Who calls.
    signer : Signer
        Signs each call.
    timeout_s : float
        The longest wait for connecting and for an answer.
    now_ms : callable
        The clock, in Unix milliseconds.
    """

    _requests = count(1)

    def __init__(
        self,
        base_url: str,
        provider: str,
        signer: Signer,
        timeout_s: float,
        now_ms: Callable[[], int] = lambda: time.time_ns() // NS_PER_MS,
    ) -> None:
        parts = urlsplit(base_url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or parts.hostname is None:
            raise ConfigError(f"wallet address '{base_url}': must be http:// or https:// with a host")
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=timeout_s)
        self._path = parts.path.rstrip("/")
        self._provider = provider
        self._signer = signer
        self.now_ms = now_ms

    def call(self, call: Call) -> Seen:
        """Send a call once and return what came of it."""
        name = _NAMES[type(call)]
        body = _encode(call)
        return self.send(name, body, self.headers(name, body))

    def resolve(self, call: Call) -> Seen:
        """Send a call, again and again under the same id, until its outcome is known.

        Raises
        ------
        OutcomeUnknownError
            If it still is not after :data:`RESOLVE_TRIES_MAX` tries.
        """
        for attempt in range(RESOLVE_TRIES_MAX):
            seen = self.call(call)
            if seen.known:
                return seen
            time.sleep(RESOLVE_PAUSE_S * min(attempt, 5))
        raise OutcomeUnknownError(f"{seen.call}: {seen}, {RESOLVE_TRIES_MAX} times (last request {seen.request})")

    def headers(
        self, name: str, body: bytes, timestamp: str = "", *, signs: tuple[str, bytes] | None = None
    ) -> dict[str, str]:
        """Return the headers of a call; `signs` puts another call's signature on it."""
        timestamp = timestamp or str(self.now_ms())
        return {
            "Content-Type": "application/json",
            HEADER_PROVIDER: self._provider,
            HEADER_TIMESTAMP: timestamp,
            HEADER_SIGNATURE: self._signer.sign(signed_message(timestamp, *(signs or (name, body)))),
        }

    def send(self, name: str, body: bytes, headers: dict[str, str]) -> Seen:
        """Send any bytes under any headers."""
        request = f"kit-{next(self._requests)}"
        reused = self._connection.sock is not None
        try:
            return self._exchange(name, request, body, headers)
        except (ConnectionError, http.client.BadStatusLine) as error:
            self._connection.close()
            if not reused:
                return Seen(name, request, 0, "", None, _words(error))
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Seen(name, request, 0, "", None, _words(error))
        return self.send(name, body, headers)  # the server had closed an idle connection

    def cut(self, call: Call, after_s: float) -> None:
        """Send a call and cut the connection without reading the answer: the provider does not know what happened."""
        name = _NAMES[type(call)]
        body = _encode(call)
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._connection.request("POST", f"{self._path}/{name}", body, self.headers(name, body))
            time.sleep(after_s)
        self._connection.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _exchange(self, name: str, request: str, body: bytes, headers: dict[str, str]) -> Seen:
        self._connection.request("POST", f"{self._path}/{name}", body, headers | {"X-Request-Id": request})
        reply = self._connection.getresponse()
        data = reply.read(REPLY_BYTES_MAX)
        return _seen(name, request, reply.status, data)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _seen(name: str, request: str, status: int, data: bytes) -> Seen:
    text = data[:300].decode(errors="replace")
    if status == 200:
        try:
            accepted = msgspec.json.decode(data, type=_ACCEPTED[name])
        except msgspec.MsgspecError as error:
            return Seen(name, request, status, "UNREADABLE", None, f"{error}: {text}")
        return Seen(name, request, status, "", accepted.balance_minor, text, accepted)
    try:
        refusal = msgspec.json.decode(data, type=_Refusal)
    except msgspec.MsgspecError:
        return Seen(name, request, status, "", None, text)
    return Seen(name, request, status, refusal.code, refusal.balance_minor, refusal.detail)


class _Refusal(msgspec.Struct):
    code: str = ""
    detail: str = ""
    balance_minor: int | None = None
