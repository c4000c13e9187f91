"""Which sessions are shifted, from where to where.

The planner says how many sessions leave which place for which other; the place that holds them says which, by
:func:`may_move` and :func:`move_rank`. A session moves between two rounds of its table, holds no unsettled bet then,
and is not moved again for a minute; viewers go before players, and players without bets before bettors.

Invariants
----------
* At most :data:`MOVE_SHARE_MAX` of all sessions are told to move in a second.
* A place gives only while it is hot or closing, and only down to :data:`GIVE_TO` times the mean cost.
* A place takes at most :data:`TAKE_SHARE_MAX` times its even share of the budget in a plan.
* Nobody is lifted above :data:`TAKE_TO` times the mean cost, except by sessions of a closing place: they have to leave.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

MOVE_SHARE_MAX: Final = 0.02
REST_S: Final = 60.0
GIVE_TO: Final = 1.04
TAKE_TO: Final = 1.02
TAKE_SHARE_MAX: Final = 0.5
"""A place takes at most so many times its even share of the budget: opening a session is work."""

CHUNK: Final = 4
"""So many sessions are dealt to one receiver before the next is looked for. Opening them is work: with 16, receivers
were the hottest places of a deployment."""

VIEWER: Final = 0
IDLE: Final = 1
BETTOR: Final = 2


class Move(NamedTuple):
    """So many sessions leave one place for another; places by index."""

    giver: int
    taker: int
    sessions: int


def budget_of(sessions: int, passed_s: float) -> int:
    """Return how many sessions may be told to move within a time, of so many in all."""
    return int(MOVE_SHARE_MAX * sessions * passed_s)


def may_move(now_s: float, moved_s: float, between_rounds: bool, unsettled: int) -> bool:  # noqa: FBT001 - a state
    """Return whether a session may be told to move now.

    Parameters
    ----------
    now_s, moved_s : float
        Now, and when it was last moved; a session that never was has minus infinity.
    between_rounds : bool
        Whether its table takes no bets and owes no result.
    unsettled : int
        Its bets without a result.
    """
    return between_rounds and unsettled == 0 and now_s - moved_s >= REST_S


def move_rank(plays: bool, bets_last_round: int) -> int:  # noqa: FBT001 - a state
    """Return who goes first: viewers, then players who did not bet in the last round, then bettors."""
    if not plays:
        return VIEWER
    return BETTOR if bets_last_round else IDLE


def excess(load: float, weight: float, sessions: int, level: float) -> int:
    """Return how many sessions a place has too many, if its cost shall be `level`; a closing one (weight 0) has all."""
    if weight <= 0.0:
        return sessions
    return 0 if load <= level * weight else int(sessions * (1.0 - level * weight / load))


def level_of(load: Sequence[float], weight: Sequence[float]) -> float:
    """Return the mean cost: all load over all weight."""
    total, fit = 0.0, 0.0
    for i in range(len(load)):
        total += load[i]
        fit += weight[i]
    return total / fit if fit > 0.0 else 0.0


def coolest(load: Sequence[float], weight: Sequence[float], room: Sequence[int], giver: int) -> int:
    """Return the place with the lowest cost that is another, fit for something and has room; -1 if there is none."""
    best = -1
    for i in range(len(load)):
        if (
            i != giver
            and room[i] > 0
            and weight[i] > 0.0
            and (best < 0 or load[i] * weight[best] < load[best] * weight[i])
        ):
            best = i
    return best


def neediest(load: Sequence[float], weight: Sequence[float], rest: Sequence[int]) -> int:
    """Return the place that most needs to give: a closing one, or else the costliest; -1 if nobody has to."""
    best = -1
    for i in range(len(load)):
        if rest[i] <= 0:
            continue
        if weight[i] <= 0.0:
            return i
        if best < 0 or load[i] * weight[best] > load[best] * weight[i]:
            best = i
    return best


def plan_moves(
    load: Sequence[float], weight: Sequence[float], sessions: Sequence[int], movable: Sequence[int],
    gives: Sequence[int], takes: Sequence[int], budget: int,
) -> list[tuple[int, int, int]]:  # fmt: skip
    """Return who gives how many sessions to whom; see :class:`Move` for the columns.

    Parameters
    ----------
    load, weight : sequence of float
        Of each place. Weight 0: it is closing, or gone.
    sessions, movable : sequence of int
        How many sessions each has, and how many of them may be told to move.
    gives, takes : sequence of int
        1 for places that are hot or closing, and for those that may be given to.
    budget : int
        How many sessions may be moved in all.

    Notes
    -----
    Closing places give first, then the costliest. Each chunk goes to whoever is coolest by then.
    """
    level = level_of(load, weight)
    after = [1.0 * one for one in load]
    rest = [0] * len(after)
    for i in range(len(after)):
        if gives[i]:
            rest[i] = min(movable[i], excess(load[i], weight[i], sessions[i], GIVE_TO * level))
    most = 1 + int(TAKE_SHARE_MAX * budget / max(1, len(after)))
    room = [0] * len(after)
    for i in range(len(after)):
        if takes[i]:
            room[i] = most
    plan = [(0, 0, 0) for _ in range(0)]
    while budget > 0:
        giver = neediest(after, weight, rest)
        if giver < 0:
            break
        taker = coolest(after, weight, room, giver)
        if taker < 0:
            break
        each = load[giver] / sessions[giver] if load[giver] > 0.0 else 1.0
        count = min(CHUNK, budget, rest[giver], room[taker])
        if weight[giver] > 0.0:
            count = min(count, int((TAKE_TO * level * weight[taker] - after[taker]) / each))
        if count <= 0:
            break
        plan.append((giver, taker, count))
        after[giver] -= count * each
        after[taker] += count * each
        rest[giver] -= count
        room[taker] -= count
        budget -= count
    return plan
