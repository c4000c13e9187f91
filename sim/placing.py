"""Who chooses gateways and edges in the simulations: the balancer's own policies, told what a model knows.

The models know every place's present sessions, and take all places for equally fit and quick.
"""

from collections.abc import Sequence

import numpy as np

from reference_impl.domain.balancing.choosing import copies_of
from reference_impl.domain.balancing.policies import Candidates, Policy, Rule, Wish
from sim.kernels import Int64s
from sim.scenario import Scenario, viewers


def chosen(
    policy: Policy, numbers: Sequence[int], loads: Sequence[float], key: int, copies: int, first: float, second: float
) -> int:
    """Return the index of the place that a policy chooses among those with these numbers and sessions."""
    ones = [1.0] * len(numbers)
    return policy.choose(Candidates(numbers, loads, ones, ones), Wish(key, copies, first, second))


def copies_by_table(scenario: Scenario) -> Int64s:
    """Return how large each table's replica set of edges is, by its viewers; shape (tables + 1,), tables from 1."""
    audience = np.zeros(scenario.tables + 1)
    for group in viewers(scenario):
        audience[group.table] += len(group.at_s)
    mean = audience.sum() / max(1, scenario.edges)
    copies: Int64s = np.array([copies_of(count, mean, max(1, scenario.edges)) for count in audience], dtype=np.int64)
    return copies


def orders_of(policy: Policy, keys: Sequence[int], numbers: Sequence[int]) -> Int64s:
    """Return each key's order of places, as indices; shape (keys, places), or (keys, 0) if the policy has no order."""
    order = policy.order if isinstance(policy, Rule) else None
    if order is None:
        return np.zeros((len(keys), 0), dtype=np.int64)
    return np.array([order(key, numbers) for key in keys], dtype=np.int64)
