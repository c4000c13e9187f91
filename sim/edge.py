"""An edge in simulated time: one core, one link, a cache, and one request upstream however many wait for it.

A request costs CPU to read and CPU to answer, and then the answer shares the link with all others that are under way.
Its first bytes leave at once, whatever else is on the link: a viewer sees a crowded link as a slow one. A failed fetch
is answered with 502 and kept by nobody.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

import simpy

from reference_impl.domain.hls_steering import CONNECTIONS_A_VIEWER
from reference_impl.domain.records import CacheState
from reference_impl.domain.units import NS_PER_S
from sim.draws import Draws
from sim.laws import Books
from sim.link import Link
from sim.origin import Answer, Origin, Wish
from sim.random_streams import Stream
from sim.server import Server, after

CACHE_BYTES_MAX = 64 * 1024 * 1024
ENTRY_BYTES = 1024
"""What an object costs in memory beside its body."""

REPORT_NS = NS_PER_S
REPORT_NS_MAX = 3 * NS_PER_S
"""An edge reports so often; one that has been silent for so long gets no more viewers."""


class Served(NamedTuple):
    """An answer whose last byte has left: how the edge came by it, and when its first byte left."""

    answer: Answer
    cache: CacheState
    first_ns: int


Reply: TypeAlias = Callable[[Served], None]


class Edge:
    """One edge process.

    Parameters
    ----------
    env : simpy.Environment
        Simulated time.
    number : int
        The edge.
    draws : Draws
        Stage times.
    origin : Origin
        Where objects come from.
    """

    def __init__(self, env: simpy.Environment, number: int, draws: Draws, origin: Origin) -> None:
        self.number = number
        self.name = f"edge-{number}"
        self.up = True
        self.requests = 0
        self.egress_bytes = 0
        self.placed_since = 0
        self.reported_connections = 0
        self.links = 0  # connections to the origin: kept, so as many as were ever needed at once
        self.server = Server(env)
        self.viewers: dict[int, Callable[[], None]] = {}
        self._env = env
        self._draws = draws
        self._origin = origin
        self._link = Link(env)
        self._life = 0
        self._reported_ns = 0
        self._cache: OrderedDict[Wish, tuple[Answer, int]] = OrderedDict()
        self._cached_bytes = 0
        self._flights: dict[Wish, list[tuple[Reply, CacheState]]] = {}

    @property
    def connections(self) -> int:
        """Open connections."""
        return CONNECTIONS_A_VIEWER * len(self.viewers)

    @property
    def fetching(self) -> int:
        """Objects that are being fetched."""
        return len(self._flights)

    @property
    def listed(self) -> bool:
        """Whether the balancer believes that it is alive."""
        return int(self._env.now) < self._reported_ns + REPORT_NS_MAX

    @property
    def load(self) -> int:
        """What the balancer believes: connections reported, and viewers sent since."""
        return self.reported_connections + self.placed_since

    def books(self) -> Iterator[Books]:
        """Return what the laws are checked by: its core's books and its link's."""
        yield self.server.books(self.name)
        yield self._link.books(f"{self.name}'s link")

    def report(self) -> None:
        """Tell the balancer, if there is anybody to tell."""
        if self.up:
            self._reported_ns = int(self._env.now)
            self.reported_connections, self.placed_since = self.connections, 0

    def join(self, viewer: int, dropped: Callable[[], None]) -> None:
        """Open a viewer's connection; `dropped` is called if it breaks."""
        self.viewers[viewer] = dropped

    def leave(self, viewer: int) -> None:
        """Close a viewer's connection."""
        self.viewers.pop(viewer, None)

    def ask(self, wish: Wish, reply: Reply) -> None:
        """Read a request; `reply` is called when the answer has left."""
        self.requests += 1
        video = self._draws.model.video
        self.server.submit(max(0, video.edge_request_ns - video.edge_answer_ns))
        answer = self._cached(wish)
        if answer is not None:
            self._serve(answer, CacheState.HIT, reply)
        elif wish in self._flights:
            self._flights[wish].append((reply, CacheState.COALESCED))
        else:
            self._flights[wish] = [(reply, CacheState.MISS)]
            self.links = max(self.links, len(self._flights))
            after(self._env, self._way_ns(), self._fetch, self._life, wish)

    def kill(self) -> None:
        """Die: every connection breaks, the cache is gone."""
        self.up = False
        self._life += 1
        self.server.stop()
        self._link.stop()
        self._cache.clear()
        self._flights.clear()
        self._cached_bytes = self.links = 0
        dropped, self.viewers = list(self.viewers.values()), {}
        for tell in dropped:
            tell()

    def restart(self) -> None:
        """Serve again, with an empty cache."""
        self.up = True
        self.report()

    def _way_ns(self) -> int:
        """Return half of a round trip to the origin."""
        return self._draws.node_ns(self._draws.model.video.fetch_ns, Stream.FETCH, self.number) // 2

    def _fetch(self, life: int, wish: Wish) -> None:
        if life == self._life:
            self._origin.ask(wish, lambda answer, written_ns: self._fetched(life, wish, answer, written_ns))

    def _fetched(self, life: int, wish: Wish, answer: Answer | None, written_ns: int) -> None:
        if life == self._life:
            after(self._env, written_ns - int(self._env.now) + self._way_ns(), self._land, life, wish, answer)

    def _land(self, life: int, wish: Wish, answer: Answer | None) -> None:
        if life != self._life:
            return
        answer = answer or Answer(HTTPStatus.BAD_GATEWAY)
        if answer.keep_ns:
            self._keep(wish, answer)
        for reply, cache in self._flights.pop(wish):
            self._serve(answer, cache, reply)

    def _serve(self, answer: Answer, cache: CacheState, reply: Reply) -> None:
        video = self._draws.model.video
        _, written_ns = self.server.submit(video.edge_answer_ns)
        self.egress_bytes += answer.size_bytes
        served = Served(answer, cache, written_ns)
        after(self._env, written_ns - int(self._env.now), self._send, self._life, served, reply)

    def _send(self, life: int, served: Served, reply: Reply) -> None:
        if life == self._life:
            alone_ns = served.answer.size_bytes * 8 * NS_PER_S // self._draws.model.video.edge_link_bps
            self._link.send(alone_ns, lambda: reply(served))

    def _cached(self, wish: Wish) -> Answer | None:
        answer, until_ns = self._cache.get(wish, (None, 0))
        if answer is None or int(self._env.now) >= until_ns:
            return None
        self._cache.move_to_end(wish)
        return answer

    def _keep(self, wish: Wish, answer: Answer) -> None:
        self._drop(wish)
        self._cache[wish] = (answer, int(self._env.now) + answer.keep_ns)
        self._cached_bytes += answer.size_bytes + ENTRY_BYTES
        while self._cached_bytes > CACHE_BYTES_MAX:
            self._drop(next(iter(self._cache)))

    def _drop(self, wish: Wish) -> None:
        if (known := self._cache.pop(wish, None)) is not None:
            self._cached_bytes -= known[0].size_bytes + ENTRY_BYTES
