"""``dealer``: the rounds of all tables."""

from reference_impl.bets.dealer import Dealer, DealerConfig
from reference_impl.domain.records import PHASES
from reference_impl.stack.node import Node, Role


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    config = node.wiring.config
    told = DealerConfig(
        tuple(range(1, config.tables + 1)),
        config.shards,
        config.timing,
        config.timings,
        config.games,
        config.feed_dir,
        config.feed_s_max,
    )
    dealer = Dealer(told, node.bus, node.records(PHASES).append)
    node.load = lambda: dealer.load
    return [dealer]
