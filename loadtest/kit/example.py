"""A small seamless wallet over HTTP, kept in memory: something to try the kit on, and to read beside one's own.

It has no durability and one lock; what it shows is the protocol. ``livetable wallet example`` serves it.
"""

import contextlib
import http.server
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import msgspec

from loadtest.kit.model import ModelWallet
from loadtest.kit.profile import SECRET_VARIABLE, Profile, write_tokens
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.seamless import (
    CALLS,
    HEADER_PROVIDER,
    HEADER_SIGNATURE,
    HEADER_TIMESTAMP,
    HTTP_STATUS,
    Answer,
    Authenticate,
    Authenticated,
    Call,
    Code,
    Debit,
    Problem,
    problem,
)
from reference_impl.domain.seamless_signature import Verifier, judge, verifier_of
from reference_impl.domain.units import NS_PER_MS
from reference_impl.stack.processes import require_free

BODY_BYTES_MAX = 16 * 1024
IDLE_S_MAX = 30.0
DEPOSIT_MINOR = 100_000
PATH = "/seamless"

log = logging.getLogger(__name__)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(kind) for name, kind in CALLS.items()}


class ExampleWallet:
    """The wallet behind the server; a context manager that serves on a loopback port.

    Parameters
    ----------
    rules : ModelWallet
        What it answers, with accounts open.
    verifiers : dict of str to Verifier
        Who may call.
    port : int
        Its port; 0 takes a free one.
    """

    def __init__(self, rules: ModelWallet, verifiers: dict[str, Verifier], port: int = 0) -> None:
        self.rules = rules
        self.verifiers = verifiers
        self._lock = threading.Lock()
        self._tokens = {secrets.token_urlsafe(12): player for player in rules.books}
        self._server = _Server(("127.0.0.1", port), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where its calls are."""
        return f"http://127.0.0.1:{self._server.server_port}{PATH}"

    @property
    def tokens(self) -> list[str]:
        """A launch token for each player; each is a session too."""
        return list(self._tokens)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, name: str, body: bytes, headers: Any) -> Answer:
        """Judge and carry out one call."""
        refusal = self.judge(name, body, headers)
        if refusal is not None:
            return problem(refusal, f"{name}: signature or timestamp")
        try:
            call = _decoders[name].decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return problem(Code.MALFORMED, f"{name}: {error}")
        return self.carry_out(call)

    def judge(self, name: str, body: bytes, headers: Any) -> Code | None:
        """Return why a call is not trusted, or None."""
        verifier = self.verifiers.get(headers.get(HEADER_PROVIDER, ""))
        if verifier is None:
            return Code.BAD_SIGNATURE
        timestamp, signature = headers.get(HEADER_TIMESTAMP, ""), headers.get(HEADER_SIGNATURE, "")
        window_ms = self.rules.conventions.window_ms
        return judge(verifier, timestamp, name, body, signature, time.time_ns() // NS_PER_MS, window_ms)

    def carry_out(self, call: Call) -> Answer:
        """Carry out a call that is trusted."""
        if isinstance(call, Authenticate):
            player = self._tokens.get(call.token)
            if player is None:
                return problem(Code.SESSION_EXPIRED, "the launch token is false or expired")
            return Authenticated(player, call.token, self.rules.currency, self.rules.books[player].balance_minor)
        with self._lock:
            if isinstance(call, Debit) and not (self.is_session(call) or self.rules.was_done(call)):
                return problem(Code.SESSION_EXPIRED, f"the session is none of player {call.player}")
            return self.rules.apply(call)

    def is_session(self, call: Debit) -> bool:
        """Tell whether a debit's session is its player's."""
        return self._tokens.get(call.session) == call.player


def serve(profile: Profile, port: int, players: int, tokens_path: Path) -> None:
    """Serve an example wallet until SIGINT or SIGTERM; its players' launch tokens are written to a file."""
    secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret:
        raise ConfigError(
            f"{SECRET_VARIABLE} is not set: it holds the secret that provider '{profile.provider}' signs with"
        )
    if port:
        require_free(port)
    rules = ModelWallet(profile.conventions, profile.currency)
    for number in range(1, players + 1):
        rules.open(f"player-{number}", DEPOSIT_MINOR)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExampleWallet(rules, {profile.provider: verifier_of(profile.conventions.signature, secret)}, port) as wallet:
        write_tokens(tokens_path, wallet.tokens)
        print(f"wallet   {wallet.url}   launch tokens in {tokens_path}; Ctrl-C stops it", file=sys.stderr, flush=True)  # noqa: T201 - this is the command's output
        stop.wait()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, _request: Any, client_address: Any) -> None:
        log.debug("%s hung up", client_address)  # callers may: the outcome is unknown to them and the id will tell


def _handler_of(wallet: ExampleWallet) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_S_MAX

        def setup(self) -> None:
            super().setup()
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            name = self.path.removeprefix(f"{PATH}/")
            if length > BODY_BYTES_MAX:
                self.close_connection = True
                answer: Answer = problem(Code.TOO_LARGE, f"{length} bytes, limit {BODY_BYTES_MAX}")
            elif name not in CALLS:
                answer = problem(Code.MALFORMED, f"there is no call {name}")
            else:
                answer = wallet.answer(name, self.rfile.read(length), self.headers)
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            status = HTTP_STATUS[answer.code] if isinstance(answer, Problem) else 200
            body = msgspec.json.encode(answer)
            head = f"HTTP/1.1 {status} \r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a line a call is none for anybody."""

    return Handler
