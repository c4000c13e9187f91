"""Truthful small Runs for tests: the pure ledger serves bets of an invented crowd in invented time."""

from pathlib import Path

import pandas as pd

from histories.beside import Beside
from histories.shape import DEMO, EUR, LOAD_START_NS, MS, PART_NS, RETRY_NS, ROUND_S, SMALL, S, Shape
from reference_impl.domain.games.roulette import SPOTS
from reference_impl.domain.ids import account_kind
from reports.run import Run, manifest_base, write_run

__all__ = [
    "DEMO",
    "EUR",
    "LOAD_START_NS",
    "MS",
    "PART_NS",
    "RETRY_NS",
    "ROUND_S",
    "S",
    "Shape",
    "make_manifest",
    "make_tables",
    "player_entries",
    "write_history",
]


def make_tables(shape: Shape = SMALL) -> dict[str, pd.DataFrame]:
    """Return all tables of a clean history."""
    return _Story(shape).tell()


def make_manifest(shape: Shape, kind: str = "measured", **facts) -> dict:
    scenario = {
        "tables": shape.tables, "gateways": shape.gateways, "shards": shape.shards, "load_s": shape.load_s,
        "players_per_table": shape.players, "viewers_per_table": shape.viewers, "edges": shape.edges,
        "seed": shape.seed, "surges": [], "faults": [],
    }  # fmt: skip
    if shape.surge_players:
        factor = 1 + shape.surge_players / shape.players
        scenario["surges"] = [{"table": 1, "at_s": shape.surge_at_s, "within_s": 8.0, "factor": factor}]
    campaign = {
        "name": "demo", "description": "Two tables, a surge and a killed gateway.", "scenario": scenario,
        "slo": ["bet.p99_ms <= 250", "bet.unknown_share <= 0"], "health": {"lag_p99_ms_max": 50.0}, "skippable": [],
    }  # fmt: skip
    end_ns = LOAD_START_NS + round(shape.load_s * S)
    limits = {"stake_minor_min": 1, "stake_minor_max": 100_000, "n_selections": len(SPOTS)}
    facts = {
        "limits": limits,
        "clock_offsets": {"error_ns": 0},
        "load_start_ns": LOAD_START_NS,
        "load_end_ns": end_ns,
        "started_unix_ns": 1_790_000_000 * S,
        **facts,
    }
    return manifest_base(kind=kind, name="demo", campaign=campaign, seed=shape.seed, **facts)


def write_history(path: Path, shape: Shape = SMALL, kind: str = "measured", **facts) -> Run:
    """Write a clean history as a Run."""
    return write_run(path, make_manifest(shape, kind, **facts), make_tables(shape))


class _Story(Beside):
    def tell(self) -> dict[str, pd.DataFrame]:
        return {
            "ops": self._ops(), "pushes": self._pushes(), "rounds": self._rounds_table(), "ledger": self._ledger(),
            "accounts": self._accounts(), "limits": self._limits(), "orders": self._orders(), "audit": self._audit(),
            "nodes": self._nodes(), "resources": self._resources(), "sessions": self._sessions(),
            "generator": self._generator(), "faults": self._faults(), "video": self._video(),
            "glass": self._glass(), "drops": self._drops(), "placements": self._placements(),
        }  # fmt: skip


def player_entries(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the journal entries of players."""
    return ledger[[account_kind(int(a)) == 0 for a in ledger["account"]]]
