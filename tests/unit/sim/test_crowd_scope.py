"""What a crowd's simulation cannot carry out is refused before it begins, by the key's name."""

import pytest
from msgspec import structs

from reference_impl.domain.cutoff import ClosePolicy
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.round_timing import Timing
from sim.hybrid.scope import refuse_what_no_crowd_has
from sim.hybrid.system import Crowd
from sim.parameters import Model
from sim.plan import parse_limit, plan
from sim.scenario import Betting, Clients, Kind, Ladder, Pace, Scenario, Storm, StormKind
from sim.scenario import Crowd as People

PLAIN = Scenario()
LIMIT = parse_limit("bet.p99_ms <= 250")
SHORT = Timing(window_ms=3000)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"games": ("roulette", "baccarat")}, "scenario.games is baccarat: .* only roulette"),
        ({"timings": (Timing(), SHORT)}, "scenario.timings is another for table 2 than for table 1: .* equal timings"),
        ({"timing": Timing(close_policy=ClosePolicy.GRACE)}, "scenario.timing.close_policy is"),
        ({"betting": Betting(pace=Pace.CLOSED)}, "scenario.betting.pace is closed: .* only open"),
        ({"edges": 1, "ladder": Ladder.LOWEST}, "scenario.ladder is lowest: .* only small"),
        ({"clients": Clients(late_share=0.5)}, "scenario.clients.late_share is 0.5: .* only 0"),
        ({"crowds": (People(count=3), People(kind=Kind.ADVERSARY, count=1))}, r"crowds\[1\].kind is adversary"),
        ({"crowds": (People(kind=Kind.HIGH_ROLLER, count=1),)}, r"crowds\[0\].kind is high-roller: .* bettor and"),
        ({"crowds": (People(count=3, betting=Betting(covers=True)),)}, r"scenario.crowds\[0\].betting is its own"),
        ({"storms": (Storm(kind=StormKind.RECONNECT, at_s=1.0),)}, "scenario.storms is 1 of them: .* only none"),
        ({"players_per_table": 0}, "scenario.players_per_table is 0 and no crowd bets"),
    ],
)  # fmt: skip
def test_a_scenario_that_a_crowd_would_get_wrong_is_refused_by_key(changes, says):
    scenario = structs.replace(PLAIN, **changes)
    for begin in (refuse_what_no_crowd_has, lambda s: Crowd(s, Model(), {}), lambda s: plan(s, Model(), [LIMIT])):
        with pytest.raises(ConfigError, match=says):
            begin(scenario)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"timings": (SHORT, SHORT)},
        {"betting": Betting(covers=True)},
        {"crowds": (People(count=3), People(kind=Kind.VIEWER, count=2))},
    ],
)
def test_what_a_crowd_carries_out_is_taken(changes):
    refuse_what_no_crowd_has(structs.replace(PLAIN, **changes))
