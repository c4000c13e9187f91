"""Verifying the books of a system from outside: its databases, what the audit role kept of them, or both."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

from reference_impl.audit.trail import read_trail, trail_files
from reference_impl.domain.errors import ConfigError
from reference_impl.wallet.verify import Link, Verified, verify_shard, verify_trail

ANCHORS = "anchors.log"


async def verify(dsns: Sequence[str], trail: Path | None) -> list[Verified]:
    """Verify shards.

    Parameters
    ----------
    dsns : sequence of str
        The shards' databases, in the order of the shards; may be empty if there is a trail.
    trail : Path or None
        The folder that the audit role writes. Without databases it is verified by itself; with them they are held
        against it.

    Raises
    ------
    ConfigError
        If there is nothing to verify, or a database cannot be reached.
    """
    kept = _trails(trail) if trail else {}
    anchors = _anchors(trail / ANCHORS) if trail else {}
    found = [verify_trail(shard, links, anchors.get(shard, {})) for shard, links in sorted(kept.items())]
    for shard, dsn in enumerate(dsns):
        hashes = {link.batch: link.hash for link in kept.get(shard, ())} | anchors.get(shard, {})
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
            raise ConfigError(f"the database of shard {shard} cannot be reached: {error}") from error
        try:
            found.append(await verify_shard(connection, hashes))
        except asyncpg.UndefinedTableError as error:
            raise ConfigError(f"the database of shard {shard} holds no ledger: {error}") from error
        finally:
            await connection.close()
    if not found:
        raise ConfigError("there is nothing to verify: name a database of each shard, a trail, or both")
    return found


async def verify_restored(dsn: str, shard: int, trail: Path) -> tuple[Verified, int]:
    """Verify a shard that was restored to an earlier moment, against the part of the trail that it still has.

    Returns
    -------
    Verified, int
        What was found, and how many batches the trail has beyond it.
    """
    kept = {link.batch: link.hash for link in _trails(trail).get(shard, ())}
    connection = await asyncpg.connect(dsn)
    try:
        head = await connection.fetchval("SELECT batch FROM head")
        verified = await verify_shard(connection, {batch: known for batch, known in kept.items() if batch <= head})
    finally:
        await connection.close()
    return verified, sum(batch > head for batch in kept)


def _trails(folder: Path) -> dict[int, list[Link]]:
    return {
        shard: [Link(line.batch, line.subject, line.payload, bytes.fromhex(line.hash)) for line in read_trail(file)]
        for shard, file in trail_files(folder).items()
    }


def _anchors(file: Path) -> dict[int, dict[int, bytes]]:
    anchors: dict[int, dict[int, bytes]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        _at_ns, shard, batch, digest = line.split()
        if int(batch):
            anchors.setdefault(int(shard), {})[int(batch)] = bytes.fromhex(digest)
    return anchors
