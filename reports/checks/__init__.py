"""Consistency checks over what clients saw and what the ledger says: pure, three-valued, with a witness.

Soundness: a check says *illegal* only if some pair of records contradicts a rule; the witness shows them. Completeness:
a check that cannot decide, because a record is missing, says *unknown* and never *ok*. A check whose records the target
cannot give at all is *skipped*, and the campaign must have allowed that.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import to_builtins

from reports.checks.answers import acknowledged_is_durable, answers_agree, unknowns_resolved
from reports.checks.audit import trail_equals_ledger
from reports.checks.deadline import no_early_rejection, no_late_bet
from reports.checks.events import events_complete, outcomes_verified
from reports.checks.exercised import exercised
from reports.checks.fairness import fairness
from reports.checks.history import History
from reports.checks.money import account_chains, conservation, non_negative
from reports.checks.orders import orders_kept
from reports.checks.settlement import settled_once
from reports.checks.spoilers import spoilers
from reports.checks.timeline import timeline
from reports.checks.told import told_truly
from reports.checks.verdict import Verdict, skipped
from reports.checks.video import video_advances
from reports.run import Run, write_json

__all__ = ["CHECKS", "Check", "History", "Verdict", "run_checks"]


class Check(NamedTuple):
    """A check: its function, what it asks in plain words, and the capabilities of the target that it needs."""

    function: Callable[[History], Verdict]
    question: str
    needs: tuple[str, ...]


CHECKS: Final[dict[str, Check]] = {
    "acknowledged_is_durable": Check(
        acknowledged_is_durable, "Is every answer that a player got in the ledger, to the letter?", ("ledger",)
    ),
    "unknowns_resolved": Check(
        unknowns_resolved, "Did each bet without an answer, or sent twice, happen at most once?", ("ledger",)
    ),
    "no_late_bet": Check(no_late_bet, "Was no bet accepted after its window closed?", ("ledger", "rounds")),
    "no_early_rejection": Check(
        no_early_rejection, "Was no bet that came in time refused as late?", ("rounds", "stages")
    ),
    "conservation": Check(conservation, "Did money only move, never appear or vanish?", ("ledger",)),
    "account_chains": Check(account_chains, "Does every balance follow from the one before it?", ("ledger",)),
    "non_negative": Check(
        non_negative, "Was no player and no escrow account ever overdrawn, and escrow empty at the end?", ("ledger",)
    ),
    "settled_once": Check(
        settled_once, "Was every accepted bet paid or returned exactly once, by the outcome on record?",
        ("ledger", "rounds"),
    ),
    "outcomes_verified": Check(
        outcomes_verified, "Does every outcome follow from the seed and the journals' heads, as was promised?",
        ("rounds", "pushes", "seeds"),
    ),
    "orders_kept": Check(
        orders_kept, "Were deposits, withdrawals and corrections carried out once, to the letter?", ("ledger", "orders")
    ),
    "timeline": Check(
        timeline, "Has every bet one timeline, complete and in order, and its place by arrival?", ("stages",)
    ),
    "events_complete": Check(
        events_complete, "Did table events reach everybody in order, without a gap, the same for all?", ("pushes",)
    ),
    "told_truly": Check(
        told_truly, "Did players get told what the ledger says of their balances and payments?",
        ("ledger", "rounds", "messages"),
    ),
    "spoilers": Check(
        spoilers, "Did no message, balance, lobby or picture tell an outcome before its time?", ("rounds", "pushes")
    ),
    "fairness": Check(
        fairness, "Had every refusal its reason?", ("ledger", "rounds")
    ),
    "trail_equals_ledger": Check(
        trail_equals_ledger, "Does the audit trail, written as it happened, say what the ledger says now?",
        ("ledger", "audit"),
    ),
    "exercised": Check(exercised, "Did every fault strike, and happen what was to be tried?", ()),
    "video_advances": Check(
        video_advances, "Did every viewer's film go forward, with every part that was announced?", ("video",)
    ),
    "answers_agree": Check(answers_agree, "Do the answers fit one order of events that everybody could see?", ()),
}  # fmt: skip
"""All checks, in the order in which they are reported."""


def check_history(history: History, capabilities: dict[str, Any]) -> dict[str, Verdict]:
    """Run all checks; those that need what `capabilities` denies are skipped."""
    verdicts = {}
    for name, check in CHECKS.items():
        missing = [need for need in check.needs if not capabilities.get(need, True)]
        verdicts[name] = skipped(f"the target records no {missing[0]}") if missing else check.function(history)
    return verdicts


def allowed_skips(run: Run) -> frozenset[str]:
    """Return the checks that may be skipped: what the campaign allows, and in a simulation what it cannot tell."""
    denied = {need for need, there in run.manifest["capabilities"].items() if not there}
    simulated = run.manifest["kind"] == "simulated"
    not_told = {name for name, check in CHECKS.items() if simulated and denied & set(check.needs)}
    return frozenset(run.manifest["campaign"].get("skippable", ())) | not_told


def run_checks(run: Run) -> dict[str, Verdict]:
    """Run all checks on a Run, write ``checks.json`` beside it and return the verdicts in order."""
    verdicts = check_history(History.of(run), run.manifest["capabilities"])
    write_json(run.path / "checks.json", to_builtins(verdicts))
    return verdicts
