"""What a check says of tables that were changed."""

from histories import MS

from reference_impl.domain.bets import TableLimits
from reference_impl.domain.games.roulette import SPOTS
from reports.checks import CHECKS, History
from reports.checks.history import Terms
from reports.run import frame_of

LIMITS = TableLimits(stake_minor_min=1, stake_minor_max=100_000, n_selections=len(SPOTS))


def verdict_of(name, tables):
    return CHECKS[name].function(History(tables, terms=Terms(limits=LIMITS)))


def with_terms(name, tables, **terms):
    return CHECKS[name].function(History(tables, terms=Terms(limits=LIMITS, **terms)))


def a_fault(tables, target, at_ns):
    faults = {"t_ns": [at_ns], "kind": ["kill"], "target": [target], "recovered_ns": [at_ns + MS]}
    tables["faults"] = frame_of("faults", faults)
