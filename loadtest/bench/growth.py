"""What a bet costs PostgreSQL, and whether that stays as a ledger grows: CPU, WAL and disk a bet from 1 M to 10 M rows.

The ledger is its own peer: ``ours`` is the CPU a bet around the last row, ``peer`` the CPU a bet around the first
million. Takes some minutes.
"""

import statistics

from loadtest.bench import postgres_cost
from loadtest.bench.bets import Crowd, saturate
from loadtest.bench.result import Result, summarise
from loadtest.progress import Progress
from reference_impl.stack.ledgers import Ledgers

SHARDS = 2
BATCH_BETS = 1000
FIRST_ROWS, LAST_ROWS = 1_000_000, 10_000_000
LEG_BETS = 100_000
STEP_ROWS = 1_000_000


async def measure(n: int, progress: Progress) -> Result:
    """Fill a ledger, measuring every leg of :data:`LEG_BETS`; compare the `n` legs up to each of the two sizes."""
    legs: list[dict[str, float]] = []
    async with Ledgers(SHARDS) as ledgers:
        progress.say("preparing players")
        crowd = Crowd(ledgers)
        await crowd.open()
        known = await crowd.open_round()
        meter = postgres_cost.Meter.of(ledgers)
        for rows in range(LEG_BETS, LAST_ROWS + 1, LEG_BETS):
            before = await meter.read()
            rate = await saturate(crowd, known, LEG_BETS // BATCH_BETS // SHARDS, BATCH_BETS)
            legs.append({"rows": rows, "bets_per_s": round(rate)} | (await meter.read()).a_bet_since(before, LEG_BETS))
            if rows % STEP_ROWS == 0:
                progress.say(f"{rows:,} rows: {_table(legs)[-1]}")
    first, last = _up_to(legs, FIRST_ROWS, n), _up_to(legs, LAST_ROWS, n)
    name = "postgres_cpu_us_per_bet"
    return summarise(
        "growth", "µs of PostgreSQL CPU a bet", [leg[name] for leg in last], [leg[name] for leg in first],
        f"the same ledger at {FIRST_ROWS:,} rows", {"table": _table(legs)}, lower_is_better=True,
    )  # fmt: skip


def _up_to(legs: list[dict[str, float]], rows: int, n: int) -> list[dict[str, float]]:
    return [leg for leg in legs if leg["rows"] <= rows][-n:]


def _table(legs: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return one line a million rows: the median of its legs."""
    size = STEP_ROWS // LEG_BETS
    return [
        {name: round(statistics.median(leg[name] for leg in legs[last - size : last]), 1) for name in legs[0]}
        | {"rows": legs[last - 1]["rows"]}
        for last in range(size, len(legs) + 1, size)
    ]
