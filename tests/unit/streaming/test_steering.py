"""An edge's steering manifests."""

import msgspec
import pytest

from reference_impl.domain.balance_messages import EdgeReport
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.http import parse_head
from reference_impl.streaming.steering import PATHWAYS_MAX, SILENT_S_MAX, Pathways

SECRET = b"s" * 32


def report(name, connections=5, url="http://10.0.0.2:81"):
    return EdgeReport(name, 1, url, connections, 0, 1.0, 0.0)


def order(pathways, now_s, query="", connections=10, viewer="viewer"):
    return msgspec.json.decode(pathways.manifest(viewer, query, connections, now_s))["PATHWAY-PRIORITY"]


@pytest.mark.parametrize(("connections", "crowded"), [(60, False), (120, True)])
def test_a_viewer_with_two_connections_is_one_viewer_more_than_the_mean(connections, crowded):
    pathways = Pathways("edge-0")
    pathways.hear(report("edge-1", connections=0), 100.0)
    first = {order(pathways, 100.0, connections=connections, viewer=f"viewer-{n}")[0] for n in range(50)}
    assert ("edge-1" in first) is crowded


def test_silent_edge_is_no_pathway_any_more():
    pathways = Pathways("edge-0")
    pathways.hear(report("edge-1"), 100.0)
    assert order(pathways, 100.0 + SILENT_S_MAX) == [".", "edge-1"]
    assert order(pathways, 100.1 + SILENT_S_MAX) == ["."]


def test_own_report_is_no_pathway():
    pathways = Pathways("edge-0")
    pathways.hear(report("edge-0"), 100.0)
    assert order(pathways, 100.0) == ["."]


def test_number_of_pathways_is_bounded():
    pathways = Pathways("edge-0")
    for number in range(1, PATHWAYS_MAX + 10):
        pathways.hear(report(f"edge-{number}"), 100.0)
    assert len(order(pathways, 100.0)) == PATHWAYS_MAX + 1


def test_viewer_says_where_it_is_and_stays_there():
    pathways = Pathways("edge-0")
    pathways.hear(report("edge-1"), 100.0)
    assert order(pathways, 100.0, query="_HLS_pathway=edge-1&_HLS_throughput=5000000") == ["edge-1", "."]


@pytest.mark.parametrize("times", [1, 100])
def test_edge_answers_every_question_of_a_token_holder_and_never_asks_upstream(times):
    edge = Edge(EdgeConfig("edge-0", "127.0.0.1", 1, playback_secret=SECRET))
    edge.pathways.hear(report("edge-1"), 0.0)
    token = seal_playback(Playback(7, 1, 1 << 40), SECRET)
    request = parse_head(f"GET /{token}/live/1/steering.json?_HLS_pathway=. HTTP/1.1".encode())
    answers = [edge.answer(request) for _ in range(times)]
    assert {answer.status for answer in answers} == {200}
    assert b"no-store" in answers[0].head
    assert edge.load[1] == 0


def test_steering_is_for_token_holders_only():
    edge = Edge(EdgeConfig("edge-0", "127.0.0.1", 1, playback_secret=SECRET))
    assert edge.answer(parse_head(b"GET /nobody/live/1/steering.json HTTP/1.1")).status == 403
