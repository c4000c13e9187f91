"""Verbs over finished Runs: check, report, compare, trend."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from livetable.common import JSON_OPTION, RUNS, RUNS_ARGUMENT, show_json, show_table
from reports.limits import EFFECT_MIN

COMPARE_PAGE = "compare.html"
TREND_PAGE = "trend.html"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@JSON_OPTION
def check(run: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Run all checks over a run's folder.

    \b
    Example:
      livetable check runs/latest
    """
    from reports.checks.memory import keep_freed_memory  # noqa: PLC0415
    from reports.judgement import judge, read_summary  # noqa: PLC0415
    from reports.page import terminal_table  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    keep_freed_memory()
    opened = open_run(run)
    judgement = judge(opened)
    show_table(terminal_table(opened, judgement))
    if as_json:
        show_json(read_summary(opened))
    sys.exit(judgement.exit_code)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--figures", type=click.Path(path_type=Path), help="Also write each figure there, as an SVG file.")
def report(run: Path, figures: Path | None) -> None:
    """Write a run's report again.

    \b
    Example:
      livetable report runs/latest --figures docs/figures
    """
    from reports.canvas import stand_alone  # noqa: PLC0415
    from reports.figures import pictures  # noqa: PLC0415
    from reports.judgement import judge  # noqa: PLC0415
    from reports.page import render_report  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    opened = open_run(run)
    click.echo(render_report(opened, judge(opened)))
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        for picture in pictures(opened, opened.twin):
            (figures / f"{picture.key}.svg").write_text(stand_alone(picture.svg), encoding="utf-8")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("op", type=int, required=False)
@JSON_OPTION
def bet(run: Path, op: int | None, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Tell the life of one bet, from the studio to the screen: of bet OP, or of the slowest that was answered.

    \b
    Example:
      livetable bet runs/latest
      livetable bet runs/latest 16777217 --json
    """
    from reports.lives import as_record, life_of, life_text  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    life = life_of(open_run(run), op)
    click.echo(life_text(life))
    if as_json:
        show_json(as_record(life))


class _ManyAgainst(click.Command):
    """A command whose ``--against`` takes all that follows, up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its values."""
        spread: list[str] = []
        against = False
        for word in args:
            option = word.startswith("-")
            against = word == "--against" if option else against
            spread += [] if word == "--against" else ["--against", word] if against else [word]
        return super().parse_args(ctx, spread)


_FIGURE_OPTION = click.option(
    "--figure", "figures", multiple=True, help="Such as 'bet[table=1].p99_ms'; repeat it. The fewer, the more is shown."
)
_EFFECT_OPTION = click.option(
    "--effect", type=click.FloatRange(0.0, 10.0), default=EFFECT_MIN, show_default=True,
    help="Changes of a smaller share do not matter.",
)  # fmt: skip


@click.command(cls=_ManyAgainst)
@RUNS_ARGUMENT
@click.option(
    "--against", "baseline", multiple=True, required=True, type=click.Path(path_type=Path), metavar="RUN...",
    help="The runs of the baseline.",
)  # fmt: skip
@_FIGURE_OPTION
@_EFFECT_OPTION
@click.option("--page", type=click.Path(path_type=Path), default=RUNS / COMPARE_PAGE, show_default=True)
@JSON_OPTION
def compare(
    runs: tuple[Path, ...],
    baseline: tuple[Path, ...],
    figures: tuple[str, ...],
    effect: float,
    page: Path,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Compare runs with a baseline; the run is the unit, so six or more a side, run in turn, make sense.

    Exit codes: 0 nothing is worse, 2 something is, 4 so few runs that nothing can be concluded, 1 error.

    \b
    Example:
      livetable compare runs/*-after --against runs/*-before
    """
    compare_and_exit(runs, baseline, figures, effect, page, as_json=as_json)


def compare_and_exit(
    runs: Sequence[Path], baseline: Sequence[Path], figures: Sequence[str], effect: float, page: Path, *, as_json: bool
) -> None:
    """Compare runs with a baseline, show and draw what differs, and end with the exit code that says it."""
    from reports.cohort_page import contrast_text, write_contrast_page  # noqa: PLC0415
    from reports.contrast import contrast  # noqa: PLC0415

    found = contrast(runs, baseline, figures, effect)
    click.echo(contrast_text(found))
    names = {side: [path.resolve().name for path in paths] for side, paths in (("Runs", runs), ("Baseline", baseline))}
    click.echo(f"page: {write_contrast_page(found, page, names)}")
    if as_json:
        show_json(found)
    sys.exit(found.exit_code)


@click.command()
@RUNS_ARGUMENT
@_FIGURE_OPTION
@_EFFECT_OPTION
@click.option("--page", type=click.Path(path_type=Path), default=RUNS / TREND_PAGE, show_default=True)
@JSON_OPTION
def trend(
    runs: tuple[Path, ...],
    figures: tuple[str, ...],
    effect: float,
    page: Path,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Find where the level of a figure changed in a sequence of runs, taken in order of their start.

    Exit codes: 0 no newest level is worse, 2 one is, 4 so few runs that nothing can be concluded, 1 error.

    \b
    Example:
      livetable trend runs/*-nightly --figure bet.p99_ms
    """
    from reports.cohort_page import trend_text, write_trend_page  # noqa: PLC0415
    from reports.trend import trend as follow  # noqa: PLC0415

    found = follow(runs, figures, effect)
    click.echo(trend_text(found))
    click.echo(f"page: {write_trend_page(found, page)}")
    if as_json:
        show_json(found)
    sys.exit(found.exit_code)
