-- Money in and out.

-- Open players' accounts in bulk with a first deposit each; returns how many deposits were new.
CREATE OR REPLACE FUNCTION open_accounts(p_ref uuid[], p_account bigint[], p_amount bigint[])
RETURNS integer LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_entries journal[]; v_wrong bigint;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    SELECT account INTO v_wrong FROM unnest(p_account) u (account) WHERE account >> 56 <> 0 OR currency_of(account) IS NULL;
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION 'account % is no player''s account', v_wrong USING ERRCODE = 'LT004';
    END IF;
    PERFORM have_accounts(VARIADIC p_account);
    PERFORM have_accounts(VARIADIC array_agg(DISTINCT counter)) FROM unnest(p_account) u (account),
        LATERAL (VALUES (house_of(h.shard, account)), (cash_of(h.shard, account))) c (counter);
    -- A call holds one deposit for each account: the running balance is the account's balance plus this one.
    WITH req AS (
        SELECT DISTINCT ON (t.account, t.ref) t.* FROM unnest(p_ref, p_account, p_amount)
            WITH ORDINALITY AS t (ref, account, amount, ord)
        WHERE NOT EXISTS (SELECT FROM journal j WHERE j.account = t.account AND j.ref = t.ref AND j.slot = 0)),
    credit AS (
        UPDATE account a SET balance = a.balance + req.amount, version = a.version + (req.amount > 0)::integer
        FROM req WHERE a.id = req.account RETURNING a.balance, a.version, req.*),
    entry AS (
        INSERT INTO journal AS j
        SELECT account, ref, 0, h.seq + row_number() OVER (ORDER BY ord), 1, 1, cash_of(h.shard, account), amount, balance, version,
               0, 0, 0
        FROM credit RETURNING j)
    SELECT coalesce(array_agg(entry.j), '{}') INTO v_entries FROM entry;
    UPDATE account a SET balance = a.balance - t.paid, version = a.version + t.k
        FROM (SELECT counter, sum(amount)::bigint AS paid, count(*) AS k FROM unnest(v_entries)
              WHERE amount > 0 GROUP BY counter) t
        WHERE a.id = t.counter;
    PERFORM append_entries(h, 'deposits', v_entries);
    RETURN cardinality(v_entries);
END $$;

-- Deposits (kind 1, which open an account) and withdrawals (kind 2), in order.
CREATE OR REPLACE FUNCTION move_cash(
    p_kind smallint[], p_ref uuid[], p_account bigint[], p_amount bigint[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_entries journal[] := '{}'; v_answers journal[]; a account; e journal; i integer; v_status integer;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    FOR i IN 1..cardinality(p_ref) LOOP
        IF p_kind[i] = 1 AND p_account[i] >> 56 = 0 AND p_amount[i] >= 0 AND currency_of(p_account[i]) IS NOT NULL THEN
            PERFORM have_accounts(p_account[i], house_of(h.shard, p_account[i]), cash_of(h.shard, p_account[i]));
        END IF;
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO e FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 0;
        v_status := CASE
            WHEN a.id IS NULL THEN 5
            WHEN (e.kind, e.amount) = (p_kind[i], p_amount[i]) THEN e.status
            WHEN e.ref IS NOT NULL THEN 6
            WHEN p_kind[i] NOT IN (1, 2) OR p_amount[i] < 0 OR (p_kind[i] = 2 AND p_amount[i] = 0) THEN 8
            WHEN p_kind[i] = 2 AND a.balance < p_amount[i] THEN 2
            ELSE 1 END;
        IF e.ref IS NULL AND v_status IN (1, 2) THEN
            e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 0, p_kind[i], v_status, cash_of(h.shard, a.id),
                      p_amount[i], CASE WHEN v_status = 2 THEN 0 WHEN p_kind[i] = 2 THEN -p_amount[i] ELSE p_amount[i] END);
            v_entries := v_entries || e;
        END IF;
        v_answers := v_answers || answer_of(e, a, v_status, v_status IN (1, 2));
    END LOOP;
    SELECT * INTO status, balance, version, seq FROM answers_of(v_answers);
    PERFORM append_entries(h, 'cash', v_entries);
END $$;
