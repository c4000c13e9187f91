"""``origin``: takes the studios' parts, serves edges and interactive viewers."""

from reference_impl.domain.video_records import PARTS
from reference_impl.stack.node import Node, Role
from reference_impl.streaming.config import OriginConfig
from reference_impl.streaming.origin import Origin


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    wiring = node.wiring
    told = OriginConfig(wiring.ingest_key, wiring.playback_secret, port=wiring.origin_port, live_port=wiring.live_port)
    origin = Origin(told, node.records(PARTS))
    node.load = lambda: origin.load
    return [origin]
