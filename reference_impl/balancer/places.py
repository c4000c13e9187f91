"""The places of one kind, as their reports tell: what the rules know of them, and where they are."""

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Generic, NamedTuple, Protocol, TypeVar

from reference_impl.domain.balance_messages import Stand
from reference_impl.domain.balancing.fleet import Fleet, Heard, came, decide, hear, is_alive
from reference_impl.domain.balancing.policies import Decision, Policy, Wish

COST_MS = 20.0
"""What a unit of work costs a place whose loop is never late. What it is late comes on top: it is the first sign of a
place that slows down, whatever the reason, and this keeps the usual few ms of a busy machine from being noise. An
**assumption**."""
LAGS_KEPT = 3
"""Of so many reports the middle one counts: one hiccup is no trend."""


class Report(Protocol):
    """What both kinds of reports say."""

    @property
    def number(self) -> int:
        """The number in records."""

    @property
    def url(self) -> str:
        """Where players connect."""

    @property
    def connections(self) -> int:
        """Open connections."""

    @property
    def stand(self) -> int:
        """How it stands to new players, a :class:`reference_impl.domain.balance_messages.Stand`."""

    @property
    def p99_ms(self) -> float:
        """How long its own work at a bet or an answer took, p99; 0 if it had none."""

    @property
    def lag_ms(self) -> float:
        """The most that its loop was late."""

    @property
    def lag_ms_mean(self) -> float:
        """What its loop was late on average."""


R = TypeVar("R", bound=Report)


class Choice(NamedTuple, Generic[R]):
    """Places that are alive, the chosen one first, the others by load; the chosen one's load; and the decision."""

    reports: list[R]
    load: float
    decision: Decision


class Places(Generic[R]):
    """The places of one kind, by name.

    Parameters
    ----------
    what : str
        The kind: ``gateway`` or ``edge``.
    load_of : callable, optional
        What a report's place will carry soon, in sessions of usual work; without it, its connections.
    """

    def __init__(self, what: str, load_of: Callable[[R], float] | None = None) -> None:
        self.fleet = Fleet()
        self.reports: dict[str, R] = {}
        self._lags_ms: dict[str, deque[float]] = {}
        self._what = what
        self._load_of: Callable[[R], float] = load_of or (lambda report: float(report.connections))

    def hear(self, name: str, report: R, now_s: float) -> None:
        """Take a report; who is gone is forgotten."""
        if report.stand == Stand.GONE:
            self.reports.pop(name, None)
            self._lags_ms.pop(name, None)
            self.fleet = Fleet(tuple(p for p in self.fleet.places if p.number != report.number), self.fleet.begun_s)
            return
        self.reports[name] = report
        lags_ms = self._lags_ms.setdefault(name, deque(maxlen=LAGS_KEPT))
        lags_ms.append(report.lag_ms_mean)
        coming = self._load_of(report) / report.connections if report.connections else 1.0
        heard = Heard(
            report.number, float(report.connections), COST_MS + median(lags_ms), report.p99_ms + report.lag_ms,
            closing=report.stand == Stand.DRAINING, coming=coming,
        )  # fmt: skip
        self.fleet = hear(self.fleet, heard, now_s)

    def joined(self, name: str) -> None:
        """Count a session that came to a place, whoever sent it there; reports are held against that."""
        if (report := self.reports.get(name)) is not None:
            self.fleet = came(self.fleet, report.number)

    def alive(self, now_s: float) -> dict[str, R]:
        """Return who was heard lately; who was silent for too long is gone."""
        living = {place.number for place in self.fleet.places if is_alive(place, now_s)}
        return {name: report for name, report in self.reports.items() if report.number in living}

    def choose(self, policy: Policy, wish: Wish, session: int, avoid: str, now_ns: int) -> Choice[R] | None:
        """Return who is alive, the chosen one first; None if nobody takes anyone. The choice counts as load at once."""
        avoided = self.reports[avoid].number if avoid in self.reports else -1
        self.fleet, decision = decide(
            self.fleet, policy, wish, what=self._what, session=session, avoid=avoided, now_ns=now_ns
        )
        if decision is None:
            return None
        load = dict(zip(decision.numbers, decision.loads, strict=True))
        by_number = {report.number: report for report in self.reports.values()}
        order = sorted(decision.numbers, key=lambda number: (number != decision.number, load[number]))
        return Choice([by_number[number] for number in order], load[decision.number], decision)
