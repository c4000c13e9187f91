"""Arrival processes as a campaign file names them. When people then come is worked out by :mod:`sim.arrival_times`."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0.0)]
Length = Annotated[float, Meta(gt=0.0)]
Rate = Annotated[float, Meta(ge=0.0)]
Factor = Annotated[float, Meta(gt=1.0, le=1000.0)]

FLASH_FACTOR: Final = 113 / 31
"""How many times more come at a flash crowd's peak.

References
----------
World Cup 98 web trace, 3 July 1998: from 31 k requests a minute at 14:25 to 113 k at 15:00.
"""


class Uniform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="uniform", tag_field="process"):
    """Evenly spaced, without chance."""

    start_s: Seconds = 0.0
    within_s: Length


class Poisson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="poisson", tag_field="process"):
    """A Poisson process with one rate."""

    start_s: Seconds = 0.0
    within_s: Length


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of time in which the rate moves linearly to `rate`, relative to the other stages' rates."""

    within_s: Length
    rate: Rate


class Stages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="stages", tag_field="process"):
    """Evenly spaced, by a rate that moves in straight lines from `first_rate` to each stage's rate in turn."""

    start_s: Seconds = 0.0
    first_rate: Rate = 0.0
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=100)]


class Mmpp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mmpp", tag_field="process"):
    """A Markov-modulated Poisson process: calm and busy spells of exponential lengths, busy ones `factor` times so."""

    start_s: Seconds = 0.0
    within_s: Length
    calm_s_mean: Length = 8.0
    busy_s_mean: Length = 2.0
    factor: Factor = 10.0


class FlashCrowd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="flash-crowd", tag_field="process"):
    """A Poisson process whose rate is calm, rises to `factor` times as much, stays there and falls again.

    The factor is a measured one (:data:`FLASH_FACTOR`). It took 35 minutes there: a campaign's seconds are its own, so
    time is compressed. That the rate rises and falls in straight lines is our assumption.
    """

    start_s: Seconds = 0.0
    calm_s: Seconds = 5.0
    rise_s: Length
    stay_s: Seconds = 0.0
    fall_s: Seconds = 0.0
    factor: Factor = FLASH_FACTOR


class Replay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="replay", tag_field="process"):
    """Arrivals shaped by recorded counts, a Poisson process within each minute.

    Parameters
    ----------
    start_s : float
        When the first recorded minute begins.
    minute_s : float
        How many seconds of load a recorded minute takes: 60 is real time.
    file : str
        A text file beside the campaign file, one count a line, ``#`` for comments; read when the campaign is loaded.
    per_minute : tuple of int
        The counts themselves; filled in from `file` if there is one, so that a Run's manifest is complete.
    """

    start_s: Seconds = 0.0
    minute_s: Length = 60.0
    file: str = ""
    per_minute: Annotated[tuple[Count, ...], Meta(max_length=10_000)] = ()


Process: TypeAlias = Uniform | Poisson | Stages | Mmpp | FlashCrowd | Replay
