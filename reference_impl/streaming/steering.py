"""What an edge knows of the other edges, and the steering manifests that it serves from that.

Edges hear each other's load reports, which count connections; one that has been silent for `SILENT_S_MAX` is no pathway
any more. The balancer's map says what each edge is fit for: one that is worth half of the others counts as twice as
crowded. While there is no balancer, its last map serves.
"""

import hashlib
from urllib.parse import parse_qsl, urlsplit

import msgspec

from reference_impl.domain.balance_messages import BalanceMap, EdgeReport, Fence
from reference_impl.domain.hls_steering import CONNECTIONS_A_VIEWER, Pathway, manifest

STEERING_MANIFEST = "steering.json"
SILENT_S_MAX = 3.0
PATHWAYS_MAX = 16


class Pathways:
    """The other edges, by their last reports.

    Parameters
    ----------
    own : str
        The name of the edge that listens: its own reports do not count.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._heard: dict[str, tuple[float, str, int]] = {}
        self._weights: dict[str, float] = {}
        self._fence = Fence()

    def hear(self, report: EdgeReport, now_s: float) -> None:
        """Take another edge's report; beyond `PATHWAYS_MAX` edges, new ones are not taken."""
        if report.edge != self._own and (report.edge in self._heard or len(self._heard) < PATHWAYS_MAX):
            self._heard[report.edge] = (now_s, urlsplit(report.url).netloc, report.connections)

    def weigh(self, known: BalanceMap) -> None:
        """Take the balancer's map."""
        if self._fence.admits(known.epoch):
            self._weights = {name: seen.weight for name, seen in known.edges.items() if seen.weight > 0}

    def alive(self, now_s: float) -> dict[str, Pathway]:
        """Return the edges that were heard lately; the others are forgotten."""
        self._heard = {name: heard for name, heard in self._heard.items() if now_s - heard[0] <= SILENT_S_MAX}
        return {
            name: Pathway(host, self._viewers(name, connections))
            for name, (_, host, connections) in self._heard.items()
        }

    def _viewers(self, edge: str, connections: int) -> int:
        return round(connections / CONNECTIONS_A_VIEWER / self._weights.get(edge, 1.0))

    def manifest(self, viewer: str, query: str, connections: int, now_s: float) -> bytes:
        """Return the steering manifest for a viewer.

        Parameters
        ----------
        viewer : str
            The viewer's token: it decides, always alike, who goes first.
        query : str
            The request's query, in which players name their pathway.
        connections : int
            Connections to this edge.
        now_s : float
            Monotonic seconds.
        """
        at = dict(parse_qsl(query)).get("_HLS_pathway", "").strip('"')
        uniform = int.from_bytes(hashlib.sha256(viewer.encode()).digest()[:8], "big") / 2**64
        return msgspec.json.encode(manifest(self._viewers(self._own, connections), self.alive(now_s), at, uniform))
