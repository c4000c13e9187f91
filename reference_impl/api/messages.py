"""What the HTTP API takes and gives. Unknown fields of requests are refused."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from reference_impl.domain.games.game import OUTCOME_MAX
from reference_impl.domain.ids import PLAYER_ID_MAX, TABLE_ID_MAX
from reference_impl.domain.lobby import TableInLobby
from reference_impl.domain.money import Currency

PLAYERS_A_CALL_MAX = 1000

TEXT = r"^[^\u0000]*$"
"""PostgreSQL keeps every character but one."""

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=TEXT)]
Why: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=TEXT)]
Password: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
NodeName: TypeAlias = Annotated[str, Meta(max_length=64)]


class LogIn(Struct, forbid_unknown_fields=True):
    """Name and password."""

    name: Name
    password: Password


class LoggedIn(Struct):
    """The token, and whose it is."""

    token: str
    player: int


class PlacementRequest(Struct, forbid_unknown_fields=True):
    """The table to join, 0 to look at the lobby only, and the gateway and the edge that just failed, if any."""

    table: Annotated[int, Meta(ge=0, le=TABLE_ID_MAX)]
    avoid: NodeName = ""
    avoid_edge: NodeName = ""


class EdgePlace(Struct):
    """An edge that serves the table's video."""

    name: str
    number: int
    url: str


class VideoPlace(Struct):
    """Where the video is.

    LL-HLS is at ``{edge.url}/{token}/live/{table}/master.m3u8``, the interactive tier at
    ``{live}/{token}/live/{table}/{rendition}``. Edges come best first; there are none while all of them are down.
    """

    token: str
    edges: list[EdgePlace]
    live: str


class Placement(Struct):
    """Where to connect, the ticket for the first frame, and the video, unless the system has none."""

    gateway: str
    number: int
    url: str
    ticket: str
    video: VideoPlace | None


class PlayerToOpen(Struct, forbid_unknown_fields=True):
    """A player to register, with a first deposit."""

    id: Annotated[int, Meta(ge=1, le=PLAYER_ID_MAX)]
    name: Name
    password: Password
    deposit_minor: Annotated[int, Meta(ge=0, le=10**12)]
    currency: Currency = Currency.EUR


class PlayersToOpen(Struct, forbid_unknown_fields=True):
    """Players to register."""

    players: Annotated[list[PlayerToOpen], Meta(max_length=PLAYERS_A_CALL_MAX)]


class Correction(Struct, forbid_unknown_fields=True):
    """The outcome that a settled round should have had, and why."""

    outcome: Annotated[int, Meta(ge=0, le=OUTCOME_MAX)]
    reason: Why


class Scope(Struct, forbid_unknown_fields=True):
    """Which tables are meant: all, those of a game, or one; and why."""

    reason: Why
    game: str = ""
    table: Annotated[int, Meta(ge=0, le=TABLE_ID_MAX)] = 0


class Ordered(Struct):
    """Tables that carried the order out, and why others did not."""

    tables: list[int]
    refused: dict[str, str]


class Reason(Struct, forbid_unknown_fields=True):
    """Why the operator does something; it is kept with what was done."""

    reason: Why


class NewOperator(Struct, forbid_unknown_fields=True):
    """An operator to be registered."""

    name: Name
    password: Annotated[str, Meta(min_length=12, max_length=128)]


class OperatorIn(Struct):
    """The token, and whose it is."""

    token: str
    operator: str


class SettledRound(Struct):
    """A settled round; the newest is here before screens have shown it."""

    round: int
    outcome: int
    result: str


class TableAtDesk(Struct):
    """A table as the operator sees it; ``note`` is why it is idle, ``settled`` newest first."""

    table: int
    game: str
    phase: str
    round: int
    note: str
    settled: list[SettledRound]


class Desk(Struct):
    """What the operator sees at once."""

    operator: str
    tables: list[TableAtDesk]


class OrderOnRecord(Struct):
    """An order: who, when, what, why, and what came of it; nobody knows the latter if there is no answer."""

    id: int
    at_unix_ns: int
    operator: str
    what: str
    target: str
    reason: str
    answer: str | None


class OutcomeWords(Struct):
    """An outcome of a game in words."""

    game: str
    outcome: int
    result: str


class TablesInLobby(Struct):
    """All tables, and the server's time."""

    tables: list[TableInLobby]
    server_unix_ns: int


class SpotRules(Struct):
    """A place on the layout; its index in the list is a bet's selection.

    ``gross`` is the return per unit staked, ``pays`` what the layout says of it.
    """

    name: str
    numbers: list[int]
    gross: int
    pays: str


class Rules(Struct):
    """What a screen must know of the game, so that no rule is written there."""

    game: str
    spots: list[SpotRules]
    red: list[int]
    phases: dict[str, int]
    statuses: dict[str, int]
    stake_minor_min: int
    stake_minor_max: int
    decisions: list[str]
