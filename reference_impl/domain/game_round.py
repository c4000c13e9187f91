"""One round of a live table, as a table of transitions.

A round is driven by messages (what the shards, the gateways and the clock said) and answers with effects (what is to
be done). It never does anything itself: the dealer carries the effects out on NATS and PostgreSQL, the simulated table
carries the same effects out in simulated time.

Invariants
----------
* The shards are asked to close only after every awaited gateway acknowledged its watermark, or `flush_ms_max` passed.
* Cards are drawn, and the decision is asked for, only after every open shard closed, a margin after the last instant at
  which any bet was taken; if a shard cannot be closed in time the decision is *void*.
* A window in which players decide is opened in every shard that holds stakes of the round, or the round is void.
* Nothing that depends on the outcome is announced before the decision is recorded.
* Settling and voiding exclude each other: the recorded decision, not the wish, selects the path.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import TypeAlias

from reference_impl.domain import cutoff
from reference_impl.domain.units import NS_PER_MS


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

_ANNOUNCED_CLOSE = {Phase.BETS_OPEN: Phase.NO_MORE_BETS, Phase.CLOSING_SOON: Phase.NO_MORE_BETS,
                    Phase.DECISIONS_OPEN: Phase.NO_MORE_DECISIONS}  # fmt: skip
_FLUSHING = frozenset(_ANNOUNCED_CLOSE.values())


@dataclass(frozen=True, slots=True)
class Timing:
    """Timings of a table, in milliseconds.

    Parameters
    ----------
    window_ms : int
        Length of the betting window.
    decision_ms : int
        Length of each window in which players decide, in games that have any.
    closing_soon_ms : int
        How long before the cut-off "closing soon" is announced.
    flush_ms_max, open_wait_ms_max, close_wait_ms_max, done_wait_ms_max : int
        The longest waits for gateways' watermarks, for shards to open, to close, and to settle or void.
    accept_margin_ms : int
        A shard's own clock refuses bets this long after the last instant at which a flush may arrive.
    dealing_ms : int
        From the recorded decision to the announced result: the wheel spins.
    pause_ms : int
        From settlement to the next round.
    close_policy : ClosePolicy
        Until when a player's bets are taken, see :mod:`reference_impl.domain.cutoff`.
    grace_ms_max : int
        What a long round trip can gain at most, under the policies that look at it.
    margin_ms : int
        No outcome comes to be until so long after the last instant at which a bet is taken.
    """

    window_ms: int = 7000
    decision_ms: int = 5000
    closing_soon_ms: int = 3000
    flush_ms_max: int = 500
    open_wait_ms_max: int = 1000
    close_wait_ms_max: int = 1500
    done_wait_ms_max: int = 3000
    accept_margin_ms: int = 250
    dealing_ms: int = 2500
    pause_ms: int = 800
    close_policy: cutoff.ClosePolicy = cutoff.ClosePolicy.SERVER
    grace_ms_max: int = 300
    margin_ms: int = 20

    def round_ms_max(self, decisions: int) -> int:
        """Return the longest that a round with so many decision windows may take, without the pause after it."""
        waits_ms = self.open_wait_ms_max + self.flush_ms_max + self.close_wait_ms_max
        waits_ms += self.grace_ms_max + self.margin_ms
        windows_ms = self.window_ms + waits_ms + decisions * (self.decision_ms + waits_ms)
        return windows_ms + self.dealing_ms + self.done_wait_ms_max

    @property
    def closing(self) -> cutoff.Closing:
        """The close policy as numbers."""
        return cutoff.closing_of(self.close_policy, self.grace_ms_max)


def timing_at(timing: Timing, timings: Sequence[Timing], table: int) -> Timing:
    """Return a table's timings: `timings` are dealt out to tables 1, 2, … in turn; without any, all have `timing`."""
    return timings[(table - 1) % len(timings)] if timings else timing


@dataclass(frozen=True, slots=True)
class OpenShards:
    """Open the betting window in these shards."""

    shards: frozenset[int]
    accept_until_ns: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell everybody that the round entered a phase. ``outcome`` is set from RESULT on."""

    phase: Phase
    outcome: int | None = None


@dataclass(frozen=True, slots=True)
class CloseShards:
    """Write the close entry in these shards."""

    shards: frozenset[int]


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw the next cards: the present window was closed at these heads."""

    heads: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Decide:
    """Record the round's decision, once. ``void`` asks for a void; the record, if there is one already, wins."""

    void: bool
    heads: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class SettleShards:
    """Settle all bets of the round in these shards."""

    shards: frozenset[int]
    outcome: int


@dataclass(frozen=True, slots=True)
class VoidShards:
    """Return all stakes of the round in these shards."""

    shards: frozenset[int]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a clock message at this instant."""

    at_ns: int


Effect: TypeAlias = OpenShards | Announce | CloseShards | Draw | Decide | SettleShards | VoidShards | WakeAt


@dataclass(frozen=True, slots=True)
class Message:
    """What happened. ``who`` is a shard, a gateway or several, ``head`` a shard's journal head at close."""

    on: On
    who: int | str | frozenset[str] = -1
    head: bytes = b""
    outcome: int | None = None

    @property
    def whom(self) -> frozenset[int | str]:
        """All who said so at once."""
        return frozenset(self.who) if isinstance(self.who, frozenset) else frozenset({self.who})


@dataclass(frozen=True, slots=True)
class RoundState:
    """The state of one round.

    Parameters
    ----------
    round_id : int
        See :func:`reference_impl.domain.ids.round_id`.
    shards : frozenset of int
        Shards that take part; those that could not be opened leave it.
    gateways : frozenset of str
        Gateways whose watermark is awaited at the cut-off: all that reported since the round started. If none is
        known, `flush_ms_max` is waited.
    early : frozenset of str
        Gateways that acknowledged before our own clock reached the cut-off: they take no more bets of the window.
    timing : Timing
        The table's timings.
    decides : bool
        Whether players decide after their stakes: cards are drawn between windows.
    phase : Phase
        Where the round stands.
    window : int
        The present window: 0 for the stakes, then the decisions'.
    opens_at_ns, closes_at_ns, deadline_ns : int
        Window and the deadline of the present phase, Unix ns.
    pending : frozenset
        Shards or gateways that still owe an answer in this phase. In SETTLED and VOIDED: shards that still owe
        their effect; the dealer retries them and leaves them out of the next round.
    heads : tuple of (shard, bytes)
        Journal heads at the close of the present window, in shard order.
    outcome : int or None
        The recorded outcome.
    void : bool
        Whether the operator ordered to void the round.
    """

    round_id: int
    shards: frozenset[int]
    gateways: frozenset[str]
    timing: Timing
    decides: bool = False
    early: frozenset[int | str] = field(default=frozenset())
    phase: Phase = Phase.IDLE
    window: int = 0
    opens_at_ns: int = 0
    closes_at_ns: int = 0
    deadline_ns: int = 0
    pending: frozenset[int | str] = field(default=frozenset())
    heads: tuple[tuple[int, bytes], ...] = ()
    outcome: int | None = None
    void: bool = False

    def joined_by(self, gateways: frozenset[str]) -> "RoundState":
        """Return the state when these gateways report: whoever comes while bets are open takes some, and is awaited."""
        return self if gateways <= self.gateways else replace(self, gateways=self.gateways | gateways)

    def left_by(self, gateway: str) -> "RoundState":
        """Return the state when a gateway has left for good, with every bet that it took answered.

        If another process comes back under its name, that one is awaited like any comer.
        """
        return replace(self, gateways=self.gateways - {gateway}, early=self.early - {gateway})

    @property
    def last_close_ns(self) -> int:
        """The instant from which no gateway takes a bet of the window."""
        return cutoff.last_close_ns(self.closes_at_ns, *self.timing.closing)


Step: TypeAlias = tuple[RoundState, tuple[Effect, ...]]


def step(state: RoundState, message: Message, now_ns: int) -> Step:
    """Advance a round by one message.

    Parameters
    ----------
    state : RoundState
        Where the round stands.
    message : Message
        What happened.
    now_ns : int
        The instant of the message, Unix ns (or simulated ns).

    Returns
    -------
    (RoundState, tuple of Effect)
        The new state and what is to be done, in order.

    Raises
    ------
    ValueError
        If the message is illegal in this phase (see :data:`TRANSITIONS`).
    """
    allowed = TRANSITIONS.get((state.phase, message.on))
    if allowed is None:
        if message.on in IGNORED:
            return state, ()
        raise ValueError(f"round {state.round_id}: '{message.on}' is illegal in {state.phase.name}")
    new, effects = _HANDLERS[message.on](state, message, now_ns)
    if new.phase not in allowed:
        raise ValueError(f"round {state.round_id}: {state.phase.name} may not become {new.phase.name}")
    return new, effects


def _start(state: RoundState, _message: Message, now_ns: int) -> Step:
    return _open_shards(replace(state, phase=Phase.OPENING), state.timing.window_ms, now_ns)


def _open_shards(state: RoundState, window_ms: int, now_ns: int) -> Step:
    timing = state.timing
    # The window is fixed before the shards answer, so that all of them record the same one.
    deadline_ns = now_ns + timing.open_wait_ms_max * NS_PER_MS
    latest_close_ns = cutoff.last_close_ns(deadline_ns + window_ms * NS_PER_MS, *timing.closing)
    until_ns = cutoff.accept_until_ns(
        latest_close_ns, timing.flush_ms_max * NS_PER_MS, timing.accept_margin_ms * NS_PER_MS
    )
    new = replace(state, deadline_ns=deadline_ns, pending=frozenset(state.shards))
    return new, (OpenShards(state.shards, until_ns), WakeAt(deadline_ns))


def _open_for_bets(state: RoundState, now_ns: int) -> Step:
    closes_at_ns = now_ns + state.timing.window_ms * NS_PER_MS
    soon_ns = closes_at_ns - state.timing.closing_soon_ms * NS_PER_MS
    new = replace(
        state,
        phase=Phase.BETS_OPEN,
        shards=frozenset(shard for shard in state.shards if shard not in state.pending),
        opens_at_ns=now_ns,
        closes_at_ns=closes_at_ns,
        deadline_ns=soon_ns,
        pending=frozenset(),
    )
    return new, (Announce(Phase.BETS_OPEN), WakeAt(soon_ns))


def _open_for_decisions(state: RoundState, now_ns: int) -> Step:
    closes_at_ns = now_ns + state.timing.decision_ms * NS_PER_MS
    new = replace(
        state, phase=Phase.DECISIONS_OPEN, opens_at_ns=now_ns, closes_at_ns=closes_at_ns, deadline_ns=closes_at_ns
    )
    return new, (Announce(Phase.DECISIONS_OPEN), WakeAt(closes_at_ns))


def _shard_opened(state: RoundState, message: Message, now_ns: int) -> Step:
    new = replace(state, pending=state.pending - message.whom)
    if new.pending:
        return new, ()
    return _open_for_bets(new, now_ns) if state.phase is Phase.OPENING else _open_for_decisions(new, now_ns)


def _close_shards(state: RoundState, now_ns: int) -> Step:
    deadline_ns = now_ns + state.timing.close_wait_ms_max * NS_PER_MS
    new = replace(state, phase=Phase.CLOSING, deadline_ns=deadline_ns, pending=frozenset(state.shards))
    return new, (CloseShards(state.shards), WakeAt(deadline_ns))


def _cut_off(state: RoundState, now_ns: int) -> Step:
    deadline_ns = state.last_close_ns + state.timing.flush_ms_max * NS_PER_MS
    awaited = state.gateways - state.early
    phase = _ANNOUNCED_CLOSE[state.phase]
    if state.gateways and not awaited:
        new, effects = _close_shards(state, now_ns)
        return new, (Announce(phase), *effects)
    new = replace(state, phase=phase, deadline_ns=deadline_ns, pending=frozenset(awaited))
    return new, (Announce(phase), WakeAt(deadline_ns))


def _watermark(state: RoundState, message: Message, now_ns: int) -> Step:
    if state.phase not in _FLUSHING:
        return replace(state, early=state.early | message.whom), ()
    new = replace(state, pending=state.pending - message.whom)
    flush_ns = state.timing.flush_ms_max * NS_PER_MS
    if cutoff.may_close(len(new.pending), now_ns, state.last_close_ns, flush_ns):
        return _close_shards(new, now_ns)
    return new, ()


def leave(state: RoundState, gateway: str, now_ns: int) -> Step:
    """Take a gateway's leave: it owes nothing, and acknowledges nothing any more."""
    if state.phase in _FLUSHING and gateway in state.pending:
        return step(state, Message(On.WATERMARK, gateway), now_ns)
    return state.left_by(gateway), ()


def _void_ordered(state: RoundState, _message: Message, now_ns: int) -> Step:
    new = replace(state, void=True)
    if state.phase is Phase.CLOSING:
        return (new, ()) if new.pending else _closed(new, now_ns, void=True)
    if state.phase in (Phase.DRAWING, Phase.REOPENING):
        return _ask_decision(new, void=True)
    new, effects = _close_shards(new, now_ns)
    announced = _ANNOUNCED_CLOSE.get(state.phase)
    return new, (effects if announced is None else (Announce(announced), *effects))


def _closed(state: RoundState, now_ns: int, *, void: bool) -> Step:
    void = void or state.void
    margin_ns = state.timing.margin_ms * NS_PER_MS
    if not void and not cutoff.may_decide(now_ns, state.last_close_ns, margin_ns):
        decide_ns = state.last_close_ns + margin_ns
        return replace(state, deadline_ns=decide_ns), (WakeAt(decide_ns),)
    announce = () if state.window else (Announce(Phase.BETS_CLOSED),)
    if state.decides and not void:
        deadline_ns = now_ns + state.timing.close_wait_ms_max * NS_PER_MS
        new = replace(state, phase=Phase.DRAWING, deadline_ns=deadline_ns)
        return new, (*announce, Announce(Phase.DRAWING), Draw(state.heads), WakeAt(deadline_ns))
    new, effects = _ask_decision(state, void=void)
    return new, (*announce, *effects)


def _ask_decision(state: RoundState, *, void: bool) -> Step:
    return replace(state, phase=Phase.BETS_CLOSED), (Decide(void, state.heads),)


def _drawn(state: RoundState, message: Message, now_ns: int) -> Step:
    if message.on is On.DRAWN_LAST:
        return _ask_decision(state, void=False)
    new = replace(state, phase=Phase.REOPENING, window=state.window + 1, heads=(), early=frozenset())
    return _open_shards(new, state.timing.decision_ms, now_ns)


def _shard_closed(state: RoundState, message: Message, now_ns: int) -> Step:
    if message.who not in state.pending or not isinstance(message.who, int):
        return state, ()
    heads = tuple(sorted((*state.heads, (message.who, message.head))))
    new = replace(state, pending=state.pending - {message.who}, heads=heads)
    return (new, ()) if new.pending else _closed(new, now_ns, void=False)


def _decided_outcome(state: RoundState, message: Message, now_ns: int) -> Step:
    reveal_ns = now_ns + state.timing.dealing_ms * NS_PER_MS
    new = replace(state, phase=Phase.DEALING, outcome=message.outcome, deadline_ns=reveal_ns)
    return new, (Announce(Phase.DEALING), WakeAt(reveal_ns))


def _decided_void(state: RoundState, _message: Message, now_ns: int) -> Step:
    deadline_ns = now_ns + state.timing.done_wait_ms_max * NS_PER_MS
    new = replace(state, phase=Phase.VOIDING, deadline_ns=deadline_ns, pending=frozenset(state.shards))
    return new, (VoidShards(state.shards), WakeAt(deadline_ns))


def _finish(state: RoundState) -> Step:
    phase = Phase.SETTLED if state.phase is Phase.RESULT else Phase.VOIDED
    return replace(state, phase=phase), (Announce(phase, state.outcome),)


def _shard_done(state: RoundState, message: Message, _now_ns: int) -> Step:
    new = replace(state, pending=state.pending - message.whom)
    return (new, ()) if new.pending else _finish(new)


def _tick(state: RoundState, _message: Message, now_ns: int) -> Step:
    if now_ns < state.deadline_ns:
        return state, (WakeAt(state.deadline_ns),)
    if state.phase is Phase.OPENING:
        if state.pending >= state.shards:
            return replace(state, phase=Phase.VOIDED), (Announce(Phase.VOIDED),)
        return _open_for_bets(state, now_ns)
    if state.phase is Phase.BETS_OPEN:
        new = replace(state, phase=Phase.CLOSING_SOON, deadline_ns=state.closes_at_ns)
        return new, (Announce(Phase.CLOSING_SOON), WakeAt(state.closes_at_ns))
    if state.phase in _ANNOUNCED_CLOSE:
        return _cut_off(state, now_ns)
    if state.phase in (Phase.DRAWING, Phase.REOPENING):
        return _ask_decision(state, void=True)
    if state.phase in _FLUSHING:
        return _close_shards(state, now_ns)
    if state.phase is Phase.CLOSING:
        return _closed(state, now_ns, void=bool(state.pending))
    if state.phase is Phase.DEALING:
        deadline_ns = now_ns + state.timing.done_wait_ms_max * NS_PER_MS
        new = replace(state, phase=Phase.RESULT, deadline_ns=deadline_ns, pending=frozenset(state.shards))
        outcome = -1 if state.outcome is None else state.outcome
        return new, (
            Announce(Phase.RESULT, outcome),
            SettleShards(state.shards, outcome),
            WakeAt(deadline_ns),
        )
    return _finish(state)


_HANDLERS: dict[On, Callable[[RoundState, Message, int], Step]] = {
    On.START: _start,
    On.SHARD_OPENED: _shard_opened,
    On.WATERMARK: _watermark,
    On.SHARD_CLOSED: _shard_closed,
    On.DECIDED_OUTCOME: _decided_outcome,
    On.DECIDED_VOID: _decided_void,
    On.SHARD_DONE: _shard_done,
    On.DRAWN: _drawn,
    On.DRAWN_LAST: _drawn,
    On.VOID_ORDERED: _void_ordered,
    On.TICK: _tick,
}


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
