"""What the conductor of a wallet load tells each of its processes, and what they tell it."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from loadtest.kit.profile import Profile

ORDER_VARIABLE = "LIVETABLE_WALLET_LOAD"
"""Environment variable that holds the path of a part's order."""


class LoadOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one part of the generator is to do.

    Parameters
    ----------
    url, profile : str, Profile
        The wallet.
    tokens : list of str
        Launch tokens of this part's test players.
    rounds_per_s : float
        Rate of the Poisson process of debits.
    seconds : float
        How long.
    cancel_share, twice_share, cut_share : float
        Share of rounds that are cancelled; of calls that are sent twice at once; of calls that are cut off first.
    run, part : str, int
        Begin every transaction id.
    seed : int
        Of everything random.
    folder : str
        Where parts and conductor meet.
    """

    url: str
    profile: Profile
    tokens: list[str]
    rounds_per_s: Annotated[float, Meta(gt=0, le=100_000)]
    seconds: Annotated[float, Meta(gt=0, le=86_400)]
    cancel_share: float = 0.05
    twice_share: float = 0.02
    cut_share: float = 0.01
    run: str
    part: int
    seed: int
    folder: str

    @property
    def ready_file(self) -> Path:
        """Written by the part once its players are in."""
        return Path(self.folder) / f"ready-{self.part}"

    @property
    def start_file(self) -> Path:
        """Holds the load's zero, CLOCK_MONOTONIC ns; written by the conductor once all parts are ready."""
        return Path(self.folder) / "start"

    @property
    def failed_file(self) -> Path:
        """Holds why the part gave up."""
        return Path(self.folder) / f"failed-{self.part}"

    @property
    def result_file(self) -> Path:
        """The part's :class:`PartResult`."""
        return Path(self.folder) / f"result-{self.part}.json"


class CallRecords(Struct):
    """What became of one kind of call: latencies and start lags in microseconds, from the intended start."""

    latency_us: list[int] = []
    lag_us: list[int] = []
    done: int = 0
    refused: int = 0
    unknown: int = 0


class PartResult(Struct):
    """What one part saw."""

    calls: dict[str, CallRecords]
    missed: int
    players: int
    complaints: list[str]
    unresolved: list[str]


def load_order() -> LoadOrder:
    """Return the order that the environment names."""
    return msgspec.json.decode(Path(os.environ[ORDER_VARIABLE]).read_bytes(), type=LoadOrder)
