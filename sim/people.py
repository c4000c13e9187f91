"""What a scenario means for each of its people: how they bet, how good their device is, which storms they are in."""

from sim.random_streams import Stream, uniform
from sim.scenario import (
    HIGH_ROLLING,
    Arrival,
    Betting,
    Group,
    Kind,
    Pace,
    Scenario,
    Storm,
    bettors,
    others,
    viewers,
)  # fmt: skip


def numbers_by_kind(scenario: Scenario) -> dict[str, list[list[int]]]:
    """Return each kind's numbers as ranges, first and last; for a Run's manifest."""
    ranges: dict[str, list[list[int]]] = {}
    last = 0
    for group in bettors(scenario) + viewers(scenario) + others(scenario):
        first, last = last + 1, last + len(group.at_s)
        own = ranges.setdefault(str(group.kind), []) if last >= first else []
        if own and own[-1][1] == first - 1:
            own[-1][1] = last
        else:
            own.append([first, last])
    return ranges


def pace_of(scenario: Scenario) -> str:
    """Return ``open``, ``closed`` or ``mixed``: how the bets of a load are paced; for a Run's manifest."""
    groups = [group for group in bettors(scenario) if len(group.at_s)]
    paces = {str(betting_of(scenario, group).pace) for group in groups} or {str(Pace.OPEN)}
    return paces.pop() if len(paces) == 1 else "mixed"


def betting_of(scenario: Scenario, who: Arrival | Group) -> Betting:
    """Return how a person, or every one of a group, bets."""
    own = scenario.crowds[who.crowd].betting if who.crowd >= 0 else None
    return own or (HIGH_ROLLING if who.kind is Kind.HIGH_ROLLER else scenario.betting)


def late_s(scenario: Scenario, player: int) -> float:
    """Return by how much a player's screen and countdown are behind the table."""
    clients, stream = scenario.clients, int(Stream.LATENESS)
    if uniform(scenario.seed, stream, player, 0) >= clients.late_share:
        return 0.0
    return uniform(scenario.seed, stream, player, 1) * clients.late_ms_max / 1000


def storms_of(scenario: Scenario, arrival: Arrival) -> list[Storm]:
    """Return the storms that a player takes part in, in order of time. Whoever has not come yet misses a storm."""
    stream = int(Stream.STORM)
    taken = [
        storm
        for number, storm in enumerate(scenario.storms)
        if storm.table in {0, arrival.table}
        and storm.at_s > arrival.at_s
        and uniform(scenario.seed, stream, arrival.player, number) < storm.share
    ]
    return sorted(taken, key=lambda storm: storm.at_s)
