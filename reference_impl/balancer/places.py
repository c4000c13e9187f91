"""The places of one kind, as their reports tell: what the rules know of them, and where they are."""

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from reference_impl.domain.balance_messages import EdgeReport, GatewayReport, Stand
from reference_impl.domain.balancing.fleet import Fleet, Heard, Place, came, decide, hear, is_alive
from reference_impl.domain.balancing.policies import Decision, Policy, Wish
from reference_impl.domain.balancing.usual import Usual, is_late, lateness, learned, usual_cost

PART_MS = 20.0
"""Lateness of an edge is held against so much: viewers are a second behind, and no ms is felt. [assumed]"""


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

    @property
    def lag_ms_p98(self) -> float:
        """What its loop was late one time in fifty, single hiccups aside."""


R = TypeVar("R", bound=Report)


class Choice(NamedTuple, Generic[R]):
    """Places that are alive, the chosen one first, the others by load; the chosen one's load; and the decision."""

    reports: list[R]
    load: float
    decision: Decision


def gateways(load_of: Callable[[GatewayReport], float] | None = None) -> "Places[GatewayReport]":
    """Return gateways of which nobody has been heard yet."""
    return Places("gateway", lambda report: report.bet_p50_ms, lambda report: report.left, load_of)


def edges() -> "Places[EdgeReport]":
    """Return edges of which nobody has been heard yet; they count connections, of which a viewer has several."""
    return Places("edge", lambda _report: PART_MS)


class Places(Generic[R]):
    """The places of one kind, by name.

    Parameters
    ----------
    what : str
        The kind: ``gateway`` or ``edge``.
    work_of : callable
        What a report says that its place's own work took, ms; 0 if it had none.
    left_of : callable, optional
        How many sessions a report says have left since its place began. Without it, nobody but the place knows who
        comes and goes, and its word is taken.
    load_of : callable, optional
        What a report's place will carry soon, in sessions of usual work; without it, its connections.
    """

    def __init__(
        self, what: str, work_of: Callable[[R], float], left_of: Callable[[R], int] | None = None,
        load_of: Callable[[R], float] | None = None,
    ) -> None:  # fmt: skip
        self.fleet = Fleet()
        self.reports: dict[str, R] = {}
        self._usual: dict[str, Usual] = {}
        self._what = what
        self._work_of = work_of
        self._left_of = left_of
        self._load_of: Callable[[R], float] = load_of or (lambda report: float(report.connections))

    def hear(self, name: str, report: R, now_s: float) -> None:
        """Take a report; who is gone is forgotten."""
        if report.stand == Stand.GONE:
            self.reports.pop(name, None)
            self._usual.pop(name, None)
            self.fleet = Fleet(tuple(p for p in self.fleet.places if p.number != report.number), self.fleet.begun_s)
            return
        self._count_out(self.reports.get(name), report)
        self.reports[name] = report
        coming = self._load_of(report) / report.connections if report.connections else 1.0
        heard = Heard(
            report.number, float(report.connections), self._cost(name, report), report.p99_ms + report.lag_ms,
            closing=report.stand == Stand.DRAINING, coming=coming,
        )  # fmt: skip
        self.fleet = hear(self.fleet, heard, now_s)

    def joined(self, name: str) -> None:
        """Count a session that came to a place, whoever sent it there; reports are held against that."""
        if (report := self.reports.get(name)) is not None:
            self.fleet = came(self.fleet, report.number)

    def place(self, name: str) -> Place | None:
        """Return what the rules know of a place, if it was heard."""
        return self.fleet.find(self.reports[name].number) if name in self.reports else None

    def _count_out(self, before: R | None, report: R) -> None:
        """Take who has left off the books that a report is held against."""
        known = self.fleet.find(report.number)
        if before is None or known is None:
            return
        if self._left_of is None:
            change = report.connections - known.expected()
        else:
            left, left_before = self._left_of(report), self._left_of(before)
            change = -min(known.expected(), left - left_before if left >= left_before else left)
        self.fleet = came(self.fleet, report.number, change)

    def _cost(self, name: str, report: R) -> float:
        """Return what a unit of work costs a place, the most that is usual there being 1; and learn from it."""
        usual = self._usual.get(name, Usual())
        lag_ms = lateness(usual, report.lag_ms_p98, report.lag_ms_mean)
        cost = usual_cost(usual, [one.took_ms for other, one in self._usual.items() if other != name], lag_ms)
        costs = [place.own_cost for place in self.fleet.places if place.number != report.number]
        late = is_late(cost, [*costs, cost])
        self._usual[name] = learned(usual, lag_ms, report.lag_ms_mean, self._work_of(report), late=late)
        return cost

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
