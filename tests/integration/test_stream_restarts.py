"""Studios and origins that die, freeze and come back, with real H.264 on real sockets."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest
from filmed_stream import (
    KEY,
    SECRET,
    TABLE,
    VIDEO,
    Client,
    decode,
    free_port,
    new_edge,
    new_origin,
)
from synthetic_stream import running

from reference_impl.domain.hls_playlist import parse_media_playlist
from reference_impl.streaming.config import EdgeConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.studio import Studio

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
    gaps = [s.msn for s in viewer.playlist.segments if s.gap and s.msn >= before[0]]
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
