"""The player's side of the reference implementation: HTTP for log-in and placement, WebSocket for play."""

import time

import msgspec

from loadtest.adapters.base import Arrived, EdgePlacement, Placement
from loadtest.adapters.http import JsonClient
from loadtest.clock import HostClock
from loadtest.operations import Operation
from loadtest.users.websocket import ConnectionLostError, WebSocket
from reference_impl.domain.errors import OperationalError, RemoteProtocolError, RetryableError
from reference_impl.domain.protocol import HANDSHAKE_S_MAX, Hello, PlaceBet, ServerMessage, Welcome

HTTP_S_MAX = 5.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ServerMessage).decode


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
    """

    def __init__(self, url: str, clock: HostClock) -> None:
        self._socket = WebSocket.open(url, HANDSHAKE_S_MAX)
        self._clock = clock

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

    def send_bet(self, op: Operation) -> None:
        """Send a bet."""
        self._socket.send_text(
            _encode(PlaceBet(op.ref.hex(), op.table, op.round_id, op.window, op.selection, op.amount_minor))
        )

    def receive(self, timeout_s: float) -> list[Arrived]:
        """Return the messages of the next read."""
        read = self._socket.receive(timeout_s)
        app_ns = time.monotonic_ns()
        kernel_ns = self._clock.to_monotonic(read.kernel_unix_ns)
        try:
            return [Arrived(_decode(message), kernel_ns, app_ns) for message in read.messages]
        except msgspec.MsgspecError as error:
            raise RemoteProtocolError(f"message breaks the protocol: {error}") from None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class LiveTable:
    """The reference implementation, as players reach it.

    Parameters
    ----------
    api_url : str
        Its HTTP address.
    clock : HostClock
        Converts kernel stamps.
    """

    def __init__(self, api_url: str, clock: HostClock) -> None:
        self._api_url = api_url
        self._clock = clock

    def log_in(self, player: int) -> str:
        """Return a token."""
        body = {"name": player_name(player), "password": player_password(player)}
        with JsonClient(self._api_url, HTTP_S_MAX) as client:
            return str(client.post("/v1/login", body)["token"])

    def lobby(self) -> None:
        """Read the lobby."""
        with JsonClient(self._api_url, HTTP_S_MAX) as client:
            client.get("/v1/lobby")

    def place(self, token: str, table: int, avoid: str) -> Placement:
        """Return a gateway and a ticket for it."""
        with JsonClient(self._api_url, HTTP_S_MAX) as client:
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
        with JsonClient(self._api_url, HTTP_S_MAX) as client:
            video = client.post("/v1/placement", {"table": table, "avoid_edge": avoid}, token)["video"]
        if video is None:
            raise OperationalError(f"{self._api_url} has no video")
        if not video["edges"]:
            raise RetryableError("no edge is ready")
        best = video["edges"][0]
        return EdgePlacement(best["name"], best["number"], best["url"], f"/{video['token']}/live/{table}")

    def connect(self, url: str) -> OurLink:
        """Open a WebSocket to a gateway."""
        return OurLink(url, self._clock)
