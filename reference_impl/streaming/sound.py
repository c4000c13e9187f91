"""What the table sounds like: a function of the scene and the instant, as the picture is.

Ticks in the last seconds to bet, a low tone when bets close; then the ball's rattle, the clacks of a money wheel, or a
snap for each card that is laid or turned; and three notes for the result, of which the middle one tells outcomes apart:
by the pocket, the number on the wheel, the winner of the coup, the dealer's total. Loudness stays below half of full
scale.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games.baccarat import BACCARAT, coup_of
from reference_impl.domain.games.blackjack_table import BLACKJACK, outcome_of
from reference_impl.domain.games.money_wheel import LABELS, MONEY_WHEEL, NUMBERS, parts_of
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.units import NS_PER_S
from reference_impl.streaming import card_tables
from reference_impl.streaming import scene as stage
from reference_impl.streaming.config import SOUND_RATE_HZ
from reference_impl.streaming.scene import Scene

TICKS = 5
TICK_HZ, TICK_S = 1000.0, 0.06
CLOSE_HZ, CLOSE_S = 440.0, 0.4
BALL_HZ, BALL_RATTLES_PER_S = 220.0, 24.0
CLACK_HZ, CLACKS_PER_S = 330.0, 12.0
SNAP_HZ, SNAP_S = 1800.0, 0.03
NOTE_S = 0.18
NOTES_HZ = (660.0, 0.0, 880.0)
OUTCOME_HZ, OUTCOME_STEP_HZ = 600.0, 20.0

Samples = npt.NDArray[np.float32]
Seconds = npt.NDArray[np.float64]


def hear(scene: Scene, first_sample: int, count: int) -> Samples:
    """Return the sound of a stretch of time.

    Parameters
    ----------
    scene : Scene
        The table as it was last announced.
    first_sample : int
        Where the stretch begins, in samples since the Unix epoch.
    count : int
        Samples in it.

    Returns
    -------
    array of float32, shape (count,)
        Within [-0.5, 0.5].
    """
    heard = np.zeros(count)
    if scene.closes_at_unix_ns and scene.round:
        to_close_s = -_since(first_sample, count, scene.closes_at_unix_ns)
        if scene.phase in stage.COUNTING:
            into_s = (-to_close_s) % 1.0
            heard += _tone(into_s, TICK_HZ, TICK_S) * ((to_close_s > 0) & (to_close_s <= TICKS))
        heard += _tone(-to_close_s, CLOSE_HZ, CLOSE_S)
    if scene.phase in stage.RUNNING and scene.dealt_at_unix_ns:
        since_s = _since(first_sample, count, scene.dealt_at_unix_ns)
        if scene.game == ROULETTE.name:
            heard += _rattle(since_s, BALL_HZ, BALL_RATTLES_PER_S)
        elif scene.game == MONEY_WHEEL.name:
            heard += _rattle(since_s, CLACK_HZ, CLACKS_PER_S)
    for at_unix_ns in card_tables.movements(scene):
        heard += _tone(_since(first_sample, count, at_unix_ns), SNAP_HZ, SNAP_S)
    if scene.phase in stage.SHOWING and scene.outcome >= 0:
        since_s = _since(first_sample, count, scene.shown_at_unix_ns)
        for number, hz in enumerate(NOTES_HZ):
            pitch = hz or OUTCOME_HZ + OUTCOME_STEP_HZ * _FIGURES.get(scene.game, _plain)(scene.outcome)
            heard += _tone(since_s - number * NOTE_S, pitch, NOTE_S)
    return np.clip(heard, -0.5, 0.5).astype(np.float32)


def _since(first_sample: int, count: int, unix_ns: int) -> Seconds:
    """Return seconds since an event; samples are counted in whole numbers, since 10¹⁸ ns do not fit a float."""
    event_sample = unix_ns * SOUND_RATE_HZ // NS_PER_S
    return (first_sample - event_sample + np.arange(count)) / SOUND_RATE_HZ


def _tone(since_s: Seconds, hz: float, lasts_s: float) -> Seconds:
    """Return a tone that fades, from 0 to `lasts_s` after its begin."""
    on = (since_s >= 0) & (since_s < lasts_s)
    return np.where(on, 0.4 * np.sin(2 * np.pi * hz * since_s) * (1 - since_s / lasts_s), 0.0)


def _rattle(since_s: Seconds, hz: float, knocks_per_s: float) -> Seconds:
    knock_s = since_s % (1 / knocks_per_s)
    return np.where(since_s >= 0, 0.15 * np.sin(2 * np.pi * hz * knock_s) * np.exp(-60 * knock_s), 0.0)


def _plain(_outcome: int) -> int:
    return 18


def _of_wheel(outcome: int) -> int:
    return 6 * list(NUMBERS).index(LABELS[parts_of(outcome)[0]])


def _of_coup(outcome: int) -> int:
    coup = coup_of(outcome)
    return 12 * (1 + (coup.banker_total > coup.player_total) - (coup.player_total > coup.banker_total))


def _of_dealer(outcome: int) -> int:
    return 6 * (outcome_of(outcome).dealer - bj.DEALER_STANDS)


_FIGURES: dict[str, Callable[[int], int]] = {
    ROULETTE.name: int,
    MONEY_WHEEL.name: _of_wheel,
    BACCARAT.name: _of_coup,
    BLACKJACK.name: _of_dealer,
}
"""How high the middle note is for an outcome, in steps from 0 to 36."""
