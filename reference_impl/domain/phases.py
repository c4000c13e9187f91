"""The phases of a round, and what leads from one to the next: a table of transitions, and its diagram."""

from enum import IntEnum, StrEnum


class Phase(IntEnum):
    """Phases of a round, as clients see them (OPENING, REOPENING, CLOSING and VOIDING are the dealer's own)."""

    IDLE = 0
    OPENING = 1
    BETS_OPEN = 2
    CLOSING_SOON = 3
    NO_MORE_BETS = 4
    CLOSING = 5
    BETS_CLOSED = 6
    DEALING = 7
    RESULT = 8
    SETTLED = 9
    VOIDING = 10
    VOIDED = 11
    DRAWING = 12
    REOPENING = 13
    DECISIONS_OPEN = 14
    NO_MORE_DECISIONS = 15


class On(StrEnum):
    """Messages that drive a round."""

    START = "start"
    SHARD_OPENED = "shard opened"
    WATERMARK = "watermark"
    SHARD_CLOSED = "shard closed"
    DECIDED_OUTCOME = "decided: outcome"
    DECIDED_VOID = "decided: void"
    SHARD_DONE = "shard done"
    DRAWN = "drawn"
    DRAWN_LAST = "drawn: the last"
    VOID_ORDERED = "void ordered"
    TICK = "clock"


TERMINAL = frozenset({Phase.SETTLED, Phase.VOIDED})


TRANSITIONS: dict[tuple[Phase, On], tuple[Phase, ...]] = {
    (Phase.IDLE, On.START): (Phase.OPENING,),
    (Phase.OPENING, On.SHARD_OPENED): (Phase.OPENING, Phase.BETS_OPEN),
    (Phase.OPENING, On.TICK): (Phase.OPENING, Phase.BETS_OPEN, Phase.VOIDED),
    (Phase.BETS_OPEN, On.TICK): (Phase.BETS_OPEN, Phase.CLOSING_SOON),
    (Phase.BETS_OPEN, On.VOID_ORDERED): (Phase.CLOSING,),
    (Phase.BETS_OPEN, On.WATERMARK): (Phase.BETS_OPEN,),
    (Phase.CLOSING_SOON, On.WATERMARK): (Phase.CLOSING_SOON,),
    (Phase.CLOSING_SOON, On.TICK): (Phase.CLOSING_SOON, Phase.NO_MORE_BETS, Phase.CLOSING),
    (Phase.CLOSING_SOON, On.VOID_ORDERED): (Phase.CLOSING,),
    (Phase.NO_MORE_BETS, On.VOID_ORDERED): (Phase.CLOSING,),
    (Phase.NO_MORE_BETS, On.WATERMARK): (Phase.NO_MORE_BETS, Phase.CLOSING),
    (Phase.NO_MORE_BETS, On.TICK): (Phase.NO_MORE_BETS, Phase.CLOSING),
    (Phase.CLOSING, On.VOID_ORDERED): (Phase.CLOSING, Phase.BETS_CLOSED),
    (Phase.CLOSING, On.SHARD_CLOSED): (Phase.CLOSING, Phase.BETS_CLOSED, Phase.DRAWING),
    (Phase.CLOSING, On.TICK): (Phase.CLOSING, Phase.BETS_CLOSED, Phase.DRAWING),
    (Phase.DRAWING, On.VOID_ORDERED): (Phase.BETS_CLOSED,),
    (Phase.DRAWING, On.DRAWN): (Phase.REOPENING,),
    (Phase.DRAWING, On.DRAWN_LAST): (Phase.BETS_CLOSED,),
    (Phase.DRAWING, On.TICK): (Phase.DRAWING, Phase.BETS_CLOSED),
    (Phase.REOPENING, On.VOID_ORDERED): (Phase.BETS_CLOSED,),
    (Phase.REOPENING, On.SHARD_OPENED): (Phase.REOPENING, Phase.DECISIONS_OPEN),
    (Phase.REOPENING, On.TICK): (Phase.REOPENING, Phase.BETS_CLOSED),
    (Phase.DECISIONS_OPEN, On.VOID_ORDERED): (Phase.CLOSING,),
    (Phase.DECISIONS_OPEN, On.WATERMARK): (Phase.DECISIONS_OPEN,),
    (Phase.DECISIONS_OPEN, On.TICK): (Phase.DECISIONS_OPEN, Phase.NO_MORE_DECISIONS, Phase.CLOSING),
    (Phase.NO_MORE_DECISIONS, On.VOID_ORDERED): (Phase.CLOSING,),
    (Phase.NO_MORE_DECISIONS, On.WATERMARK): (Phase.NO_MORE_DECISIONS, Phase.CLOSING),
    (Phase.NO_MORE_DECISIONS, On.TICK): (Phase.NO_MORE_DECISIONS, Phase.CLOSING),
    (Phase.BETS_CLOSED, On.DECIDED_OUTCOME): (Phase.DEALING,),
    (Phase.BETS_CLOSED, On.DECIDED_VOID): (Phase.VOIDING,),
    (Phase.DEALING, On.TICK): (Phase.DEALING, Phase.RESULT),
    (Phase.RESULT, On.SHARD_DONE): (Phase.RESULT, Phase.SETTLED),
    (Phase.RESULT, On.TICK): (Phase.RESULT, Phase.SETTLED),
    (Phase.VOIDING, On.SHARD_DONE): (Phase.VOIDING, Phase.VOIDED),
    (Phase.VOIDING, On.TICK): (Phase.VOIDING, Phase.VOIDED),
}
"""Every legal ``(phase, message)`` and the phases it may lead to. Anything else is refused."""


IGNORED: frozenset[On] = frozenset(
    {On.SHARD_OPENED, On.WATERMARK, On.SHARD_CLOSED, On.SHARD_DONE, On.DRAWN, On.DRAWN_LAST, On.TICK, On.VOID_ORDERED}
)
"""Messages that may arrive late and then mean nothing. START and the decision never do."""


def diagram() -> str:
    """Return the transitions as a Mermaid state diagram, drawn from :data:`TRANSITIONS`."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.IDLE.name}"]
    lines += [
        f"    {source.name} --> {target.name}: {on}"
        for (source, on), targets in TRANSITIONS.items()
        for target in targets
        if target is not source
    ]
    lines += [f"    {phase.name} --> [*]" for phase in sorted(TERMINAL)]
    return "\n".join(lines) + "\n"
