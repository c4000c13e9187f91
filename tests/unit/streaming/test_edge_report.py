"""What an edge says of itself."""

from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.report import EdgeReporter


async def test_share_of_hits_counts_from_the_report_before() -> None:
    edge = Edge(EdgeConfig("edge-3", "127.0.0.1", 1, port=8080))
    reporter = EdgeReporter(edge, 3, None)
    edge.counters.hits, edge.counters.misses, edge.counters.coalesced = 6, 1, 1
    assert reporter.report(0).hit_share == 0.75
    edge.counters.misses += 4
    assert reporter.report(0).hit_share == 0.0
    assert reporter.report(0).hit_share == 0.0, "nobody asked"


async def test_report_names_the_edge_and_its_lag_in_ms() -> None:
    report = EdgeReporter(Edge(EdgeConfig("edge-3", "127.0.0.1", 1)), 3, None).report(2_500_000)
    assert (report.edge, report.number, report.connections, report.lag_ms) == ("edge-3", 3, 0, 2.5)
