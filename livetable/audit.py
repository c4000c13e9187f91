"""``livetable audit``: the books against themselves and against their trail."""

import asyncio
import sys
from pathlib import Path

import click

from livetable.common import EXIT_INCONSISTENT, JSON_OPTION, show_json


@click.group()
def audit() -> None:
    """Prove that the books are what they were."""


@audit.command("verify")
@click.option("--dsn", "dsns", multiple=True, envvar="LIVETABLE_DSN", help="PostgreSQL database of a shard; repeat it.")
@click.option(
    "--trail", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the audit role."
)
@JSON_OPTION
def audit_verify(dsns: tuple[str, ...], trail: Path | None, as_json: bool) -> None:  # noqa: FBT001 - a flag
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
    if as_json:
        show_json(found)
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
@JSON_OPTION
def audit_replay(round_name: str, trail: Path, dsns: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Rebuild a round from the trail alone. ROUND is table:number, as in 1:17. Exit code 3 if it contradicts anything.

    \b
    Example:
      livetable audit replay 1:17 --trail data/audit --dsn postgresql://… --dsn postgresql://…
    """
    from reference_impl.stack.replay import describe, held_against, parse_round, replay  # noqa: PLC0415

    told, entries = replay(trail, parse_round(round_name))
    asyncio.run(held_against(told, entries, dsns))
    click.echo(describe(told))
    if as_json:
        show_json(told)
    sys.exit(EXIT_INCONSISTENT if told.findings else 0)
