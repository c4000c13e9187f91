"""The lint against live servers: ours, ours through a proxy that plants faults, and ours while its encoder restarts."""

import asyncio
import itertools
import time

import av
import msgspec
from stream_faults import FAULTS
from synthetic_stream import INFO, PARAMETER_SETS, SECRET, TABLE, on_air, running

from loadtest.streamlint.judgement import judge
from loadtest.streamlint.rules.blocking import AT_ONCE_S_MAX
from loadtest.streamlint.walk import Ask, Fetch
from loadtest.streamlint.walker import walk
from reference_impl.domain.playback import Playback, seal_playback
from reference_impl.streaming.boxes import init_section
from reference_impl.streaming.config import EdgeConfig, OriginConfig, Rung, VideoConfig
from reference_impl.streaming.edge import Edge
from reference_impl.streaming.fetch import Upstream
from reference_impl.streaming.origin import Origin
from reference_impl.streaming.studio import Studio

WALK_S = 3.5
WALKS_MAX = 3
TRICKLE_S = 0.15
TARDY_S = 2.0
STANDSTILL_S = 0.6


def ask_of(target, status):
    """Return which request of a walk this one could be."""
    path, _, query = target.partition("?")
    name = path.rpartition("/")[2]
    if name == "steering.json":
        return Ask.STEERING
    if name == "master.m3u8":
        return Ask.MASTER
    if name == "media.m3u8":
        if "_HLS_msn" not in query:
            return Ask.PLAIN
        return Ask.DELTA if "_HLS_skip" in query else Ask.RELOAD
    if status == 404:
        return Ask.UNKNOWN_FILE
    return {2: Ask.HINT, 1: Ask.SEGMENT}[name.count(".")] if name[0].isdigit() else Ask.INIT


def edited(rule):
    """Answer as the upstream does, with the rule's fault in it."""

    async def answer(upstream, target):
        reply = await upstream.get(target, 10)
        ask = ask_of(target, reply.status)
        name = target.rpartition("/")[2].split(".")
        wanted = (int(name[0]), int(name[1])) if ask is Ask.HINT else (-1, -1)
        if "_HLS_part=" in target:
            wanted = (-1, int(target.partition("_HLS_part=")[2].partition("&")[0]))
        fetch = Fetch(ask, 0, target, 0, 0, 0, 0, reply.status, reply.headers, reply.body, wanted)
        changed = FAULTS[rule](fetch)
        return changed.status, changed.headers, changed.body, 0.0

    return answer


async def impatient(upstream, target):
    """Answer blocking requests at once, with what there is."""
    reply = await upstream.get(target.partition("?")[0] if "_HLS_part" in target else target, 10)
    return reply.status, reply.headers, reply.body, 0.0


async def generous(upstream, target):
    """Answer what is too far ahead with what there is."""
    reply = await upstream.get(target, 10)
    if reply.status == 400:
        reply = await upstream.get(target.partition("?")[0], 10)
    return reply.status, reply.headers, reply.body, 0.0


async def trickling(upstream, target):
    """Send the first bytes of a part long before the last."""
    reply = await upstream.get(target, 10)
    return reply.status, reply.headers, reply.body, TRICKLE_S if ask_of(target, reply.status) is Ask.HINT else 0.0


def lacks_its_segment(target):
    return "_HLS_part=" in target and "_HLS_msn=" not in target


async def tardy(upstream, target):
    """Refuse a part without its segment, but not at once."""
    reply = await upstream.get(target, 10)
    if lacks_its_segment(target):
        await asyncio.sleep(TARDY_S)
    return reply.status, reply.headers, reply.body, 0.0


async def standing_still(upstream, target):
    """Let the whole process, and the walker in it, stand still while a part without its segment is refused."""
    reply = await upstream.get(target, 10)
    if lacks_its_segment(target):
        time.sleep(STANDSTILL_S)  # noqa: ASYNC251 - that is the fault
    return reply.status, reply.headers, reply.body, 0.0


async def faithful(upstream, target):
    reply = await upstream.get(target, 10)
    return reply.status, reply.headers, reply.body, 0.0


class Proxy:
    """Stands before an edge and answers as it is told."""

    def __init__(self, port, answer):
        self._upstream, self._answer = Upstream("127.0.0.1", port), answer
        self._connections = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._upstream.close()

    async def _serve(self, reader, writer):
        self._connections.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = head.split(b" ", 2)[1].decode()
                status, headers, body, pause_s = await self._answer(self._upstream, target)
                lines = {**headers, "content-length": str(len(body))}
                if b"Accept-Encoding: gzip" in head:
                    lines["vary"] = "none"
                said = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                writer.write(f"HTTP/1.1 {status} x\r\n{said}\r\n".encode("latin-1") + body[:100])
                await asyncio.sleep(pause_s)
                writer.write(body[100:])
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


PLANTED = {
    "part.target-constant": edited("part.target-constant"),
    "part.shortest": edited("part.shortest"),
    "hold-back.part": edited("hold-back.part"),
    "reload.waits": impatient,
    "reload.far-segment": generous,
    "reload.part-alone": tardy,
    "hint.next": edited("hint.next"),
    "hint.line-speed": trickling,
    "report.true": edited("report.true"),
    "playlist.date-time": edited("playlist.date-time"),
    "part.parent": edited("part.parent"),
    "part.timeline": edited("part.timeline"),
    "cache.blocking": edited("cache.blocking"),
    "file.unknown": edited("file.unknown"),
    "steering.status": edited("steering.status"),
}


async def broken_through(edge, path, answer):
    async with Proxy(edge.port, answer) as port:
        judged = judge(await walk(f"http://127.0.0.1:{port}{path}", WALK_S))
    return {result.rule for result in judged.broken("must")}


async def is_found(edge, path, rule, answer):
    """Whether a walk finds a fault; one that a busy machine left hardly any answers is walked again."""
    for _ in range(WALKS_MAX):
        if rule in await broken_through(edge, path, answer):
            return True
    return False


async def test_faults_planted_in_a_live_stream_are_each_found_and_named_and_a_faithful_proxy_is_faultless():
    async with on_air() as (_, edge, path):
        unchanged, *found = await asyncio.gather(
            broken_through(edge, path, faithful),
            *(is_found(edge, path, rule, answer) for rule, answer in PLANTED.items()),
        )
    assert not unchanged & set(PLANTED)
    assert [rule for rule, was_found in zip(PLANTED, found, strict=True) if not was_found] == []


async def test_no_server_is_blamed_for_a_walker_that_was_held_up_itself():
    async with on_air() as (_, edge, path), Proxy(edge.port, standing_still) as port:
        walked = await walk(f"http://127.0.0.1:{port}{path}", 0.5)
    asked = list(walked.asked(Ask.PART_WITHOUT_SEGMENT))
    assert len(asked) == len(walked.tracks)
    assert all(fetch.took_s > AT_ONCE_S_MAX for fetch in asked)
    verdicts = {result.rule: result.verdict for result in judge(walked).rules}
    assert verdicts["reload.part-alone"] == "ok"


async def test_stream_keeps_the_rules_while_its_encoder_restarts_with_other_parameters():
    other = PARAMETER_SETS.replace(b"\x1e", b"\x1f")
    renditions = tuple(
        msgspec.structs.replace(r, init=init_section(r.width, r.height, other), codec="avc1.64001f")
        for r in INFO.renditions
    )
    again = msgspec.structs.replace(INFO, session=2, renditions=renditions)

    async with on_air(restart=again) as (_, edge, path):
        walked = await walk(f"http://127.0.0.1:{edge.port}{path}", 4.5)
    verdicts = {result.rule: result for result in judge(walked).rules}
    assert [r.rule for r in verdicts.values() if r.verdict == "broken" and r.rule != "master.codecs"] == []
    assert {verdicts[rule].verdict for rule in ("discontinuity.map", "gap.segment", "order.first")} == {"ok"}


async def test_real_film_with_sound_keeps_the_rules_and_another_reader_hears_it():
    video = VideoConfig(ladder=(Rung("hi", 320, 180, 300), Rung("lo", 160, 120, 100)), sound=True)
    origin = Origin(OriginConfig(ingest_key="k", playback_secret=SECRET))
    async with running(origin):
        edge = Edge(EdgeConfig("edge-0", "127.0.0.1", origin.port, playback_secret=SECRET))
        studio = Studio(TABLE, video, f"ws://127.0.0.1:{origin.live_port}/ingest", "k")
        async with running(edge, studio):
            token = seal_playback(Playback(7, TABLE, int(time.time()) + 3600), SECRET)
            url = f"http://127.0.0.1:{edge.port}/{token}/live/{TABLE}/master.m3u8"
            await asyncio.sleep(2.2)
            walked = await walk(url, 4.0)
            kinds = await asyncio.to_thread(kinds_of_frames, url, 60)
    verdicts = {result.rule: result for result in judge(walked).rules}
    assert [track.kind for track in walked.tracks] == ["video", "video", "audio"]
    broken = [r.rule for r in verdicts.values() if r.verdict == "broken" and r.level == "must"]
    assert broken == [] or studio.cuts
    assert verdicts["master.audio"].verdict == verdicts["part.parent"].verdict == "ok"
    assert kinds == {"AudioFrame", "VideoFrame"}


def kinds_of_frames(url, count):
    with av.open(url, timeout=10) as container:
        frames = (frame for packet in container.demux() for frame in packet.decode())
        return {type(frame).__name__ for frame in itertools.islice(frames, count)}
