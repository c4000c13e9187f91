"""Money between shards: what left its sender arrives or comes back, whoever dies in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from wallets import Wallets, two_wallets, until

from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import Status
from reference_impl.domain.ids import shard_of
from reference_impl.stack.embedded import EmbeddedPostgres

HERE = [n for n in range(1, 200) if shard_of(n, 2) == 0]
THERE = [n for n in range(1, 200) if shard_of(n, 2) == 1]
POUNDS_HERE, POUNDS_THERE = (1 << 48 | players[0] for players in (HERE, THERE))


@pytest.fixture
async def wallets(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Wallets]:
    async with two_wallets(postgres, tmp_path, "transfers") as two:
        yield two


async def ended(wallets: Wallets, ref: bytes, account: int) -> m.Transfer:
    async with asyncio.timeout(20):
        while True:
            told = await wallets.ask(0, m.GetTransfer(ref, account), m.Transfer)
            if told.arrived or told.returned:
                return told
            await asyncio.sleep(0.02)


async def balance(wallets: Wallets, shard: int, account: int) -> int:
    return (await wallets.ask(shard, m.GetBalance(account), m.Balance)).balance


async def on_its_way(wallets: Wallets) -> int:
    query = "SELECT coalesce(sum(balance), 0)::bigint AS s FROM account WHERE id >> 56 = 5"
    return sum([(await wallets.rows(shard, query))[0]["s"] for shard in range(2)])


async def test_money_arrives_in_another_shard_or_comes_back(wallets: Wallets) -> None:
    sender, receiver, nobody = HERE[0], THERE[0], THERE[1]
    await wallets.open_accounts(0, [sender, POUNDS_HERE], 1000)
    await wallets.open_accounts(1, [receiver, POUNDS_THERE], 50)
    refs = [wallets.ref() for _ in range(5)]
    asked = m.SendMoney(
        refs, [sender, sender, sender, POUNDS_HERE, sender], [receiver, nobody, receiver, POUNDS_THERE, POUNDS_THERE],
        [300, 200, 9_999, 70, 1],
    )  # fmt: skip
    for _again in range(2):
        answers = await wallets.ask(0, asked)
        assert answers.status == [
            Status.ACCEPTED, Status.ACCEPTED, Status.INSUFFICIENT_FUNDS, Status.ACCEPTED, Status.WRONG_CURRENCY,
        ]  # fmt: skip
    assert (await ended(wallets, refs[0], sender)).arrived
    assert (await ended(wallets, refs[1], sender)).returned
    assert (await ended(wallets, refs[3], POUNDS_HERE)).arrived
    assert [await balance(wallets, 0, sender), await balance(wallets, 1, receiver)] == [700, 350]
    assert [await balance(wallets, 0, POUNDS_HERE), await balance(wallets, 1, POUNDS_THERE)] == [930, 120]
    assert await on_its_way(wallets) == 0
    await wallets.require_sound_books()


async def test_a_transfer_is_resumed_whichever_wallet_dies_and_whenever(wallets: Wallets) -> None:
    senders, receivers = HERE[:20], THERE[:20]
    await wallets.open_accounts(0, senders, 1000)
    await wallets.open_accounts(1, receivers[:15], 0)
    await wallets.stop(1)
    refs = [wallets.ref() for _ in range(60)]
    sent = m.SendMoney(refs, senders * 3, receivers * 3, [10] * 60)
    await wallets.ask(0, sent)
    assert await on_its_way(wallets) == 600
    for pause_s in (0.0, 0.01, 0.03, 0.1):
        await wallets.start(1)
        await asyncio.sleep(pause_s)
        await wallets.stop(0)
        await wallets.start(0)
        await wallets.ask(0, sent)
        await wallets.stop(1)
    await wallets.start(1)
    told = [await ended(wallets, ref, sender) for ref, sender in zip(refs, senders * 3, strict=True)]
    assert sum(one.arrived for one in told) == 45
    assert sum(one.returned for one in told) == 15
    assert [await balance(wallets, 1, account) for account in receivers[:15]] == [30] * 15
    assert [await balance(wallets, 0, account) for account in senders] == [970] * 15 + [1000] * 5
    assert await on_its_way(wallets) == 0
    assert await wallets.rows(0, "SELECT * FROM under_way") == []
    await wallets.require_sound_books()


async def test_a_change_of_a_transfers_parameters_is_a_conflict(wallets: Wallets) -> None:
    await wallets.open_accounts(0, HERE[:1], 100)
    await wallets.open_accounts(1, THERE[:2], 0)
    ref = wallets.ref()
    for to, amount, expected in ((0, 10, Status.ACCEPTED), (1, 10, Status.CONFLICT), (0, 11, Status.CONFLICT)):
        answers = await wallets.ask(0, m.SendMoney([ref], HERE[:1], [THERE[to]], [amount]))
        assert answers.status == [expected]
    assert (await ended(wallets, ref, HERE[0])).arrived
    assert not (await wallets.ask(0, m.GetTransfer(wallets.ref(), HERE[0]), m.Transfer)).known


async def test_limits_and_aggregate_debits_and_settlements_are_asked_for_by_message(wallets: Wallets) -> None:
    player, known = HERE[0], 1 << 32 | 1
    await wallets.open_accounts(0, [player], 100)
    taken = await wallets.ask(0, m.TakeTable(1), m.Taken)
    await wallets.ask(0, m.OpenWindow(known, 0, taken.epoch, 4_000_000_000_000_000_000), m.Sequenced)
    limit = await wallets.ask(0, m.SetLimits([wallets.ref()], [player], [1], [40], 5, 6))
    assert limit.status == [Status.ACCEPTED]
    slip = [wallets.ref() for _ in range(2)]
    columns = [player] * 2, [known] * 2, [0] * 2, [0, 1]
    together = await wallets.ask(0, m.PlaceTogether(slip, *columns, [30, 41], [False] * 2))
    assert together.status == [Status.STAKE_LIMIT] * 2
    again = [wallets.ref() for _ in range(2)]
    together = await wallets.ask(0, m.PlaceTogether(again, *columns, [30, 40], [False] * 2))
    assert (together.status, together.balance) == ([Status.ACCEPTED] * 2, [70, 30])
    settled = await wallets.ask(0, m.SettleBets(known, again, [player] * 2, [60, 0]), m.Answers)
    assert (settled.status, settled.balance) == ([Status.ACCEPTED] * 2, [90, 90])
    wrong = await wallets.ask(0, m.MoveCash([1], [wallets.ref()], [player], [5], 826), m.Refused)
    assert wrong.reason == f"account {player} is in currency 978, asked was 826"
    await wallets.require_sound_books()


async def test_settlements_of_a_round_that_wait_together_are_one_batch_and_each_asker_gets_his_own_answer(
    wallets: Wallets,
) -> None:
    players, known = HERE[:3], 2 << 32 | 1
    await wallets.open_accounts(0, players, 1000)
    taken = await wallets.ask(0, m.TakeTable(2), m.Taken)
    await wallets.ask(0, m.OpenWindow(known, 0, taken.epoch, 4_000_000_000_000_000_000), m.Sequenced)
    refs = await wallets.place(0, players, known)
    asks = [
        m.SettleBets(known, refs[:1], players[:1], [70]),
        m.SettleBets(known, refs[1:], players[1:], [0, 10]),
        m.SettleBets(known, refs[:1], players[:1], [70]),
        m.SettleBets(known, refs[:1], players[:1], [71]),
        m.SettleBets(known, [wallets.ref()], players[:1], [5]),
    ]
    batches = "SELECT count(*) AS n FROM batch WHERE topic = 'paid'"
    [before] = await wallets.rows(0, batches)
    rival = await asyncpg.connect(wallets.dsns[0])
    trade = rival.transaction()
    await trade.start()
    await rival.execute("SELECT FROM head FOR UPDATE")
    closing = asyncio.create_task(wallets.ask(0, m.MoveCash([2], [wallets.ref()], players[:1], [1], 0)))
    blocked = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await until(lambda: wallets.rows(0, blocked))
    asking = [asyncio.create_task(wallets.ask(0, ask)) for ask in asks]
    await asyncio.sleep(0.2)
    await trade.rollback()
    await rival.close()
    answers = await asyncio.gather(*asking)
    assert (await closing).balance == [899]
    accepted, conflict, unknown = Status.ACCEPTED, Status.CONFLICT, Status.UNKNOWN_ROUND
    assert [answer.status for answer in answers] == [[accepted], [accepted] * 2, [accepted], [conflict], [unknown]]
    assert [answer.balance for answer in answers] == [[969], [900, 910], [969], [0], [0]]
    [after] = await wallets.rows(0, batches)
    assert after["n"] == before["n"] + 1
    await wallets.require_sound_books()
