"""The studio of a table: films the announced round, encodes it, packs it, pushes it. A process of its own.

The loop is paced by the wall clock's frame slots. Encoding runs inside the loop: there is nothing else here whose
lateness anyone would see. A studio that falls behind drops frames, never a part's first; one that falls behind by more
than a part cuts, and goes on with the next segment. One that starts does so with the next part: what its segment lacks
before it is a gap, and interactive viewers see it at once.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
from nats.errors import Error as NatsError

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.hls import MediaTiming
from reference_impl.domain.ids import TABLE_ID_MAX
from reference_impl.domain.table_messages import TableEnvelope
from reference_impl.domain.units import NS_PER_S
from reference_impl.streaming.camera import Camera
from reference_impl.streaming.config import VideoConfig
from reference_impl.streaming.device import Device
from reference_impl.streaming.encoder import Ladder
from reference_impl.streaming.film import Film
from reference_impl.streaming.messages import FramePush, PartPush, StreamInfo
from reference_impl.streaming.packager import Encoded, Packager
from reference_impl.streaming.scene import Scene, follow
from reference_impl.streaming.sink import Sink
from reference_impl.streaming.sound_encoder import SoundEncoder
from reference_impl.streaming.uplink import Uplink

STATE_S_MAX = 1.0
SAY_S = 10.0
"""Between two lines in the log about dropped frames; the records have each of them."""

log = logging.getLogger(__name__)


def next_slot(slot: int, now_unix_ns: int, timing: MediaTiming) -> int:
    """Return the slot to film next: the wanted one, or a later one if it is too late for that.

    Parameters
    ----------
    slot : int
        The slot after the last filmed one.
    now_unix_ns : int
        Now.
    timing : MediaTiming
        Frames, parts, segments.

    Notes
    -----
    A frame may start up to one frame late. Later, frames are dropped up to the present one, but never a part's first;
    beyond a part's length the film is cut to the next segment, which starts with an independent frame.
    """
    present = now_unix_ns // timing.frame_ns
    late = present - slot
    if late > timing.part_frames:
        return timing.first_slot(timing.part_of(present)[0] + 1)
    if late <= 1 or slot % timing.part_frames == 0:
        return slot
    part_end = slot - slot % timing.part_frames + timing.part_frames
    return min(present, part_end)


def _camera(video: VideoConfig, table: int, seed: int) -> Camera | Film | Device:
    width, height = video.ladder[0].width, video.ladder[0].height
    if video.device:
        return Device(video.device, width, height)
    return Film(video.film, width, height) if video.film else Camera(width, height, table, seed)


class Studio:
    """Films one table.

    Parameters
    ----------
    table : int
        Which table.
    video : VideoConfig
        Ladder, timing, preset.
    origin_url : str
        The origin's ``ws://host:port/ingest``.
    ingest_key : str
        What the origin asks studios for.
    seed : int
        The film's seed.
    nats : nats client, optional
        A connected client: the studio follows ``table.<table>``. Without one, call :meth:`show`.
    sink : Sink, optional
        Takes a record of layout ``SCENES`` for the first frame of each phase.
    drops : Sink, optional
        Takes a record of layout ``DROPS`` whenever frames are dropped.
    """

    def __init__(
        self,
        table: int,
        video: VideoConfig,
        origin_url: str,
        ingest_key: str,
        *,
        seed: int = 0,
        nats: Any = None,
        sink: Sink | None = None,
        drops: Sink | None = None,
    ) -> None:
        if not 0 <= table <= TABLE_ID_MAX:
            raise ConfigError(f"table is {table}; it must be in [0, {TABLE_ID_MAX}]")
        self.table = table
        self.frames = 0
        self.frames_dropped = 0
        self.cuts = 0
        self._video = video
        self._nats = nats
        self._sink = sink
        self._drops = drops
        self._unsaid = 0
        self._said_s = -SAY_S
        # One reading of the wall clock, then the monotonic one: a clock that is set must not tear the film.
        self._unix_offset_ns = time.time_ns() - time.monotonic_ns()
        self._camera = _camera(video, table, seed)
        self._ladder = Ladder(video)
        self._packager = Packager(video.timing)
        self._sound = SoundEncoder(video.timing) if video.sound else None
        self._scene = Scene()
        self._shown = Scene()
        renditions = self._ladder.renditions() + ((self._sound.rendition(),) if self._sound else ())
        info = StreamInfo(table, time.time_ns(), video.timing, renditions)
        self.uplink = Uplink(origin_url, ingest_key, info)

    @property
    def load(self) -> tuple[int, int, int, int]:
        """Whether it is connected, parts that wait to be sent, frames filmed, bytes sent."""
        return self.uplink.connected, self.uplink.queued, self.frames, self.uplink.egress_bytes

    def show(self, envelope: TableEnvelope) -> None:
        """Follow an announcement of the dealer."""
        self._scene = follow(self._scene, envelope, self._now_unix_ns())

    async def run(self, ready: Callable[[], None]) -> None:
        """Film until cancelled; `ready` is called when the first frame is about to be taken."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.uplink.run())
            if self._nats is not None:
                await self._follow_table()
            ready()
            await self._film()

    async def _film(self) -> None:
        timing = self._video.timing
        slot = timing.next_part(self._now_unix_ns()) * timing.part_frames
        while True:
            await asyncio.sleep(max(0.0, (slot * timing.frame_ns - self._now_unix_ns()) / NS_PER_S))
            due = next_slot(slot, self._now_unix_ns(), timing)
            if due == slot:
                self._shoot(slot)
                slot += 1
                continue
            self._drop(slot, due - slot)
            slot = due

    def _drop(self, slot: int, frames: int) -> None:
        """Leave frames out because there was no time for them, and say so."""
        timing = self._video.timing
        cut = (slot + frames) % timing.segment_frames == 0 and frames > timing.part_frames
        self.frames_dropped += frames
        if cut:
            self.cuts += 1
            self._packager.reset()
        if self._drops is not None:
            now_unix_ns = self._now_unix_ns()
            self._drops.append(now_unix_ns - self._unix_offset_ns, now_unix_ns, self.table, frames, slot, int(cut))
        self._unsaid += frames
        now_s = time.monotonic()
        if cut or now_s - self._said_s >= SAY_S:
            what = "the film is cut" if cut else "the encoder is late"
            log.warning("table %d: %s, %d frames are missing", self.table, what, self._unsaid)
            self._unsaid, self._said_s = 0, now_s

    def _shoot(self, slot: int) -> None:
        now_unix_ns = self._now_unix_ns()
        key = not self.frames or slot % self._video.timing.gop_frames == 0
        picture = self._camera.draw(self._scene, now_unix_ns)
        data = self._ladder.encode(picture, slot, key=key)
        for push in self._packager.add(Encoded(slot, key, now_unix_ns, data)):
            self.uplink.send(self._with_sound(push))
        self.frames += 1
        if (self._scene.round, self._scene.phase) != (self._shown.round, self._shown.phase):
            self._shown = self._scene
            self._record(slot, now_unix_ns)

    def _with_sound(self, push: FramePush | PartPush) -> FramePush | PartPush:
        """Return a part with its sound; interactive viewers have none."""
        if self._sound is None or isinstance(push, FramePush):
            return push
        number = push.msn * self._video.timing.parts_per_segment + push.part
        sound = self._sound.part(number, self._scene, push.captured_unix_ns)
        return msgspec.structs.replace(push, data=(*push.data, sound))

    def _record(self, slot: int, now_unix_ns: int) -> None:
        if self._sink is not None:
            scene = self._scene
            t_ns = now_unix_ns - self._unix_offset_ns
            self._sink.append(t_ns, now_unix_ns, self.table, int(scene.phase), scene.round, slot, scene.outcome)

    async def _follow_table(self) -> None:
        decoder = msgspec.json.Decoder(TableEnvelope)

        async def hear(message: Any) -> None:
            self.show(decoder.decode(message.data))

        await self._nats.subscribe(f"table.{self.table}", cb=hear)
        # A dealer that is not there yet has nothing to tell: its next announcement will come by the subscription.
        with contextlib.suppress(NatsError, TimeoutError):
            state = await self._nats.request(f"dealer.{self.table}.state", b"", timeout=STATE_S_MAX)
            if state.data:
                self.show(decoder.decode(state.data))

    def _now_unix_ns(self) -> int:
        return time.monotonic_ns() + self._unix_offset_ns
