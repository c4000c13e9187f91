"""``livetable wallet``: anyone's seamless wallet, proved and loaded."""

import asyncio
import os
import sys
from pathlib import Path

import click

from livetable.common import JSON_OPTION, show_json


@click.group()
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
@JSON_OPTION
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
        show_json(result)
    sys.exit(result.exit_code)


@wallet.command("cases")
@JSON_OPTION
def wallet_cases(as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """List the kit's cases with what each of them asks.

    \b
    Example:
      livetable wallet cases
    """
    from loadtest.kit.cases import CASES, question  # noqa: PLC0415

    for name, case in CASES.items():
        click.echo(f"{name}\n    {question(case)}")
    if as_json:
        show_json([{"case": name, "asks": question(case)} for name, case in CASES.items()])


@wallet.command("load")
@_url
@_profile
@_tokens
@click.option("--rate", type=click.FloatRange(0.1, 100_000), default=50, show_default=True, help="Rounds a second.")
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=30, show_default=True, help="How long.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Load processes.")
@click.option("--p99-ms", type=click.FloatRange(0.1), help="Limit of each call's 99th percentile; exit code 2 above.")
@JSON_OPTION
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
        show_json(result)
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
