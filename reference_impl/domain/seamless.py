"""The seamless-wallet protocol: what a game provider asks of the wallet that holds the players' money.

Every call is a POST of a JSON object to ``<base>/<call>``. Money is integer minor units. A money call carries a
``transaction`` id that is unique for its player (and provider): the same id asks for the same thing again, whatever
became of the first request, and gets its answer without a second effect. A credit or a cancel names the ``bet`` that it
ends, by the debit's transaction id; a bet ends once. A cancel says no amount: it returns what the debit took.

Three headers sign a call: ``X-Provider`` says who asks, ``X-Timestamp`` when (Unix ms), and ``X-Signature`` is over
``<timestamp>.<call>.`` followed by the exact body (see :mod:`reference_impl.domain.seamless_signature`).

Providers disagree on a few things: :class:`Conventions` holds a switch for each. Everything else is one rule for all.
"""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

AMOUNT_MINOR_MAX = 10**13
"""Largest amount of one call: ten trillion minor units still add up exactly in 64 bits, and in a double."""

HEADER_PROVIDER, HEADER_TIMESTAMP, HEADER_SIGNATURE = "X-Provider", "X-Timestamp", "X-Signature"


class Duplicate(StrEnum):
    """What an accepted transaction answers when its id comes again."""

    SAME_ANSWER = "same_answer"
    ALREADY_EXISTS = "already_exists"  # a refusal that the provider reads as "done"


class LateDebit(StrEnum):
    """What a debit answers whose cancel came before it. It never moves money."""

    REFUSED = "refused"
    NO_EFFECT = "no_effect"  # a success that took nothing


class UnknownCancel(StrEnum):
    """What a cancel of a bet answers that nobody has seen. It always leaves a tombstone for the late debit."""

    ACCEPTED = "accepted"
    NOT_FOUND = "not_found"


class RejectedRetry(StrEnum):
    """What becomes of a debit that was refused for lack of funds and is sent again under its id."""

    FROZEN = "frozen"
    EVALUATED_AGAIN = "evaluated_again"


class Signature(StrEnum):
    """How calls are signed."""

    HMAC_SHA256 = "hmac_sha256"
    RSA_SHA256 = "rsa_sha256"


class Conventions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The switches on which real providers disagree.

    Parameters
    ----------
    duplicate : Duplicate
        An accepted transaction comes again.
    late_debit : LateDebit
        A debit comes after its cancel.
    unknown_cancel : UnknownCancel
        A cancel comes for a bet that nobody has seen.
    rejected_retry : RejectedRetry
        A debit that was refused for lack of funds comes again.
    signature : Signature
        How calls are signed.
    window_ms : int
        How far a call's timestamp may be from the wallet's clock, either way, in milliseconds.
    """

    duplicate: Duplicate = Duplicate.SAME_ANSWER
    late_debit: LateDebit = LateDebit.REFUSED
    unknown_cancel: UnknownCancel = UnknownCancel.ACCEPTED
    rejected_retry: RejectedRetry = RejectedRetry.FROZEN
    signature: Signature = Signature.HMAC_SHA256
    window_ms: Annotated[int, Meta(ge=1000, le=3_600_000)] = 30_000


class Code(StrEnum):
    """Why a call was refused."""

    MALFORMED = "MALFORMED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    STALE_TIMESTAMP = "STALE_TIMESTAMP"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    UNKNOWN_PLAYER = "UNKNOWN_PLAYER"
    BET_NOT_FOUND = "BET_NOT_FOUND"
    CONFLICT = "CONFLICT"  # the id was used before for something else
    ALREADY_EXISTS = "ALREADY_EXISTS"  # done before (Conventions.duplicate)
    BET_SETTLED = "BET_SETTLED"
    BET_CANCELLED = "BET_CANCELLED"
    TOO_LARGE = "TOO_LARGE"
    WRONG_CURRENCY = "WRONG_CURRENCY"
    REFUSED = "REFUSED"  # a rule of the wallet's own, such as a player's limit
    OVERLOADED = "OVERLOADED"  # nothing happened: the same id may be sent again
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"  # it may have happened: the same id must be sent again


HTTP_STATUS: dict[Code, int] = {
    Code.MALFORMED: 400,
    Code.BAD_SIGNATURE: 401,
    Code.STALE_TIMESTAMP: 401,
    Code.INSUFFICIENT_FUNDS: 402,
    Code.SESSION_EXPIRED: 403,
    Code.UNKNOWN_PLAYER: 404,
    Code.BET_NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.ALREADY_EXISTS: 409,
    Code.BET_SETTLED: 409,
    Code.BET_CANCELLED: 409,
    Code.TOO_LARGE: 413,
    Code.WRONG_CURRENCY: 422,
    Code.REFUSED: 422,
    Code.OVERLOADED: 503,
    Code.OUTCOME_UNKNOWN: 503,
}
"""The HTTP status of each refusal; a call that was carried out answers 200."""

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+\Z")]
PlayerId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Token: TypeAlias = Annotated[str, Meta(max_length=2048)]
CurrencyCode: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217 letters")]
Stake: TypeAlias = Annotated[int, Meta(ge=1, le=AMOUNT_MINOR_MAX, description="minor units")]
Amount: TypeAlias = Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX, description="minor units")]


class Authenticate(Struct, frozen=True, forbid_unknown_fields=True):
    """A player comes with a launch token."""

    token: Token


class Balance(Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for a player's balance."""

    player: PlayerId
    currency: CurrencyCode


class Debit(Struct, frozen=True, forbid_unknown_fields=True):
    """Take a stake. Needs a valid session."""

    player: PlayerId
    session: Token
    currency: CurrencyCode
    transaction: Id
    amount_minor: Stake
    round: Annotated[str, Meta(max_length=64)] = ""


class Credit(Struct, frozen=True, forbid_unknown_fields=True):
    """Settle a bet: pay its gross return, 0 if it lost. The session may have expired."""

    player: PlayerId
    session: Token
    currency: CurrencyCode
    transaction: Id
    bet: Id
    amount_minor: Amount


class Cancel(Struct, frozen=True, forbid_unknown_fields=True):
    """Roll a bet back, whether it was seen or not. The session may have expired."""

    player: PlayerId
    session: Token
    transaction: Id
    bet: Id


class Promo(Struct, frozen=True, forbid_unknown_fields=True):
    """Give a player money that no bet won. The session may have expired."""

    player: PlayerId
    session: Token
    currency: CurrencyCode
    transaction: Id
    amount_minor: Amount


Call: TypeAlias = Authenticate | Balance | Debit | Credit | Cancel | Promo

CALLS: dict[str, type[Call]] = {
    "authenticate": Authenticate,
    "balance": Balance,
    "debit": Debit,
    "credit": Credit,
    "cancel": Cancel,
    "promo": Promo,
}
"""Every call by the last part of its address."""


class Authenticated(Struct, frozen=True):
    """Who the player is."""

    player: str
    session: str
    currency: str
    balance_minor: int


class BalanceNow(Struct, frozen=True):
    """A player's balance."""

    player: str
    currency: str
    balance_minor: int


class Receipt(Struct, frozen=True):
    """A transaction was carried out; the balance is the one right after it, also when it is asked for again."""

    transaction: str
    player: str
    balance_minor: int


class Problem(Struct, frozen=True):
    """Why a call was refused: a problem document after RFC 9457 with a `code` for programs."""

    code: Code
    status: int
    title: str
    detail: str
    balance_minor: int | UnsetType = UNSET


Answer: TypeAlias = Authenticated | BalanceNow | Receipt | Problem


def problem(code: Code, detail: str, balance_minor: int | UnsetType = UNSET) -> Problem:
    """Return a refusal, its title and HTTP status following from the code."""
    return Problem(code, HTTP_STATUS[code], code.replace("_", " ").lower(), detail, balance_minor)
