"""The lobby on a socket: whole once, then what changes; bounded whatever happens."""

import asyncio

import msgspec

from loadtest.users.websocket import FrameDecoder
from reference_impl.bets import lobby_feed
from reference_impl.bets.lobby_feed import TABLES_MAX, LobbyFeed
from reference_impl.domain.phases import Phase
from reference_impl.domain.protocol import LobbyNews
from reference_impl.domain.table_messages import TableEnvelope, TableEvent
from reference_impl.domain.units import KIB

FRAME_BYTES_MAX = 32 * KIB


class Screen:
    """A socket that keeps what it is sent."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)

    def measure(self) -> None:
        pass

    def news(self) -> list[LobbyNews]:
        decoder = FrameDecoder()
        frames = [frame for sent in self.frames for frame in decoder.feed(sent)]
        return [msgspec.json.decode(frame.payload, type=LobbyNews) for frame in frames]

    def rows(self) -> dict[int, object]:
        """What a screen shows after all that it was told."""
        shown = {}
        for news in self.news():
            shown = ({} if news.whole else shown) | {row.table: row for row in news.tables}
        return shown


def event(table: int, round_no: int, phase: Phase = Phase.BETS_OPEN) -> TableEnvelope:
    result = "17 black, odd, low" if phase is Phase.SETTLED else ""
    outcome = 17 if phase is Phase.SETTLED else -1
    return TableEnvelope(
        table, 1, round_no * 10 + phase, TableEvent(table, round_no, 0, phase, 1, 2, 3, (0,), outcome, result=result)
    )


def lobby_of(tables: int) -> LobbyFeed:
    feed = LobbyFeed()
    for table in range(1, tables + 1):
        for round_no in range(20):
            feed.enter(event(table, round_no, Phase.SETTLED))
    return feed


async def test_sixty_tables_with_full_histories_are_one_small_frame() -> None:
    feed, screen = lobby_of(60), Screen()
    feed.watch(screen)
    assert [(news.whole, len(news.tables)) for news in screen.news()] == [(True, 60)]
    assert all(len(row.recent) == 12 for row in screen.news()[0].tables)
    assert len(screen.frames[0]) < FRAME_BYTES_MAX


async def test_what_changes_in_a_moment_is_told_once_in_one_frame_to_everybody(monkeypatch) -> None:
    monkeypatch.setattr(lobby_feed, "DELTA_S", 0.01)
    feed, screens = lobby_of(60), [Screen(), Screen()]
    for screen in screens:
        feed.watch(screen)
    for round_no in range(100, 200):
        feed.enter(event(3, round_no))
        feed.enter(event(7, round_no))
    await asyncio.sleep(0.05)
    for screen in screens:
        (delta,) = screen.news()[1:]
        assert (delta.whole, [(row.table, row.round) for row in delta.tables]) == (False, [(3, 199), (7, 199)])
    assert screens[0].frames[1] is screens[1].frames[1]


async def test_snapshot_and_deltas_show_what_a_late_snapshot_shows(monkeypatch) -> None:
    monkeypatch.setattr(lobby_feed, "DELTA_S", 0.002)
    feed, early = LobbyFeed(), Screen()
    feed.watch(early)
    for round_no in range(8):
        for table in range(1, 61):
            feed.enter(event(table, round_no, Phase.SETTLED if (table + round_no) % 3 else Phase.BETS_OPEN))
        await asyncio.sleep(0.003)
    await asyncio.sleep(0.02)
    late = Screen()
    feed.watch(late)
    assert len(late.rows()) == 60
    assert early.rows() == late.rows()


async def test_a_larger_lobby_comes_in_several_frames() -> None:
    feed, screen = lobby_of(2 * TABLES_MAX + 1), Screen()
    feed.watch(screen)
    assert [(news.whole, len(news.tables)) for news in screen.news()] == [(True, 60), (False, 60), (False, 1)]


async def test_who_asks_again_and_again_is_shown_it_once() -> None:
    feed, screen = lobby_of(60), Screen()
    for _ in range(100):
        feed.watch(screen)
    assert len(screen.frames) == 1


async def test_who_looks_away_is_told_nothing_more_and_nobody_costs_nothing(monkeypatch) -> None:
    monkeypatch.setattr(lobby_feed, "DELTA_S", 0.002)
    feed, screen = lobby_of(2), Screen()
    feed.watch(screen)
    feed.leave(screen)
    feed.enter(event(1, 100))
    await asyncio.sleep(0.01)
    assert len(screen.frames) == 1
    assert feed._due is None
