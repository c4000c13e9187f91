"""Where a table's outcomes come from: a committed seed, or a device in the studio.

Neither is known while bets are open. A seeded outcome depends on the shards' journal heads at close; of a device only
what it writes after every shard has closed counts, so a line that was there before, or that somebody slipped in while
bets were open, is nobody's outcome.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from reference_impl.domain.games.game import Game
from reference_impl.domain.games.outcome import SEED_BYTES, commitment

FEED_POLL_S = 0.05
FEED_S_MAX = 30.0
"""A device that says nothing for so long after the close has failed: the round is void."""

LINE_BYTES_MAX = 1000

log = logging.getLogger(__name__)


class OutcomeSource(Protocol):
    """Tells a round's outcome once bets are closed."""

    @property
    def seed(self) -> bytes:
        """The present round's secret, revealed with its result; empty if there is none."""

    @property
    def commitment(self) -> str:
        """What is published of the secret before the round opens, in hexadecimal digits; empty if there is none."""

    def start_round(self) -> None:
        """Prepare for a round, before it opens."""

    async def outcome(self, heads: Sequence[bytes]) -> int | None:
        """Return the outcome of the round that was closed at these journal heads, or None if there will be none."""


class SeededSource:
    """Outcomes that nobody can know before the close and anybody can verify after it.

    Parameters
    ----------
    game : Game
        What is drawn.
    """

    def __init__(self, game: Game) -> None:
        self._game = game
        self.seed = b""

    @property
    def commitment(self) -> str:
        """The SHA-256 of the seed."""
        return commitment(self.seed).hex()

    def start_round(self) -> None:
        """Choose a seed."""
        self.seed = secrets.token_bytes(SEED_BYTES)

    async def outcome(self, heads: Sequence[bytes]) -> int | None:
        """Draw."""
        return self._game.draw(self.seed, heads)


class FileFeed:
    """Outcomes that a device appends to a file, one JSON object ``{"outcome": 17}`` a line.

    Parameters
    ----------
    game : Game
        What the outcomes are of; others are skipped.
    path : Path
        The file; it need not be there yet.
    wait_s_max : float
        How long a round waits for its outcome.
    """

    seed = b""
    commitment = ""

    def __init__(self, game: Game, path: Path, wait_s_max: float = FEED_S_MAX) -> None:
        self._game = game
        self._path = path
        self._wait_s_max = wait_s_max

    def start_round(self) -> None:
        """Do nothing: a device has no secret."""

    async def outcome(self, heads: Sequence[bytes]) -> int | None:  # noqa: ARG002 - a device does not look at the books
        """Wait for the first outcome that is written from now on."""
        known_bytes = self._path.stat().st_size if self._path.exists() else 0
        try:
            async with asyncio.timeout(self._wait_s_max):
                while (found := self._first_after(known_bytes)) is None:  # noqa: ASYNC110 - another process writes the file
                    await asyncio.sleep(FEED_POLL_S)
        except TimeoutError:
            log.warning("%s: no outcome within %g s after the close", self._path, self._wait_s_max)
            return None
        return found

    def _first_after(self, known_bytes: int) -> int | None:
        if not self._path.exists():
            return None
        with self._path.open("rb") as file:
            file.seek(known_bytes)
            for line in iter(lambda: file.readline(LINE_BYTES_MAX), b""):
                outcome = _parse(line) if line.endswith(b"\n") else None
                if outcome is not None and self._game.is_outcome(outcome):
                    return outcome
        return None


def _parse(line: bytes) -> int | None:
    try:
        outcome = json.loads(line)["outcome"]
    except (ValueError, TypeError, KeyError):
        return None
    return outcome if type(outcome) is int else None
