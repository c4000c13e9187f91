"""``livetable faults``: what this machine can break, schedules of chance, and what a run's faults did."""

import asyncio
import sys
from pathlib import Path

import click

from livetable.common import (
    CHECK_OPTION,
    EXIT_INCONSISTENT,
    JSON_OPTION,
    RUNS,
    RUNS_ARGUMENT,
    campaign_argument,
    show_json,
)


@click.group()
def faults() -> None:
    """Break things on purpose."""


@faults.command("doctor")
@JSON_OPTION
def faults_doctor(as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Try what this machine can do to a system; a line for each kind of fault, with the reason.

    \b
    Example:
      livetable faults doctor --json
    """
    from loadtest.faults.doctor import examine  # noqa: PLC0415
    from sim.fault_kinds import KINDS  # noqa: PLC0415

    found = examine()
    for one in found:
        click.echo(f"{'yes' if one.possible else 'no':4} {one.kind:14} {KINDS[one.kind].meaning}: {one.reason}")
    if as_json:
        show_json(found)


@faults.command("schedule")
@campaign_argument("file")
@click.option("--seed", "seeds", multiple=True, type=int, help="Another seed than the file's; repeat it.")
@JSON_OPTION
def faults_schedule(file: Path, seeds: tuple[int, ...], as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Print a campaign's faults in order of time; the same file and seed always give the same list.

    \b
    Example:
      livetable faults schedule loadtest/campaigns/faults-soak.toml --seed 7
    """
    from loadtest.config import load_campaign  # noqa: PLC0415

    schedules = {seed: load_campaign(file, fault_seed=seed).scenario.faults for seed in seeds or (None,)}
    for seed, schedule in schedules.items():
        if seeds:
            click.echo(f"# seed {seed}")
        for fault in schedule:
            click.echo(fault.line)
    if as_json:
        show_json([{"seed": seed, "faults": schedule} for seed, schedule in schedules.items()])


@faults.command("show")
@click.argument("run", type=click.Path(path_type=Path), default=RUNS / "latest")
@JSON_OPTION
def faults_show(run: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Tell what each fault of a run did: noticed, ready, served again, and what became of the bets under way.

    \b
    Example:
      livetable faults show runs/latest
    """
    from reports.leaks import growths  # noqa: PLC0415
    from reports.recovery import recoveries, recovery_table  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    opened = open_run(run)
    found = recoveries(opened)
    click.echo("\n".join(recovery_table(found)))
    if grown := growths(opened):
        click.echo("\nwhat each process grows by, with the interval that covers it:")
        click.echo("\n".join(f"  {one}" for one in grown))
    if as_json:
        show_json(found)


@faults.command("report")
@RUNS_ARGUMENT
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the page and its figure.")
@click.option("--note", default="", help="What readers must know of the machine.")
@CHECK_OPTION
@JSON_OPTION
def faults_report(
    runs: tuple[Path, ...], out: Path, note: str, check: bool, as_json: bool  # noqa: FBT001 - flags
) -> None:  # fmt: skip
    """Write a page on what the faults of runs did, kind by kind, measured beside simulated.

    \b
    Example:
      livetable faults report runs/*-faults-money runs/*-rolling-deploy --out reports/published/faults
    """
    from reports.fault_report import REPORT, gathered, rows  # noqa: PLC0415
    from reports.publishing import conclude  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    found = gathered([open_run(run) for run in runs], note)
    click.echo(conclude(REPORT, found, out, f"livetable faults report RUN… --out {out}", check=check))
    if as_json:
        show_json(rows(found))


@faults.command("drill")
@click.option("--stretch-s", default=5.0, show_default=True, type=click.FloatRange(1.0, 600.0),
              help="How long people bet before the backup, until the point, and after it.")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path), help="Keep backup, archive and clusters in this new folder.")
@JSON_OPTION
def faults_drill(stretch_s: float, keep: Path | None, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Back up the database while people bet, lose it, restore it to a point, and prove that nothing told is lost.

    \b
    Exit code 3 if anything is. Example:
      livetable faults drill --stretch-s 10
    """
    import tempfile  # noqa: PLC0415

    from loadtest.drill import drill  # noqa: PLC0415
    from loadtest.progress import Progress  # noqa: PLC0415
    from reference_impl.domain.errors import ConfigError  # noqa: PLC0415

    if keep is not None and keep.exists():
        raise ConfigError(f"--keep {keep}: is there already; name a new folder")
    with tempfile.TemporaryDirectory(prefix="livetable-drill-") as folder:
        if keep is not None:
            keep.mkdir(parents=True)
        found = asyncio.run(drill((keep or Path(folder)).resolve(), stretch_s, Progress().say))
    click.echo("\n".join(found.lines))
    if as_json:
        show_json(found)
    sys.exit(0 if found.sound else EXIT_INCONSISTENT)
