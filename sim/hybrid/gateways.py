"""All gateways of a crowd, as tables and faults speak to them."""

from typing import NamedTuple

import numpy as np
import simpy

from reference_impl.domain.phases import Phase
from reference_impl.domain.records import PushKind
from reference_impl.domain.windows import Told, opens_a_window
from sim.hybrid import planning, seats
from sim.hybrid.layout import ROUNDS_KEPT, SEEN_PUSH
from sim.hybrid.wallet import State
from sim.kernels import Int64s
from sim.operations import EPOCH, TableNews


class Frame(NamedTuple):
    """One frame that was pushed to many; fields as the columns of the Run's table."""

    kind: int
    table: int
    epoch: int
    seq: int
    round: int
    phase: int
    outcome: int


class CrowdGateways:
    """The gateways.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    state : State
        The world.
    """

    def __init__(self, env: simpy.Environment, state: State) -> None:
        self.frames: list[Frame] = []
        self._env = env
        self._state = state
        self._news: dict[int, TableNews] = {}
        self._note_who_is_up()

    def names_up(self) -> frozenset[str]:
        """Return the names of those that live."""
        return self._names_up

    def acknowledged(self, row: int) -> frozenset[str]:
        """Return who has acknowledged a round's cut-off since this was last asked."""
        cuts = self._state.world.cuts["acknowledged"][:, row]
        numbers = np.flatnonzero(cuts)
        cuts[:] = 0
        return _names(numbers)

    def announce(self, news: TableNews, awaited: int) -> None:
        """Broadcast a table event of a round in which so many gateways' acknowledgements are awaited."""
        w, row = self._state.world, self._state.slot(news.round_id)
        self._news[news.table] = news
        if news.phase is Phase.BETS_OPEN:
            w.rounds[row]["opens_ns"], w.rounds[row]["closes_ns"] = news.opens_ns, news.closes_ns
            w.rounds[row]["awaited"] = awaited
            before = row - row % ROUNDS_KEPT + (row - 1) % ROUNDS_KEPT
            if not w.books["count"][before].any():
                planning.retire(self._state.handle, before)
        frame = Frame(
            int(PushKind.TABLE), news.table, EPOCH, news.seq, news.round_id, int(news.phase), news.outcome
        )  # fmt: skip
        planning.announce(
            self._state.handle,
            self._state.fixed,
            row,
            news.seq,
            int(news.phase),
            self._frame(frame),
            int(self._env.now),
        )

    def pay(self, table: int, round_id: int, owners: Int64s, key: int) -> None:
        """Tell players that their bets were settled or voided."""
        frame = self._frame(Frame(int(PushKind.PAID), table, 0, 0, round_id, int(Phase.IDLE), -1))
        planning.tell_paid(
            self._state.world, self._state.fixed, table - 1, owners, key, frame, int(self._env.now)
        )  # fmt: skip

    def kill(self, number: int) -> None:
        """Let a gateway die: what it would still have pushed is never seen."""
        w, now_ns = self._state.world, int(self._env.now)
        seen = w.seen
        lost = (seen["kind"] == SEEN_PUSH) & (seen["b"] == number) & (seen["at_ns"] > now_ns)
        seen["kind"][lost] = 0
        seats.kill_gateway(self._state.handle, self._state.fixed, number, now_ns)
        self._note_who_is_up()

    def restart(self, number: int) -> None:
        """Let a gateway serve again, told by the dealer where each table stands."""
        tables = len(self._state.world.table_first) - 1
        rounds, phases, awaits = np.full(tables, -1, dtype=np.int64), *np.zeros((2, tables), dtype=np.int64)
        for news in self._news.values():
            if self._state.holds(news.round_id):
                at = news.table - 1
                rounds[at], phases[at] = self._state.slot(news.round_id), int(news.phase)
                awaits[at] = opens_a_window(None, Told(news.phase, news.round_id))
        now_ns = int(self._env.now)
        seats.restart_gateway(self._state.handle, number, rounds, phases, awaits, now_ns)
        self._note_who_is_up()

    def cut_offs(self) -> list[int]:
        """Return the cut-offs that the tables announced last."""
        return [news.closes_ns for news in self._news.values()]

    def _note_who_is_up(self) -> None:
        self._names_up = _names(np.flatnonzero(self._state.world.gateways["up"]))

    def _frame(self, frame: Frame) -> int:
        self.frames.append(frame)
        return len(self.frames) - 1


def _names(numbers: Int64s) -> frozenset[str]:
    return frozenset(f"gateway-{number}" for number in numbers.tolist())
