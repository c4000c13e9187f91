"""The life of one bet: the studio saw, the viewer saw, the player clicked, the ledger committed, the screen answered.

Every instant comes from the Run's tables; the picture's are those of the viewer at the same table whose frame was
sampled nearest in time, since those who bet and those who measure the picture are different people.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from reference_impl.domain.bets import Status
from reference_impl.domain.errors import ConfigError
from reference_impl.domain.games.catalogue import GAMES
from reference_impl.domain.money import Currency, format_minor
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.checks.history import window_key
from reports.checks.ordering import positions
from reports.latency import answered, of_kind
from reports.run import Run

SAMPLE_S_MAX: Final = 10.0
"""A frame that was sampled longer ago or later than this tells nothing about an instant."""


class Moment(NamedTuple):
    """An instant in a bet's life: its column, where it happened, and what happened."""

    column: str
    where: str
    what: str


MOMENTS: Final = (
    Moment("opens_ns", "studio", "bets open"),
    Moment("heard_open_ns", "player", "hears that bets are open"),
    Moment("seen_open_ns", "picture", "shows that bets are open"),
    Moment("due_ns", "player", "means to bet"),
    Moment("invoke_ns", "player", "clicks: the bet is sent"),
    Moment("received_ns", "gateway", "reads the bet: this instant decides whether it is in time"),
    Moment("checked_ns", "gateway", "has decoded and checked it"),
    Moment("sent_ns", "gateway", "sends it to the wallet, in a batch"),
    Moment("wallet_received_ns", "wallet", "receives the batch"),
    Moment("batch_started_ns", "wallet", "calls the database"),
    Moment("committed_ns", "database", "has committed: the answer is durable"),
    Moment("replied_ns", "gateway", "hears of it"),
    Moment("written_ns", "gateway", "writes the answer"),
    Moment("kernel_ns", "player", "the answer is in the kernel"),
    Moment("return_ns", "player", "the screen answers"),
    Moment("closes_ns", "studio", "the cut-off"),
    Moment("heard_closed_ns", "player", "hears that no more bets are taken"),
    Moment("bets_closed_ns", "database", "every shard has closed the window"),
    Moment("informative_ns", "studio", "dealing starts: from here on a picture may tell something"),
    Moment("result_ns", "studio", "the result is announced"),
    Moment("heard_result_ns", "player", "hears the result"),
    Moment("seen_result_ns", "picture", "shows the result"),
    Moment("paid_ns", "player", "hears of the payment"),
    Moment("settled_ns", "database", "every bet of the round is settled"),
)
"""In the order in which they usually come."""

_OF_ROUND: Final = ("opens_ns", "closes_ns", "bets_closed_ns", "informative_ns", "result_ns", "settled_ns", "round_no")
_HEARD: Final = {
    "heard_open_ns": Phase.BETS_OPEN, "heard_closed_ns": Phase.NO_MORE_BETS, "heard_result_ns": Phase.RESULT,
}  # fmt: skip


def lives(run: Run) -> pd.DataFrame:
    """Return one row for each bet: the columns of ``ops`` and of :data:`MOMENTS`, ns; 0 for what did not happen.

    Returns
    -------
    pandas.DataFrame
        In order of ``due_ns``; ``round_no`` and ``spot`` name the round and the spot for people.
    """
    bets = of_kind(run.ops, OpKind.BET).sort_values("due_ns", kind="stable").reset_index(drop=True)
    rows = positions(window_key(run.rounds), window_key(bets))
    for name in _OF_ROUND:
        bets[name] = np.where(rows >= 0, run.rounds[name].to_numpy()[rows], 0) if len(run.rounds) else 0
    games = np.where(rows >= 0, run.rounds["game"].to_numpy()[rows], "") if len(run.rounds) else [""] * len(bets)
    bets["spot"] = [_spot(game, selection) for game, selection in zip(games, bets["selection"], strict=True)]
    _add_what_was_heard(run, bets)
    delay_ns = {name: _picture_delay_ns(run, bets["table"], bets[name]) for name in ("opens_ns", "result_ns")}
    for name, ours in (("opens_ns", "seen_open_ns"), ("result_ns", "seen_result_ns")):
        bets[ours] = np.where((bets[name] > 0) & (delay_ns[name] > 0), bets[name] + delay_ns[name], 0)
    return bets


def life_of(run: Run, op: int | None) -> pd.Series:
    """Return the row of a bet; of the slowest that was answered if `op` is None.

    Raises
    ------
    ConfigError
        If the Run has no such bet.
    """
    told = lives(run)
    if op is None:
        rows = answered(told)
        if rows.empty:
            raise ConfigError(f"{run.path}: no bet was answered in this run")
        return rows.iloc[int((rows["return_ns"] - rows["due_ns"]).to_numpy().argmax())]
    rows = told[told["op"] == op]
    if rows.empty:
        known = f"; its bets are {told['op'].min()} to {told['op'].max()}" if len(told) else "; it has none"
        raise ConfigError(f"{run.path}: there is no bet {op} in this run{known}")
    return rows.iloc[0]


def moments_of(life: pd.Series) -> list[tuple[int, Moment]]:
    """Return what happened in a bet's life with its instant, ns, in order of time."""
    happened = [(int(life[moment.column]), moment) for moment in MOMENTS if life[moment.column] > 0]
    return sorted(happened, key=lambda instant: instant[0])


def headline(life: pd.Series) -> str:
    """Return who bet what on which round, and what came of it."""
    amount = format_minor(int(life["amount"]), Currency(life["currency"]))
    came = {
        Outcome.OK: f"accepted after {(life['return_ns'] - life['due_ns']) / NS_PER_MS:,.1f} ms",
        Outcome.REJECTED: f"refused: {Status(life['status']).name.lower().replace('_', ' ')}" if life["status"] else "",
        Outcome.UNKNOWN: "without an answer",
        Outcome.REFUSED: "never sent",
    }[Outcome(life["outcome"])]
    again = f", sent {life['attempts']} times" if life["attempts"] > 1 else ""
    return (
        f"bet {life['op']}: player {life['account']}, table {life['table']}, round {life['round_no']}:"
        f" {amount} on {life['spot']}, {came}{again}"
    )


def life_text(life: pd.Series) -> str:
    """Return the life of a bet as lines for a terminal; times count from the instant at which it was meant."""
    lines = [headline(life), "", f"  {'ms':>12} {'+ ms':>10}  {'where':<9} what"]
    before = None
    for instant, moment in moments_of(life):
        step = "" if before is None else f"{(instant - before) / NS_PER_MS:,.3f}"
        since = (instant - life["due_ns"]) / NS_PER_MS
        lines.append(f"  {since:>12,.3f} {step:>10}  {moment.where:<9} {moment.what}")
        before = instant
    if life["batch_size"]:
        lines += ["", f"  bets in its batch: {life['batch_size']}; waiting when it left: {life['queue_depth']}"]
    return "\n".join(lines)


def notable(told: pd.DataFrame) -> dict[str, int]:
    """Return bets worth looking at: what is special about each, and its id."""
    found: dict[str, int] = {}
    rows = answered(told)
    if len(rows):
        took = (rows["return_ns"] - rows["due_ns"]).sort_values(kind="stable")
        found["the slowest answer"] = int(told["op"][took.index[-1]])
        found["an answer as usual"] = int(told["op"][took.index[len(took) // 2]])
    accepted = rows[(rows["outcome"] == int(Outcome.OK)) & (rows["closes_ns"] > 0) & (rows["received_ns"] > 0)]
    if len(accepted):
        apart = (accepted["closes_ns"] - accepted["received_ns"]).abs().to_numpy()
        found["the last moment before a cut-off"] = int(accepted["op"].iloc[int(apart.argmin())])
    late = told[told["status"] == int(Status.WINDOW_CLOSED)]
    if len(late):
        found["too late"] = int(late["op"].iloc[0])
    again = told[(told["attempts"] > 1) & (told["outcome"] == int(Outcome.OK))]
    if len(again):
        found["sent again after a fault"] = int(again["op"].iloc[0])
    return found


def as_record(life: pd.Series) -> dict[str, Any]:
    """Return the life of a bet as plain values, such as JSON has: instants in ns since the bet was meant."""
    due = int(life["due_ns"])
    return {
        "op": int(life["op"]),
        "headline": headline(life),
        "moments": [
            {"ns": instant - due, "where": moment.where, "what": moment.what, "column": moment.column}
            for instant, moment in moments_of(life)
        ],
    }


def _spot(game: str, selection: int) -> str:
    spots = GAMES[game].spots if game in GAMES else ()
    return spots[selection].name if 0 <= selection < len(spots) else f"spot {selection}"


def _add_what_was_heard(run: Run, bets: pd.DataFrame) -> None:
    """Add when each player's own connection heard of the round and of the payment."""
    pushes = run.pushes
    table = pushes[pushes["kind"] == int(PushKind.TABLE)]
    wanted = pd.MultiIndex.from_frame(bets[["session", "round"]])
    for name, phase in _HEARD.items():
        first = table[table["phase"] == int(phase)].groupby(["session", "round"])["app_ns"].min()
        bets[name] = first.reindex(wanted).fillna(0).to_numpy(dtype=np.int64)
    paid = pushes[pushes["kind"] == int(PushKind.PAID)].groupby("op")["app_ns"].min()
    bets["paid_ns"] = paid.reindex(bets["op"]).fillna(0).to_numpy(dtype=np.int64)


def _picture_delay_ns(run: Run, tables: pd.Series, instants: pd.Series) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return how far behind the table the picture was at each instant: the nearest sample's, 0 if there is none."""
    glass = run.glass[run.glass["shown_ns"] > 0]
    samples = pd.DataFrame(
        {"table": glass["table"], "at": glass["captured_ns"], "delay": glass["shown_ns"] - glass["captured_ns"]}
    ).sort_values("at")
    asked = pd.DataFrame({"table": tables, "at": instants, "place": np.arange(len(instants))}).sort_values("at")
    found = pd.merge_asof(
        asked, samples, on="at", by="table", direction="nearest", tolerance=int(SAMPLE_S_MAX * NS_PER_S)
    ).sort_values("place")
    return found["delay"].fillna(0).to_numpy(dtype=np.int64)
