"""Somebody who looks round: reads the lobby every few seconds, opens a table now and then, leaves it, never bets."""

from typing import Final

from loadtest.users.bettor import PlayerScript
from reference_impl.domain.table_messages import TableEvent
from reference_impl.domain.units import NS_PER_S
from sim.random_streams import Stream, uniform

LOOK_EVERY_S: Final = 2.0
LOOKS_MAX: Final = 4
STAY_S_MAX: Final = 6.0
"""How often, how many times at most before a table is opened, and how long it is watched at most. Assumptions."""


class BrowserScript(PlayerScript):
    """One lobby browser. Parameters are those of :class:`PlayerScript`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._visits = 0
        self._leaves_ns = 0

    def table_event(self, event: TableEvent, heard_ns: int) -> bool:  # noqa: ARG002 - as the others
        """Watch what happens; there is nothing to do."""
        return False

    def lobby_looks(self, now_ns: int) -> list[int]:
        """Return when the lobby is looked at before the next table is opened, and choose that table."""
        self._visits += 1
        looks = 1 + int(self._drawn(0) * LOOKS_MAX)
        self.table = 1 + int(self._drawn(1) * self.scenario.tables)
        times_ns = [now_ns + round(look * LOOK_EVERY_S * NS_PER_S) for look in range(looks)]
        self._leaves_ns = times_ns[-1] + round(self._drawn(2) * STAY_S_MAX * NS_PER_S)
        return [at_ns for at_ns in times_ns if at_ns < self.load_end_ns]

    def overdue(self, now_ns: int) -> bool:
        """Tell whether it is time to leave the table for the lobby."""
        return self._leaves_ns <= now_ns < self.load_end_ns

    def wake_ns(self, now_ns: int) -> int:
        """Return when there is something to do even if nothing arrives."""
        return min(super().wake_ns(now_ns), max(self._leaves_ns, now_ns + 1))

    def _drawn(self, what: int) -> float:
        return uniform(self.scenario.seed, int(Stream.VISIT), self.arrival.player, self._visits * 3 + what)
