-- Placing bets. A batch means: bet by bet, in arrival order. Almost always every bet is new, in time and covered, and then
-- one optimistic pass is enough; otherwise that pass is undone and each bet is judged.

-- What becomes of each bet, without writing anything. Verdicts are statuses; 0 means "as the journal says" and -1 "as the
-- bet of this batch that `twin` numbers". All but cover is known bet by bet; only for the players whose stakes exceed
-- their balance the bets are walked one after the other.
CREATE OR REPLACE FUNCTION judge_bets(
    p_now timestamptz, p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[],
    p_amount bigint[], p_late boolean[], OUT verdict smallint[], OUT twin integer[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_balance bigint[]; v_account bigint; v_left bigint; r record;
BEGIN
    SELECT array_agg(CASE
               WHEN a.id IS NULL THEN 5
               WHEN j.kind = 4 OR (j.kind, j.amount, j.round, j.win, j.selection)
                                = (3, t.amount, t.round, t.win, t.selection) THEN 0
               WHEN j.ref IS NOT NULL THEN 6
               WHEN t.writer < t.ord THEN CASE
                   WHEN (p_amount[t.writer], p_round[t.writer], p_win[t.writer], p_selection[t.writer])
                      = (t.amount, t.round, t.win, t.selection) THEN -1 ELSE 6 END
               WHEN t.amount <= 0 THEN 8
               WHEN b.round IS NULL THEN 4
               WHEN t.late OR b.closed_seq IS NOT NULL OR p_now >= b.accept_until THEN 3
               END ORDER BY t.ord),
           array_agg(t.writer ORDER BY t.ord), array_agg(a.balance ORDER BY t.ord)
        INTO verdict, twin, v_balance
    FROM (SELECT u.*, min(ord) FILTER (WHERE amount > 0) OVER (PARTITION BY account, ref)::integer AS writer
          FROM unnest(p_ref, p_account, p_round, p_win, p_selection, p_amount, p_late)
               WITH ORDINALITY AS u (ref, account, round, win, selection, amount, late, ord)) t
    LEFT JOIN account a ON a.id = t.account AND a.id >> 56 = 0
    LEFT JOIN journal j ON j.account = t.account AND j.ref = t.ref AND j.slot = 0
    LEFT JOIN betting_window b ON b.round = t.round AND b.win = t.win;
    SELECT array_agg(CASE WHEN v IS NULL AND stakes <= balance THEN 1 ELSE v END ORDER BY ord) INTO verdict
    FROM (SELECT ord, v, balance, sum(amount) FILTER (WHERE v IS NULL) OVER (PARTITION BY account) AS stakes
          FROM unnest(verdict, p_account, p_amount, v_balance) WITH ORDINALITY AS t (v, account, amount, balance, ord)) t;
    IF array_position(verdict, NULL) IS NULL THEN RETURN; END IF;
    FOR r IN SELECT * FROM unnest(verdict, p_account, p_amount, v_balance)
                 WITH ORDINALITY AS t (v, account, amount, balance, ord) WHERE v IS NULL ORDER BY account, ord LOOP
        IF r.account IS DISTINCT FROM v_account THEN v_account := r.account; v_left := r.balance; END IF;
        IF r.amount <= v_left THEN
            verdict[r.ord] := 1; v_left := v_left - r.amount;
        ELSE
            verdict[r.ord] := 2;
        END IF;
    END LOOP;
END $$;

-- Write judged bets and answer all of them.
CREATE OR REPLACE FUNCTION place_judged(
    h head, p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[], p_amount bigint[],
    p_verdict smallint[], p_twin integer[],
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
           array_agg(CASE WHEN verdict BETWEEN 1 AND 4 THEN h.seq + written ELSE 0 END ORDER BY ord)
        INTO balance, version, seq
    FROM (SELECT ord, verdict, count(*) FILTER (WHERE verdict <> 5) OVER w AS known,
                 count(*) FILTER (WHERE verdict BETWEEN 1 AND 4) OVER w AS written
          FROM unnest(p_verdict) WITH ORDINALITY AS t (verdict, ord)
          WINDOW w AS (ORDER BY ord ROWS UNBOUNDED PRECEDING)) t;
    UPDATE account a SET balance = a.balance + t.amount, version = a.version + t.k
        FROM (SELECT round, sum(amount)::bigint AS amount, count(*) AS k
              FROM unnest(p_round, p_amount, p_verdict) AS u (round, amount, verdict) WHERE verdict = 1 GROUP BY round) t
        WHERE a.id = escrow_of(t.round);
    WITH entry AS (
        INSERT INTO journal AS j
        SELECT account, ref, 0, t.seq, 3, verdict, escrow_of(round), amount, t.balance, t.version, round, win, selection
        FROM unnest(p_account, p_ref, p_verdict, seq, p_amount, balance, version, p_round, p_win, p_selection)
            WITH ORDINALITY AS t (account, ref, verdict, seq, amount, balance, version, round, win, selection, ord)
        WHERE verdict BETWEEN 1 AND 4 ORDER BY ord RETURNING j)
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

CREATE OR REPLACE FUNCTION place_bets(
    p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[], p_amount bigint[],
    p_late boolean[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    n integer := cardinality(p_ref); h head; v_now timestamptz; v_plain boolean; v_change bigint[]; v_verdict smallint[];
    v_twin integer[];
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    v_now := clock_timestamp();
    -- What is cheap to see at once decides whether the optimistic pass is worth trying.
    v_plain := NOT (true = ANY (p_late) OR 0 >= ANY (p_amount)) AND NOT EXISTS (
        SELECT FROM (SELECT DISTINCT round, win FROM unnest(p_round, p_win) AS u (round, win)) t
        LEFT JOIN betting_window b ON b.round = t.round AND b.win = t.win
        WHERE b.round IS NULL OR b.closed_seq IS NOT NULL OR v_now >= b.accept_until);
    IF v_plain THEN
        BEGIN
            SELECT array_agg(-amount ORDER BY ord), array_agg(h.seq + ord ORDER BY ord) INTO v_change, seq
                FROM unnest(p_amount) WITH ORDINALITY AS t (amount, ord);
            SELECT m.balance, m.version INTO balance, version FROM move_money(p_account, v_change) m;
            UPDATE account a SET balance = a.balance + t.amount, version = a.version + t.k
                FROM (SELECT round, sum(amount)::bigint AS amount, count(*) AS k
                      FROM unnest(p_round, p_amount) AS u (round, amount) GROUP BY round) t
                WHERE a.id = escrow_of(t.round);
            INSERT INTO journal
                SELECT account, ref, 0, t.seq, 3, 1, escrow_of(round), amount, t.balance, t.version, round, win, selection
                FROM unnest(p_account, p_ref, seq, p_amount, balance, version, p_round, p_win, p_selection)
                    AS t (account, ref, seq, amount, balance, version, round, win, selection);
        EXCEPTION WHEN SQLSTATE 'LT001' OR unique_violation THEN
            v_plain := false;
        END;
    END IF;
    IF v_plain THEN
        status := array_fill(1::smallint, ARRAY[n]);
        PERFORM append_batch('ledger', json_build_object(
            'kind', 'bets', 'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'n', n, 'entry', 3, 'slot', 0,
            'status', 1, 'ref', p_ref, 'account', p_account, 'amount', p_amount, 'balance', balance, 'version', version,
            'round', p_round, 'win', p_win, 'selection', p_selection)::text, h.seq + n);
        RETURN;
    END IF;
    SELECT * INTO v_verdict, v_twin
        FROM judge_bets(v_now, p_ref, p_account, p_round, p_win, p_selection, p_amount, p_late);
    SELECT * INTO status, balance, version, seq
        FROM place_judged(h, p_ref, p_account, p_round, p_win, p_selection, p_amount, v_verdict, v_twin);
END $$;

-- Cancel bets, in order. A cancel that comes before its bet leaves a tombstone in the bet's own slot, so that the late bet
-- fails for good. `late` is the gateway's judgement, as for a bet: after the cut-off a stake stays.
CREATE OR REPLACE FUNCTION cancel_bets(p_ref uuid[], p_account bigint[], p_late boolean[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_now timestamptz; v_entries journal[] := '{}'; a account; b journal; e journal; w betting_window; i integer;
    v_status integer;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    v_now := clock_timestamp();
    FOR i IN 1..cardinality(p_ref) LOOP
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO b FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 0;
        SELECT * INTO e FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 1;
        SELECT * INTO w FROM betting_window WHERE round = b.round AND win = b.win;
        v_status := CASE
            WHEN a.id IS NULL THEN 5
            WHEN e.kind <> 4 OR b.kind NOT IN (3, 4) THEN 6
            WHEN e.ref IS NULL AND b.kind = 3 AND b.status = 1
                AND (p_late[i] OR w.closed_seq IS NOT NULL OR v_now >= w.accept_until) THEN 3
            ELSE 1 END;
        IF v_status = 1 THEN
            IF b.ref IS NULL THEN
                e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 0, 4, 1, house_of(h.shard), 0, 0);
                v_entries := v_entries || e;
            ELSIF e.ref IS NULL AND b.kind = 3 AND b.status = 1 THEN
                e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 1, 4, 1, escrow_of(b.round),
                          b.amount, b.amount, b.round, b.win, b.selection);
                v_entries := v_entries || e;
            ELSIF e.ref IS NULL THEN
                e := b;  -- a tombstone again, or a rejected bet, which holds no stake
            END IF;
            balance := balance || e.balance_after; version := version || e.version; seq := seq || e.seq;
        ELSE
            balance := balance || coalesce(a.balance, 0); version := version || coalesce(a.version, 0);
            seq := seq || 0::bigint;
        END IF;
        status := status || v_status::smallint;
    END LOOP;
    PERFORM append_entries(h, 'cancels', v_entries);
END $$;
