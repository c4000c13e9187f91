"""Wallets with one fault each, planted into the pure model: the machine must catch every one."""

from collections.abc import Sequence

from loadtest.invariants import ModelWallet
from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.journal import Answer, Bet
from reference_impl.domain.ledger import Account, Ledger
from reference_impl.domain.limits import Limit


class _Faulty(ModelWallet):
    ledger_type: type[Ledger]

    def __init__(self) -> None:
        self.ledger = self.ledger_type(shard=0)


class _ForgetsIds(Ledger):
    def place(self, bets, now_ns):
        for bet in bets:
            if (seen := self._by_key.get((bet.account, bet.ref, Slot.FIRST))) and seen.amount == bet.amount:
                del self._by_key[bet.account, bet.ref, Slot.FIRST]
        return super().place(bets, now_ns)


class _TakesOtherParametersForTheSame(Ledger):
    def _replay(self, seen, asked, counter=None):
        return Answer(seen.status, seen.balance_after, seen.version, seen.seq)


class _JudgesABatchByTheFirstBalance(Ledger):
    def place(self, bets: Sequence[Bet], now_ns: int) -> list[Answer]:
        before = {bet.account: self.accounts.get(bet.account, Account()).balance for bet in bets}
        self._seen = before
        return super().place(bets, now_ns)

    def _judge(self, bet, now_ns, taken=0, taken_in_round=0):
        status = super()._judge(bet, now_ns, taken, taken_in_round)
        if status is Status.INSUFFICIENT_FUNDS and getattr(self, "_seen", {}).get(bet.account, 0) >= bet.amount:
            self.accounts[bet.account].balance += bet.amount  # an overdraft
            return Status.ACCEPTED
        return status


class _ForgetsRejections(Ledger):
    def place(self, bets, now_ns):
        for key, entry in list(self._by_key.items()):
            if entry.kind is EntryKind.BET and entry.status is Status.INSUFFICIENT_FUNDS:
                del self._by_key[key]
        return super().place(bets, now_ns)


class _LeavesNoTombstone(Ledger):
    def cancel(self, ref, account, now_ns, *, late):
        answer = super().cancel(ref, account, now_ns, late=late)
        entry = self._by_key.get((account, ref, Slot.FIRST))
        if entry and entry.kind is EntryKind.CANCEL:
            del self._by_key[account, ref, Slot.FIRST]
        return answer


class _CancelsWhatIsSettled(Ledger):
    def cancel(self, ref, account, now_ns, *, late):
        end = self._by_key.get((account, ref, Slot.TERMINAL))
        if end and end.kind is EntryKind.SETTLE:
            self.accounts[account].balance += self._by_key[account, ref, Slot.FIRST].amount
            return Answer(Status.ACCEPTED, self.accounts[account].balance, 0, 0)
        return super().cancel(ref, account, now_ns, late=late)


class _PaysTwice(Ledger):
    def settle(self, round_id, payouts):
        for ref, account, _ in payouts:
            self._by_key.pop((account, ref, Slot.TERMINAL), None)
        return super().settle(round_id, payouts)


class _VoidsWhatIsSettled(Ledger):
    def unsettled(self, round_id):
        return [
            e
            for e in self.journal
            if e.kind is EntryKind.BET and e.status is Status.ACCEPTED and e.round_id == round_id
        ]


class _AcceptsLateBets(Ledger):
    def _is_shut(self, window, now_ns):
        return now_ns >= window.accept_until_ns


class _CorrectsBelowZero(Ledger):
    def _correct(self, bet, more):
        if more >= 0:
            return super()._correct(bet, more)
        self.accounts[bet.account].balance += more
        return self._write_correction(bet, EntryKind.RECLAIM, bet.account, 0)


class _MixesCurrencies(Ledger):
    @staticmethod
    def _transit_to(other, account):
        return 5 << 56 | other & ((1 << 48) - 1)


class _ReceivesTwice(Ledger):
    def receive(self, ref, account, sender, amount):
        self._by_key.pop((account, ref, Slot.ARRIVAL), None)
        return super().receive(ref, account, sender, amount)


class _EndsTransfersBothWays(Ledger):
    def end_transfer(self, ref, account, *, arrived):
        end = self._by_key.get((account, ref, Slot.TERMINAL))
        if end and end.kind is EntryKind.TRANSFER_END and not arrived:
            del self._by_key[account, ref, Slot.TERMINAL]
        return super().end_transfer(ref, account, arrived=arrived)


class _LooseLimit(Limit):
    def in_force(self, now_ns):
        return self.amount if self.next_amount is None else self.next_amount


class _LoosensAtOnce(Ledger):
    def set_limit(self, ref, account, kind, amount, now_ns, loosen_at_ns):
        answer = super().set_limit(ref, account, kind, amount, now_ns, loosen_at_ns)
        if limit := self.limits.get((account, kind)):
            loose = _LooseLimit(
                kind, limit.amount, limit.next_amount, limit.next_from_ns, limit.period, limit.used_minor
            )
            self.limits[account, kind] = loose
        return answer


class _ForgetsLosses(Ledger):
    def _place_one(self, bet, now_ns, verdict=None):
        answer = super()._place_one(bet, now_ns, verdict)
        for limit in self.limits.values():
            limit.used_minor = min(limit.used_minor, 0)
        return answer


class _AcceptsHalfASlip(Ledger):
    def place_together(self, bets, now_ns):
        return self.place(bets, now_ns)


class _WithdrawsWithoutCover(Ledger):
    def withdraw(self, ref, account, amount):
        if (owner := self.accounts.get(account)) and 0 < owner.balance < amount:
            self.deposit(b"loan" + ref[4:], account, amount - owner.balance)
        return super().withdraw(ref, account, amount)


BROKEN = {
    kind.__name__.lstrip("_"): type(kind.__name__.lstrip("_"), (_Faulty,), {"ledger_type": kind})
    for kind in Ledger.__subclasses__()
    if kind.__module__ == __name__
}
"""Faulty wallets by what is wrong with them."""
