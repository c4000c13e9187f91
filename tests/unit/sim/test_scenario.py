"""Who comes to a scenario: numbers, kinds, tables, styles of betting, and who takes part in what."""

import pytest
from msgspec import structs

from sim.people import betting_of, late_s, numbers_by_kind, pace_of, storms_of
from sim.processes import Poisson
from sim.scenario import (
    HIGH_ROLLING,
    Betting,
    Clients,
    Crowd,
    Kind,
    Pace,
    Scenario,
    Storm,
    StormKind,
    Surge,
    arrivals,
    other_arrivals,
    people,
    viewer_arrivals,
)  # fmt: skip

MIXED = Scenario(
    players_per_table=3,
    viewers_per_table=1,
    edges=1,
    ramp_s=2.0,
    surges=(Surge(table=2, at_s=5.0, within_s=1.0, factor=2.0),),
    crowds=(
        Crowd(kind=Kind.ADVERSARY, count=1),
        Crowd(kind=Kind.HIGH_ROLLER, count=2, table=2, arrival=Poisson(start_s=3.0, within_s=4.0)),
        Crowd(kind=Kind.VIEWER, count=2, table=1),
        Crowd(count=1, betting=Betting(covers=True)),
    ),
)


def test_everybody_has_a_number_of_their_own_players_first_then_viewers_then_others() -> None:
    kinds = {arrival.player: arrival.kind for arrival in people(MIXED)}
    assert sorted(kinds) == list(range(1, 20))
    assert numbers_by_kind(MIXED) == {
        "bettor": [[1, 9], [12, 13]], "high-roller": [[10, 11]], "viewer": [[14, 17]], "adversary": [[18, 19]],
    }  # fmt: skip
    assert all(kinds[number] == kind for kind, ranges in numbers_by_kind(MIXED).items()
               for first, last in ranges for number in range(first, last + 1))  # fmt: skip


def test_a_crowd_comes_to_its_table_or_so_many_to_each() -> None:
    tables = {arrival.player: arrival.table for arrival in arrivals(MIXED) + viewer_arrivals(MIXED)}
    assert [tables[number] for number in (10, 11, 12, 13)] == [2, 2, 1, 2]
    assert [arrival.table for arrival in other_arrivals(MIXED)] == [1, 2]


def test_a_crowd_without_a_process_comes_evenly_during_the_ramp() -> None:
    crowd = structs.replace(MIXED, crowds=(Crowd(count=4, table=1),))
    assert [arrival.at_s for arrival in arrivals(crowd) if arrival.crowd == 0] == pytest.approx(
        [0.25, 0.75, 1.25, 1.75]
    )


def test_an_audience_leaves_the_numbers_of_those_who_bet_alone() -> None:
    more = (*MIXED.crowds, Crowd(kind=Kind.LOBBY_BROWSER, count=50), Crowd(kind=Kind.VIEWER, count=50))
    assert arrivals(structs.replace(MIXED, crowds=more)) == arrivals(MIXED)


def test_people_bet_as_their_crowd_says_or_as_their_kind_does() -> None:
    by_number = {arrival.player: betting_of(MIXED, arrival) for arrival in arrivals(MIXED)}
    assert by_number[1] == by_number[9] == MIXED.betting
    assert by_number[10] == HIGH_ROLLING
    assert by_number[12].covers


def test_the_pace_of_a_load_is_named_for_its_manifest() -> None:
    closed = Crowd(count=2, betting=Betting(pace=Pace.CLOSED))
    assert pace_of(MIXED) == "open"
    assert pace_of(structs.replace(MIXED, crowds=(closed,))) == "mixed"
    assert pace_of(structs.replace(MIXED, players_per_table=0, surges=(), crowds=(closed,))) == "closed"


def test_the_share_of_late_devices_is_late_by_up_to_the_limit() -> None:
    scenario = Scenario(clients=Clients(late_share=0.3, late_ms_max=400))
    late = [late_s(scenario, player) for player in range(1, 3001)]
    assert sum(value > 0 for value in late) / 3000 == pytest.approx(0.3, abs=0.03)
    assert 0.39 < max(late) <= 0.4


def test_a_storm_takes_its_share_of_its_table_and_nobody_who_has_not_come() -> None:
    storms = (
        Storm(kind=StormKind.RECONNECT, at_s=9.0),
        Storm(kind=StormKind.EXIT_TO_LOBBY, at_s=4.0, share=0.4, table=2),
    )
    scenario = Scenario(players_per_table=500, ramp_s=2.0, storms=storms, surges=(
        Surge(table=2, at_s=5.0, within_s=1.0, factor=2.0),
    ))  # fmt: skip
    taken = {arrival: storms_of(scenario, arrival) for arrival in arrivals(scenario)}
    assert all(struck[-1] == storms[0] for struck in taken.values())
    leaving = [arrival for arrival, struck in taken.items() if storms[1] in struck]
    assert {arrival.table for arrival in leaving} == {2}
    assert max(arrival.at_s for arrival in leaving) < 4.0
    assert len(leaving) == pytest.approx(200, abs=40)
    assert all(struck == sorted(struck, key=lambda storm: storm.at_s) for struck in taken.values())
