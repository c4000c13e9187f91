-- The meaning of these functions is domain/ledger.py; one contract suite holds the two equal.
-- Codes: kinds 1 deposit 3 bet 5 settle 6 void 7 sweep 8 open 9 close 10 decide (domain.bets.EntryKind);
-- statuses 1 accepted 2 insufficient funds 3 window closed 4 unknown round 5 unknown player 6 conflict 8 bad amount.

-- Called once, when a database becomes a shard.
CREATE OR REPLACE FUNCTION init_shard(p_shard integer, p_currency integer) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO head (shard, hash) VALUES (p_shard, sha256(int4send(p_shard))) ON CONFLICT DO NOTHING;
    INSERT INTO account (id, currency)
        SELECT unnest(ARRAY[house_of(p_shard::smallint), cash_of(p_shard::smallint)]), p_currency ON CONFLICT DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION escrow_of(p_round bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (2::bigint << 56) | p_round;
CREATE OR REPLACE FUNCTION house_of(p_shard smallint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (1::bigint << 56) | p_shard;
CREATE OR REPLACE FUNCTION cash_of(p_shard smallint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (4::bigint << 56) | p_shard;

-- Ids of control entries, unique within the accounts that they stand under (a round's escrow; the house).
CREATE OR REPLACE FUNCTION control_ref(p_round bigint, p_win integer, p_kind integer) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN encode(int8send(p_round) || int4send(p_win) || int4send(p_kind), 'hex')::uuid;
CREATE OR REPLACE FUNCTION sweep_ref(p_round bigint, p_seq bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN encode(int8send(p_round) || int8send(p_seq), 'hex')::uuid;

-- The caller holds the row lock of `head` (taken with FOR UPDATE); this links the next batch and moves the head.
CREATE OR REPLACE FUNCTION append_batch(p_topic text, p_payload text, p_seq bigint) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_hash bytea;
BEGIN
    SELECT * INTO STRICT h FROM head;
    v_hash := sha256(h.hash || convert_to(p_payload, 'UTF8'));
    INSERT INTO batch (id, topic, payload, hash) VALUES (h.batch + 1, p_topic, p_payload, v_hash);
    UPDATE head SET seq = p_seq, batch = h.batch + 1, hash = v_hash;
    RETURN h.batch + 1;
END $$;

-- One bet, exactly: what a batch means is this, bet by bet, in arrival order.
CREATE OR REPLACE FUNCTION place_one(
    p_seq bigint, p_now timestamptz, p_ref uuid, p_account bigint, p_round bigint, p_win integer, p_selection integer,
    p_amount bigint, p_late boolean,
    OUT status smallint, OUT balance bigint, OUT version bigint, OUT seq bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE seen journal; a account; w betting_window;
BEGIN
    seq := 0;
    SELECT * INTO a FROM account WHERE id = p_account;
    SELECT * INTO seen FROM journal j WHERE j.account = p_account AND j.ref = p_ref AND j.slot = 0;
    IF seen.ref IS NOT NULL THEN
        IF (seen.kind, seen.amount, seen.round, seen.win, seen.selection)
           = (3, p_amount, p_round, p_win, p_selection) THEN
            status := seen.status; balance := seen.balance_after; version := seen.version; seq := seen.seq;
        ELSE
            status := 6; balance := a.balance; version := a.version;
        END IF;
        RETURN;
    END IF;
    IF a.id IS NULL OR a.id >> 56 <> 0 THEN status := 5; balance := 0; version := 0; RETURN; END IF;
    balance := a.balance; version := a.version;
    IF p_amount <= 0 THEN status := 8; RETURN; END IF;
    SELECT * INTO w FROM betting_window b WHERE b.round = p_round AND b.win = p_win;
    status := CASE
        WHEN w.round IS NULL THEN 4
        WHEN p_late OR w.closed_seq IS NOT NULL OR p_now >= w.accept_until THEN 3
        WHEN a.balance < p_amount THEN 2
        ELSE 1 END;
    IF status = 1 THEN
        UPDATE account SET balance = account.balance - p_amount, version = account.version + 1
            WHERE id = p_account RETURNING account.balance, account.version INTO balance, version;
        UPDATE account SET balance = account.balance + p_amount, version = account.version + 1
            WHERE id = escrow_of(p_round);
    END IF;
    seq := p_seq;
    INSERT INTO journal VALUES (p_account, p_ref, 0, p_seq, 3, status, escrow_of(p_round), p_amount,
                                balance, version, p_round, p_win, p_selection);
END $$;

CREATE OR REPLACE FUNCTION place_bets(
    p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[], p_amount bigint[],
    p_late boolean[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    n integer := cardinality(p_ref); h head; v_now timestamptz; v_seq bigint; v_count integer; r record; i integer;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    v_now := clock_timestamp();
    -- Fast path: every bet is new, in time and covered. One set-based statement; anything else undoes it.
    BEGIN
        IF true = ANY (p_late) THEN RAISE EXCEPTION USING ERRCODE = 'LT001'; END IF;
        WITH req AS MATERIALIZED (
            SELECT t.*, sum(amount) OVER w AS run, row_number() OVER w AS k
            FROM unnest(p_ref, p_account, p_round, p_win, p_selection, p_amount)
                WITH ORDINALITY AS t (ref, account, round, win, selection, amount, ord)
            WHERE amount > 0
            WINDOW w AS (PARTITION BY account ORDER BY ord ROWS UNBOUNDED PRECEDING)),
        open AS MATERIALIZED (
            SELECT b.round, b.win FROM betting_window b
            WHERE (b.round, b.win) IN (SELECT req.round, req.win FROM req)
              AND b.closed_seq IS NULL AND b.accept_until > v_now),
        ok AS MATERIALIZED (SELECT req.* FROM req JOIN open USING (round, win)),
        total AS MATERIALIZED (
            SELECT account, sum(amount)::bigint AS amount, count(*) AS k FROM ok GROUP BY account ORDER BY account),
        debit AS (
            UPDATE account a SET balance = a.balance - t.amount, version = a.version + t.k
            FROM total t WHERE a.id = t.account AND a.id >> 56 = 0 AND a.balance >= t.amount
            RETURNING a.id, a.balance + t.amount AS balance, a.version - t.k AS version),
        credit AS (
            UPDATE account a SET balance = a.balance + t.amount, version = a.version + t.k
            FROM (SELECT round, sum(amount)::bigint AS amount, count(*) AS k FROM ok GROUP BY round) t
            WHERE a.id = escrow_of(t.round)),
        entry AS (
            INSERT INTO journal AS j
            SELECT ok.account, ok.ref, 0, h.seq + ok.ord, 3, 1, escrow_of(ok.round), ok.amount,
                   debit.balance - ok.run, debit.version + ok.k, ok.round, ok.win, ok.selection
            FROM ok JOIN debit ON debit.id = ok.account
            ORDER BY ok.ord
            ON CONFLICT DO NOTHING
            RETURNING j.seq, j.balance_after, j.version)
        SELECT count(*), array_agg(e.balance_after ORDER BY e.seq), array_agg(e.version ORDER BY e.seq),
               array_agg(e.seq ORDER BY e.seq)
            INTO v_count, balance, version, seq FROM entry e;
        IF v_count <> n THEN RAISE EXCEPTION USING ERRCODE = 'LT001'; END IF;
        status := array_fill(1::smallint, ARRAY[n]);
        v_seq := h.seq + n;
    EXCEPTION WHEN SQLSTATE 'LT001' THEN
        v_seq := NULL;
    END;
    IF v_seq IS NULL THEN
        status := '{}'; balance := '{}'; version := '{}'; seq := '{}'; v_seq := h.seq;
        FOR i IN 1..n LOOP
            SELECT * INTO r FROM place_one(v_seq + 1, v_now, p_ref[i], p_account[i], p_round[i], p_win[i],
                                           p_selection[i], p_amount[i], p_late[i]);
            status := status || r.status; balance := balance || r.balance; version := version || r.version;
            seq := seq || r.seq;
            IF r.seq = v_seq + 1 THEN v_seq := r.seq; END IF;
        END LOOP;
    END IF;
    IF v_seq > h.seq THEN
        PERFORM append_batch('ledger', json_build_object(
            'kind', 'bets', 'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'ref', p_ref,
            'account', p_account, 'rounds', p_round, 'win', p_win, 'selection', p_selection, 'amount', p_amount,
            'status', status, 'balance', balance, 'version', version, 'seq', seq)::text, v_seq);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION open_accounts(p_ref uuid[], p_account bigint[], p_amount bigint[], p_currency integer)
RETURNS integer LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_new integer;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    INSERT INTO account (id, currency) SELECT DISTINCT unnest(p_account), p_currency::smallint ON CONFLICT DO NOTHING;
    WITH req AS (
        SELECT DISTINCT ON (t.account, t.ref) t.* FROM unnest(p_ref, p_account, p_amount)
            WITH ORDINALITY AS t (ref, account, amount, ord)
        WHERE NOT EXISTS (SELECT FROM journal j WHERE j.account = t.account AND j.ref = t.ref AND j.slot = 0)),
    -- A call holds one deposit for each account: the running balance is the account's balance plus this one.
    credit AS (
        UPDATE account a SET balance = a.balance + req.amount, version = a.version + (req.amount > 0)::integer
        FROM req WHERE a.id = req.account RETURNING a.id, a.balance, a.version),
    entry AS (
        INSERT INTO journal
        SELECT req.account, req.ref, 0, h.seq + row_number() OVER (ORDER BY req.ord), 1, 1, cash_of(h.shard), req.amount,
               credit.balance, credit.version, 0, 0, 0
        FROM req JOIN credit ON credit.id = req.account RETURNING amount)
    SELECT count(*) INTO v_new FROM entry;
    IF v_new > 0 THEN
        UPDATE account SET balance = balance - t.amount, version = version + t.k
        FROM (SELECT sum(j.amount) AS amount, count(*) FILTER (WHERE j.amount > 0) AS k FROM journal j
              WHERE j.seq > h.seq) t WHERE id = cash_of(h.shard);
        PERFORM append_batch('ledger', json_build_object(
            'kind', 'deposits', 'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'ref', p_ref,
            'account', p_account, 'amount', p_amount)::text, h.seq + v_new);
    END IF;
    RETURN v_new;
END $$;

-- Raise for a dealer that no longer holds the table. LT002 is told to it as "fenced".
CREATE OR REPLACE FUNCTION check_epoch(p_table integer, p_epoch integer) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_epoch integer;
BEGIN
    SELECT epoch INTO v_epoch FROM game_table WHERE id = p_table;
    IF v_epoch IS DISTINCT FROM p_epoch THEN
        RAISE EXCEPTION 'table % is held by epoch %, not %', p_table, v_epoch, p_epoch USING ERRCODE = 'LT002';
    END IF;
END $$;

-- A dealer takes a table in its home shard: a new epoch.
CREATE OR REPLACE FUNCTION take_table(p_table integer, OUT epoch integer, OUT round_no bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM head FOR UPDATE;
    INSERT INTO game_table AS g (id, epoch) VALUES (p_table, 1)
        ON CONFLICT (id) DO UPDATE SET epoch = g.epoch + 1 RETURNING g.epoch, g.round_no INTO epoch, round_no;
END $$;

-- The other shards learn of the new epoch; from here on this shard takes nothing from an older dealer.
CREATE OR REPLACE FUNCTION fence(p_table integer, p_epoch integer) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM head FOR UPDATE;
    INSERT INTO game_table AS g (id, epoch) VALUES (p_table, p_epoch)
        ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch WHERE g.epoch <= excluded.epoch;
    PERFORM check_epoch(p_table, p_epoch);
END $$;

CREATE OR REPLACE FUNCTION control_entry(
    h head, p_kind smallint, p_round bigint, p_win integer, p_selection integer, p_name text, p_more json
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_escrow account;
BEGIN
    SELECT * INTO v_escrow FROM account WHERE id = escrow_of(p_round);
    INSERT INTO journal VALUES (escrow_of(p_round), control_ref(p_round, p_win, p_kind), 0, h.seq + 1, p_kind, 1,
        house_of(h.shard), 0, coalesce(v_escrow.balance, 0), coalesce(v_escrow.version, 0), p_round, p_win, p_selection);
    PERFORM append_batch('ledger', json_build_object(
        'kind', p_name, 'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'round', p_round, 'win', p_win,
        'more', p_more)::text, h.seq + 1);
    RETURN h.seq + 1;
END $$;

CREATE OR REPLACE FUNCTION open_window(
    p_round bigint, p_win integer, p_table integer, p_epoch integer, p_accept_until timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_seq bigint; v_round_no bigint := p_round & 4294967295;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    SELECT opened_seq INTO v_seq FROM betting_window WHERE round = p_round AND win = p_win;
    IF v_seq IS NOT NULL THEN RETURN v_seq; END IF;
    UPDATE game_table SET round_no = v_round_no WHERE id = p_table AND round_no < v_round_no;
    INSERT INTO account (id, currency) SELECT escrow_of(p_round), currency FROM account WHERE id = house_of(h.shard)
        ON CONFLICT DO NOTHING;
    v_seq := control_entry(h, 8::smallint, p_round, p_win, 0, 'open',
                           json_build_object('epoch', p_epoch, 'accept_until', p_accept_until));
    INSERT INTO betting_window (round, win, table_id, epoch, accept_until, opened_seq)
        VALUES (p_round, p_win, p_table, p_epoch, p_accept_until, v_seq);
    RETURN v_seq;
END $$;

-- No bet of the window is accepted after this entry. The head right after it is what the outcome will depend on.
CREATE OR REPLACE FUNCTION close_window(p_round bigint, p_win integer, p_table integer, p_epoch integer,
    OUT seq bigint, OUT hash bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; w betting_window;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    SELECT * INTO w FROM betting_window b WHERE b.round = p_round AND b.win = p_win;
    IF w.round IS NULL THEN
        RAISE EXCEPTION 'round % window % was never opened here', p_round, p_win USING ERRCODE = 'LT003';
    END IF;
    IF w.closed_seq IS NULL THEN
        w.closed_seq := control_entry(h, 9::smallint, p_round, p_win, 0, 'close', json_build_object('epoch', p_epoch));
        SELECT head.hash INTO w.closed_hash FROM head;
        UPDATE betting_window b SET closed_seq = w.closed_seq, closed_hash = w.closed_hash
            WHERE b.round = p_round AND b.win = p_win;
    END IF;
    seq := w.closed_seq; hash := w.closed_hash;
END $$;

-- Home shard only. The first decision stands; whoever comes later learns what it was.
CREATE OR REPLACE FUNCTION decide(
    p_round bigint, p_table integer, p_epoch integer, p_void boolean, p_outcome integer, p_seed bytea, p_heads bytea[],
    OUT void boolean, OUT outcome integer
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; d round_decision;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    SELECT * INTO d FROM round_decision r WHERE r.round = p_round;
    IF d.round IS NULL THEN
        INSERT INTO round_decision VALUES (p_round, p_epoch, p_void, p_outcome, p_seed, p_heads) RETURNING * INTO d;
        PERFORM control_entry(h, 10::smallint, p_round, 0, p_outcome, 'decide', json_build_object(
            'epoch', p_epoch, 'void', p_void, 'outcome', p_outcome, 'seed', encode(p_seed, 'hex')));
    END IF;
    void := d.void; outcome := d.outcome;
END $$;

-- Settle bets of a round: gross payouts come from the house, the stakes go from escrow to the house in one sweep.
CREATE OR REPLACE FUNCTION settle(p_round bigint, p_ref uuid[], p_account bigint[], p_payout bigint[],
    OUT status smallint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_new integer; v_stakes bigint; v_paid bigint; v_wins bigint; v_house account;
    n_ref text[]; n_account bigint[]; n_amount bigint[]; n_balance bigint[]; n_version bigint[];
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    CREATE TEMP TABLE IF NOT EXISTS settling (
        ord integer, ref uuid, account bigint, payout bigint, stake bigint, win smallint, selection integer,
        status smallint, fresh boolean) ON COMMIT DELETE ROWS;
    INSERT INTO settling
    SELECT t.ord, t.ref, t.account, t.payout, b.amount, b.win, b.selection,
        CASE WHEN b.ref IS NULL THEN 4 WHEN e.ref IS NULL THEN 1
             WHEN e.kind = 5 AND e.amount = t.payout THEN 1 ELSE 6 END,
        b.ref IS NOT NULL AND e.ref IS NULL
    FROM unnest(p_ref, p_account, p_payout) WITH ORDINALITY AS t (ref, account, payout, ord)
    LEFT JOIN journal b ON b.account = t.account AND b.ref = t.ref AND b.slot = 0 AND b.kind = 3 AND b.status = 1
        AND b.round = p_round
    LEFT JOIN journal e ON e.account = t.account AND e.ref = t.ref AND e.slot = 1;
    SELECT array_agg(s.status ORDER BY ord) INTO status FROM settling s;
    SELECT count(*), coalesce(sum(stake), 0), coalesce(sum(payout), 0), count(*) FILTER (WHERE payout > 0)
        INTO v_new, v_stakes, v_paid, v_wins FROM settling WHERE fresh;
    IF v_new = 0 THEN RETURN; END IF;
    WITH fresh AS MATERIALIZED (
        SELECT s.*, row_number() OVER (ORDER BY ord) AS place,
               sum(payout) OVER w AS run, count(*) FILTER (WHERE payout > 0) OVER w AS k
        FROM settling s WHERE s.fresh WINDOW w AS (PARTITION BY account ORDER BY ord ROWS UNBOUNDED PRECEDING)),
    before AS MATERIALIZED (SELECT a.id, a.balance, a.version FROM account a
        WHERE a.id IN (SELECT account FROM fresh)),
    credit AS (
        UPDATE account a SET balance = a.balance + t.amount, version = a.version + t.k
        FROM (SELECT account, sum(payout)::bigint AS amount, count(*) AS k FROM fresh WHERE payout > 0
              GROUP BY account ORDER BY account) t WHERE a.id = t.account),
    entry AS (
        INSERT INTO journal AS j
        SELECT f.account, f.ref, 1, h.seq + f.place, 5, 1, house_of(h.shard), f.payout, b.balance + f.run, b.version + f.k,
               p_round, f.win, f.selection
        FROM fresh f JOIN before b ON b.id = f.account ORDER BY f.place
        RETURNING j.seq, j.ref, j.account, j.amount, j.balance_after, j.version)
    SELECT array_agg(replace(e.ref::text, '-', '') ORDER BY seq), array_agg(account ORDER BY seq),
           array_agg(amount ORDER BY seq), array_agg(balance_after ORDER BY seq), array_agg(e.version ORDER BY seq)
        INTO n_ref, n_account, n_amount, n_balance, n_version FROM entry e;
    UPDATE account SET balance = balance - v_stakes, version = version + 1 WHERE id = escrow_of(p_round);
    UPDATE account SET balance = balance + v_stakes - v_paid, version = version + 1 + v_wins
        WHERE id = house_of(h.shard) RETURNING * INTO v_house;
    INSERT INTO journal VALUES (v_house.id, sweep_ref(p_round, h.seq + v_new + 1), 0, h.seq + v_new + 1, 7, 1,
        escrow_of(p_round), v_stakes, v_house.balance, v_house.version, p_round, 0, 0);
    PERFORM append_batch('paid', json_build_object(
        'kind', 'settle', 'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'round', p_round,
        'ref', n_ref, 'account', n_account, 'amount', n_amount, 'balance', n_balance, 'version', n_version,
        'swept', v_stakes)::text, h.seq + v_new + 1);
END $$;

-- Return the stakes of up to p_limit bets of a round that have no end yet; returns how many.
CREATE OR REPLACE FUNCTION void_bets(p_round bigint, p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_new integer; v_stakes bigint;
    n_ref text[]; n_account bigint[]; n_amount bigint[]; n_balance bigint[]; n_version bigint[];
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    WITH fresh AS MATERIALIZED (
        SELECT u.*, row_number() OVER (ORDER BY u.seq) AS place, sum(u.amount) OVER w AS run, row_number() OVER w AS k
        FROM unsettled(p_round, p_limit) u
        WINDOW w AS (PARTITION BY u.account ORDER BY u.seq ROWS UNBOUNDED PRECEDING)),
    credit AS (
        UPDATE account a SET balance = a.balance + t.amount, version = a.version + t.k
        FROM (SELECT account, sum(amount)::bigint AS amount, count(*) AS k FROM fresh GROUP BY account ORDER BY account) t
        WHERE a.id = t.account RETURNING a.id, a.balance - t.amount AS balance, a.version - t.k AS version),
    entry AS (
        INSERT INTO journal AS j
        SELECT f.account, f.ref, 1, h.seq + f.place, 6, 1, escrow_of(p_round), f.amount, c.balance + f.run, c.version + f.k,
               p_round, f.win, f.selection
        FROM fresh f JOIN credit c ON c.id = f.account ORDER BY f.place
        RETURNING j.seq, j.ref, j.account, j.amount, j.balance_after, j.version)
    SELECT count(*), sum(amount), array_agg(replace(e.ref::text, '-', '') ORDER BY seq),
           array_agg(account ORDER BY seq), array_agg(amount ORDER BY seq), array_agg(balance_after ORDER BY seq),
           array_agg(e.version ORDER BY seq)
        INTO v_new, v_stakes, n_ref, n_account, n_amount, n_balance, n_version FROM entry e;
    IF v_new > 0 THEN
        UPDATE account SET balance = balance - v_stakes, version = version + v_new WHERE id = escrow_of(p_round);
        PERFORM append_batch('paid', json_build_object(
            'kind', 'void', 'shard', h.shard, 'batch', h.batch + 1, 'first_seq', h.seq + 1, 'round', p_round,
            'ref', n_ref, 'account', n_account, 'amount', n_amount, 'balance', n_balance, 'version', n_version)::text,
            h.seq + v_new);
    END IF;
    RETURN v_new;
END $$;

-- Accepted bets of a round without a terminal entry, in commit order. They lie between its open and close entries.
CREATE OR REPLACE FUNCTION unsettled(p_round bigint, p_limit integer) RETURNS SETOF journal LANGUAGE sql STABLE AS $$
    SELECT j.* FROM journal j
    WHERE j.seq >= (SELECT min(opened_seq) FROM betting_window WHERE round = p_round)
      AND j.seq <= coalesce((SELECT max(closed_seq) FROM betting_window WHERE round = p_round), (SELECT seq FROM head))
      AND j.round = p_round AND j.kind = 3 AND j.status = 1
      AND NOT EXISTS (SELECT FROM journal e WHERE e.account = j.account AND e.ref = j.ref AND e.slot = 1)
    ORDER BY j.seq LIMIT p_limit
$$;

CREATE OR REPLACE FUNCTION finish_round(p_round bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE betting_window SET finished = true WHERE round = p_round AND NOT finished
$$;

-- Number a table event and put it into the outbox (home shard only).
CREATE OR REPLACE FUNCTION announce(p_table integer, p_epoch integer, p_event text) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_seq bigint;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    UPDATE game_table SET event_seq = event_seq + 1 WHERE id = p_table RETURNING event_seq INTO v_seq;
    PERFORM append_batch('table.' || p_table, format('{"table":%s,"epoch":%s,"seq":%s,"event":%s}',
        p_table, p_epoch, v_seq, p_event), h.seq);
    RETURN v_seq;
END $$;
