"""One round of a live table: what each message makes of its state, and what is then to be done.

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

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from reference_impl.domain import cutoff
from reference_impl.domain.phases import IGNORED, TRANSITIONS, On, Phase
from reference_impl.domain.round_effects import (
    Announce,
    CloseShards,
    Decide,
    Draw,
    Effect,
    OpenShards,
    SettleShards,
    VoidShards,
    WakeAt,
)
from reference_impl.domain.round_timing import Timing
from reference_impl.domain.units import NS_PER_MS

_ANNOUNCED_CLOSE = {Phase.BETS_OPEN: Phase.NO_MORE_BETS, Phase.CLOSING_SOON: Phase.NO_MORE_BETS,
                    Phase.DECISIONS_OPEN: Phase.NO_MORE_DECISIONS}  # fmt: skip

_FLUSHING = frozenset(_ANNOUNCED_CLOSE.values())


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
        If the message is illegal in this phase (see :data:`reference_impl.domain.phases.TRANSITIONS`).
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
