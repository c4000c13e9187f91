"""A player for tests: HTTP by urllib, WebSocket by picows, everything that arrives kept in order."""

import asyncio
import http.client
import json
import secrets
import urllib.error
import urllib.request
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from reference_impl.domain.phases import Phase
from reference_impl.stack.stack import Stack


class HttpError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


async def call(
    stack: Stack, path: str, body: dict[str, Any] | None = None, token: str = "", method: str | None = None
) -> dict[str, Any]:
    """Call the HTTP API; with a body it is a POST unless a method is named."""
    return json.loads(await call_raw(stack, path, body, token, method) or b"{}")


async def call_raw(
    stack: Stack, path: str, body: dict[str, Any] | None = None, token: str = "", method: str | None = None
) -> bytes:
    """Call the HTTP API and return the answer as it is."""
    request = urllib.request.Request(
        f"{stack.api_url}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {}),
        method=method,
    )

    def send() -> bytes:
        try:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    raise HttpError(error.code, error.read().decode()) from None
        except http.client.HTTPException as error:  # it died in the middle of its answer
            raise ConnectionResetError(f"{request.full_url}: {error}") from None

    return await asyncio.to_thread(send)


async def open_players(stack: Stack, *players: int, deposit_minor: int = 100_000) -> None:
    """Register players with a deposit each; the password is the name."""
    rows = [
        {"id": n, "name": f"player-{n}", "password": f"player-{n}", "deposit_minor": deposit_minor} for n in players
    ]
    await call(stack, "/v1/admin/players", {"players": rows}, stack.admin_token)


class Socket(WSListener):
    """A raw socket to a gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self.closed = asyncio.Event()
        self._news = asyncio.Event()
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self.close_code = int(frame.get_close_code())
            self.close_reason = (frame.get_close_message() or b"").decode() if frame.get_close_message() else ""
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT:
            self.messages.append(json.loads(frame.get_payload_as_bytes()))
            self._news.set()

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        self.closed.set()

    def send(self, message: dict[str, Any] | bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.transport.send(kind, payload)

    def disconnect(self) -> None:
        self.transport.disconnect()

    async def until(self, wanted: Any, timeout_s: float = 20.0) -> dict[str, Any]:
        """Return the first message, past or future, that `wanted` likes.

        Raises
        ------
        TimeoutError
            None came in time; tells what did.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._news.clear()
                    for message in self.messages:
                        if wanted(message):
                            return message
                    await self._news.wait()
        except TimeoutError:
            came = [message for message in self.messages if message["t"] != "table"][-8:]
            raise TimeoutError(
                f"none in {timeout_s:g} s of what was waited for; beside table states came {came}"
            ) from None


async def connect(url: str) -> Socket:
    """Open a socket without saying hello."""
    _, listener = await ws_connect(Socket, url)
    if listener is None:  # what picows says of a server that ends before it has answered
        raise ConnectionResetError(f"{url} ended before it had answered")
    return listener


class Player:
    """A logged-in player at a table."""

    def __init__(self, stack: Stack, number: int, table: int = 1) -> None:
        self.stack = stack
        self.number = number
        self.table = table
        self.token = ""
        self.gateway = ""
        self.socket: Socket | None = None

    async def log_in(self) -> None:
        name = f"player-{self.number}"
        self.token = (await call(self.stack, "/v1/login", {"name": name, "password": name}))["token"]

    async def placement(self, avoid: str = "") -> dict[str, Any]:
        return await call(self.stack, "/v1/placement", {"table": self.table, "avoid": avoid}, self.token)

    async def join(self, avoid: str = "") -> dict[str, Any]:
        """Log in if necessary, connect, and return the welcome."""
        if not self.token:
            await self.log_in()
        place = await self.placement(avoid)
        self.gateway = place["gateway"]
        self.socket = await connect(place["url"])
        self.socket.send({"t": "hello", "ticket": place["ticket"]})
        return await self.socket.until(lambda m: m["t"] == "welcome")

    async def phase(self, phase: Phase, after_round: int = 0) -> dict[str, Any]:
        """Wait for a phase of a round after the given one; return the table event."""
        news = await self.socket.until(
            lambda m: (
                m["t"] == "table"
                and m["state"]["event"]["phase"] == phase
                and m["state"]["event"]["round"] > after_round
            )
        )
        return news["state"]["event"]

    async def next_open(self) -> dict[str, Any]:
        """Wait for a round that opens from now on."""
        seen = [m["state"]["event"]["round"] for m in self.socket.messages if m["t"] == "table"]
        return await self.phase(Phase.BETS_OPEN, max(seen, default=0))

    async def hear(self, event: dict[str, Any]) -> None:
        """Wait until this player's gateway has told what another's has: each hears of a table in its own time."""

        def place(told: dict[str, Any]) -> tuple[int, ...]:
            return told["round"], told["window"], told["phase"]

        await self.socket.until(lambda m: m.get("state") and place(m["state"]["event"]) >= place(event))

    def bet(self, event: dict[str, Any], selection: int = 0, amount_minor: int = 100, op: str = "") -> dict[str, Any]:
        """Send a bet; return what was sent."""
        sent = {
            "t": "bet", "id": op or secrets.token_hex(16), "table": self.table, "round": event["round"],
            "window": event.get("window", 0), "selection": selection, "amount_minor": amount_minor,
        }  # fmt: skip
        self.socket.send(sent)
        return sent

    async def answer(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Wait for a bet's answer."""
        return await self.socket.until(lambda m: m["t"] == "answer" and m["id"] == sent["id"])
