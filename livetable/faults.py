"""``livetable faults``: what this machine can break, schedules of chance, and what a run's faults did."""

from pathlib import Path

import click

from livetable.common import RUNS


@click.group()
def faults() -> None:
    """Break things on purpose."""


@faults.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def faults_doctor(as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Try what this machine can do to a system; a line for each kind of fault, with the reason.

    \b
    Example:
      livetable faults doctor --json
    """
    import msgspec  # noqa: PLC0415

    from loadtest.faults.doctor import examine  # noqa: PLC0415
    from sim.fault_kinds import KINDS  # noqa: PLC0415

    found = examine()
    if as_json:
        click.echo(msgspec.json.encode({"faults": found}))
        return
    for one in found:
        click.echo(f"{'yes' if one.possible else 'no':4} {one.kind:14} {KINDS[one.kind].meaning}: {one.reason}")


@faults.command("schedule")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--seed", "seeds", multiple=True, type=int, help="Another seed than the file's; repeat it.")
def faults_schedule(file: Path, seeds: tuple[int, ...]) -> None:
    """Print a campaign's faults in order of time; the same file and seed always give the same list.

    \b
    Example:
      livetable faults schedule loadtest/campaigns/faults-soak.toml --seed 7
    """
    from loadtest.config import load_campaign  # noqa: PLC0415

    for seed in seeds or (None,):
        if seeds:
            click.echo(f"# seed {seed}")
        for fault in load_campaign(file, fault_seed=seed).scenario.faults:
            click.echo(fault.line)


@faults.command("show")
@click.argument("run", type=click.Path(path_type=Path), default=RUNS / "latest")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a fault.")
def faults_show(run: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Tell what each fault of a run did: noticed, ready, served again, and what became of the bets under way.

    \b
    Example:
      livetable faults show runs/latest
    """
    import msgspec  # noqa: PLC0415

    from reports.recovery import recoveries, recovery_table  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    found = recoveries(open_run(run))
    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(one))
        return
    click.echo("\n".join(recovery_table(found)))
