"""The command line of the lab: one module for each group of verbs, each importing what it needs when it is called.

Exit codes: 0 pass, 1 error (usage errors too), 2 an SLO was broken, 3 inconsistent, 4 invalid.
"""

from livetable.root import cli, main

__all__ = ["cli", "main"]
