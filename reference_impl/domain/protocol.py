"""Messages between a player and a gateway: JSON text frames, tagged by ``t``. Unknown fields are refused.

A session is ``hello`` → ``welcome``, then bets, decisions, undos and pings from the player, answers, table events and
payments from the gateway. Amounts are minor units, instants Unix ns of the server, ids 32 hexadecimal digits.
"""

from enum import IntEnum
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from reference_impl.domain.lobby import TableInLobby
from reference_impl.domain.table_messages import TableEnvelope

FRAME_BYTES_MAX = 4096
HANDSHAKE_S_MAX = 5.0
AMOUNT_MINOR_MAX = 10**12

OpId: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Natural: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 62))]


class CloseCode(IntEnum):
    """Why a gateway closes a socket (RFC 6455, and our own in the 4000s)."""

    GOING_AWAY = 1001
    RESTARTING = 1012
    MALFORMED = 4400
    BAD_TICKET = 4401
    HANDSHAKE_TIMEOUT = 4408
    MOVED = 4410
    SLOW_CONSUMER = 4413
    REPLACED = 4409
    LOGGED_OUT = 4403
    TOO_FAST = 4429


class Hello(Struct, tag="hello", tag_field="t", forbid_unknown_fields=True, frozen=True):
    """The first frame: the ticket that placement gave.

    Who comes back names the number of the last table event that was seen; what was missed since is told again, if it is
    not too long ago. The welcome tells where the table stands in any case.
    """

    ticket: Annotated[str, Meta(max_length=512)]
    seq: Natural = 0


class Ping(Struct, tag="ping", tag_field="t", forbid_unknown_fields=True, frozen=True):
    """Ask for the server's time; ``sent_ns`` comes back as it is. ``stalls`` is how often the picture stood still."""

    sent_ns: Natural
    stalls: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class PlaceBet(Struct, tag="bet", tag_field="t", forbid_unknown_fields=True, frozen=True, gc=False):
    """Place a bet. A bet whose answer was lost is sent again with the same id and parameters."""

    id: OpId
    table: Annotated[int, Meta(ge=0, le=32767)]
    round: Natural
    window: Annotated[int, Meta(ge=0, le=100)]
    selection: Annotated[int, Meta(ge=0, le=10_000)]
    amount_minor: Annotated[int, Meta(ge=1, le=AMOUNT_MINOR_MAX)]


class Decide(Struct, tag="decide", tag_field="t", forbid_unknown_fields=True, frozen=True):
    """Decide something after the stakes, in a window that is open for that; the answer is that of a bet.

    ``decision`` is a place among the decisions that the table's rules name; ``amount_minor`` what it costs. The first
    decision of a window that was not taken back counts; what does not count returns what was staked on it.
    """

    id: OpId
    table: Annotated[int, Meta(ge=0, le=32767)]
    round: Natural
    window: Annotated[int, Meta(ge=1, le=100)]
    decision: Annotated[int, Meta(ge=0, le=100)]
    amount_minor: Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)] = 0


class UndoBet(Struct, tag="undo", tag_field="t", forbid_unknown_fields=True, frozen=True):
    """Take a bet or a decision back while its window is open. An undo whose answer was lost is sent again."""

    id: OpId
    table: Annotated[int, Meta(ge=0, le=32767)]
    round: Natural
    window: Annotated[int, Meta(ge=0, le=100)]


class WatchLobby(Struct, tag="lobby", tag_field="t", forbid_unknown_fields=True, frozen=True):
    """Show the lobby on this socket, or stop doing so."""

    watch: bool = True


ClientMessage: TypeAlias = Hello | Ping | PlaceBet | Decide | UndoBet | WatchLobby


class Welcome(Struct, tag="welcome", tag_field="t", frozen=True):
    """The session is open: who it is, what is in the account, where the table stands.

    Should the gateway be lost without a word, the player waits ``back_ms`` before the first try elsewhere: everybody's
    is another, so that those who lose it together do not return together.
    """

    player: int
    gateway: int
    balance_minor: int
    version: int
    currency: int
    server_unix_ns: int
    state: TableEnvelope | None
    back_ms: int = 0


class Pong(Struct, tag="pong", tag_field="t", frozen=True):
    """The server's time."""

    sent_ns: int
    server_unix_ns: int


class BetAnswer(Struct, tag="answer", tag_field="t", frozen=True, gc=False):
    """The durable answer to a bet or a decision; ``status`` is a :class:`reference_impl.domain.bets.Status`."""

    id: str
    status: int
    balance_minor: int
    version: int
    shard: int
    seq: int


class Pending(Struct, tag="pending", tag_field="t", frozen=True):
    """The table collects bets: this one is taken down, costs nothing yet and is nobody's word; its answer comes later.

    It comes when no more bets are taken. Until then the bet can be taken back; sent again, it is taken down once.
    """

    id: str


class Undone(Struct, tag="undone", tag_field="t", frozen=True):
    """The answer to an undo: *accepted* means that the stake is back, *window closed* that it came too late."""

    id: str
    status: int
    balance_minor: int
    version: int
    shard: int
    seq: int


class TableNews(Struct, tag="table", tag_field="t", frozen=True):
    """A table event."""

    state: TableEnvelope


class Paid(Struct, tag="paid", tag_field="t", frozen=True):
    """The player's bets of a round were settled or voided: ids, gross payouts, and the balance after them."""

    round: int
    ids: list[str]
    payouts_minor: list[int]
    balance_minor: int
    version: int


class LobbyNews(Struct, tag="lobby", tag_field="t", frozen=True):
    """Tables in the lobby: all there are, if ``whole``, or those that changed. A row replaces the table's former row.

    ``number`` grows with every change that the gateway heard of. More tables than one message holds come in several.
    """

    number: int
    whole: bool
    tables: list[TableInLobby]


class GoAway(Struct, tag="go_away", tag_field="t", frozen=True):
    """Go on at another gateway: wait ``after_ms``, open a socket there, and leave this one when welcomed there.

    The ticket is good for half a minute. What was asked here is answered here; what comes after the welcome is asked
    there.
    """

    gateway: str
    number: int
    url: str
    ticket: str
    after_ms: int
    reason: str


class EdgeNamed(Struct, frozen=True):
    """An edge, by the name that its steering manifests use, and its address."""

    name: str
    number: int
    url: str


class Steer(Struct, tag="steer", tag_field="t", frozen=True):
    """Watch the table through other edges, best first: such a share of those who watch it through ``leave``."""

    table: int
    leave: str
    share: float
    edges: list[EdgeNamed]


class Problem(Struct, tag="problem", tag_field="t", frozen=True):
    """The last frame was refused; the text says which value and which limit."""

    message: str


ServerMessage: TypeAlias = (
    Welcome | Pong | BetAnswer | Pending | Undone | TableNews | Paid | LobbyNews | GoAway | Steer | Problem
)
