"""Faults by chance: a pure function of what is asked and a seed, so that every schedule can be played again."""

import random
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from sim.fault_kinds import KINDS, PARAMETERS, Fault, FaultKind

Seconds = Annotated[float, Meta(ge=0.0)]
_AIMED_MS: Final = (-300, 1_500)

RANGES: Final[dict[str, tuple[float, float]]] = {
    "latency_ms": (20, 200), "jitter_ms": (0, 40), "cpu_share": (0.1, 0.4), "shift_ms": (-2_000, 2_000),
}  # fmt: skip
"""From where parameters are drawn: what a bad day brings, not what breaks anything for ever. An assumption."""


class RandomFaults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults by chance.

    Parameters
    ----------
    start_s, every_s : float
        When the first one strikes, and how far apart they are on average: each strikes within the first half of its
        turn, so that the one before has passed.
    count : int
        How many.
    strikes : tuple of str
        What is done to what, as ``KIND TARGET``; a target that ends with a hyphen is any of that name. Each comes up
        equally often: they are dealt out from a deck that is shuffled anew when it is empty.
    for_s_min, for_s_max : float
        How long those that last do.
    aimed_share : float
        Share of the faults that are aimed at a cut-off, from 300 ms before it to 1.5 s after it.
    seed : int
        Seeds the schedule and nothing else.
    """

    start_s: Seconds
    every_s: Annotated[float, Meta(gt=0.0)]
    count: Annotated[int, Meta(ge=1, le=10_000)]
    strikes: Annotated[tuple[str, ...], Meta(min_length=1)]
    for_s_min: Annotated[float, Meta(gt=0.0)] = 1.0
    for_s_max: Annotated[float, Meta(gt=0.0, le=600.0)] = 4.0
    aimed_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.3
    seed: int = 1


def schedule(asked: RandomFaults, targets: list[str]) -> tuple[Fault, ...]:
    """Return the faults in order of time.

    Parameters
    ----------
    asked : RandomFaults
        What is asked for; every strike must be possible (:func:`strike_problem`).
    targets : list of str
        The processes that there are.
    """
    dice = random.Random(asked.seed)
    deck: list[str] = []
    faults = []
    for number in range(asked.count):
        if not deck:
            deck = list(asked.strikes)
            dice.shuffle(deck)
        kind, names = read_strike(deck.pop(), targets)
        at_s = asked.start_s + asked.every_s * (number + 0.5 * dice.random())
        aimed = dice.randint(*_AIMED_MS) if dice.random() < asked.aimed_share else 0
        told: dict[str, Any] = {name: _drawn(name, asked, dice) for name in PARAMETERS if name in _keys(kind)}
        target = dice.choice(names)
        faults.append(
            Fault(
                kind=kind,
                target=target,
                at_s=round(at_s, 1),
                before_close_ms=max(-aimed, 0),
                after_close_ms=max(aimed, 0),
                **told,
            )
        )
    return tuple(faults)


def read_strike(text: str, targets: list[str]) -> tuple[FaultKind, list[str]]:
    """Return what ``KIND TARGET`` does to which processes.

    Raises
    ------
    ValueError
        One line that says what is wrong with it.
    """
    word, _, name = text.partition(" ")
    if word not in set(FaultKind):
        raise ValueError(f"'{text}': there is no kind of fault '{word}', known are {', '.join(FaultKind)}")
    kind = FaultKind(word)
    names = [target for target in targets if target == name or (name.endswith("-") and target.startswith(name))]
    if not names:
        raise ValueError(f"'{text}': there is no process '{name}', known are {', '.join(targets)}")
    if wrong := [target for target in names if not KINDS[kind].can_strike(target)]:
        raise ValueError(f"'{text}': {kind} strikes only {', '.join(KINDS[kind].strikes)}, not {wrong[0]}")
    return kind, names


def _keys(kind: FaultKind) -> tuple[str, ...]:
    return KINDS[kind].takes + KINDS[kind].may_take


def _drawn(name: str, asked: RandomFaults, dice: random.Random) -> float:
    if name == "for_s":
        return round(dice.uniform(asked.for_s_min, asked.for_s_max), 1)
    low, high = RANGES[name]
    return round(dice.uniform(low, high), 2) if name == "cpu_share" else round(dice.uniform(low, high)) or 1
