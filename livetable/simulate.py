"""``livetable sim``: scenarios without a system."""

import sys
from pathlib import Path

import click

from livetable.common import CHECK_OPTION, EXIT_SLO, JSON_OPTION, RUNS, campaign_argument, show_json, show_table


@click.group()
def sim() -> None:
    """Simulate scenarios."""


@sim.command("run")
@campaign_argument("file", required=False)
@click.option("--like", type=click.Path(path_type=Path), help="Take the scenario from a run instead of a file.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players; the system grows with them.")
@click.option("--trace", type=click.IntRange(1), multiple=True, help="Follow this player's every bet; repeat it.")
@click.option("--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs are kept.")
@JSON_OPTION
def sim_run(
    file: Path | None, like: Path | None, model: Path | None, players: int | None, trace: tuple[int, ...], out: Path,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:  # fmt: skip
    """Simulate a campaign's scenario, or one like a run's; with --players for a crowd of any size.

    \b
    Example:
      livetable sim run demo
      livetable sim run --like runs/latest --players 1000000
    """
    from loadtest.campaign import new_folder  # noqa: PLC0415
    from loadtest.simulation import chosen_campaign, print_exact, print_trace, with_players  # noqa: PLC0415
    from reports.judgement import judge, read_summary  # noqa: PLC0415
    from reports.page import render_report, terminal_table  # noqa: PLC0415
    from sim import twin  # noqa: PLC0415
    from sim.ensemble import model_in  # noqa: PLC0415

    planned = chosen_campaign(file, like)
    folder = new_folder(out, f"{planned.name}-simulated")
    times = model_in(model) if model else None
    if players is None and not trace:
        run = twin.sim_run(planned, folder, times)
    else:
        run = twin.crowd_run(with_players(planned, players), folder, times, trace=trace)
    judgement = judge(run)
    show_table(terminal_table(run, judgement))
    print_exact(run)
    print_trace(run, trace)
    click.echo(f"report: {render_report(run, judgement)}")
    if as_json:
        show_json(read_summary(run))
    sys.exit(judgement.exit_code)


@sim.command("sweep")
@campaign_argument("file")
@click.option("--vary", multiple=True, required=True, help="FIELD=VALUE,VALUE,… of the scenario; repeat it.")
@click.option("--figure", default="bet.p99_ms", show_default=True, help="The figure that is shown.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players; the system grows with them.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
@click.option("--seeds", type=click.IntRange(2, 1000), default=3, show_default=True, help="Replications of each.")
@click.option("--resume", type=click.Path(path_type=Path), help="Keep finished jobs here; do not repeat them.")
@JSON_OPTION
def sim_sweep(
    file: Path, vary: tuple[str, ...], figure: str, players: int | None, model: Path | None, seeds: int,
    resume: Path | None, as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:  # fmt: skip
    """Simulate every combination of some of a scenario's fields; print a figure with its 95 % interval.

    \b
    Example:
      livetable sim sweep demo --vary gateways=2,4 --vary shards=1,2
    """
    from loadtest.simulation import sweep_file  # noqa: PLC0415

    rows, text = sweep_file(file, vary, figure, players, model, seeds, resume)
    click.echo(text)
    if as_json:
        show_json(rows.to_dict("records"))


@sim.command("plan")
@campaign_argument("file")
@click.option("--slo", "slos", multiple=True, required=True, help="GROUP.FIGURE <= NUMBER; repeat it.")
@click.option("--probability", type=float, default=0.9, show_default=True, help="That a run holds each limit.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
@JSON_OPTION
def sim_plan(
    file: Path, slos: tuple[str, ...], probability: float, players: int | None, model: Path | None,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:  # fmt: skip
    """Find a system, beginning with the smallest, that holds limits; exit code 2 if none was found.

    \b
    Example:
      livetable sim plan demo --players 100000 --slo "bet.p99_ms <= 250"
    """
    from loadtest.simulation import plan_file  # noqa: PLC0415

    found, text = plan_file(file, slos, probability, players, model)
    click.echo(text)
    if as_json:
        show_json(found)
    sys.exit(0 if found.holds else EXIT_SLO)


@sim.command("million")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the report is published.")
@CHECK_OPTION
@click.option("--players", type=click.IntRange(20, 10_000_000), default=1_000_000, show_default=True,
              help="So many bet, and as many watch.")  # fmt: skip
@click.option("--tables", type=click.IntRange(1, 10_000), default=250, show_default=True, help="Where they are.")
@click.option("--replications", type=click.IntRange(2, 100), default=5, show_default=True, help="Of the whole.")
@click.option("--seed", type=int, default=1, show_default=True, help="The first; others count up.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
@JSON_OPTION
def sim_million(
    out: Path, check: bool, players: int, tables: int, replications: int, seed: int,  # noqa: FBT001 - flags
    model: Path | None, as_json: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Tell what a million players need and how they fare, with everybody simulated; publish it.

    Takes some eight minutes of CPU. The same seed gives the same report.

    \b
    Example:
      livetable sim million --out reports/published/million
    """
    from loadtest.million import REPORT, summary  # noqa: PLC0415
    from loadtest.progress import Progress  # noqa: PLC0415
    from reference_impl.domain.errors import ConfigError  # noqa: PLC0415
    from reports.publishing import conclude  # noqa: PLC0415
    from sim.ensemble import model_in  # noqa: PLC0415
    from sim.experiment import processes  # noqa: PLC0415
    from sim.million import Asked, million  # noqa: PLC0415
    from sim.parameters import Model  # noqa: PLC0415

    if players < tables:
        raise ConfigError(f"--players is {players}: must be at least the {tables} tables")
    asked = Asked(players=players, tables=tables, replications=replications, seed=seed)
    progress = Progress()
    progress.say("finding a size that holds; then everybody at once")
    with processes() as pool:
        found = million(asked, model_in(model) if model else Model(), pool, progress.step)
    click.echo(summary(found))
    command = f"livetable sim million --players {players} --tables {tables} --replications {replications} --seed {seed}"
    click.echo(conclude(REPORT, found, out, command + (f" --model {model}" if model else ""), check=check))
    if as_json:
        show_json(found)
