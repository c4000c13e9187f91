"""Video beside money: streaming processes come and go, and the ledger does not notice."""

import asyncio
import csv
import itertools
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from table_client import Player, call, open_players

from reference_impl.accounts.passwords import PasswordCost
from reference_impl.domain.bets import EntryKind, Status
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import NODES, PLACEMENTS
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.config import StackConfig
from reference_impl.stack.ledger_export import export_ledger
from reference_impl.stack.stack import Stack
from reference_impl.streaming.config import Rung, VideoConfig
from reference_impl.streaming.fetch import Reply, Upstream

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

TIMING = Timing(window_ms=1500, closing_soon_ms=500, dealing_ms=300, pause_ms=200, flush_ms_max=300)
VIDEO = VideoConfig(
    ladder=(Rung("hi", 320, 180, 300),),
    timing=MediaTiming(fps=25, part_frames=4, parts_per_segment=3, gop_frames=12),
)
STREAMING = ("studio-1", "origin", "edge-0", "edge-1")
PLAYERS = 6
BET_S = 0.05


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    cost = PasswordCost(memory_kib=64, iterations=1)
    config = StackConfig(tables=1, shards=2, timing=TIMING, video=VIDEO, password_cost=cost)
    async with Stack(config) as running:
        await open_players(running, *range(1, PLAYERS + 3))
        yield running


async def fetch(video: dict, path: str, edge: int = 0) -> Reply:
    host, port = video["edges"][edge]["url"].removeprefix("http://").split(":")
    upstream = Upstream(host, int(port))
    try:
        return await upstream.get(f"/{video['token']}/live/1/{path}", 8)
    finally:
        upstream.close()


async def back(stack: Stack, *nodes: str) -> None:
    """Wait until the last thing that is known of each process is that it is ready."""
    async with asyncio.timeout(20):
        while any([e.what for e in stack.events if e.node == node][-1] != "ready" for node in nodes):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def placed(player: Player, **wishes: str) -> dict:
    return await call(player.stack, "/v1/placement", {"table": 1, **wishes}, player.token)


async def until_edges(player: Player, count: int) -> dict:
    """Ask for a placement until it offers so many edges; return the video's."""
    async with asyncio.timeout(10):
        while len((video := (await placed(player))["video"])["edges"]) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return video


async def test_placement_names_edges_that_serve_the_table(stack: Stack) -> None:
    player = Player(stack, 1)
    await player.log_in()
    video = await until_edges(player, 2)
    for edge in range(2):
        reply = await fetch(video, "master.m3u8", edge)
        assert (reply.status, reply.body[:7]) == (200, b"#EXTM3U")
    assert video["live"].startswith("ws://127.0.0.1:")


async def test_edge_to_avoid_is_not_offered_while_another_one_lives(stack: Stack) -> None:
    player = Player(stack, 1)
    await player.log_in()
    for _ in range(8):
        assert [edge["name"] for edge in (await placed(player, avoid_edge="edge-0"))["video"]["edges"]] == ["edge-1"]


async def test_stopped_edge_vanishes_from_placements_within_three_seconds_and_returns(stack: Stack) -> None:
    player = Player(stack, 1)
    await player.log_in()
    stack.kill("edge-1", signal.SIGSTOP)
    struck_s = time.monotonic()
    try:
        await until_edges(player, 1)
        vanished_s = time.monotonic() - struck_s
    finally:
        stack.kill("edge-1", signal.SIGCONT)
    assert vanished_s < 3.5
    await until_edges(player, 2)


async def bet_until(player: Player, over: asyncio.Event) -> list[tuple[dict, dict]]:
    """Bet in every window until told otherwise; return each bet with its answer."""
    await player.join()
    bets = []
    while not over.is_set():
        event = await player.next_open()
        closes_s = event["closes_at_unix_ns"] / 1e9
        while time.time() < closes_s - 0.2:
            sent = player.bet(event, selection=len(bets) % 37, amount_minor=10)
            bets.append((sent, await player.answer(sent)))
            await asyncio.sleep(BET_S)
    return bets


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    return [
        row for path in sorted(folder.glob(f"{name}-*.csv")) for row in csv.DictReader(path.read_text().splitlines())
    ]


async def test_killing_every_streaming_process_under_load_changes_nothing_in_the_ledger(
    stack: Stack, tmp_path: Path
) -> None:
    players = [Player(stack, number) for number in range(2, PLAYERS + 2)]
    over = asyncio.Event()
    betting = [asyncio.create_task(bet_until(player, over)) for player in players]
    await asyncio.sleep(1)
    for node in STREAMING:
        stack.kill(node)
        await asyncio.sleep(0.4)
    for node in STREAMING:
        await back(stack, node)
        stack.kill(node)
    await back(stack, *STREAMING)
    over.set()
    bets = list(itertools.chain.from_iterable(await asyncio.gather(*betting)))
    died = {event.node for event in stack.events if event.what == "died"}
    assert died == set(STREAMING), "only what was killed died"
    told = {sent["id"]: answer["status"] for sent, answer in bets}
    accepted = sorted(ref for ref, status in told.items() if status == Status.ACCEPTED)
    assert len(accepted) > 100
    assert set(told.values()) <= {Status.ACCEPTED, Status.WINDOW_CLOSED}, "a crowded machine may be late to bet"

    video = (await placed(players[0]))["video"]
    assert (await fetch(video, "hi/media.m3u8")).status == 200, "the picture is back"

    await stack.finish_rounds()
    await export_ledger(stack.dsns, tmp_path)
    ledger = rows(tmp_path, "ledger")
    written = [row for row in ledger if int(row["kind"]) == EntryKind.BET]
    assert {row["ref"]: int(row["status"]) for row in written} == told
    assert len(written) == len(told)
    ended = [row["ref"] for row in ledger if int(row["kind"]) == EntryKind.SETTLE]
    assert sorted(ended) == accepted, "every accepted bet settled once"
    assert [row for row in rows(tmp_path, "decisions") if row["void"] == "t"] == []
    assert sum(int(row["balance"]) for row in rows(tmp_path, "accounts")) == 0, "money is conserved"


async def test_placements_and_loads_of_the_video_half_are_on_record(stack: Stack) -> None:
    await asyncio.sleep(1.5)
    data = (stack.record_dir / "placements-services.bin").read_bytes()
    kinds = {record[3].rstrip(b"\0") for record in PLACEMENTS.packer.iter_unpack(data)}
    assert kinds == {b"gateway", b"edge"}
    for node in STREAMING:
        file = stack.record_dir / f"nodes-{node}.bin"
        whole = file.read_bytes()[: file.stat().st_size // NODES.packer.size * NODES.packer.size]
        samples = list(NODES.packer.iter_unpack(whole))
        assert {sample[2].rstrip(b"\0") for sample in samples} == {node.encode()}
        assert max(sample[10] for sample in samples) > 0, f"{node} sent nothing"


@pytest.mark.soak
async def test_system_without_edges_has_no_streaming_process_and_says_so(tmp_path: Path) -> None:
    config = StackConfig(tables=1, gateways=1, shards=1, edges=0, timing=TIMING)
    async with Stack(config) as bare:
        await open_players(bare, 1)
        player = Player(bare, 1)
        await player.join()
        assert not [name for name in bare.node_names if name.startswith(("studio", "origin", "edge"))]
        assert (await placed(player))["video"] is None
        await player.phase(Phase.BETS_OPEN)
