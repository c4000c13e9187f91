"""The command line of the lab: one verb a function, each importing what it needs when it is called.

Exit codes: 0 pass, 1 error (usage errors too), 2 an SLO was broken, 3 inconsistent, 4 invalid.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from reference_impl.domain.errors import ConfigError, LabError
from reports.limits import EFFECT_MIN

EXIT_ERROR = 1
EXIT_SLO = 2
EXIT_INCONSISTENT = 3
RUNS = Path("runs")
COMPARE_PAGE = "compare.html"
TREND_PAGE = "trend.html"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="livetable-lab", prog_name="livetable")
def cli() -> None:
    """Simulate and load-test live casino tables.

    \b
    Example:
      livetable campaign run loadtest/campaigns/demo.toml
    """


@cli.command()
@click.option("--tables", type=click.IntRange(1, 1000), default=2, show_default=True, help="Roulette tables.")
@click.option("--gateways", type=click.IntRange(1, 1000), default=2, show_default=True, help="Gateway processes.")
@click.option("--shards", type=click.IntRange(1, 1000), default=2, show_default=True, help="Wallet shards.")
@click.option("--edges", type=click.IntRange(0, 1000), default=2, show_default=True, help="Video edges; 0: no video.")
@click.option(
    "--ladder", type=click.Choice(["full", "small", "single"]), default="small", show_default=True,
    help="Renditions that studios encode: three, two or one.",
)  # fmt: skip
@click.option("--sound", is_flag=True, help="Studios add sound.")
@click.option("--film", type=click.Path(exists=True, dir_okay=False), help="Studios show this file, not a drawn table.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the HTTP API; 0 takes a free one.")
@click.option("--dsn", "dsns", multiple=True, envvar="LIVETABLE_DSN", help="PostgreSQL database of a shard; repeat it.")
@click.option("--nats", "nats_url", default="", envvar="LIVETABLE_NATS", help="NATS server with JetStream.")
@click.option("--data", type=click.Path(path_type=Path), help="Keep data here; otherwise it is temporary.")
def up(
    tables: int,
    gateways: int,
    shards: int,
    edges: int,
    ladder: str,
    sound: bool,  # noqa: FBT001 - a flag of the command line
    film: str | None,
    port: int,
    dsns: tuple[str, ...],
    nats_url: str,
    data: Path | None,
) -> None:
    """Run the whole system until Ctrl-C, on embedded servers unless others are named.

    \b
    Example:
      livetable up --tables 4 --gateways 3
      livetable up --shards 2 --dsn postgresql://… --dsn postgresql://… --nats nats://…
    """
    from reference_impl.stack.config import StackConfig  # noqa: PLC0415
    from reference_impl.stack.serve import serve  # noqa: PLC0415
    from reference_impl.streaming.config import LADDERS, VideoConfig  # noqa: PLC0415

    config = StackConfig(
        tables=tables,
        gateways=gateways,
        shards=len(dsns) or shards,
        edges=edges,
        video=VideoConfig(ladder=LADDERS[ladder], sound=sound, film=str(Path(film).resolve()) if film else ""),
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
) -> None:
    """Run a campaign file; the exit code is its verdict.

    With --target, LIVETABLE_ADMIN_TOKEN opens the accounts and LIVETABLE_DSN, one database a shard with spaces between
    them, the ledger; without it the checks of the ledger are skipped. With --master too, others drive the load.

    \b
    Example:
      livetable campaign run loadtest/campaigns/demo.toml
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
        click.echo(terminal_table(run, judgement))
        click.echo(f"report: {report_path}")
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
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@click.option("--runs", type=click.IntRange(1, 100), default=6, show_default=True, help="Runs of each file.")
@click.option("--out", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where runs are kept.")
def campaign_ab(baseline: Path, candidate: Path, runs: int, out: Path) -> None:
    """Run two campaign files in turn (A B, B A, …) and compare the second with the first.

    The exit code is that of `compare`.

    \b
    Example:
      livetable campaign ab before.toml after.toml --runs 6
    """
    from loadtest.ab import run_in_turn  # noqa: PLC0415
    from loadtest.config import load_campaign  # noqa: PLC0415

    first, second = run_in_turn(load_campaign(baseline), load_campaign(candidate), runs, out)
    _compare(second, first, (), EFFECT_MIN, out / COMPARE_PAGE, as_json=False)


@campaign.command("validate")
@click.argument("file", type=click.Path(path_type=Path))
def campaign_validate(file: Path) -> None:
    """Check a campaign file and print it with all defaults filled in.

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
    """Run all checks over a run's folder.

    \b
    Example:
      livetable check runs/latest
    """
    from reports.checks.memory import keep_freed_memory  # noqa: PLC0415
    from reports.judgement import judge  # noqa: PLC0415
    from reports.page import terminal_table  # noqa: PLC0415
    from reports.run import open_run  # noqa: PLC0415

    keep_freed_memory()
    opened = open_run(run)
    judgement = judge(opened)
    click.echo(terminal_table(opened, judgement))
    sys.exit(judgement.exit_code)


@cli.command()
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
_JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")


@cli.command(cls=_ManyAgainst)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--against", "baseline", multiple=True, required=True, type=click.Path(path_type=Path), metavar="RUN...",
    help="The runs of the baseline.",
)  # fmt: skip
@_FIGURE_OPTION
@_EFFECT_OPTION
@click.option("--page", type=click.Path(path_type=Path), default=RUNS / COMPARE_PAGE, show_default=True)
@_JSON_OPTION
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
    _compare(runs, baseline, figures, effect, page, as_json=as_json)


def _compare(
    runs: Sequence[Path], baseline: Sequence[Path], figures: Sequence[str], effect: float, page: Path, *, as_json: bool
) -> None:
    import msgspec  # noqa: PLC0415

    from reports.cohort_page import contrast_text, write_contrast_page  # noqa: PLC0415
    from reports.contrast import contrast  # noqa: PLC0415

    found = contrast(runs, baseline, figures, effect)
    click.echo(contrast_text(found))
    names = {side: [path.resolve().name for path in paths] for side, paths in (("Runs", runs), ("Baseline", baseline))}
    click.echo(f"page: {write_contrast_page(found, page, names)}")
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    sys.exit(found.exit_code)


@cli.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@_FIGURE_OPTION
@_EFFECT_OPTION
@click.option("--page", type=click.Path(path_type=Path), default=RUNS / TREND_PAGE, show_default=True)
@_JSON_OPTION
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
    import msgspec  # noqa: PLC0415

    from reports.cohort_page import trend_text, write_trend_page  # noqa: PLC0415
    from reports.trend import trend as follow  # noqa: PLC0415

    found = follow(runs, figures, effect)
    click.echo(trend_text(found))
    click.echo(f"page: {write_trend_page(found, page)}")
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    sys.exit(found.exit_code)


@cli.group()
def audit() -> None:
    """Prove that the books are what they were."""


@audit.command("verify")
@click.option("--dsn", "dsns", multiple=True, envvar="LIVETABLE_DSN", help="PostgreSQL database of a shard; repeat it.")
@click.option(
    "--trail", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the audit role."
)
def audit_verify(dsns: tuple[str, ...], trail: Path | None) -> None:
    """Recompute the hash chain and every balance; name what was edited, dropped or reordered. Exit code 3 if anything.

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


@audit.command("replay")
@click.argument("round_name", metavar="ROUND")
@click.option(
    "--trail",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the audit role.",
)
@click.option("--dsn", "dsns", multiple=True, envvar="LIVETABLE_DSN", help="Hold it against this shard; repeat it.")
@click.option("--json", "as_json", is_flag=True, help="Everything that is known of the round, as JSON.")
def audit_replay(round_name: str, trail: Path, dsns: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Rebuild a round from the trail alone. ROUND is table:number, as in 1:17. Exit code 3 if it contradicts anything.

    \b
    Example:
      livetable audit replay 1:17 --trail data/audit --dsn postgresql://… --dsn postgresql://…
    """
    import msgspec  # noqa: PLC0415

    from reference_impl.stack.replay import describe, held_against, parse_round, replay  # noqa: PLC0415

    told, entries = replay(trail, parse_round(round_name))
    asyncio.run(held_against(told, entries, dsns))
    click.echo(msgspec.json.format(msgspec.json.encode(told)).decode() if as_json else describe(told))
    sys.exit(EXIT_INCONSISTENT if told.findings else 0)


@cli.group()
def wallet() -> None:
    """Prove and load anyone's seamless wallet."""


_url = click.option("--url", required=True, help="Where the wallet's calls are: URL/debit and so on.")
_profile = click.option(
    "--profile", type=click.Path(path_type=Path), help="What the kit must know of the wallet: TOML."
)
_tokens = click.option(
    "--tokens", type=click.Path(path_type=Path), help="Test players' launch tokens; otherwise LIVETABLE_WALLET_TOKENS."
)


@wallet.command("kit")
@_url
@_profile
@_tokens
@click.option("--only", multiple=True, metavar="CASE", help="Run this case; repeat it.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Of the random histories; otherwise drawn and shown.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write JUnit XML there.")
@click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
def wallet_kit(
    url: str,
    profile: Path | None,
    tokens: Path | None,
    only: tuple[str, ...],
    seed: int | None,
    junit: Path | None,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Hold a wallet to the seamless-wallet rules: exit code 0 if it passes, 3 if it misbehaves, 1 if that is unknown.

    The secret comes from LIVETABLE_WALLET_SECRET; two test players are needed, with whom nobody else plays meanwhile.

    \b
    Example:
      livetable wallet kit --url https://wallet.example/seamless --profile wallet.toml --junit kit.xml
    """
    import msgspec  # noqa: PLC0415

    from loadtest.kit import conformance  # noqa: PLC0415
    from loadtest.kit.profile import load_profile, read_tokens, signer_from_environment  # noqa: PLC0415

    known = load_profile(profile)
    signer = signer_from_environment(known)
    players = read_tokens(tokens, conformance.PLAYERS_MIN)
    result = conformance.check(url, known, signer, players, only=only, seed=seed, tell=conformance.show)
    click.echo(conformance.summary_of(result))
    if junit is not None:
        conformance.write_junit(result, junit)
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
    sys.exit(result.exit_code)


@wallet.command("cases")
def wallet_cases() -> None:
    """List the kit's cases with what each of them asks.

    \b
    Example:
      livetable wallet cases
    """
    from loadtest.kit.cases import CASES, question  # noqa: PLC0415

    for name, case in CASES.items():
        click.echo(f"{name}\n    {question(case)}")


@wallet.command("load")
@_url
@_profile
@_tokens
@click.option("--rate", type=click.FloatRange(0.1, 100_000), default=50, show_default=True, help="Rounds a second.")
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=30, show_default=True, help="How long.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Load processes.")
@click.option("--p99-ms", type=click.FloatRange(0.1), help="Limit of each call's 99th percentile; exit code 2 above.")
@click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
def wallet_load(
    url: str,
    profile: Path | None,
    tokens: Path | None,
    rate: float,
    seconds: float,
    processes: int,
    p99_ms: float | None,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Load a wallet by Locust: debits, credits, cancels, duplicates, cut connections; then compare every balance.

    The exit code is a campaign's: 0 pass, 1 error, 2 too slow, 3 inconsistent, 4 the generator could not keep up.

    \b
    Example:
      livetable wallet load --url https://wallet.example/seamless --tokens tokens.txt --rate 200 --seconds 60
    """
    import msgspec  # noqa: PLC0415

    from loadtest.kit.load import run_load  # noqa: PLC0415
    from loadtest.kit.load_result import table  # noqa: PLC0415
    from loadtest.kit.profile import load_profile, read_tokens, signer_from_environment  # noqa: PLC0415
    from loadtest.progress import Progress  # noqa: PLC0415

    known = load_profile(profile)
    signer_from_environment(known)
    players = read_tokens(tokens, processes)
    progress = Progress()
    result = asyncio.run(
        run_load(
            url, known, players, rate, seconds,
            processes=processes, p99_ms_max=p99_ms, tell=lambda now_s: progress.load(now_s, seconds),
        )
    )  # fmt: skip
    progress.load_over()
    click.echo(table(result))
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
    sys.exit(result.exit_code)


@wallet.command("players")
@click.option("--url", required=True, help="The HTTP API of a system that `livetable up` runs.")
@click.option("--count", "-n", type=click.IntRange(1, 10_000), default=2, show_default=True, help="How many.")
@click.option("--deposit-minor", type=click.IntRange(0, 10**12), default=100_000, show_default=True, help="Each has.")
@click.option("--tokens", type=click.Path(path_type=Path), required=True, help="Write their launch tokens there.")
def wallet_players(url: str, count: int, deposit_minor: int, tokens: Path) -> None:
    """Open test players in our own system; the operator's token comes from LIVETABLE_ADMIN_TOKEN.

    \b
    Example:
      livetable wallet players --url http://127.0.0.1:8080 -n 20 --tokens tokens.txt
    """
    import os  # noqa: PLC0415

    from loadtest.kit.players import open_test_players  # noqa: PLC0415
    from loadtest.kit.profile import write_tokens  # noqa: PLC0415

    write_tokens(tokens, open_test_players(url, os.environ.get("LIVETABLE_ADMIN_TOKEN", ""), count, deposit_minor))


@wallet.command("example")
@_profile
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Its port; 0 takes a free one.")
@click.option("--players", type=click.IntRange(1, 1000), default=2, show_default=True, help="Players with 1,000.00.")
@click.option("--tokens", type=click.Path(path_type=Path), required=True, help="Write their launch tokens there.")
def wallet_example(profile: Path | None, port: int, players: int, tokens: Path) -> None:
    """Serve a small wallet in memory, to try the kit on, until Ctrl-C. Its secret is LIVETABLE_WALLET_SECRET.

    \b
    Example:
      livetable wallet example --port 8099 --tokens tokens.txt
    """
    from loadtest.kit.example import serve  # noqa: PLC0415
    from loadtest.kit.profile import load_profile  # noqa: PLC0415

    serve(load_profile(profile), port, players, tokens)


@cli.command()
@click.argument("name")
@click.option("-n", "legs", type=click.IntRange(1, 100), default=5, show_default=True, help="Alternating legs.")
@click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
def bench(name: str, legs: int, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Measure ours against a peer, alternating.

    NAME is `wallet`, `settle`, `growth`, `betpath`, `broadcast`, `stream`, `edge`, `quality`, `checks`, `loadgen` or
    `sim`.

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
def stream() -> None:
    """Prove that a live stream keeps the rules of low-latency HLS; try how players choose renditions."""


@stream.command("lint")
@click.argument("url")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=12, show_default=True, help="How long to follow it.")
@click.option("--record", type=click.Path(path_type=Path), help="Keep the walk there; its file can be judged again.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write JUnit XML there.")
@click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
def stream_lint(url: str, seconds: float, record: Path | None, junit: Path | None, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Walk a live stream and name each rule that it breaks. URL is its multivariant playlist, or a kept walk's file.

    Exit code 0 if nothing that must hold is broken, 3 if something is, 1 if the stream cannot be reached.

    \b
    Example:
      livetable stream lint http://127.0.0.1:8080/…/master.m3u8 --junit lint.xml
    """
    import msgspec  # noqa: PLC0415

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
        click.echo(msgspec.json.encode(found).decode())
    sys.exit(found.exit_code)


@stream.command("abr")
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Of each kind of link.")
@click.option("--seconds", type=click.FloatRange(10, 3600), default=120, show_default=True, help="Of virtual time.")
@click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
def stream_abr(seeds: int, seconds: float, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Compare the rules of rendition choice on links of several shapes, by LoL+'s quality of experience.

    \b
    Example:
      livetable stream abr --seeds 20
    """
    import msgspec  # noqa: PLC0415

    from loadtest.viewing.trial import compare, table  # noqa: PLC0415

    rows = compare(seeds, seconds)
    click.echo(table(rows))
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())


@cli.command()
@click.option("--only", multiple=True, help="Only bugs whose name contains this; repeat it.")
@click.option("--out", type=click.Path(path_type=Path), help="Publish the score there, as JSON and as a page.")
@click.option("--resume", is_flag=True, help="Go on with what --out holds already, if it is this commit's.")
@click.option("--json", "as_json", is_flag=True, help="The last line is the score as JSON.")
def zoo(only: tuple[str, ...], out: Path | None, resume: bool, as_json: bool) -> None:  # noqa: FBT001 - flags
    """Seed known bugs into copies of the system and see whether the checks catch them.

    The exit code is 3 if one slips through. It takes some minutes and needs a source checkout. What was met is
    published at once: who is interrupted goes on with --resume.

    \b
    Example:
      livetable zoo --only spoiler
      livetable zoo --out reports/published/zoo --resume --json
    """
    from loadtest.progress import Progress  # noqa: PLC0415
    from loadtest.zoo import Meeting, chosen, headline, publish, resumed, run_zoo, score_json  # noqa: PLC0415

    if resume and out is None:
        raise ConfigError("--resume: needs --out, the folder with what was met before")
    names = chosen(only)
    command = " ".join(["livetable zoo", *(f"--only '{text}'" for text in only)])

    def keep(met: Sequence[Meeting]) -> None:
        if out is not None:
            publish(met, out, command, len(names))

    known = resumed(out) if resume and out is not None else []
    met = asyncio.run(run_zoo(names, Progress().say, known, keep))
    keep(met)
    click.echo(headline(met))
    if as_json:
        click.echo(score_json(met, len(names)).decode())
    sys.exit(0 if all(meeting.hit for meeting in met) else EXIT_INCONSISTENT)


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
    """Simulate a campaign's scenario, or one like a run's; with --players for a crowd of any size.

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
    click.echo(terminal_table(run, judgement))
    print_exact(run)
    print_trace(run, trace)
    click.echo(f"report: {render_report(run, judgement)}")
    sys.exit(judgement.exit_code)


@sim.command("sweep")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--vary", multiple=True, required=True, help="FIELD=VALUE,VALUE,… of the scenario; repeat it.")
@click.option("--figure", default="bet.p99_ms", show_default=True, help="The figure that is shown.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players; the system grows with them.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
@click.option("--seeds", type=click.IntRange(2, 1000), default=3, show_default=True, help="Replications of each.")
@click.option("--resume", type=click.Path(path_type=Path), help="Keep finished jobs here; do not repeat them.")
def sim_sweep(
    file: Path, vary: tuple[str, ...], figure: str, players: int | None, model: Path | None, seeds: int,
    resume: Path | None,
) -> None:  # fmt: skip
    """Simulate every combination of some of a scenario's fields; print a figure with its 95 % interval.

    \b
    Example:
      livetable sim sweep loadtest/campaigns/demo.toml --vary gateways=2,4 --vary shards=1,2
    """
    from loadtest.simulation import sweep_file  # noqa: PLC0415

    click.echo(sweep_file(file, vary, figure, players, model, seeds, resume))


@sim.command("plan")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--slo", "slos", multiple=True, required=True, help="GROUP.FIGURE <= NUMBER; repeat it.")
@click.option("--probability", type=float, default=0.9, show_default=True, help="That a run holds each limit.")
@click.option("--players", type=click.IntRange(1, 10_000_000), help="So many players.")
@click.option("--model", type=click.Path(path_type=Path), help="Fitted parameters; otherwise documented assumptions.")
def sim_plan(
    file: Path, slos: tuple[str, ...], probability: float, players: int | None, model: Path | None
) -> None:  # fmt: skip
    """Find a system, beginning with the smallest, that holds limits; exit code 2 if none was found.

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
