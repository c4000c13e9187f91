"""Studio, origin and edge on real sockets, with real H.264."""

import asyncio
import contextlib
import io
import os
import signal
import socket
import sys
import time
from pathlib import Path

import av
import msgspec
import nats
import pytest
from picows import WSInvalidStatusError, WSListener, WSMsgType, ws_connect
from synthetic_stream import running

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.hls_playlist import apply_delta, parse_master_playlist, parse_media_playlist
from reference_impl.domain.phases import Phase
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.domain.timecode import Strip
from reference_impl.streaming.config import EdgeConfig, OriginConfig, Rung, VideoConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.fetch import Upstream
from reference_impl.streaming.origin import Origin
from reference_impl.streaming.report import EdgeReporter
from reference_impl.streaming.studio import Studio

SECRET = b"s" * 32
KEY = "ingest"
VIDEO = VideoConfig(
    ladder=(Rung("hi", 320, 180, 300), Rung("lo", 160, 120, 100)),
    timing=MediaTiming(fps=25, part_frames=4, parts_per_segment=3, gop_frames=12),
)
TABLE = 1


def new_origin(**changes):
    return Origin(OriginConfig(ingest_key=KEY, playback_secret=SECRET, **changes))


def new_edge(origin, name="edge-0", secret=SECRET):
    return Edge(EdgeConfig(name, "127.0.0.1", origin.port, playback_secret=secret))


def new_studio(origin, **changes):
    return Studio(TABLE, VIDEO, f"ws://127.0.0.1:{origin.live_port}/ingest", KEY, **changes)


def token(table=TABLE, life_s=3600, secret=SECRET):
    return seal_playback(Playback(7, table, int(time.time()) + life_s), secret)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    """A headless viewer of one rendition."""

    def __init__(self, edge, rendition="hi"):
        self.upstream = Upstream("127.0.0.1", edge.port)
        self.base = f"/{token()}/live/{TABLE}"
        self.folder = f"{self.base}/{rendition}"
        self.playlist = None

    async def get(self, path, status=200):
        reply = await self.upstream.get(path, 10)
        assert reply.status == status, reply
        return reply.body

    async def start(self):
        """Wait for the stream to be on air, then load its playlist."""
        for _ in range(100):
            reply = await self.upstream.get(f"{self.folder}/media.m3u8", 10)
            if reply.status == 200:
                self.playlist = parse_media_playlist(reply.body.decode())
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(self.folder)

    async def advance(self):
        """Load the hinted part and the playlist that lists it, both at once, as a player does."""
        name = self.playlist.preload_hint_uri
        msn, part = name.split(".")[:2]
        query = f"_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES"
        text, data = await asyncio.gather(
            self.get(f"{self.folder}/media.m3u8?{query}"), self.get(f"{self.folder}/{name}")
        )
        self.playlist = apply_delta(self.playlist, parse_media_playlist(text.decode()))
        return (int(msn), int(part)), data


def decode(data):
    with av.open(io.BytesIO(data)) as container:
        return list(container.decode(video=0))


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
            await viewer.start()
            for _ in range(12):
                await viewer.advance()
            url = f"http://127.0.0.1:{edge.port}{viewer.base}/master.m3u8"
            sizes = await asyncio.to_thread(play, url, 30)
            viewer.upstream.close()
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


def new_studio_later(origin):
    """A studio for an origin whose ports are known by the time that it runs."""

    class Later:
        async def run(self, ready):
            await new_studio(origin).run(ready)

    return Later()


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


STUDIO_SCRIPT = """
import asyncio, sys
import msgspec
from reference_impl.streaming.config import VideoConfig
from reference_impl.streaming.studio import Studio
video = msgspec.json.decode(sys.argv[1], type=VideoConfig)
asyncio.run(Studio(1, video, sys.argv[2], sys.argv[3]).run(lambda: None))
"""


async def spawn_studio(origin):
    url = f"ws://127.0.0.1:{origin.live_port}/ingest"
    root = str(Path(__file__).parents[2])
    arguments = (sys.executable, "-c", STUDIO_SCRIPT, msgspec.json.encode(VIDEO).decode(), url, KEY)
    return await asyncio.create_subprocess_exec(*arguments, cwd=root, env={**os.environ, "PYTHONPATH": root})


async def kill_and_start_again(studio, origin):
    studio.send_signal(signal.SIGKILL)
    await studio.wait()
    return await spawn_studio(origin)


async def freeze_for_a_while(studio, origin):
    studio.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.8)
    studio.send_signal(signal.SIGCONT)
    return studio


@pytest.mark.parametrize("interrupt", [kill_and_start_again, freeze_for_a_while])
async def test_interrupted_studio_leaves_a_gap_and_the_stream_goes_on(interrupt):
    origin = new_origin()
    async with running(origin):
        edge = new_edge(origin)
        async with running(edge):
            viewer = Client(edge)
            studio = await spawn_studio(origin)
            await viewer.start()
            for _ in range(4):
                await viewer.advance()
            before = viewer.playlist.newest
            studio = await interrupt(studio, origin)
            try:
                while viewer.playlist.newest[0] < before[0] + 2 or viewer.playlist.segments[-1].parts[0].gap:
                    query = f"_HLS_msn={viewer.playlist.newest[0]}&_HLS_part={viewer.playlist.newest[1] + 1}"
                    reply = await viewer.upstream.get(f"{viewer.folder}/media.m3u8?{query}", 10)
                    if reply.status == 200:
                        viewer.playlist = parse_media_playlist(reply.body.decode())
                for _ in range(3):
                    where, data = await viewer.advance()
                init = await viewer.get(f"{viewer.folder}/{viewer.playlist.segments[-1].init_uri}")
                first = await viewer.get(f"{viewer.folder}/{where[0]}.0.m4s")
            finally:
                studio.send_signal(signal.SIGKILL)
                await studio.wait()
            viewer.upstream.close()
    gaps = [s.msn for s in viewer.playlist.segments if s.gap]
    assert gaps
    assert before[0] <= gaps[0] <= before[0] + 1
    assert gaps == list(range(gaps[0], gaps[-1] + 1))
    assert [s.msn for s in viewer.playlist.segments] == list(
        range(viewer.playlist.segments[0].msn, viewer.playlist.segments[-1].msn + 1)
    )
    assert len(decode(init + first)) == VIDEO.timing.part_frames
    assert data


async def test_origin_that_restarts_gets_the_stream_back_by_itself():
    port, live_port = free_port(), free_port()
    studio = Studio(TABLE, VIDEO, f"ws://127.0.0.1:{live_port}/ingest", KEY)
    edge = Edge(EdgeConfig("edge-0", "127.0.0.1", port, playback_secret=SECRET))
    newest = []
    async with running(edge, studio):
        for _ in range(2):
            async with running(new_origin(port=port, live_port=live_port)):
                viewer = Client(edge)
                await viewer.start()
                await viewer.advance()
                newest.append(viewer.playlist.newest)
                viewer.upstream.close()
    assert newest[0] < newest[1]
    assert studio.uplink.connections == 2


class Records:
    """A sink that a test can wait for."""

    def __init__(self):
        self.rows, self.came = [], asyncio.Event()

    def append(self, *fields):
        self.rows.append(fields)
        self.came.set()


@contextlib.asynccontextmanager
async def nats_server():
    port = free_port()
    binary = Path(sys.executable).parent / "nats-server"
    process = await asyncio.create_subprocess_exec(
        binary, "-a", "127.0.0.1", "-p", str(port), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield await connect(f"nats://127.0.0.1:{port}")
    finally:
        process.terminate()
        await process.wait()


async def connect(url):
    async def hush(_):
        pass

    for _ in range(50):
        with contextlib.suppress(OSError, nats.errors.NoServersError):
            return await nats.connect(url, error_cb=hush, allow_reconnect=False)
        await asyncio.sleep(0.1)
    raise TimeoutError(url)


async def test_edges_hear_each_other_and_a_clone_of_the_pathway_serves_the_same_stream():
    origin = new_origin()
    async with nats_server() as client, running(origin, new_studio_later(origin)):
        edges = [new_edge(origin, f"edge-{number}") for number in range(2)]
        reporters = [EdgeReporter(edge, number, client) for number, edge in enumerate(edges)]
        async with running(*edges, *reporters):
            viewer = Client(edges[0])
            await viewer.start()
            master = parse_master_playlist((await viewer.get(f"{viewer.base}/master.m3u8")).decode())
            assert (master.steering.server_uri, master.steering.pathway) == ("steering.json", ".")
            async with asyncio.timeout(5):
                while len((said := await steering(viewer))["PATHWAY-PRIORITY"]) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert said["PATHWAY-PRIORITY"] == [".", "edge-1"]
            (clone,) = said["PATHWAY-CLONES"]
            assert clone["URI-REPLACEMENT"]["HOST"] == f"127.0.0.1:{edges[1].port}"
            elsewhere = Upstream("127.0.0.1", edges[1].port)
            reply = await elsewhere.get(f"{viewer.folder}/media.m3u8", 5)
            assert parse_media_playlist(reply.body.decode()).newest >= viewer.playlist.newest
            elsewhere.close()
            viewer.upstream.close()
        await client.close()


async def steering(viewer):
    return msgspec.json.decode(await viewer.get(f"{viewer.base}/steering.json?_HLS_pathway=.&_HLS_throughput=1"))


async def test_studio_films_the_round_that_the_dealer_announces():
    origin, records = new_origin(), Records()

    def envelope(seq, phase, outcome=-1):
        return msgspec.json.encode(
            TableEnvelope(TABLE, 1, seq, TableEvent(TABLE, 77, 0, int(phase), time.time_ns(), outcome=outcome))
        )

    async with nats_server() as client:

        async def state(message):
            await message.respond(envelope(1, Phase.BETS_OPEN))

        await client.subscribe(f"dealer.{TABLE}.state", cb=state)
        async with running(origin):
            studio = Studio(TABLE, VIDEO, f"ws://127.0.0.1:{origin.live_port}/ingest", KEY, nats=client, sink=records)
            async with running(studio):
                for seq, phase, outcome in ((2, Phase.DEALING, -1), (3, Phase.RESULT, 17), (4, Phase.SETTLED, 17)):
                    await asyncio.wait_for(records.came.wait(), 10)
                    records.came.clear()
                    await client.publish(f"table.{TABLE}", envelope(seq, phase, outcome))
                await asyncio.wait_for(records.came.wait(), 10)
        await client.close()
    filmed = [(Phase(row[3]), row[4], row[6]) for row in records.rows]
    assert filmed == [
        (Phase.BETS_OPEN, 77, -1), (Phase.DEALING, 77, -1), (Phase.RESULT, 77, 17), (Phase.SETTLED, 77, 17)
    ]  # fmt: skip
