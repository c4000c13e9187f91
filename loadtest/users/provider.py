"""A game provider under load: rounds of bets that are due when they are due, and its own books beside the wallet's.

Every call is a greenlet of its own, so that a slow answer delays no other call; how many may be outstanding is bounded,
and what the bound keeps from starting is counted as missed. An outcome that stays unknown is asked for again, under the
same id, until it is known or the load has been over for :data:`RESOLVE_S_MAX`.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import gevent
from gevent.pool import Pool

from loadtest.adapters.seamless import SeamlessClient, Seen
from loadtest.kit.load_order import CallRecords, LoadOrder, PartResult
from loadtest.kit.profile import signer_from_environment
from loadtest.kit.story import Player, shown
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.seamless import Authenticate, Authenticated, Balance, Cancel, Code, Credit, Debit
from reference_impl.domain.units import NS_PER_MS, NS_PER_S

OUTSTANDING_MAX = 512
CONNECTIONS_MAX = 256
RESOLVE_S_MAX = 30.0
MICROSECOND_NS = NS_PER_MS // 1000
RETRY_S = 0.1
CREDIT_AFTER_S_MEAN = 0.3
STAKE_MINOR_MAX = 100
CUT_S_MAX = 0.005
COMPLAINTS_MAX = 100

Report = Callable[[str, float, str], None]


@dataclass
class Purse:
    """What we know of a player's money: the opening balance and every change that was acknowledged."""

    player: Player
    expected_minor: int
    unknown: int = 0


@dataclass
class Provider:
    """One part of the load.

    Parameters
    ----------
    order : LoadOrder
        What to do.
    report : callable
        Told of each call: its name, response time in ms from the intended start, and what went wrong or nothing.
    """

    order: LoadOrder
    report: Report
    missed: int = 0
    complaints: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.order.seed * 1_000 + self.order.part)
        self._signer = signer_from_environment(self.order.profile)
        self._clients: list[SeamlessClient] = []
        self._records = {name: CallRecords() for name in ("debit", "credit", "cancel")}
        self._pool = Pool(OUTSTANDING_MAX)
        self._ids = 0
        self._give_up_ns = 0
        self._purses: list[Purse] = []

    def enter(self) -> None:
        """Bring the players in."""
        for token in self.order.tokens:
            with self._client() as client:
                seen = client.resolve(Authenticate(token))
            if not isinstance(seen.accepted, Authenticated):
                raise OperationalError(f"the wallet refuses a test player's launch token: {seen} {seen.text}")
            told = seen.accepted
            self._purses.append(Purse(Player(told.player, told.session, told.currency), told.balance_minor))

    def play(self, start_ns: int) -> PartResult:
        """Play rounds from `start_ns` on, until all are over; return what was seen."""
        end_ns = start_ns + round(self.order.seconds * NS_PER_S)
        self._give_up_ns = end_ns + round(RESOLVE_S_MAX * NS_PER_S)
        due_ns = start_ns
        while True:
            due_ns += round(self._random.expovariate(self.order.rounds_per_s) * NS_PER_S)
            if due_ns >= end_ns:
                break
            _sleep_until(due_ns)
            if self._pool.full():
                self.missed += 1
            else:
                self._pool.spawn(self._round, due_ns, random.Random(self._random.getrandbits(64)))
        self._pool.join()
        self._settle_books()
        return PartResult(self._records, self.missed, len(self._purses), self.complaints, self.unresolved)

    def close(self) -> None:
        """Close all connections."""
        while self._clients:
            self._clients.pop().close()

    def _round(self, due_ns: int, rng: random.Random) -> None:
        purse = rng.choice(self._purses)
        player = purse.player
        stake = rng.randint(1, STAKE_MINOR_MAX)
        bet = Debit(player.id, player.session, player.currency, self._id(), stake)
        seen = self._carry_out(bet, due_ns, rng, purse, -stake)
        if seen is None or not seen.done(self.order.profile.conventions.duplicate):
            return
        ends_ns = due_ns + round(rng.expovariate(1 / CREDIT_AFTER_S_MEAN) * NS_PER_S)
        ends_ns = max(ends_ns, time.monotonic_ns())
        _sleep_until(ends_ns)
        if rng.random() < self.order.cancel_share:
            cancel = Cancel(player.id, player.session, self._id(), bet.transaction)
            self._carry_out(cancel, ends_ns, rng, purse, stake)
        else:
            win = rng.choice((0, 2 * stake))
            credit = Credit(player.id, player.session, player.currency, self._id(), bet.transaction, win)
            self._carry_out(credit, ends_ns, rng, purse, win)

    def _carry_out(
        self, call: Debit | Credit | Cancel, due_ns: int, rng: random.Random, purse: Purse, change_minor: int
    ) -> Seen | None:
        """Send a call until its outcome is known, and book it; None if it stays unknown."""
        name = type(call).__name__.lower()
        records = self._records[name]
        records.lag_us.append((time.monotonic_ns() - due_ns) // MICROSECOND_NS)
        twin = gevent.spawn(self._once, call) if rng.random() < self.order.twice_share else None
        if rng.random() < self.order.cut_share:
            with self._client() as client:
                client.cut(call, rng.uniform(0, CUT_S_MAX))
        seen = self._until_known(call)
        latency_us = (time.monotonic_ns() - due_ns) // MICROSECOND_NS
        if seen is None:
            records.unknown += 1
            purse.unknown += 1
            self.unresolved.append(call.transaction)
            self.report(name, latency_us / 1000, "unknown")
            return None
        records.latency_us.append(latency_us)
        done = seen.done(self.order.profile.conventions.duplicate)
        records.done += done
        records.refused += not done
        purse.expected_minor += change_minor if done else 0
        self.report(name, latency_us / 1000, "" if done else seen.code or str(seen))
        self._judge(call, seen, twin.get() if twin else None)
        return seen

    def _judge(self, call: Debit | Credit | Cancel, seen: Seen, twin: Seen | None) -> None:
        duplicate = self.order.profile.conventions.duplicate
        if not seen.done(duplicate) and (not isinstance(call, Debit) or seen.code != Code.INSUFFICIENT_FUNDS):
            self._complain(f"{shown(call)}: got {seen} {seen.text} [{seen.request}]")
        if seen.balance_minor is not None and seen.balance_minor < 0:
            self._complain(f"{shown(call)}: balance {seen.balance_minor}, limit 0 [{seen.request}]")
        if twin is not None and twin.known and twin.done(duplicate) != seen.done(duplicate):
            self._complain(f"{shown(call)} sent twice: got {twin} [{twin.request}] and {seen} [{seen.request}]")

    def _until_known(self, call: Debit | Credit | Cancel) -> Seen | None:
        while True:
            seen = self._once(call)
            if seen.known:
                return seen
            if time.monotonic_ns() > self._give_up_ns:
                return None
            time.sleep(RETRY_S)

    def _once(self, call: Debit | Credit | Cancel | Balance) -> Seen:
        with self._client() as client:
            return client.call(call)

    def _settle_books(self) -> None:
        """Hold every balance to our books; a player with unknown outcomes may be told from nothing."""
        for purse in self._purses:
            player = purse.player
            with self._client() as client:
                seen = client.resolve(Balance(player.id, player.currency))
            if not purse.unknown and seen.balance_minor != purse.expected_minor:
                off = (seen.balance_minor or 0) - purse.expected_minor
                self._complain(
                    f"balance of {player.id}: expected {purse.expected_minor}, got {seen} ({off:+d}) [{seen.request}]"
                )

    @contextmanager
    def _client(self) -> Iterator[SeamlessClient]:
        """Lend a connection that nobody uses, or a new one; at most :data:`CONNECTIONS_MAX` are kept."""
        profile = self.order.profile
        client = (
            self._clients.pop()
            if self._clients
            else SeamlessClient(self.order.url, profile.provider, self._signer, profile.timeout_s)
        )
        try:
            yield client
        finally:
            if len(self._clients) < CONNECTIONS_MAX:
                self._clients.append(client)
            else:
                client.close()

    def _id(self) -> str:
        self._ids += 1
        return f"{self.order.run}.{self.order.part}-{self._ids}"

    def _complain(self, text: str) -> None:
        if len(self.complaints) < COMPLAINTS_MAX:
            self.complaints.append(text)


def _sleep_until(at_ns: int) -> None:
    left_ns = at_ns - time.monotonic_ns()
    if left_ns > 0:
        time.sleep(left_ns / NS_PER_S)
