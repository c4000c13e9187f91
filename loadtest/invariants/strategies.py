"""Strategies: bets and everything else that may happen to a wallet, mostly sound, with every kind of trouble mixed in.

Ids come from a small pool, so that they repeat: with the same parameters, with others, within one batch, and before
what they cancel. Amounts are such that a balance covers one of them but not two.
"""

from hypothesis import strategies as st

from loadtest.invariants.adapter import Cancel, Capability, LimitChange, Move, Payout, Transfer
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.ids import AccountKind, account_id, round_id
from reference_impl.domain.journal import Bet
from reference_impl.domain.limits import INSTANT_KINDS, NO_LIMIT_MINOR, LimitKind
from reference_impl.domain.money import Currency
from reference_impl.domain.units import NS_PER_S

TABLE = 1
ROUNDS = (round_id(TABLE, 1), round_id(TABLE, 2))
UNKNOWN_ROUND = round_id(TABLE, 77)

PLAYERS = (1, 2, 3)
FOREIGN = (
    account_id(AccountKind.PLAYER, 1, Currency.GBP),
    account_id(AccountKind.PLAYER, 4, Currency.JPY),
)
"""A second account of player 1, and a player who has no euro."""
STRANGER = 99
NEWCOMER = 98
"""Whose account is opened by a deposit, if ever."""
HOUSE = account_id(AccountKind.HOUSE, 0)

START_NS = 2_000_000_000 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
FAR_FUTURE_NS = 2 * START_NS
LONG_AGO_NS = START_NS // 2

mostly = st.integers(0, 7).map(lambda n: n < 7)
seldom = mostly.map(lambda common: not common)
refs = st.integers(0, 30).map(lambda n: n.to_bytes(16, "big"))
rounds = st.sampled_from((ROUNDS[0], *ROUNDS))
amounts = st.sampled_from((0, 5, 60, 200))
plain_bets = st.lists(
    st.tuples(st.sampled_from(PLAYERS), st.sampled_from((10, 30, 50)), st.integers(0, 3)), min_size=1, max_size=5
)
"""Account, stake and spot of bets that are all right."""


def players(can: frozenset[Capability]) -> st.SearchStrategy[int]:
    """Accounts of players, seldom one that nobody opened."""
    own = (*PLAYERS, *FOREIGN) if Capability.CURRENCIES in can else PLAYERS
    return mostly.flatmap(lambda known: st.sampled_from(own) if known else st.just(STRANGER))


def bets(can: frozenset[Capability]) -> st.SearchStrategy[Bet]:
    """Return bets of any kind."""
    return st.builds(
        Bet,
        ref=refs,
        account=players(can),
        round_id=mostly.flatmap(lambda known: rounds if known else st.just(UNKNOWN_ROUND)),
        window=st.just(0),
        selection=st.integers(0, 1),
        amount=mostly.flatmap(lambda fine: st.sampled_from((10, 30, 50, 60)) if fine else st.just(0)),
        late=seldom,
    )


def moves(can: frozenset[Capability]) -> st.SearchStrategy[Move]:
    """Return deposits and withdrawals; some name an id of a bet, some an account that is no player's."""
    return st.builds(
        Move,
        kind=st.sampled_from((EntryKind.DEPOSIT, EntryKind.WITHDRAW)),
        ref=st.one_of(refs, st.integers(100, 103).map(lambda n: n.to_bytes(16, "big"))),
        account=st.one_of(players(can), players(can), st.sampled_from((NEWCOMER, HOUSE))),
        amount=st.sampled_from((1, 40, 40, 90, 0, -5)),
    )


def cancels(can: frozenset[Capability]) -> st.SearchStrategy[Cancel]:
    """Return cancels of bets that were or were not placed."""
    return st.builds(Cancel, ref=refs, account=players(can), late=seldom)


def payouts(can: frozenset[Capability]) -> st.SearchStrategy[Payout]:
    """Return payouts for bets that may not be there."""
    return st.builds(Payout, ref=refs, account=players(can), amount=amounts)


def transfers(can: frozenset[Capability]) -> st.SearchStrategy[Transfer]:
    """Return transfers, also to nobody, to oneself, and into another currency."""
    return st.builds(
        Transfer,
        ref=refs,
        account=players(can),
        to=st.one_of(players(can), players(can), st.sampled_from((NEWCOMER, HOUSE))),
        amount=st.sampled_from((10, 10, 40, 700, 0, -5)),
    )


def limit_changes(can: frozenset[Capability]) -> st.SearchStrategy[LimitChange]:
    """Return wishes for limits, tight enough to matter."""

    def change(kind: LimitKind) -> st.SearchStrategy[LimitChange]:
        amount = (
            st.integers(0, 30).map(lambda hours: START_NS + hours * HOUR_NS)
            if kind in INSTANT_KINDS
            else st.sampled_from((0, 20, 40, 70, 100, NO_LIMIT_MINOR))
        )
        return st.builds(LimitChange, ref=refs, account=players(can), kind=st.just(kind), amount=amount)

    return st.sampled_from(LimitKind).flatmap(change)
