"""What the camera sees: the table's round as it was last announced, and where wheel and ball are at an instant.

Pure functions of announcements and time, so that a film can be drawn again from the log. The wheel turns for ever; the
ball runs against it from the start of dealing, and from the announced result it falls, within `LANDING_NS`, into the
outcome's pocket. Before the result is announced nobody here knows it, so the film cannot give it away.
"""

import math
from typing import NamedTuple

from reference_impl.domain.game_round import Phase
from reference_impl.domain.games.roulette import POCKETS, ROULETTE, WHEEL
from reference_impl.domain.ids import mix64
from reference_impl.domain.messages import TableEnvelope
from reference_impl.domain.units import NS_PER_S

WHEEL_TURNS_PER_S = 0.12
BALL_TURNS_PER_S = 0.9
LANDING_NS = 400_000_000

RUNNING = frozenset({Phase.DEALING})
SHOWING = frozenset({Phase.RESULT, Phase.SETTLED})
COUNTING = frozenset({Phase.BETS_OPEN, Phase.CLOSING_SOON})


class Scene(NamedTuple):
    """The state of a table on film. Instants are Unix ns."""

    epoch: int = 0
    seq: int = 0
    round: int = 0
    phase: Phase = Phase.IDLE
    closes_at_unix_ns: int = 0
    dealt_at_unix_ns: int = 0
    shown_at_unix_ns: int = 0
    outcome: int = -1


def follow(scene: Scene, envelope: TableEnvelope, now_unix_ns: int) -> Scene:
    """Return the scene after an announcement; an old or repeated one changes nothing.

    The ball starts and falls when the studio hears of it, `now_unix_ns`, and never before: a film is not cut.
    """
    event = envelope.event
    if (envelope.epoch, envelope.seq) <= (scene.epoch, scene.seq):
        return scene
    phase = Phase(event.phase)
    fresh = event.round != scene.round
    dealt = 0 if fresh else scene.dealt_at_unix_ns
    shown = 0 if fresh else scene.shown_at_unix_ns
    return Scene(
        epoch=envelope.epoch,
        seq=envelope.seq,
        round=event.round,
        phase=phase,
        closes_at_unix_ns=event.closes_at_unix_ns or (0 if fresh else scene.closes_at_unix_ns),
        dealt_at_unix_ns=now_unix_ns if phase in RUNNING and not dealt else dealt,
        shown_at_unix_ns=now_unix_ns if phase in SHOWING and not shown else shown,
        outcome=event.outcome if phase in SHOWING and event.game == ROULETTE.name else -1,
    )


def countdown_s(scene: Scene, now_unix_ns: int) -> int:
    """Return the seconds left to bet, rounded up; 0 outside the betting window."""
    if scene.phase not in COUNTING:
        return 0
    return max(0, -((now_unix_ns - scene.closes_at_unix_ns) // NS_PER_S))


def wheel_turns(table: int, now_unix_ns: int) -> float:
    """Return the wheel's angle, in turns within [0, 1)."""
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
    fallen = max(0.0, 1.0 - (landed_at_unix_ns - now_unix_ns) / LANDING_NS)
    eased = 0.5 - 0.5 * math.cos(math.pi * fallen)
    running = _running(scene, seed, scene.shown_at_unix_ns)
    way = (running - _resting(scene, table, landed_at_unix_ns)) % 1.0
    return (running - way * eased) % 1.0, eased


def _resting(scene: Scene, table: int, unix_ns: int) -> float:
    return (wheel_turns(table, unix_ns) + (WHEEL.index(scene.outcome) + 0.5) / POCKETS) % 1.0


def _running(scene: Scene, seed: int, now_unix_ns: int) -> float:
    elapsed_s = (now_unix_ns - scene.dealt_at_unix_ns) / NS_PER_S if scene.dealt_at_unix_ns else 0.0
    return (_uniform(scene.round ^ seed << 1) - BALL_TURNS_PER_S * elapsed_s) % 1.0


def _uniform(number: int) -> float:
    return (mix64(number) >> 11) / (1 << 53)
