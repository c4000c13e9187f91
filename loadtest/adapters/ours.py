"""The reference implementation: HTTP for log-in, placement and accounts, WebSocket for play, DSNs for its ledger."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from loadtest.adapters.base import Arrived, EdgePlacement, Placement, ShownResult, Target, TargetAdapter
from loadtest.adapters.http import JsonClient
from loadtest.clock import HostClock
from loadtest.operations import Operation
from loadtest.users.websocket import ConnectionLostError, WebSocket
from reference_impl.domain.errors import ConfigError, OperationalError, RemoteProtocolError, RetryableError
from reference_impl.domain.money import Currency
from reference_impl.domain.protocol import HANDSHAKE_S_MAX, Decide, Hello, PlaceBet, ServerMessage, TableNews, Welcome
from reference_impl.stack.ledger_export import export_ledger

HTTP_S_MAX = 5.0
PLAYERS_A_CALL = 200  # each password is hashed slowly on purpose: a call must not take minutes
PROVISION_S_MAX = 60.0
QUIESCE_POLL_S = 0.2
NEWS_MAX = 256

_ENDED = frozenset({"settled", "voided"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ServerMessage).decode


class NewsDecoder:
    """Decodes messages; those that a whole table hears in the same words are decoded once."""

    def __init__(self) -> None:
        self._known: dict[bytes, ServerMessage] = {}

    def __call__(self, payload: bytes) -> ServerMessage:
        """Return the message; raises msgspec.MsgspecError if it breaks the protocol."""
        message = self._known.get(payload)
        if message is None:
            message = _decode(payload)
            if isinstance(message, TableNews):
                if len(self._known) >= NEWS_MAX:
                    self._known.clear()
                self._known[payload] = message
        return message


def player_name(player: int) -> str:
    """Return the log-in name of a provisioned player."""
    return f"player-{player:06d}"


def player_password(player: int) -> str:
    """Return the password of a provisioned player: made up for load, worth nothing elsewhere."""
    return f"load-{player:06d}-pass"


class OurLink:
    """A player's WebSocket.

    Parameters
    ----------
    url : str
        The gateway's address.
    clock : HostClock
        Converts kernel stamps.
    decode : callable
        Turns a message's bytes into the message.
    """

    def __init__(self, url: str, clock: HostClock, decode: Callable[[bytes], ServerMessage]) -> None:
        self._socket = WebSocket.open(url, HANDSHAKE_S_MAX)
        self._clock = clock
        self._decode = decode

    def greet(self, ticket: str, timeout_s: float) -> tuple[Welcome, list[Arrived]]:
        """Open the session.

        Raises
        ------
        ConnectionLostError
            If the gateway ends the connection, or says nothing in time.
        RemoteProtocolError
            If it says something else first.
        """
        self._socket.send_text(_encode(Hello(ticket)))
        deadline_ns = time.monotonic_ns() + round(timeout_s * 1e9)
        arrived: list[Arrived] = []
        while not arrived:
            left_s = (deadline_ns - time.monotonic_ns()) / 1e9
            if left_s <= 0:
                raise ConnectionLostError(1006)
            arrived = self.receive(left_s)
        welcome = arrived[0].message
        if not isinstance(welcome, Welcome):
            raise RemoteProtocolError(f"first message is {type(welcome).__name__}, expected Welcome")
        return welcome, arrived

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def send_bet(self, op: Operation) -> None:
        """Send a bet; one of a later window than a round's first is a decision."""
        message = Decide if op.window else PlaceBet
        self._socket.send_text(
            _encode(message(op.ref.hex(), op.table, op.round_id, op.window, op.selection, op.amount_minor))
        )

    def receive(self, timeout_s: float) -> list[Arrived]:
        """Return the messages of the next read."""
        read = self._socket.receive(timeout_s)
        app_ns = time.monotonic_ns()
        kernel_ns = self._clock.to_monotonic(read.kernel_unix_ns)
        try:
            return [Arrived(self._decode(message), kernel_ns, app_ns) for message in read.messages]
        except msgspec.MsgspecError as error:
            raise RemoteProtocolError(f"message breaks the protocol: {error}") from None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class LiveTable(TargetAdapter):
    """The reference implementation, as players and its operator reach it."""

    @property
    def offers(self) -> frozenset[str]:
        """Video, and the ledger if its databases are named."""
        return frozenset({"ledger", "video"}) if self.target.dsns else frozenset({"video"})

    def __init__(self, target: Target, clock: HostClock) -> None:
        super().__init__(target, clock)
        self._decode = NewsDecoder()

    def log_in(self, player: int) -> str:
        """Return a token."""
        body = {"name": player_name(player), "password": player_password(player)}
        with self._client() as client:
            return str(client.post("/v1/login", body)["token"])

    def lobby(self) -> list[ShownResult]:
        """Read the lobby."""
        return [
            ShownResult(table["table"], *shown)
            for table in self._tables()
            for shown in zip(table["recent_rounds"], table["recent"], strict=True)
        ]

    def place(self, token: str, table: int, avoid: str) -> Placement:
        """Return a gateway and a ticket for it."""
        with self._client() as client:
            reply = client.post("/v1/placement", {"table": table, "avoid": avoid}, token)
        return Placement(reply["gateway"], reply["number"], reply["url"], reply["ticket"])

    def place_viewer(self, token: str, table: int, avoid: str) -> EdgePlacement:
        """Return the best edge.

        Raises
        ------
        RetryableError
            If no edge is ready.
        OperationalError
            If the target has no video.
        """
        with self._client() as client:
            video = client.post("/v1/placement", {"table": table, "avoid_edge": avoid}, token)["video"]
        if video is None:
            raise OperationalError(f"{self.target.url} has no video")
        if not video["edges"]:
            raise RetryableError("no edge is ready")
        best = video["edges"][0]
        return EdgePlacement(best["name"], best["number"], best["url"], f"/{video['token']}/live/{table}")

    def connect(self, url: str) -> OurLink:
        """Open a WebSocket to a gateway."""
        return OurLink(url, self.clock, self._decode)

    def provision(self, players: int, deposit_minor: int) -> None:
        """Create players 1 to ``players``; repeating it changes nothing."""
        if not self.target.admin_token:
            raise ConfigError(f"{self.target.url}: no admin token; put it into LIVETABLE_ADMIN_TOKEN")
        with self._client(PROVISION_S_MAX) as client:
            for first in range(1, players + 1, PLAYERS_A_CALL):
                numbers = range(first, min(first + PLAYERS_A_CALL, players + 1))
                body = {"players": [_player(number, deposit_minor) for number in numbers]}
                client.post("/v1/admin/players", body, self.target.admin_token)

    def export_ledger(self, out_dir: Path) -> int:
        """Write journal, accounts, windows and decisions of every shard; each shard's files are of one snapshot."""
        asyncio.run(export_ledger(self.target.dsns, out_dir))
        return len(self.target.dsns)

    def quiesce(self, wait_s_max: float) -> None:
        """Wait until each table has ended the round that it plays now, or has begun another."""
        deadline_s = time.monotonic() + wait_s_max
        under_way = {table["table"]: table["round"] for table in self._tables() if table["phase"] not in _ENDED}
        while any(under_way.get(t["table"]) == t["round"] and t["phase"] not in _ENDED for t in self._tables()):
            if time.monotonic() > deadline_s:
                raise OperationalError(f"{self.target.url}: a round was not over after {wait_s_max:.0f} s")
            time.sleep(QUIESCE_POLL_S)

    def cut_offs(self) -> list[int]:
        """Return the tables' announced cut-offs, CLOCK_MONOTONIC ns of this host."""
        clock_ns = time.time_ns() - time.monotonic_ns()
        return [table["closes_at_unix_ns"] - clock_ns for table in self._tables()]

    def _tables(self) -> list[dict[str, Any]]:
        with self._client() as client:
            tables: list[dict[str, Any]] = client.get("/v1/lobby")["tables"]
        return tables

    def _client(self, timeout_s: float = HTTP_S_MAX) -> JsonClient:
        return JsonClient(self.target.url, timeout_s)


def _player(number: int, deposit_minor: int) -> dict[str, str | int]:
    return {
        "id": number,
        "name": player_name(number),
        "password": player_password(number),
        "deposit_minor": deposit_minor,
        "currency": int(Currency.EUR),
    }
