"""``balancer-<number>``: balances if it holds the lease, and waits for it otherwise."""

from reference_impl.balancer.balancer import Balancer
from reference_impl.balancer.decisions import line_of
from reference_impl.balancer.reports import Reports
from reference_impl.stack.node import Node, Role


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    lines = node.lines("decisions")
    return [Balancer(node.bus, Reports(node.bus), node.name, lambda shifted: lines.append(line_of(shifted)))]
