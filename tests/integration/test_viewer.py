"""The headless viewer against real studio, origin and edges."""

import asyncio
import contextlib
import threading
import time
from pathlib import Path

import msgspec
import pytest

from loadtest.adapters.base import EdgePlacement
from loadtest.clips import read_clips
from loadtest.clock import HostClock, clock_pair
from loadtest.recorder import Recorder
from loadtest.users.screening import Watching
from loadtest.users.viewer import Viewer
from reference_impl.domain.errors import RetryableError
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.domain.records import FetchKind, Switch
from reference_impl.domain.units import NS_PER_S
from reference_impl.streaming.config import EdgeConfig, OriginConfig, Rung, VideoConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.origin import Origin
from reference_impl.streaming.studio import Studio
from reports.convert import convert
from sim.scenario import Arrival, Choosing, Viewing

SECRET = b"s" * 32
VIDEO = VideoConfig(
    ladder=(Rung("hi", 320, 180, 300), Rung("lo", 160, 120, 100)),
    timing=MediaTiming(fps=25, part_frames=4, parts_per_segment=3, gop_frames=12),
)
PART_MS = 160


class Target:
    """Places viewers at the first living edge that is not to be avoided."""

    def __init__(self, edges, port=0) -> None:
        self.edges, self.port = edges, port
        self.asked: list[str] = []

    def log_in(self, player):
        return f"token-{player}"

    def place_viewer(self, token, table, avoid):
        self.asked.append(avoid)
        for number, edge in enumerate(self.edges):
            if edge.config.name != avoid:
                sealed = seal_playback(Playback(1, table, int(time.time()) + 60), SECRET)
                url = f"http://127.0.0.1:{self.port or edge.port}"
                return EdgePlacement(edge.config.name, number, url, f"/{sealed}/live/{table}")
        raise RetryableError("no edge")


async def started(role):
    ready = asyncio.Event()
    task = asyncio.create_task(role.run(ready.set))
    await ready.wait()
    return task


async def ended(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.asynccontextmanager
async def filmed(video, warm_s):
    """A table that is filmed, and the one edge that shows it, for so long already."""
    origin = Origin(OriginConfig(ingest_key="k", playback_secret=SECRET))
    tasks = [await started(origin)]
    edge = Edge(EdgeConfig("edge-0", "127.0.0.1", origin.port, playback_secret=SECRET))
    tasks.append(await started(edge))
    studio = Studio(1, video, f"ws://127.0.0.1:{origin.live_port}/ingest", "k")
    tasks.append(await started(studio))
    await asyncio.sleep(warm_s)
    try:
        yield edge, studio
    finally:
        for task in reversed(tasks):
            await ended(task)


class Link:
    """A link to an edge whose speed can be changed: all of a viewer's connections share it."""

    def __init__(self, edge_port, bps):
        self._edge_port, self.bps, self._free_s = edge_port, bps, 0.0

    async def open(self):
        """Listen; return the server."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _relay(self, reader, writer):
        edge_reader, edge_writer = await asyncio.open_connection("127.0.0.1", self._edge_port, limit=2048)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, edge_writer, limited=False))
                group.create_task(self._carry(edge_reader, writer, limited=True))
        except* ConnectionError:
            pass
        finally:
            writer.close()
            edge_writer.close()

    async def _carry(self, reader, writer, *, limited):
        while data := await reader.read(2048):
            if limited:
                now_s = asyncio.get_running_loop().time()
                self._free_s = max(self._free_s, now_s) + 8 * len(data) / self.bps
                await asyncio.sleep(self._free_s - now_s)
            writer.write(data)
            await writer.drain()
        raise ConnectionError("one side closed")


def a_viewer(folder, target, leaves_s, rule=Choosing.THROUGHPUT, skip_behind_s=4.0):
    folder.mkdir(exist_ok=True)
    recorder = Recorder(folder, 0)
    now_ns = time.monotonic_ns()
    leaves_ns = now_ns + round(leaves_s * NS_PER_S)
    viewing = Viewing(rule=rule, skip_behind_s=skip_behind_s)
    watching = Watching(
        Arrival(1, 1, 0.0), viewing, recorder, HostClock(), leaves_ns, lambda *_: None, keeps_clips=True
    )  # fmt: skip
    return Viewer(watching, target, now_ns), recorder


async def watch(viewer, recorder):
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def live():
        try:
            viewer.run()
        finally:
            recorder.close()
            loop.call_soon_threadsafe(done.set)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    await done.wait()
    thread.join()


def video_of(folder):
    return convert(folder, folder, 1, clock_pair())["video"]


def is_whole(parts, studio):
    """Whether each part follows the one before it; a studio without time to film says so itself."""
    steps = parts["media_ns"].diff().dropna()
    return (steps == PART_MS * 1_000_000).all() or (studio.cuts and (steps > 0).all())


@pytest.mark.alone
async def test_viewer_stays_at_its_hold_back_without_stalls_and_climbs_to_the_best_rendition(tmp_path: Path) -> None:
    async with filmed(VIDEO, 1.5) as (edge, studio):
        viewer, recorder = a_viewer(tmp_path, Target([edge]), 5.0)
        await watch(viewer, recorder)
    rows = video_of(tmp_path)
    assert set(rows["status"]) == {200} or studio.cuts
    parts = rows[(rows["kind"] == FetchKind.PART) & (rows["status"] == 200)]
    assert len(parts) >= 20
    assert is_whole(parts, studio)
    assert (parts["end_ns"] > parts["media_ns"]).all()
    assert rows["stalled_ms"].sum() == 0 or studio.cuts
    assert parts["rendition"].iloc[-1] == 1
    assert parts.loc[parts["switched"] != 0, "switched"].tolist() == [Switch.BETTER]
    late = parts.iloc[-10:]
    frame_ms = 40  # a part's last frame is taken this long before the part's end
    assert 3 * PART_MS - frame_ms <= late["latency_ms"].median() <= 3 * PART_MS + 500
    glass = read_clips(tmp_path, clock_pair())
    assert len(glass) >= 5
    assert (glass["captured_ns"] < glass["arrived_ns"]).all()
    assert ((glass["shown_ns"] - glass["captured_ns"]) / 1e6).median() == pytest.approx(
        late["latency_ms"].median(), abs=150
    )


@pytest.mark.alone
async def test_viewer_of_a_killed_edge_goes_on_at_the_other_one_where_it_was(tmp_path: Path) -> None:
    origin = Origin(OriginConfig(ingest_key="k", playback_secret=SECRET))
    tasks = [await started(origin)]
    edges = [Edge(EdgeConfig(f"edge-{n}", "127.0.0.1", origin.port, playback_secret=SECRET)) for n in (0, 1)]
    first, second = [await started(edge) for edge in edges]
    studio = Studio(1, VIDEO, f"ws://127.0.0.1:{origin.live_port}/ingest", "k")
    tasks += [second, await started(studio)]
    await asyncio.sleep(1.0)
    target = Target(edges)
    viewer, recorder = a_viewer(tmp_path, target, 5.0)
    watching = asyncio.create_task(watch(viewer, recorder))
    await asyncio.sleep(2.5)
    killed_ns = time.monotonic_ns()
    await ended(first)
    await watching
    for task in reversed(tasks):
        await ended(task)
    rows = video_of(tmp_path)
    parts = rows[(rows["kind"] == FetchKind.PART) & (rows["status"] == 200)]
    assert target.asked == ["", "edge-0"]
    assert (rows["status"] == 0).any()
    assert parts["edge"].drop_duplicates().tolist() == [0, 1]
    assert is_whole(parts, studio), "nothing is missing or fetched twice"
    assert parts.loc[parts["edge"] == 1, "switched"].iloc[0] == Switch.EDGE
    assert (parts.loc[parts["edge"] == 1, "end_ns"].min() - killed_ns) / NS_PER_S <= 3.0
    assert (parts["edge"] == 1).sum() >= 8


@pytest.mark.soak
async def test_dead_studio_is_a_stall_that_ends_when_it_is_back_and_the_viewer_catches_up(tmp_path: Path) -> None:
    origin = Origin(OriginConfig(ingest_key="k", playback_secret=SECRET))
    tasks = [await started(origin)]
    edge = Edge(EdgeConfig("edge-0", "127.0.0.1", origin.port, playback_secret=SECRET))
    tasks.append(await started(edge))
    ingest = f"ws://127.0.0.1:{origin.live_port}/ingest"
    studio = await started(Studio(1, VIDEO, ingest, "k"))
    await asyncio.sleep(1.0)
    viewer, recorder = a_viewer(tmp_path, Target([edge]), 6.0)
    watching = asyncio.create_task(watch(viewer, recorder))
    await asyncio.sleep(2.0)
    await ended(studio)
    await asyncio.sleep(1.2)
    tasks.append(await started(Studio(1, VIDEO, ingest, "k")))
    await watching
    for task in reversed(tasks):
        await ended(task)
    rows = video_of(tmp_path)
    stalls = rows.loc[rows["stalled_ms"] > 0, "stalled_ms"].tolist()
    assert len(stalls) == 1
    assert 500 <= stalls[0] <= 2500
    parts = rows[(rows["kind"] == FetchKind.PART) & (rows["status"] == 200)]
    assert (parts["media_ns"].diff().dropna() > 0).all()
    assert parts["media_ns"].diff().max() > PART_MS * 1_000_000
    assert parts["latency_ms"].iloc[-1] < 2000


SKIP_S = 1.0
TOO_LITTLE_BPS = 45_000


@pytest.mark.soak
async def test_viewer_whose_link_carries_too_little_skips_and_stays_near_the_live_end(tmp_path: Path) -> None:
    """Caches keep a playlist that waited for a part as it was then: whoever asks late must not take it for the end."""
    video = msgspec.structs.replace(VIDEO, ladder=VIDEO.ladder[1:])
    async with filmed(video, 1.5) as (edge, _):
        link = Link(edge.port, 10_000_000)
        server = await link.open()
        viewer, recorder = a_viewer(tmp_path, Target([edge], link.port), 14.0, skip_behind_s=SKIP_S)
        watching = asyncio.create_task(watch(viewer, recorder))
        await asyncio.sleep(2.0)
        link.bps = TOO_LITTLE_BPS
        await watching
        server.close()
    rows = video_of(tmp_path)
    parts = rows[(rows["kind"] == FetchKind.PART) & (rows["status"] == 200)]
    hold_back_s = 3 * PART_MS / 1000
    behind_s = parts["latency_ms"] / 1000 - hold_back_s
    assert behind_s.max() > SKIP_S
    assert behind_s.max() < 2 * SKIP_S + 2.0, "a playlist's age is told in whole seconds"


FALL_S_MAX = 3.0
STARVED_BPS = 300_000


@pytest.mark.soak
async def test_starved_link_falls_within_three_seconds_by_every_rule_and_slows_nobody_else(tmp_path: Path) -> None:
    ladder = (Rung("hi", 640, 360, 2500), Rung("lo", 160, 120, 100))
    video = msgspec.structs.replace(VIDEO, ladder=ladder, timing=MediaTiming())
    async with filmed(video, 2.2) as (edge, _):
        links = {rule: Link(edge.port, 50_000_000) for rule in Choosing}
        servers = [await link.open() for link in links.values()]
        viewers = {rule: a_viewer(tmp_path / rule, Target([edge], links[rule].port), 6.2, rule) for rule in Choosing}
        free = a_viewer(tmp_path / "free", Target([edge]), 6.2)
        watching = [asyncio.create_task(watch(*one)) for one in (*viewers.values(), free)]
        await asyncio.sleep(3.0)
        starved_ns = time.monotonic_ns()
        for link in links.values():
            link.bps = STARVED_BPS
        await asyncio.gather(*watching)
        for server in servers:
            server.close()
    for rule in viewers:
        rows = video_of(tmp_path / rule)
        parts = rows[(rows["kind"] == FetchKind.PART) & (rows["status"] == 200)]
        assert parts.loc[parts["end_ns"] < starved_ns, "rendition"].iloc[-1] == 1, rule
        fell_ns = rows.loc[(rows["start_ns"] > starved_ns) & (rows["rendition"] == 0), "start_ns"].min()
        assert (fell_ns - starved_ns) / NS_PER_S <= FALL_S_MAX, rule
        assert parts["rendition"].iloc[-1] == 0, rule
    rows = video_of(tmp_path / "free")
    parts = rows[(rows["kind"] == FetchKind.PART) & (rows["end_ns"] > starved_ns)]
    assert len(parts) >= 7
    assert set(parts["status"]) == {200}
    assert set(parts["rendition"]) == {1}
    assert ((parts["end_ns"] - parts["first_byte_ns"]) / 1e6).median() < 50
