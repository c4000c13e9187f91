"""A wallet shard in simulated time: one writer, whatever waits is the next batch, no timer.

The order is the real writer's: all waiting batches of bets up to a limit in one call, then one step of a control
request, and so on. Answers, balances and the journal are those of :class:`reference_impl.domain.ledger.Ledger`.

A killed process (or database) commits nothing more of the call under way; its requests are sent again by those who
asked, which is modelled as waiting in the queue until it is back.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import simpy

from reference_impl.domain.games.game import Game
from reference_impl.domain.journal import Entry
from reference_impl.domain.ledger import Ledger
from sim.draws import Draws
from sim.kernels import Int64s
from sim.laws import Books, Presence
from sim.operations import WINDOW, Attempt
from sim.random_streams import Stream
from sim.server import after


@dataclass(slots=True)
class BetBatch:
    """A gateway's bets, and who gets the answers."""

    attempts: list[Attempt]
    reply: Callable[[], None]


@dataclass(slots=True)
class Control:
    """A control request, taken in steps.

    Parameters
    ----------
    cost_ns : callable
        Called when a step starts; returns how long it takes.
    apply : callable
        Called when the step is committed; returns whether the request is done.
    """

    cost_ns: Callable[[], int]
    apply: Callable[[], bool]


class Writer:
    """What a shard of single players and one of a crowd have in common: its ledger, and control requests that wait.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    number : int
        The shard.
    """

    def __init__(self, env: simpy.Environment, number: int) -> None:
        self.number = number
        self.name = f"wallet-{number}"
        self.ledger = Ledger(number)
        self._env = env
        self._controls: deque[Control] = deque()
        self._references = 0

    def new_ref(self) -> bytes:
        """Return the 16 bytes of a control entry's id, unlike any operation's."""
        self._references += 1
        return bytes(8) + (1 << 62 | self.number << 40 | self._references).to_bytes(8, "big")


class WalletShard(Writer):
    """One shard's writer and ledger.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    number : int
        The shard.
    draws : Draws
        Stage times.
    """

    def __init__(self, env: simpy.Environment, number: int, draws: Draws) -> None:
        super().__init__(env, number)
        self.bets_placed = 0
        self._draws = draws
        self._longer_ns = 0
        self._bets: deque[BetBatch] = deque()
        self._controls_next = False
        self._working = False
        self._down = 0
        self._life = 0
        self._busy_ns = 0
        self._started_ns = 0
        self._taken: list[BetBatch] | Control = []
        self._unsettled: list[Entry] = []
        self._presence = Presence()
        self._stays_ns = 0
        self._work_ns = 0
        self._ends_ns = 0

    @property
    def queued_bets(self) -> int:
        """Bets that wait."""
        return sum(len(batch.attempts) for batch in self._bets)

    @property
    def busy_ns(self) -> int:
        """Time spent in calls since the beginning."""
        return self._busy_ns + (int(self._env.now) - self._started_ns if self._working else 0)

    def books(self) -> Books:
        """Return what the laws are checked by; its customers are bets, those that are asked for again included."""
        now_ns = int(self._env.now)
        here = [*self._bets, *([] if isinstance(self._taken, Control) or not self._working else self._taken)]
        stays_ns = sum(now_ns - attempt.wallet_received_ns for batch in here for attempt in batch.attempts)
        return Books(self.name, work=self._work_ns - max(0, self._ends_ns - now_ns) * self._working, busy=self.busy_ns,
                     inside=self._presence.until(now_ns), stays=self._stays_ns + stays_ns)  # fmt: skip

    def open_window(self, known: int, until_ns: int) -> None:
        """Open a round's window."""
        self.ledger.open_window(self.new_ref(), known, WINDOW, until_ns)

    def close_window(self, known: int) -> bytes:
        """Close a round's window; return the journal's head."""
        return self.ledger.close_window(self.new_ref(), known, WINDOW).to_bytes(8, "big")

    def unsettled(self, known: int) -> int:
        """Return how many bets of a round have no end yet."""
        self._unsettled = self.ledger.unsettled(known)
        return len(self._unsettled)

    def settle(self, known: int, game: Game, outcome: int, limit: int) -> Int64s:
        """Settle the first of the bets that :meth:`unsettled` counted last; return whose they were."""
        chunk = self._unsettled[:limit]
        if chunk:
            selections = np.array([bet.selection for bet in chunk], dtype=np.int64)
            stakes = np.array([bet.amount for bet in chunk], dtype=np.int64)
            payouts = game.payouts_minor(selections, stakes, outcome).tolist()
            rows = [(bet.ref, bet.account, payout) for bet, payout in zip(chunk, payouts, strict=True)]
            self.ledger.settle(known, rows)
        return _owners(chunk)

    def void(self, known: int) -> Int64s:
        """Return the stakes of a round's bets; return whose they were."""
        if (known, WINDOW) in self.ledger.windows:
            self.ledger.close_window(self.new_ref(), known, WINDOW)
        owners = _owners(self.ledger.unsettled(known))
        self.ledger.void(known)
        return owners

    def place(self, batch: BetBatch) -> None:
        """Queue a gateway's bets."""
        for attempt in batch.attempts:
            attempt.wallet_received_ns = int(self._env.now)
        self._bets.append(batch)
        self._presence.change(len(batch.attempts), int(self._env.now))
        self._work()

    def ask(self, control: Control) -> None:
        """Queue a control request."""
        self._controls.append(control)
        self._work()

    def kill(self) -> None:
        """Stop; the call under way has no effect and is repeated after :meth:`restart`."""
        self._down += 1
        self._life += 1
        if not self._working:
            return
        self._busy_ns, self._working = self.busy_ns, False
        self._work_ns -= self._ends_ns - int(self._env.now)
        if isinstance(self._taken, Control):
            self._controls.appendleft(self._taken)
        else:
            self._bets.extendleft(reversed(self._taken))

    def restart(self) -> None:
        """Serve again, once everything that the shard needs is back."""
        self._down -= 1
        self._work()

    def slow(self, longer_ns: int) -> None:
        """Have every call that begins from now on take so much longer."""
        self._longer_ns = longer_ns

    def _work(self) -> None:
        if self._working or self._down or not (self._bets or self._controls):
            return
        self._working = True
        self._started_ns = int(self._env.now)
        if self._controls and (self._controls_next or not self._bets):
            control = self._controls.popleft()
            self._taken = control
            after(self._env, self._served_in(control.cost_ns()), self._step_done, self._life, control)
        else:
            self._taken = taken = self._take_bets()
            size = sum(len(batch.attempts) for batch in taken)
            cost_ns = self._draws.cycle_ns(self._draws.stages.batch, Stream.BATCH, self.number, size)
            depth = size + self.queued_bets
            after(self._env, self._served_in(cost_ns), self._bets_done, self._life, taken, size, depth)

    def _served_in(self, cost_ns: int) -> int:
        cost_ns += self._longer_ns
        self._work_ns += cost_ns
        self._ends_ns = int(self._env.now) + cost_ns
        return cost_ns

    def _take_bets(self) -> list[BetBatch]:
        taken = [self._bets.popleft()]
        size = len(taken[0].attempts)
        while self._bets and size + len(self._bets[0].attempts) <= self._draws.model.batch_bets_max:
            taken.append(self._bets.popleft())
            size += len(taken[-1].attempts)
        return taken

    def _bets_done(self, life: int, taken: Sequence[BetBatch], size: int, depth: int) -> None:
        if life != self._life:
            return
        now_ns = int(self._env.now)
        attempts = [attempt for batch in taken for attempt in batch.attempts]
        answers = self.ledger.place((attempt.as_bet() for attempt in attempts), self._started_ns)
        for attempt, answer in zip(attempts, answers, strict=True):
            attempt.answer = answer
            attempt.batch_started_ns, attempt.committed_ns = self._started_ns, now_ns
            attempt.batch_size, attempt.queue_depth = size, depth
            self._stays_ns += now_ns - attempt.wallet_received_ns
        self._presence.change(-size, now_ns)
        self.bets_placed += size
        for batch in taken:
            batch.reply()
        self._next(controls_next=True)

    def _step_done(self, life: int, control: Control) -> None:
        if life != self._life:
            return
        if not control.apply():
            self._controls.append(control)
        self._next(controls_next=False)

    def _next(self, *, controls_next: bool) -> None:
        self._busy_ns, self._working = self.busy_ns, False
        self._controls_next = controls_next
        self._work()


def _owners(bets: Sequence[Entry]) -> Int64s:
    return np.unique(np.array([bet.account for bet in bets], dtype=np.int64))
