"""Bugs of one shard's ledger: the wallet's SQL, its writer and its steps."""

from zoo.bug import DATABASE, Bug

_SQL = "reference_impl/wallet/functions/"
_JOURNAL, _BETS, _CASH, _ROUNDS, _ENDS, _LIMITS = (
    f"{_SQL}{name}.sql" for name in ("1_journal", "2_bets", "3_cash", "4_rounds", "5_ends", "6_limits")
)
_WRITER, _SERVICE = "reference_impl/wallet/writer.py", "reference_impl/wallet/service.py"

LEDGER_BUGS = (
    Bug(
        "lost update: a second deposit overwrites the balance",
        _CASH,
        (("SET balance = a.balance + req.amount", "SET balance = req.amount"),),
        "account_chains",
    ),
    Bug(
        "lost update: the cash account forgets what it paid before",
        _CASH,
        (("SET balance = a.balance - t.paid", "SET balance = -t.paid"),),
        "conservation",
    ),
    Bug(
        "stale balance on record: the balance before a bet counts as the one after it",
        _JOURNAL,
        (("RETURNING a.id, a.balance - t.change AS balance", "RETURNING a.id, a.balance"),),
        "account_chains",
    ),
    Bug(
        "stale balance in answers: the balance before the bet",
        _BETS,
        (
            (
                "h.seq + n);\n        RETURN;",
                "h.seq + n); balance := ARRAY(SELECT b + a FROM unnest(balance, p_amount) t (b, a)); RETURN;",
            ),
        ),
        "acknowledged_is_durable",
    ),
    Bug(
        "swapped gateways: answers of a merged batch go out in the wrong order",
        _WRITER,
        (("name) for waiting in taken", "name) for waiting in reversed(taken)"),),
        "acknowledged_is_durable",
    ),
    Bug(
        "double settle: a payout has an id of its own, so nobody sees that it was made",
        _ENDS,
        (
            (
                "SELECT account, ref, 1, h.seq + ord",
                "SELECT account, CASE p_kind WHEN 5 THEN gen_random_uuid() ELSE ref END, 1, h.seq + ord",
            ),
            (
                "r.escrow, r.stakes, r.stakes, p_round)",
                "r.escrow, 0, 0, p_round)",
            ),
        ),
        "settled_once",
    ),
    Bug(
        "settle and void: a dealer is told what it wished and not what is on record",
        _ROUNDS,
        (("void := d.void; outcome := d.outcome;", "void := p_void; outcome := p_outcome;"),),
        "settled_once",
    ),
    Bug(
        "late accept: the gateway's judgement is ignored",
        _BETS,
        (("WHEN t.late OR b.closed_seq IS NOT NULL", "WHEN b.closed_seq IS NOT NULL"),),
        "no_late_bet",
    ),
    Bug(
        "late accept: the close entry is ignored",
        _BETS,
        (("WHEN t.late OR b.closed_seq IS NOT NULL OR", "WHEN t.late OR"),),
        "no_late_bet",
    ),
    Bug(
        "early reject: the shard's clock ends the window a minute too soon",
        _BETS,
        (
            (
                "OR v_now >= b.accept_until THEN 3",
                "OR v_now >= b.accept_until - interval '1 minute' THEN 3",
            ),
        ),
        "no_early_rejection",
    ),
    Bug(
        "rounding: payouts lose their last digit in the database",
        _ENDS,
        (("array_agg(s.payout ORDER BY s.ord)", "array_agg(s.payout / 10 * 10 ORDER BY s.ord)"),),
        "settled_once",
    ),
    Bug(
        "rounding: payouts are computed on stakes in coins of five",
        _SERVICE,
        (("payouts_minor(selections, stakes, ", "payouts_minor(selections, stakes // 5 * 5, "),),
        "settled_once",
    ),
    Bug(
        "wrong outcome: the next pocket wins",
        _SERVICE,
        (("payouts_minor(selections, stakes, self._ask.outcome)",
          "payouts_minor(selections, stakes, (self._ask.outcome + 1) % 37)"),),
        "settled_once",
    ),
    Bug(
        "lost bet: a settlement skips a bet between two chunks",
        _SERVICE,
        (('self._after_seq = bets[-1]["seq"]', 'self._after_seq = bets[-1]["seq"] + 1'),),
        "settled_once",
    ),
    Bug(
        "short void: stakes come back less one cent",
        _ENDS,
        (("array_agg(amount ORDER BY seq)", "array_agg(amount - 1 ORDER BY seq)"),),
        "settled_once",
    ),
    Bug(
        "open void: bets are taken after their round was voided",
        _SERVICE,
        (('await _close_window(db, m.CloseWindow(ask.round_id, row["win"], ask.epoch))', "log.debug(row)"),),
        "no_late_bet",
    ),
    Bug(
        "escrow not swept: the first stake of each chunk stays behind",
        _ENDS,
        (("sum(stake)::bigint AS stakes", "(sum(stake) - (array_agg(stake))[1])::bigint AS stakes"),),
        "non_negative",
    ),
    Bug(
        "escrow swept on paper only: the entry is written and no money moves",
        _ENDS,
        (("r.escrow, r.stakes, r.stakes, p_round)", "r.escrow, r.stakes, 0, p_round)"),),
        "conservation",
    ),
    Bug(
        "rejected bet debited: a late bet costs its stake",
        _BETS,
        (("CASE verdict WHEN 1 THEN -amount ELSE 0 END", "CASE WHEN verdict IN (1, 3) THEN -amount ELSE 0 END"),),
        "account_chains",
    ),
    Bug(
        "version not bumped: a batch counts as one change",
        _JOURNAL,
        (("balance = a.balance + t.change, version = a.version + t.k",
          "balance = a.balance + t.change, version = a.version + 1"),),
        "account_chains",
    ),
    Bug(
        "wrong counter account: stakes are booked to the house and lie in escrow",
        _BETS,
        (("SELECT account, ref, 0, t.seq, 3, 1, escrow_of(round, account)",
          "SELECT account, ref, 0, t.seq, 3, 1, house_of(h.shard)"),),
        "conservation",
    ),
    Bug(
        "wrong counter account: the house returns a cancelled stake, and escrow keeps it",
        _BETS,
        (("a.id, p_ref[i], 1, 4, 1, b.counter", "a.id, p_ref[i], 1, 4, 1, house_of(h.shard)"),),
        "non_negative",
    ),
    Bug(
        "chain gap: a batch's entries are numbered one too high",
        _BETS,
        (("generate_series(h.seq + 1, h.seq + n)", "generate_series(h.seq + 2, h.seq + n + 1)"),),
        "account_chains",
    ),
    Bug(
        "chain gap: rejections are numbered and not written",
        _BETS,
        (("WHERE (verdict BETWEEN 1 AND 4 OR verdict > 10) ORDER BY ord", "WHERE verdict = 1 ORDER BY ord"),),
        "acknowledged_is_durable",
    ),
    Bug(
        "replay without idempotency: a bet sent again moves money again",
        _BETS,
        (("AS selection) t;\n        EXCEPTION", "AS selection) t ON CONFLICT DO NOTHING;\n        EXCEPTION"),),
        "account_chains",
    ),
    Bug(
        "replay with another answer: a bet sent again shows today's balance",
        _BETS,
        (("status[r.ord] := r.status; balance[r.ord] := r.balance_after;", "status[r.ord] := r.status;"),),
        "acknowledged_is_durable",
    ),
    Bug(
        "twin without a number: a bet that is twice in a batch loses its place",
        _BETS,
        (("        seq[r.ord] := seq[r.twin];\n", ""),),
        "acknowledged_is_durable",
    ),
    Bug(
        "false yes: a bet without cover is answered as accepted",
        _BETS,
        (("    status := p_verdict;", "    status := array_replace(p_verdict, 2::smallint, 1::smallint);"),),
        "acknowledged_is_durable",
    ),
    Bug(
        "two dealers: one that was replaced is obeyed",
        _ROUNDS,
        (("IF v_epoch IS DISTINCT FROM p_epoch THEN", "IF v_epoch IS NULL THEN"),),
        "no_early_rejection",
    ),
    Bug(
        "swapped payouts: the first bet of a chunk gets what the last one won",
        _ENDS,
        (("array_agg(s.payout ORDER BY s.ord)", "array_agg(s.payout ORDER BY s.ord DESC)"),),
        "settled_once",
    ),
    Bug(
        "swapped players: the entry names the winner and the money goes to somebody else",
        _ENDS,
        (
            (
                "move_money(p_account, p_amount)",
                "move_money(ARRAY(SELECT a FROM unnest(p_account) WITH ORDINALITY u (a, n) ORDER BY n DESC), p_amount)",
            ),
        ),
        "account_chains",
    ),
    Bug(
        "double bet: a bet sent again is bought again",
        _BETS,
        (
            ("AND j.slot = 0\n    LEFT JOIN betting_window b", "AND j.slot = 9\n    LEFT JOIN betting_window b"),
            (
                "0, t.seq, 3, verdict",
                "(SELECT 5 * count(*) FROM journal d WHERE (d.account, d.ref) = (t.account, t.ref)), t.seq, 3, verdict",
            ),
        ),
        "unknowns_resolved",
    ),
    Bug(
        "two outcomes: the journal's decision is not the one that counts",
        _ROUNDS,
        (("control_entry(h, 10, p_round, 0, p_outcome, 'decide'", "control_entry(h, 10, p_round, 0, 5, 'decide'"),),
        "settled_once",
    ),
    Bug(
        "forgotten round: a new dealer does not see what it has to finish",
        _SERVICE,
        (("AND NOT finished ORDER BY round", "AND false ORDER BY round"),),
        "settled_once",
    ),
    Bug(
        "wrong sign: a withdrawal pays in",
        _CASH,
        (("WHEN p_kind[i] = 2 THEN -p_amount[i] ELSE", "WHEN p_kind[i] = 2 THEN p_amount[i] ELSE"),),
        "account_chains",
    ),
    Bug(
        "chain without a past: a batch's hash does not cover the one before",
        _JOURNAL,
        (("sha256(h.hash || convert_to(p_payload, 'UTF8'))", "sha256(convert_to(p_payload, 'UTF8'))"),),
        "audit verify",
    ),
    Bug(
        "false trail: batches tell versions where balances belong",
        _BETS,
        (("'amount', p_amount, 'balance', balance, 'version'", "'amount', p_amount, 'balance', version, 'version'"),),
        "audit verify",
    ),
    Bug(
        "swapped players: the entry stands under somebody else",
        _ENDS,
        (("array_agg(s.account ORDER BY s.ord)", "array_agg(s.account ORDER BY s.ord DESC)"),),
        DATABASE,
    ),
    Bug(
        "double settle: settled bets are ended again by a void",
        _ENDS,
        (
            ("(SELECT FROM journal e WHERE e.account = j.account", "(SELECT FROM journal e WHERE false"),
        ),
        DATABASE,
    ),
    Bug(
        "overdraft: each bet of a batch is judged by the whole balance",
        _BETS,
        (("v_left := v_left - v_stake; v_staked", "v_staked"),),
        DATABASE,
    ),
    Bug(
        "replay without idempotency: a known bet is accepted as new",
        _BETS,
        (("t.round, t.win, t.selection) THEN 0", "t.round, t.win, t.selection) THEN 1"),),
        DATABASE,
    ),
    Bug(
        "two outcomes: a later decision replaces the first",
        _ROUNDS,
        (("IF d.round IS NULL THEN", "IF true THEN"),),
        DATABASE,
    ),
    Bug(
        "late accept: the shard's own clock is ignored",
        _BETS,
        (("OR v_now >= b.accept_until THEN 3", "THEN 3"),),
        "no_late_bet",
    ),
    Bug(
        "half a correction: a corrected bet gets half of what it misses",
        _ENDS,
        (("v_more := p_payout[i] - s.amount;", "v_more := (p_payout[i] - s.amount) / 2;"),),
        "orders_kept",
    ),
    Bug(
        "double deposit: a deposit is credited twice, and booked so",
        _CASH,
        (
            (
                "unnest(p_ref, p_account, p_amount)\n            WITH",
                "unnest(p_ref, p_account, ARRAY(SELECT 2 * x FROM unnest(p_amount) x)) WITH",
            ),
        ),
        "orders_kept",
    ),
    Bug(
        "dropped event: the numbers of table events have gaps",
        _ROUNDS,
        (("SET event_seq = event_seq + 1", "SET event_seq = event_seq + 2"),),
        "events_complete",
    ),
    Bug(
        "false yes: a stake above its player's own limit is taken",
        _BETS,
        (("WHEN p_amount[i] > v_limit[1] THEN 11", "WHEN false THEN 11"),),
        "fairness",
    ),
    Bug(
        "false yes: a player who is excluded may bet",
        _BETS,
        (("WHEN p_now_ns < v_limit[6] THEN 15", "WHEN false THEN 15"),),
        "fairness",
    ),
    Bug(
        "false no: what comes back does not count against a player's loss",
        _LIMITS,
        (("SET used_minor = l.used_minor - t.amount", "SET used_minor = l.used_minor"),),
        "fairness",
    ),
    Bug(
        "hasty limit: a looser one holds at once",
        _LIMITS,
        (("amount = CASE WHEN v_looser THEN v_now ELSE p_amount[i] END", "amount = p_amount[i]"),),
        "fairness",
    ),
)  # fmt: skip
"""Bugs of one shard's ledger, seen by an evening in one process."""
