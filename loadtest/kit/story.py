"""What the cases are told in: seats, at which a provider plays with one test player's money, and what they expect.

A case is a plain function of a :class:`Story`. It returns if the wallet behaved, and raises :class:`Misbehaved`, which
names the request, what was expected and what was seen.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from loadtest.adapters.seamless import SeamlessClient, Seen
from loadtest.kit.profile import Profile
from reference_impl.domain.errors import OperationalError
from reference_impl.domain.seamless import (
    AMOUNT_MINOR_MAX,
    Authenticate,
    Authenticated,
    Balance,
    Call,
    Cancel,
    Code,
    Credit,
    Debit,
    Promo,
)

AT_ONCE_MAX = 50
SEEN_KEPT_MAX = 60
FUNDS_MINOR_MIN = 10_000
AT_ONCE_S_MAX = 60.0

Result = TypeVar("Result")


class Misbehaved(Exception):  # noqa: N818 - what a wallet did, not an error of ours
    """The wallet did not do what it must."""


class Player(NamedTuple):
    """A test player who came with a launch token."""

    id: str
    session: str
    currency: str


@dataclass
class Wallet:
    """A wallet under test: a connection for each of :data:`AT_ONCE_MAX` threads, opened when first used.

    Parameters
    ----------
    profile : Profile
        How it behaves.
    connect : callable
        Returns a new connection.
    """

    profile: Profile
    connect: Callable[[], SeamlessClient]

    def __post_init__(self) -> None:
        self._local = threading.local()
        self._clients: list[SeamlessClient] = []
        self._threads = ThreadPoolExecutor(AT_ONCE_MAX, "kit")

    @property
    def client(self) -> SeamlessClient:
        """The connection of this thread."""
        if not hasattr(self._local, "client"):
            self._local.client = self.connect()
            self._clients.append(self._local.client)
        client: SeamlessClient = self._local.client
        return client

    def at_once(self, actions: Sequence[Callable[[], Result]]) -> list[Result]:
        """Carry actions out at the same time, at most :data:`AT_ONCE_MAX`; return their results in order."""
        start = threading.Barrier(len(actions))

        def run(action: Callable[[], Result]) -> Result:
            start.wait(AT_ONCE_S_MAX)
            return action()

        futures = [self._threads.submit(run, action) for action in actions]
        return [future.result(AT_ONCE_S_MAX) for future in futures]

    def close(self) -> None:
        """Close all connections."""
        self._threads.shutdown(wait=True)
        for client in self._clients:
            client.close()


def enter(wallet: Wallet, token: str) -> Player:
    """Authenticate a test player.

    Raises
    ------
    OperationalError
        If the wallet refuses.
    """
    seen = wallet.client.resolve(Authenticate(token))
    if not isinstance(seen.accepted, Authenticated):
        raise OperationalError(f"the wallet refuses a test player's launch token: {seen} {seen.text}")
    told = seen.accepted
    if told.balance_minor < FUNDS_MINOR_MIN or told.currency != wallet.profile.currency:
        need = f"at least {FUNDS_MINOR_MIN} {wallet.profile.currency} minor units"
        raise OperationalError(
            f"test player {told.player} has {told.balance_minor} {told.currency} minor units, {need} are needed"
        )
    return Player(told.player, told.session, told.currency)


@dataclass
class Story:
    """What a case is given.

    Parameters
    ----------
    wallet : Wallet
        The wallet under test.
    players : sequence of Player
        Two test players, or more.
    prefix : str
        Begins every transaction id of the case, so that no run meets another's.
    seed : int
        Of :attr:`random`.
    """

    wallet: Wallet
    players: Sequence[Player]
    prefix: str
    seed: int
    seen: deque[str] = field(default_factory=lambda: deque(maxlen=SEEN_KEPT_MAX))

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._ids = 0
        self.ann, self.bob = (Seat(self, player) for player in self.players[:2])

    @property
    def profile(self) -> Profile:
        """How the wallet behaves."""
        return self.wallet.profile

    def new_id(self) -> str:
        """Return a transaction id that was never used."""
        self._ids += 1
        return f"{self.prefix}-{self._ids}"

    def ask(self, call: Call) -> Seen:
        """Send a call until its outcome is known."""
        return self.note(call, self.wallet.client.resolve(call))

    def at_once(self, calls: Sequence[Call]) -> list[Seen]:
        """Send calls at the same time."""
        return self.wallet.at_once([lambda call=call: self.ask(call) for call in calls])  # type: ignore[misc]

    def cut(self, call: Call, after_s: float = 0.0) -> None:
        """Send a call and hang up."""
        self.seen.append(f"{shown(call)} → hung up after {1000 * after_s:.0f} ms")
        self.wallet.client.cut(call, after_s)

    def note(self, call: Call | str, seen: Seen) -> Seen:
        """Remember an exchange for the report."""
        what = call if isinstance(call, str) else shown(call)
        self.seen.append(f"{what} → {seen} [{seen.request}]")
        return seen

    def done(self, call: Call, balance_minor: int | None = None) -> Seen:
        """Send a call that must be carried out, and leave this balance."""
        return self.require_done(call, self.ask(call), balance_minor)

    def require_done(self, call: Call, seen: Seen, balance_minor: int | None = None) -> Seen:
        """Require that a call was carried out, now or before."""
        if not seen.done(self.profile.conventions.duplicate):
            raise Misbehaved(f"{shown(call)}: expected 200, got {seen} {seen.text} [{seen.request}]")
        if balance_minor is not None and seen.balance_minor != balance_minor:
            raise Misbehaved(f"{shown(call)}: expected balance {balance_minor}, got {seen} [{seen.request}]")
        return seen

    def refused(self, call: Call, *codes: Code) -> Seen:
        """Send a call that must be refused with one of these codes."""
        return self.require_refused(call, self.ask(call), *codes)

    def require_refused(self, call: Call | str, seen: Seen, *codes: Code) -> Seen:
        """Require that a call was refused with one of these codes."""
        if seen.status == 200 or seen.code not in codes:
            wanted = " or ".join(codes)
            what = call if isinstance(call, str) else shown(call)
            raise Misbehaved(f"{what}: expected a refusal {wanted}, got {seen} {seen.text} [{seen.request}]")
        return seen

    def same(self, call: Call, first: Seen) -> Seen:
        """Send a call again: it must be answered as the conventions say, with the first answer's balance."""
        seen = self.ask(call)
        if first.status != 200 or self.profile.conventions.duplicate == "same_answer":
            if (seen.status, seen.code, seen.balance_minor) != (first.status, first.code, first.balance_minor):
                raise Misbehaved(f"{shown(call)} again: expected {first} as before, got {seen} [{seen.request}]")
            return seen
        return self.require_refused(call, seen, Code.ALREADY_EXISTS)


class Seat:
    """One test player, and the calls that a provider makes for him.

    Parameters
    ----------
    story : Story
        The case.
    player : Player
        Who.
    """

    def __init__(self, story: Story, player: Player) -> None:
        self._story = story
        self.player = player

    def debit(self, amount_minor: int, transaction: str = "", session: str | None = None) -> Debit:
        """Return a stake to be taken."""
        session = self.player.session if session is None else session
        return Debit(self.player.id, session, self.player.currency, transaction or self._story.new_id(), amount_minor)

    def credit(self, bet: str, amount_minor: int, transaction: str = "", session: str | None = None) -> Credit:
        """Return a settlement of a bet."""
        session = self.player.session if session is None else session
        transaction = transaction or self._story.new_id()
        return Credit(self.player.id, session, self.player.currency, transaction, bet, amount_minor)

    def cancel(self, bet: str, transaction: str = "", session: str | None = None) -> Cancel:
        """Return a rollback of a bet."""
        session = self.player.session if session is None else session
        return Cancel(self.player.id, session, transaction or self._story.new_id(), bet)

    def promo(self, amount_minor: int, transaction: str = "") -> Promo:
        """Return a present."""
        transaction = transaction or self._story.new_id()
        return Promo(self.player.id, self.player.session, self.player.currency, transaction, amount_minor)

    def balance(self) -> int:
        """Ask for the balance."""
        call = Balance(self.player.id, self.player.currency)
        seen = self._story.done(call)
        if seen.balance_minor is None or not 0 <= seen.balance_minor < AMOUNT_MINOR_MAX * 1000:
            raise Misbehaved(f"{shown(call)}: a balance is 0 or more, got {seen.balance_minor} [{seen.request}]")
        return seen.balance_minor

    def holds(self, expected_minor: int, after: str) -> None:
        """Require a balance."""
        balance_minor = self.balance()
        if balance_minor != expected_minor:
            got = f"got {balance_minor} ({balance_minor - expected_minor:+d})"
            raise Misbehaved(f"balance of {self.player.id} after {after}: expected {expected_minor}, {got}")


def shown(call: Call) -> str:
    """Return a call in a few words; sessions and tokens are not among them."""
    match call:
        case Authenticate():
            return "authenticate"
        case Balance():
            return f"balance of {call.player}"
        case Debit():
            return f"debit {call.amount_minor} as {call.transaction}"
        case Credit():
            return f"credit {call.amount_minor} for bet {call.bet} as {call.transaction}"
        case Cancel():
            return f"cancel bet {call.bet} as {call.transaction}"
        case Promo():
            return f"promo {call.amount_minor} as {call.transaction}"
