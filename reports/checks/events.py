"""Checks of what everybody is told: events without gaps, and outcomes that anybody can recompute."""

import itertools

import numpy as np
import pandas as pd

from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.games.game import is_verdict
from reference_impl.domain.games.outcome import commitment
from reference_impl.domain.games.roulette import ROULETTE
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import PushKind, print_of
from reference_impl.domain.units import NS_PER_S
from reports.checks.history import History, rows_where, taken
from reports.checks.ordering import Integers, Mask, group_starts, positions, stable_order
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown
from reports.checks.view import View

SILENT_NS_MAX = 5 * NS_PER_S
"""An event that others had so long before a connection ended should have reached that connection too."""

_SHOWN = ("session", "connection", "table", "epoch", "seq", "kind", "round", "phase", "outcome", "app_ns")


def events_complete(history: History) -> Verdict:
    """Check that table events reach each connection in order and without a gap, and are the same for everybody.

    Notes
    -----
    Numbers count within a table, whoever deals. A jump that touches a fault is excused and counted: whoever was between
    two connections heard nothing. No fault excuses a number that the audit trail lacks: it hears of everything, sooner
    or later.
    """
    events = _events(history)
    seq, app_ns = events["seq"], events["app_ns"]
    first = group_starts(events["connection_key"])
    before = np.roll(seq, 1)
    news = events["kind"] != int(PushKind.WELCOME)
    step = seq - before - news
    jumped = ~first & (step > 0)
    excused = np.zeros(len(events), dtype=bool)
    excused[jumped] = history.disturbed(np.roll(app_ns, 1)[jumped], app_ns[jumped])
    back = ~first & ((step < 0) | (events["epoch"] < np.roll(events["epoch"], 1)))
    missed = jumped & ~excused
    shown = events.adding(seq_before=before)
    counts = {"events": len(events), "excused": int(excused.sum())}
    broken = first_broken(
        (
            Rule("a table event that a connected player missed", shown, missed),
            Rule("a table event that came twice, out of order or from a dealer that was replaced", shown, back),
            Rule("a number that is missing among a table's events in the audit trail", *_never_given(history)),
            Rule("two tales under one number of a table's events", *_contradictions(events)),
        ),
        **counts,
    )
    if broken:
        return broken
    counts["silent"] = _silent(history, events)
    if counts["silent"]:
        return unknown(f"{counts['silent']:,} connections ended without events that others had long before", **counts)
    return ok(f"{len(events):,} table events reached {int(first.sum()):,} connections without a gap", **counts)


def _events(history: History) -> View:
    """Return table events and what welcomes tell of the table, connection by connection, as they came."""
    pushes = history.pushes
    kind = pushes["kind"].to_numpy()
    wanted = ((kind == int(PushKind.TABLE)) | (kind == int(PushKind.WELCOME))) & (pushes["seq"].to_numpy() > 0)
    rows = np.flatnonzero(wanted)
    events = _by_connection(pushes, rows)
    back = events["app_ns"][1:] < events["app_ns"][:-1]
    if np.any(back & ~group_starts(events["connection_key"])[1:]):
        return _by_connection(pushes, rows[stable_order(pushes["app_ns"].to_numpy()[rows])])
    return events


def _by_connection(pushes: pd.DataFrame, rows: Integers) -> View:
    """Return rows connection by connection, those of each in the order in which they are given."""
    key = pushes["session"].to_numpy()[rows].astype(np.int64) << 20 | pushes["connection"].to_numpy()[rows]
    order = stable_order(key)
    return View(pushes, rows[order], _SHOWN).adding(connection_key=key[order])


def _never_given(history: History) -> tuple[pd.DataFrame, Mask]:
    audit = history.audit
    told = audit.loc[audit["event"].to_numpy() > 0, ["shard", "batch", "table", "event"]]
    order = stable_order(told["table"].to_numpy(dtype=np.int64) << 40 | told["event"].to_numpy())
    told = told.iloc[order].reset_index(drop=True)
    number = told["event"].to_numpy()
    before = np.where(group_starts(told["table"].to_numpy()), 0, np.roll(number, 1))
    return told.assign(event_before=before), number != before + 1


def _contradictions(events: View) -> tuple[View, Mask]:
    number = events["table"].astype(np.int64) * (int(events["seq"].max(initial=0)) + 1) + events["seq"]
    # one number for all that an event says: a difference anywhere changes it
    said = events["round"] * 64 + events["phase"]
    said = (said * 1024 + events["epoch"]) * 64 + events["outcome"]
    return events, said != said[positions(number, number)]


def _silent(history: History, events: View) -> int:
    """Count connections that ended well and never got an event that others had long before they ended."""
    if not len(events):
        return 0
    key = events["connection_key"]
    last = np.flatnonzero(np.append(group_starts(key)[1:], True))
    ended = history.sessions
    known_key = ended["session"].to_numpy(dtype=np.int64) << 20 | ended["connection"].to_numpy(dtype=np.int64)
    closed_ns = taken(ended, "closed_ns", positions(known_key, key[last]))
    table, seq, app_ns = (events[name] for name in ("table", "seq", "app_ns"))
    silent = np.zeros(len(last), dtype=bool)
    order = stable_order(table)
    bounds = [*np.flatnonzero(group_starts(table[order])), len(order)]
    for begin, end in itertools.pairwise(bounds):
        own = order[begin:end]
        newest, first_ns = _first_told(seq[own], app_ns[own])
        told = np.searchsorted(first_ns, closed_ns - SILENT_NS_MAX, side="right")
        known = np.where(told > 0, newest[np.maximum(told - 1, 0)], 0)
        silent |= (table[last] == table[own[0]]) & (closed_ns > 0) & (seq[last] < known)
    silent[silent] = ~history.disturbed(app_ns[last][silent], closed_ns[silent])
    return int(silent.sum())


def _first_told(seq: Integers, app_ns: Integers) -> tuple[Integers, Integers]:
    """Return the newest event numbers over time: numbers, and when somebody first had them or a later one."""
    order = stable_order(seq)
    starts = group_starts(seq[order])
    numbers = seq[order][starts]
    first_ns = np.minimum.reduceat(app_ns[order], np.flatnonzero(starts))
    return numbers, np.minimum.accumulate(first_ns[::-1])[::-1]


def outcomes_verified(history: History) -> Verdict:
    """Check that each outcome follows from the seed that was committed to and from the journals' heads at close."""
    rounds = history.rounds.loc[~history.rounds["round"].duplicated()]
    closed_heads = history.rounds.groupby("round", sort=False)["closed_heads"].agg(";".join)
    rounds = rounds.assign(closed_heads=rounds["round"].map(closed_heads))
    rounds = rounds[["table", "round", "game", "decision", "outcome", "seed", "heads", "closed_heads"]].reset_index(
        drop=True
    )
    decided = rows_where(rounds, rounds["decision"] == "outcome")
    counts = {"outcomes": len(decided)}
    if decided.empty and (rounds["decision"] == "unknown").any():
        return unknown("no decision is on record", **counts)
    seeds = [bytes.fromhex(seed) for seed in decided["seed"]]
    heads = [[bytes.fromhex(head) for head in row.split(";") if head] for row in decided["heads"]]
    games = [GAMES[name or ROULETTE.name] for name in decided["game"]]
    drawn = [game.draw(seed, closed) for game, seed, closed in zip(games, seeds, heads, strict=True)]
    computed = np.array(drawn, dtype=np.int64)
    strange = np.array(list(map(_strange_head, decided["heads"], decided["closed_heads"])), dtype=bool)
    prints = np.array([print_of(commitment(seed)) for seed in seeds], dtype=np.int64)
    told = _promises(history, decided, prints)
    broken = first_broken(
        (
            Rule("an outcome that does not follow from its seed and heads", decided.assign(computed=computed),
                 computed != decided["outcome"].to_numpy()),
            Rule("a decision over a head that no shard had at its close", decided, strange),
            Rule("a commitment to another seed than the one that decided", told,
                 (told["commitment"] != 0) & (told["commitment"] != told["expected"])),
            Rule("a seed that was told and did not decide", told,
                 (told["seed"] != 0) & (told["seed"] != told["expected"])),
        ),
        **counts,
    )  # fmt: skip
    if broken:
        return broken
    bare = (told["commitment"] == 0) & (told["phase"] == int(Phase.BETS_OPEN))
    counts["uncommitted"] = len(np.unique(told["round"][bare]))
    if counts["uncommitted"]:
        return unknown(f"{counts['uncommitted']:,} rounds opened without a commitment to a seed", **counts)
    return ok(f"all {len(decided):,} outcomes follow from their seeds and heads", **counts)


def _strange_head(named: str, closed: str) -> bool:
    """Tell whether the decision names no head at all, or one that is not among those at close, in their order."""
    there = iter(closed.split(";"))
    heads = [head for head in named.split(";") if not is_verdict(bytes.fromhex(head))]
    return not named or not all(head in there for head in heads)


def _promises(history: History, decided: pd.DataFrame, prints: Integers) -> View:
    pushes = history.pushes
    kind = pushes["kind"].to_numpy()
    event = (kind == int(PushKind.TABLE)) | (kind == int(PushKind.WELCOME))
    told = View(pushes).where(event, "session", "table", "round", "phase", "commitment", "seed", "app_ns")
    row = positions(decided["round"].to_numpy(), told["round"])
    return told.where(row >= 0).adding(expected=prints[row[row >= 0]])
