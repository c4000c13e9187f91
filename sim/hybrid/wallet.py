"""Wallet shards of a crowd: control requests in SimPy, bets in the kernels, followed players in the real ledger.

Everybody's balance is kept by the compiled kernels. Whatever happens to players who are followed is also written to
:class:`reference_impl.domain.ledger.Ledger`, and the two must agree to the letter.
"""

from collections.abc import Iterator

import numpy as np
import simpy

from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.games.game import Game
from reference_impl.domain.ids import round_no_of, table_of
from reference_impl.domain.journal import Bet
from sim.hybrid import planning
from sim.hybrid import shards as kernels
from sim.hybrid.handles import made
from sim.hybrid.layout import COMMITS, NONE, ROUNDS_KEPT, Setup, SetupHandle, World, WorldHandle
from sim.kernels import Int64s
from sim.laws import Books
from sim.operations import WINDOW, operation_ref
from sim.wallet import Control, Writer
from sim.wiring import OverloadError


class State:
    """The world and its setup, shared by all SimPy parts; arrays are replaced when a pool grows."""

    def __init__(self, world: World, setup: Setup) -> None:
        self.world = world
        self.setup = setup
        self.handle = made(WorldHandle, world)
        self.fixed = made(SetupHandle, setup)

    def replace(self, world: World) -> None:
        """Take a world whose pools have grown."""
        if world is not self.world:
            self.world, self.handle = world, made(WorldHandle, world)

    def slot(self, known: int) -> int:
        """Return a round's row; what was there four rounds ago gives way.

        Raises
        ------
        OverloadError
            If that has bets without an answer, or unsettled ones.
        """
        w = self.world
        row = (table_of(known) - 1) * ROUNDS_KEPT + round_no_of(known) % ROUNDS_KEPT
        if w.rounds[row]["id"] < known:
            left = max(planning.retire(self.handle, row), int(w.books["count"][row].sum()))
            if left:
                old, new = round_no_of(int(w.rounds[row]["id"])), round_no_of(known)
                raise OverloadError(
                    f"table {table_of(known)}: {left:,} bets of round {old} have no end when round {new} opens:"
                    f" {ROUNDS_KEPT} rounds are the most that a crowd's simulation keeps of a table; shorten the fault"
                    " that holds a shard up, raise shards, or lengthen the rounds"
                )
            w.rounds[row] = (known, table_of(known) - 1, 0, 0, 0, -1, 0, 0, 0, 0)
            w.books[row] = (0, 0, 0, -1, -1, 0)
            w.cuts["acknowledged"][:, row] = 0
        return row

    def holds(self, known: int) -> bool:
        """Tell whether a round still has its row."""
        row = (table_of(known) - 1) * ROUNDS_KEPT + round_no_of(known) % ROUNDS_KEPT
        return bool(self.world.rounds[row]["id"] == known)


class CrowdShard(Writer):
    """One shard.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    number : int
        The shard.
    state : State
        The world.
    """

    def __init__(self, env: simpy.Environment, number: int, state: State) -> None:
        super().__init__(env, number)
        self._state = state
        self._current: Control | None = None

    def books(self) -> Books:
        """Return what the laws are checked by; its customers are bets, those that are asked for again included."""
        now_ns, row = int(self._env.now), self._state.world.shards[self.number]
        working = bool(row["working"])
        inside_ns = int(row["inside_ns"]) + int(row["here"]) * (now_ns - int(row["since_ns"]))
        return Books(
            self.name, work=int(row["work_ns"]) - working * max(0, int(row["ends_ns"]) - now_ns),
            busy=int(row["busy_ns"]) + working * (now_ns - int(row["started_ns"])), inside=inside_ns,
            stays=int(row["stays_ns"]) + sum(now_ns - received_ns for received_ns in self._waiting()),
        )  # fmt: skip

    def _waiting(self) -> Iterator[int]:
        """Return when the bets that are here came."""
        w = self._state.world
        row = w.shards[self.number]
        for first in (row["taken"] if row["working"] == 1 else NONE, row["first"]):
            for parcel in _chain(w.parcels["next"], int(first)):
                for attempt in _chain(w.attempts["next"], int(w.parcels["first"][parcel])):
                    yield int(w.attempts["wallet_received_ns"][attempt])

    def ask(self, control: Control) -> None:
        """Queue a control request."""
        self._controls.append(control)
        w = self._state.world
        w.shards[self.number]["controls"] += 1
        kernels.work(self._state.handle, self._state.fixed, self.number, int(self._env.now))

    def begin_control(self, life: int) -> None:
        """Let the next control step take its time."""
        w = self._state.world
        if w.shards[self.number]["life"] == life:
            self._current = self._controls.popleft()
            kernels.control_started(self._state.handle, self.number, self._current.cost_ns(), int(self._env.now))

    def end_control(self, life: int) -> None:
        """Carry a control step out."""
        if self._state.world.shards[self.number]["life"] != life or self._current is None:
            return
        control, self._current = self._current, None
        if not control.apply():
            self._controls.append(control)
            self._state.world.shards[self.number]["controls"] += 1
        kernels.finish_call(self._state.handle, self._state.fixed, self.number, 0, int(self._env.now))

    def kill(self) -> None:
        """Stop; the call under way has no effect and is repeated after :meth:`restart`."""
        if kernels.kill_shard(self._state.handle, self.number, int(self._env.now)) and self._current is not None:
            self._controls.appendleft(self._current)
            self._current = None

    def restart(self) -> None:
        """Serve again, once everything that the shard needs is back."""
        w = self._state.world
        w.shards[self.number]["down"] -= 1
        kernels.work(self._state.handle, self._state.fixed, self.number, int(self._env.now))

    def open_window(self, known: int, until_ns: int) -> None:
        """Open a round's window."""
        book = self._state.world.books[self._state.slot(known), self.number]
        if not book["known"]:
            book["known"], book["until_ns"] = 1, until_ns
            self._state.world.shards[self.number]["seq"] += 1
        self.ledger.open_window(self.new_ref(), known, WINDOW, until_ns)

    def close_window(self, known: int) -> bytes:
        """Close a round's window; return the number of its journal entry."""
        w = self._state.world
        book = w.books[self._state.slot(known), self.number]
        if not book["closed"]:
            w.shards[self.number]["seq"] += 1
            book["closed"] = 1
        self.ledger.close_window(self.new_ref(), known, WINDOW)
        return int(w.shards[self.number]["seq"]).to_bytes(8, "big")

    def unsettled(self, known: int) -> int:
        """Return how many bets of a round have no end yet."""
        return int(self._state.world.books[self._state.slot(known), self.number]["count"])

    def settle(self, known: int, game: Game, outcome: int, limit: int) -> Int64s:
        """Settle a round's first unsettled bets; return whose they were."""
        w, row = self._state.world, self._state.slot(known)
        rows = kernels.accepted(self._state.handle, row, self.number, limit)
        selections, stakes = w.bets["selection"][rows].astype(np.int64), w.bets["amount"][rows].astype(np.int64)
        amounts = game.payouts_minor(selections, stakes, outcome)
        followed = self._followed(rows)
        paid = [(self._ref(bet), int(w.bets["player"][bet]), int(amounts[i])) for i, bet in followed]
        kernels.pay_out(self._state.handle, row, self.number, rows, amounts)
        w.shards[self.number]["seq"] += 1 if len(rows) else 0
        if paid:
            self.ledger.settle(known, paid)
        return np.unique(w.bets["player"][rows]).astype(np.int64)

    def void(self, known: int) -> Int64s:
        """Return the stakes of a round's bets; return whose they were."""
        w, row = self._state.world, self._state.slot(known)
        book = w.books[row, self.number]
        if book["known"]:
            self.close_window(known)
        rows = kernels.accepted(self._state.handle, row, self.number, int(book["count"]))
        kernels.pay_out(self._state.handle, row, self.number, rows, w.bets["amount"][rows])
        self.ledger.void(known)
        return np.unique(w.bets["player"][rows]).astype(np.int64)

    def commit(self, bet: int, late: bool, started_ns: int) -> None:  # noqa: FBT001 - as the kernel noted it
        """Write a followed player's bet to the ledger.

        Raises
        ------
        InvariantViolationError
            If the ledger's answer is not the kernel's.
        """
        row = self._state.world.bets[bet]
        wish = Bet(
            self._ref(bet), int(row["player"]), int(self._state.world.rounds[row["round"]]["id"]), WINDOW,
            int(row["selection"]), int(row["amount"]), late,
        )  # fmt: skip
        (answer,) = self.ledger.place([wish], started_ns)
        mine = (int(row["placed"]), int(row["balance"]), int(row["version"]))
        if (int(answer.status), answer.balance, answer.version) != mine:
            raise InvariantViolationError(f"bet {wish}: the ledger answers {answer}, the kernel {mine}")
        row["seq"] = answer.seq

    def _followed(self, rows: Int64s) -> list[tuple[int, int]]:
        w = self._state.world
        mask = w.players["followed"][w.bets["player"][rows]] > 0
        return list(zip(np.flatnonzero(mask).tolist(), rows[mask].tolist(), strict=True))

    def _ref(self, bet: int) -> bytes:
        row = self._state.world.bets[bet]
        return operation_ref(self._state.setup.seed, int(row["player"]), int(row["number"]))


def _chain(following: Int64s, first: int) -> Iterator[int]:
    """Return a list's rows; each names the next one."""
    while first >= 0:
        yield first
        first = int(following[first])


def write_commits(state: State, shards: list[CrowdShard]) -> None:
    """Write what the kernels committed for followed players to the ledgers, in order."""
    w = state.world
    for bet, late, started_ns in w.commits[: w.counts[COMMITS]].tolist():
        shards[w.players["shard"][w.bets["player"][bet]]].commit(bet, bool(late), started_ns)
    w.counts[COMMITS] = 0
