"""``livetable stream``: live streams against their rules, and players on links."""

import asyncio
import sys
from pathlib import Path

import click

from livetable.common import JSON_OPTION, show_json


@click.group()
def stream() -> None:
    """Prove that a live stream keeps the rules of low-latency HLS; try how players choose renditions."""


@stream.command("lint")
@click.argument("url")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=12, show_default=True, help="How long to follow it.")
@click.option("--record", type=click.Path(path_type=Path), help="Keep the walk there; its file can be judged again.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write JUnit XML there.")
@JSON_OPTION
def stream_lint(url: str, seconds: float, record: Path | None, junit: Path | None, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Walk a live stream and name each rule that it breaks. URL is its multivariant playlist, or a kept walk's file.

    Exit code 0 if nothing that must hold is broken, 3 if something is, 1 if the stream cannot be reached.

    \b
    Example:
      livetable stream lint http://127.0.0.1:8080/…/master.m3u8 --junit lint.xml
    """
    from loadtest.progress import Progress  # noqa: PLC0415
    from loadtest.streamlint import judgement  # noqa: PLC0415
    from loadtest.streamlint.walker import walk  # noqa: PLC0415

    if Path(url).is_file():
        walked = judgement.load(Path(url))
    else:
        Progress().say(f"following {url} for {seconds:g} s")
        walked = asyncio.run(walk(url, seconds))
    if record is not None:
        judgement.save(walked, record)
    found = judgement.judge(walked)
    click.echo(judgement.table(found))
    if junit is not None:
        judgement.write_junit(found, junit)
    if as_json:
        show_json(found)
    sys.exit(found.exit_code)


@stream.command("abr")
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Of each kind of link.")
@click.option("--seconds", type=click.FloatRange(10, 3600), default=120, show_default=True, help="Of virtual time.")
@JSON_OPTION
def stream_abr(seeds: int, seconds: float, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Compare the rules of rendition choice on links of several shapes, by LoL+'s quality of experience.

    \b
    Example:
      livetable stream abr --seeds 20
    """
    from loadtest.viewing.trial import compare, table  # noqa: PLC0415

    rows = compare(seeds, seconds)
    click.echo(table(rows))
    if as_json:
        show_json(rows)
