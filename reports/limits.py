"""What a campaign expects, as one-line expressions, and what its load generator must keep to for it to be judged.

An expression is ``GROUP[FILTERS].FIGURE OP NUMBER``::

    bet.p99_ms <= 250
    bet[table=1,from=20,to=40].rejected_share < 0.05
    fault[target=gateway,kind=kill].served_p95_ms <= 3000
    leak[target=gateway].memory_mib_per_h <= 30
    video.latency_p95_ms <= 3000

* GROUP says what happened: an operation (``bet``, ``login``, ``connect``, ``lobby``), what viewers saw (``video``),
  ``round``, ``fault``, or what a process holds (``leak``).
* FILTERS keep a part of it: by table, gateway, shard or edge, by time, in seconds of the load, end excluded, faults by
  kind, and faults and leaks by how the target's name begins.
* FIGURE is one of :data:`GROUPS`; ``pN`` is any percentile, such as p50, p95 or p99.9.
* OP is ``<=``, ``<``, ``>=``, ``>`` or ``==``.

This module is grammar only, so that campaign files can be read where no table of a Run is.
"""

import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from reference_impl.domain.errors import ConfigError

COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq,
}  # fmt: skip

_TIME: Final = ("from", "to")
_WORDS: Final = ("target", "kind")
"""Filters by words."""
_SPANS: Final = ("{}p50_ms", "{}max_ms", "{}mean_ms")

_COUNTS: Final = ("offered", "ok", "rejected", "unknown", "refused")
_SHARES: Final = ("ok_share", "rejected_share", "unknown_share", "refused_share")
_OPERATION: Final = ("p50_ms", "max_ms", "mean_ms", *_COUNTS, *_SHARES, "offered_per_s", "ok_per_s")


class Group(NamedTuple):
    """Something that can be limited: what it may be filtered by, and its figures, with p50 standing for any pN."""

    filters: tuple[str, ...]
    figures: tuple[str, ...]


GROUPS: Final[dict[str, Group]] = {
    **dict.fromkeys(("bet", "login", "connect", "lobby"), Group(("table", "gateway", "shard", *_TIME), _OPERATION)),
    "video": Group(
        ("table", "edge", *_TIME),
        (
            *(span.format(f"{name}_") for name in ("latency", "delivery", "glass") for span in _SPANS), "stalls",
            "stalled_share", "stall_s", "viewers", "stalled_viewers", "fetches", "failed_share", "edge_switches",
            "frames_dropped", "cuts",
        ),
    ),
    "round": Group(
        ("table", *_TIME),
        ("count", "void_share", *(span.format(f"{name}_") for name in ("close", "settle") for span in _SPANS)),
    ),
    "fault": Group(
        (*_WORDS, *_TIME),
        (
            "count", "unrecovered",
            *(span.format(f"{name}_") for name in ("recovery", "served", "noticed") for span in _SPANS),
        ),
    ),
    "leak": Group(("target",), ("memory_mib_per_h", "descriptors_per_h", "disk_mib_per_h")),
}  # fmt: skip
"""All groups. ``round.close`` is from the cut-off to the last shard's close, ``round.settle`` from the result to the
last payout, ``fault.recovery`` from the fault, or from its undoing, to the process being ready again, ``fault.served``
to those whom it struck being served (:mod:`reports.recovery`); ``leak`` is by how much at least the worst process grows
(:mod:`reports.leaks`)."""

EFFECT_MIN: Final = 0.1
"""A difference below this share of the value does not matter to anybody, however sure it is."""

DEFAULT_SLOS: Final = ("bet.p99_ms <= 250", "bet.unknown_share <= 0")

_PERCENTILE: Final = re.compile(r"(?:^|(?<=_))p(\d{1,2}(?:\.\d{1,3})?|100)(?=_ms$)")
_MEANT: Final = re.compile(r"(?:^|_)p(\d{1,2}(?:\.\d{1,3})?)(?!\d)")
_FIGURE: Final = re.compile(r"([A-Za-z_]+)(?:\[([^\]]*)\])?\.([A-Za-z0-9_.]+)")
_EXPRESSION: Final = re.compile(r"(\S.*?)\s*(<=|>=|==|<|>)\s*([-+.0-9eE]+)")
_HIGHER_IS_BETTER: Final = ("ok", "ok_share", "ok_per_s", "offered_per_s")
_NEITHER: Final = ("offered", "count", "viewers", "fetches", "edge_switches", "rejected", "rejected_share")


class Figure(NamedTuple):
    """A figure of a Run: group, filters as pairs of name and number or word, and the figure's name."""

    group: str
    filters: tuple[tuple[str, float | str], ...]
    name: str

    def __str__(self) -> str:
        shown = ",".join(f"{name}={value if isinstance(value, str) else f'{value:g}'}" for name, value in self.filters)
        return f"{self.group}[{shown}].{self.name}" if shown else f"{self.group}.{self.name}"

    @property
    def percent(self) -> float | None:
        """Which percentile it is, None if none."""
        found = _PERCENTILE.search(self.name)
        return float(found[1]) if found else None

    @property
    def family(self) -> str:
        """Its name with p50 in place of its own percentile."""
        return _PERCENTILE.sub("p50", self.name)

    @property
    def unit(self) -> str:
        """``ms``, ``s``, ``/s`` or nothing for counts and shares."""
        for suffix, unit in (("_per_s", "/s"), ("_mib_per_h", "MiB/h"), ("_per_h", "/h"), ("_ms", "ms"), ("_s", "s")):
            if self.name.endswith(suffix):
                return unit
        return ""

    @property
    def better(self) -> int:
        """-1 if less is better, 1 if more is better, 0 if neither is."""
        if self.name in _NEITHER:
            return 0
        return 1 if self.name in _HIGHER_IS_BETTER else -1


class Expectation(NamedTuple):
    """A limit on a figure."""

    figure: Figure
    comparison: str
    limit: float

    def __str__(self) -> str:
        return f"{self.figure} {self.comparison} {self.limit:g}"


class HealthLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the load generator must keep to: beyond it a Run tells of the generator and is *invalid*.

    Parameters
    ----------
    lag_p99_ms_max : float
        How late bets start, 99th percentile.
    missed_share_max : float
        Scheduled operations that were not started, of all: more than that is another load.
    cpu_share_max : float
        Share of a core that the busiest worker used in its busiest ten seconds. At 1 it has nothing to spare.
    timer_lag_p95_ms_max : float
        How late a 10 ms timer ran at worst in a second, 95th percentile over the seconds of all workers.
    silent_s_max : float
        Longest time without a sign of life of a worker. One that died is silent to the end.
    clock_error_ms_max : float
        How far clocks of the Run may be apart: instants of gateway and dealer are compared with the generator's.
    """

    lag_p99_ms_max: Annotated[float, Meta(gt=0.0)] = 50.0
    missed_share_max: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.01
    cpu_share_max: Annotated[float, Meta(gt=0.0)] = 0.9
    timer_lag_p95_ms_max: Annotated[float, Meta(gt=0.0)] = 100.0
    silent_s_max: Annotated[float, Meta(gt=0.0)] = 5.0
    clock_error_ms_max: Annotated[float, Meta(gt=0.0)] = 10.0


def parse_slo(text: str) -> Expectation:
    """Return the limit that an expression sets.

    Raises
    ------
    ConfigError
        One line with the expression, what is wrong and the nearest known name.
    """
    found = _EXPRESSION.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError("must be GROUP.FIGURE OP NUMBER, such as 'bet.p99_ms <= 250'")  # noqa: TRY301 - one form
        return Expectation(_figure(found[1]), found[2], _number("limit", found[3]))
    except ValueError as error:
        raise ConfigError(f"slo '{text}': {error}") from None


def parse_slos(texts: Iterable[str]) -> list[Expectation]:
    """Return the limits that expressions set, or raise the first one's ConfigError."""
    return [parse_slo(text) for text in texts]


def parse_figure(text: str) -> Figure:
    """Return the figure that a text such as ``bet[table=1].p99_ms`` names, or raise ConfigError."""
    try:
        return _figure(text.strip())
    except ValueError as error:
        raise ConfigError(f"figure '{text}': {error}") from None


def _figure(text: str) -> Figure:
    found = _FIGURE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' must be GROUP.FIGURE or GROUP[FILTER=NUMBER].FIGURE")
    group = found[1]
    if group not in GROUPS:
        raise ValueError(_unknown("group", group, GROUPS))
    filters = tuple(_filter(group, part) for part in found[2].split(",")) if found[2] is not None else ()
    figure = Figure(group, filters, found[3])
    if figure.family not in GROUPS[group].figures:
        raise ValueError(_unknown(f"figure of {group}", figure.name, _known_figures(figure)))
    return figure


def _known_figures(figure: Figure) -> list[str]:
    """Return the figures of a group, in place of any percentile the one that was probably meant."""
    meant = _MEANT.search(figure.name)
    return [name.replace("p50", f"p{meant[1]}") if meant else name for name in GROUPS[figure.group].figures]


def _filter(group: str, text: str) -> tuple[str, float | str]:
    name, _, number = (part.strip() for part in text.partition("="))
    if name not in GROUPS[group].filters:
        raise ValueError(_unknown(f"filter of {group}", name, GROUPS[group].filters))
    return name, number if name in _WORDS else _number(name, number)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} = '{text}' must be a number") from None


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"unknown {what} '{name}', did you mean '{near[0]}'?"
