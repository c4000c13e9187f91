"""Whoever edits, drops or reorders something on record is named by the verification."""

import json
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

import livetable
from livetable.common import EXIT_ERROR
from reference_impl.audit.trail import Line
from reference_impl.stack.verification import verify
from reference_impl.wallet.database import one_row

ROUND = 1 << 32 | 1
REFS = [bytes([7] * 15 + [n]) for n in range(6)]
FAR = datetime(2090, 1, 1, tzinfo=UTC)
PLACE = "SELECT * FROM place_bets($1, $2, $3, $4, $5, $6, $7, 2000000000000000000)"
TOGETHER = PLACE.replace("place_bets", "place_together")


async def play(shard: asyncpg.Connection) -> None:
    """Leave every kind of entry on record."""
    await shard.execute("SELECT take_table(1)")
    await shard.fetchval("SELECT open_accounts($1, $2, $3)", [b"%016d" % n for n in (1, 2)], [1, 2], [1000, 50])
    await shard.fetchval("SELECT move_cash($1, $2, $3, $4)", [2, 1], [REFS[4], REFS[5]], [1, 2], [20, 5])
    await shard.execute("SELECT open_window($1, 0, 1, 1, $2)", ROUND, FAR)
    await shard.fetchrow(PLACE, REFS[:2], [1, 1], [ROUND] * 2, [0] * 2, [3, 4], [100, 200], [False] * 2)
    odd = await one_row(
        shard, PLACE, REFS[1:4], [1, 2, 1], [ROUND] * 3, [0] * 3, [4, 4, 5], [200, 500, 10], [False] * 3
    )
    assert odd["status"] == [1, 2, 1]
    await shard.execute(
        "SELECT cancel_bets($1, $2, $3, 2000000000000000000)", [REFS[3], b"tomb".ljust(16)], [1, 2], [False, False]
    )
    await shard.execute("SELECT close_window($1, 0, 1, 1)", ROUND)
    await shard.execute("SELECT decide($1, 1, 1, false, 17, $2, $3)", ROUND, b"seed", [b"head"])
    await shard.execute("SELECT settle($1, $2, $3, $4)", ROUND, REFS[:2], [1, 1], [0, 400])
    await shard.execute("SELECT correct($1, $2, $3, $4)", ROUND, REFS[:2], [1, 1], [3600, 0])
    await shard.execute("""SELECT announce(1, 1, '{"phase":1}')""")
    await shard.execute("SELECT open_window($1, 0, 1, 1, $2)", ROUND + 1, FAR)
    await shard.fetchrow(PLACE, [b"void".ljust(16)], [1], [ROUND + 1], [0], [3], [100], [False])
    await shard.execute("SELECT void_bets($1, 10)", ROUND + 1)
    await shard.execute("SELECT set_limits($1, $2, $3, $4, 5, 6)", [b"a" * 16, b"b" * 16], [1, 1], [1, 1], [30, 40])
    pounds = 1 << 48 | 1
    await shard.execute("SELECT move_cash($1, $2, $3, $4)", [1, 1], [b"c" * 16, b"d" * 16], [pounds, 5], [50, 50])
    await shard.fetchrow(
        PLACE, [b"e" * 16, b"f" * 16], [pounds, 5], [ROUND + 1] * 2, [0] * 2, [3] * 2, [9] * 2, [False] * 2
    )
    await shard.fetchrow(
        TOGETHER, [b"g" * 16, b"h" * 16], [5] * 2, [ROUND + 1] * 2, [0] * 2, [3] * 2, [9, 90], [False] * 2
    )
    await shard.execute("SELECT settle($1, $2, $3, $4)", ROUND + 1, [b"e" * 16, b"f" * 16], [pounds, 5], [9, 0])
    await shard.execute("SELECT send_money($1, $2, $3, $4)", [b"i" * 16, b"j" * 16], [5, 5], [2, 77], [4, 5])
    await shard.execute("SELECT receive_money($1, $2, $3, $4)", [b"i" * 16, b"j" * 16], [2, 77], [5, 5], [4, 5])
    await shard.execute("SELECT end_transfers($1, $2, $3)", [b"j" * 16], [5], [False])


async def findings(dsn: str, trail: Path | None = None) -> list[str]:
    return [finding for verified in await verify([dsn], trail) for finding in verified.findings]


async def write_trail(shard: asyncpg.Connection, folder: Path) -> Path:
    rows = await shard.fetch("SELECT id, topic, payload, hash FROM batch ORDER BY id")
    lines = [Line(row["id"], row["topic"], row["hash"].hex(), row["payload"]) for row in rows]
    (folder / "trail-0.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    (folder / "anchors.log").write_text(f"1 0 {lines[-1].batch} {lines[-1].hash}\n")
    return folder


async def test_untouched_books_have_no_findings(shard: asyncpg.Connection, shard_dsn: str, tmp_path: Path) -> None:
    await play(shard)
    assert await findings(shard_dsn, await write_trail(shard, tmp_path)) == []
    verified = (await verify([shard_dsn], None))[0]
    assert verified.entries == await shard.fetchval("SELECT count(*) FROM journal") > 18


SWAP = "UPDATE {0} SET {1} = {1} + 1000 WHERE {1} IN ({2}, {3}); UPDATE {0} SET {1} = CASE {1} WHEN {2} + 1000 THEN {3} ELSE {2} END WHERE {1} > 1000"  # noqa: E501
PLANTED = {
    "an edited amount": ("UPDATE journal SET amount = 101 WHERE seq = 6", "entry 6 was edited: amount is 101, was 100"),
    "an edited status": ("UPDATE journal SET status = 1 WHERE status = 2", "was edited: status is 1, was 2"),
    "an edited balance": ("UPDATE journal SET balance_after = 1 WHERE seq = 7", "entry 7 was edited: balance is 1"),
    "an edited selection": ("UPDATE journal SET selection = 9 WHERE seq = 6", "entry 6 was edited: selection is 9"),
    "a dropped entry": ("DELETE FROM journal WHERE seq = 7", "entry 7 of account 1 was dropped; batch 4 tells it"),
    "a dropped last entry": ("DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)", "was dropped"),
    "an added entry": (
        "INSERT INTO journal SELECT account, ref, 9, 999, 1, 1, counter, 0, 0, 0, 0, 0, 0 FROM journal WHERE seq = 6",
        "entry 999 of account",
    ),
    "reordered entries": (SWAP.format("journal", "seq", 6, 7), "entry 6 was reordered or replaced"),
    "an edited payload": (
        """UPDATE batch SET payload = replace(payload, '100', '900') WHERE id = 4""", "batch 4 was edited"
    ),
    "an edited hash": ("UPDATE batch SET hash = sha256('x') WHERE id = 4", "batch 4 was edited"),
    "a dropped batch": ("DELETE FROM batch WHERE id = 4", "batch 4 was dropped"),
    "reordered batches": (SWAP.format("batch", "id", 4, 5), "batch 4 was reordered: it was batch 5"),
    "a moved topic": ("UPDATE batch SET topic = 'paid' WHERE id = 4", "stands under topic 'paid', expected 'ledger'"),
    "an edited account": ("UPDATE account SET balance = balance + 1 WHERE id = 2", "account 2 was edited"),
    "an edited decision": ("UPDATE round_decision SET outcome = 18", "the decision of round 4294967297 is"),
    "an edited limit": ("UPDATE player_limit SET amount = 99", "limit 1 of account 1 is (99, 40, 6), was (30, 40, 6)"),
    "a dropped limit": ("DELETE FROM player_limit", "limit 1 of account 1 is None"),
    "a forgotten transfer": ("DELETE FROM under_way", "of account 5 is not under way"),
    "an invented transfer": ("INSERT INTO under_way SELECT 5, ref FROM journal WHERE kind = 16", "is under way"),
    "a redirected transfer": (
        "UPDATE journal SET counter = counter + 1 WHERE kind = 13", "was edited: counter is 360287970189639683"
    ),
    "an edited stake in pounds": ("UPDATE journal SET amount = 8 WHERE amount = 9", "was edited: amount is 8, was 9"),
    "an edited head": ("UPDATE head SET seq = seq + 1", "the head says"),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
async def test_what_was_tampered_with_is_named(shard: asyncpg.Connection, shard_dsn: str, planted: str) -> None:
    await play(shard)
    statement, expected = PLANTED[planted]
    owner = await asyncpg.connect(shard_dsn)
    try:
        await owner.execute(statement)
    finally:
        await owner.close()
    assert any(expected in finding for finding in await findings(shard_dsn)), await findings(shard_dsn)


async def test_a_history_that_was_rewritten_throughout_contradicts_the_trail(
    shard: asyncpg.Connection, shard_dsn: str, tmp_path: Path
) -> None:
    await play(shard)
    trail = await write_trail(shard, tmp_path)
    owner = await asyncpg.connect(shard_dsn)
    try:
        await owner.execute("UPDATE batch SET payload = replace(payload, '\"epoch\": 1', '\"epoch\": 7')")
        before = await owner.fetchval("SELECT sha256(int4send(0))")
        for row in await owner.fetch("SELECT id, payload FROM batch ORDER BY id"):
            before = await owner.fetchval(
                "UPDATE batch SET hash = sha256($2 || convert_to(payload, 'UTF8')) WHERE id = $1 RETURNING hash",
                row["id"], before,
            )  # fmt: skip
        await owner.execute("UPDATE head SET hash = $1", before)
        await owner.execute("UPDATE round_decision SET epoch = 7")
    finally:
        await owner.close()
    assert await findings(shard_dsn) == []
    assert "shard 0: batch 3 was rewritten: its hash is not the one that was kept elsewhere" in await findings(
        shard_dsn, trail
    )


async def test_a_trail_is_verified_by_itself(shard: asyncpg.Connection, tmp_path: Path) -> None:
    await play(shard)
    trail = await write_trail(shard, tmp_path)
    assert [verified.findings for verified in await verify([], trail)] == [[]]
    file = trail / "trail-0.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:3] + lines[4:]))
    (verified,) = await verify([], trail)
    assert "shard 0: batch 4 was dropped" in verified.findings


async def test_the_end_of_the_database_cannot_be_cut_off(
    shard: asyncpg.Connection, shard_dsn: str, tmp_path: Path
) -> None:
    trail = await write_trail_after(shard, tmp_path)
    assert any("is kept elsewhere, and the database ends at" in finding for finding in await findings(shard_dsn, trail))


async def write_trail_after(shard: asyncpg.Connection, folder: Path) -> Path:
    await play(shard)
    trail = await write_trail(shard, folder)
    file = trail / "trail-0.jsonl"
    last = json.loads(file.read_text().splitlines()[-1])
    with file.open("a") as lines:
        lines.write(json.dumps(last | {"batch": last["batch"] + 1}) + "\n")
    return trail


def test_the_command_says_what_is_wrong_with_a_missing_database(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        livetable.main(["audit", "verify", "--dsn", "postgresql://nobody@127.0.0.1:1/none"])
    assert exit_.value.code == EXIT_ERROR
    assert "the database of shard 0 cannot be reached" in capsys.readouterr().err
