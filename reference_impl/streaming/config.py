"""Configuration of the video half: frozen, checked once, refused with one clear line."""

from msgspec import Struct

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.hls import MediaTiming

SIDE_PX_MIN = 120
SOUND_RATE_HZ = 48_000
SOUND_FRAME = 1024
"""Samples in an AAC frame."""


class Rung(Struct, frozen=True, forbid_unknown_fields=True):
    """A rendition of the ladder."""

    name: str
    width: int
    height: int
    kbps: int


LADDERS = {
    "full": (Rung("720p", 1280, 720, 3000), Rung("480p", 854, 480, 1000), Rung("240p", 426, 240, 300)),
    "small": (Rung("480p", 854, 480, 1000), Rung("240p", 426, 240, 300)),
    "single": (Rung("480p", 854, 480, 1000),),
}
"""Sets of renditions. At 25 fps and superfast a core encodes about two tables of the full one, five of the small."""
LADDER = LADDERS["small"]
HEADLESS_LADDERS = {**LADDERS, "lowest": LADDER[-1:]}
"""What there is for viewers without a page as well: the page's interactive tier wants 480p."""


class VideoConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What a studio films and how it is encoded.

    Parameters
    ----------
    ladder : tuple of Rung
        Renditions, best first. The camera films at the first one's size.
    timing : MediaTiming
        Frames, parts, segments.
    preset : str
        Preset of libx264.
    sound : bool
        Whether there is a sound rendition.
    film : str
        A file to show in place of the camera's pictures; empty means the camera.
    device : str
        What else to show in their place, as FORMAT:NAME of FFmpeg's inputs.

    Raises
    ------
    ConfigError
        If a rung cannot be encoded.
    """

    ladder: tuple[Rung, ...] = LADDER
    timing: MediaTiming = MediaTiming()
    preset: str = "superfast"
    sound: bool = False
    film: str = ""
    device: str = ""

    def __post_init__(self) -> None:
        if self.film and self.device:
            raise ConfigError(f"film '{self.film}' and device '{self.device}' are both asked for; one can be shown")
        if not self.ladder:
            raise ConfigError("the ladder has 0 rungs; it needs at least 1")
        if len({rung.name for rung in self.ladder}) != len(self.ladder):
            raise ConfigError(f"two rungs share a name: {[rung.name for rung in self.ladder]}")
        for rung in self.ladder:
            _check(rung)
        if self.sound and self.timing.part_frames * SOUND_RATE_HZ % (self.timing.fps * SOUND_FRAME):
            raise ConfigError(
                f"a part of {self.timing.part_s:g} s holds no whole number of AAC frames of {SOUND_FRAME} samples at"
                f" {SOUND_RATE_HZ} Hz; with sound it must, as 0.32 s does"
            )


class OriginConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an origin listens and what it keeps.

    Parameters
    ----------
    ingest_key : str
        Studios present it to push.
    playback_secret : bytes
        Checks the tokens of interactive viewers.
    window_segments : int
        Segments in a playlist; their bytes are kept twice as long.
    live_backlog_bytes_max : int
        An interactive viewer with more unsent bytes skips to the next independent frame.
    """

    ingest_key: str
    playback_secret: bytes
    host: str = "127.0.0.1"
    port: int = 0
    live_port: int = 0
    window_segments: int = 12
    connections_max: int = 10_000
    live_viewers_max: int = 5_000
    live_backlog_bytes_max: int = 256 * 1024


class EdgeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an edge listens, what it fetches from, and how much it keeps.

    Parameters
    ----------
    playback_secret : bytes
        Checks tokens; empty for a shield, which serves edges and asks for none.
    cache_bytes_max : int
        Bound of the cached bodies.
    fetches_max : int
        Different objects fetched at the same time; more are refused.
    """

    name: str
    upstream_host: str
    upstream_port: int
    playback_secret: bytes = b""
    host: str = "127.0.0.1"
    port: int = 0
    cache_bytes_max: int = 64 * 1024 * 1024
    fetches_max: int = 256
    connections_max: int = 20_000


def _check(rung: Rung) -> None:
    if rung.width % 2 or rung.height % 2 or min(rung.width, rung.height) < SIDE_PX_MIN:
        size = f"{rung.width}x{rung.height}"
        raise ConfigError(f"rung {rung.name!r} is {size}; sides must be even and at least {SIDE_PX_MIN}")
    if rung.kbps < 1:
        raise ConfigError(f"rung {rung.name!r} has {rung.kbps} kbit/s; it needs at least 1")
    if not rung.name or "/" in rung.name:
        raise ConfigError(f"rung name {rung.name!r} cannot stand in a URL")
