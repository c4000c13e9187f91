"""What the load generator needs of a target, and nothing more: one class to write for tables of one's own.

:class:`TargetAdapter` is both sides of the target. The player's side (log in, be placed, connect) runs inside load
workers: its calls block, and gevent makes them waits of one greenlet. The operator's side (open accounts, export the
ledger) runs in the conductor; an adapter that leaves it out drives a target whose accounts exist and whose ledger
stays closed. The messages that a session brings are those of :mod:`reference_impl.domain.protocol`; an adapter of
another system translates into them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from loadtest.clock import HostClock
from loadtest.operations import Operation
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.protocol import ServerMessage, Welcome


class TokenRefusedError(OperationalError):
    """The target does not know the player, or no longer knows the token."""


class Target(NamedTuple):
    """Where the target is and what opens it; workers are told the address only."""

    url: str
    admin_token: str = ""
    dsns: tuple[str, ...] = ()


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


class ShownResult(NamedTuple):
    """A result that a lobby shows: of which table and round, and the outcome."""

    table: int
    round_id: int
    outcome: int


class PlayerLink(Protocol):
    """A player's open connection.

    Errors of the connection are :class:`loadtest.users.websocket.ConnectionLostError`, of what is said over it
    :class:`reference_impl.domain.errors.RemoteProtocolError`.
    """

    def greet(self, ticket: str, timeout_s: float) -> tuple[Welcome, list[Arrived]]:
        """Open the session; return the welcome, and what came with it."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to receive."""

    def send_bet(self, op: Operation) -> None:
        """Send a bet; wait neither for its answer nor for a target that does not read."""

    def receive(self, timeout_s: float) -> list[Arrived]:
        """Return what came; nothing if nothing came in time. With 0 it does not wait at all."""

    def close(self) -> None:
        """Say goodbye and close."""


class TargetAdapter(ABC):
    """How the lab reaches a target. Two methods are needed; the others say what more the target can do.

    Parameters
    ----------
    target : Target
        Where it is.
    clock : HostClock
        Converts kernel stamps.
    """

    def __init__(self, target: Target, clock: HostClock) -> None:
        self.target = target
        self.clock = clock

    @property
    def offers(self) -> frozenset[str]:
        """What a Run of this target can hold besides what players see: ``ledger``, ``video``. Here: nothing."""
        return frozenset()

    @abstractmethod
    def log_in(self, player: int) -> str:
        """Return a token for a player.

        Raises
        ------
        TokenRefusedError
            If the target refuses the player.
        RetryableError
            If it may be asked again.
        """

    @abstractmethod
    def connect(self, url: str) -> PlayerLink:
        """Open a connection to where a placement points; no session is open yet."""

    def place(self, token: str, table: int, avoid: str) -> Placement:  # noqa: ARG002 - what overriders need
        """Say where to connect; ``avoid`` names a gateway that just failed, or is empty. Here: always the target."""
        return Placement("target", 0, self.target.url, token)

    def lobby(self) -> Sequence[ShownResult]:
        """Read the lobby, as somebody does who looks for a table; return the results that it shows. Here: none."""
        raise OperationalError(f"{self.target.url} has no lobby")

    def place_viewer(self, token: str, table: int, avoid: str) -> EdgePlacement:  # noqa: ARG002 - as above
        """Say which edge to watch a table through; ``avoid`` names one that just failed, or is empty."""
        raise OperationalError(f"{self.target.url} has no video")

    def provision(self, players: int, deposit_minor: int) -> None:  # noqa: B027 - a target may have nothing to do here
        """Open accounts for players 1 to ``players`` with a first deposit each. Here: they exist already."""

    def export_ledger(self, out_dir: Path) -> int:  # noqa: ARG002 - as above
        """Write the ledger as CSV files (``docs/LOAD.md`` names them); return how many shards it has."""
        raise OperationalError(f"{self.target.url} does not open its ledger")

    def quiesce(self, wait_s_max: float) -> None:  # noqa: B027 - as above
        """Return when the rounds that are under way now have ended, so that the ledger can be read. Here: at once."""
