"""The ledger of one shard, as a pure model.

This is the meaning of ``wallet/functions/*.sql`` in plain Python: one contract suite runs both and requires equal
answers, balances and journals. It is also the wallet of the simulation.

Every entry moves `amount` between an account and its counter account, so each row is balanced by construction. An
entry's key is ``(account, ref, slot)``; an id that was seen gets the answer it got the first time. Entries carry a
gap-free sequence number that follows commit order; "late" is a comparison of sequence numbers, not of clocks.

Invariants
----------
* A player's balance is never negative; escrow is never negative and is 0 once its round is settled or voided.
* What a player owes after a correction is a negative balance of ``owed:<player>``, which is never positive.
* ``version`` of an account counts the entries that changed its balance.
* A bet has at most one terminal entry: settle, cancel or void; and at most one correction.
* Both legs of an entry are in one currency.
* Money between players passes through transit: out, in, and an end that says whether it arrived or came back. Each is
  an entry of its own shard; over all shards transit holds what is on its way.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reference_impl.domain.bet_verdict import verdict_on_bet
from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.ids import (
    CURRENCY_BITS,
    AccountKind,
    account_beside,
    account_currency,
    account_id,
    account_kind,
    account_number,
)
from reference_impl.domain.journal import DIRECTION, Answer, Bet, Entry
from reference_impl.domain.limits import LOSS_KINDS, Limit, LimitKind

RETURNS = frozenset({EntryKind.CANCEL, EntryKind.SETTLE, EntryKind.VOID})
"""What comes back to the player of a stake; a loss limit counts it."""

_BEFORE_LIMITS = frozenset({Status.UNKNOWN_ROUND, Status.WINDOW_CLOSED})
"""Answers for which a player's own limits no longer matter."""

NEVER_NEGATIVE = frozenset({AccountKind.PLAYER, AccountKind.ESCROW})


@dataclass(slots=True)
class Account:
    """A balance and how often it changed."""

    balance: int = 0
    version: int = 0


@dataclass(slots=True)
class Window:
    """A betting window as a shard records it."""

    accept_until_ns: int
    opened_seq: int
    closed_seq: int | None = None


@dataclass(slots=True)
class Ledger:
    """One shard's accounts, windows and journal.

    Parameters
    ----------
    shard : int
        Number of the shard.
    """

    shard: int
    accounts: dict[int, Account] = field(default_factory=dict)
    windows: dict[tuple[int, int], Window] = field(default_factory=dict)
    limits: dict[tuple[int, LimitKind], Limit] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)
    _by_key: dict[tuple[int, bytes, Slot], Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts.setdefault(self.house, Account())
        self.accounts.setdefault(self.cash, Account())

    @property
    def house(self) -> int:
        """The shard's house account, in euro as all accounts that are named without a currency."""
        return account_id(AccountKind.HOUSE, self.shard)

    @property
    def cash(self) -> int:
        """The shard's cash account: deposits come from it."""
        return account_id(AccountKind.CASH, self.shard)

    def deposit(self, ref: bytes, account: int, amount: int) -> Answer:
        """Credit a player, opening the account if it is new."""
        if amount >= 0 and account_kind(account) is AccountKind.PLAYER and account_currency(account):
            for opened in (account, self._house_of(account), self._cash_of(account)):
                self.accounts.setdefault(opened, Account())
        return self._move_cash(EntryKind.DEPOSIT, ref, account, amount)

    def withdraw(self, ref: bytes, account: int, amount: int) -> Answer:
        """Pay a player out; a withdrawal that the balance does not cover is refused on record."""
        return self._move_cash(EntryKind.WITHDRAW, ref, account, amount)

    def open_window(self, ref: bytes, round_id: int, window: int, accept_until_ns: int) -> int:
        """Open a betting window and its escrow; return the sequence number of its entry, the same when repeated."""
        if known := self.windows.get((round_id, window)):
            return known.opened_seq
        escrow = account_id(AccountKind.ESCROW, round_id)
        self.accounts.setdefault(escrow, Account())
        seq = self._write(EntryKind.OPEN, escrow, ref, self.house, 0, round_id=round_id, window=window).seq
        self.windows[round_id, window] = Window(accept_until_ns, seq)
        return seq

    def close_window(self, ref: bytes, round_id: int, window: int) -> int:
        """Close a window: no bet of it is accepted after this entry. Return its sequence number."""
        known = self.windows[round_id, window]
        if known.closed_seq is None:
            escrow = account_id(AccountKind.ESCROW, round_id)
            known.closed_seq = self._write(
                EntryKind.CLOSE, escrow, ref, self.house, 0, round_id=round_id, window=window
            ).seq
        return known.closed_seq

    def place(self, bets: Iterable[Bet], now_ns: int) -> list[Answer]:
        """Place bets in arrival order; each gets its own answer."""
        return [self._place_one(bet, now_ns) for bet in bets]

    def place_together(self, bets: Sequence[Bet], now_ns: int) -> list[Answer]:
        """Place what players collected in a window, once: a player's new bets of a window are accepted all, or none.

        None is accepted if one could not be; all then get the reason of the first that could not.
        """
        verdicts = self._judge_slips(bets, now_ns)
        return [self._place_one(bet, now_ns, verdicts.get(place)) for place, bet in enumerate(bets)]

    def cancel(self, ref: bytes, account: int, now_ns: int, *, late: bool) -> Answer:
        """Cancel a bet.

        Before the bet's window closes its stake is returned. A cancel that comes before its bet leaves a tombstone in
        the bet's own slot, so that the late bet fails for good. A rejected bet holds no stake: its own entry is the
        answer. `late` is the gateway's judgement, as for a bet.
        """
        owner = self._player(account)
        if owner is None:
            return Answer(Status.UNKNOWN_PLAYER, 0, 0, 0)
        bet = self._by_key.get((account, ref, Slot.FIRST))
        end = self._by_key.get((account, ref, Slot.TERMINAL))
        if (end and end.kind is not EntryKind.CANCEL) or (bet and bet.kind not in (EntryKind.BET, EntryKind.CANCEL)):
            return Answer(Status.CONFLICT, owner.balance, owner.version, 0)
        if bet is None:
            return self._write(EntryKind.CANCEL, account, ref, self._house_of(account), 0)
        if end is None and bet.kind is EntryKind.BET and bet.status is Status.ACCEPTED:
            if late or self._is_shut(self.windows[bet.round_id, bet.window], now_ns):
                return Answer(Status.WINDOW_CLOSED, owner.balance, owner.version, 0)
            return self._write(
                EntryKind.CANCEL, account, ref, bet.counter, bet.amount, Slot.TERMINAL,
                round_id=bet.round_id, window=bet.window, selection=bet.selection,
            )  # fmt: skip
        known = end or bet
        return Answer(Status.ACCEPTED, known.balance_after, known.version, known.seq)

    def correct(self, round_id: int, ref: bytes, account: int, payout: int) -> Answer:
        """Give a settled bet another payout, once.

        The house pays what is missing. What was paid too much is taken from the player down to zero; the rest is what
        the player owes.
        """
        owner = self._player(account)
        if owner is None:
            return Answer(Status.UNKNOWN_PLAYER, 0, 0, 0)
        bet = self._by_key.get((account, ref, Slot.FIRST))
        refused = Answer(Status.UNKNOWN_ROUND, owner.balance, owner.version, 0)
        if bet is None or (bet.kind, bet.status, bet.round_id) != (EntryKind.BET, Status.ACCEPTED, round_id):
            return refused
        if payout < 0:
            return refused._replace(status=Status.BAD_AMOUNT)
        end = self._by_key.get((account, ref, Slot.TERMINAL))
        if end is None or end.kind is not EntryKind.SETTLE:
            return refused._replace(status=Status.CONFLICT)
        more = payout - end.amount
        if seen := self._by_key.get((account, ref, Slot.CORRECTION)):
            if self._corrected_by(seen) != more:
                return refused._replace(status=Status.CONFLICT)
            return Answer(Status.ACCEPTED, seen.balance_after, seen.version, seen.seq)
        return self._correct(bet, more)

    def settle(self, round_id: int, payouts: Sequence[tuple[bytes, int, int]]) -> list[Status]:
        """Settle bets; the stakes go from escrow to the house, in one entry a currency.

        Parameters
        ----------
        round_id : int
            The round whose bets these are.
        payouts : sequence of (ref, account, payout)
            Gross payouts in minor units; 0 for a losing bet.

        Returns
        -------
        list of Status
            ACCEPTED for a bet that is now, or was, settled so; CONFLICT for one with another end; UNKNOWN_ROUND
            for one that is no accepted bet of this round.
        """
        statuses = []
        stakes: Counter[int] = Counter()
        for ref, account, payout in payouts:
            bet = self._by_key.get((account, ref, Slot.FIRST))
            end = self._by_key.get((account, ref, Slot.TERMINAL))
            if bet is None or (bet.kind, bet.status, bet.round_id) != (EntryKind.BET, Status.ACCEPTED, round_id):
                statuses.append(Status.UNKNOWN_ROUND)
            elif end is not None:
                same = end.kind is EntryKind.SETTLE and end.amount == payout
                statuses.append(Status.ACCEPTED if same else Status.CONFLICT)
            else:
                self._write(
                    EntryKind.SETTLE, account, ref, self._house_of(account), payout, Slot.TERMINAL,
                    round_id=round_id, window=bet.window, selection=bet.selection,
                )  # fmt: skip
                stakes[bet.counter] += bet.amount
                statuses.append(Status.ACCEPTED)
        ref = struct.pack(">qq", round_id, len(self.journal) + 1)
        for escrow, stake in sorted(stakes.items()):
            self._write(EntryKind.SWEEP, self._house_of(escrow), ref, escrow, stake, round_id=round_id)
        return statuses

    def void(self, round_id: int) -> int:
        """Return the stakes of all bets of a round that have no end yet; return how many there were."""
        bets = self.unsettled(round_id)
        for bet in bets:
            self._write(
                EntryKind.VOID, bet.account, bet.ref, bet.counter, bet.amount, Slot.TERMINAL,
                round_id=round_id, window=bet.window, selection=bet.selection,
            )  # fmt: skip
        return len(bets)

    def unsettled(self, round_id: int) -> list[Entry]:
        """Return the accepted bets of a round that have no terminal entry, in commit order."""
        return [
            entry
            for entry in self.journal
            if entry.kind is EntryKind.BET
            and entry.status is Status.ACCEPTED
            and entry.round_id == round_id
            and (entry.account, entry.ref, Slot.TERMINAL) not in self._by_key
        ]

    def send(self, ref: bytes, account: int, to: int, amount: int) -> Answer:
        """Let money leave a player's account for another player's, in this shard or another."""
        owner = self._player(account)
        if owner is None:
            return Answer(Status.UNKNOWN_PLAYER, 0, 0, 0)
        transit = self._transit_to(to, account)
        if seen := self._by_key.get((account, ref, Slot.FIRST)):
            return self._replay(seen, (EntryKind.TRANSFER_OUT, amount, 0, 0, 0), transit)
        refused = Answer(Status.BAD_AMOUNT, owner.balance, owner.version, 0)
        if amount <= 0:
            return refused
        if account_kind(to) is not AccountKind.PLAYER:
            return refused._replace(status=Status.UNKNOWN_PLAYER)
        if (account ^ to) & CURRENCY_BITS:
            return refused._replace(status=Status.WRONG_CURRENCY)
        status = Status.INSUFFICIENT_FUNDS if owner.balance < amount else Status.ACCEPTED
        return self._write(EntryKind.TRANSFER_OUT, account, ref, transit, amount, status=status)

    def receive(self, ref: bytes, account: int, sender: int, amount: int) -> Answer:
        """Let money that was sent arrive.

        The first answer stands, also that there is no such player: the sender then gets it back, and no later message
        may bring it here after all.
        """
        transit = self._transit_to(sender, account)
        if seen := self._by_key.get((account, ref, Slot.ARRIVAL)):
            return self._replay(seen, (EntryKind.TRANSFER_IN, amount, 0, 0, 0), transit)
        owner = self._player(account)
        if amount <= 0 or account_kind(account) is not AccountKind.PLAYER:
            return Answer(Status.BAD_AMOUNT, owner.balance if owner else 0, owner.version if owner else 0, 0)
        status = Status.ACCEPTED if owner else Status.UNKNOWN_PLAYER
        return self._write(EntryKind.TRANSFER_IN, account, ref, transit, amount, Slot.ARRIVAL, status=status)

    def end_transfer(self, ref: bytes, account: int, *, arrived: bool) -> Answer:
        """Note that what a player sent has arrived, or give it back: one of the two, once."""
        owner = self._player(account)
        if owner is None:
            return Answer(Status.UNKNOWN_PLAYER, 0, 0, 0)
        kind = EntryKind.TRANSFER_END if arrived else EntryKind.TRANSFER_BACK
        sent = self._by_key.get((account, ref, Slot.FIRST))
        end = self._by_key.get((account, ref, Slot.TERMINAL))
        is_open = sent is not None and (sent.kind, sent.status) == (EntryKind.TRANSFER_OUT, Status.ACCEPTED)
        if sent is None or not is_open or (end and end.kind is not kind):
            return Answer(Status.CONFLICT, owner.balance, owner.version, 0)
        if end:
            return Answer(Status.ACCEPTED, end.balance_after, end.version, end.seq)
        return self._write(kind, account, ref, sent.counter, 0 if arrived else sent.amount, Slot.TERMINAL)

    def under_way(self) -> list[Entry]:
        """Return what was sent and neither arrived nor came back as far as this shard knows, in commit order."""
        return [
            entry
            for entry in self.journal
            if (entry.kind, entry.status) == (EntryKind.TRANSFER_OUT, Status.ACCEPTED)
            and (entry.account, entry.ref, Slot.TERMINAL) not in self._by_key
        ]

    def set_limit(
        self, ref: bytes, account: int, kind: LimitKind, amount: int, now_ns: int, loosen_at_ns: int
    ) -> Answer:
        """Set a player's limit; see :meth:`Limit.change`. A limit where there was none holds at once."""
        owner = self._player(account)
        if owner is None:
            return Answer(Status.UNKNOWN_PLAYER, 0, 0, 0)
        if seen := self._by_key.get((account, ref, Slot.FIRST)):
            return self._replay(seen, (EntryKind.LIMIT, amount, 0, 0, kind))
        if amount < 0:
            return Answer(Status.BAD_AMOUNT, owner.balance, owner.version, 0)
        if known := self.limits.get((account, kind)):
            known.change(amount, now_ns, loosen_at_ns)
        else:
            self.limits[account, kind] = Limit(kind, amount)
        return self._write(EntryKind.LIMIT, account, ref, self._house_of(account), amount, selection=kind)

    def _player(self, account: int) -> Account | None:
        return self.accounts.get(account) if account_kind(account) is AccountKind.PLAYER else None

    @staticmethod
    def _is_shut(window: Window, now_ns: int) -> bool:
        return window.closed_seq is not None or now_ns >= window.accept_until_ns

    def _move_cash(self, kind: EntryKind, ref: bytes, account: int, amount: int) -> Answer:
        owner = self._player(account)
        if owner is None:
            return Answer(Status.UNKNOWN_PLAYER, 0, 0, 0)
        if seen := self._by_key.get((account, ref, Slot.FIRST)):
            return self._replay(seen, (kind, amount, 0, 0, 0))
        if amount < 0 or (kind is EntryKind.WITHDRAW and amount == 0):
            return Answer(Status.BAD_AMOUNT, owner.balance, owner.version, 0)
        short = kind is EntryKind.WITHDRAW and owner.balance < amount
        status = Status.INSUFFICIENT_FUNDS if short else Status.ACCEPTED
        return self._write(kind, account, ref, self._cash_of(account), amount, status=status)

    def _corrected_by(self, seen: Entry) -> int:
        if seen.kind is EntryKind.CORRECT:
            return seen.amount
        rest = self._by_key.get((self._owed_of(seen.account), seen.ref, Slot.CORRECTION))
        return -seen.amount - (rest.amount if rest else 0)

    def _correct(self, bet: Entry, more: int) -> Answer:
        self._count_return(bet.account, more)
        if more >= 0:
            return self._write_correction(bet, EntryKind.CORRECT, bet.account, more)
        taken = min(self.accounts[bet.account].balance, -more)
        answer = self._write_correction(bet, EntryKind.RECLAIM, bet.account, taken)
        if rest := -more - taken:
            self._write_correction(bet, EntryKind.RECLAIM, self._owed_of(bet.account), rest)
        return answer

    def _write_correction(self, bet: Entry, kind: EntryKind, account: int, amount: int) -> Answer:
        return self._write(
            kind, account, bet.ref, self._house_of(account), amount, Slot.CORRECTION,
            round_id=bet.round_id, window=bet.window, selection=bet.selection,
        )  # fmt: skip

    def _place_one(self, bet: Bet, now_ns: int, verdict: Status | None = None) -> Answer:
        account = self._player(bet.account)
        if account is None:
            return Answer(Status.UNKNOWN_PLAYER, 0, 0, 0)
        if seen := self._by_key.get((bet.account, bet.ref, Slot.FIRST)):
            if seen.kind is EntryKind.CANCEL:
                return Answer(Status.CANCELLED, seen.balance_after, seen.version, seen.seq)
            return self._replay(seen, (EntryKind.BET, bet.amount, bet.round_id, bet.window, bet.selection))
        if bet.amount < 0 or (bet.amount == 0 and bet.window == 0):
            return Answer(Status.BAD_AMOUNT, account.balance, account.version, 0)
        status = verdict or self._judge(bet, now_ns)
        escrow = account_beside(bet.account, AccountKind.ESCROW, bet.round_id)
        if status is Status.ACCEPTED:
            for kind in LOSS_KINDS:
                if limit := self.limits.get((bet.account, kind)):
                    limit.stake(bet.amount, now_ns)
        return self._write(
            EntryKind.BET, bet.account, bet.ref, escrow, bet.amount, status=status,
            round_id=bet.round_id, window=bet.window, selection=bet.selection,
        )  # fmt: skip

    def _judge(self, bet: Bet, now_ns: int, taken: int = 0, taken_in_round: int = 0) -> Status:
        """Return what becomes of a new bet of a known player who staked so much more than is written yet."""
        window = self.windows.get((bet.round_id, bet.window))
        shut = bet.late or (window is not None and self._is_shut(window, now_ns))
        balance_minor = self.accounts[bet.account].balance - taken
        verdict = verdict_on_bet(window is not None, shut, balance_minor, bet.amount)
        if verdict in _BEFORE_LIMITS or not bet.amount:
            return verdict
        return self._limit_reached(bet, now_ns, taken, taken_in_round) or verdict

    def _limit_reached(self, bet: Bet, now_ns: int, taken: int, taken_in_round: int) -> Status | None:
        limits = {kind: limit for kind in LimitKind if (limit := self.limits.get((bet.account, kind)))}
        held = {kind: limit.in_force(now_ns) for kind, limit in limits.items()}
        if now_ns < held.get(LimitKind.EXCLUSION, 0):
            return Status.EXCLUDED
        if now_ns < held.get(LimitKind.TIME_OUT, 0):
            return Status.TIME_OUT
        if LimitKind.STAKE in held and bet.amount > held[LimitKind.STAKE]:
            return Status.STAKE_LIMIT
        if LimitKind.ROUND in held:
            staked = self._staked(bet.account, bet.round_id) + taken_in_round + bet.amount
            if staked > held[LimitKind.ROUND]:
                return Status.ROUND_LIMIT
        for kind in LOSS_KINDS:
            if kind in held and limits[kind].used_at(now_ns) + taken + bet.amount > held[kind]:
                return Status.LOSS_LIMIT
        return None

    def _staked(self, account: int, round_id: int) -> int:
        first = min(window.opened_seq for (known, _), window in self.windows.items() if known == round_id)
        return sum(
            entry.amount if entry.kind is EntryKind.BET else -entry.amount
            for entry in self.journal[first:]
            if (entry.account, entry.round_id, entry.status) == (account, round_id, Status.ACCEPTED)
            and entry.kind in (EntryKind.BET, EntryKind.CANCEL)
        )

    def _judge_slips(self, bets: Sequence[Bet], now_ns: int) -> dict[int, Status]:
        """Return the verdict on each new bet by its place: equal for all of a player and a window."""
        slips: dict[tuple[int, int, int], list[int]] = {}
        known: set[tuple[int, bytes]] = set()
        for place, bet in enumerate(bets):
            key = bet.account, bet.ref
            is_new = key not in known and (*key, Slot.FIRST) not in self._by_key
            if is_new and bet.amount > 0 and self._player(bet.account):
                known.add(key)
                slips.setdefault((bet.account, bet.round_id, bet.window), []).append(place)
        verdicts: dict[int, Status] = {}
        taken: Counter[int] = Counter()
        in_round: Counter[tuple[int, int]] = Counter()
        for (account, round_id, _), places in slips.items():
            status, stake = Status.ACCEPTED, 0
            for place in places:
                ahead = taken[account] + stake, in_round[account, round_id] + stake
                status = self._judge(bets[place], now_ns, *ahead)
                if status is not Status.ACCEPTED:
                    break
                stake += bets[place].amount
            else:
                taken[account] += stake
                in_round[account, round_id] += stake
            verdicts |= dict.fromkeys(places, status)
        return verdicts

    def _count_return(self, account: int, amount: int) -> None:
        for kind in LOSS_KINDS:
            if limit := self.limits.get((account, kind)):
                limit.used_minor -= amount

    def _house_of(self, account: int) -> int:
        return account_beside(account, AccountKind.HOUSE, self.shard)

    def _cash_of(self, account: int) -> int:
        return account_beside(account, AccountKind.CASH, self.shard)

    @staticmethod
    def _owed_of(player: int) -> int:
        return account_beside(player, AccountKind.OWED, account_number(player))

    @staticmethod
    def _transit_to(other: int, account: int) -> int:
        return account_beside(account, AccountKind.TRANSIT, account_number(other))

    def _replay(self, seen: Entry, asked: tuple[EntryKind, int, int, int, int], counter: int | None = None) -> Answer:
        same = (seen.kind, seen.amount, seen.round_id, seen.window, seen.selection) == asked
        if not same or counter not in (None, seen.counter):
            account = self.accounts.get(seen.account, Account())
            return Answer(Status.CONFLICT, account.balance, account.version, 0)
        return Answer(seen.status, seen.balance_after, seen.version, seen.seq)

    def _write(
        self,
        kind: EntryKind,
        account: int,
        ref: bytes,
        counter: int,
        amount: int,
        slot: Slot = Slot.FIRST,
        *,
        status: Status = Status.ACCEPTED,
        round_id: int = 0,
        window: int = 0,
        selection: int = 0,
    ) -> Answer:
        moved = DIRECTION[kind] * amount if status is Status.ACCEPTED else 0
        if moved:
            if kind in RETURNS:
                self._count_return(account, amount)
            for number, change in ((account, moved), (counter, -moved)):
                changed = self.accounts.setdefault(number, Account())
                changed.balance += change
                changed.version += 1
                if changed.balance < 0 and account_kind(number) in NEVER_NEGATIVE:
                    raise InvariantViolationError(f"account {number} would fall to {changed.balance}, limit 0")
        owner = self.accounts.get(account, Account())
        seq = len(self.journal) + 1
        entry = Entry(
            seq, account, ref, slot, kind, status, counter, amount,
            owner.balance, owner.version, round_id, window, selection,
        )  # fmt: skip
        self.journal.append(entry)
        self._by_key[account, ref, slot] = entry
        return Answer(status, owner.balance, owner.version, seq)
