"""A campaign against a system that was started elsewhere: where it is, and what can be said of it from outside.

Nothing of such a system is ours to break or to start again, and what only its own processes record (stages, phases,
the audit trail) is not there: the checks that need it are skipped, with that reason, and the campaign may pass without.
Secrets come from the environment and go no further than this process.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadtest.adapters.base import Target, TargetAdapter
from loadtest.adapters.loading import OURS, load_adapter
from loadtest.clock import HostClock
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.errors import ConfigError
from reports.checks import CHECKS
from sim.scenario import Campaign, Kind, people

TOKEN_VARIABLE = "LIVETABLE_ADMIN_TOKEN"  # noqa: S105 - the variable's name
DSN_VARIABLE = "LIVETABLE_DSN"
SECRETS = (TOKEN_VARIABLE, DSN_VARIABLE)
"""Environment variables that the load generator's processes are not given."""

FROM_OUTSIDE = frozenset({"pushes", "messages"})
"""What players themselves record, whatever the target."""


class Elsewhere(NamedTuple):
    """A system that was started elsewhere, and how it is spoken to."""

    target: Target
    adapter: str = OURS

    @classmethod
    def named(cls, url: str, adapter: str, environment: Mapping[str, str]) -> "Elsewhere":
        """Return the system at an address, opened with what the environment holds."""
        dsns = tuple(environment.get(DSN_VARIABLE, "").split())
        return cls(Target(url.rstrip("/"), environment.get(TOKEN_VARIABLE, ""), dsns), adapter)

    def open(self) -> TargetAdapter:
        """Return the adapter, or raise ConfigError if there is none of that name."""
        return load_adapter(self.adapter)(self.target, HostClock())

    @property
    def capabilities(self) -> frozenset[str]:
        """What a Run of this system can hold."""
        return FROM_OUTSIDE | self.open().offers


def refuse_impossible(campaign: Campaign, elsewhere: Elsewhere) -> None:
    """Refuse a campaign that asks of a system elsewhere what cannot be done there.

    Raises
    ------
    ConfigError
        One line: what is asked, and why it cannot be.
    """
    url, scenario = elsewhere.target.url, campaign.scenario
    if scenario.faults:
        named = ", ".join(fault.target for fault in scenario.faults)
        raise ConfigError(f"scenario.faults: {named} cannot be broken at {url}, which was started elsewhere")
    watches = any(person.kind is Kind.VIEWER for person in people(scenario))
    if watches and "video" not in elsewhere.capabilities:
        raise ConfigError(f"scenario: it has viewers, and the adapter {elsewhere.adapter} knows no video at {url}")


def judged_from_outside(campaign: Campaign, capabilities: frozenset[str]) -> Campaign:
    """Return the campaign without a twin, and allowed to skip the checks whose records the target cannot give."""
    denied = {name for name, check in CHECKS.items() if not capabilities.issuperset(check.needs)}
    return msgspec.structs.replace(
        campaign, skippable=tuple(sorted(denied.union(campaign.skippable))), simulate=False
    )  # fmt: skip


def foreign_bets(export_dir: Path, nonce: int) -> int:
    """Return how many bets of an exported ledger belong to somebody else than the load of this nonce."""
    return sum(_foreign(file, f"{nonce:016x}") for file in export_dir.glob("ledger-*.csv"))


def _foreign(file: Path, ours: str) -> int:
    bet = str(int(EntryKind.BET))
    with file.open(newline="", encoding="utf-8") as text:
        return sum(row["kind"] == bet and not row["ref"].startswith(ours) for row in csv.DictReader(text))
