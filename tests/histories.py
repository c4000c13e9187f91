"""Truthful small Runs for tests: the pure ledger serves bets of an invented crowd in invented time."""

import hashlib
import heapq
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reference_impl.domain.bets import BetTiming, Slot, bet_offset_s
from reference_impl.domain.game_round import Phase
from reference_impl.domain.games.outcome import commitment, seeded_outcome
from reference_impl.domain.games.roulette import ROULETTE, SPOTS
from reference_impl.domain.ids import account_kind, round_id, shard_of
from reference_impl.domain.ledger import Bet, Ledger
from reference_impl.domain.limits import LOOSEN_AFTER_NS, LimitKind
from reference_impl.domain.records import OpKind, Outcome, PushKind, print_of
from reports.columns import TABLES
from reports.orders import first_deposits
from reports.run import Run, frame_of, manifest_base, write_run

MS = 1_000_000
S = 1_000_000_000
LOAD_START_NS = 5_000 * S
EUR = 978
ROUND_S = 12.0
RETRY_NS = 3 * S
PART_NS = 320 * MS


@dataclass(frozen=True)
class Shape:
    """What kind of history is made."""

    seed: int = 1
    tables: int = 2
    rounds: int = 3
    players: int = 8
    viewers: int = 3
    edges: int = 2
    surge_players: int = 0
    bets_per_round: int = 2
    shards: int = 2
    gateways: int = 2
    void_share: float = 0.0
    lost_share: float = 0.0
    retried_share: float = 0.0
    late_share: float = 0.05
    deposit_minor: int = 100_000
    latency_ms: float = 4.0
    stake_limit_minor: int = 0
    loss_limit_minor: int = 0
    fault_at_s: float | None = None
    surge_at_s: float = 25.0

    @property
    def load_s(self) -> float:
        return self.rounds * ROUND_S + 2.0


DEMO = Shape(
    rounds=6, players=100, surge_players=200, bets_per_round=3, retried_share=0.001, void_share=0.0, fault_at_s=43.0
)
"""As the demonstration campaign: two tables, six rounds, two gateways, a surge and a killed gateway."""


def make_tables(shape: Shape = Shape()) -> dict[str, pd.DataFrame]:
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


def write_history(path: Path, shape: Shape = Shape(), kind: str = "measured", **facts) -> Run:
    """Write a clean history as a Run."""
    return write_run(path, make_manifest(shape, kind, **facts), make_tables(shape))


class _Story:
    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rng = np.random.default_rng(shape.seed)
        self.fault_ns = 0 if shape.fault_at_s is None else LOAD_START_NS + round(shape.fault_at_s * S)
        self.ledgers = [Ledger(shard) for shard in range(shape.shards)]
        self.queues: list[list[tuple]] = [[] for _ in range(shape.shards)]
        self.answers: dict[int, tuple] = {}
        self.limits: list[tuple[int, ...]] = []

    def tell(self) -> dict[str, pd.DataFrame]:
        self.players = self._players()
        self.bets = self._bets()
        self.rounds = self._rounds()
        self._fill_queues()
        self._serve()
        return {
            "ops": self._ops(), "pushes": self._pushes(), "rounds": self._rounds_table(), "ledger": self._ledger(),
            "accounts": self._accounts(), "limits": self._limits(), "orders": self._orders(), "audit": self._audit(),
            "nodes": self._nodes(), "sessions": self._sessions(),
            "generator": self._generator(), "faults": self._faults(), "video": self._video(),
            "glass": self._glass(), "placements": self._placements(),
        }  # fmt: skip

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
        stamps = [name for name in bets if name.endswith("_ns") and name in _STAMPS]
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

    def _ops(self) -> pd.DataFrame:
        bets = self.bets.copy()
        columns = [
            self.answers.get(op, (-1, 0, 0, 0, 0)) if not lost else (-1, 0, 0, 0, 0)
            for op, lost in zip(bets["op"], bets["lost"], strict=True)
        ]
        bets[["shard", "status", "balance", "version", "seq"]] = np.array(columns, dtype=np.int64).reshape(-1, 5)
        bets["outcome"] = np.where(
            bets["lost"], Outcome.UNKNOWN, np.where(bets["status"] == 1, Outcome.OK, Outcome.REJECTED)
        )
        bets.loc[~bets["served"], [*_STAMPS[:-1], "queue_depth", "batch_size"]] = 0
        bets["kind"] = int(OpKind.BET)
        bets["connection"] = (
            ((bets["invoke_ns"] > self.fault_ns) & (bets["account"] % self.shape.gateways == 1)).astype(int)
            if self.fault_ns
            else 0
        )
        logins = [self._greeting(kind, lag) for kind, lag in ((OpKind.LOGIN, 40.0), (OpKind.CONNECT, 8.0))]
        ops = pd.concat([bets, *logins], ignore_index=True).fillna(0)
        ops["currency"], ops["weight"] = EUR, 1.0
        ops["timelines"] = (ops["written_ns"] > 0).astype(int)
        return frame_of("ops", {name: ops[name] for name in _OP_COLUMNS})

    def _greeting(self, kind: OpKind, mean_ms: float) -> pd.DataFrame:
        n = len(self.players)
        rows = self.players[["account", "session", "table", "gateway"]].copy()
        rows["op"] = 10**9 * int(kind) + np.arange(n)
        rows["kind"], rows["attempts"], rows["outcome"], rows["shard"] = int(kind), 1, int(Outcome.OK), -1
        rows["due_ns"] = self.players["joined_ns"] - (100 - 40 * int(kind)) * MS
        rows["invoke_ns"] = rows["due_ns"] + self._exp(n, 0.4)
        rows["return_ns"] = rows["invoke_ns"] + self._exp(n, mean_ms)
        return rows

    def _events(self) -> pd.DataFrame:
        """Return the tables' events, numbered."""
        phases = {
            Phase.BETS_OPEN: "opens_ns", Phase.NO_MORE_BETS: "no_more_bets_ns", Phase.BETS_CLOSED: "bets_closed_ns",
            Phase.RESULT: "result_ns", Phase.SETTLED: "settled_ns",
        }  # fmt: skip
        parts = [self.rounds.assign(phase=int(phase), at_ns=self.rounds[name]) for phase, name in phases.items()]
        events = pd.concat(parts, ignore_index=True)
        events = events[events["at_ns"] > 0].sort_values("at_ns")
        void = (events["phase"] == int(Phase.SETTLED)) & (events["decision"] == "void")
        events.loc[void, "phase"] = int(Phase.VOIDED)
        told = events["phase"] >= int(Phase.RESULT)
        events["outcome"] = np.where(told, events["outcome"], -1)
        events["told_seed"] = told & ~void
        events["number"] = events.groupby("table").cumcount() + 1
        return events[["table", "round", "phase", "outcome", "told_seed", "number", "at_ns"]]

    def _pushes(self) -> pd.DataFrame:
        events = self._events()
        news = self.players.drop(columns="gateway").merge(events, on="table")
        news = news[news["joined_ns"] < news["at_ns"]]
        news["app_ns"] = news["at_ns"] + self._exp(len(news), 1.0)
        news = news.sort_values(["session", "number"])
        news["app_ns"] = news.groupby("session")["app_ns"].cummax()
        news = self._reconnected(news.assign(kind=int(PushKind.TABLE)))
        rows = pd.concat([self._welcomes(events), news, self._payments()], ignore_index=True).fillna({"outcome": -1})
        rows = rows.fillna(0).sort_values(["app_ns", "session"], kind="stable")
        columns = {name: rows[name] for name in _PUSH_COLUMNS}
        told = (rows["kind"] != int(PushKind.PAID)) & (rows["round"] > 0)
        prints = dict(zip(self.rounds["round"], self.rounds["print"], strict=True))
        promised = np.array([prints.get(int(r), 0) for r in rows["round"]], dtype=np.int64) * told.to_numpy()
        renamed = {"epoch": told, "seq": rows["number"], "commitment": promised}
        return frame_of("pushes", columns | renamed | {"seed": promised * rows["told_seed"].to_numpy(dtype=np.int64)})

    def _reconnected(self, news: pd.DataFrame) -> pd.DataFrame:
        """Number connections; who sat at the killed gateway hears nothing until back."""
        if not self.fault_ns:
            return news.assign(connection=0)
        sat = (news["account"] % self.shape.gateways == 1) & (news["joined_ns"] < self.fault_ns)
        away = sat & news["app_ns"].between(self.fault_ns, self.fault_ns + 400 * MS)
        return news.assign(connection=(sat & (news["app_ns"] > self.fault_ns)).astype(int))[~away]

    def _welcomes(self, events: pd.DataFrame) -> pd.DataFrame:
        welcomes = self.players.assign(
            app_ns=self.players["joined_ns"], kind=int(PushKind.WELCOME), balance=self.shape.deposit_minor,
            version=int(self.shape.deposit_minor > 0), connection=0,
        )  # fmt: skip
        known = pd.merge_asof(
            welcomes.sort_values("app_ns"), events[["table", "at_ns", "number", "round", "phase", "outcome"]],
            left_on="app_ns", right_on="at_ns", by="table",
        )  # fmt: skip
        return known.assign(phase=known["phase"].fillna(0))

    def _payments(self) -> pd.DataFrame:
        ending_ns = self.rounds.set_index("round")["ending_ns"]
        rows = [
            (e.account, int.from_bytes(e.ref[8:]), e.amount, e.balance_after, e.version, e.round_id)
            for ledger in self.ledgers
            for e in ledger.journal
            if e.slot == Slot.TERMINAL
        ]
        names = ["session", "op", "amount", "balance", "version", "round"]
        paid = pd.DataFrame(np.array(rows, dtype=np.int64).reshape(-1, 6), columns=names)
        told_ns = ending_ns.reindex(paid["round"]).to_numpy() + self._exp(len(paid), 2.0)
        tables = self.players.set_index("session")["table"].reindex(paid["session"]).to_numpy()
        back = (paid["session"] % self.shape.gateways == 1) & (told_ns > self.fault_ns) & (self.fault_ns > 0)
        return paid.assign(app_ns=told_ns, table=tables, kind=int(PushKind.PAID), connection=back.astype(int))

    def _orders(self) -> pd.DataFrame:
        return first_deposits(self.players["account"].to_list(), self.shape.deposit_minor)

    def _audit(self) -> pd.DataFrame:
        ledger = self._ledger()
        return frame_of("audit", {**ledger, "batch": ledger["seq"], "linked": np.ones(len(ledger))})

    def _rounds_table(self) -> pd.DataFrame:
        own = {"closing_ns", "ending_ns", "print"}
        columns = {name: self.rounds[name] for name in self.rounds if name not in own}
        seqs = [[ledger.windows[r, 0] for ledger in self.ledgers] for r in self.rounds["round"]]
        columns["opened_seqs"] = [[w.opened_seq for w in row] for row in seqs]
        columns["accept_until_ns"] = [[w.accept_until_ns for w in row] for row in seqs]
        columns["closed_seqs"] = [[w.closed_seq for w in row] for row in seqs]
        return frame_of("rounds", {**columns, "epoch": np.ones(len(seqs))})

    def _ledger(self) -> pd.DataFrame:
        rows = [
            (ledger.shard, e.seq, int.from_bytes(e.ref[8:]), e.slot, e.kind, e.status, e.account, e.counter, e.amount,
             e.balance_after, e.version, e.round_id, e.window, e.selection)
            for ledger in self.ledgers
            for e in ledger.journal
        ]  # fmt: skip
        return frame_of("ledger", dict(zip(_LEDGER_COLUMNS, np.array(rows, dtype=np.int64).T, strict=True)))

    def _accounts(self) -> pd.DataFrame:
        rows = [
            (ledger.shard, number, EUR, account.balance, account.version)
            for ledger in self.ledgers
            for number, account in sorted(ledger.accounts.items())
        ]
        names = ("shard", "account", "currency", "balance", "version")
        return frame_of("accounts", dict(zip(names, np.array(rows, dtype=np.int64).T, strict=True)))

    def _sessions(self) -> pd.DataFrame:
        end_ns = LOAD_START_NS + round(self.shape.load_s * S)
        rows = self.players.assign(opened_ns=self.players["joined_ns"], closed_ns=end_ns, close_code=1000, connection=0)
        if self.fault_ns:
            hit = (rows["gateway"] == 1) & (rows["opened_ns"] < self.fault_ns)
            back = rows[hit].assign(gateway=0, connection=1, opened_ns=self.fault_ns + 400 * MS)
            rows.loc[hit, ["closed_ns", "close_code"]] = [self.fault_ns, 1006]
            rows = pd.concat([rows, back], ignore_index=True)
        names = ("session", "connection", "gateway", "table", "account", "opened_ns", "closed_ns", "close_code")
        return frame_of("sessions", {name: rows[name] for name in names})

    def _nodes(self) -> pd.DataFrame:
        seconds = np.arange(int(self.shape.load_s))
        names = [f"gateway-{g}" for g in range(self.shape.gateways)] + [f"wallet-{s}" for s in range(self.shape.shards)]
        t_ns = np.tile(LOAD_START_NS + seconds * S, len(names))
        node = np.repeat(names, len(seconds))
        cpu = np.tile(seconds, len(names)) * 200 * MS
        return frame_of("nodes", {"t_ns": t_ns, "node": node, "pid": np.full(len(node), 100), "cpu_ns": cpu})

    def _generator(self) -> pd.DataFrame:
        seconds = np.arange(int(self.shape.load_s))
        lag = self._exp(len(seconds), 3.0)
        return frame_of(
            "generator",
            {"t_ns": LOAD_START_NS + seconds * S, "users": np.full(len(seconds), len(self.players)), "lag_ns_max": lag,
             "cpu_ns": seconds * 150 * MS, "ops": seconds * 20},
        )  # fmt: skip

    def _video(self) -> pd.DataFrame:
        """Each viewer fetches a playlist and a part every 320 ms; one stalls for 0.8 s."""
        shape, rng = self.shape, np.random.default_rng(self.shape.seed + 1000)
        n = int(shape.load_s * S // PART_NS) - 10
        rows = []
        for index in range(shape.tables * shape.viewers):
            media = LOAD_START_NS + (np.arange(n) + 1) * PART_NS + 40 * MS * (index % 3)
            arrived = media + 20 * MS + (rng.exponential(self.shape.latency_ms, n) * MS).astype(np.int64)
            place = 10_000_000 + np.arange(n)
            part = pd.DataFrame(
                {
                    "msn": place // 6,
                    "part": place % 6,
                    "media_ns": media,
                    "end_ns": arrived,
                    "kind": 4,
                    "bytes": rng.integers(20_000, 40_000, n),
                    "cache": np.where(rng.random(n) < 0.8, 1, 3),
                }
            )
            part["start_ns"] = part["due_ns"] = media - 250 * MS
            part["first_byte_ns"] = arrived - MS
            part["latency_ms"], part["buffer_ms"], part["stalled_ms"] = 980 + rng.integers(0, 30, n), 700, 0
            if index == 0 and n > 40:
                part.loc[40, "stalled_ms"] = 800
            playlist = part.assign(kind=2, end_ns=part["end_ns"] + MS, bytes=1500, media_ns=0, stalled_ms=0)
            rows.append(
                pd.concat([part, playlist]).assign(
                    viewer=10_000 + index, table=1 + index // shape.viewers, edge=index % shape.edges
                )
            )
        if not rows:
            return frame_of("video", {})
        video = pd.concat(rows, ignore_index=True).sort_values(["viewer", "end_ns"], ignore_index=True)
        return frame_of("video", {**video, "status": np.full(len(video), 200), "rendition": np.ones(len(video))})

    def _glass(self) -> pd.DataFrame:
        n = int(self.shape.load_s // 2) if self.shape.viewers else 0
        captured = LOAD_START_NS + np.arange(n) * 2 * S
        return frame_of(
            "glass",
            {
                "viewer": np.full(n, 10_000),
                "table": np.ones(n),
                "captured_ns": captured,
                "arrived_ns": captured + 330 * MS,
                "shown_ns": captured + 1000 * MS,
            },
        )

    def _placements(self) -> pd.DataFrame:
        players = self.players
        n = len(players)
        return frame_of(
            "placements",
            {
                "t_ns": players["joined_ns"],
                "session": players["session"],
                "table": players["table"],
                "what": ["gateway"] * n,
                "chosen": [f"gateway-{g}" for g in players["gateway"]],
                "number": players["gateway"],
                "load": np.arange(n) / 2.0,
                "alternatives": np.full(n, self.shape.gateways),
            },
        )

    def _faults(self) -> pd.DataFrame:
        if not self.fault_ns:
            return frame_of("faults", {})
        at = self.fault_ns
        return frame_of(
            "faults",
            {"t_ns": [at], "kind": ["kill"], "target": ["gateway-1"], "detected_ns": [at + 30 * MS],
             "recovered_ns": [at + 900 * MS]},
        )  # fmt: skip


_STAMPS = [
    "received_ns", "checked_ns", "sent_ns", "wallet_received_ns", "batch_started_ns", "committed_ns", "replied_ns",
    "written_ns", "return_ns",
]  # fmt: skip
_LEDGER_COLUMNS = (
    "shard", "seq", "op", "slot", "kind", "status", "account", "counter", "amount", "balance_after", "version",
    "round", "window", "selection",
)  # fmt: skip
_PUSH_COLUMNS = (
    "session", "connection", "table", "kind", "round", "phase", "outcome", "op", "amount", "balance", "version",
    "app_ns",
)  # fmt: skip
_OP_COLUMNS = (
    "op", "kind", "attempts", "session", "connection", "gateway", "account", "currency", "table", "round", "selection",
    "amount", "due_ns", "invoke_ns", "outcome", "status", "balance", "version", "shard", "seq", "queue_depth",
    "batch_size", "weight", "timelines", *_STAMPS,
)  # fmt: skip


def _ref(kind: int, number: int) -> bytes:
    return kind.to_bytes(8) + (number + (kind << 56)).to_bytes(8)


def player_entries(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the journal entries of players."""
    return ledger[[account_kind(int(a)) == 0 for a in ledger["account"]]]
