"""The kinds of faults: what each can strike, what it is told, what a system needs to be broken so, and how it ends.

One table (:data:`KINDS`) is what campaign files, the carrying out, the doctor, schedules of chance and the simulation
read. A kind that is not in it does not exist.
"""

from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct


class FaultKind(StrEnum):
    """What is done to a process or to its connections."""

    KILL = "kill"
    RESTART = "restart"
    DRAIN = "drain"
    STOP = "stop"
    CPU_QUOTA = "cpu-quota"
    CUT = "cut"
    LATENCY = "latency"
    BLACKHOLE = "blackhole"
    PARTITION = "partition"
    SLOW_FSYNC = "slow-fsync"
    FAILING_FSYNC = "failing-fsync"
    DISK_FULL = "disk-full"
    CLOCK_JUMP = "clock-jump"
    DOUBLE = "double"


class Need(StrEnum):
    """What a system must have been started with, so that it can be broken in some way."""

    LINKS = "links"
    """Connections to PostgreSQL and NATS lead through a proxy of the conductor's."""
    SHIM = "shim"
    """Processes have a library of ours loaded before the C library."""
    SMALL_DISK = "small-disk"
    """PostgreSQL's data lies on a small file system of its own."""
    HOSTS = "hosts"
    """The process runs in a network namespace of its own."""
    QUOTA = "quota"
    """Nothing but a signal or a control group."""


class Kind(NamedTuple):
    """A kind of fault.

    Parameters
    ----------
    meaning : str
        What is done.
    strikes : tuple of str
        How the names of what it can strike begin; empty is every process.
    takes : tuple of str
        Keys of a fault that it needs; `for_s` for what is undone again.
    may_take : tuple of str
        Keys that it understands besides.
    needs : Need or None
        What the system must have been started with.
    undone : str
        How it ends.
    deadly : bool
        Whether the process may die of it, and be started again, with nothing being wrong.
    """

    meaning: str
    strikes: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    may_take: tuple[str, ...] = ()
    needs: Need | None = None
    undone: str = ""
    deadly: bool = False

    def can_strike(self, target: str) -> bool:
        """Tell whether a process of this name can be struck."""
        return not self.strikes or target.startswith(self.strikes)

    @property
    def lasts(self) -> bool:
        """Whether it goes on until it is undone."""
        return "for_s" in self.takes


_DATABASE: Final = ("postgres",)
_OURS: Final = ("postgres", "wallet", "gateway", "dealer", "services", "studio", "origin", "edge")
_APART: Final = ("wallet", "dealer")
"""Roles that nobody but NATS and PostgreSQL speaks with: they can be moved to a host of their own."""

KINDS: Final[dict[FaultKind, Kind]] = {
    FaultKind.KILL: Kind("SIGKILL", undone="the supervisor starts it again", deadly=True),
    FaultKind.RESTART: Kind("asked to end (SIGTERM; PostgreSQL: SIGINT)", undone="the supervisor starts it again",
                            deadly=True),
    FaultKind.DRAIN: Kind("asked to move its players elsewhere and then to end", strikes=("gateway",),
                          undone="the supervisor starts it again", deadly=True),
    FaultKind.STOP: Kind("SIGSTOP to it and its children", takes=("for_s",), undone="SIGCONT"),
    FaultKind.CPU_QUOTA: Kind(
        "gets only a share of a core", takes=("for_s", "cpu_share"), needs=Need.QUOTA, undone="the quota is lifted"
    ),
    FaultKind.CUT: Kind(
        "its connections to PostgreSQL and NATS are reset", needs=Need.LINKS, undone="whoever was cut connects again"
    ),
    FaultKind.LATENCY: Kind(
        "every byte to and from PostgreSQL and NATS is late", takes=("for_s", "latency_ms"), may_take=("jitter_ms",),
        needs=Need.LINKS, undone="bytes pass at once again",
    ),
    FaultKind.BLACKHOLE: Kind(
        "its connections stay open and nothing passes", takes=("for_s",), needs=Need.LINKS,
        undone="what waited passes",
    ),
    FaultKind.PARTITION: Kind(
        "the cable of the process's own host is pulled", strikes=_APART, takes=("for_s",), needs=Need.HOSTS,
        undone="the cable is plugged in",
    ),
    FaultKind.SLOW_FSYNC: Kind(
        "every fsync and fdatasync takes longer", strikes=_DATABASE, takes=("for_s", "latency_ms"), needs=Need.SHIM,
        undone="they take as long as they take",
    ),
    FaultKind.FAILING_FSYNC: Kind(
        "fsync and fdatasync fail with EIO", strikes=_DATABASE, takes=("for_s",), needs=Need.SHIM,
        undone="they succeed again; PostgreSQL recovers by itself", deadly=True,
    ),
    FaultKind.DISK_FULL: Kind(
        "its file system is filled to the last byte", strikes=_DATABASE, takes=("for_s",), needs=Need.SMALL_DISK,
        undone="the ballast is removed", deadly=True,
    ),
    FaultKind.CLOCK_JUMP: Kind(
        "its wall clock jumps", strikes=_OURS, takes=("for_s", "shift_ms"), needs=Need.SHIM,
        undone="it jumps back",
    ),
    FaultKind.DOUBLE: Kind(
        "a second one runs beside it", strikes=("dealer",), takes=("for_s",), undone="the second one is killed",
        deadly=True,
    ),
}  # fmt: skip
"""Every kind."""

PARAMETERS: Final = ("for_s", "latency_ms", "jitter_ms", "cpu_share", "shift_ms")
"""Keys of a fault that only some kinds understand."""

_AIMS: Final = ("before_close_ms", "after_close_ms")

Seconds = Annotated[float, Meta(ge=0.0)]


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something is broken on purpose.

    Parameters
    ----------
    kind, target : FaultKind, str
        What is done to which process.
    at_s : float
        When, after the load's start.
    before_close_ms, after_close_ms : int
        0 and 0 strike at `at_s`; otherwise the fault waits, from `at_s` on, for the first moment that lies so long
        before, or after, a table's cut-off. So it can be aimed at the rush of late bets, or at closing, deciding and
        settling.
    for_s : float
        How long it lasts, for kinds that are undone.
    latency_ms, jitter_ms : int
        How late every byte is, or how long an fsync takes; and by how much more at most, uniformly.
    cpu_share : float
        The share of a core that is left.
    shift_ms : int
        By how much the wall clock jumps; negative is back.
    """

    kind: FaultKind
    target: str
    at_s: Seconds
    before_close_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    after_close_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    for_s: Annotated[float, Meta(ge=0.0, le=600.0)] = 0.0
    latency_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    jitter_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    cpu_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    shift_ms: Annotated[int, Meta(ge=-86_400_000, le=86_400_000)] = 0

    def __str__(self) -> str:
        return f"{self.kind} of {self.target} at {self.at_s:g} s"

    @property
    def line(self) -> str:
        """Everything that it says, on one line."""
        said = [f"{self.at_s:8.1f} s", f"{self.kind:13} {self.target:10}"]
        said += [f"{key} = {value:g}" for key in (*_AIMS, *PARAMETERS) if (value := getattr(self, key))]
        return "  ".join(said).rstrip()

    @property
    def after_cut_off_ms(self) -> int | None:
        """Where it lies relative to a cut-off, None if it is not aimed at one."""
        return self.after_close_ms - self.before_close_ms if self.after_close_ms or self.before_close_ms else None
