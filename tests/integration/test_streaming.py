"""Studio, origin and edge on real sockets, with real H.264."""

import asyncio
import contextlib
import time

import av
import msgspec
import pytest
from filmed_stream import (
    SECRET,
    TABLE,
    VIDEO,
    Client,
    decode,
    free_port,
    new_edge,
    new_origin,
    new_studio,
    new_studio_later,
    token,
)
from picows import WSInvalidStatusError, WSListener, WSMsgType, ws_connect
from synthetic_stream import running

from reference_impl.domain.hls_playlist import parse_master_playlist
from reference_impl.domain.timecode import Strip
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.fetch import Upstream

FILMED_SEGMENTS = 4
"""Twelve parts: what another reader is given to begin with."""


@pytest.mark.parametrize(("rendition", "width", "height"), [("hi", 320, 180), ("lo", 160, 120)])
async def test_film_reaches_a_viewer_through_an_edge_with_every_timecode_readable(rendition, width, height):
    origin = new_origin()
    async with running(origin):
        edge = new_edge(origin)
        async with running(edge, new_studio(origin)):
            viewer = Client(edge, rendition)
            await viewer.start()
            names = [
                v.uri for v in parse_master_playlist((await viewer.get(f"{viewer.base}/master.m3u8")).decode()).variants
            ]
            parts = {}
            late_ms = []
            for _ in range(13):
                where, data = await viewer.advance()
                parts[where] = data
                taken_ns = (where[0] * 3 + where[1] + 1) * 4 * VIDEO.timing.frame_ns - VIDEO.timing.frame_ns
                late_ms.append((time.time_ns() - taken_ns) / 1e6)
            init = await viewer.get(f"{viewer.folder}/{viewer.playlist.segments[-1].init_uri}")
            whole = [s for s in viewer.playlist.segments if s.uri and (s.msn, 0) in parts and (s.msn, 2) in parts]
            for segment in whole:
                body = await viewer.get(f"{viewer.folder}/{segment.uri}")
                assert body == b"".join(parts[segment.msn, part] for part in range(3))
                frames, strip = decode(init + body), Strip(width, height)
                assert len(frames) == VIDEO.timing.segment_frames
                for slot, frame in enumerate(frames, VIDEO.timing.first_slot(segment.msn)):
                    due_ms = slot * VIDEO.timing.frame_ns // 10**6
                    read_ms = strip.read(frame.to_ndarray(format="yuv420p")[:height], due_ms)
                    assert read_ms is not None
                    assert -5 <= read_ms - due_ms < 1000
            viewer.upstream.close()
    assert names == ["hi/media.m3u8", "lo/media.m3u8"]
    assert len(whole) >= 2
    assert sorted(late_ms)[len(late_ms) // 2] < 200


async def test_another_implementation_plays_the_stream_from_its_master_playlist():
    def play(url, count):
        with av.open(url, timeout=10) as container:
            frames = [frame for frame, _ in zip(container.decode(video=0), range(count), strict=False)]
            return [(frame.width, frame.height) for frame in frames]

    origin = new_origin()
    async with running(origin):
        edge = new_edge(origin)
        async with running(edge, new_studio(origin)):
            viewer = Client(edge)
            with contextlib.closing(viewer.upstream):
                await viewer.start()
                while len(viewer.playlist.segments) < FILMED_SEGMENTS:  # whatever a busy studio cuts out between them
                    await asyncio.sleep(0.1)
                    await viewer.start()
            url = f"http://127.0.0.1:{edge.port}{viewer.base}/master.m3u8"
            sizes = await asyncio.to_thread(play, url, 30)
    assert len(sizes) == 30
    assert len(set(sizes)) == 1


async def test_two_hundred_waiting_viewers_cost_the_origin_one_request_an_object():
    origin = new_origin()
    async with running(origin):
        edge = new_edge(origin)
        async with running(edge, new_studio(origin)):
            first = Client(edge)
            await first.start()
            await first.advance()
            msn, part = first.playlist.preload_hint_uri.split(".")[:2]
            before = origin.http.requests
            target = f"{first.folder}/media.m3u8?_HLS_msn={msn}&_HLS_part={part}"
            viewers = [Client(edge) for _ in range(200)]
            replies = await asyncio.gather(*(v.upstream.get(target, 10) for v in viewers))
            asked = origin.http.requests - before
            for viewer in [first, *viewers]:
                viewer.upstream.close()
    assert asked == 1
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    states = [reply.headers["x-cache"] for reply in replies]
    assert states.count("miss") == 1
    assert {"access-control-allow-origin", "age", "date", "etag"} <= set(replies[0].headers)


async def test_asking_too_early_does_not_spoil_the_cache_for_those_who_ask_in_time():
    origin = new_origin()
    async with running(origin):
        edge = new_edge(origin)
        async with running(edge, new_studio(origin)):
            viewer = Client(edge)
            await viewer.start()
            msn = viewer.playlist.newest[0] + 2
            await viewer.get(f"{viewer.folder}/{msn}.0.m4s", status=404)
            await viewer.get(f"{viewer.folder}/media.m3u8?_HLS_msn={msn + 1}", status=400)
            while viewer.playlist.newest[0] <= msn:
                await viewer.advance()
            await viewer.get(f"{viewer.folder}/{msn}.0.m4s")
            await viewer.get(f"{viewer.folder}/media.m3u8?_HLS_msn={msn + 1}")
            viewer.upstream.close()


async def test_shield_before_the_edges_makes_it_one_request_for_all_of_them():
    origin = new_origin()
    async with running(origin):
        shield = new_edge(origin, "shield", b"")
        async with running(shield, new_studio(origin)):
            edges = [new_edge(shield, f"edge-{n}") for n in range(2)]
            async with running(*edges):
                clients = [Client(edge) for edge in edges]
                await clients[0].start()
                await clients[1].start()
                before = origin.http.requests
                name = clients[0].playlist.preload_hint_uri
                bodies = await asyncio.gather(*(c.get(f"{c.folder}/{name}") for c in clients))
                assert origin.http.requests - before == 1
                assert bodies[0] == bodies[1]
                for client in clients:
                    client.upstream.close()


@pytest.mark.parametrize(
    ("ticket", "status"),
    [
        (token(), 503),  # a good token, but no studio has come yet
        (token(table=2), 403),
        (token(life_s=-1), 403),
        (token(secret=b"forged"), 403),
        ("nonsense", 403),
        ("", 403),
    ],
    ids=["no stream yet", "another table", "expired", "forged", "nonsense", "none"],
)
async def test_edge_serves_only_holders_of_a_token_for_the_table(ticket, status):
    origin = new_origin()
    async with running(origin):
        edge = new_edge(origin)
        async with running(edge):
            upstream = Upstream("127.0.0.1", edge.port)
            reply = await upstream.get(f"/{ticket}/live/{TABLE}/hi/media.m3u8", 5)
            upstream.close()
        asked = origin.http.requests
    assert reply.status == status
    assert asked == (1 if status == 503 else 0)


async def test_edge_without_its_origin_answers_502_and_recovers():
    port = free_port()
    edge = Edge(EdgeConfig("edge-0", "127.0.0.1", port, playback_secret=SECRET))
    async with running(edge):
        viewer = Client(edge)
        await viewer.get(f"{viewer.base}/master.m3u8", status=502)
        origin = new_origin(port=port)
        async with running(origin, new_studio_later(origin)):
            await viewer.start()
        viewer.upstream.close()


class Collector(WSListener):
    """Keeps the frames of an interactive stream."""

    def __init__(self, count):
        self.messages, self.count, self.done = [], count, asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport, frame):
        self.messages.append((frame.msg_type, frame.get_payload_as_bytes()))
        if len(self.messages) == self.count and not self.done.done():
            self.done.set_result(None)


async def watch(origin, count, path=None):
    collector = Collector(count)
    url = f"ws://127.0.0.1:{origin.live_port}" + (path or f"/{token()}/live/{TABLE}/hi")
    transport, _ = await ws_connect(lambda: collector, url)
    await asyncio.wait_for(collector.done, 10)
    transport.disconnect()
    await transport.wait_disconnected()
    return collector.messages


async def test_late_joiner_of_the_interactive_tier_starts_at_an_independent_frame():
    origin = new_origin()
    async with running(origin, new_studio_later(origin)):
        await asyncio.sleep(1.2)
        (opening_kind, opening), (_, init), *fragments = await watch(origin, 16)
    assert opening_kind is WSMsgType.TEXT
    assert msgspec.json.decode(opening)["codec"].startswith("avc1.")
    frames = decode(init + b"".join(data for _, data in fragments))
    assert len(frames) == len(fragments)
    assert frames[0].key_frame
    strip = Strip(320, 180)
    stamps = [strip.read(f.to_ndarray(format="yuv420p")[:180], time.time_ns() // 10**6) for f in frames]
    assert None not in stamps
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"/{token(table=2)}/live/1/hi", 403), (f"/{token()}/live/1/8k", 404), ("/ingest", 403), ("/", 404)],
    ids=["another table", "no such rendition", "ingest", "root"],
)
async def test_sockets_are_refused_without_the_right_key(path, status):
    origin = new_origin()
    async with running(origin):
        with pytest.raises(WSInvalidStatusError) as refusal:
            await ws_connect(WSListener, f"ws://127.0.0.1:{origin.live_port}{path}")
    assert refusal.value.response.status == status
