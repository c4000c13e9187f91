"""What the camera sees: the table's round as it was last announced, and where wheel, ball and cards are at an instant.

Pure functions of announcements and time, so that a film can be drawn again from the log. A roulette wheel turns for
ever, and the ball runs against it from the start of dealing; a money wheel rests where it stopped last, and is spun
then; cards come face down. From the announced result on, within `LANDING_NS`, the ball falls into the outcome's pocket,
the wheel stops at the outcome's segment, the cards are turned over one after another. Before the result is announced
nobody here knows it, so the film cannot give it away.
"""

import math
from typing import NamedTuple

from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.money_wheel import SEGMENTS, parts_of
from reference_impl.domain.games.roulette import POCKETS, WHEEL
from reference_impl.domain.ids import mix64
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import TableEnvelope
from reference_impl.domain.units import NS_PER_S

WHEEL_TURNS_PER_S = 0.12
BALL_TURNS_PER_S = 0.9
SPIN_TURNS_PER_S = 0.7
LANDING_NS = 400_000_000
DEALT_NS = 600_000_000
"""How long it takes to put the face-down cards of a round on the table."""

POINTER_TURNS = 0.75
"""Where a money wheel's pointer is: at the top; a quarter of a turn is at the bottom, since rows count downwards."""
SEGMENT_STRIDE = 7
"""Segment ``s`` is ``7 s`` places along the money wheel, so that equal numbers lie apart."""

RUNNING = frozenset({Phase.DEALING})
SHOWING = frozenset({Phase.RESULT, Phase.SETTLED})
COUNTING = frozenset({Phase.BETS_OPEN, Phase.CLOSING_SOON, Phase.DECISIONS_OPEN})


class Scene(NamedTuple):
    """The state of a table on film. Instants are Unix ns.

    ``hand`` and ``dealer`` are the cards that were announced, the first ``lying`` of each before ``cards_at_unix_ns``;
    ``before`` is the last outcome of an earlier round that was on film, -1 without one. A table whose dealer was not
    heard yet plays no ``game``.
    """

    epoch: int = 0
    seq: int = 0
    round: int = 0
    phase: Phase = Phase.IDLE
    closes_at_unix_ns: int = 0
    dealt_at_unix_ns: int = 0
    shown_at_unix_ns: int = 0
    outcome: int = -1
    game: str = ""
    hand: tuple[int, ...] = ()
    dealer: tuple[int, ...] = ()
    lying: tuple[int, int] = (0, 0)
    cards_at_unix_ns: int = 0
    before: int = -1


def follow(scene: Scene, envelope: TableEnvelope, now_unix_ns: int) -> Scene:
    """Return the scene after an announcement; an old or repeated one, or one of another round's past, changes nothing.

    Ball, wheel and cards move when the studio hears of it, `now_unix_ns`, and never before: a film is not cut.
    """
    event = envelope.event
    if (envelope.epoch, envelope.seq) <= (scene.epoch, scene.seq):
        return scene
    fresh = event.round != scene.round
    if event.corrected and fresh:
        return scene._replace(epoch=envelope.epoch, seq=envelope.seq)
    phase = Phase(event.phase)
    told = phase in SHOWING and event.game in GAMES and GAMES[event.game].is_outcome(event.outcome)
    begun = _begin(scene, envelope) if fresh else scene
    after = begun._replace(
        epoch=envelope.epoch,
        seq=envelope.seq,
        phase=phase,
        closes_at_unix_ns=event.closes_at_unix_ns or begun.closes_at_unix_ns,
        dealt_at_unix_ns=begun.dealt_at_unix_ns or (now_unix_ns if phase in RUNNING else 0),
        shown_at_unix_ns=begun.shown_at_unix_ns or (now_unix_ns if phase in SHOWING else 0),
        outcome=event.outcome if told else -1,
    )
    hand, dealer = event.hand or after.hand, event.dealer or after.dealer
    if (hand, dealer) == (after.hand, after.dealer):
        return after
    lying = len(after.hand), len(after.dealer)
    return after._replace(hand=hand, dealer=dealer, lying=lying, cards_at_unix_ns=now_unix_ns)


def _begin(scene: Scene, envelope: TableEnvelope) -> Scene:
    game = envelope.event.game
    seen = scene.outcome if scene.outcome >= 0 else scene.before
    return Scene(round=envelope.event.round, game=game, before=seen if game == scene.game else -1)


def countdown_s(scene: Scene, now_unix_ns: int) -> int:
    """Return the seconds left to bet or decide, rounded up; 0 outside those windows."""
    if scene.phase not in COUNTING:
        return 0
    return max(0, -((now_unix_ns - scene.closes_at_unix_ns) // NS_PER_S))


def wheel_turns(table: int, now_unix_ns: int) -> float:
    """Return the roulette wheel's angle, in turns within [0, 1)."""
    return (now_unix_ns / NS_PER_S * WHEEL_TURNS_PER_S + _uniform(table)) % 1.0


def ball(scene: Scene, table: int, seed: int, now_unix_ns: int) -> tuple[float, float] | None:
    """Return the ball's angle in turns and how deep it lies, from 0 (rim) to 1 (pocket); None without a ball."""
    if scene.phase in RUNNING:
        return _running(scene, seed, now_unix_ns), 0.0
    if scene.phase not in SHOWING or scene.outcome < 0:
        return None
    landed_at_unix_ns = scene.shown_at_unix_ns + LANDING_NS
    if now_unix_ns >= landed_at_unix_ns:
        return _resting(scene, table, now_unix_ns), 1.0
    eased = _eased(scene, now_unix_ns)
    running = _running(scene, seed, scene.shown_at_unix_ns)
    way = (running - _resting(scene, table, landed_at_unix_ns)) % 1.0
    return (running - way * eased) % 1.0, eased


def money_wheel_turns(scene: Scene, table: int, seed: int, now_unix_ns: int) -> float:
    """Return the money wheel's angle, in turns within [0, 1)."""
    rest = stopped_turns(scene.before) if scene.before >= 0 else _uniform(table ^ seed << 1)
    if scene.phase in RUNNING:
        return (rest + _spun(scene, now_unix_ns)) % 1.0
    if scene.phase not in SHOWING or scene.outcome < 0:
        return rest
    if now_unix_ns >= scene.shown_at_unix_ns + LANDING_NS:
        return stopped_turns(scene.outcome)
    running = rest + _spun(scene, scene.shown_at_unix_ns)
    way = (stopped_turns(scene.outcome) - running) % 1.0
    return (running + way * _eased(scene, now_unix_ns)) % 1.0


def stopped_turns(outcome: int) -> float:
    """Return the money wheel's angle at which the middle of the outcome's segment is below the pointer."""
    segment, _ = parts_of(outcome)
    return (POINTER_TURNS - (segment * SEGMENT_STRIDE % SEGMENTS + 0.5) / SEGMENTS) % 1.0


def progress(since_unix_ns: int, now_unix_ns: int, lasts_ns: int, count: int) -> list[float]:
    """Return how far each of `count` movements is, from 0 to 1, that follow one another within `lasts_ns`.

    Those without a beginning (0) are over.
    """
    gone = (now_unix_ns - since_unix_ns) * count / lasts_ns if since_unix_ns else float(count)
    return [min(max(gone - number, 0.0), 1.0) for number in range(count)]


def _spun(scene: Scene, unix_ns: int) -> float:
    return (unix_ns - scene.dealt_at_unix_ns) / NS_PER_S * SPIN_TURNS_PER_S if scene.dealt_at_unix_ns else 0.0


def _eased(scene: Scene, now_unix_ns: int) -> float:
    (gone,) = progress(scene.shown_at_unix_ns, now_unix_ns, LANDING_NS, 1)
    return 0.5 - 0.5 * math.cos(math.pi * gone)


def _resting(scene: Scene, table: int, unix_ns: int) -> float:
    return (wheel_turns(table, unix_ns) + (WHEEL.index(scene.outcome) + 0.5) / POCKETS) % 1.0


def _running(scene: Scene, seed: int, now_unix_ns: int) -> float:
    elapsed_s = (now_unix_ns - scene.dealt_at_unix_ns) / NS_PER_S if scene.dealt_at_unix_ns else 0.0
    return (_uniform(scene.round ^ seed << 1) - BALL_TURNS_PER_S * elapsed_s) % 1.0


def _uniform(number: int) -> float:
    return (mix64(number) >> 11) / (1 << 53)
