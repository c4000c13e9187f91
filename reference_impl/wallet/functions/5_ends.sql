-- What becomes of accepted bets: settled, voided, corrected.

-- Accepted bets of a round without a terminal entry after a place in the journal, in commit order: at most `p_limit`, and
-- none only if there are no more. They lie between the round's open and close entries, which are walked range by range, so
-- that a chunk costs what it returns.
CREATE OR REPLACE FUNCTION unsettled(p_round bigint, p_limit integer, p_after bigint DEFAULT 0)
RETURNS SETOF journal LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE v_from bigint; v_last bigint;
BEGIN
    SELECT greatest(min(opened_seq), p_after), CASE WHEN bool_and(closed_seq IS NOT NULL) THEN max(closed_seq) END
        INTO v_from, v_last FROM betting_window WHERE round = p_round;
    SELECT coalesce(v_last, seq) INTO v_last FROM head;
    WHILE v_from < v_last LOOP
        RETURN QUERY SELECT j.* FROM journal j
            WHERE j.seq > v_from AND j.seq <= v_from + p_limit AND j.seq <= v_last
              AND j.round = p_round AND j.kind = 3 AND j.status = 1
              AND NOT EXISTS (SELECT FROM journal e WHERE e.account = j.account AND e.ref = j.ref AND e.slot = 1)
            ORDER BY j.seq;
        EXIT WHEN FOUND;
        v_from := v_from + p_limit;
    END LOOP;
END $$;

-- Terminal entries of bets that pay, or return, an amount each out of one counter account a currency.
CREATE OR REPLACE FUNCTION end_bets(
    h head, p_kind integer, p_counter bigint, p_round bigint, p_ref uuid[], p_account bigint[], p_amount bigint[],
    p_win integer[], p_selection integer[], OUT payload jsonb, OUT last_seq bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_balance bigint[]; v_version bigint[];
BEGIN
    SELECT m.balance, m.version INTO v_balance, v_version FROM move_money(p_account, p_amount) m;
    PERFORM count_returns(p_account, p_amount);
    UPDATE account a SET balance = a.balance - t.amount, version = a.version + t.k
        FROM (SELECT in_currency_of(account, p_counter) AS counter, sum(amount)::bigint AS amount, count(*) AS k
              FROM unnest(p_account, p_amount) AS u (account, amount) WHERE amount > 0 GROUP BY 1) t
        WHERE a.id = t.counter;
    INSERT INTO journal
        SELECT account, ref, 1, h.seq + ord, p_kind, 1, in_currency_of(account, p_counter), amount, t.balance, t.version,
               p_round, win, selection
        FROM (SELECT unnest(p_account) AS account, unnest(p_ref) AS ref, unnest(p_amount) AS amount,
                     unnest(v_balance) AS balance, unnest(v_version) AS version, unnest(p_win) AS win,
                     unnest(p_selection) AS selection, generate_series(1, cardinality(p_ref)) AS ord) t;
    last_seq := h.seq + cardinality(p_ref);
    payload := jsonb_build_object(
        'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'n', cardinality(p_ref), 'entry', p_kind, 'slot', 1,
        'status', 1, 'counter', p_counter, 'round', p_round,
        'ref', (SELECT jsonb_agg(replace(ref::text, '-', '') ORDER BY ord)
                FROM unnest(p_ref) WITH ORDINALITY AS t (ref, ord)),
        'account', p_account, 'amount', p_amount, 'balance', v_balance, 'version', v_version, 'win', p_win,
        'selection', p_selection);
END $$;

-- Settle bets of a round: gross payouts come from the house, the stakes go from escrow to the house in one sweep a
-- currency.
CREATE OR REPLACE FUNCTION settle(p_round bigint, p_ref uuid[], p_account bigint[], p_payout bigint[],
    OUT status smallint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_stakes bigint[]; v_ended record; v_entries journal[] := '{}'; r record;
    n_ref uuid[]; n_account bigint[]; n_payout bigint[]; n_win integer[]; n_selection integer[];
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    SELECT array_agg(CASE WHEN s.stake IS NULL THEN 4
                          WHEN s.end_kind IS NULL AND p_payout[s.first] = s.payout THEN 1
                          WHEN s.end_kind = 5 AND s.end_amount = s.payout THEN 1 ELSE 6 END ORDER BY s.ord),
           array_agg(s.stake ORDER BY s.ord) FILTER (WHERE s.fresh), array_agg(s.ref ORDER BY s.ord) FILTER (WHERE s.fresh),
           array_agg(s.account ORDER BY s.ord) FILTER (WHERE s.fresh),
           array_agg(s.payout ORDER BY s.ord) FILTER (WHERE s.fresh),
           array_agg(s.win ORDER BY s.ord) FILTER (WHERE s.fresh),
           array_agg(s.selection ORDER BY s.ord) FILTER (WHERE s.fresh)
        INTO status, v_stakes, n_ref, n_account, n_payout, n_win, n_selection
    FROM (SELECT t.ord, t.first, t.ref, t.account, t.payout, b.amount AS stake, b.win::integer AS win, b.selection,
                 e.kind AS end_kind, e.amount AS end_amount,
                 b.ref IS NOT NULL AND e.ref IS NULL AND t.first = t.ord AS fresh
          FROM (SELECT u.*, min(ord) OVER (PARTITION BY account, ref) AS first
                FROM unnest(p_ref, p_account, p_payout) WITH ORDINALITY AS u (ref, account, payout, ord)) t
          LEFT JOIN journal b ON b.account = t.account AND b.ref = t.ref AND b.slot = 0 AND b.kind = 3 AND b.status = 1
              AND b.round = p_round
          LEFT JOIN journal e ON e.account = t.account AND e.ref = t.ref AND e.slot = 1) s;
    IF n_ref IS NULL THEN RETURN; END IF;
    SELECT * INTO v_ended
        FROM end_bets(h, 5, house_of(h.shard), p_round, n_ref, n_account, n_payout, n_win, n_selection);
    FOR r IN SELECT escrow_of(p_round, account) AS escrow, sum(stake)::bigint AS stakes
             FROM unnest(n_account, v_stakes) u (account, stake) GROUP BY 1 ORDER BY 1 LOOP
        v_entries := v_entries || post(
            v_ended.last_seq + cardinality(v_entries) + 1, house_of(h.shard, r.escrow),
            sweep_ref(p_round, v_ended.last_seq + 1), 0, 7, 1, r.escrow, r.stakes, r.stakes, p_round);
    END LOOP;
    PERFORM append_batch(
        'paid', (v_ended.payload || jsonb_build_object('kind', 'settle', 'then', entries_payload(v_entries)))::text,
        v_ended.last_seq + cardinality(v_entries));
END $$;

-- Return the stakes of up to p_limit bets of a round that have no end yet; returns how many.
CREATE OR REPLACE FUNCTION void_bets(p_round bigint, p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_ended record; n_ref uuid[]; n_account bigint[]; n_amount bigint[]; n_win integer[]; n_selection integer[];
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    SELECT array_agg(ref ORDER BY seq), array_agg(account ORDER BY seq), array_agg(amount ORDER BY seq),
           array_agg(win::integer ORDER BY seq), array_agg(selection ORDER BY seq)
        INTO n_ref, n_account, n_amount, n_win, n_selection FROM unsettled(p_round, p_limit);
    IF n_ref IS NULL THEN RETURN 0; END IF;
    SELECT * INTO v_ended
        FROM end_bets(h, 6, escrow_of(p_round), p_round, n_ref, n_account, n_amount, n_win, n_selection);
    PERFORM append_batch('paid', (v_ended.payload || '{"kind": "void"}')::text, v_ended.last_seq);
    RETURN cardinality(n_ref);
END $$;

-- Give settled bets of a round another payout, once a bet. The house pays what is missing; what was paid too much is taken
-- from the player down to zero, and the rest is what the player owes: the balance of `owed:<player>`, which is negative.
CREATE OR REPLACE FUNCTION correct(p_round bigint, p_ref uuid[], p_account bigint[], p_payout bigint[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_entries journal[] := '{}'; v_answers journal[]; a account; b journal; s journal; e journal; o journal; i integer;
    v_status integer; v_more bigint; v_taken bigint; v_known bigint;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    FOR i IN 1..cardinality(p_ref) LOOP
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO b FROM journal WHERE account = a.id AND ref = p_ref[i] AND slot = 0;
        SELECT * INTO s FROM journal WHERE account = a.id AND ref = p_ref[i] AND slot = 1;
        SELECT * INTO e FROM journal WHERE account = a.id AND ref = p_ref[i] AND slot = 2;
        SELECT * INTO o FROM journal WHERE account = owed_of(a.id) AND ref = p_ref[i] AND slot = 2;
        v_more := p_payout[i] - s.amount;
        v_known := CASE e.kind WHEN 11 THEN e.amount ELSE -e.amount - coalesce(o.amount, 0) END;
        v_status := CASE
            WHEN a.id IS NULL THEN 5
            WHEN b.kind IS DISTINCT FROM 3 OR b.status <> 1 OR b.round <> p_round THEN 4
            WHEN p_payout[i] < 0 THEN 8
            WHEN s.kind IS DISTINCT FROM 5 OR v_known <> v_more THEN 6
            ELSE 1 END;
        IF v_status = 1 AND e.ref IS NULL THEN
            v_taken := least(a.balance, -v_more);
            PERFORM count_returns(ARRAY[a.id], ARRAY[v_more]);
            e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 2, CASE WHEN v_more >= 0 THEN 11 ELSE 12 END, 1,
                      house_of(h.shard, a.id), CASE WHEN v_more >= 0 THEN v_more ELSE v_taken END,
                      CASE WHEN v_more >= 0 THEN v_more ELSE -v_taken END, p_round, b.win, b.selection);
            v_entries := v_entries || e;
            IF v_taken < -v_more THEN
                PERFORM have_accounts(owed_of(a.id));
                o := post(h.seq + cardinality(v_entries) + 1, owed_of(a.id), p_ref[i], 2, 12, 1, house_of(h.shard, a.id),
                          -v_more - v_taken, v_more + v_taken, p_round, b.win, b.selection);
                v_entries := v_entries || o;
            END IF;
        END IF;
        v_answers := v_answers || answer_of(e, a, v_status, v_status = 1);
    END LOOP;
    SELECT * INTO status, balance, version, seq FROM answers_of(v_answers);
    PERFORM append_entries(h, 'corrections', v_entries);
END $$;
