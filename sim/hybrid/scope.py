"""What a crowd's simulation does not carry out; the model of single players does, or says that it does not."""

from collections.abc import Iterator

from reference_impl.domain.balancing.policies import Rule, policy_of
from reference_impl.domain.cutoff import ClosePolicy
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import game_at
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.round_timing import timing_at
from sim.scenario import Choosing, Kind, Ladder, Pace, Scenario, bettors, size_of

CROWD_KINDS = frozenset({Kind.BETTOR, Kind.VIEWER})


def refuse_what_no_crowd_has(scenario: Scenario) -> None:
    """Refuse a scenario that a crowd's simulation would get wrong.

    Raises
    ------
    ConfigError
        Names the first key, its value and what is possible.
    """
    for key, value, possible in _strangers(scenario):
        raise ConfigError(f"scenario.{key} is {value}: a crowd's simulation takes only {possible}")


def _strangers(scenario: Scenario) -> Iterator[tuple[str, object, str]]:
    tables = range(1, scenario.tables + 1)
    timing = timing_at(scenario.timing, scenario.timings, 1)
    for table in tables:
        if (game := game_at(scenario.games, table)) is not ROULETTE:
            yield "games", game.name, ROULETTE.name
        if timing_at(scenario.timing, scenario.timings, table) != timing:
            yield "timings", f"another for table {table} than for table 1", "equal timings"
    if timing.close_policy is not ClosePolicy.SERVER:
        key = "timings" if scenario.timings else "timing"
        yield f"{key}.close_policy", timing.close_policy, ClosePolicy.SERVER
    if scenario.betting.pace is not Pace.OPEN:
        yield "betting.pace", scenario.betting.pace, Pace.OPEN
    if scenario.clients.late_share:
        yield "clients.late_share", scenario.clients.late_share, "0"
    yield from _strange_crowds(scenario)


def _strange_crowds(scenario: Scenario) -> Iterator[tuple[str, object, str]]:
    if scenario.ladder is not Ladder.SMALL:
        yield "ladder", scenario.ladder, Ladder.SMALL
    if scenario.viewing.rule is not Choosing.THROUGHPUT:
        yield "viewing.rule", scenario.viewing.rule, Choosing.THROUGHPUT
    for number, crowd in enumerate(scenario.crowds):
        if crowd.kind not in CROWD_KINDS:
            yield f"crowds[{number}].kind", crowd.kind, " and ".join(sorted(CROWD_KINDS))
        if crowd.betting not in {None, scenario.betting}:
            yield f"crowds[{number}].betting", "its own", "the scenario's"
    if isinstance(policy := policy_of(scenario.balancer.policy), Rule) and policy.order is not None:
        yield "balancer.policy", scenario.balancer.policy, "one that looks at loads alone"
    if scenario.storms:
        yield "storms", f"{len(scenario.storms)} of them", "none"
    if not size_of(bettors(scenario)):
        yield "players_per_table", "0 and no crowd bets", "players"
