"""CPU seconds that all checks take for a million operations, against plain Python that looks at one row at a time.

Ours runs every check over the whole history: operations, answers, stamps, journal, audit trail and what was pushed. The
peer asks less of a sample: are answers in the journal, does each balance follow from the one before it, does every bet
end once with the payout that is due, does money sum to zero.
"""

import asyncio
import gc
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from loadtest.bench.long_history import long_history
from loadtest.bench.result import Result, summarise
from loadtest.progress import Progress
from reference_impl.domain.bets import EntryKind, Slot, Status
from reference_impl.domain.errors import InvariantViolationError
from reference_impl.domain.games.roulette import GROSS
from reference_impl.domain.ids import AccountKind, account_kind
from reference_impl.domain.journal import DIRECTION
from reports.checks import CHECKS, History
from reports.checks.memory import keep_freed_memory

OPERATIONS, MANY, PEER_OPERATIONS = 1_000_000, 10_000_000, 50_000
MANY_LEGS = 2
MANY_FREE_KIB_MIN = 18_000_000
"""Memory that ten million operations with all that belongs to them need."""

Tables = dict[str, pd.DataFrame]


async def measure(n: int, progress: Progress) -> Result:
    """Run the bench with `n` alternating legs."""
    keep_freed_memory()
    return await asyncio.to_thread(_measure, n, progress)


def _measure(n: int, progress: Progress) -> Result:
    progress.say(f"making {OPERATIONS:,} operations and all that belongs to them")
    history, sample = long_history(OPERATIONS), long_history(PEER_OPERATIONS)
    ours: list[float] = []
    theirs: list[float] = []
    by_check: dict[str, float] = {}
    for leg in range(n):
        by_check = check_all(history)
        ours.append(sum(by_check.values()))
        theirs.append(_cpu_s_a_million(sample, row_by_row))
        progress.say(f"{leg + 1}/{n}: ours {ours[-1]:.2f}, row by row {theirs[-1]:.2f} CPU-s a million")
    detail: dict[str, Any] = {
        "operations": len(history["ops"]), "pushes": len(history["pushes"]), "entries": len(history["ledger"]),
        "legs_ours": [round(value, 3) for value in ours],
        "by_check": {name: round(value, 3) for name, value in by_check.items()},
    }  # fmt: skip
    del history, sample
    gc.collect()
    detail["ten_million"] = _ten_million(progress)
    return summarise(
        "checks", "CPU-s per million operations", ours, theirs, "plain Python, a row at a time, four of the rules",
        detail, lower_is_better=True,
    )  # fmt: skip


def check_all(tables: Tables) -> dict[str, float]:
    """Return the CPU seconds a million operations of each check over a history, shared work with the first to need it.

    Raises
    ------
    InvariantViolationError
        If a check does not find the history legal: then something else was measured.
    """
    history = History(tables)
    spent: dict[str, float] = {}
    for name, check in CHECKS.items():
        started_s = time.process_time()
        verdict = check.function(history)
        spent[name] = (time.process_time() - started_s) / len(tables["ops"]) * 1e6
        if verdict.status != "ok":
            raise InvariantViolationError(f"{name} is {verdict.status} on a legal history: {verdict.message}")
    return spent


def _ten_million(progress: Progress) -> dict[str, Any]:
    free_kib = _available_kib()
    if free_kib < MANY_FREE_KIB_MIN:
        return {"skipped": f"{free_kib:,} KiB of memory are free, {MANY_FREE_KIB_MIN:,} are needed"}
    progress.say(f"making {MANY:,} operations")
    history = long_history(MANY)
    legs = []
    for leg in range(MANY_LEGS):
        by_check = check_all(history)
        legs.append(round(sum(by_check.values()), 3))
        progress.say(f"{leg + 1}/{MANY_LEGS}: {legs[-1]:.2f} CPU-s a million")
    return {
        "operations": len(history["ops"]), "cpu_s_per_million": round(statistics.median(legs), 3), "legs": legs,
        "by_check": {name: round(value, 3) for name, value in by_check.items()},
    }  # fmt: skip


def _available_kib() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def _cpu_s_a_million(tables: Tables, check: Any) -> float:
    ops, ledger = tables["ops"].to_dict("records"), tables["ledger"].to_dict("records")
    outcomes = dict(zip(tables["rounds"]["round"].tolist(), tables["rounds"]["outcome"].tolist(), strict=True))
    started_s = time.process_time()
    check(ops, ledger, outcomes)
    return (time.process_time() - started_s) / len(ops) * 1e6


def row_by_row(ops: list[dict[str, Any]], ledger: list[dict[str, Any]], outcomes: dict[int, int]) -> None:
    """Check four rules as one writes them first, with dictionaries.

    Raises
    ------
    InvariantViolationError
        If a rule is broken.
    """
    placed, ended = _chains(ledger)
    for op in ops:
        entry = placed.get(op["op"])
        if entry is None or (op["seq"], op["balance"], op["version"], op["status"]) != (
            entry["seq"], entry["balance_after"], entry["version"], entry["status"],
        ):  # fmt: skip
            raise InvariantViolationError(f"operation {op['op']} is not in the journal as it was answered")
    for ref, bet in placed.items():
        if bet["status"] == Status.ACCEPTED:
            due = int(GROSS[bet["selection"], outcomes[bet["round"]]]) * bet["amount"]
            if ref not in ended or ended[ref]["amount"] != due:
                raise InvariantViolationError(f"bet {ref} was not paid {due}")


def _chains(ledger: list[dict[str, Any]]) -> tuple[dict[int, dict[str, Any]], dict[int, dict[str, Any]]]:
    balances: dict[int, int] = defaultdict(int)
    versions: dict[int, int] = defaultdict(int)
    placed: dict[int, dict[str, Any]] = {}
    ended: dict[int, dict[str, Any]] = {}
    for entry in ledger:
        moved = DIRECTION[EntryKind(entry["kind"])] * entry["amount"] if entry["status"] == Status.ACCEPTED else 0
        balances[entry["account"]] += moved
        balances[entry["counter"]] -= moved
        versions[entry["account"]] += moved != 0
        if account_kind(entry["account"]) is AccountKind.PLAYER and (entry["balance_after"], entry["version"]) != (
            balances[entry["account"]], versions[entry["account"]],
        ):  # fmt: skip
            raise InvariantViolationError(f"entry {entry['seq']} does not follow from the one before it")
        if entry["kind"] == EntryKind.BET:
            placed[entry["op"]] = entry
        elif entry["slot"] == Slot.TERMINAL:
            if entry["op"] in ended:
                raise InvariantViolationError(f"bet {entry['op']} ended twice")
            ended[entry["op"]] = entry
    if sum(balances.values()):
        raise InvariantViolationError(f"accounts sum to {sum(balances.values())}, not to 0")
    return placed, ended
