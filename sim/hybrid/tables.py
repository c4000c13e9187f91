"""What was seen of the players who are followed, as tables of a Run."""

from typing import Any

import numpy as np
import pandas as pd

from reference_impl.domain.money import Currency
from reference_impl.domain.records import OpKind
from reports.run import frame_of
from sim.arrivals import DRAWS_PER_ROUND
from sim.hybrid import layout
from sim.hybrid.gateways import Frame
from sim.hybrid.layout import World
from sim.observations import Observations, PlacementSeen, SessionSeen
from sim.operations import COUNTER_BITS, WINDOW

_STAMPS = (
    "received_ns", "checked_ns", "sent_ns", "wallet_received_ns", "batch_started_ns", "committed_ns", "replied_ns",
    "written_ns", "queue_depth", "batch_size",
)  # fmt: skip


def ops_frame(w: World, weight: float, chosen: Any) -> pd.DataFrame:
    """Return the operations of followed players, in the order in which they were due.

    Parameters
    ----------
    w : World
        The world at the end.
    weight : float
        How many players one of the chosen stands for; the others stand for nobody.
    chosen : array of bool, shape (players + 1,)
        Who was chosen by the draw.
    """
    free = np.zeros(len(w.bets), dtype=bool)
    free[w.free_bets[: w.counts[layout.FREE_BETS]]] = True
    rows = np.flatnonzero(~free)
    rows = rows[w.players["followed"][w.bets["player"][rows]] > 0]
    bets = w.bets[rows]
    order = np.lexsort((bets["number"], bets["player"], bets["due_ns"]))
    bets = bets[order]
    is_bet = bets["kind"] == int(OpKind.BET)
    answered = is_bet & (bets["placed"] > 0) & (bets["return_ns"] > 0)
    player = bets["player"].astype(np.int64)
    stamped = bets["last"] >= 0
    attempts = w.attempts[np.maximum(bets["last"], 0)]
    columns: dict[str, Any] = {
        "op": player << COUNTER_BITS | bets["number"],
        "kind": bets["kind"],
        "attempts": bets["attempts"],
        "session": player,
        "connection": bets["connection"],
        "gateway": bets["gateway"],
        "account": player,
        "currency": np.full(len(bets), int(Currency.EUR)),
        "table": w.players["table"][player] + 1,
        "round": np.where(is_bet, round_ids(w, bets), 0),
        "window": np.full(len(bets), WINDOW),
        "selection": bets["selection"],
        "amount": bets["amount"],
        "due_ns": bets["due_ns"],
        "invoke_ns": bets["invoke_ns"],
        "return_ns": bets["return_ns"],
        "kernel_ns": bets["return_ns"],
        "outcome": bets["outcome"],
        "status": np.where(answered, bets["placed"], 0),
        "balance": np.where(answered, bets["balance"], 0),
        "version": np.where(answered, bets["version"], 0),
        "shard": np.where(answered, w.players["shard"][player], -1),
        "seq": np.where(answered, bets["seq"], 0),
        "timelines": stamped & is_bet & (attempts["written_ns"] > 0),
        "weight": np.where(chosen[player], weight, 0.0),
    }
    for name in _STAMPS:
        columns[name] = np.where(stamped & is_bet, attempts[name], 0)
    return frame_of("ops", columns)


def round_ids(w: World, bets: Any) -> Any:
    """Return the rounds of bets: the table, and the round's number, by which the bet's draws are counted."""
    return (w.players["table"][bets["player"]].astype(np.int64) + 1) << 32 | bets["draw"] // DRAWS_PER_ROUND


def pushes_frame(w: World, frames: list[Frame]) -> pd.DataFrame:
    """Return what was pushed to followed players."""
    seen = w.seen[: w.counts[layout.SEEN_N]]
    seen = seen[seen["kind"] == layout.SEEN_PUSH]
    named = {name: np.array([getattr(frame, name) for frame in frames], dtype=np.int64) for name in Frame._fields}
    which = seen["a"]
    return frame_of(
        "pushes",
        {
            "session": seen["player"],
            "connection": seen["c"],
            **{name: values[which] if len(frames) else which for name, values in named.items()},
            "media_ns": np.zeros(len(seen), dtype=np.int64),
            "kernel_ns": seen["at_ns"],
            "app_ns": seen["at_ns"],
        },
    )


def sightings(w: World, observations: Observations) -> None:
    """Hand what was seen of sessions and placements over."""
    seen = w.seen[: w.counts[layout.SEEN_N]]
    for row in seen[seen["kind"] == layout.SEEN_SESSION].tolist():
        _, player, at_ns, gateway, opened_ns, connection, code = row
        table = int(w.players["table"][player]) + 1
        observations.sessions.append(
            SessionSeen(player, connection, gateway, table, player, opened_ns, at_ns, int(code))
        )
    for row in seen[seen["kind"] == layout.SEEN_PLACEMENT].tolist():
        _, player, at_ns, chosen, alternatives, table, load = row
        observations.placements.append(
            PlacementSeen(at_ns, player, table + 1, "gateway", f"gateway-{chosen}", chosen, load, alternatives)
        )
