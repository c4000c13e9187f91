-- Placing bets. A batch means: bet by bet, in arrival order. Almost always every bet is new, in time and covered, and then
-- one optimistic pass is enough; otherwise that pass is undone and each bet is judged.

-- What becomes of each bet, without writing anything. Verdicts are statuses; 0 means "as the journal says" and -1 "as the
-- bet of this batch that `twin` numbers". All but cover and limits is known bet by bet; where those could matter
-- judge_slips walks the bets one after the other.
CREATE OR REPLACE FUNCTION judge_bets(
    p_now_ns bigint, p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[],
    p_amount bigint[], p_late boolean[], p_together boolean, OUT verdict smallint[], OUT twin integer[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_balance bigint[]; v_now timestamptz := instant_of(p_now_ns);
BEGIN
    SELECT array_agg(CASE
               WHEN a.id IS NULL THEN 5
               WHEN j.kind = 4 OR (j.kind, j.amount, j.round, j.win, j.selection)
                                = (3, t.amount, t.round, t.win, t.selection) THEN 0
               WHEN j.ref IS NOT NULL THEN 6
               WHEN t.writer < t.ord THEN CASE
                   WHEN (p_amount[t.writer], p_round[t.writer], p_win[t.writer], p_selection[t.writer])
                      = (t.amount, t.round, t.win, t.selection) THEN -1 ELSE 6 END
               WHEN t.amount < 0 OR (t.amount = 0 AND t.win = 0) THEN 8
               WHEN b.round IS NULL THEN 4
               WHEN t.late OR b.closed_seq IS NOT NULL OR v_now >= b.accept_until THEN 3
               WHEN t.amount = 0 THEN 1  -- a decision that costs nothing: neither cover nor a limit can forbid it
               END ORDER BY t.ord),
           array_agg(t.writer ORDER BY t.ord), array_agg(a.balance ORDER BY t.ord)
        INTO verdict, twin, v_balance
    FROM (SELECT u.*, min(ord) FILTER (WHERE amount > 0 OR (amount = 0 AND win > 0)) OVER (PARTITION BY account, ref)::integer AS writer
          FROM unnest(p_ref, p_account, p_round, p_win, p_selection, p_amount, p_late)
               WITH ORDINALITY AS u (ref, account, round, win, selection, amount, late, ord)) t
    LEFT JOIN account a ON a.id = t.account AND a.id >> 56 = 0
    LEFT JOIN journal j ON j.account = t.account AND j.ref = t.ref AND j.slot = 0
    LEFT JOIN betting_window b ON b.round = t.round AND b.win = t.win;
    IF NOT p_together THEN
        SELECT array_agg(CASE WHEN v IS NULL AND stakes <= balance AND l.account IS NULL THEN 1 ELSE v END ORDER BY ord)
            INTO verdict
        FROM (SELECT ord, v, balance, account, sum(amount) FILTER (WHERE v IS NULL) OVER (PARTITION BY account) AS stakes
              FROM unnest(verdict, p_account, p_amount, v_balance)
                   WITH ORDINALITY AS t (v, account, amount, balance, ord)) t
        LEFT JOIN (SELECT DISTINCT account FROM player_limit WHERE account = ANY (p_account)) l USING (account);
    END IF;
    IF p_together OR array_position(verdict, NULL) IS NOT NULL THEN
        verdict := judge_slips(p_now_ns, p_account, p_round, p_win, p_amount, v_balance, p_together, verdict);
    END IF;
END $$;

-- Judge what is undecided by cover and by the players' limits, slip by slip. A slip is a bet; or, when bets are placed
-- together, all new bets of a player and a window: accepted all, or rejected all for the reason of the first that cannot be.
CREATE OR REPLACE FUNCTION judge_slips(
    p_now_ns bigint, p_account bigint[], p_round bigint[], p_win integer[], p_amount bigint[], p_balance bigint[],
    p_together boolean, p_verdict smallint[]
) RETURNS smallint[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s record; i integer; v_account bigint; v_left bigint; v_staked bigint; v_status smallint; v_stake bigint;
    v_limit bigint[]; v_lost bigint[]; v_rounds bigint[]; v_round_stakes bigint[]; v_place integer;
BEGIN
    FOR s IN SELECT t.account, min(t.round) AS round, min(t.balance) AS balance, array_agg(t.ord ORDER BY t.ord) AS bets
             FROM (SELECT u.*, CASE WHEN p_together THEN min(ord) OVER (PARTITION BY account, round, win) ELSE ord END AS slip
                   FROM unnest(p_verdict, p_account, p_round, p_win, p_balance, p_amount)
                        WITH ORDINALITY AS u (v, account, round, win, balance, amount, ord)
                   WHERE v IS NULL OR (p_together AND v IN (3, 4) AND amount > 0)) t
             GROUP BY t.account, t.slip ORDER BY t.account, t.slip LOOP
        IF s.account IS DISTINCT FROM v_account THEN
            v_account := s.account; v_left := s.balance; v_staked := 0; v_rounds := '{}'; v_round_stakes := '{}';
            SELECT array_agg(in_force(l, p_now_ns) ORDER BY k),
                   array_agg(CASE WHEN l.period = period_of(k, p_now_ns) THEN l.used_minor ELSE 0 END ORDER BY k)
                INTO v_limit, v_lost
                FROM generate_series(1, 6) k LEFT JOIN player_limit l ON l.account = v_account AND l.kind = k;
        END IF;
        v_place := array_position(v_rounds, s.round);
        IF v_limit[2] IS NOT NULL AND v_place IS NULL THEN
            v_rounds := v_rounds || s.round;
            v_round_stakes := v_round_stakes || coalesce(
                (SELECT staked FROM round_stake WHERE round = s.round AND account = v_account), 0);
            v_place := cardinality(v_rounds);
        END IF;
        v_stake := 0;
        FOREACH i IN ARRAY s.bets LOOP
            v_status := CASE
                WHEN p_verdict[i] IS NOT NULL THEN p_verdict[i]
                WHEN p_now_ns < v_limit[6] THEN 15
                WHEN p_now_ns < v_limit[5] THEN 14
                WHEN p_amount[i] > v_limit[1] THEN 11
                WHEN v_round_stakes[v_place] + v_stake + p_amount[i] > v_limit[2] THEN 12
                WHEN v_lost[3] + v_staked + v_stake + p_amount[i] > v_limit[3]
                  OR v_lost[4] + v_staked + v_stake + p_amount[i] > v_limit[4] THEN 13
                WHEN v_stake + p_amount[i] > v_left THEN 2
                ELSE 1 END;
            EXIT WHEN v_status <> 1;
            v_stake := v_stake + p_amount[i];
        END LOOP;
        IF v_status = 1 THEN
            v_left := v_left - v_stake; v_staked := v_staked + v_stake;
            IF v_place IS NOT NULL THEN v_round_stakes[v_place] := v_round_stakes[v_place] + v_stake; END IF;
        END IF;
        FOREACH i IN ARRAY s.bets LOOP p_verdict[i] := v_status; END LOOP;
    END LOOP;
    RETURN p_verdict;
END $$;

-- Write judged bets and answer all of them.
CREATE OR REPLACE FUNCTION place_judged(
    h head, p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[], p_amount bigint[],
    p_verdict smallint[], p_twin integer[], p_now_ns bigint,
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE k_account bigint[]; k_change bigint[]; v_entries journal[]; r record;
BEGIN
    SELECT array_agg(account ORDER BY ord), array_agg(CASE verdict WHEN 1 THEN -amount ELSE 0 END ORDER BY ord)
        INTO k_account, k_change
    FROM unnest(p_account, p_amount, p_verdict) WITH ORDINALITY AS t (account, amount, verdict, ord) WHERE verdict <> 5;
    SELECT m.balance, m.version INTO balance, version FROM move_money(k_account, k_change) m;
    SELECT array_agg(CASE WHEN verdict = 5 THEN 0 ELSE balance[known] END ORDER BY ord),
           array_agg(CASE WHEN verdict = 5 THEN 0 ELSE version[known] END ORDER BY ord),
           array_agg(CASE WHEN (verdict BETWEEN 1 AND 4 OR verdict > 10) THEN h.seq + written ELSE 0 END ORDER BY ord)
        INTO balance, version, seq
    FROM (SELECT ord, verdict, count(*) FILTER (WHERE verdict <> 5) OVER w AS known,
                 count(*) FILTER (WHERE (verdict BETWEEN 1 AND 4 OR verdict > 10)) OVER w AS written
          FROM unnest(p_verdict) WITH ORDINALITY AS t (verdict, ord)
          WINDOW w AS (ORDER BY ord ROWS UNBOUNDED PRECEDING)) t;
    PERFORM have_accounts(VARIADIC array_agg(DISTINCT escrow_of(round, account)))
        FROM unnest(p_round, p_account, p_verdict) AS u (round, account, verdict) WHERE verdict = 1 HAVING count(*) > 0;
    UPDATE account a SET balance = a.balance + t.amount, version = a.version + t.k
        FROM (SELECT escrow_of(round, account) AS escrow, sum(amount)::bigint AS amount, count(*) AS k
              FROM unnest(p_round, p_account, p_amount, p_verdict) AS u (round, account, amount, verdict)
              WHERE verdict = 1 AND amount > 0 GROUP BY 1) t
        WHERE a.id = t.escrow;
    PERFORM count_stakes(p_now_ns, p_account, p_round, p_amount, p_verdict);
    WITH entry AS (
        INSERT INTO journal AS j
        SELECT account, ref, 0, t.seq, 3, verdict, escrow_of(round, account), amount, t.balance, t.version, round, win, selection
        FROM unnest(p_account, p_ref, p_verdict, seq, p_amount, balance, version, p_round, p_win, p_selection)
            WITH ORDINALITY AS t (account, ref, verdict, seq, amount, balance, version, round, win, selection, ord)
        WHERE (verdict BETWEEN 1 AND 4 OR verdict > 10) ORDER BY ord RETURNING j)
    SELECT coalesce(array_agg(entry.j), '{}') INTO v_entries FROM entry;
    PERFORM append_entries(h, 'bets', v_entries);
    status := p_verdict;
    FOR r IN SELECT t.ord, CASE j.kind WHEN 4 THEN 7 ELSE j.status END AS status, j.balance_after, j.version, j.seq
             FROM unnest(p_account, p_ref, p_verdict) WITH ORDINALITY AS t (account, ref, verdict, ord)
             JOIN journal j ON j.account = t.account AND j.ref = t.ref AND j.slot = 0 WHERE t.verdict = 0 LOOP
        status[r.ord] := r.status; balance[r.ord] := r.balance_after; version[r.ord] := r.version; seq[r.ord] := r.seq;
    END LOOP;
    FOR r IN SELECT ord, twin FROM unnest(p_verdict, p_twin) WITH ORDINALITY AS t (verdict, twin, ord) WHERE verdict = -1
    LOOP
        status[r.ord] := status[r.twin]; balance[r.ord] := balance[r.twin]; version[r.ord] := version[r.twin];
        seq[r.ord] := seq[r.twin];
    END LOOP;
END $$;

-- Place bets that were judged one by one, or as slips.
CREATE OR REPLACE FUNCTION place_slowly(
    h head, p_now_ns bigint, p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[],
    p_amount bigint[], p_late boolean[], p_together boolean,
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_verdict smallint[]; v_twin integer[];
BEGIN
    SELECT * INTO v_verdict, v_twin
        FROM judge_bets(p_now_ns, p_ref, p_account, p_round, p_win, p_selection, p_amount, p_late, p_together);
    SELECT * INTO status, balance, version, seq FROM place_judged(
        h, p_ref, p_account, p_round, p_win, p_selection, p_amount, v_verdict, v_twin, p_now_ns);
END $$;

-- Bets that players collected in a window and that are debited once: a player's are accepted all, or none.
CREATE OR REPLACE FUNCTION place_together(
    p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[], p_amount bigint[],
    p_late boolean[], p_now_ns bigint,
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    SELECT * INTO status, balance, version, seq
        FROM place_slowly(h, p_now_ns, p_ref, p_account, p_round, p_win, p_selection, p_amount, p_late, true);
END $$;

CREATE OR REPLACE FUNCTION place_bets(
    p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[], p_amount bigint[],
    p_late boolean[], p_now_ns bigint,
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE n integer := cardinality(p_ref); h head; v_plain boolean;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    -- What is cheap to see at once decides whether the optimistic pass is worth trying.
    v_plain := NOT (true = ANY (p_late) OR 0 >= ANY (p_amount)) AND NOT EXISTS (
        SELECT FROM (SELECT DISTINCT unnest(p_round) AS round, unnest(p_win) AS win) t
        LEFT JOIN betting_window b ON b.round = t.round AND b.win = t.win
        WHERE b.round IS NULL OR b.closed_seq IS NOT NULL OR instant_of(p_now_ns) >= b.accept_until
    ) AND NOT EXISTS (SELECT FROM player_limit WHERE account = ANY (p_account));
    IF v_plain THEN
        BEGIN
            seq := ARRAY(SELECT generate_series(h.seq + 1, h.seq + n));
            SELECT m.balance, m.version INTO balance, version
                FROM move_money(p_account, ARRAY(SELECT -unnest(p_amount))) m;
            WITH total AS MATERIALIZED (
                SELECT escrow_of(round, account) AS escrow, sum_minor(amount) AS amount, count(*) AS k
                FROM (SELECT unnest(p_round) AS round, unnest(p_account) AS account, unnest(p_amount) AS amount) u
                GROUP BY 1),
            moved AS (
                UPDATE account a SET balance = a.balance + t.amount, version = a.version + t.k
                FROM total t WHERE a.id = t.escrow RETURNING 1)
            SELECT (SELECT count(*) FROM moved) = (SELECT count(*) FROM total) INTO v_plain;
            IF NOT v_plain THEN RAISE EXCEPTION USING ERRCODE = 'LT001'; END IF;
            INSERT INTO journal
                SELECT account, ref, 0, t.seq, 3, 1, escrow_of(round, account), amount, t.balance, t.version, round, win,
                       selection
                FROM (SELECT unnest(p_account) AS account, unnest(p_ref) AS ref, unnest(seq) AS seq,
                             unnest(p_amount) AS amount, unnest(balance) AS balance, unnest(version) AS version,
                             unnest(p_round) AS round, unnest(p_win) AS win, unnest(p_selection) AS selection) t;
        EXCEPTION WHEN SQLSTATE 'LT001' OR unique_violation THEN
            v_plain := false;
        END;
    END IF;
    IF v_plain THEN
        status := array_fill(1::smallint, ARRAY[n]);
        PERFORM append_batch('ledger', json_build_object(
            'kind', 'bets', 'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'n', n, 'entry', 3, 'slot', 0,
            'status', 1, 'ref', p_ref, 'account', p_account, 'amount', p_amount, 'balance', balance, 'version', version,
            'round', one_or_all(p_round), 'win', one_or_all(p_win), 'selection', p_selection)::text, h.seq + n);
        RETURN;
    END IF;
    SELECT * INTO status, balance, version, seq
        FROM place_slowly(h, p_now_ns, p_ref, p_account, p_round, p_win, p_selection, p_amount, p_late, false);
END $$;

-- Cancel bets, in order. A cancel that comes before its bet leaves a tombstone in the bet's own slot, so that the late bet
-- fails for good. `late` is the gateway's judgement, as for a bet: after the cut-off a stake stays.
CREATE OR REPLACE FUNCTION cancel_bets(p_ref uuid[], p_account bigint[], p_late boolean[], p_now_ns bigint,
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_entries journal[] := '{}'; v_answers journal[]; a account; b journal; e journal; w betting_window; i integer;
    v_status integer;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    FOR i IN 1..cardinality(p_ref) LOOP
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO b FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 0;
        SELECT * INTO e FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 1;
        SELECT * INTO w FROM betting_window WHERE round = b.round AND win = b.win;
        v_status := CASE
            WHEN a.id IS NULL THEN 5
            WHEN e.kind <> 4 OR b.kind NOT IN (3, 4) THEN 6
            WHEN e.ref IS NULL AND b.kind = 3 AND b.status = 1
                AND (p_late[i] OR w.closed_seq IS NOT NULL OR instant_of(p_now_ns) >= w.accept_until) THEN 3
            ELSE 1 END;
        IF v_status = 1 THEN
            IF b.ref IS NULL THEN
                e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 0, 4, 1, house_of(h.shard, a.id), 0, 0);
                v_entries := v_entries || e;
            ELSIF e.ref IS NULL AND b.kind = 3 AND b.status = 1 THEN
                e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 1, 4, 1, b.counter,
                          b.amount, b.amount, b.round, b.win, b.selection);
                v_entries := v_entries || e;
                PERFORM count_returns(ARRAY[a.id], ARRAY[b.amount]);
                UPDATE round_stake SET staked = staked - b.amount WHERE round = b.round AND account = a.id;
            ELSIF e.ref IS NULL THEN
                e := b;  -- a tombstone again, or a rejected bet, which holds no stake
            END IF;
        END IF;
        v_answers := v_answers || answer_of(e, a, v_status, v_status = 1);
    END LOOP;
    SELECT * INTO status, balance, version, seq FROM answers_of(v_answers);
    PERFORM append_entries(h, 'cancels', v_entries);
END $$;
