"""The games that a table may play, by name."""

from collections.abc import Sequence

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.baccarat import BACCARAT
from reference_impl.domain.games.blackjack_table import BLACKJACK
from reference_impl.domain.games.game import Game
from reference_impl.domain.games.money_wheel import MONEY_WHEEL
from reference_impl.domain.games.roulette import ROULETTE

GAMES: dict[str, Game] = {game.name: game for game in (ROULETTE, BACCARAT, MONEY_WHEEL, BLACKJACK)}

DEFAULT_GAMES = (ROULETTE.name,)
"""What is played where nothing else is said."""


def game_named(name: str) -> Game:
    """Return a game.

    Raises
    ------
    ConfigError
        If there is none of this name; says which there are.
    """
    if name not in GAMES:
        raise ConfigError(f"there is no game {name!r}, known are {', '.join(GAMES)}")
    return GAMES[name]


def game_at(games: Sequence[str], table: int) -> Game:
    """Return the game of a table: the games are dealt out to tables 1, 2, … in turn."""
    return game_named(games[(table - 1) % len(games)])


def decision_windows_max(games: Sequence[str]) -> int:
    """Return how many windows for decisions a round of any of these games has at the most."""
    stages = [game_named(name).stages for name in games]
    return max((one.windows_max for one in stages if one is not None), default=0)
