"""An event to many: who hears it, what may happen meanwhile, and what comes after it."""

import asyncio

from reference_impl.bets.fanout import WRITES_AT_ONCE, Fanout
from reference_impl.domain.phases import Phase
from reference_impl.domain.table_messages import PaidBatch, TableEnvelope, TableEvent

WATCHERS = 3 * WRITES_AT_ONCE


class Ear:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.push = self.heard.append

    def measure(self) -> None:
        raise AssertionError("nobody asks")


def news(seq: int) -> TableEnvelope:
    return TableEnvelope(1, 1, seq, TableEvent(1, seq, 0, Phase.BETS_OPEN, 0))


def crowd() -> tuple[Fanout, list[Ear]]:
    fanout, ears = Fanout(), [Ear() for _ in range(WATCHERS)]
    for account, ear in enumerate(ears, 1):
        fanout.join(1, account, ear, ear.push)
    return fanout, ears


async def test_everybody_hears_every_event_once_and_in_order() -> None:
    fanout, ears = crowd()
    sent = await asyncio.gather(*(fanout.announce(news(seq)) for seq in (1, 2, 3)))
    assert {tuple(ear.heard) for ear in ears} == {tuple(ears[0].heard)}
    assert [b'"seq":%d' % seq in frame for seq, frame in enumerate(ears[0].heard, 1)] == [True] * 3
    assert sum(sent) == WATCHERS * sum(map(len, ears[0].heard))


async def test_what_else_is_due_is_done_before_the_last_has_heard() -> None:
    fanout, ears = crowd()
    telling = asyncio.create_task(fanout.announce(news(1)))
    await asyncio.sleep(0)
    assert sum(len(ear.heard) for ear in ears) == WRITES_AT_ONCE
    await telling
    assert all(ear.heard for ear in ears)


async def test_who_goes_is_counted_once_whoever_came_in_that_place() -> None:
    fanout, ears = crowd()
    fanout.join(1, 1, Ear(), print)
    for _ in range(2):
        fanout.leave(1, 1, ears[0])
    fanout.leave(1, 2, ears[1])
    assert (fanout.left, len(fanout)) == (2, WATCHERS - 1)


async def test_who_leaves_or_turns_meanwhile_is_not_written_to_as_before() -> None:
    fanout, ears = crowd()
    telling = asyncio.create_task(fanout.announce(news(1)))
    await asyncio.sleep(0)
    gone, slow, elsewhere = ears[-1], ears[-2], Ear()
    fanout.leave(1, WATCHERS, gone)
    fanout.turn(1, slow, elsewhere.push)
    await telling
    assert (gone.heard, slow.heard, len(elsewhere.heard)) == ([], [], 1)
    assert sum(len(ear.heard) for ear in ears) == WATCHERS - 2


async def test_who_joins_meanwhile_is_told_what_was_missed_and_not_twice() -> None:
    fanout, _ = crowd()
    await fanout.announce(news(1))
    telling = asyncio.create_task(fanout.announce(news(2)))
    await asyncio.sleep(0)
    late = Ear()
    fanout.join(1, WATCHERS + 1, late, late.push)
    for frame in fanout.missed(1, 1):
        late.push(frame)
    await telling
    assert [b'"seq":2' in frame for frame in late.heard] == [True]


async def test_who_is_shown_where_the_table_stands_hears_each_later_event_once_and_no_earlier_one() -> None:
    fanout, ears = crowd()
    telling = [asyncio.create_task(fanout.announce(news(seq))) for seq in (1, 2)]
    await asyncio.sleep(0)
    assert not ears[-1].heard  # the first is on its way, the second waits for it

    late = Ear()
    fanout.join(1, WATCHERS + 1, late, late.push)

    async def welcomed(ear: Ear) -> None:
        state = await fanout.told(1)
        ear.push(b"welcome %d" % (state.seq if state else 0))

    await asyncio.gather(*telling, welcomed(late), welcomed(ears[-1]))
    assert [heard[:9] if heard[:1] == b"w" else heard.count(b'"seq":2') for heard in late.heard] == [1, b"welcome 2"]
    last = [heard for heard in ears[-1].heard if heard[:1] != b"w"]
    told = next(place for place, heard in enumerate(ears[-1].heard) if heard[:1] == b"w")
    assert ears[-1].heard[told] == b"welcome %d" % told
    assert len(last) == 2


async def test_nobody_is_paid_before_the_event_that_was_told_first() -> None:
    fanout, ears = crowd()
    paid = PaidBatch(1, ["00" * 16], [WATCHERS], [500], [1000], [2])
    telling = asyncio.create_task(fanout.announce(news(1)))
    await asyncio.sleep(0)
    await fanout.pay(paid)
    assert telling.done()
    assert [b'"t":"table"' in ears[-1].heard[0], b'"t":"paid"' in ears[-1].heard[1]] == [True, True]
