"""The command line of the lab: one verb a function, each importing what it needs when it is called.

Exit codes: 0 pass, 1 error (usage errors too), 2 an SLO was broken, 3 inconsistent, 4 invalid.
"""

import asyncio
import sys
from pathlib import Path

import click

from reference_impl.domain.errors import LabError

EXIT_ERROR = 1
EXIT_SLO = 2
EXIT_INCONSISTENT = 3
RUNS = Path("runs")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="livetable-lab", prog_name="livetable")
def cli() -> None:
    r"""Simulate and load-test live casino tables.

    \b
    Example:
      livetable campaign run loadtest/campaigns/demo.toml
    """


@cli.command()
@click.option("--tables", type=click.IntRange(1, 1000), default=2, show_default=True, help="Roulette tables.")
@click.option("--gateways", type=click.IntRange(1, 1000), default=2, show_default=True, help="Gateway processes.")
@click.option("--shards", type=click.IntRange(1, 1000), default=2, show_default=True, help="Wallet shards.")
@click.option("--edges", type=click.IntRange(0, 1000), default=2, show_default=True, help="Video edges; 0: no video.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the HTTP API; 0 takes a free one.")
@click.option("--dsn", "dsns", multiple=True, envvar="LIVETABLE_DSN", help="PostgreSQL database of a shard; repeat it.")
@click.option("--nats", "nats_url", default="", envvar="LIVETABLE_NATS", help="NATS server with JetStream.")
@click.option("--data", type=click.Path(path_type=Path), help="Keep data here; otherwise it is temporary.")
def up(
    tables: int,
    gateways: int,
    shards: int,
    edges: int,
    port: int,
    dsns: tuple[str, ...],
    nats_url: str,
    data: Path | None,
) -> None:
    r"""Run the whole system until Ctrl-C, on embedded servers unless others are named.

    \b
    Example:
      livetable up --tables 4 --gateways 3
      livetable up --shards 2 --dsn postgresql://… --dsn postgresql://… --nats nats://…
    """
    from reference_impl.stack.config import StackConfig  # noqa: PLC0415
    from reference_impl.stack.serve import serve  # noqa: PLC0415

    config = StackConfig(
        tables=tables,
        gateways=gateways,
        shards=len(dsns) or shards,
        edges=edges,
        api_port=port,
        dsns=dsns,
        nats_url=nats_url,
        data_dir=str(data.resolve()) if data else "",
    )
    asyncio.run(serve(config))


@cli.group()
def campaign() -> None:
    """Load a real system, check it, simulate it, report."""


@campaign.command("run")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs are kept.")
def campaign_run(file: Path, out: Path) -> None:
    r"""Run a campaign file; the exit code is its verdict.

    \b
    Example:
      livetable campaign run loadtest/campaigns/demo.toml
    """
    from loadtest.campaign import run_campaign  # noqa: PLC0415
    from loadtest.config import load_campaign  # noqa: PLC0415

    result = asyncio.run(run_campaign(load_campaign(file), out))
    if result.report_path is None:
        click.echo(f"livetable: {result.message}; what there is lies in {result.run_path}", err=True)
    else:
        from reports.page import terminal_table  # noqa: PLC0415
        from reports.run import open_run  # noqa: PLC0415

        run = open_run(result.run_path)
        click.echo(terminal_table(run, run.twin))
        click.echo(f"report: {result.report_path}")
    sys.exit(result.exit_code)


@campaign.command("validate")
@click.argument("file", type=click.Path(path_type=Path))
def campaign_validate(file: Path) -> None:
    r"""Check a campaign file and print it with all defaults filled in.

    \b
    Example:
      livetable campaign validate loadtest/campaigns/demo.toml
    """
    import msgspec  # noqa: PLC0415

    from loadtest.config import load_campaign  # noqa: PLC0415

    click.echo(msgspec.json.format(msgspec.json.encode(load_campaign(file)), indent=2).decode())


@campaign.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(__file__).parent / "loadtest" / "campaigns")
def campaign_list(folder: Path) -> None:
    """List campaign files with what they say of themselves."""
    from loadtest.config import load_campaign  # noqa: PLC0415

    for file in sorted(folder.glob("*.toml")):
        known = load_campaign(file)
        click.echo(f"{file}  {known.name}: {known.description}")


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
def check(run: Path) -> None:
    r"""Run all checks over a run's folder.

    \b
    Example:
      livetable check runs/latest
    """
    from reports.judgement import judge  # noqa: PLC0415
    from reports.page import terminal_table  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    opened = open_run(run)
    judgement = judge(opened)
    click.echo(terminal_table(opened, opened.twin))
    sys.exit(judgement.exit_code)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--figures", type=click.Path(path_type=Path), help="Also write each figure there, as an SVG file.")
def report(run: Path, figures: Path | None) -> None:
    r"""Write a run's report again.

    \b
    Example:
      livetable report runs/latest --figures docs/figures
    """
    from reports.canvas import stand_alone  # noqa: PLC0415
    from reports.figures import pictures  # noqa: PLC0415
    from reports.page import render_report  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    opened = open_run(run)
    click.echo(render_report(opened, opened.twin))
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        for picture in pictures(opened, opened.twin):
            (figures / f"{picture.key}.svg").write_text(stand_alone(picture.svg), encoding="utf-8")


@cli.group()
def audit() -> None:
    """Prove that the books are what they were."""


@audit.command("verify")
@click.option("--dsn", "dsns", multiple=True, envvar="LIVETABLE_DSN", help="PostgreSQL database of a shard; repeat it.")
@click.option(
    "--trail", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the audit role."
)
def audit_verify(dsns: tuple[str, ...], trail: Path | None) -> None:
    r"""Recompute the hash chain and every balance; name what was edited, dropped or reordered. Exit code 3 if anything.

    \b
    Example:
      livetable audit verify --dsn postgresql://… --dsn postgresql://… --trail data/audit
    """
    from reference_impl.stack.verification import verify  # noqa: PLC0415

    found = asyncio.run(verify(dsns, trail))
    for verified in found:
        click.echo(
            f"shard {verified.shard}: {verified.entries:,} entries in {verified.batches:,} batches,"
            f" head {verified.hash.hex()}, {len(verified.findings) + verified.more_findings} findings"
        )
        for finding in verified.findings:
            click.echo(f"  {finding}")
        if verified.more_findings:
            click.echo(f"  and {verified.more_findings:,} more")
    sys.exit(EXIT_INCONSISTENT if any(verified.findings for verified in found) else 0)


@cli.command()
@click.argument("name")
@click.option("-n", "legs", type=click.IntRange(1, 100), default=5, show_default=True, help="Alternating legs.")
@click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
def bench(name: str, legs: int, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    r"""Measure ours against a peer, alternating on this machine: `wallet`, `settle`, `stream` or `sim`.

    \b
    Example:
      livetable bench wallet --json
    """
    import msgspec  # noqa: PLC0415

    from loadtest.bench.result import measure  # noqa: PLC0415
    from loadtest.progress import Progress  # noqa: PLC0415

    result = asyncio.run(measure(name, legs, Progress()))
    click.echo(
        f"{result.name}: ours {result.ours:,} {result.unit}, {result.peer_name} {result.peer:,};"
        f" ratio {result.ratio} (n = {result.n}, spread {result.spread:.0%})"
    )
    if as_json:
        click.echo(msgspec.json.encode(result).decode())


@cli.group()
def sim() -> None:
    """Simulate scenarios."""


@sim.command("run")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--like", type=click.Path(path_type=Path), help="Take the scenario from a run instead of a file.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players; the system grows with them.")
@click.option("--trace", type=click.IntRange(1), multiple=True, help="Follow this player's every bet; repeat it.")
@click.option("--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs are kept.")
def sim_run(
    file: Path | None, like: Path | None, model: Path | None, players: int | None, trace: tuple[int, ...], out: Path
) -> None:
    r"""Simulate a campaign's scenario, or one like a run's; with --players for a crowd of any size.

    \b
    Example:
      livetable sim run loadtest/campaigns/demo.toml
      livetable sim run --like runs/latest --players 1000000
    """
    from loadtest.campaign import new_folder  # noqa: PLC0415
    from loadtest.simulation import chosen_campaign, print_exact, print_trace, with_players  # noqa: PLC0415
    from reports.judgement import judge  # noqa: PLC0415
    from reports.page import render_report, terminal_table  # noqa: PLC0415
    from sim import twin  # noqa: PLC0415
    from sim.parameters import load_model  # noqa: PLC0415

    planned = chosen_campaign(file, like)
    folder = new_folder(out, f"{planned.name}-simulated")
    times = load_model(model) if model else None
    if players is None and not trace:
        run = twin.sim_run(planned, folder, times)
    else:
        run = twin.crowd_run(with_players(planned, players), folder, times, trace=trace)
    judgement = judge(run)
    click.echo(terminal_table(run))
    print_exact(run)
    print_trace(run, trace)
    click.echo(f"report: {render_report(run)}")
    sys.exit(judgement.exit_code)


@sim.command("sweep")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--vary", multiple=True, required=True, help="FIELD=VALUE,VALUE,… of the scenario; repeat it.")
@click.option("--figure", default="bet.p99_ms", show_default=True, help="The figure that is shown.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players; the system grows with them.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
@click.option("--seeds", type=click.IntRange(2, 1000), default=3, show_default=True, help="Replications of each.")
@click.option("--resume", type=click.Path(path_type=Path), help="Keep finished jobs here; do not repeat them.")
@click.option("--dask", help="Address of a Dask scheduler; otherwise this machine's cores.")
def sim_sweep(
    file: Path, vary: tuple[str, ...], figure: str, players: int | None, model: Path | None, seeds: int,
    resume: Path | None, dask: str | None,
) -> None:  # fmt: skip
    r"""Simulate every combination of some of a scenario's fields; print a figure with its 95 % interval.

    \b
    Example:
      livetable sim sweep loadtest/campaigns/demo.toml --vary gateways=2,4 --vary shards=1,2
    """
    from loadtest.simulation import sweep_file  # noqa: PLC0415

    click.echo(sweep_file(file, vary, figure, players, model, seeds, resume, dask))


@sim.command("plan")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--slo", "slos", multiple=True, required=True, help="GROUP.FIGURE <= NUMBER; repeat it.")
@click.option("--probability", type=float, default=0.9, show_default=True, help="That a run holds each limit.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
def sim_plan(
    file: Path, slos: tuple[str, ...], probability: float, players: int | None, model: Path | None
) -> None:  # fmt: skip
    r"""Find the least costly system that holds limits; exit code 2 if none was found in ten seconds.

    \b
    Example:
      livetable sim plan loadtest/campaigns/demo.toml --players 100000 --slo "bet.p99_ms <= 250"
    """
    from loadtest.simulation import plan_file  # noqa: PLC0415

    text, holds = plan_file(file, slos, probability, players, model)
    click.echo(text)
    sys.exit(0 if holds else EXIT_SLO)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: every expected error is one line on stderr and exit code 1."""
    try:
        cli.main(arguments, standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_ERROR)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(EXIT_ERROR)
    except LabError as error:
        click.echo(f"livetable: {error}", err=True)
        sys.exit(EXIT_ERROR)


if __name__ == "__main__":
    main()
