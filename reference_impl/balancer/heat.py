"""How hot tables are, and how hot they are about to be: learned from reports, over each table's own cycle.

The work of a session is one (its share of what everybody hears) and its bets. What a table's sessions will bet in the
coming seconds is what they bet at this point of the rounds before (:mod:`reference_impl.domain.balancing.heat`).
"""

from collections.abc import Mapping

from reference_impl.domain.balancing.heat import BINS, bin_of, coming_heat, heat_next, mean_heat
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEvent

CYCLE_S_FIRST = 30.0
"""Assumed of a table of which only one round was seen."""
HEARD_S = 1.0


class TableHeat:
    """One table's cycle and profile."""

    def __init__(self) -> None:
        self._profile = [-1.0] * BINS
        self._cycle_s = CYCLE_S_FIRST
        self._opened_s: float | None = None
        self._bin = -1
        self._bets = 0
        self._session_s = 0.0

    def opened(self, now_s: float) -> None:
        """Note that a round opened."""
        if self._opened_s is not None and now_s > self._opened_s:
            self._cycle_s = now_s - self._opened_s
        self._opened_s = now_s

    def heard(self, watchers: int, bets: int, now_s: float) -> None:
        """Take what a gateway said of the last second."""
        if self._opened_s is None:
            return
        now = bin_of(now_s - self._opened_s, self._cycle_s)
        if now != self._bin:
            if self._bin >= 0 and self._session_s > 0:
                seen = self._bets / self._session_s
                self._profile[self._bin] = heat_next(self._profile[self._bin], seen)
            self._bin, self._bets, self._session_s = now, 0, 0.0
        self._bets += bets
        self._session_s += watchers * HEARD_S

    def ahead(self, now_s: float) -> float:
        """Return a session's coming work over its usual work, 1 if nothing is known yet."""
        if self._opened_s is None:
            return 1.0
        now = bin_of(now_s - self._opened_s, self._cycle_s)
        return (1.0 + coming_heat(self._profile, now, self._cycle_s)) / (1.0 + mean_heat(self._profile))


class Heats:
    """All tables' heat."""

    def __init__(self) -> None:
        self._tables: dict[int, TableHeat] = {}

    def event(self, event: TableEvent, now_s: float) -> None:
        """Take a table's event."""
        if event.phase == Phase.BETS_OPEN:
            self._of(event.table).opened(now_s)

    def heard(self, tables: Mapping[int, int], bets: Mapping[int, int], now_s: float) -> None:
        """Take a gateway's watchers and bets by table."""
        for table, watchers in tables.items():
            self._of(table).heard(watchers, bets.get(table, 0), now_s)

    def load(self, tables: Mapping[int, int], connections: int, now_s: float) -> float:
        """Return what a gateway's sessions will ask for, in sessions of usual work."""
        told = sum(tables.values())
        hot = sum(watchers * self._of(table).ahead(now_s) for table, watchers in tables.items())
        return hot + max(0, connections - told)

    def _of(self, table: int) -> TableHeat:
        return self._tables.setdefault(table, TableHeat())
