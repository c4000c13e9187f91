"""What a person sees while something runs: short lines, and a bar with how long it will still take."""

import sys
import time
from pathlib import Path
from typing import Final

from tqdm import tqdm

KEPT_IN: Final = "the run is kept in "
"""How the line begins that tells a run's folder, for who reads along."""


class Progress:
    """Lines and a bar on standard error.

    Parameters
    ----------
    shown : bool
        Whether to show anything at all.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self._shown = shown
        self._bar: tqdm[None] | None = None
        self._started_s = time.monotonic()

    def say(self, line: str) -> None:
        """Show a line, above the bar if there is one."""
        if self._shown:
            tqdm.write(line, file=sys.stderr)

    def kept_in(self, folder: Path) -> None:
        """Say where the run is kept, whatever becomes of it."""
        self.say(f"{KEPT_IN}{folder}")

    def load(self, now_s: float, load_s: float) -> None:
        """Show how far the load is."""
        if not self._shown:
            return
        if self._bar is None:
            # `disable=None` draws the bar on terminals only
            self._bar = tqdm(
                total=round(load_s), desc="load", file=sys.stderr, disable=None,
                bar_format="{desc} {bar} {n:.0f}/{total} s",
            )  # fmt: skip
            if self._bar.disable:
                self.say(f"the load runs for {load_s:g} s")
        self._bar.n = min(max(now_s, 0.0), load_s)
        self._bar.refresh()

    def load_over(self) -> None:
        """Finish the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def step(self, done: int, total: int) -> None:
        """Show how many parts of equal work are done, and how long the rest takes at the pace so far."""
        left_s = (time.monotonic() - self._started_s) / done * (total - done)
        self.say(f"{done}/{total} done" + (f", about {left_s:,.0f} s left" if done < total else ""))
