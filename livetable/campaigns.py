"""``livetable campaign``: load a real system, here or elsewhere, and judge what came of it."""

import asyncio
import os
import sys
from pathlib import Path

import click

from livetable.common import JSON_OPTION, RUNS, campaign_argument, show_json, show_table
from livetable.runs import COMPARE_PAGE, compare_and_exit
from reference_impl.domain.errors import ConfigError
from reports.limits import EFFECT_MIN


@click.group()
def campaign() -> None:
    """Load a real system, check it, simulate it, report."""


@campaign.command("run")
@campaign_argument("file")
@click.option("--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs are kept.")
@click.option("--target", default="", help="A system that was started elsewhere: its HTTP address.")
@click.option("--adapter", default="", help="How it is spoken to: module:Class; ours unless said otherwise.")
@click.option("--ui", is_flag=True, help="Serve Locust's web page on loopback while the load runs.")
@click.option("--ui-port", type=click.IntRange(1, 65535), default=8089, show_default=True, help="The page's port.")
@click.option("--processes", type=click.IntRange(1, 64), help="Load workers; the campaign's number unless given.")
@click.option("--tags", multiple=True, help="Play only people with this tag; repeat it.")
@click.option("--master", is_flag=True, help="Load comes from workers on other machines: see `campaign worker`.")
@click.option("--expect-workers", type=click.IntRange(1, 1000), help="Start when so many worker processes are there.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Where the master listens for workers.")
@click.option("--master-port", type=click.IntRange(1, 65535), default=5557, show_default=True, help="Its port.")
@JSON_OPTION
def campaign_run(
    file: Path,
    out: Path,
    target: str,
    adapter: str,
    ui: bool,  # noqa: FBT001 - a flag of the command line
    ui_port: int,
    processes: int | None,
    tags: tuple[str, ...],
    master: bool,  # noqa: FBT001 - a flag of the command line
    expect_workers: int | None,
    bind: str,
    master_port: int,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Run a campaign: a file, or the name of a shipped one (see `campaign list`); the exit code is its verdict.

    With --target, LIVETABLE_ADMIN_TOKEN opens the accounts and LIVETABLE_DSN, one database a shard with spaces between
    them, the ledger; without it the checks of the ledger are skipped. With --master too, others drive the load.

    \b
    Example:
      livetable campaign run demo
      livetable campaign run smoke.toml --target http://127.0.0.1:8000
      livetable campaign run steady.toml --target tcp://127.0.0.1:9000 --adapter mytables:MyTables
      livetable campaign run big.toml --target http://10.0.0.2:8000 --master --expect-workers 8 --bind 10.0.0.1
    """
    import msgspec  # noqa: PLC0415

    from loadtest.adapters.loading import OURS  # noqa: PLC0415
    from loadtest.campaign import run_campaign  # noqa: PLC0415
    from loadtest.config import load_campaign  # noqa: PLC0415
    from loadtest.elsewhere import Elsewhere  # noqa: PLC0415
    from loadtest.generator import Habits  # noqa: PLC0415
    from loadtest.machines import machines_wanted  # noqa: PLC0415

    if adapter and not target:
        raise ConfigError(f"--adapter {adapter}: needs --target, the address of a system started elsewhere")
    machines = machines_wanted(expect_workers, bind, master_port, target) if master else None
    planned = load_campaign(file)
    if (workers := expect_workers if master else processes) is not None:
        planned = msgspec.structs.replace(planned, workers=workers)
    elsewhere = Elsewhere.named(target, adapter or OURS, os.environ) if target else None
    habits = Habits(ui, ui_port, tags, machines)
    result = asyncio.run(run_campaign(planned, out, elsewhere=elsewhere, habits=habits))
    if result.evaluation is None:
        click.echo(f"livetable: {result.message}; what there is lies in {result.run_path}", err=True)
    else:
        from reports.page import terminal_table  # noqa: PLC0415

        run, judgement, report_path = result.evaluation
        show_table(terminal_table(run, judgement))
        click.echo(f"report: {report_path}")
    if as_json:
        from reports.judgement import read_summary  # noqa: PLC0415
        from reports.run import open_run  # noqa: PLC0415

        show_json({"run": str(result.run_path), **read_summary(open_run(result.run_path))})
    sys.exit(result.exit_code)


@campaign.command("worker")
@click.option("--master-host", required=True, help="Where the master listens.")
@click.option("--master-port", type=click.IntRange(1, 65535), default=5557, show_default=True, help="Its port.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Workers on this machine.")
@click.option("--adapter", default="", help="As the master names it: module:Class; ours unless said otherwise.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Records lie here briefly."
)
def campaign_worker(master_host: str, master_port: int, processes: int, adapter: str, out: Path) -> None:
    """Take part in the load of a `campaign run --master` on another machine, until it is over.

    \b
    Example:
      livetable campaign worker --master-host 10.0.0.1 --processes 4
    """
    from loadtest.adapters.loading import OURS  # noqa: PLC0415
    from loadtest.campaign import new_folder  # noqa: PLC0415
    from loadtest.worker import Allegiance, work  # noqa: PLC0415

    allegiance = Allegiance(master_host, master_port, processes, adapter or OURS)
    work(allegiance, new_folder(out, "worker"), click.echo)


@campaign.command("ab")
@campaign_argument("baseline")
@campaign_argument("candidate")
@click.option("--runs", type=click.IntRange(1, 100), default=6, show_default=True, help="Runs of each file.")
@click.option("--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs are kept.")
@JSON_OPTION
def campaign_ab(baseline: Path, candidate: Path, runs: int, out: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Run two campaign files in turn (A B, B A, …) and compare the second with the first.

    The exit code is that of `compare`.

    \b
    Example:
      livetable campaign ab before.toml after.toml --runs 6
    """
    from loadtest.ab import run_in_turn  # noqa: PLC0415
    from loadtest.config import load_campaign  # noqa: PLC0415

    first, second = run_in_turn(load_campaign(baseline), load_campaign(candidate), runs, out)
    compare_and_exit(second, first, (), EFFECT_MIN, out / COMPARE_PAGE, as_json=as_json)


@campaign.command("series")
@campaign_argument("file")
@click.option("--vary", required=True, help="FIELD=VALUE,VALUE,... of the scenario: the loads.")
@click.option("--repeats", type=click.IntRange(1, 1000), default=5, show_default=True, help="Runs of each load.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Deals the order.")
@click.option("--within-s", type=click.FloatRange(min=0.0), help="Begin no run that would not end within this time.")
@click.option("--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs are kept.")
@JSON_OPTION
def campaign_series(
    file: Path, vary: str, repeats: int, seed: int, within_s: float | None, out: Path,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:  # fmt: skip
    """Run a campaign at several loads, interleaved and repeated; what ran already is not run again.

    \b
    Example:
      livetable campaign series accuracy --vary players_per_table=20,60,120 --repeats 5 --out runs/accuracy
    """
    from loadtest.config import load_campaign  # noqa: PLC0415
    from loadtest.series import finished, run_series, series_of  # noqa: PLC0415
    from loadtest.simulation import varied_field  # noqa: PLC0415

    members = series_of(load_campaign(file), *varied_field(vary), repeats, seed)
    for _member, folder in run_series(members, out, within_s):
        click.echo(folder)
    done = [str(found) for member in members if (found := finished(out, member.name))]
    click.echo(f"{len(done)} of {len(members)} runs are there")
    if as_json:
        show_json(done)


@campaign.command("validate")
@campaign_argument("file")
def campaign_validate(file: Path) -> None:
    """Check a campaign file and print it with all defaults filled in.

    \b
    Example:
      livetable campaign validate demo
    """
    import msgspec  # noqa: PLC0415

    from loadtest.config import load_campaign  # noqa: PLC0415

    click.echo(msgspec.json.format(msgspec.json.encode(load_campaign(file)), indent=2).decode())


@campaign.command("list")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@JSON_OPTION
def campaign_list(folder: Path | None, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """List the campaigns that are shipped, or those of a folder, with what they say of themselves.

    \b
    Example:
      livetable campaign list
      livetable campaign list my-campaigns
    """
    from loadtest.config import CAMPAIGNS, load_campaign  # noqa: PLC0415

    known = {
        str(file) if folder else file.stem: load_campaign(file).description
        for file in sorted((folder or CAMPAIGNS).glob("*.toml"))
    }
    for name, description in known.items():
        click.echo(f"{name:<17} {description}")
    if as_json:
        show_json([{"name": name, "description": description} for name, description in known.items()])
