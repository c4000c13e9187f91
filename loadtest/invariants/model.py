"""The pure model as a wallet under test: what the machine runs against itself, and what faults are planted into."""

import struct
from collections.abc import Sequence

from loadtest.invariants.adapter import Cancel, LimitChange, Move, Payout, Transfer, TransferEnd, WalletAdapter
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.journal import Answer, Bet, Entry
from reference_impl.domain.ledger import Account, Ledger


class ModelWallet(WalletAdapter):
    """``domain/ledger.py``, one shard."""

    def __init__(self) -> None:
        self.ledger = Ledger(shard=0)

    def cash(self, moves: Sequence[Move]) -> list[Answer]:  # noqa: D102 - as the adapter says
        does = {EntryKind.DEPOSIT: self.ledger.deposit, EntryKind.WITHDRAW: self.ledger.withdraw}
        return [does[kind](ref, account, amount) for kind, ref, account, amount in moves]

    def open_window(self, round_id: int, accept_until_ns: int) -> None:  # noqa: D102
        self.ledger.open_window(control_ref(round_id, EntryKind.OPEN), round_id, 0, accept_until_ns)

    def close_window(self, round_id: int) -> None:  # noqa: D102
        self.ledger.close_window(control_ref(round_id, EntryKind.CLOSE), round_id, 0)

    def place(self, bets: Sequence[Bet], now_ns: int) -> list[Answer]:  # noqa: D102
        return self.ledger.place(bets, now_ns)

    def settle(self, round_id: int, payouts: Sequence[Payout]) -> list[Status]:  # noqa: D102
        return self.ledger.settle(round_id, payouts)

    def void(self, round_id: int) -> int:  # noqa: D102
        return self.ledger.void(round_id)

    def balance(self, account: int) -> int:  # noqa: D102
        return self.ledger.accounts.get(account, Account()).balance

    def cancel(self, cancels: Sequence[Cancel], now_ns: int) -> list[Answer]:  # noqa: D102
        return [self.ledger.cancel(ref, account, now_ns, late=late) for ref, account, late in cancels]

    def correct(self, round_id: int, payouts: Sequence[Payout]) -> list[Answer]:  # noqa: D102
        return [self.ledger.correct(round_id, *payout) for payout in payouts]

    def place_together(self, bets: Sequence[Bet], now_ns: int) -> list[Answer]:  # noqa: D102
        return self.ledger.place_together(bets, now_ns)

    def set_limits(self, changes: Sequence[LimitChange], now_ns: int, loosen_at_ns: int) -> list[Answer]:  # noqa: D102
        return [self.ledger.set_limit(*change, now_ns, loosen_at_ns) for change in changes]

    def send(self, transfers: Sequence[Transfer]) -> list[Answer]:  # noqa: D102
        return [self.ledger.send(*transfer) for transfer in transfers]

    def receive(self, transfers: Sequence[Transfer]) -> list[Answer]:  # noqa: D102
        return [self.ledger.receive(*transfer) for transfer in transfers]

    def end_transfers(self, ends: Sequence[TransferEnd]) -> list[Answer]:  # noqa: D102
        return [self.ledger.end_transfer(ref, account, arrived=arrived) for ref, account, arrived in ends]

    def journal(self) -> list[Entry]:  # noqa: D102
        return self.ledger.journal

    def accounts(self) -> dict[int, tuple[int, int]]:  # noqa: D102
        return {number: (account.balance, account.version) for number, account in self.ledger.accounts.items()}


def control_ref(round_id: int, kind: EntryKind) -> bytes:
    """Return the id of a window's control entry."""
    return struct.pack(">qii", round_id, 0, kind)
