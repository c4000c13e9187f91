"""Tables of cards on film: which cards lie where at an instant, and when each is laid or turned.

In baccarat four cards come face down while the round is dealt; with the result they are turned over one after another,
and third cards come to them. The outcome tells ranks and no suits, so none are drawn. In blackjack cards come as they
are announced, the dealer's second one face down until the result.
"""

from collections.abc import Sequence
from typing import NamedTuple

from reference_impl.domain.games.baccarat import BACCARAT, Coup, coup_of
from reference_impl.domain.games.blackjack_table import BLACKJACK
from reference_impl.domain.games.cards import RANK_NAMES
from reference_impl.streaming import scene as stage
from reference_impl.streaming.picture import CARD, Face, Felt, Picture
from reference_impl.streaming.scene import DEALT_NS, LANDING_NS, Scene

SHOE = (72.0, -8.0)
"""Where cards come from, in units of the felt."""
ROWS = (10.0, 60.0)
STEP = 28.0
WIDEST = Felt.UNITS - CARD[0]

FIRST_CARDS = (Coup._fields.index("player_1"), Coup._fields.index("banker_1"),
               Coup._fields.index("player_2"), Coup._fields.index("banker_2"))  # fmt: skip
THIRD_CARDS = (Coup._fields.index("player_3"), Coup._fields.index("banker_3"))


class Laid(NamedTuple):
    """A card on film: its row and place in it, its face, how far it has come and how far it is turned, 0 to 1."""

    row: int
    place: int
    face: Face
    come: float
    turned: float


def baccarat_cards(scene: Scene, unix_ns: int) -> list[Laid]:
    """Return the cards of a coup, in the order in which they are dealt."""
    if scene.phase in stage.RUNNING:
        come = stage.progress(scene.dealt_at_unix_ns, unix_ns, DEALT_NS, len(FIRST_CARDS))
        return [Laid(number % 2, number // 2, Face(), moved, 0.0) for number, moved in enumerate(come)]
    if scene.phase not in stage.SHOWING or scene.outcome < 0:
        return []
    dealt = _dealt(scene.outcome)
    shown = stage.progress(scene.shown_at_unix_ns, unix_ns, LANDING_NS, len(dealt))
    return [
        Laid(row, place, Face(RANK_NAMES[rank]), 1.0 if place < 2 else moved, moved if place < 2 else 1.0)
        for (row, place, rank), moved in zip(dealt, shown, strict=True)
    ]


def blackjack_cards(scene: Scene, unix_ns: int) -> list[Laid]:
    """Return the cards on a blackjack table: those that all players share in row 1, the dealer's in row 0."""
    shared, dealers = scene.lying
    new = len(scene.hand) - shared, len(scene.dealer) - dealers
    moved = stage.progress(scene.cards_at_unix_ns, unix_ns, LANDING_NS, sum(new))
    hand = [1.0] * shared + moved[: new[0]]
    dealer = [1.0] * dealers + moved[new[0] :]
    cards = [Laid(1, place, Face.of_card(card), hand[place], 1.0) for place, card in enumerate(scene.hand)]
    for place, card in enumerate(scene.dealer):
        was_down = place == 1 == dealers
        come, turned = (1.0, dealer[place]) if was_down else (dealer[place], 1.0)
        cards.append(Laid(0, place, Face.of_card(card), come, turned))
    if len(scene.dealer) == 1:
        cards.append(Laid(0, 1, Face(), dealer[0], 0.0))
    return cards


def movements(scene: Scene) -> list[int]:
    """Return when cards begin to move that were announced last, Unix ns."""
    if scene.game == BACCARAT.name:
        if scene.phase in stage.RUNNING and scene.dealt_at_unix_ns:
            return _starts(scene.dealt_at_unix_ns, DEALT_NS, 4)
        if scene.phase in stage.SHOWING and scene.outcome >= 0:
            return _starts(scene.shown_at_unix_ns, LANDING_NS, len(_dealt(scene.outcome)))
    if scene.game == BLACKJACK.name and scene.cards_at_unix_ns:
        new = len(scene.hand) + len(scene.dealer) - sum(scene.lying)
        return _starts(scene.cards_at_unix_ns, LANDING_NS, new)
    return []


class CardTable:
    """Draws the cards of a table with two rows.

    Parameters
    ----------
    felt : Felt
        Where.
    game : str
        Which game's.
    """

    def __init__(self, felt: Felt, game: str) -> None:
        self._felt = felt
        self._is_coup = game == BACCARAT.name
        self._labels = ("PLAYER", "BANKER") if self._is_coup else ("DEALER", "PLAYERS")

    def draw(self, picture: Picture, scene: Scene, unix_ns: int) -> None:
        """Draw the table at an instant."""
        cards = (baccarat_cards if self._is_coup else blackjack_cards)(scene, unix_ns)
        for row, (top, label) in enumerate(zip(ROWS, self._labels, strict=True)):
            self._felt.label(picture, 0, top - 9, label)
            mine = [card for card in cards if card.row == row]
            step = min(STEP, WIDEST / max(len(mine) - 1, 1))
            for place in range(2):
                self._felt.place(picture, place * step, top)
            self._lay(picture, mine, step, top)

    def _lay(self, picture: Picture, cards: Sequence[Laid], step: float, top: float) -> None:
        for card in cards:
            if card.come == 0.0:
                continue
            x = SHOE[0] + (card.place * step - SHOE[0]) * card.come
            y = SHOE[1] + (top - SHOE[1]) * card.come
            self._felt.card(picture, x, y, card.face, card.turned)


def _dealt(outcome: int) -> list[tuple[int, int, int]]:
    """Return row, place and rank of a coup's cards in the order in which they are dealt."""
    coup = coup_of(outcome)
    first = [(number % 2, number // 2, coup[field]) for number, field in enumerate(FIRST_CARDS)]
    return first + [(row, 2, coup[field]) for row, field in enumerate(THIRD_CARDS) if coup[field]]


def _starts(since_unix_ns: int, lasts_ns: int, count: int) -> list[int]:
    return [since_unix_ns + number * lasts_ns // count for number in range(count)]
