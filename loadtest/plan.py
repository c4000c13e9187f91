"""What the conductor tells the load generator: one small JSON file, named by the environment.

The load's zero is set by the generator when it is ready to start users, and written beside the records; conductor and
workers read it there, so that faults and arrivals share one clock.
"""

import os
from pathlib import Path

import msgspec

from loadtest.adapters.loading import OURS
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import decision_windows_max
from reference_impl.domain.units import NS_PER_S
from sim.scenario import Scenario

PLAN_VARIABLE = "LIVETABLE_LOAD"
"""Environment variable that holds the path of the plan."""

START_FILE = "load_start"
"""File beside the records that holds the load's zero, CLOCK_MONOTONIC ns."""

SPAWN_LEAD_S = 2.0
"""Users are spawned this long before they arrive, so that spawning delays nobody."""


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One campaign's load.

    Parameters
    ----------
    name : str
        The campaign.
    scenario : Scenario
        What happens.
    api_url : str
        The target's HTTP address.
    record_dir : str
        Where records are appended.
    nonce : int
        High half of every operation id of this campaign.
    adapter : str
        How the target is spoken to, ``module:Class``.
    workers_elsewhere : bool
        Workers run on other machines and send their records (:mod:`loadtest.machines`).
    """

    name: str
    scenario: Scenario
    api_url: str
    record_dir: str
    nonce: int
    adapter: str = OURS
    workers_elsewhere: bool = False

    @property
    def start_file(self) -> Path:
        """The file that holds the load's zero, CLOCK_MONOTONIC ns."""
        return Path(self.record_dir) / START_FILE

    @property
    def round_s_max(self) -> float:
        """The longest that a round of this scenario may take, in seconds."""
        decisions = decision_windows_max(self.scenario.games)
        timings = (self.scenario.timing, *self.scenario.timings)
        return max(timing.round_ms_max(decisions) for timing in timings) / 1000

    @property
    def answers_s_max(self) -> float:
        """How long after the load's end a player waits for answers."""
        return 3 * self.scenario.answer_s_max

    @property
    def drain_s_max(self) -> float:
        """How long after the load's end the last player leaves, at the latest."""
        return self.answers_s_max + self.round_s_max

    def save(self, path: Path) -> None:
        """Write the plan."""
        path.write_bytes(msgspec.json.encode(self))

    def announce_start(self, start_ns: int) -> None:
        """Publish the load's zero; readers see all of it or nothing."""
        draft = self.start_file.with_suffix(".draft")
        draft.write_text(str(start_ns), encoding="ascii")
        draft.replace(self.start_file)

    def start_ns(self) -> int | None:
        """Return the load's zero, CLOCK_MONOTONIC ns, or None while it is not known."""
        try:
            return int(self.start_file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def end_ns(self, start_ns: int) -> int:
        """Return the instant from which no bet is started."""
        return start_ns + round(self.scenario.load_s * NS_PER_S)


def load_plan() -> LoadPlan:
    """Return the plan that the environment names, or raise ConfigError."""
    path = os.environ.get(PLAN_VARIABLE, "")
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=LoadPlan)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{PLAN_VARIABLE} = '{path}': no readable load plan: {error}") from None
