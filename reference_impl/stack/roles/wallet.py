"""``wallet-<shard>``: the one writer of a shard."""

from reference_impl.stack.node import Node, Role
from reference_impl.wallet.service import Wallet


def build(node: Node) -> list[Role]:
    """Return the process's roles."""
    wallet = Wallet(node.number, node.wiring.dsns[node.number], node.bus, node.wiring.config.shards)
    node.load = lambda: wallet.load
    return [wallet]
