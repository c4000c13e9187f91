"""Two dealers at once: the second pays nothing before the first's result, and the first takes over when it is gone."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from wallets import Wallets, two_wallets, until

from reference_impl.bets.dealer import DEALER_SILENT_S_MAX, Dealer, DealerConfig
from reference_impl.domain.bets import EntryKind
from reference_impl.domain.phases import Phase
from reference_impl.domain.round_timing import Timing
from reference_impl.stack.embedded import EmbeddedPostgres

TIMING = Timing(
    window_ms=250, closing_soon_ms=100, dealing_ms=700, pause_ms=50, flush_ms_max=50, close_wait_ms_max=3000,
)  # fmt: skip
ACCOUNTS = [2, 4, 6]


@pytest.fixture
async def wallets(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Wallets]:
    async with two_wallets(postgres, tmp_path, "two_dealers") as two:
        await two.open_accounts(1, ACCOUNTS, 10_000)
        yield two


class Dealing:
    """A dealer at table 1, and the phases that it announced."""

    def __init__(self, bus: Any) -> None:
        self.phases: list[tuple[Phase, int]] = []
        self._dealer = Dealer(DealerConfig((1,), 2, TIMING), bus, self._note)
        self.task = asyncio.create_task(self._dealer.run(lambda: None))

    def _note(self, *fields: Any) -> None:
        self.phases.append((Phase(fields[3]), fields[4]))

    async def comes_to(self, phase: Phase, after: int = 0) -> int:
        """Wait for a phase after so many announcements; return its round."""
        found: list[int] = []

        async def look() -> bool:
            found[:] = [known for reached, known in self.phases[after:] if reached is phase]
            return bool(found)

        await until(look)
        return found[0]

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.mark.soak
async def test_a_second_dealer_pays_only_when_dealing_is_over_and_the_first_deals_again_when_it_is_gone(
    wallets: Wallets,
) -> None:
    clients = [await wallets.connect() for _ in range(2)]
    first = Dealing(clients[0])
    known = await first.comes_to(Phase.BETS_OPEN)
    await wallets.place(1, ACCOUNTS, known)
    await first.comes_to(Phase.DEALING)
    began_s = time.monotonic()
    second = Dealing(clients[1])

    async def is_over() -> bool:
        settle = int(EntryKind.SETTLE)
        return bool(await wallets.rows(1, f"SELECT FROM journal WHERE kind = {settle} AND round = {known}"))

    await until(is_over)
    assert time.monotonic() - began_s >= TIMING.dealing_ms / 1000, "it would have told the outcome while it was dealt"
    await second.comes_to(Phase.BETS_OPEN)
    told = len(first.phases)
    await asyncio.sleep(DEALER_SILENT_S_MAX + 0.5)
    assert [phase for phase, _ in first.phases[told:] if phase is Phase.BETS_OPEN] == [], "it stands by"
    await second.end()
    await first.comes_to(Phase.BETS_OPEN, after=told)
    await first.end()
    for client in clients:
        await client.close()
