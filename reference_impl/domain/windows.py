"""When a gateway first hears of a window: whoever takes bets of a window acknowledges its cut-off."""

from typing import NamedTuple

from reference_impl.domain.phases import Phase

TAKING = frozenset({Phase.BETS_OPEN, Phase.CLOSING_SOON, Phase.DECISIONS_OPEN})
"""Phases of an open window. Round trips are measured at them, where the close policy looks at those."""


class Told(NamedTuple):
    """What a table event says about a window."""

    phase: Phase
    round_id: int
    window: int = 0


def opens_a_window(known: Told | None, fresh: Told) -> bool:
    """Tell whether an event is the first of its window here; who comes in mid-window may hear of its end first."""
    if fresh.phase not in TAKING:
        return False
    return known is None or known.phase not in TAKING or known[1:] != fresh[1:]
