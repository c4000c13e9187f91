"""A player who tries to bet after the fact: by guessing the cut-off, after hearing of it, and after seeing the outcome.

Each round it sends three bets. A *probe* searches the last instant at which a bet is still taken, by bisection over
the rounds: after an accepted probe the next one comes later, after a refused one earlier. A *deaf* bet is sent when
the player was told that no more bets are taken, a *seer's* when it was told the outcome, on what pays most. In
every other round it leaves unread whatever arrives around the close, as a client does that would have its connection
look slow: a system that granted such clients more time would take its probes later.

What it gains is for the Run to say (:mod:`reports.users`): nothing is expected.
"""

from collections.abc import Iterator
from typing import Final

from loadtest.operations import Operation
from loadtest.recorder import Returned
from loadtest.users.bettor import PlayerScript
from reference_impl.domain.bets import Status
from reference_impl.domain.games.catalogue import game_at
from reference_impl.domain.ids import round_no_of
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import BetAnswer
from reference_impl.domain.records import OpKind
from reference_impl.domain.table_messages import TableEvent
from reference_impl.domain.units import NS_PER_MS, NS_PER_S

SEARCH_NS: Final = (-200 * NS_PER_MS, 400 * NS_PER_MS)
"""The last accepted probe is looked for within this distance of the announced cut-off."""

DEAF_BEFORE_NS: Final = 300 * NS_PER_MS
DEAF_AFTER_NS: Final = 700 * NS_PER_MS

_TOLD_CLOSED: Final = frozenset({Phase.NO_MORE_BETS, Phase.CLOSING, Phase.BETS_CLOSED})


class AdversaryScript(PlayerScript):
    """One late-betting adversary. Parameters are those of :class:`PlayerScript`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accepted_ns, self._refused_ns = SEARCH_NS
        self._probes: dict[bytes, int] = {}
        self._closes_ns = 0
        self._tried: set[tuple[int, bool]] = set()

    def table_event(self, event: TableEvent, heard_ns: int) -> bool:
        """Take a table event, and bet on what it has made too late; it may always be time to be deaf."""
        super().table_event(event, heard_ns)
        if event.phase in _TOLD_CLOSED:
            self._try_late(event, 0, heard_ns)
        elif event.outcome >= 0:
            game = game_at(self.scenario.games, event.table)
            self._try_late(event, int(game.odds(event.outcome).argmax()), heard_ns)
        return True

    def answered(self, answer: BetAnswer, now_ns: int, kernel_ns: int) -> tuple[Operation, Returned] | None:
        """Take an answer; that of a probe narrows the search."""
        ended = super().answered(answer, now_ns, kernel_ns)
        offset_ns = self._probes.pop(ended[0].ref, None) if ended else None
        if offset_ns is None:
            return ended
        if answer.status == Status.ACCEPTED:
            self._accepted_ns = max(self._accepted_ns, offset_ns)
        elif answer.status == Status.WINDOW_CLOSED:
            self._refused_ns = min(self._refused_ns, offset_ns)
        return ended

    def deaf_until_ns(self, now_ns: int) -> int:
        """Return until when the player leaves unread what arrives."""
        deaf = round_no_of(self._round) % 2 and self._closes_ns - DEAF_BEFORE_NS <= now_ns
        return max(now_ns, self._closes_ns + DEAF_AFTER_NS) if deaf else now_ns

    def _plan(self, event: TableEvent, heard_ns: int) -> Iterator[Operation]:
        self._closes_ns = self.clock.to_monotonic(event.closes_at_unix_ns)
        offset_ns = (self._accepted_ns + self._refused_ns) // 2
        due_ns = self._closes_ns + offset_ns
        if heard_ns < due_ns < self.load_end_ns:
            op = self._bet(event, 0, due_ns)
            self._probes[op.ref] = offset_ns
            yield op

    def _try_late(self, event: TableEvent, selection: int, heard_ns: int) -> None:
        key = (event.round, event.outcome >= 0)
        if key not in self._tried and heard_ns < self.load_end_ns:
            self._tried.add(key)
            self._planned.append(self._bet(event, selection, heard_ns))
            self._planned.sort(key=lambda op: op.due_ns)

    def _bet(self, event: TableEvent, selection: int, due_ns: int) -> Operation:
        op = self.new_operation(OpKind.BET, due_ns)
        op.round_id, op.window, op.closes_ns = event.round, event.window, due_ns + NS_PER_S
        op.selection, op.amount_minor = selection, self.scenario.betting.stake_minor_min
        return op
