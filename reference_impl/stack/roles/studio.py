"""``studio-<table>``: camera, encoder and packager of a table. The only process that loads the encoder."""

from reference_impl.domain.video_records import DROPS, SCENES
from reference_impl.stack.node import Node, Role
from reference_impl.streaming.studio import Studio


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    wiring = node.wiring
    ingest_url = f"ws://127.0.0.1:{wiring.live_port}/ingest"
    studio = Studio(
        node.number,
        wiring.config.video,
        ingest_url,
        wiring.ingest_key,
        nats=node.bus,
        sink=node.records(SCENES),
        drops=node.records(DROPS),
    )
    node.load = lambda: studio.load
    return [studio]
