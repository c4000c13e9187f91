"""What the HTTP API takes and gives of a player's own account. Unknown fields of requests are refused."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from reference_impl.domain.ids import PLAYER_ID_MAX
from reference_impl.domain.limits import LimitKind
from reference_impl.domain.protocol import AMOUNT_MINOR_MAX, OpId

MINUTES_A_DAY = 24 * 60
TIME_OUT_HOURS_MAX = 6 * 7 * 24
"""Six weeks (UK Gambling Commission, LCCP, social responsibility code 3.3.4)."""
EXCLUSION_DAYS_MIN, EXCLUSION_DAYS_MAX = 182, 5 * 365 + 1
"""Six months to five years (LCCP, social responsibility code 3.5.3)."""

UNITS = {
    LimitKind.STAKE: "minor",
    LimitKind.ROUND: "minor",
    LimitKind.LOSS_DAY: "minor",
    LimitKind.LOSS_WEEK: "minor",
    LimitKind.TIME_DAY: "minutes",
}
"""Limits of an amount, and what it counts."""

Instant: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 62)]


class NextLimit(Struct):
    """A looser limit that waits; no amount means no limit."""

    amount: int | None
    from_unix_ns: int


class OwnLimit(Struct):
    """A limit in force: minor units or whole minutes, by ``unit``; no amount means no limit."""

    kind: str
    unit: str
    amount: int | None
    used: int
    next: NextLimit | None


class OwnLimits(Struct):
    """A player's limits. The instants are 0 where there never was a time-out or an exclusion."""

    currency: int
    server_unix_ns: int
    limits: list[OwnLimit]
    time_out_until_unix_ns: int
    excluded_until_unix_ns: int


class LimitWish(Struct, forbid_unknown_fields=True):
    """Another limit; no amount means no limit. The same id sent again changes nothing more."""

    id: OpId
    amount: Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)] | None


class LeaveWish(Struct, forbid_unknown_fields=True):
    """The end of a break, or of an exclusion, that begins now. The same id sent again changes nothing more."""

    id: OpId
    until_unix_ns: Instant


class Withdrawal(Struct, forbid_unknown_fields=True):
    """Money that the player takes out. A withdrawal whose answer was lost is sent again with the same id."""

    id: OpId
    amount_minor: Annotated[int, Meta(ge=1, le=AMOUNT_MINOR_MAX)]


class Withdrawn(Struct):
    """The balance after the withdrawal."""

    balance_minor: int


class StatementRow(Struct):
    """An entry of the ledger and what it means; ``amount_minor`` is what it added to the balance."""

    seq: int
    at_unix_ns: int
    id: str
    kind: str
    what: str
    game: str
    table: int
    round: int
    amount_minor: int
    balance_minor: int


class PlayTotals(Struct):
    """What was played: bets, their stakes, stakes that came back, gross winnings, and what playing changed."""

    bets: int
    staked_minor: int
    returned_minor: int
    won_minor: int
    net_minor: int


class Statement(Struct):
    """A page of a statement, newest first. ``next_before`` asks for the next page; there is none if it is 0.

    ``opening_minor + play.net_minor + cash_minor == closing_minor``.
    """

    currency: int
    from_unix_ns: int
    to_unix_ns: int
    opening_minor: int
    closing_minor: int
    play: PlayTotals
    cash_minor: int
    entries: int
    rows: list[StatementRow]
    next_before: int


class SessionNow(Struct):
    """The log-in session: how long it lasts, what was played in it, and when its reminder is due (0: never)."""

    currency: int
    opened_unix_ns: int
    server_unix_ns: int
    played_ns: int
    play: PlayTotals
    reminder_due_unix_ns: int
    check_s: float


class PastSession(Struct):
    """A log-in session, and what was played in it."""

    id: str
    opened_unix_ns: int
    ended_unix_ns: int | None
    ended_by: str | None
    play: PlayTotals


class PlayerSeen(Struct):
    """A player as the operator sees one."""

    player: Annotated[int, Meta(ge=1, le=PLAYER_ID_MAX)]
    name: str
    currency: int
    barred: str | None
    sessions: list[PastSession]
