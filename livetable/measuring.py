"""``livetable bench`` and ``livetable zoo``: how fast the lab is, and what it catches."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from livetable.common import CHECK_OPTION, EXIT_INCONSISTENT, JSON_OPTION, show_json
from reference_impl.domain.errors import ConfigError


def _benches(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from loadtest.bench.result import NAMES  # noqa: PLC0415

    return [name for name in NAMES if name.startswith(incomplete)]


@click.command()
@click.argument("name", shell_complete=_benches)
@click.option("-n", "legs", type=click.IntRange(1, 100), default=5, show_default=True, help="Alternating legs.")
@click.option("--out", type=click.Path(path_type=Path), help="Publish a report there: `wallet` and `balance` have one.")
@CHECK_OPTION
@JSON_OPTION
def bench(name: str, legs: int, out: Path | None, check: bool, as_json: bool) -> None:  # noqa: FBT001 - flags
    """Measure ours against a peer, alternating.

    NAME is `wallet`, `settle`, `growth`, `betpath`, `broadcast`, `stream`, `link`, `edge`, `quality`, `checks`,
    `loadgen`, `sim`, `balance` (simulated) or `pressure`.

    \b
    Example:
      livetable bench wallet --json
      livetable bench wallet --out reports/published/wallet
    """
    from loadtest.bench.result import measure, recipe_of  # noqa: PLC0415
    from loadtest.progress import Progress  # noqa: PLC0415

    if check and out is None:
        raise ConfigError("--check: needs --out, the folder that is compared")
    recipe = recipe_of(name) if out is not None else None
    result = asyncio.run(measure(name, legs, Progress()))
    click.echo(result.told())
    if out is not None and recipe is not None:
        from reports.publishing import conclude  # noqa: PLC0415

        click.echo(conclude(recipe, result, out, f"livetable bench {name} -n {legs} --out {out}", check=check))
    if as_json:
        show_json(result)


@click.command()
@click.option("--only", multiple=True, help="Only bugs whose name contains this; repeat it.")
@click.option("--out", type=click.Path(path_type=Path), help="Publish the score there, as JSON and as a page.")
@click.option("--resume", is_flag=True, help="Go on with what --out holds already, if it is this commit's.")
@CHECK_OPTION
@JSON_OPTION
def zoo(only: tuple[str, ...], out: Path | None, resume: bool, check: bool, as_json: bool) -> None:  # noqa: FBT001
    """Seed known bugs into copies of the system and see whether the checks catch them.

    The exit code is 3 if one slips through. It takes some minutes and needs a source checkout. What was met is
    published at once: who is interrupted goes on with --resume.

    \b
    Example:
      livetable zoo --only spoiler
      livetable zoo --out reports/published/zoo --resume --json
    """
    from loadtest.progress import Progress  # noqa: PLC0415
    from loadtest.zoo import REPORT, Meeting, chosen, headline, resumed, run_zoo, score_of  # noqa: PLC0415
    from reports.publishing import conclude, publish  # noqa: PLC0415

    if (resume or check) and out is None:
        raise ConfigError(f"--{'resume' if resume else 'check'}: needs --out, the folder with what was met before")
    if resume and check:
        raise ConfigError("--resume --check: what was met before is what is compared with; leave one out")
    names = chosen(only)
    command = " ".join(["livetable zoo", *(f"--only '{text}'" for text in only)])

    def keep(met: Sequence[Meeting]) -> None:
        if out is not None and not check:
            publish(REPORT, score_of(met, len(names)), out, command)

    known = resumed(out) if resume and out is not None else []
    met = asyncio.run(run_zoo(names, Progress().say, known, keep))
    score = score_of(met, len(names))
    click.echo(headline(met))
    if out is not None:
        click.echo(conclude(REPORT, score, out, command, check=check))
    if as_json:
        show_json(score)
    sys.exit(0 if all(meeting.hit for meeting in met) else EXIT_INCONSISTENT)
