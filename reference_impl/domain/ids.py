"""Identities: which shard owns a player, and how accounts, rounds and control entries are numbered.

All identities are integers of at most 63 bits, so that they fit PostgreSQL's ``bigint`` and a signed NumPy column.

==========  ==============================================================================================
account     ``kind`` (bits 56–61), currency (bits 48–55) and a number that is unique within both (bits 0–47)
round       table number (bits 32–46) and the table's round number
==========  ==============================================================================================

An account tells its currency, so that nothing has to be looked up to keep currencies apart: both legs of an entry have
equal currency bits. A player's euro account *is* the player's number, since its kind and its currency's place are 0.
"""

from enum import IntEnum

from reference_impl.domain.money import Currency

SHARD_BUCKETS = 1024
"""Fixed virtual buckets of the player id; shards own contiguous runs of them, so adding a shard moves buckets only."""

PLAYER_ID_MAX = (1 << 48) - 1
ACCOUNT_MAX = (1 << 56) - 1
"""The largest number of a player's account."""
TABLE_ID_MAX = (1 << 15) - 1
ROUND_NO_MAX = (1 << 32) - 1

CURRENCY_PLACES = (Currency.EUR, Currency.GBP, Currency.USD, Currency.JPY)
"""Currencies in the order of their number inside an account. Append only: the numbers are on record."""

_KIND_SHIFT = 56
_CURRENCY_SHIFT = 48
CURRENCY_BITS = 0xFF << _CURRENCY_SHIFT
"""The bits of an account that say its currency."""

_ROUND_SHIFT = 32
_MASK64 = (1 << 64) - 1


class AccountKind(IntEnum):
    """What an account is for. Only players and escrow may never be negative."""

    PLAYER = 0
    HOUSE = 1
    ESCROW = 2
    OWED = 3
    CASH = 4
    TRANSIT = 5


def mix64(value: int) -> int:
    """Return 64 well-mixed bits of an integer (the SplitMix64 finaliser).

    References
    ----------
    Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    z = (value + 0x9E3779B97F4A7C15) & _MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
    return z ^ (z >> 31)


def shard_of(player_id: int, n_shards: int) -> int:
    """Return the shard, in ``[0, n_shards)``, that holds all accounts of a player, each of which may be asked for."""
    bucket = mix64(account_number(player_id)) % SHARD_BUCKETS
    return bucket * n_shards // SHARD_BUCKETS


def home_shard(table_id: int, n_shards: int) -> int:
    """Return the shard that holds a table's decisions and table events."""
    return table_id % n_shards


def account_id(kind: AccountKind, number: int, currency: Currency = Currency.EUR) -> int:
    """Return the account of ``kind`` numbered ``number`` (a player, a shard or a round, by kind) in a currency."""
    return int(kind) << _KIND_SHIFT | CURRENCY_PLACES.index(currency) << _CURRENCY_SHIFT | number


def account_beside(account: int, kind: AccountKind, number: int) -> int:
    """Return the account of ``kind`` numbered ``number`` in the currency of another account."""
    return int(kind) << _KIND_SHIFT | account & CURRENCY_BITS | number


def account_kind(account: int) -> AccountKind:
    """Return the kind of an account."""
    return AccountKind(account >> _KIND_SHIFT)


def account_currency(account: int) -> Currency | None:
    """Return the currency of an account, or None if its number stands for none."""
    place = (account & CURRENCY_BITS) >> _CURRENCY_SHIFT
    return CURRENCY_PLACES[place] if place < len(CURRENCY_PLACES) else None


def account_number(account: int) -> int:
    """Return an account's number within its kind and currency."""
    return account & ((1 << _CURRENCY_SHIFT) - 1)


def round_id(table_id: int, round_no: int) -> int:
    """Return the identity of a table's ``round_no``-th round."""
    return table_id << _ROUND_SHIFT | round_no


def table_of(round_id: int) -> int:
    """Return the table to which a round belongs."""
    return round_id >> _ROUND_SHIFT


def round_no_of(round_id: int) -> int:
    """Return the number of a round within its table."""
    return round_id & ROUND_NO_MAX
