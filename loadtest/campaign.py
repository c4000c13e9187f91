"""The conductor: runs a campaign from a cold start to a judged Run.

Order matters. Players exist before the load; faults strike on the load's own clock; the ledger is read only when no
round is under way, so that every bet has met its end; what is measured is judged after everything was stopped.

Whatever fails, no process is left behind and the run folder says why it ended.
"""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from loadtest.adapters.base import Target, TargetAdapter
from loadtest.adapters.loading import OURS
from loadtest.adapters.ours import LiveTable
from loadtest.clips import read_clips
from loadtest.clock import HostClock, clock_pair
from loadtest.elsewhere import Elsewhere, foreign_bets, judged_from_outside, refuse_impossible
from loadtest.evaluation import Evaluation, evaluate
from loadtest.faults.doctor import impossible
from loadtest.faults.injector import carry_out, weakness_for
from loadtest.faults.strike import Struck, strike
from loadtest.faults.table import crashes, fault_rows
from loadtest.generator import OVERTIME_S_MAX, Habits, LoadGenerator
from loadtest.host_load import host_sample
from loadtest.plan import LoadPlan
from loadtest.progress import Progress
from loadtest.timelines import unify
from reference_impl.domain.bets import TableLimits
from reference_impl.domain.errors import LabError, OperationalError
from reference_impl.domain.units import NS_PER_S
from reference_impl.stack.audit_export import export_trail
from reference_impl.stack.config import StackConfig, filmed_as
from reference_impl.stack.stack import Stack
from reports.convert import convert
from reports.judgement import EXIT_CODES, error_summary, write_summary
from reports.junit import write_error_junit
from reports.orders import first_deposits
from reports.run import Run, empty_table, manifest_base, write_run
from sim.fault_kinds import Fault
from sim.people import numbers_by_kind, pace_of
from sim.scenario import Campaign, Scenario, people

LATEST = "latest"
CAPABILITIES = ("ledger", "rounds", "stages", "pushes", "messages", "orders", "audit", "seeds", "video")
WATCH_S = 0.25
_TABLES_OF = {"ledger": ("ledger", "accounts"), "rounds": ("rounds",), "orders": ("orders",)}
"""Tables that are left empty without a capability, rather than half full."""


class CampaignResult(NamedTuple):
    """What became of a campaign: its judged Run, None if it failed before that; ``message`` is one line for people."""

    run_path: Path
    evaluation: Evaluation | None
    verdict: str
    exit_code: int
    message: str


@dataclass
class _Measurement:
    """What the conductor itself saw of a load."""

    started_unix_ns: int
    load_start_ns: int = 0
    struck: list[Struck] = field(default_factory=list)
    events: list[tuple[int, str, str]] = field(default_factory=list)
    clocks: list[tuple[int, int]] = field(default_factory=list)
    host_load: list[tuple[int, int, int]] = field(default_factory=list)
    cpu_affinity: dict[str, list[int]] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    shards: int = 1
    machines: list[dict[str, Any]] = field(default_factory=list)
    impossible: dict[str, str] = field(default_factory=dict)


async def run_campaign(
    campaign: Campaign, out: Path, *, progress: bool = True, elsewhere: Elsewhere | None = None,
    habits: Habits = Habits(),  # noqa: B008 - immutable
) -> CampaignResult:  # fmt: skip
    """Run a campaign against a fresh system on this machine, or against one that was started elsewhere.

    Parameters
    ----------
    campaign : Campaign
        What happens and what is expected.
    out : Path
        Where the run's folder is created; ``latest`` there links to it afterwards.
    progress : bool
        Show on standard error how far it is.
    elsewhere : Elsewhere, optional
        The system that was started elsewhere.
    habits : Habits
        How Locust is run.

    Returns
    -------
    CampaignResult
        Failures of the world are results too, with exit code 1; an interruption is raised again.
    """
    shown = Progress(shown=progress)
    measurement = _Measurement(time.time_ns(), shards=campaign.scenario.shards)
    if elsewhere is not None:
        refuse_impossible(campaign, elsewhere)
        measurement.capabilities = elsewhere.capabilities
    folder = new_folder(out, campaign.name)
    shown.kept_in(folder)
    try:
        await _measure(campaign, folder, elsewhere, habits, measurement, shown)
        if elsewhere is not None:
            campaign = judged_from_outside(campaign, measurement.capabilities)
        shown.say("reading the records")
        if habits.machines is not None:
            measurement.machines = await asyncio.to_thread(unify, folder / "records", habits.machines.expected)
        run = await asyncio.to_thread(_convert, campaign, folder, measurement)
        shown.say("judging the run")
        evaluation = await asyncio.to_thread(evaluate, run, simulate=campaign.simulate)
    except (LabError, OSError) as error:
        _leave_note(campaign, folder, measurement, f"{type(error).__name__}: {error}")
        return CampaignResult(folder, None, "error", EXIT_CODES["error"], str(error))
    except (asyncio.CancelledError, KeyboardInterrupt):
        _leave_note(campaign, folder, measurement, "interrupted")
        raise
    except BaseException as error:
        _leave_note(campaign, folder, measurement, f"{type(error).__name__}: {error}")
        raise
    finally:
        shown.load_over()
    _link_latest(out, folder)
    judgement = evaluation.judgement
    message = f"verdict: {judgement.verdict}"
    if died := crashes(run.faults):
        message += f"; died unexpectedly: {died}, see {folder / 'logs'}"
    return CampaignResult(folder, evaluation, judgement.verdict, judgement.exit_code, message)


def new_folder(out: Path, name: str) -> Path:
    """Create and return the folder of a new run: ``<UTC stamp>-<name>``."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        folder = out / f"{stamp}-{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder.resolve()
    raise OperationalError(f"{out}: more than 99 runs named {name} within one second")


async def _measure(
    campaign: Campaign,
    folder: Path,
    elsewhere: Elsewhere | None,
    habits: Habits,
    measurement: _Measurement,
    shown: Progress,
) -> None:
    records = folder / "records"
    records.mkdir()
    (folder / "export").mkdir()
    if elsewhere is not None:
        await _play_elsewhere(_Load(campaign, folder, habits, measurement, shown), elsewhere)
        return
    measurement.impossible = impossible(campaign.scenario.faults)
    for kind, why in measurement.impossible.items():
        shown.say(f"{kind} cannot be done here: {why}")
    weakness = weakness_for(_possible(campaign.scenario, measurement))
    async with Stack(_stack_config(campaign.scenario, records), shown.say, weakness) as stack:
        try:
            await _play_here(_Load(campaign, folder, habits, measurement, shown), stack)
        finally:
            measurement.events = list(stack.events)
            _keep_logs(stack, folder / "logs")


class _Load(NamedTuple):
    """A campaign's load and what is told of it while it runs."""

    campaign: Campaign
    folder: Path
    habits: Habits
    measurement: _Measurement
    shown: Progress

    async def prepare(self, adapter: TargetAdapter) -> None:
        """Open the accounts."""
        players = len(people(self.campaign.scenario))
        self.shown.say(f"opening accounts for {players} players")
        await asyncio.to_thread(adapter.provision, players, self.campaign.scenario.deposit_minor)

    def plan(self, url: str, adapter: str) -> LoadPlan:
        """Return what the workers are told."""
        return LoadPlan(
            name=self.campaign.name, scenario=self.campaign.scenario, api_url=url,
            record_dir=str(self.folder / "records"), nonce=secrets.randbits(64), adapter=adapter,
            workers_elsewhere=self.habits.machines is not None,
        )  # fmt: skip

    async def drive(self, plan: LoadPlan, faults: Callable[[int], Coroutine[None, None, list[Struck]]]) -> None:
        """Start the generator and follow it to its end, while the faults strike on the load's own clock."""
        generator = LoadGenerator(plan, self.folder, self.campaign.workers, self.habits, self.shown.say)
        self.shown.say("starting the load generator")
        try:
            self.measurement.load_start_ns = await generator.start()
            await _drive(plan, generator, faults(self.measurement.load_start_ns), self.measurement, self.shown)
        finally:
            generator.stop()


async def _play_here(load: _Load, stack: Stack) -> None:
    """Play against our own stack, which we may break."""
    operator = LiveTable(Target(stack.api_url, stack.admin_token, tuple(stack.dsns)), HostClock())
    await load.prepare(operator)
    names = stack.node_names
    load.measurement.cpu_affinity = {name: sorted(os.sched_getaffinity(stack.pid(name))) for name in names}
    faults, cut_offs = (
        _possible(load.campaign.scenario, load.measurement),
        partial(asyncio.to_thread, operator.cut_offs),
    )
    await load.drive(
        load.plan(stack.api_url, OURS),
        lambda start_ns: strike(partial(carry_out, stack), faults, start_ns, cut_offs, load.shown.say),
    )
    load.shown.say("finishing the rounds in play")
    await stack.finish_rounds()
    await asyncio.to_thread(operator.export_ledger, load.folder / "export")
    await export_trail(stack.audit_dir, stack.dsns, load.folder / "export")


def _possible(scenario: Scenario, measurement: _Measurement) -> list[Fault]:
    """Return the faults that this machine can do."""
    return [fault for fault in scenario.faults if fault.kind not in measurement.impossible]


async def _play_elsewhere(load: _Load, elsewhere: Elsewhere) -> None:
    """Play against a system that goes on without us."""
    adapter = elsewhere.open()
    await load.prepare(adapter)
    plan = load.plan(elsewhere.target.url, elsewhere.adapter)
    await load.drive(plan, lambda _start_ns: _no_faults())
    if "ledger" not in load.measurement.capabilities:
        return
    load.shown.say("waiting for the rounds in play, then reading the ledger")
    export_dir = load.folder / "export"
    await asyncio.to_thread(adapter.quiesce, 2 * plan.round_s_max)
    load.measurement.shards = await asyncio.to_thread(adapter.export_ledger, export_dir)
    if strangers := await asyncio.to_thread(foreign_bets, export_dir, plan.nonce):
        load.shown.say(f"the ledger holds {strangers} bets of others: what needs a ledger of our own is skipped")
        load.measurement.capabilities -= {"ledger"}


async def _no_faults() -> list[Struck]:
    return []


async def _drive(
    plan: LoadPlan,
    generator: LoadGenerator,
    faults: Coroutine[None, None, list[Struck]],
    measurement: _Measurement,
    shown: Progress,
) -> None:
    """Follow the load while its faults strike."""
    striking = asyncio.create_task(faults)
    try:
        await _watch(plan, generator, measurement, shown)
        measurement.struck = await striking
    finally:
        striking.cancel()


async def _watch(plan: LoadPlan, generator: LoadGenerator, measurement: _Measurement, shown: Progress) -> None:
    start_ns, load_s = measurement.load_start_ns, plan.scenario.load_s
    limit_s = load_s + plan.drain_s_max + OVERTIME_S_MAX
    while generator.running():
        now_s = (time.monotonic_ns() - start_ns) / NS_PER_S
        if now_s > limit_s:
            raise OperationalError(f"the load generator was not done after {limit_s:.0f} s; see {generator.log_path}")
        if now_s >= len(measurement.clocks):
            measurement.clocks.append(clock_pair())
            measurement.host_load.append(host_sample())
        shown.load(now_s, load_s)
        await asyncio.sleep(WATCH_S)
    shown.load_over()


def _keep_logs(stack: Stack, folder: Path) -> None:
    folder.mkdir()
    for path in stack.log_paths:
        shutil.copy(path, folder)


def _stack_config(scenario: Scenario, records: Path) -> StackConfig:
    # Hundreds of players log in within seconds on a shared machine: the password hash must not be what is measured.
    cost = replace(StackConfig().password_cost, memory_kib=64, iterations=1)
    return StackConfig(
        tables=scenario.tables, gateways=scenario.gateways, shards=scenario.shards, timing=scenario.timing,
        timings=scenario.timings, games=scenario.games,
        edges=scenario.edges, video=filmed_as(scenario.ladder), balancing=scenario.balancer, record_dir=str(records),
        password_cost=cost,
        reality_check_s=0,  # load users acknowledge nothing, and a campaign may last for hours
    )  # fmt: skip


def _convert(campaign: Campaign, folder: Path, measurement: _Measurement) -> Run:
    pairs = measurement.clocks or [clock_pair()]
    middle = pairs[len(pairs) // 2]
    tables = convert(folder / "records", folder / "export", measurement.shards, middle)
    tables["faults"] = fault_rows(measurement.struck, measurement.events)
    tables["orders"] = first_deposits(range(1, len(people(campaign.scenario)) + 1), campaign.scenario.deposit_minor)
    tables["glass"] = read_clips(folder / "records", middle)
    for capability, names in _TABLES_OF.items():
        if capability not in measurement.capabilities:
            tables |= {name: empty_table(name) for name in names}
    run = _write(campaign, folder, measurement, "finished", tables)
    for raw in ("records", "export"):
        shutil.rmtree(folder / raw)
    return run


def _narrowest_limits(scenario: Scenario) -> TableLimits:
    """Return the limits of the table with the fewest spots: within them a bet is valid at every table."""
    config = StackConfig(tables=scenario.tables, games=scenario.games)
    return min(config.limits.values(), key=lambda limits: limits.n_selections)


def _write(
    campaign: Campaign, folder: Path, measurement: _Measurement, exit_reason: str, tables: dict[str, pd.DataFrame]
) -> Run:
    start_ns = measurement.load_start_ns
    manifest = manifest_base(
        kind="measured",
        name=campaign.name,
        campaign=msgspec.to_builtins(campaign),
        seed=campaign.scenario.seed,
        cpu_affinity=measurement.cpu_affinity,
        clock_offsets=_clock_offsets(measurement),
        capabilities={name: name in measurement.capabilities for name in CAPABILITIES},
        limits=asdict(_narrowest_limits(campaign.scenario)),
        started_unix_ns=measurement.started_unix_ns,
        load_start_ns=start_ns,
        load_end_ns=start_ns + round(campaign.scenario.load_s * NS_PER_S) if start_ns else 0,
        exit_reason=exit_reason,
        people=numbers_by_kind(campaign.scenario),
        pace=pace_of(campaign.scenario),
        impossible_faults=measurement.impossible,
        host_load=measurement.host_load,
    )
    return write_run(folder, manifest, tables)


def _clock_offsets(measurement: _Measurement) -> dict[str, Any]:
    """Return the pairs, by how much the wall clock strayed from the middle one, and workers of other machines."""
    clocks, machines = measurement.clocks, measurement.machines
    if not clocks:
        return {}
    offsets = [unix_ns - mono_ns for mono_ns, unix_ns in clocks]
    middle = offsets[len(offsets) // 2]
    strayed_ns = max(abs(offset - middle) for offset in offsets)
    return {
        "mono_unix_ns": [list(pair) for pair in clocks],
        "error_ns": strayed_ns + max((machine["error_ns"] or 0 for machine in machines), default=0),
        "machines": machines,
    }


def _leave_note(campaign: Campaign, folder: Path, measurement: _Measurement, reason: str) -> None:
    run = _write(campaign, folder, measurement, reason, {})
    write_summary(run, error_summary(reason))
    write_error_junit(run, reason)


def _link_latest(out: Path, folder: Path) -> None:
    draft = out / f".{LATEST}-{folder.name}"
    draft.symlink_to(folder.name)
    draft.replace(out / LATEST)
