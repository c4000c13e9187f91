"""The operator's side of the reference implementation: players through the admin API, the ledger from its databases."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest.adapters.http import JsonClient
from loadtest.adapters.ours import player_name, player_password
from reference_impl.domain.money import Currency
from reference_impl.stack.ledger_export import export_ledger

PLAYERS_A_CALL = 200  # each password is hashed slowly on purpose: a call must not take minutes
PROVISION_S_MAX = 60.0


class LiveTableOperator:
    """The reference implementation, as its operator reaches it.

    Parameters
    ----------
    api_url : str
        Its HTTP address.
    admin_token : str
        The operator's token.
    dsns : sequence of str
        The shards' databases.
    """

    def __init__(self, api_url: str, admin_token: str, dsns: Sequence[str]) -> None:
        self._api_url = api_url
        self._token = admin_token
        self._dsns = list(dsns)

    async def provision(self, players: int, deposit_minor: int) -> None:
        """Create players 1 to ``players``; repeating it changes nothing."""
        await asyncio.to_thread(self._provision, players, deposit_minor)

    async def export_ledger(self, out_dir: Path) -> None:
        """Write journal, accounts, windows and decisions of every shard."""
        await export_ledger(self._dsns, out_dir)

    async def cut_offs(self) -> list[int]:
        """Return the tables' announced cut-offs, CLOCK_MONOTONIC ns of this host."""
        return await asyncio.to_thread(self._cut_offs)

    def _cut_offs(self) -> list[int]:
        with JsonClient(self._api_url, PROVISION_S_MAX) as client:
            tables = client.get("/v1/lobby")["tables"]
        clock_ns = time.time_ns() - time.monotonic_ns()
        return [table["closes_at_unix_ns"] - clock_ns for table in tables]

    def _provision(self, players: int, deposit_minor: int) -> None:
        with JsonClient(self._api_url, PROVISION_S_MAX) as client:
            for first in range(1, players + 1, PLAYERS_A_CALL):
                numbers = range(first, min(first + PLAYERS_A_CALL, players + 1))
                body = {"players": [_player(number, deposit_minor) for number in numbers]}
                client.post("/v1/admin/players", body, self._token)


def _player(number: int, deposit_minor: int) -> dict[str, str | int]:
    return {
        "id": number,
        "name": player_name(number),
        "password": player_password(number),
        "deposit_minor": deposit_minor,
        "currency": int(Currency.EUR),
    }
