"""Campaigns, one at a time, each a process of its own that outlives neither its limit nor us.

``livetable campaign run`` says on its output what it does and where its run is kept; the verdict lies in the run's
folder. Stopping is what Ctrl-C is: the campaign ends its system and leaves a note in that folder. Only if it does not
do so in time is it killed, and all that it started ends with it.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from loadtest.config import CAMPAIGNS, load_campaign
from loadtest.progress import KEPT_IN
from reference_impl.domain.errors import ConfigError, OperationalError
from reference_impl.domain.units import KIB
from reference_impl.stack.processes import spawn

COMMAND: Final = (sys.executable, "-m", "livetable", "campaign", "run")
KEPT_MAX: Final = 10
"""So many campaigns are told of, the newest first."""
LINES_MAX: Final = 6
TAIL_BYTES_MAX: Final = 8 * KIB
OUTPUT: Final = ".lab.log"
AROUND_S: Final = 20.0
"""A system is started, accounts are opened, rounds are finished and the run is judged in so long, with a fifth of the
load's own length. An **estimate** from this machine's runs; only what is shown as "about" follows from it."""
LATE_FACTOR: Final = 3.0
LATE_S: Final = 300.0
"""A campaign that takes three times as long as it should, and five minutes, is stopped."""
STOP_S_MAX: Final = 60.0
LOOK_S: Final = 0.2


class Offer(Struct, frozen=True):
    """A campaign that can be started: how long it takes about, and what keeps it from being started, if anything."""

    name: str
    description: str
    about_s: float
    problem: str = ""


class Stage(StrEnum):
    """Where a campaign is: it runs, is being stopped, or is over."""

    RUNNING = "running"
    STOPPING = "stopping"
    OVER = "over"


class CampaignSeen(Struct, frozen=True, kw_only=True):
    """A campaign as operators see it: ``run`` names its folder, ``report`` is its report's key, once there is one."""

    name: str
    stage: Stage
    began_unix_ns: int
    elapsed_s: float
    about_s: float
    verdict: str
    lines: list[str]
    run: str
    report: str


class Running:
    """A campaign that was started.

    Parameters
    ----------
    offer : Offer
        Which one.
    command : sequence of str
        What runs it.
    output : Path
        Where its output goes.
    """

    def __init__(self, offer: Offer, command: Sequence[str], output: Path) -> None:
        self.offer = offer
        self.key = secrets.token_urlsafe(16)
        self._output = output
        self._began_unix_ns, self._began_s = time.time_ns(), time.monotonic()
        self._ended_s = 0.0
        self._stopped_s = 0.0
        self._last: list[str] = []
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] = spawn(command, output, on_parent_death=signal.SIGINT)

    @property
    def stage(self) -> Stage:
        """Where it is."""
        if self._ended_s:
            return Stage.OVER
        return Stage.STOPPING if self._stopped_s else Stage.RUNNING

    @property
    def report_path(self) -> Path | None:
        """Its report, once it is over and there is one."""
        path = self._folder / "report.html" if self._folder and self._ended_s else None
        return path if path and path.is_file() else None

    @property
    def seen(self) -> CampaignSeen:
        """What operators see."""
        if not self._ended_s:
            self._read()
        return CampaignSeen(
            name=self.offer.name, stage=self.stage, began_unix_ns=self._began_unix_ns,
            elapsed_s=round((self._ended_s or time.monotonic()) - self._began_s, 1), about_s=self.offer.about_s,
            verdict=self._verdict() if self._ended_s else "", lines=self._last,
            run=self._folder.name if self._folder else "", report=self.key if self.report_path else "",
        )  # fmt: skip

    def stop(self) -> None:
        """Ask it to end as Ctrl-C does, once."""
        if not self._stopped_s and self._process.poll() is None:
            self._stopped_s = time.monotonic()
            self._process.send_signal(signal.SIGINT)

    def look(self) -> None:
        """Note that it is over, stop it if it takes too long, and kill it if it does not stop."""
        now_s = time.monotonic()
        if self._ended_s:
            return
        if self._process.poll() is not None:
            self._read()
            self._ended_s = now_s
        elif self._stopped_s and now_s - self._stopped_s > STOP_S_MAX:
            os.killpg(self._process.pid, signal.SIGKILL)
        elif now_s - self._began_s > LATE_FACTOR * self.offer.about_s + LATE_S:
            self.stop()

    def _read(self) -> None:
        """Read what it said last, and where its run is."""
        with self._output.open("rb") as file:
            head = file.read(TAIL_BYTES_MAX).decode(errors="replace").splitlines()
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES_MAX))
            lines = file.read().decode(errors="replace").splitlines()
        self._last = [line for line in lines if line.strip()][-LINES_MAX:]
        kept = next((line for line in head if line.startswith(KEPT_IN)), "")
        self._folder = Path(kept.removeprefix(KEPT_IN)) if kept else None

    def _verdict(self) -> str:
        """Return the verdict of its run; ``stopped`` if it was stopped before there was one."""
        summary = self._folder / "summary.json" if self._folder else None
        if self._stopped_s and not self.report_path:
            return "stopped"
        if summary is None or not summary.is_file():
            return "error"
        return str(msgspec.json.decode(summary.read_bytes())["verdict"])


class Campaigns:
    """The campaigns that can be started, the one that runs, and those that did.

    Parameters
    ----------
    runs : Path
        Where runs are kept.
    more : Path, optional
        A folder of campaigns beside the shipped ones.
    command : sequence of str
        What runs a campaign file.
    """

    def __init__(self, runs: Path, more: Path | None = None, command: Sequence[str] = COMMAND) -> None:
        self._runs = runs
        self._folders = [folder for folder in (CAMPAIGNS, more) if folder]
        self._command = command
        self._started: deque[Running] = deque(maxlen=KEPT_MAX)

    @property
    def seen(self) -> list[CampaignSeen]:
        """The campaigns that were started, newest first."""
        return [one.seen for one in self._started]

    def offers(self) -> list[Offer]:
        """Read the campaigns' files and return what can be started."""
        return [_offer(file) for file in self._files().values()]

    def start(self, name: str) -> None:
        """Start a campaign.

        Raises
        ------
        ConfigError
            If there is none of that name, or its file is wrong.
        OperationalError
            If one runs already.
        """
        files = self._files()
        if name not in files:
            raise ConfigError(f"campaign = '{name}': there is no such campaign, known are {', '.join(files)}")
        if (offer := _offer(files[name])).problem:
            raise ConfigError(offer.problem)
        if (one := self._current()) is not None:
            raise OperationalError(f"{one.offer.name} is {one.stage}: 1 campaign at a time; stop it or wait")
        self._runs.mkdir(parents=True, exist_ok=True)
        output = self._runs / OUTPUT
        output.unlink(missing_ok=True)
        command = [*self._command, str(files[name]), "--out", str(self._runs)]
        self._started.appendleft(Running(offer, command, output))

    def stop(self) -> None:
        """Stop the campaign that runs.

        Raises
        ------
        OperationalError
            If none does, or it is being stopped already.
        """
        one = self._current()
        if one is None or one.stage is not Stage.RUNNING:
            raise OperationalError(f"{one.offer.name} is being stopped already" if one else "no campaign runs")
        one.stop()

    def report(self, key: str) -> bytes:
        """Return the report of a key, or raise FileNotFoundError."""
        path = next((one.report_path for one in self._started if secrets.compare_digest(one.key, key)), None)
        if path is None:
            raise FileNotFoundError(key)
        return path.read_bytes()

    async def watch(self) -> None:
        """Look after the campaign that runs, until cancelled."""
        while True:
            if (one := self._current()) is not None:
                one.look()
            await asyncio.sleep(LOOK_S)

    def _files(self) -> dict[str, Path]:
        return {file.stem: file for folder in self._folders for file in sorted(folder.glob("*.toml"))}

    def _current(self) -> Running | None:
        newest = self._started[0] if self._started else None
        return newest if newest and newest.stage is not Stage.OVER else None


def _offer(file: Path) -> Offer:
    try:
        campaign = load_campaign(file)
    except ConfigError as error:
        return Offer(file.stem, "", 0.0, str(error))
    return Offer(file.stem, campaign.description, round(AROUND_S + 1.2 * campaign.scenario.load_s))
