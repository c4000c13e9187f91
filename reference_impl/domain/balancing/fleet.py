"""What is known of all places of one kind: one state value in, a new one and a decision out.

A place's believed load is its report as far as it is trusted, one's own books for the rest, and what was placed there
since. Its weight is its speed as it is expected soon, less while it is new or not trusted, and nothing once it closes.
"""

from statistics import median
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from reference_impl.domain.balancing import signals
from reference_impl.domain.balancing.moves import GIVE_TO, Move, budget_of, excess, level_of, plan_moves
from reference_impl.domain.balancing.policies import Candidates, Decision, Policy, Wish

WEIGHT_MIN = 0.01
"""Of a place that is open."""


class Heard(NamedTuple):
    """A report, as policies take it.

    Parameters
    ----------
    number : int
        The place.
    load : float
        Its sessions.
    heat, coming : float
        What one of them asks for, the usual being 1: over whole rounds, and at most within the next seconds
        (:func:`.heat.mean_heat`, :func:`.heat.coming_heat`).
    own_cost : float
        What a unit of its own work costs it, in any unit that all places of a kind share; 0 if it had none.
    latency_ms : float
        How long its own work takes, high percentile.
    closing : bool
        Whether it wants to be rid of its sessions.
    """

    number: int
    load: float
    own_cost: float = 0.0
    latency_ms: float = 0.0
    closing: bool = False
    heat: float = 1.0
    coming: float = 1.0


class Place(Struct, frozen=True):
    """What is known of a place; see :mod:`.signals` for what the figures mean."""

    number: int
    first_s: float
    heard_s: float
    load: float
    placed: float = 0.0
    own_cost: float = 0.0
    latency_ms: float = 1.0
    speed: float = 1.0
    slope: float = 0.0
    error: float = 0.0
    heat: float = 1.0
    coming: float = 1.0
    hot: bool = False
    closing: bool = False

    def expected(self) -> float:
        """Return the sessions that it should have by now."""
        return self.load + self.placed

    def believed(self) -> float:
        """Return the load that sessions are placed by: they stay for many rounds."""
        return self.expected() * self.heat

    def ahead(self) -> float:
        """Return the load of the coming seconds, by which places are judged."""
        return self.expected() * self.coming


class Fleet(Struct, frozen=True):
    """All places of one kind that ever reported, by number; `begun_s` is when the first did."""

    places: tuple[Place, ...] = ()
    begun_s: float = 0.0

    def find(self, number: int) -> Place | None:
        """Return a place, if it ever reported."""
        return next((place for place in self.places if place.number == number), None)


def hear(fleet: Fleet, heard: Heard, now_s: float) -> Fleet:
    """Return the state after a report."""
    others = tuple(place for place in fleet.places if place.number != heard.number)
    known = fleet.find(heard.number)
    begun_s = fleet.begun_s if fleet.places else now_s
    if known is None or now_s - known.heard_s > signals.REPORT_S_MAX:
        # Places that are there from the beginning are as warm as each other.
        first_s = now_s if now_s - begun_s > signals.REPORT_S_MAX else now_s - signals.SLOW_START_S
        place = Place(heard.number, first_s, now_s, heard.load, own_cost=heard.own_cost, closing=heard.closing,
                      latency_ms=max(heard.latency_ms, 1e-3), heat=heard.heat,
                      coming=heard.coming)  # fmt: skip
    else:
        place = _after(known, heard, _usual_cost(fleet), now_s)
    return Fleet(tuple(sorted((*others, place), key=lambda each: each.number)), begun_s)


def _after(known: Place, heard: Heard, usual_cost: float, now_s: float) -> Place:
    error = signals.error_next(known.error, heard.load, known.expected())
    speed = known.speed
    if heard.own_cost > 0.0:
        speed = signals.speed_next(known.speed, signals.speed_of(heard.own_cost, usual_cost))
    return replace(
        known, heard_s=now_s, placed=0.0, error=error, speed=speed, closing=heard.closing,
        load=signals.believed(heard.load, known.expected(), signals.trust_of(error, 0.0)),
        own_cost=heard.own_cost or known.own_cost,
        slope=signals.slope_next(known.slope, known.speed, speed, now_s - known.heard_s),
        latency_ms=signals.peak_next(known.latency_ms, heard.latency_ms), heat=heard.heat, coming=heard.coming,
    )  # fmt: skip


def _usual_cost(fleet: Fleet) -> float:
    costs = [place.own_cost for place in fleet.places if place.own_cost > 0.0]
    return median(costs) if costs else 0.0


def is_alive(place: Place, now_s: float) -> bool:
    """Return whether a place has reported lately."""
    return now_s - place.heard_s < signals.REPORT_S_MAX


def fitness_of(place: Place, now_s: float) -> float:
    """Return what a place can do soon, 1 being usual; 0 if it closes or has fallen silent."""
    if place.closing or not is_alive(place, now_s):
        return 0.0
    return signals.speed_ahead(place.speed, place.slope)


def trust_in(place: Place, now_s: float) -> float:
    """Return how far a place is believed."""
    return signals.trust_of(place.error, now_s - place.heard_s)


def weight_of(place: Place, now_s: float) -> float:
    """Return what new sessions a place is fit for: less while it is new or not trusted."""
    fitness = fitness_of(place, now_s)
    if fitness <= 0.0:
        return 0.0
    return max(WEIGHT_MIN, fitness * signals.slow_start(now_s - place.first_s) * trust_in(place, now_s))


def candidates(fleet: Fleet, avoid: int, now_s: float) -> Candidates:
    """Return who may be chosen: alive and open, and not the one to `avoid` (-1: none), unless there is nobody else."""
    fit = [(place, weight_of(place, now_s)) for place in fleet.places]
    open_ = [(place, weight) for place, weight in fit if weight > 0.0]
    open_ = [pair for pair in open_ if pair[0].number != avoid] or open_
    return Candidates(
        tuple(place.number for place, _ in open_),
        tuple(place.believed() for place, _ in open_),
        tuple(weight for _, weight in open_),
        tuple(max(place.latency_ms, 1e-3) for place, _ in open_),
    )


def decide(
    fleet: Fleet,
    policy: Policy,
    wish: Wish,
    *,
    what: str,
    session: int,
    avoid: int = -1,
    now_ns: int,
    load: float = 1.0,
) -> tuple[Fleet, Decision | None]:
    """Return the state after a placement, and the decision; None if nobody is open.

    Parameters
    ----------
    fleet : Fleet
        What is known.
    policy : Policy
        Who chooses.
    wish : Wish
        What for.
    what, session : str, int
        For the record: ``gateway`` or ``edge``, and who is placed.
    avoid : int
        The place that the session has just lost; -1: none.
    now_ns : int
        Now, on the clock of the reports.
    load : float
        What the session adds.
    """
    among = candidates(fleet, avoid, now_ns / 1e9)
    if not among.numbers:
        return fleet, None
    number = among.numbers[policy.choose(among, wish)]
    decision = Decision(
        now_ns, what, policy.name, session, wish.key, wish.copies, wish.first, wish.second, tuple(among.numbers),
        tuple(among.loads), tuple(among.weights), tuple(among.latencies_ms), number,
    )  # fmt: skip
    return came(fleet, number, load), decision


def came(fleet: Fleet, number: int, load: float = 1.0) -> Fleet:
    """Return the state after a session was placed, or is known to have come, that no report has counted yet."""
    places = tuple(
        replace(place, placed=place.placed + load) if place.number == number else place for place in fleet.places
    )
    return replace(fleet, places=places)


def judge(fleet: Fleet, now_s: float) -> Fleet:
    """Return the state with every place judged hot or not, by its coming cost over the mean."""
    fit = [fitness_of(place, now_s) for place in fleet.places]
    alive = [(place.ahead(), weight) for place, weight in zip(fleet.places, fit, strict=True) if weight > 0.0]
    level = max(level_of([load for load, _ in alive], [weight for _, weight in alive]), 1e-9)
    judged = (
        replace(place, hot=weight > 0.0 and signals.hot_next(place.hot, place.ahead() / weight / level))
        for place, weight in zip(fleet.places, fit, strict=True)
    )
    return replace(fleet, places=tuple(judged))


def too_many(fleet: Fleet, place: Place, sessions: int, now_s: float) -> int:
    """Return how many of its sessions a place would have to give, if there were room for all of them."""
    alive = [one for one in fleet.places if is_alive(one, now_s)]
    level = level_of([one.ahead() for one in alive], [fitness_of(one, now_s) for one in alive])
    return excess(place.ahead(), fitness_of(place, now_s), sessions, GIVE_TO * level)


def shifts(
    fleet: Fleet, sessions: dict[int, int], movable: dict[int, int], now_s: float, passed_s: float,
    spared: frozenset[int] = frozenset(),
) -> list[Move]:  # fmt: skip
    """Return the moves of the coming moment; givers and takers by their numbers.

    Parameters
    ----------
    fleet : Fleet
        What is known, judged.
    sessions, movable : dict of int to int
        How many sessions each place has, and how many of them may be told to move (:func:`.moves.may_move`).
    now_s, passed_s : float
        Now, and how long ago the last plan was made.
    spared : set of int
        Places that shall be given nobody, since they are to be closed within the rest that a moved session has.
    """
    alive = [place for place in fleet.places if is_alive(place, now_s)]
    takes = [
        place.number not in spared and not place.hot and trust_in(place, now_s) >= signals.TRUST_MIN for place in alive
    ]
    plan = plan_moves(
        [place.ahead() for place in alive], [fitness_of(place, now_s) for place in alive],
        [sessions.get(place.number, 0) for place in alive], [movable.get(place.number, 0) for place in alive],
        [int(place.hot or place.closing) for place in alive], [int(one) for one in takes],
        budget_of(sum(sessions.values()), passed_s),
    )  # fmt: skip
    return [Move(alive[giver].number, alive[taker].number, count) for giver, taker, count in plan]
