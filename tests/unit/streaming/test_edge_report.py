"""What an edge says of itself."""

import asyncio

from reference_impl.domain.balance_messages import Stand
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.report import EdgeReporter


async def test_share_of_hits_counts_from_the_report_before() -> None:
    edge = Edge(EdgeConfig("edge-3", "127.0.0.1", 1, port=8080))
    reporter = EdgeReporter(edge, 3, None)
    edge.counters.hits, edge.counters.misses, edge.counters.coalesced = 6, 1, 1
    assert reporter.report().hit_share == 0.75
    edge.counters.misses += 4
    assert reporter.report().hit_share == 0.0
    assert reporter.report().hit_share == 0.0, "nobody asked"


async def test_report_names_the_edge_and_what_it_does_in_a_second() -> None:
    edge = Edge(EdgeConfig("edge-3", "127.0.0.1", 1))
    reporter = EdgeReporter(edge, 3, None)
    reporter.report()
    edge.http.requests += 50
    await asyncio.sleep(0.1)
    report = reporter.report()
    assert (report.edge, report.number, report.connections, report.stand) == ("edge-3", 3, 0, Stand.SERVING)
    assert 250 < report.requests_per_s <= 500
