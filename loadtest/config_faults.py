"""What may be wrong with the faults of a campaign file, and faults by chance dealt out."""

from collections.abc import Iterator

from msgspec import structs

from loadtest.config_keys import nearest
from reference_impl.domain.errors import ConfigError
from sim.fault_kinds import KINDS, PARAMETERS, Fault, FaultKind
from sim.fault_schedule import read_strike, schedule
from sim.scenario import Campaign, Scenario


def fault_targets(scenario: Scenario) -> list[str]:
    """Return the names of the processes that a campaign may break."""
    gateways = [f"gateway-{number}" for number in range(scenario.gateways)]
    wallets = [f"wallet-{number}" for number in range(scenario.shards)]
    return ["postgres", "nats", *wallets, *gateways, "dealer", "services", *_video_processes(scenario)]


def with_random_faults(scenario: Scenario, seed: int | None = None) -> Scenario:
    """Return a scenario whose faults by chance are dealt out among the others, by their own seed or by this one.

    Raises
    ------
    ConfigError
        If they cannot be.
    """
    asked = scenario.random_faults
    if asked is None:
        return scenario
    targets = fault_targets(scenario)
    for index, text in enumerate(asked.strikes):
        try:
            read_strike(text, targets)
        except ValueError as error:
            raise ConfigError(f"scenario.random_faults.strikes[{index}] = {error}") from None
    if asked.for_s_min > asked.for_s_max:
        raise ConfigError(
            f"scenario.random_faults.for_s_min = {asked.for_s_min:g}: must not exceed for_s_max = {asked.for_s_max:g}"
        )
    if seed is not None:
        asked = structs.replace(asked, seed=seed)
    dealt = scenario.faults + schedule(asked, targets)
    return structs.replace(scenario, faults=tuple(sorted(dealt, key=lambda fault: fault.at_s)), random_faults=None)


def fault_problems(campaign: Campaign) -> Iterator[str]:
    """Yield what is wrong with a campaign's faults, a line each."""
    scenario = campaign.scenario
    targets = fault_targets(scenario)
    for index, fault in enumerate(scenario.faults):
        for problem in _one(fault, scenario, targets):
            yield f"scenario.faults[{index}].{problem}"
    for index, name in enumerate(campaign.allow_skipped):
        if name not in set(FaultKind):
            yield f"allow_skipped[{index}] = '{name}': there is no such kind of fault{nearest(name, FaultKind)}"


def target_problems(fault: Fault, targets: list[str]) -> Iterator[str]:
    """Yield what is wrong with what a fault strikes."""
    kind = KINDS[fault.kind]
    if fault.target not in targets:
        yield f"target = '{fault.target}': there is no such process, known are {', '.join(targets)}"
    elif not kind.can_strike(fault.target):
        yield f"target = '{fault.target}': {fault.kind} strikes only {', '.join(kind.strikes)}"


def parameter_problems(fault: Fault) -> Iterator[str]:
    """Yield what a fault is not told though it needs it, and what it is told though it knows no such thing."""
    kind = KINDS[fault.kind]
    for key in PARAMETERS:
        value = getattr(fault, key)
        if key in kind.takes and not value:
            yield f"{key} = {value:g}: {fault.kind} needs it"
        if value and key not in kind.takes + kind.may_take:
            yield f"{key} = {value:g}: {fault.kind} knows no such thing"


def _one(fault: Fault, scenario: Scenario, targets: list[str]) -> Iterator[str]:
    yield from target_problems(fault, targets)
    if fault.at_s >= scenario.load_s:
        yield f"at_s = {fault.at_s:g}: must be less than load_s = {scenario.load_s:g}"
    elif fault.at_s + fault.for_s > scenario.load_s:
        yield f"for_s = {fault.for_s:g}: it would last beyond load_s = {scenario.load_s:g}"
    if fault.before_close_ms and fault.after_close_ms:
        yield f"after_close_ms = {fault.after_close_ms}: before_close_ms is given too; one of them is enough"
    yield from parameter_problems(fault)


def _video_processes(scenario: Scenario) -> list[str]:
    if not scenario.edges:
        return []
    studios = [f"studio-{table}" for table in range(1, scenario.tables + 1)]
    return [*studios, "origin", *(f"edge-{number}" for number in range(scenario.edges))]
