"""What the seamless wallet says when the wallet behind it does not, or not now, know."""

from types import SimpleNamespace

import msgspec
import nats.errors
import pytest

from reference_impl.api.seamless_wallet import SeamlessWallet
from reference_impl.domain import seamless as s
from reference_impl.domain import wallet_messages as m
from reference_impl.domain.money import Currency
from reference_impl.domain.seamless import Code, Conventions


class Bus:
    """A bus on which every question gets one answer, or none."""

    def __init__(self, reply: m.ControlReply | None) -> None:
        self._reply = reply

    async def request(self, _subject: str, _data: bytes, timeout: float) -> SimpleNamespace:  # noqa: ASYNC109 - as NATS has it
        if self._reply is None:
            raise nats.errors.TimeoutError
        return SimpleNamespace(data=msgspec.msgpack.encode(self._reply))


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (m.Balance(0, 0, 0, known=False), Code.UNKNOWN_PLAYER),
        (m.Balance(5, 1, Currency.GBP, known=True), Code.WRONG_CURRENCY),
        (m.Refused("shard 0: the database system is starting up"), Code.OUTCOME_UNKNOWN),
        (m.Done(1), Code.OUTCOME_UNKNOWN),
        (None, Code.OUTCOME_UNKNOWN),
    ],
)
async def test_only_what_is_certain_is_refused_for_good(reply: m.ControlReply | None, code: Code) -> None:
    wallet = SeamlessWallet(Bus(reply), SimpleNamespace(), ["unused"], Conventions())
    told = await wallet.answer("lab", s.Promo("17", "", "EUR", "t", 100), 0)
    assert isinstance(told, s.Problem)
    assert told.code is code


@pytest.mark.parametrize("player", ["0", "-1", "x", "1.0", "٣", "9" * 30])
async def test_a_player_who_cannot_be_is_unknown(player: str) -> None:
    wallet = SeamlessWallet(Bus(None), SimpleNamespace(), ["unused"], Conventions())
    told = await wallet.answer("lab", s.Balance(player, "EUR"), 0)
    assert isinstance(told, s.Problem)
    assert told.code is Code.UNKNOWN_PLAYER
