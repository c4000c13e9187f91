"""What studios and edges hear of others over the bus, with real H.264 on real sockets."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

import msgspec
import nats
from filmed_stream import (
    KEY,
    TABLE,
    VIDEO,
    Client,
    free_port,
    new_edge,
    new_origin,
    new_studio_later,
)
from synthetic_stream import running

from reference_impl.domain.hls_playlist import parse_master_playlist, parse_media_playlist
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.streaming.fetch import Upstream
from reference_impl.streaming.report import EdgeReporter
from reference_impl.streaming.studio import Studio


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
