"""The tables that tell of money and messages."""

import numpy as np
import pandas as pd

from histories.play import STAMPS, Play
from histories.shape import EUR, LOAD_START_NS, MS, S
from reference_impl.domain.bets import Slot
from reference_impl.domain.phases import Phase
from reference_impl.domain.records import OpKind, Outcome, PushKind
from reports.orders import first_deposits
from reports.run import frame_of


class Told(Play):
    """What the players, the ledger and the audit trail say of it."""

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
        bets.loc[~bets["served"], [*STAMPS[:-1], "queue_depth", "batch_size"]] = 0
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
        renamed = {"epoch": told, "seq": rows["number"], "commitment": promised, "media_ns": rows["at_ns"]}
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
    "batch_size", "weight", "timelines", *STAMPS,
)  # fmt: skip
