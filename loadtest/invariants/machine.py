"""The machine: does the same to a wallet and to the model beside it, and compares.

What it holds a wallet to (the numbers are those of ``docs/INVARIANTS.md``): every answer is the model's (4 to 6, 8:
ids, ends, tombstones, arrival order); after every step every player's balance is the model's (1, 3); and, where the
adapter shows its books, every account and every entry is the model's and all balances sum to zero (1, 2, 11).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from loadtest.invariants import strategies as some
from loadtest.invariants.adapter import (
    Cancel,
    Capability,
    LimitChange,
    Move,
    Payout,
    Transfer,
    TransferEnd,
    WalletAdapter,
)
from loadtest.invariants.model import ModelWallet
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.ids import AccountKind, account_currency, account_kind
from reference_impl.domain.ledger import Answer, Bet, Entry
from reference_impl.domain.money import Currency

BATCH_MAX = 6


def able(capability: Capability) -> Callable[[Any], Any]:
    """Keep a rule for wallets that can do this."""
    return precondition(lambda machine: capability in machine.wallet.can)


class WalletMachine(RuleBasedStateMachine):
    """Any history of one wallet.

    Subclass it and set :attr:`make`, or use :func:`check_wallet`.
    """

    make: Callable[[], WalletAdapter]
    """Returns an empty wallet; called for every history."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelWallet()
        self.wallet = type(self).make()
        self.now_ns = some.START_NS

    def teardown(self) -> None:
        """End one history."""
        self.wallet.close()

    @initialize(amounts=st.tuples(*[st.sampled_from((50, 100, 1000)) for _ in (*some.PLAYERS, *some.FOREIGN)]))
    def open_accounts(self, amounts: tuple[int, ...]) -> None:
        """Open players' accounts with some money, and a window."""
        accounts = [*some.PLAYERS, *(some.FOREIGN if Capability.CURRENCIES in self.wallet.can else ())]
        self.move_cash(
            [
                Move(EntryKind.DEPOSIT, (200 + place).to_bytes(16, "big"), account, amount)
                for place, (account, amount) in enumerate(zip(accounts, amounts, strict=False))
            ]
        )
        self.open_window(some.ROUNDS[0], some.FAR_FUTURE_NS)

    @rule(data=st.data())
    def some_cash_moves(self, data: st.DataObject) -> None:
        """Deposit and withdraw."""
        self.move_cash(data.draw(self._batch(some.moves)))

    @rule(round_id=some.rounds, until_ns=st.sampled_from((some.FAR_FUTURE_NS, some.FAR_FUTURE_NS, some.LONG_AGO_NS)))
    def open_window(self, round_id: int, until_ns: int) -> None:
        """Open a window, perhaps again."""
        self.model.open_window(round_id, until_ns)
        self.wallet.open_window(round_id, until_ns)

    @rule(round_id=st.sampled_from((some.ROUNDS[1], *some.ROUNDS)))
    def close_window(self, round_id: int) -> None:
        """Close a window, perhaps again."""
        if self._opened(round_id):
            self.model.close_window(round_id)
            self.wallet.close_window(round_id)

    @rule(data=st.data())
    def some_bets(self, data: st.DataObject) -> None:
        """Place bets, whatever they are."""
        self.place(data.draw(self._batch(some.bets)))

    @rule(data=st.data(), size=st.integers(1, BATCH_MAX))
    def new_bets(self, data: st.DataObject, size: int) -> None:
        """Place bets with nothing odd about them but, perhaps, their cover."""
        first = len(self.model.ledger.journal) + 1000
        plain = st.tuples(some.players(self.wallet.can), st.sampled_from((10, 30, 50)), st.integers(0, 3))
        drawn = [data.draw(plain) for _ in range(size)]
        self.place(
            [
                Bet((first + n).to_bytes(16, "big"), account, some.ROUNDS[0], 0, selection, amount, late=False)
                for n, (account, amount, selection) in enumerate(drawn)
                if account != some.STRANGER
            ]
        )

    @rule(data=st.data())
    @able(Capability.TOGETHER)
    def some_bets_together(self, data: st.DataObject) -> None:
        """Debit once what players collected."""
        bets = data.draw(self._batch(some.bets))
        self._agree(self.model.place_together(bets, self.now_ns), self.wallet.place_together(bets, self.now_ns))

    @rule(data=st.data())
    @able(Capability.CANCEL)
    def some_cancels(self, data: st.DataObject) -> None:
        """Cancel bets that are there or not."""
        self.cancel(data.draw(self._batch(some.cancels)))

    @rule(round_id=some.rounds, limit=st.integers(1, 2), late=some.seldom)
    @able(Capability.CANCEL)
    def cancel_waiting_bets(self, round_id: int, limit: int, late: bool) -> None:  # noqa: FBT001 - drawn
        """Cancel bets that wait for their round's end."""
        self.cancel([Cancel(bet.ref, bet.account, late) for bet in self._waiting(round_id)[-limit:]])

    @rule(round_id=some.rounds, factor=st.integers(0, 3), limit=st.integers(1, 4))
    def settle_waiting_bets(self, round_id: int, factor: int, limit: int) -> None:
        """Settle bets that wait for their round's end."""
        self.settle(
            round_id,
            [
                Payout(bet.ref, bet.account, factor * bet.amount if place % 2 else 0)
                for place, bet in enumerate(self._waiting(round_id)[:limit])
            ],
        )

    @rule(round_id=some.rounds, data=st.data())
    def some_settlements(self, round_id: int, data: st.DataObject) -> None:
        """Settle bets that are there or not."""
        self.settle(round_id, data.draw(self._batch(some.payouts)))

    @rule(round_id=some.rounds)
    def void(self, round_id: int) -> None:
        """Void a round."""
        if self._opened(round_id):
            ours, theirs = self.model.void(round_id), self.wallet.void(round_id)
            self._require(theirs == ours, f"{theirs} bets were voided, expected {ours}")

    @rule(round_id=some.rounds, payout=st.sampled_from((0, 5, 60, 200, -1)), limit=st.integers(1, 3), data=st.data())
    @able(Capability.CORRECT)
    def some_corrections(self, round_id: int, payout: int, limit: int, data: st.DataObject) -> None:
        """Correct settled bets, and some that are not."""
        settled = [e for e in self.model.journal() if e.kind is EntryKind.SETTLE and e.round_id == round_id]
        chosen = [Payout(bet.ref, bet.account, payout) for bet in settled[-limit:]]
        asked = [*chosen, data.draw(some.payouts(self.wallet.can))]
        self.correct(round_id, asked)

    @rule(data=st.data(), loosen_after_h=st.integers(0, 30))
    @able(Capability.LIMITS)
    def some_limits(self, data: st.DataObject, loosen_after_h: int) -> None:
        """Set limits."""
        changes = data.draw(self._batch(some.limit_changes))
        self.set_limits(changes, self.now_ns + loosen_after_h * some.HOUR_NS)

    @rule(hours=st.sampled_from((1, 5, 12, 24, 24 * 7)))
    @able(Capability.LIMITS)
    def time_passes(self, hours: int) -> None:
        """Let time pass for everybody."""
        self.now_ns += hours * some.HOUR_NS

    @rule(data=st.data())
    @able(Capability.TRANSFERS)
    def some_are_sent(self, data: st.DataObject) -> None:
        """Send money to others."""
        self.send(data.draw(self._batch(some.transfers)))

    @rule(place=st.integers(0, 5), change=some.seldom, again=st.integers(1, 2))
    @able(Capability.TRANSFERS)
    def one_arrives(self, place: int, change: bool, again: int) -> None:  # noqa: FBT001 - drawn
        """Receive what was sent, perhaps twice in a batch, seldom with another amount."""
        sent = [e for e in self.model.journal() if e.kind is EntryKind.TRANSFER_OUT and e.status is Status.ACCEPTED]
        if sent:
            self.receive([_arrival(sent[place % len(sent)], int(change))] * again)

    @rule(place=st.integers(0, 5), honest=some.mostly)
    @able(Capability.TRANSFERS)
    def one_ends(self, place: int, honest: bool) -> None:  # noqa: FBT001 - drawn
        """End a transfer as its arrival was answered; seldom anything else, or nothing that was ever sent."""
        known = [e for e in self.model.journal() if e.kind in (EntryKind.TRANSFER_OUT, EntryKind.TRANSFER_IN)]
        if known:
            entry = known[place % len(known)]
            self.end_transfers([TransferEnd(entry.ref, entry.account, honest)])

    @invariant()
    def balances_agree(self) -> None:
        """Every player's balance is the model's; every account's, where the adapter shows them."""
        if (accounts := self.wallet.accounts()) is None:
            known = [number for number in self.model.ledger.accounts if account_kind(number) is AccountKind.PLAYER]
            told = {number: self.wallet.balance(number) for number in known}
            expected = {number: self.model.balance(number) for number in known}
            self._require(told == expected, f"balances are {told}, expected {expected}")
            return
        self._require(accounts == self.model.accounts(), f"accounts are {accounts}, not {self.model.accounts()}")
        sums: Counter[Currency | None] = Counter()
        for number, (balance, _) in accounts.items():
            sums[account_currency(number)] += balance
        self._require(not any(sums.values()), f"balances sum to {sums}, expected 0 in each currency")

    @invariant()
    def journals_agree(self) -> None:
        """Every entry is the model's, where the adapter shows them."""
        if (journal := self.wallet.journal()) is not None:
            for told, expected in zip_longest(journal, self.model.journal()):
                self._require(told == expected, f"entry is {told}, expected {expected}")

    def move_cash(self, moves: Sequence[Move]) -> None:
        """Deposit and withdraw on both sides."""
        self._agree(self.model.cash(moves), self.wallet.cash(moves))

    def place(self, bets: Sequence[Bet]) -> None:
        """Place bets on both sides."""
        if bets:
            self._agree(self.model.place(bets, self.now_ns), self.wallet.place(bets, self.now_ns))

    def cancel(self, cancels: Sequence[Cancel]) -> None:
        """Cancel on both sides."""
        if cancels:
            self._agree(self.model.cancel(cancels, self.now_ns), self.wallet.cancel(cancels, self.now_ns))

    def settle(self, round_id: int, payouts: Sequence[Payout]) -> None:
        """Settle on both sides."""
        if payouts:
            ours, theirs = self.model.settle(round_id, payouts), list(self.wallet.settle(round_id, payouts))
            self._require(theirs == ours, f"settlements were answered {theirs}, expected {ours}")

    def correct(self, round_id: int, payouts: Sequence[Payout]) -> None:
        """Correct on both sides."""
        self._agree(self.model.correct(round_id, payouts), self.wallet.correct(round_id, payouts))

    def set_limits(self, changes: Sequence[LimitChange], loosen_at_ns: int) -> None:
        """Set limits on both sides."""
        asked = changes, self.now_ns, loosen_at_ns
        self._agree(self.model.set_limits(*asked), self.wallet.set_limits(*asked))

    def send(self, transfers: Sequence[Transfer]) -> None:
        """Send on both sides."""
        self._agree(self.model.send(transfers), self.wallet.send(transfers))

    def receive(self, transfers: Sequence[Transfer]) -> None:
        """Receive on both sides."""
        self._agree(self.model.receive(transfers), self.wallet.receive(transfers))

    def end_transfers(self, ends: Sequence[TransferEnd]) -> None:
        """End transfers on both sides."""
        self._agree(self.model.end_transfers(ends), self.wallet.end_transfers(ends))

    def _batch(self, of: Callable[[frozenset[Capability]], st.SearchStrategy[Any]]) -> st.SearchStrategy[list[Any]]:
        return st.lists(of(self.wallet.can), min_size=1, max_size=BATCH_MAX)

    def _opened(self, round_id: int) -> bool:
        return (round_id, 0) in self.model.ledger.windows

    def _waiting(self, round_id: int) -> list[Entry]:
        return self.model.ledger.unsettled(round_id)

    def _agree(self, ours: Sequence[Answer], theirs: Sequence[Answer]) -> None:
        exact = Capability.VERSIONS in self.wallet.can
        expected, told = ([answer if exact else answer[:2] for answer in side] for side in (ours, theirs))
        self._require(told == expected, f"answers were {told}, expected {expected}")

    @staticmethod
    def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - a condition
        if not holds:
            raise InvariantViolationError(otherwise)


def _arrival(sent: Entry, more: int) -> Transfer:
    to = sent.counter & ((1 << 56) - 1)
    return Transfer(sent.ref, to, sent.account, sent.amount + more)


def check_wallet(
    make: Callable[[], WalletAdapter],
    *,
    histories: int = 100,
    steps: int = 25,
    machine: type[WalletMachine] = WalletMachine,
) -> None:
    """Hold a wallet against the model over random histories; raises with the shortest one that shows a difference.

    Parameters
    ----------
    make : callable
        Returns an empty wallet; called for every history.
    histories, steps : int
        How many histories, and how long each is at most.
    machine : type
        A subclass of :class:`WalletMachine` with more rules or invariants.

    Raises
    ------
    InvariantViolationError
        If the wallet and the model differ.
    """
    run_state_machine_as_test(
        type(machine.__name__, (machine,), {"make": staticmethod(make)}),
        settings=settings(
            max_examples=histories, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
