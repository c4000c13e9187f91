"""What the load generator needs of a target, and nothing more.

Two seams: :class:`TargetAdapter` is the player's side and runs inside load workers (blocking calls; gevent makes them
waits of one greenlet); :class:`TargetOperator` is the operator's side and runs in the conductor. The messages that a
session brings are those of :mod:`reference_impl.domain.protocol`; an adapter of another system translates into them.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from loadtest.operations import Operation
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.protocol import ServerMessage, Welcome


class TokenRefusedError(OperationalError):
    """The target does not know the player, or no longer knows the token."""


class Placement(NamedTuple):
    """Where a player is to connect: the gateway's name and number, its address, and a ticket for it."""

    gateway: str
    number: int
    url: str
    ticket: str


class EdgePlacement(NamedTuple):
    """Where a viewer is to watch: the edge's name, number and address, and the path of the table's video there."""

    edge: str
    number: int
    url: str
    path: str


class Arrived(NamedTuple):
    """A message, when the kernel had it (0 if not stamped) and when the application had it, CLOCK_MONOTONIC ns."""

    message: ServerMessage
    kernel_ns: int
    app_ns: int


class PlayerLink(Protocol):
    """A player's open connection."""

    def greet(self, ticket: str, timeout_s: float) -> tuple[Welcome, list[Arrived]]:
        """Open the session; return the welcome, and what came with it."""

    def send_bet(self, op: Operation) -> None:
        """Send a bet, not waiting for its answer."""

    def receive(self, timeout_s: float) -> list[Arrived]:
        """Return what came; nothing if nothing came in time."""

    def close(self) -> None:
        """Say goodbye and close."""


class TargetAdapter(Protocol):
    """How a player reaches the target."""

    def log_in(self, player: int) -> str:
        """Return a token for a player."""

    def lobby(self) -> None:
        """Read the lobby, as somebody does who looks for a table."""

    def place(self, token: str, table: int, avoid: str) -> Placement:
        """Ask which gateway to connect to; ``avoid`` names one that just failed, or is empty."""

    def place_viewer(self, token: str, table: int, avoid: str) -> EdgePlacement:
        """Ask which edge to watch a table through; ``avoid`` names one that just failed, or is empty."""

    def connect(self, url: str) -> PlayerLink:
        """Open a connection; no session is open yet."""


class TargetOperator(Protocol):
    """How the conductor prepares a target and reads its ledger afterwards."""

    async def provision(self, players: int, deposit_minor: int) -> None:
        """Create players 1 to ``players`` with a first deposit each."""

    async def export_ledger(self, out_dir: Path) -> None:
        """Write the ledger of a quiesced target as CSV."""
