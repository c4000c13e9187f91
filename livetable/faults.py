"""``livetable faults``: what this machine can break, schedules of chance, and what a run's faults did."""

from pathlib import Path

import click

from livetable.common import JSON_OPTION, RUNS, campaign_argument, show_json


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
    from reports.recovery import recoveries, recovery_table  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    found = recoveries(open_run(run))
    click.echo("\n".join(recovery_table(found)))
    if as_json:
        show_json(found)
