"""``livetable up``: a system to play with."""

import asyncio
from pathlib import Path

import click

from livetable.common import RUNS

TABLES = 2


@click.command()
@click.option("--tables", type=click.IntRange(1, 1000), help="Tables; otherwise 2, or one for each of --games.")
@click.option("--games", help="Games of tables 1, 2, … in turn, with commas between; otherwise roulette.")
@click.option(
    "--collecting", default="", help="Tables, with commas between, that debit once: when no more bets are taken."
)
@click.option("--gateways", type=click.IntRange(1, 1000), default=2, show_default=True, help="Gateway processes.")
@click.option("--shards", type=click.IntRange(1, 1000), default=2, show_default=True, help="Wallet shards.")
@click.option("--edges", type=click.IntRange(0, 1000), default=2, show_default=True, help="Video edges; 0: no video.")
@click.option(
    "--ladder", type=click.Choice(["full", "small", "single"]), default="small", show_default=True,
    help="Renditions that studios encode: three, two or one.",
)  # fmt: skip
@click.option("--sound", is_flag=True, help="Studios add sound.")
@click.option("--film", type=click.Path(exists=True, dir_okay=False), help="Studios show this file, not a drawn table.")
@click.option("--device", default="", help="Studios show this input of FFmpeg, as v4l2:/dev/video0 or lavfi:testsrc.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the HTTP API; 0 takes a free one.")
@click.option("--dsn", "dsns", multiple=True, envvar="LIVETABLE_DSN", help="PostgreSQL database of a shard; repeat it.")
@click.option("--nats", "nats_url", default="", envvar="LIVETABLE_NATS", help="NATS server with JetStream.")
@click.option("--lab", is_flag=True, help="The control room starts campaigns and breaks things.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="With --lab: where runs are kept."
)
@click.option(
    "--campaigns", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --lab: a folder of campaigns beside the shipped ones.",
)  # fmt: skip
@click.option("--data", type=click.Path(path_type=Path), help="Keep data here; otherwise it is temporary.")
def up(
    tables: int | None,
    games: str | None,
    collecting: str,
    gateways: int,
    shards: int,
    edges: int,
    ladder: str,
    sound: bool,  # noqa: FBT001 - a flag of the command line
    film: str | None,
    device: str,
    port: int,
    dsns: tuple[str, ...],
    nats_url: str,
    lab: bool,  # noqa: FBT001 - a flag of the command line
    out: Path,
    campaigns: Path | None,
    data: Path | None,
) -> None:
    """Run the whole system until Ctrl-C, on embedded servers unless others are named.

    \b
    Example:
      livetable up --tables 4 --gateways 3
      livetable up --lab --out runs
      livetable up --games roulette,baccarat,money_wheel,blackjack --collecting 2
      livetable up --shards 2 --dsn postgresql://… --dsn postgresql://… --nats nats://…
    """
    from reference_impl.domain.errors import ConfigError  # noqa: PLC0415
    from reference_impl.domain.games.catalogue import DEFAULT_GAMES  # noqa: PLC0415
    from reference_impl.stack.config import LabConfig, StackConfig  # noqa: PLC0415
    from reference_impl.stack.serve import serve  # noqa: PLC0415
    from reference_impl.streaming.config import LADDERS, VideoConfig  # noqa: PLC0415

    named = DEFAULT_GAMES if games is None else tuple(name.strip() for name in games.split(","))
    try:
        collects = tuple(int(table) for table in collecting.split(",") if table.strip())
    except ValueError:
        raise ConfigError(f"--collecting {collecting}: must be numbers of tables with commas between, as 1,3") from None
    if campaigns and not lab:
        raise ConfigError(f"--campaigns {campaigns}: needs --lab, which starts them")
    more = str(campaigns.resolve()) if campaigns else ""
    beside = LabConfig(module="loadtest.lab.role", runs_dir=str(out.resolve()), campaigns_dir=more)
    config = StackConfig(
        tables=tables or (TABLES if games is None else len(named)),
        games=named,
        collecting=collects,
        gateways=gateways,
        shards=len(dsns) or shards,
        edges=edges,
        video=VideoConfig(
            ladder=LADDERS[ladder], sound=sound, film=str(Path(film).resolve()) if film else "", device=device
        ),
        api_port=port,
        dsns=dsns,
        nats_url=nats_url,
        data_dir=str(data.resolve()) if data else "",
        lab=beside if lab else None,
    )
    asyncio.run(serve(config))
