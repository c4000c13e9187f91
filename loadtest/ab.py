"""Two campaigns in turn, so that what the machine does meanwhile meets both alike."""

import asyncio
from pathlib import Path

from loadtest.campaign import run_campaign
from loadtest.progress import Progress
from reference_impl.domain.errors import OperationalError
from sim.scenario import Campaign

_ERROR = "error"


def run_in_turn(baseline: Campaign, candidate: Campaign, runs: int, out: Path) -> tuple[list[Path], list[Path]]:
    """Run two campaigns `runs` times each: A B, B A, A B and so on, so that a drift cancels.

    Returns
    -------
    tuple of list of Path
        Folders of the baseline's and of the candidate's runs.

    Raises
    ------
    OperationalError
        If a campaign fails; what ran before it is kept.
    """
    folders: tuple[list[Path], list[Path]] = ([], [])
    shown = Progress()
    for turn in range(runs):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            campaign = (baseline, candidate)[side]
            shown.say(f"turn {turn + 1} of {runs}: {campaign.name}")
            result = asyncio.run(run_campaign(campaign, out))
            if result.verdict == _ERROR:
                raise OperationalError(f"turn {turn + 1}, {campaign.name}: {result.message}; see {result.run_path}")
            folders[side].append(result.run_path)
    return folders
