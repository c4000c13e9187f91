"""A real film on its way: a studio's H.264 through an origin to an edge, all on real sockets, and who watches it."""

import asyncio
import io
import socket
import time

import av

from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.hls_playlist import apply_delta, parse_media_playlist
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.streaming.config import EdgeConfig, OriginConfig, Rung, VideoConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.fetch import Upstream
from reference_impl.streaming.origin import Origin
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


def new_studio_later(origin):
    """A studio for an origin whose ports are known by the time that it runs."""

    class Later:
        async def run(self, ready):
            await new_studio(origin).run(ready)

    return Later()
