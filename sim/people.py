"""What a scenario means for each of its people: how they bet, how good their device is, which storms they are in."""

from sim.random_streams import Stream, uniform
from sim.scenario import (
    HIGH_ROLLING,
    Arrival,
    Betting,
    Kind,
    Pace,
    Scenario,
    Storm,
    arrivals,
    other_arrivals,
    viewer_arrivals,
)  # fmt: skip


def numbers_by_kind(scenario: Scenario) -> dict[str, list[list[int]]]:
    """Return each kind's numbers as ranges, first and last; for a Run's manifest."""
    ranges: dict[str, list[list[int]]] = {}
    for arrival in arrivals(scenario) + viewer_arrivals(scenario) + other_arrivals(scenario):
        own = ranges.setdefault(str(arrival.kind), [])
        if own and own[-1][1] == arrival.player - 1:
            own[-1][1] = arrival.player
        else:
            own.append([arrival.player, arrival.player])
    return ranges


def pace_of(scenario: Scenario) -> str:
    """Return ``open``, ``closed`` or ``mixed``: how the bets of a load are paced; for a Run's manifest."""
    paces = {str(betting_of(scenario, arrival).pace) for arrival in arrivals(scenario)} or {str(Pace.OPEN)}
    return paces.pop() if len(paces) == 1 else "mixed"


def betting_of(scenario: Scenario, arrival: Arrival) -> Betting:
    """Return how a person bets."""
    own = scenario.crowds[arrival.crowd].betting if arrival.crowd >= 0 else None
    return own or (HIGH_ROLLING if arrival.kind is Kind.HIGH_ROLLER else scenario.betting)


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
