"""What the figures draw, as plain arrays: a Run reduced to seconds, shares and sums.

Times are seconds since the load started.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reference_impl.domain.bets import EntryKind
from reference_impl.domain.ids import AccountKind
from reference_impl.domain.records import OpKind, Outcome
from reference_impl.domain.units import NS_PER_MS, NS_PER_S
from reports.checks.history import History, kind_of_account
from reports.checks.ordering import positions
from reports.latency import answered, latency_ms, of_kind
from reports.run import Run

Values = npt.NDArray[np.float64]

STAGES: Final = (
    ("generator", "due_ns", "invoke_ns"),
    ("way to the gateway", "invoke_ns", "received_ns"),
    ("gateway checks", "received_ns", "checked_ns"),
    ("waits for its batch", "checked_ns", "sent_ns"),
    ("way to the wallet", "sent_ns", "wallet_received_ns"),
    ("waits in the wallet", "wallet_received_ns", "batch_started_ns"),
    ("database commits", "batch_started_ns", "committed_ns"),
    ("way back to the gateway", "committed_ns", "replied_ns"),
    ("gateway answers", "replied_ns", "written_ns"),
    ("way to the player", "written_ns", "return_ns"),
)
"""Where a bet's time goes: name, from, to."""


class Band(NamedTuple):
    """A stretch of the load in which something special happened."""

    kind: str
    label: str
    start_s: float
    end_s: float


class Stage(NamedTuple):
    """A stage of a bet's way and how long it took."""

    name: str
    p50_ms: float
    p99_ms: float


def seconds(run: Run, instants_ns: Any) -> Values:
    """Return instants as seconds since the load started."""
    elapsed: Values = (np.asarray(instants_ns, dtype=np.int64) - run.manifest["load_start_ns"]) / NS_PER_S
    return elapsed


def load_s(run: Run) -> float:
    """Return the length of the load."""
    return float(run.manifest["load_end_ns"] - run.manifest["load_start_ns"]) / NS_PER_S


def bets(run: Run) -> pd.DataFrame:
    """Return the bets of a Run."""
    return of_kind(run.ops, OpKind.BET)


def bands(run: Run) -> list[Band]:
    """Return surges, storms and faults in order of time; a fault lasts until the process was back."""
    scenario = run.manifest["campaign"].get("scenario", {})
    found = [
        Band("surge", f"surge at table {s['table']}", float(s["at_s"]), float(s["at_s"] + s["within_s"]))
        for s in scenario.get("surges", ())
    ]
    found += [Band("surge", f"{s['kind']} storm", s["at_s"], s["at_s"] + 1.0) for s in scenario.get("storms", ())]
    for fault in run.faults.itertuples():
        start_s, back_s = seconds(run, [fault.t_ns, fault.recovered_ns])
        found.append(Band("fault", f"{fault.kind} {fault.target}", start_s, max(back_s, start_s)))
    return sorted(found, key=lambda band: band.start_s)


def per_second(run: Run) -> pd.DataFrame:
    """Return ``offered`` (by due instant), ``accepted`` and ``rejected`` (by answer) bets of each second of load."""
    rows, n = bets(run), whole_seconds(run)
    outcome = rows["outcome"].to_numpy()
    columns = {
        "offered": rows["due_ns"],
        "accepted": rows["return_ns"][outcome == Outcome.OK],
        "rejected": rows["return_ns"][outcome == Outcome.REJECTED],
    }
    return pd.DataFrame({name: count_per_second(run, instants, n) for name, instants in columns.items()})


def latency_per_second(run: Run) -> pd.DataFrame:
    """Return ``p50`` and ``p99`` in ms of the bets due in each second, NaN where there were none."""
    rows = answered(bets(run))
    second = np.floor(seconds(run, rows["due_ns"])).astype(np.int64)
    by_second = pd.Series(latency_ms(rows)).groupby(second)
    table = pd.DataFrame({"p50": by_second.quantile(0.5), "p99": by_second.quantile(0.99)})
    return table.reindex(range(whole_seconds(run)))


def to_deadline_s(run: Run) -> pd.DataFrame:
    """Return, for each bet that a gateway stamped, ``offset_s`` from its window's cut-off and ``accepted``."""
    rows = answered(bets(run))
    rows = rows[(rows["received_ns"] > 0) & (rows["attempts"] == 1)]
    window = History.of(run).window_rows(rows)
    rows, window = rows[window >= 0], window[window >= 0]
    closes = run.rounds["closes_ns"].to_numpy()[window]
    offset = (rows["received_ns"].to_numpy() - closes) / NS_PER_S
    table = pd.DataFrame({"offset_s": offset, "accepted": rows["outcome"].to_numpy() == Outcome.OK})
    return table[closes > 0].reset_index(drop=True)


def gateway_load(run: Run) -> dict[int, pd.DataFrame]:
    """Return ``connections`` and ``bets`` of each second, by gateway."""
    n, rows, sessions = whole_seconds(run), bets(run), run.sessions
    gateways = sorted({int(g) for g in (*rows["gateway"].unique(), *sessions["gateway"].unique()) if g >= 0})
    return {gateway: _one_gateway(run, rows, sessions, gateway, n) for gateway in gateways}


def _one_gateway(run: Run, rows: pd.DataFrame, sessions: pd.DataFrame, gateway: int, n: int) -> pd.DataFrame:
    own = sessions[sessions["gateway"] == gateway]
    ends = np.arange(1, n + 1)
    opened, closed = (np.sort(seconds(run, own[name])) for name in ("opened_ns", "closed_ns"))
    connections = np.searchsorted(opened, ends) - np.searchsorted(closed, ends)
    received = rows.loc[(rows["gateway"] == gateway) & (rows["return_ns"] > 0), "return_ns"]
    return pd.DataFrame({"connections": connections, "bets": count_per_second(run, received, n)})


def stages(run: Run) -> list[Stage]:
    """Return how long each stage of the accepted bets' way took; bets that were sent twice are left out."""
    rows = bets(run)
    rows = rows[(rows["outcome"] == int(Outcome.OK)) & (rows["attempts"] == 1)]
    stamps = sorted({name for stage in STAGES for name in stage[1:]})
    rows = rows[(rows[stamps] > 0).all(axis=1)]
    if rows.empty:
        return []
    spans = {name: (rows[end] - rows[start]).to_numpy() / NS_PER_MS for name, start, end in STAGES}
    return [Stage(name, *(float(p) for p in np.percentile(ms, (50, 99)))) for name, ms in spans.items()]


def money(run: Run, step_s: float = 0.25) -> pd.DataFrame:
    """Return how much players, house and escrow gained since the load started, and all accounts' total.

    Returns
    -------
    DataFrame
        Index: seconds since the load started. Columns ``players``, ``house``, ``escrow``, ``total``, in minor units.
        ``total`` is the absolute sum over all accounts, cash included: 0 whenever money is conserved.

    Notes
    -----
    The journal has an order and no clock. Bets, window closes and settlements are placed by the instants that the Run
    has of them; entries between are placed by interpolation over sequence numbers.
    """
    history = History.of(run)
    legs = history.legs
    at_s = seconds(run, _journal_instants(run, history, legs))
    order = np.argsort(at_s, kind="stable")
    grid = np.arange(0.0, load_end_s(run) + step_s, step_s)
    upto = np.searchsorted(at_s[order], grid, side="right")
    kind, change = kind_of_account(legs["account"].to_numpy())[order], legs["change"].to_numpy()[order]
    kinds = {"players": AccountKind.PLAYER, "house": AccountKind.HOUSE, "escrow": AccountKind.ESCROW}
    columns = {name: _gained(np.where(kind == int(of), change, 0), upto) for name, of in kinds.items()}
    total = np.concatenate([[0], np.cumsum(change)])[upto]
    return pd.DataFrame({**columns, "total": total}, index=grid)


def load_end_s(run: Run) -> float:
    """Return when the last round had ended, or the load if that was later."""
    settled = seconds(run, run.rounds["settled_ns"].max()) if len(run.rounds) else np.float64(0)
    return max(load_s(run), float(settled) + 1.0)


def _gained(change: npt.NDArray[np.int64], upto: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    total = np.concatenate([[0], np.cumsum(change)])[upto]
    gained: npt.NDArray[np.int64] = total - total[0]
    return gained


def _journal_instants(run: Run, history: History, legs: pd.DataFrame) -> npt.NDArray[np.int64]:
    known = pd.concat([_bet_instants(history), _end_instants(run, history)])
    instants = np.zeros(len(legs), dtype=np.int64)
    for shard in legs["shard"].unique():
        mine = (legs["shard"] == shard).to_numpy()
        knots = known[known["shard"] == shard].sort_values("seq")
        if not len(knots):
            continue
        ordered = np.maximum.accumulate(knots["t_ns"].to_numpy())
        before_load = run.manifest["load_start_ns"] - NS_PER_S
        seq = legs["seq"].to_numpy()[mine]
        instants[mine] = np.interp(seq, knots["seq"].to_numpy(), ordered, left=before_load)
    return instants


def _bet_instants(history: History) -> pd.DataFrame:
    rows = history.bets.frame("op", "committed_ns").merge(history.placed.frame("op", "shard", "seq"), on="op")
    rows = rows[(rows["committed_ns"] > 0)].rename(columns={"committed_ns": "t_ns"})
    sent_once = history.bets["op"][history.bets["attempts"] == 1]
    return rows.loc[rows["op"].isin(sent_once), ["shard", "seq", "t_ns"]]


def _end_instants(run: Run, history: History) -> pd.DataFrame:
    """Return the instants of the first and the last settlement entry of each round in each shard."""
    kinds = (int(EntryKind.SETTLE), int(EntryKind.VOID), int(EntryKind.SWEEP))
    ends = history.ledger[history.ledger["kind"].isin(kinds)]
    span = ends.groupby(["shard", "round"], as_index=False)["seq"].agg(["min", "max"])
    row = positions(run.rounds["round"].to_numpy(), span["round"].to_numpy())
    span, rounds = span[row >= 0], run.rounds.iloc[row[row >= 0]]
    began = rounds["result_ns"].where(rounds["result_ns"] > 0, rounds["bets_closed_ns"])
    parts = [
        pd.DataFrame({"shard": span["shard"], "seq": span[seq], "t_ns": instants.to_numpy()})
        for seq, instants in (("min", began), ("max", rounds["settled_ns"]))
    ]
    knots = pd.concat(parts)
    return knots[knots["t_ns"] > 0]


def whole_seconds(run: Run) -> int:
    """Return the number of seconds of the load, begun ones included."""
    return max(1, int(np.ceil(load_s(run))))


def count_per_second(run: Run, instants_ns: Any, n: int) -> npt.NDArray[np.int64]:
    """Count instants in each of the first `n` seconds of the load."""
    second = np.floor(seconds(run, instants_ns)).astype(np.int64)
    counts: npt.NDArray[np.int64] = np.bincount(second[(second >= 0) & (second < n)], minlength=n).astype(np.int64)
    return counts
