"""The check that nobody learns an outcome before the wheel shows it: by message, balance, lobby, history or picture.

Theory
------
The media timeline is the wall clock, so the instant at which a result is announced is also the media time of the
picture that shows it. A result's message travels at once and says which picture it belongs to; a page holds it back
until its picture is that far. Whoever has no picture, such as a lobby, must be behind on its own account.
"""

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import FetchKind, PushKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.checks.history import History, taken
from reports.checks.ordering import Integers, Mask, running_max
from reports.checks.verdict import Rule, Verdict, first_broken, ok, unknown
from reports.checks.video import STAMP_ERROR_NS
from reports.checks.view import View

LOBBY_BEHIND_NS_MIN = NS_PER_S
"""What a lobby or a history shows lies so far back, or a whole round: the pictures of the delayed tier are about so far
behind (``bench stream``: p50 0.9 s)."""

MESSAGE_AHEAD_NS_MAX = 6 * NS_PER_S
"""A page can hold a message back so long (``web/gate.js``); a picture that is further behind comes after its result."""

_PLAYING_NS_MAX = 2 * NS_PER_S
"""A viewer who fetched nothing for so long has left, or is away."""

_FILMING = ("studio", "origin", "edge")
_SHOWN = (
    "session", "connection", "table", "epoch", "seq", "kind", "round", "phase", "outcome", "seed", "media_ns", "app_ns",
)  # fmt: skip


def spoilers(history: History) -> Verdict:
    """Check that nothing told an outcome, a seed or a payout before the result was announced.

    Notes
    -----
    Covers whatever is recorded as pushed: table events, those that are told again to who comes back, welcomes,
    payments, and what a lobby showed; balances, in welcomes and in answers to bets; and the pictures that viewers had.
    A page may still show too early what came in time: that is the page's own test.
    """
    told = View(history.pushes, None, _SHOWN)
    phase, outcome, seed, kind = (told[name] for name in ("phase", "outcome", "seed", "kind"))
    event = (kind == int(PushKind.TABLE)) | (kind == int(PushKind.WELCOME))
    telling = (outcome >= 0) | (seed > 0) | (kind == int(PushKind.PAID))
    rows = told.where(telling)
    row = history.round_rows(rows["round"])
    result_ns = taken(history.rounds, "result_ns", row)
    early = (result_ns > 0) & (rows["app_ns"] + history.clock_error_ns < result_ns)
    paid = rows["kind"] == int(PushKind.PAID)
    rows = rows.adding(result_ns=result_ns)
    lobby = np.flatnonzero(rows["kind"] == int(PushKind.LOBBY))
    counts = {"messages": len(told), "telling": len(rows), "in_lobbies": len(lobby)}
    broken = first_broken(
        (
            Rule(
                "an outcome in an event of an earlier phase", told, event & (outcome >= 0) & (phase < int(Phase.RESULT))
            ),
            Rule("a seed that was told before the result", told, event & (seed > 0) & (phase < int(Phase.RESULT))),
            Rule("an outcome that was told before its round's result was announced", rows, early & ~paid),
            Rule("a payment that was told before its round's result was announced", rows, early & paid),
            Rule("a result whose message belongs to an earlier picture", rows, _of_an_earlier_picture(history, rows)),
            Rule("a result that a lobby showed while pictures were behind it", *_hasty(history, rows.at(lobby))),
            *_early_balances(history),
            *_early_pictures(history),
            Rule("a result whose message came too long before its picture", *_pictures_behind(history)),
        ),
        **counts,
    )
    if broken:
        return broken
    if history.rounds.empty and len(told):
        return unknown("there are no rounds on record", **counts)
    return ok(f"none of {len(told):,} messages told an outcome before its time, and no picture did", **counts)


def _of_an_earlier_picture(history: History, rows: View) -> Mask:
    media_ns, result_ns = rows["media_ns"], rows["result_ns"]
    first = (rows["kind"] == int(PushKind.TABLE)) & (rows["phase"] == int(Phase.RESULT))
    hasty: Mask = first & (media_ns > 0) & (media_ns + history.clock_error_ns + STAMP_ERROR_NS < result_ns)
    return hasty


def _hasty(history: History, shown: View) -> tuple[View, Mask]:
    """Return what lobbies showed, and what of it neither for a while nor for a round had been announced."""
    until_ns = taken(_with_next_end(history.rounds), "shown_from_ns", history.round_rows(shown["round"]))
    shown = shown.adding(shown_from_ns=until_ns)
    return shown, (until_ns > 0) & (shown["app_ns"] + history.clock_error_ns < until_ns)


def _with_next_end(rounds: pd.DataFrame) -> pd.DataFrame:
    """Return rounds with the instant from which a lobby may show their results, 0 if there is none."""
    ends = rounds[["table", "round_no", "settled_ns"]].sort_values(["table", "round_no"], kind="stable")
    following = ends.groupby("table")["settled_ns"].shift(-1, fill_value=0).reindex(rounds.index)
    behind_ns = rounds["result_ns"] + LOBBY_BEHIND_NS_MIN
    from_ns = behind_ns.where(following == 0, np.minimum(behind_ns, following))
    return rounds.assign(shown_from_ns=from_ns.where(rounds["result_ns"] > 0, 0))


def _early_balances(history: History) -> tuple[Rule, ...]:
    """Return the rules that no balance holds a payout of a round whose result was not announced yet."""
    chain = history.chain
    if not len(chain.rows):
        return ()
    result_ns = _result_known_ns(history)
    pushes = history.pushes
    told = View(pushes).where(pushes["kind"].to_numpy() == int(PushKind.WELCOME), "session", "version", "app_ns")
    place = chain.at_version(history.account_of(told["session"]), told["version"])
    bets = history.bets.at(None, "op", "session", "return_ns")
    entry = history.ledger_row_of_bet
    bet_place = np.where(entry >= 0, chain.place[np.maximum(entry, 0)], -1)
    error_ns = history.clock_error_ns

    def early(places: Integers, heard_ns: Integers) -> Mask:
        known: Mask = (places >= 0) & (heard_ns > 0) & (heard_ns + error_ns < result_ns[places])
        return known

    return (
        Rule("a welcome whose balance holds a payout before its result", told, early(place, told["app_ns"])),
        Rule("an answer whose balance holds a payout before its result", bets, early(bet_place, bets["return_ns"])),
    )


def _result_known_ns(history: History) -> Integers:
    """Return for each place of the chain when the latest result was announced whose payouts the balance holds."""
    chain, rounds = history.chain, history.rounds
    # an instant of 0 means that no result was announced, and ranks first
    instants = np.unique(np.append(rounds["result_ns"].to_numpy(), 0))
    rank = np.searchsorted(instants, rounds["result_ns"].to_numpy())
    paid = (chain.of("kind") == int(EntryKind.SETTLE)) & (chain.of("moved") != 0)
    rows = np.flatnonzero(paid)
    ranks = np.zeros(len(paid), dtype=np.int64)
    round_row = history.round_rows(chain.of("round")[rows])
    known = round_row >= 0
    ranks[rows[known]] = rank[round_row[known]]
    latest: Integers = instants[running_max(ranks, chain.starts)]
    return latest


def _early_pictures(history: History) -> tuple[Rule, ...]:
    """Return the rules that nobody had film of the deal before every shard had closed."""
    film = history.video
    film = film[(film["kind"] == int(FetchKind.PART)) & (film["status"] == 200) & (film["media_ns"] > 0)]
    parts = film[["viewer", "table", "msn", "part", "media_ns", "end_ns"]]
    frames = history.glass[["viewer", "table", "msn", "part", "captured_ns", "arrived_ns"]]
    return (
        Rule("film of the deal that a viewer had while bets were taken", *_deals(history, parts, "media_ns", "end_ns")),
        Rule(
            "a picture of the deal, by its own timecode, that a viewer had while bets were taken",
            *_deals(history, frames, "captured_ns", "arrived_ns"),
        ),
    )


def _deals(history: History, film: pd.DataFrame, taken_ns: str, had_ns: str) -> tuple[pd.DataFrame, Mask]:
    """Return film beside the round that was dealt when it was taken, and what of it was had before the close."""
    rounds = history.rounds
    dealt = rounds.loc[rounds["informative_ns"] > 0, ["table", "round", "informative_ns", "bets_closed_ns"]]
    film = pd.merge_asof(
        film.sort_values(taken_ns), dealt.sort_values("informative_ns"), left_on=taken_ns, right_on="informative_ns",
        by="table",
    ).dropna()  # fmt: skip
    film = film.astype(dict.fromkeys(("round", "informative_ns", "bets_closed_ns"), "int64"))
    return film, (film[had_ns] + history.clock_error_ns + STAMP_ERROR_NS < film["bets_closed_ns"]).to_numpy()


def _pictures_behind(history: History) -> tuple[pd.DataFrame, Mask]:
    """Return viewers at results as far as their pictures were when a page cannot hold the message back any longer."""
    rounds, film = history.rounds, history.video
    results = rounds.loc[rounds["result_ns"] > 0, ["table", "round", "result_ns"]]
    playing = film.loc[film["latency_ms"] > 0, ["viewer", "table", "end_ns", "latency_ms"]]
    seats = playing[["viewer", "table"]].drop_duplicates().merge(results, on="table")
    seats["held_until_ns"] = seats["result_ns"] + MESSAGE_AHEAD_NS_MAX
    found = pd.merge_asof(
        seats.sort_values("held_until_ns"), playing.sort_values("end_ns"), left_on="held_until_ns", right_on="end_ns",
        by=["viewer", "table"], tolerance=_PLAYING_NS_MAX,
    ).dropna()  # fmt: skip
    found = found.astype({"end_ns": "int64", "latency_ms": "int64"})
    behind = (found["latency_ms"] * NS_PER_MS > MESSAGE_AHEAD_NS_MAX).to_numpy(copy=True)
    result_ns, until_ns = found["result_ns"].to_numpy(), found["held_until_ns"].to_numpy()
    behind[behind] = ~history.disturbed(result_ns[behind], until_ns[behind], _FILMING)
    return found, behind
