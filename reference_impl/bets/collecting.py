"""Tables that debit once: what players bet is taken down, and handed over together when no more bets are taken.

Until then a bet is *pending*: nothing is debited, and it is nobody's word. A player's slip (the bets of one round) is
accepted as a whole or not at all; the shard says so. Who takes a bet back leaves its tombstone in the shard, where the
bet meets it. A gateway that dies loses its slips, and players whose bets are unknown send them again elsewhere: the ids
decide, as for any bet.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

from nats.aio.client import Client

from reference_impl.bus import ask_wallet_until_answered
from reference_impl.domain.bets import Status
from reference_impl.domain.wallet_messages import Answers, PlaceTogether

SLIP_BETS_MAX = 200
"""Bets of one player in a round: a European layout has fewer spots."""
REQUEST_BETS_MAX = 1_000
"""A request holds whole slips, as many as fit."""
PENDING_BETS_MAX = 20_000


class Bet(Protocol):
    """What a slip needs to know of a bet."""

    @property
    def row(self) -> tuple[bytes, int, int, int, int, int, bool]:
        """The bet as a row of :class:`reference_impl.domain.wallet_messages.PlaceTogether`."""


B = TypeVar("B", bound=Bet)


class Taken(Enum):
    """What became of a bet that came to a slip."""

    PENDING = auto()
    FULL = auto()
    CONFLICT = auto()


class Slips(Generic[B]):
    """A gateway's slips.

    Parameters
    ----------
    bus : nats.aio.client.Client
        A connected NATS client.
    deliver : callable
        Called with a shard, bets of it, and their answers.
    """

    def __init__(self, bus: Client, deliver: Callable[[int, list[B], Answers], None]) -> None:
        self._bus = bus
        self._deliver = deliver
        self._slips: dict[int, dict[tuple[int, int], dict[bytes, B]]] = defaultdict(dict)
        self._on_their_way: dict[asyncio.Future[None], int] = {}
        self._pending = 0
        self._nothing_left = asyncio.Event()
        self._nothing_left.set()

    def __len__(self) -> int:
        """Bets without an answer yet."""
        return self._pending

    def take(self, shard: int, bet: B) -> Taken:
        """Take a bet down; one that is sent again stands once, and is answered to who sent it last."""
        ref, account, round_id, *_ = bet.row
        slip = self._slips[round_id].setdefault((shard, account), {})
        if ref in slip:
            if slip[ref].row != bet.row:
                return Taken.CONFLICT
            slip[ref] = bet
            return Taken.PENDING
        if len(slip) >= SLIP_BETS_MAX or self._pending >= PENDING_BETS_MAX:
            return Taken.FULL
        slip[ref] = bet
        self._pending += 1
        self._nothing_left.clear()
        return Taken.PENDING

    async def handed_over(self) -> None:
        """Wait until no bet is pending."""
        await self._nothing_left.wait()

    async def hand_over(self, round_id: int) -> None:
        """Hand a round's slips over, and return when whatever was handed over of it has its answers."""
        by_shard: dict[int, list[list[B]]] = defaultdict(list)
        for (shard, _), slip in self._slips.pop(round_id, {}).items():
            by_shard[shard].append(list(slip.values()))
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_their_way[over] = round_id
        try:
            await asyncio.gather(*(self._hand_to(shard, slips) for shard, slips in by_shard.items()))
        finally:
            del self._on_their_way[over]
            over.set_result(None)
        await asyncio.gather(*(one for one, of in self._on_their_way.items() if of == round_id))

    async def _hand_to(self, shard: int, slips: list[list[B]]) -> None:
        for bets in requests_of(slips):
            columns = (list(column) for column in zip(*(bet.row for bet in bets), strict=True))
            answers = await ask_wallet_until_answered(self._bus, shard, PlaceTogether(*columns), Answers)
            self._pending -= len(bets)
            if not isinstance(answers, Answers):  # it had no effect, so the same ids may be sent again
                zeros = [0] * len(bets)
                answers = Answers([Status.OVERLOADED] * len(bets), zeros, zeros, zeros)
            self._deliver(shard, bets, answers)
        if not self._pending:
            self._nothing_left.set()


def requests_of(slips: Sequence[list[B]]) -> list[list[B]]:
    """Return the slips in order, as many whole ones together as a request may hold."""
    requests: list[list[B]] = [[]]
    for slip in slips:
        if requests[-1] and len(requests[-1]) + len(slip) > REQUEST_BETS_MAX:
            requests.append([])
        requests[-1] += slip
    return [bets for bets in requests if bets]
