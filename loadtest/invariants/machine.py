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
from reference_impl.domain.ids import AccountKind, account_beside, account_currency, account_kind
from reference_impl.domain.journal import Answer, Bet, Entry
from reference_impl.domain.limits import LOSS_KINDS, LimitKind
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
        self._refs = 1000

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

    @rule(plain=some.plain_bets)
    def new_bets(self, plain: list[tuple[int, int, int]]) -> None:
        """Place bets with nothing odd about them but, perhaps, their cover."""
        self.place(self._new_bets(plain))

    @rule(plain=some.plain_bets, factor=st.integers(0, 3))
    def bets_that_are_settled_at_once(self, plain: list[tuple[int, int, int]], factor: int) -> None:
        """Place bets and settle them."""
        bets = self._new_bets(plain)
        self.place(bets)
        self.settle(some.ROUNDS[0], [Payout(bet.ref, bet.account, factor * bet.amount) for bet in bets])

    @rule(place=st.integers(0, 4))
    def bet_again(self, place: int) -> None:
        """Send one of the last bets again, whatever became of it."""
        for bet in self._last_bets(place):
            again = Bet(bet.ref, bet.account, bet.round_id, bet.window, bet.selection, bet.amount, late=False)
            self.place([again])

    @rule(place=st.integers(0, 4), payout=some.amounts)
    def settle_again(self, place: int, payout: int) -> None:
        """Settle one of the last bets, whatever became of it."""
        for bet in self._last_bets(place):
            self.settle(bet.round_id, [Payout(bet.ref, bet.account, payout)])

    @rule(place=st.integers(0, 4))
    @able(Capability.CANCEL)
    def cancel_again(self, place: int) -> None:
        """Cancel one of the last bets, whatever became of it."""
        for bet in self._last_bets(place):
            self.cancel([Cancel(bet.ref, bet.account, late=False)])

    @rule(place=st.integers(0, 4), payout=some.amounts)
    @able(Capability.CORRECT)
    def correct_again(self, place: int, payout: int) -> None:
        """Correct one of the last bets, whatever became of it."""
        for bet in self._last_bets(place):
            self.correct(bet.round_id, [Payout(bet.ref, bet.account, payout)])

    @rule(player=st.sampled_from(some.PLAYERS))
    def bet_beyond_cover_and_try_again_with_more(self, player: int) -> None:
        """Bet more than there is, pay in, and send the same bet again: the first answer stands."""
        bets = self._new_bets([(player, self.model.balance(player) + 10, 0)])
        self.place(bets)
        self.move_cash([Move(EntryKind.DEPOSIT, self._new_ref(), player, 20)])
        self.place(bets)

    @rule(place=st.integers(0, 2), rest=st.sampled_from((0, 5, -5)))
    def withdraw_nearly_everything(self, place: int, rest: int) -> None:
        """Leave a player with next to nothing, so that what is taken back later finds none; or ask for too much."""
        player = some.PLAYERS[place]
        amount = self.model.balance(player) - rest
        if amount > 0:
            self.move_cash([Move(EntryKind.WITHDRAW, self._new_ref(), player, amount)])

    @rule(data=st.data())
    @able(Capability.TOGETHER)
    def some_bets_together(self, data: st.DataObject) -> None:
        """Debit once what players collected."""
        self.place_together(data.draw(self._batch(some.bets)))

    @rule(player=st.sampled_from(some.PLAYERS), short=st.sampled_from((0, 1)))
    @able(Capability.TOGETHER)
    def two_bets_together(self, player: int, short: int) -> None:
        """Debit once two bets that a player can just cover together, or just not."""
        rest = self.model.balance(player) - 5 + short
        if rest > 0:
            self.place_together(self._new_bets([(player, 5, 0), (player, rest, 1)]))

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

    @rule(
        sender=st.sampled_from((*some.PLAYERS, *some.FOREIGN)), to=st.sampled_from((1, 2, some.NEWCOMER)),
        received=st.integers(1, 2),
        ends=st.sampled_from(((True, False), (False, True), (True, True), (True,), (False,), ())),
    )  # fmt: skip
    @able(Capability.TRANSFERS)
    def one_is_sent(self, sender: int, to: int, received: int, ends: tuple[bool, ...]) -> None:
        """Send money; it is received so often, and told to have arrived, or not, so often."""
        if sender in some.FOREIGN and Capability.CURRENCIES not in self.wallet.can:
            return
        to = account_beside(sender, AccountKind.PLAYER, to)
        transfer = Transfer(self._new_ref(), sender, to, 10)
        self.send([transfer])
        for _ in range(received):
            self.receive([Transfer(transfer.ref, to, sender, 10)])
        for arrived in ends:
            self.end_transfers([TransferEnd(transfer.ref, sender, arrived)])

    @rule(place=st.integers(0, 5), more=some.seldom, again=st.integers(1, 2))
    @able(Capability.TRANSFERS)
    def one_arrives(self, place: int, more: bool, again: int) -> None:  # noqa: FBT001 - drawn
        """Receive what was sent, perhaps twice in a batch, seldom with another amount."""
        sent = [e for e in self.model.journal() if e.kind is EntryKind.TRANSFER_OUT and e.status is Status.ACCEPTED]
        if sent:
            self.receive([_arrival(sent[place % len(sent)], int(more))] * again)

    @rule(place=st.integers(0, 5), arrived=st.booleans())
    @able(Capability.TRANSFERS)
    def one_ends(self, place: int, arrived: bool) -> None:  # noqa: FBT001 - drawn
        """End what was sent, or what was only received."""
        known = [e for e in self.model.journal() if e.kind in (EntryKind.TRANSFER_OUT, EntryKind.TRANSFER_IN)]
        if known:
            entry = known[place % len(known)]
            self.end_transfers([TransferEnd(entry.ref, entry.account, arrived)])

    @rule(
        player=st.sampled_from(some.PLAYERS), kind=st.sampled_from((LimitKind.ROUND, *LOSS_KINDS)),
        amounts=st.lists(st.sampled_from((10, 20, 30)), min_size=2, max_size=4),
        wishes=st.sampled_from(((20,), (40,), (20, 1000), (40, 1000))),
    )  # fmt: skip
    @able(Capability.LIMITS)
    def bets_against_a_limit(self, player: int, kind: LimitKind, amounts: list[int], wishes: tuple[int, ...]) -> None:
        """Set a limit, perhaps wish for a looser one, and bet up to it and beyond, one by one and in a batch."""
        changes = [LimitChange(self._new_ref(), player, kind, wish) for wish in wishes]
        self.set_limits(changes, self.now_ns + some.HOUR_NS)
        bets = self._new_bets([(player, amount, 0) for amount in amounts])
        self.place(bets[:1])
        self.place(bets[1:])

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

    def place_together(self, bets: Sequence[Bet]) -> None:
        """Place collected bets on both sides."""
        self._agree(self.model.place_together(bets, self.now_ns), self.wallet.place_together(bets, self.now_ns))

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

    def _last_bets(self, place: int) -> list[Entry]:
        known = [entry for entry in self.model.journal() if entry.kind is EntryKind.BET]
        return known[-1 - place :][:1]

    def _new_ref(self) -> bytes:
        self._refs += 1
        return self._refs.to_bytes(16, "big")

    def _new_bets(self, plain: Sequence[tuple[int, int, int]]) -> list[Bet]:
        return [
            Bet(self._new_ref(), account, some.ROUNDS[0], 0, selection, amount, late=False)
            for account, amount, selection in plain
        ]

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
