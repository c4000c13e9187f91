"""Bets of an invented crowd in invented time, served by the pure ledger."""

import hashlib
import heapq

import numpy as np
import pandas as pd

from histories.shape import LOAD_START_NS, MS, RETRY_NS, ROUND_S, S, Shape
from reference_impl.domain.bets import BetTiming, bet_offset_s
from reference_impl.domain.games.outcome import commitment, seeded_outcome
from reference_impl.domain.games.roulette import ROULETTE, SPOTS
from reference_impl.domain.ids import round_id, shard_of
from reference_impl.domain.journal import Bet
from reference_impl.domain.ledger import Ledger
from reference_impl.domain.limits import LOOSEN_AFTER_NS, LimitKind
from reference_impl.domain.records import print_of
from reports.columns import TABLES
from reports.run import frame_of


class Play:
    """A crowd at its tables: who bets what and when, and the ledgers that served it."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rng = np.random.default_rng(shape.seed)
        self.fault_ns = 0 if shape.fault_at_s is None else LOAD_START_NS + round(shape.fault_at_s * S)
        self.ledgers = [Ledger(shard) for shard in range(shape.shards)]
        self.queues: list[list[tuple]] = [[] for _ in range(shape.shards)]
        self.answers: dict[int, tuple] = {}
        self.limits: list[tuple[int, ...]] = []
        self.players = self._players()
        self.bets = self._bets()
        self.rounds = self._rounds()
        self._fill_queues()
        self._serve()

    def _exp(self, n: int, mean_ms: float) -> np.ndarray:
        return (self.rng.exponential(mean_ms, n) * MS).astype(np.int64)

    def _players(self) -> pd.DataFrame:
        shape = self.shape
        tables = np.repeat(np.arange(1, shape.tables + 1), shape.players)
        joined = np.tile(np.linspace(0, 2, shape.players), shape.tables)
        tables = np.append(tables, np.ones(shape.surge_players, dtype=np.int64))
        joined = np.append(joined, shape.surge_at_s + np.linspace(0, 8, shape.surge_players))
        player = np.arange(1, len(tables) + 1)
        return pd.DataFrame(
            {
                "account": player, "session": player, "table": tables,
                "joined_ns": LOAD_START_NS + (joined * S).astype(np.int64), "gateway": player % shape.gateways,
                "shard": [shard_of(int(p), shape.shards) for p in player],
            }
        )  # fmt: skip

    def _bets(self) -> pd.DataFrame:
        shape, rng, timing = self.shape, self.rng, BetTiming()
        grid = pd.DataFrame({"round_no": np.arange(1, shape.rounds + 1)})
        bets = self.players.merge(grid, how="cross")
        bets["opens_ns"] = LOAD_START_NS + ((bets["table"] * 0.7 + (bets["round_no"] - 1) * ROUND_S + 1.5) * S).astype(
            "int64"
        )
        bets["closes_ns"] = bets["opens_ns"] + 7 * S
        bets["round"] = [round_id(t, n) for t, n in zip(bets["table"], bets["round_no"], strict=True)]
        bets = bets[bets["joined_ns"] < bets["opens_ns"]]
        bets = bets.loc[bets.index.repeat(shape.bets_per_round)].reset_index(drop=True)
        n = len(bets)
        offset_s = [
            bet_offset_s(
                pick, place, 7.0, timing.repeat_share, timing.late_share, timing.repeat_mean_s, timing.late_mean_s
            )
            for pick, place in rng.uniform(0.001, 0.999, (n, 2))
        ]
        bets["due_ns"] = bets["opens_ns"] + (np.array(offset_s) * S).astype(np.int64)
        late = rng.random(n) < shape.late_share
        bets.loc[late, "due_ns"] = bets.loc[late, "closes_ns"] + rng.integers(-2 * MS, 30 * MS, int(late.sum()))
        bets["op"] = rng.permutation(n).astype(np.int64) + 1
        bets["selection"] = rng.integers(0, len(SPOTS), n)
        bets["amount"] = rng.integers(1, 20, n) * 100
        bets["invoke_ns"] = bets["due_ns"] + self._exp(n, 0.4)
        if self.fault_ns:
            bets.loc[(bets["gateway"] == 1) & (bets["invoke_ns"] > self.fault_ns), "gateway"] = 0
        self._stamp(bets)
        return self._lose_and_retry(bets)

    def _stamp(self, bets: pd.DataFrame) -> None:
        n, latency = len(bets), self.shape.latency_ms
        crowd = np.where((bets["table"] == 1) & (bets["round_no"] > 3) & (self.shape.surge_players > 0), 3.0, 1.0)
        steps = {
            "received_ns": self._exp(n, 0.3), "checked_ns": np.full(n, 20_000), "sent_ns": self._exp(n, 0.2 * latency),
            "wallet_received_ns": self._exp(n, 0.2),
            "batch_started_ns": (self._exp(n, 0.3 * latency) * crowd).astype(np.int64),
            "committed_ns": (self._exp(n, 0.3 * latency) * crowd).astype(np.int64) + MS,
            "replied_ns": self._exp(n, 0.2), "written_ns": self._exp(n, 0.05), "return_ns": self._exp(n, 0.3),
        }  # fmt: skip
        at = bets["invoke_ns"].to_numpy()
        for name, took in steps.items():
            at = at + 1000 + took
            if name == "committed_ns":
                at = self._in_order_of_arrival(bets, at)
            bets[name] = at
        bets["queue_depth"] = self.rng.integers(1, 20, n)
        bets["batch_size"] = self.rng.integers(1, 20, n)

    @staticmethod
    def _in_order_of_arrival(bets: pd.DataFrame, committed_ns: np.ndarray) -> np.ndarray:
        """Return commits in which no bet overtakes one that its gateway received earlier for the same shard."""
        rows = bets.assign(at=committed_ns).sort_values("received_ns")
        lanes = rows.groupby(["gateway", "shard"])
        place = lanes.cumcount()
        ordered = (rows["at"] - place).groupby([rows["gateway"], rows["shard"]]).cummax() + place
        return ordered.reindex(bets.index).to_numpy()

    def _lose_and_retry(self, bets: pd.DataFrame) -> pd.DataFrame:
        shape, rng, n = self.shape, self.rng, len(bets)
        lost = rng.random(n) < shape.lost_share
        retried = ~lost & (rng.random(n) < shape.retried_share)
        if self.fault_ns:
            down = (bets["gateway"] == 1) & (bets["return_ns"] > self.fault_ns)
            retried |= down.to_numpy()
        bets["attempts"] = np.where(retried, 2, 1)
        bets["lost"] = lost
        reached = rng.random(n) < 0.5
        bets["served"] = ~lost | reached
        # where the first attempt was served the ledger knows it from then; otherwise from the second attempt on
        bets["effective_ns"] = bets["committed_ns"]
        bets["judged_ns"] = bets["received_ns"]
        stamps = [name for name in bets if name.endswith("_ns") and name in STAMPS]
        bets.loc[retried, stamps] += RETRY_NS
        again = retried & ~reached
        bets.loc[again, "effective_ns"] = bets.loc[again, "committed_ns"]
        bets.loc[again, "judged_ns"] = bets.loc[again, "received_ns"]
        bets.loc[lost, "return_ns"] = 0
        return bets

    def _rounds(self) -> pd.DataFrame:
        shape, rng = self.shape, self.rng
        in_time = self.bets[self.bets["judged_ns"] < self.bets["closes_ns"]]
        last_ns = in_time.groupby("round")["effective_ns"].max()
        rows = []
        for table in range(1, shape.tables + 1):
            for no in range(1, shape.rounds + 1):
                number = round_id(table, no)
                opens = LOAD_START_NS + round((table * 0.7 + (no - 1) * ROUND_S + 1.5) * S)
                closes = opens + 7 * S
                closing = max(closes + 40 * MS, int(last_ns.get(number, 0)) + 2 * MS)
                void = bool(rng.random() < shape.void_share)
                seed = hashlib.sha256(f"seed {shape.seed} {number}".encode()).digest()
                heads = [hashlib.sha256(f"head {s} {number}".encode()).digest() for s in range(shape.shards)]
                named = ";".join(head.hex() for head in heads)
                decided = closing + 20 * MS
                result = 0 if void else decided + 2 * S
                rows.append(
                    {
                        "table": table, "round": number, "round_no": no, "opens_ns": opens, "closes_ns": closes,
                        "no_more_bets_ns": closes + MS, "closing_ns": closing, "bets_closed_ns": closing + 10 * MS,
                        "informative_ns": 0 if void else decided, "result_ns": result,
                        "ending_ns": decided + 5 * MS if void else result + 5 * MS,
                        "settled_ns": decided + 60 * MS if void else result + 80 * MS,
                        "game": "roulette",
                        "decision": "void" if void else "outcome",
                        "outcome": -1 if void else seeded_outcome(seed, heads, 37),
                        "seed": "" if void else seed.hex(), "heads": "" if void else named, "closed_heads": named,
                        "print": print_of(commitment(seed)),
                    }
                )  # fmt: skip
        return pd.DataFrame(rows)

    def _fill_queues(self) -> None:
        for row in self.players.itertuples():
            self.queues[row.shard].append((0, row.account, "deposit", row))
            for at_ns, what, kind, amount in self._wishes(row.account):
                self.queues[row.shard].append((at_ns, row.account, what, (row.account, kind, amount, at_ns)))
        for row in self.rounds.itertuples():
            for queue in self.queues:
                for at, what in ((row.opens_ns - 5 * MS, "open"), (row.closing_ns, "close"), (row.ending_ns, "end")):
                    queue.append((at, row.round, what, row))
        for row in self.bets[self.bets["served"]].itertuples():
            self.queues[row.shard].append((row.effective_ns, row.op, "bet", row))

    def _serve(self) -> None:
        for ledger, queue in zip(self.ledgers, self.queues, strict=True):
            heapq.heapify(queue)
            while queue:
                _, _, what, row = heapq.heappop(queue)
                getattr(self, f"_{what}")(ledger, row)

    def _deposit(self, ledger: Ledger, row) -> None:
        ledger.deposit(_ref(1, row.account), row.account, self.shape.deposit_minor)

    def _wishes(self, account: int) -> list[tuple]:
        """Return limits that a player sets: who has one asks for a looser one later, which waits for a day."""
        kind, amount = (
            (LimitKind.STAKE, self.shape.stake_limit_minor),
            (LimitKind.LOSS_DAY, self.shape.loss_limit_minor),
            (LimitKind.STAKE, 0),
        )[account % 3]
        if not amount:
            return []
        return [
            (1, "limit", kind, 2 * amount), (2, "limit", kind, amount),
            (LOAD_START_NS + 10 * S, "limit", kind, 3 * amount),
        ]  # fmt: skip

    def _limit(self, ledger: Ledger, wish) -> None:
        account, kind, amount, at_ns = wish
        answer = ledger.set_limit(_ref(4, at_ns << 8 | account), account, kind, amount, at_ns, at_ns + LOOSEN_AFTER_NS)
        limit = ledger.limits[account, kind]
        waits = (limit.next_amount or 0, limit.next_from_ns or 0)
        self.limits.append((ledger.shard, answer.seq, account, int(kind), amount, limit.amount, *waits, at_ns))

    def _limits(self) -> pd.DataFrame:
        rows = np.array(self.limits, dtype=np.int64).reshape(-1, len(TABLES["limits"]))
        return frame_of("limits", dict(zip(TABLES["limits"], rows.T, strict=True)))

    def _open(self, ledger: Ledger, row) -> None:
        ledger.open_window(_ref(2, row.round), row.round, 0, row.closing_ns + S)

    def _close(self, ledger: Ledger, row) -> None:
        ledger.close_window(_ref(3, row.round), row.round, 0)

    def _bet(self, ledger: Ledger, row) -> None:
        late = row.judged_ns >= row.closes_ns
        bet = Bet(_ref(0, row.op), row.account, row.round, 0, row.selection, row.amount, late)
        self.answers[row.op] = (ledger.shard, *ledger.place([bet], row.effective_ns)[0])

    def _end(self, ledger: Ledger, row) -> None:
        if row.decision == "void":
            ledger.void(row.round)
            return
        bets = ledger.unsettled(row.round)
        selections, amounts = (np.array([getattr(b, n) for b in bets], dtype=np.int64) for n in ("selection", "amount"))
        pays = ROULETTE.payouts_minor(selections, amounts, row.outcome)
        ledger.settle(row.round, [(b.ref, b.account, int(p)) for b, p in zip(bets, pays, strict=True)])


STAMPS = [
    "received_ns", "checked_ns", "sent_ns", "wallet_received_ns", "batch_started_ns", "committed_ns", "replied_ns",
    "written_ns", "return_ns",
]  # fmt: skip


def _ref(kind: int, number: int) -> bytes:
    return kind.to_bytes(8) + (number + (kind << 56)).to_bytes(8)
