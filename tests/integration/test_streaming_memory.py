"""Half an hour of parts, playlists and viewers leaves origin and edge as large as they were."""

import asyncio
import gc
import os
import time
from pathlib import Path

import pytest
from synthetic_stream import on_air

from reference_impl.domain.hls_playlist import apply_delta, parse_media_playlist
from reference_impl.streaming.fetch import Upstream

pytestmark = [pytest.mark.soak, pytest.mark.timeout(2400)]

MINUTES = 30
VIEWERS = 20
SAMPLE_S = 5.0
CACHE_BYTES_MAX = 8 << 20
"""Full after four minutes at 2 MiB a minute, so that what grows later is no cache that fills up to its bound."""

GROWTH_MIB_MAX = 4.0


def resident_mib():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def watch(edge, folder):
    """Follow a rendition by its hints for ever; every other viewer comes and goes."""
    while True:
        upstream = Upstream("127.0.0.1", edge.port)
        playlist = parse_media_playlist((await upstream.get(f"{folder}/media.m3u8", 10)).body.decode())
        for _ in range(100):
            name = playlist.preload_hint_uri
            msn, part = name.split(".")[:2]
            query = f"_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES"
            said, _ = await asyncio.gather(
                upstream.get(f"{folder}/media.m3u8?{query}", 10), upstream.get(f"{folder}/{name}", 10)
            )
            playlist = apply_delta(playlist, parse_media_playlist(said.body.decode()))
        upstream.close()


async def growth_mib(minutes):
    """Return how much larger the last third of the time is than the one before it, in the mean."""
    sizes = []
    async with on_air(cache_bytes_max=CACHE_BYTES_MAX) as (_, edge, path):
        folder = path.rpartition("/")[0] + "/hi"
        watching = [asyncio.create_task(watch(edge, folder)) for _ in range(VIEWERS)]
        until_s = time.monotonic() + 60 * minutes
        while time.monotonic() < until_s:
            await asyncio.sleep(SAMPLE_S)
            sizes.append(resident_mib())
        for task in watching:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        assert edge.counters.upstream_errors == 0
    third = len(sizes) // 3
    return sum(sizes[-third:]) / third - sum(sizes[third : 2 * third]) / third


async def test_memory_is_flat_over_half_an_hour():
    assert await growth_mib(MINUTES) < GROWTH_MIB_MAX
