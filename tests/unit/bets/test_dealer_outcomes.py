"""Where outcomes come from, and what is not one."""

import asyncio
import json
from pathlib import Path

import pytest

from reference_impl.bets.dealer_outcomes import FileFeed, SeededSource
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.outcome import commitment
from reference_impl.domain.games.roulette import ROULETTE

HEADS = [b"a", b"b"]


@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
async def test_a_seeded_outcome_can_be_verified_from_what_was_published(game) -> None:
    source = SeededSource(game)
    source.start_round()
    published = source.commitment
    outcome = await source.outcome(HEADS)
    assert commitment(source.seed).hex() == published
    assert game.draw(source.seed, HEADS) == outcome


async def test_every_round_has_a_seed_of_its_own() -> None:
    source = SeededSource(ROULETTE)
    seeds = set()
    for _ in range(5):
        source.start_round()
        seeds.add(source.seed)
    assert len(seeds) == 5


def write(path: Path, *outcomes: object) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps({"outcome": outcome}) + "\n" for outcome in outcomes)


async def test_a_feed_counts_only_what_is_written_after_the_close(tmp_path: Path) -> None:
    path = tmp_path / "table-1.jsonl"
    write(path, 5)
    waiting = asyncio.create_task(FileFeed(ROULETTE, path).outcome(HEADS))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    write(path, 17)
    assert await waiting == 17


async def test_a_feed_may_begin_after_the_close(tmp_path: Path) -> None:
    waiting = asyncio.create_task(FileFeed(ROULETTE, tmp_path / "table-1.jsonl").outcome(HEADS))
    await asyncio.sleep(0.1)
    write(tmp_path / "table-1.jsonl", 0)
    assert await waiting == 0


async def test_a_feed_skips_what_is_no_outcome_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "table-1.jsonl"
    path.touch()
    waiting = asyncio.create_task(FileFeed(ROULETTE, path).outcome(HEADS))
    await asyncio.sleep(0.1)
    write(path, 37, -1, "17", 1.5, True, None)
    with path.open("ab") as file:
        file.write(b'nonsense\n[1]\n{"outcome": 1')
    await asyncio.sleep(0.1)
    assert not waiting.done()
    with path.open("ab") as file:
        file.write(b"2}\n")
    assert await waiting == 12


async def test_a_silent_device_gives_no_outcome(tmp_path: Path) -> None:
    feed = FileFeed(ROULETTE, tmp_path / "none.jsonl", wait_s_max=0.1)
    assert await feed.outcome(HEADS) is None
    assert (feed.seed, feed.commitment) == (b"", "")
