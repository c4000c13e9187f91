"""An evening at the casino: the script that leads a shard through everything that can happen to it in a night.

Two tables at once, batches of two gateways, bets sent twice, answers that got lost, late bets, a void, a dealer that
dies half-way through a settlement, one that wakes up too late, a frozen gateway, cash in and out, cancelled and
corrected bets, limits, transfers.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

import asyncpg
from zoo.house import CAREFUL, EUR, PLAYERS, POOR, FencedError, House, LosesOneAnswer, Round

from reference_impl.domain import wallet_messages as m
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.games.roulette import SPOT_CODE, SPOTS
from reference_impl.domain.limits import LOOSEN_AFTER_NS, LimitKind
from reference_impl.domain.phases import Phase
from reference_impl.domain.units import NS_PER_S

CASHIER = (0xCA5).to_bytes(8, "big")
STALE_S = 0.2
HOUR_NS = 3600 * NS_PER_S
COLOURS = ("red", "black", "straight:0")


def cash_ref(number: int) -> bytes:
    return CASHIER + (1 << 40 | number).to_bytes(8, "big")


async def evening(house: House) -> None:
    """Lead the wallet through everything that a night has."""
    await _fill_pockets(house)
    for table in (1, 2):
        await house.ask(m.TakeTable(table))
    await _a_good_round_beside_a_voided_one(house)
    await _a_dealer_dies_while_settling(house)
    await _a_dealer_wakes_up_too_late(house)
    await _a_gateway_freezes(house)
    await _players_keep_to_their_limits(house)


async def _a_good_round_beside_a_voided_one(house: House) -> None:
    ours, other = await house.open(1, 1, 1), await house.open(2, 1, 1)
    bets = list(house.some(ours, 540))
    winners = {name: list(house.some(ours, 2, amount=50, selection=SPOT_CODE[name])) for name in COLOURS}
    await house.bet_in_batches([*bets, *chain(*winners.values())])
    await house.bet_in_batches([*house.some(other, 60), *house.some(ours, 20)])
    await house.bet(0, house.some(ours, 10, players=(POOR,), amount=900))
    await _reconnect_in_many_ways(house, ours)
    await house.ask(m.CancelBets([b.ref for b in bets[:2]], [b.account for b in bets[:2]], [False, False]))
    await _send_money_around(house)
    await house.cut_off(ours)
    await asyncio.gather(house.bet(0, house.some(ours, 6)), house.bet(1, house.some(other, 6)))
    await house.bet(1, [*house.some(ours, 3), *house.some(other, 3)])
    await house.close(ours)
    await house.bet(0, [*house.some(ours, 4), *house.some(other, 2)], unaware=True)
    decision = await house.decide(ours)
    settled = asyncio.create_task(house.settle(ours, decision))
    await house.bet_in_batches(house.some(other, 40))
    await settled
    won = next(name for name in COLOURS if decision.outcome in SPOTS[SPOT_CODE[name]].numbers)
    corrected = [*winners[won], *bets[5:8]]
    await house.ask(
        m.CorrectBets(ours.id, [b.ref for b in corrected], [b.account for b in corrected], [0, 40, 4000, 5, 99_999])
    )
    await house.cut_off(other)
    await house.end(other, await house.decide(other, void=True))
    await house.bet(1, house.some(other, 4), unaware=True)
    await house.end(other, await house.decide(other, void=True))


async def _a_dealer_dies_while_settling(house: House) -> None:
    known = await house.open(1, 2, 1)
    await house.bet_in_batches(house.some(known, 520))
    await house.cut_off(known)
    await house.close(known)
    decision = await house.decide(known)
    house.announce_phase(known, Phase.RESULT, decision.outcome)
    step = house.service.step_of(m.SettleRound(known.id, 1, decision.outcome))
    struck_ns = time.monotonic_ns()

    async def first_chunk(db: asyncpg.Connection) -> m.ControlReply:
        return await step(db) or m.Done(1)

    await house.writer.control(first_chunk)
    taken = await house.ask(m.TakeTable(1))
    house.fault("dealer", struck_ns)
    for unfinished in (await house.ask(m.GetUnfinished(1))).round_ids:
        assert unfinished == known.id
        known.epoch = taken.epoch
        decision = await house.decide(known, void=True)
        if not decision.void:
            await house.ask(m.CloseWindow(known.id, 0, taken.epoch))
        await house.end(known, decision)


async def _a_dealer_wakes_up_too_late(house: House) -> None:
    known = await house.open(1, 3, 2)
    await house.bet_in_batches(house.some(known, 40))
    for ask in (m.Fence(1, 1), m.OpenWindow(known.id, 0, 1, 0), m.CloseWindow(known.id, 0, 1)):
        with suppress(FencedError):
            await house.ask(ask)
    await house.bet_in_batches(house.some(known, 40))
    await house.cut_off(known)
    await house.close(known)
    decision = await house.decide(known)
    for _again in range(2):
        await house.settle(known, decision)


async def _a_gateway_freezes(house: House) -> None:
    struck_ns = time.monotonic_ns()
    known = await house.open(1, 4, 2, accept_s=STALE_S)
    await house.bet_in_batches(house.some(known, 40))
    frozen_ns = time.monotonic_ns()
    await asyncio.sleep(STALE_S)
    await house.bet(1, house.some(known, 20), frozen_since_ns=frozen_ns)
    await house.cut_off(known)
    await house.close(known)
    await house.bet(1, house.some(known, 20), frozen_since_ns=frozen_ns)
    house.fault("gateway-1", struck_ns)
    await house.end(known, await house.decide(known))


async def _players_keep_to_their_limits(house: House) -> None:
    """Bet against limits of every kind; a looser one waits, and what came back of a loss can be staked again."""
    now_ns = time.time_ns()
    spender, planner, loser, *absent = CAREFUL
    kinds = (LimitKind.STAKE, LimitKind.ROUND, LimitKind.LOSS_DAY, LimitKind.TIME_OUT, LimitKind.EXCLUSION)
    amounts = (100, 150, 200, now_ns + HOUR_NS, now_ns + HOUR_NS)
    await _set_limits(house, 220, CAREFUL, kinds, amounts)
    await _set_limits(house, 230, CAREFUL[:3], kinds[:3], (10_000,) * 3)
    for number in (5, 6):
        known = await house.open(1, number, 2)
        await house.bet_in_batches(
            [
                *house.some(known, 2, players=(spender,), amount=60),
                *house.some(known, 6, players=(spender,), amount=120),
                *house.some(known, 8, players=(planner,), amount=60),
                *(next(house.some(known, 1, (loser,), 60, SPOT_CODE[name])) for name in COLOURS),
                *house.some(known, 6, players=tuple(absent), amount=60),
            ]
        )
        if number == 6:
            await house.bet_in_batches(house.some(known, 8, players=(loser,), amount=60))
        await house.cut_off(known)
        await house.close(known)
        await house.settle(known, await house.decide(known))


async def _set_limits(
    house: House, ref: int, players: Sequence[int], kinds: Sequence[LimitKind], amounts: Sequence[int]
) -> None:
    now_ns = time.time_ns()
    refs = [cash_ref(ref + n) for n in range(len(players))]
    ask = m.SetLimits(refs, list(players), list(map(int, kinds)), list(amounts), now_ns, now_ns + LOOSEN_AFTER_NS)
    for _again in range(2):
        await house.ask(ask)


async def _fill_pockets(house: House) -> None:
    for turn in (0, 1):
        players = [*PLAYERS, *CAREFUL]
        refs = [cash_ref(2 * player + turn) for player in players]
        amounts = [2_000 if player == POOR else 400_000 for player in players]
        for _again in range(2):
            await house.ask(m.OpenAccounts(refs, players, amounts, EUR))
    kinds = [EntryKind.WITHDRAW, EntryKind.DEPOSIT, EntryKind.WITHDRAW]
    refs = [cash_ref(100 + n) for n in range(3)]
    for _again in range(2):
        await house.ask(m.MoveCash([int(k) for k in kinds], refs, [2, 3, POOR], [1_500, 700, 9_999_999], EUR))


async def _send_money_around(house: House) -> None:
    refs, nobody = [cash_ref(200), cash_ref(201), cash_ref(202)], 4711
    for _again in range(2):
        await house.ask(m.SendMoney(refs, [2, 2, POOR], [3, nobody, 2], [700, 50, 9_999_999]))
        await house.ask(m.ReceiveMoney(refs[:2], [3, nobody], [2, 2], [700, 50]))
        await house.ask(m.EndTransfers(refs[:2], [2, 2], [True, False]))


async def _reconnect_in_many_ways(house: House, known: Round) -> None:
    """Send bets again: answered or not, alone or beside themselves, and where the wallet itself lost the answer."""
    twice, lost, never, twins = (list(house.some(known, 5)) for _ in range(4))
    await house.bet(0, twice, heard=False)
    await house.bet(1, house.some(known, 10))
    await house.bet(1, [*twice, *house.some(known, 5)])
    await house.bet(0, lost, heard=False)
    for wager in never:
        house.invoke(wager, 0, time.monotonic_ns())
    await house.bet(0, [*twins, *twins])
    house.writer._connection = LosesOneAnswer(house.writer._connection)
    await house.bet(1, house.some(known, 20))
