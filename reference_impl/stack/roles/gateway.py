"""``gateway-<number>``: players' sockets."""

from reference_impl.bets.bet_metrics import BetMetrics
from reference_impl.bets.gateway import Gateway, GatewayConfig
from reference_impl.domain.records import STAGES
from reference_impl.stack.node import Node, Role


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    wiring, config = node.wiring, node.wiring.config
    told = GatewayConfig(
        node.name, node.number, wiring.gateway_ports[node.number], config.shards, config.tables, config.limits,
        wiring.ticket_secret, wiring.origins, frozenset(config.collecting),
    )  # fmt: skip
    metrics = BetMetrics()
    gateway = Gateway(told, node.bus, node.records(STAGES, metrics.look_at).append, metrics)
    node.load = lambda: gateway.load
    node.families = gateway.families
    return [gateway]
