"""What a person sees while a campaign runs: short lines, and a bar over the load."""

import sys

from tqdm import tqdm


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

    def say(self, line: str) -> None:
        """Show a line, above the bar if there is one."""
        if self._shown:
            tqdm.write(line, file=sys.stderr)

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
        self._bar.n = min(max(now_s, 0.0), load_s)
        self._bar.refresh()

    def load_over(self) -> None:
        """Finish the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
