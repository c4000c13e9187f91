"""The camera: draws a table's scene straight into YUV planes, with the capture time in the picture.

Drawing is a function of (table, seed, scene, instant): the same arguments give the same bytes. What does not move is
drawn once; a frame is a copy of it, one look-up for a wheel or a few cards, and a board: lamp, countdown, result. What
is played is the announced game; of one that it does not know, the camera shows the board alone, with the outcome as a
number.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from reference_impl.domain.games import blackjack as bj
from reference_impl.domain.games import blackjack_table, money_wheel
from reference_impl.domain.games.baccarat import BACCARAT, coup_of
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.phases import Phase
from reference_impl.domain.timecode import Strip
from reference_impl.domain.units import NS_PER_MS
from reference_impl.streaming import scene as stage
from reference_impl.streaming.card_tables import CardTable
from reference_impl.streaming.picture import (
    AMBER,
    BLACK_,
    BLUE_,
    FELT,
    GREEN_,
    GREY,
    RED_,
    WHITE,
    Colour,
    Felt,
    Picture,
)  # fmt: skip
from reference_impl.streaming.scene import Scene
from reference_impl.streaming.wheels import NUMBER_COLOURS, MoneyWheel, RouletteWheel, pocket_colour

LAMP = {
    Phase.BETS_OPEN: GREEN_,
    Phase.CLOSING_SOON: AMBER,
    Phase.DECISIONS_OPEN: GREEN_,
    Phase.NO_MORE_DECISIONS: RED_,
    Phase.NO_MORE_BETS: RED_,
    Phase.CLOSING: RED_,
    Phase.BETS_CLOSED: RED_,
    Phase.DEALING: RED_,
    Phase.RESULT: WHITE,
    Phase.SETTLED: WHITE,
}


class Panel(NamedTuple):
    """A result on the board: its colour, and lines of text with their size."""

    colour: Colour
    lines: tuple[tuple[str, int], ...]


class Set(Protocol):
    """What stands on a table."""

    def draw(self, picture: Picture, scene: Scene, unix_ns: int) -> None:
        """Draw the table at an instant."""


class Camera:
    """Films one table.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels.
    table, seed : int
        Which table, and the film's seed.
    """

    def __init__(self, width: int, height: int, table: int, seed: int) -> None:
        self._table, self._seed = table, seed
        self._unit = max(1, height // 120)
        self._strip = Strip(width, height)
        self._picture = Picture(width, height)
        self._radius = int(min(height * 0.40, width * 0.24)) // 2 * 2
        self._left, self._top = int(width * 0.04) // 2 * 2, (height - 2 * self._radius - 4) // 2 * 2
        self._side = (self._left + 2 * self._radius + int(width * 0.04)) // 2 * 2
        self._still = Picture(width, height)
        self._draw_still(width, height)
        self._sets: dict[str, Set] = {}

    def draw(self, scene: Scene, unix_ns: int) -> npt.NDArray[np.uint8]:
        """Return the picture of an instant as planar YUV 4:2:0, shape ``(height * 3 // 2, width)``.

        The array is the camera's own and is drawn over by the next call.
        """
        picture = self._picture
        picture.flat[:] = self._still.flat
        if scene.game in PANELS:
            self._set(scene.game).draw(picture, scene, unix_ns)
        self._draw_board(scene, unix_ns)
        self._strip.draw(picture.y, unix_ns // NS_PER_MS)
        return picture.yuv420p

    def _set(self, game: str) -> Set:
        if game not in self._sets:
            self._sets[game] = self._build(game)
        return self._sets[game]

    def _build(self, game: str) -> Set:
        if game == ROULETTE.name:
            return RouletteWheel(self._left, self._top, self._radius, self._table, self._seed)
        if game == money_wheel.MONEY_WHEEL.name:
            return MoneyWheel(self._left, self._top, self._radius, self._table, self._seed)
        return CardTable(Felt(self._left, self._top, 2 * self._radius), game)

    def _draw_still(self, width: int, height: int) -> None:
        grain = np.random.default_rng(self._seed ^ self._table).integers(-3, 4, (height, width))
        self._still.y[:] = FELT.y + grain
        self._still.u[:] = FELT.u
        self._still.v[:] = FELT.v

    def _draw_board(self, scene: Scene, unix_ns: int) -> None:
        unit, left, picture = self._unit, self._side, self._picture
        top = 24 * unit // 2 * 2
        picture.fill(left, top, 40 * unit, 6 * unit, LAMP.get(scene.phase, GREY))
        picture.text(left, top + 84 * unit, unit, str(scene.round & 0xFFFFFFFF), WHITE)
        if scene.phase in stage.COUNTING:
            picture.text(left, top + 12 * unit, 4 * unit, str(stage.countdown_s(scene, unix_ns)), WHITE)
        elif scene.phase in stage.SHOWING and scene.outcome >= 0:
            panel = PANELS.get(scene.game, _plain)(scene.outcome)
            picture.fill(left, top + 10 * unit, 52 * unit, 48 * unit, panel.colour)
            line = top + 14 * unit
            for text, size in panel.lines:
                picture.text(left + 4 * unit, line, size * unit, text, WHITE)
                line += 10 * size * unit


def _plain(outcome: int) -> Panel:
    return Panel(BLACK_, ((str(outcome), 2),))


def _pocket(outcome: int) -> Panel:
    return Panel(pocket_colour(outcome), ((str(outcome), 4),))


def _number(outcome: int) -> Panel:
    segment, came = money_wheel.parts_of(outcome)
    number = money_wheel.LABELS[segment]
    times = [f"{m}X" * count for m, count in zip(money_wheel.MULTIPLIERS, came, strict=True)]
    return Panel(NUMBER_COLOURS[number], ((str(number), 4), ("".join(times), 1)))


def _coup(outcome: int) -> Panel:
    coup = coup_of(outcome)
    player, banker = coup.player_total, coup.banker_total
    winner, colour = ("TIE", GREEN_) if player == banker else ("PLAYER", BLUE_)
    if banker > player:
        winner, colour = "BANKER", RED_
    return Panel(colour, ((winner, 1), (f"{player} {banker}", 2)))


def _hands(outcome: int) -> Panel:
    told = blackjack_table.outcome_of(outcome)
    return Panel(BLACK_, ((_worth(told.dealer), 2), (_worth(bj.total(told.hand)), 2)))


def _worth(total: int) -> str:
    return {bj.BUST: "BUST", bj.BLACKJACK: "BJ", bj.CHARLIE: "SIX"}.get(total, str(total))


PANELS: dict[str, Callable[[int], Panel]] = {
    ROULETTE.name: _pocket,
    money_wheel.MONEY_WHEEL.name: _number,
    BACCARAT.name: _coup,
    blackjack_table.BLACKJACK.name: _hands,
}
"""What the board says of an outcome, by game: who won, the player's and the banker's points; the dealer's and the
players' total."""
