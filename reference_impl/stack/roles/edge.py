"""``edge-<number>``: serves viewers from memory and reports its load."""

from reference_impl.stack.node import Node, Role
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.report import EdgeReporter


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    wiring = node.wiring
    told = EdgeConfig(
        node.name, "127.0.0.1", wiring.origin_port, wiring.playback_secret, port=wiring.edge_ports[node.number]
    )
    edge = Edge(told)
    node.load = lambda: edge.load
    return [edge, EdgeReporter(edge, node.number, node.bus)]
