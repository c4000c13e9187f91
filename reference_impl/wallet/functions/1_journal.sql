-- The meaning of these functions is domain/ledger.py; one contract suite holds the two equal.
-- Codes: kinds 1 deposit 2 withdraw 3 bet 4 cancel 5 settle 6 void 7 sweep 8 open 9 close 10 decide 11 correct 12 reclaim
-- 13 transfer out 14 transfer in 15 transfer end 16 transfer back 17 limit (domain.bets.EntryKind); statuses 1 accepted
-- 2 insufficient funds 3 window closed 4 unknown round 5 unknown player 6 conflict 7 cancelled 8 bad amount 11 stake limit
-- 12 round limit 13 loss limit 14 time-out 15 excluded 16 wrong currency; slots 0 first 1 terminal 2 correction 3 arrival.
-- No function here reads a clock but for the stamp of a batch: whoever calls says what time it is, in Unix ns.

-- The currency of an account, by its bits (domain.ids.CURRENCY_PLACES); NULL for bits that stand for none.
CREATE OR REPLACE FUNCTION currency_of(p_account bigint) RETURNS smallint LANGUAGE sql IMMUTABLE
    RETURN ('{978,826,840,392}'::smallint[])[(p_account >> 48 & 255) + 1];

-- Accounts of other kinds, in the currency of one that is at hand.
CREATE OR REPLACE FUNCTION house_of(p_shard smallint, p_account bigint DEFAULT 0) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (1::bigint << 56) | (p_account & (255::bigint << 48)) | p_shard;
CREATE OR REPLACE FUNCTION escrow_of(p_round bigint, p_account bigint DEFAULT 0) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (2::bigint << 56) | (p_account & (255::bigint << 48)) | p_round;
CREATE OR REPLACE FUNCTION owed_of(p_player bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (3::bigint << 56) | p_player;
CREATE OR REPLACE FUNCTION cash_of(p_shard smallint, p_account bigint DEFAULT 0) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (4::bigint << 56) | (p_account & (255::bigint << 48)) | p_shard;
CREATE OR REPLACE FUNCTION transit_to(p_other bigint, p_account bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (5::bigint << 56) | (p_account & (255::bigint << 48)) | (p_other & ((1::bigint << 48) - 1));

CREATE OR REPLACE FUNCTION in_currency_of(p_account bigint, p_counter bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN p_counter | (p_account & (255::bigint << 48));

CREATE OR REPLACE FUNCTION have_accounts(VARIADIC p_account bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO account (id, currency) SELECT DISTINCT id, currency_of(id) FROM unnest(p_account) u (id)
        ON CONFLICT DO NOTHING
$$;

-- Called at every start; a database becomes a shard once.
CREATE OR REPLACE FUNCTION init_shard(p_shard integer) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO head (shard, hash) VALUES (p_shard, sha256(int4send(p_shard))) ON CONFLICT DO NOTHING;
    PERFORM have_accounts(house_of(p_shard::smallint), cash_of(p_shard::smallint));
END $$;

CREATE OR REPLACE FUNCTION instant_of(p_unix_ns bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE
    RETURN to_timestamp(p_unix_ns / 1000 / 1e6);

-- Ids of control entries, unique within the accounts that they stand under (a round's escrow; the house).
CREATE OR REPLACE FUNCTION control_ref(p_round bigint, p_win integer, p_kind integer) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN encode(int8send(p_round) || int4send(p_win) || int4send(p_kind), 'hex')::uuid;
CREATE OR REPLACE FUNCTION sweep_ref(p_round bigint, p_seq bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN encode(int8send(p_round) || int8send(p_seq), 'hex')::uuid;

-- Sums of money: PostgreSQL's own sum of bigint passes through numeric, which costs a bet more than the adding.
CREATE OR REPLACE AGGREGATE sum_minor(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0', PARALLEL = SAFE);

-- A column of a batch as its payload tells it: once, if all entries share it.
CREATE OR REPLACE FUNCTION one_or_all(p_values bigint[]) RETURNS jsonb LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN p_values[1] = ALL (p_values) THEN to_jsonb(p_values[1]) ELSE to_jsonb(p_values) END;

-- The caller holds the row lock of `head` (taken with FOR UPDATE); this links the next batch and moves the head.
CREATE OR REPLACE FUNCTION append_batch(p_topic text, p_payload text, p_seq bigint) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_hash bytea;
BEGIN
    SELECT * INTO STRICT h FROM head;
    v_hash := sha256(h.hash || convert_to(p_payload, 'UTF8'));
    INSERT INTO batch (id, topic, payload, hash, last_seq) VALUES (h.batch + 1, p_topic, p_payload, v_hash, p_seq);
    UPDATE head SET seq = p_seq, batch = h.batch + 1, hash = v_hash;
    RETURN h.batch + 1;
END $$;

-- Every payload that stands for journal entries has the same shape, which `wallet/verify.py` reads: columns named as
-- here, each one value for all `n` entries or one for each. A counter that is left out is the round's escrow; one that is
-- the same for all entries stands in the currency of each one's account.
CREATE OR REPLACE FUNCTION entries_payload(p_entries journal[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'first_seq', min(e.seq), 'n', count(*), 'entry', jsonb_agg(e.kind), 'slot', jsonb_agg(e.slot),
        'status', jsonb_agg(e.status), 'ref', jsonb_agg(e.ref), 'account', jsonb_agg(e.account),
        'counter', jsonb_agg(e.counter), 'amount', jsonb_agg(e.amount), 'balance', jsonb_agg(e.balance_after),
        'version', jsonb_agg(e.version), 'round', jsonb_agg(e.round), 'win', jsonb_agg(e.win),
        'selection', jsonb_agg(e.selection))
    FROM (SELECT * FROM unnest(p_entries) u ORDER BY u.seq) e
$$;

CREATE OR REPLACE FUNCTION append_entries(h head, p_name text, p_entries journal[], p_more jsonb DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(p_entries) = 0 THEN RETURN; END IF;
    PERFORM append_batch(
        'ledger', (jsonb_build_object('kind', p_name, 'shard', h.shard, 'batch', h.batch + 1)
                   || entries_payload(p_entries) || p_more)::text,
        h.seq + cardinality(p_entries));
END $$;

-- One entry: `p_change` goes to the account and leaves its counter. Nothing moves when it is 0.
CREATE OR REPLACE FUNCTION post(
    p_seq bigint, p_account bigint, p_ref uuid, p_slot integer, p_kind integer, p_status integer, p_counter bigint,
    p_amount bigint, p_change bigint, p_round bigint DEFAULT 0, p_win integer DEFAULT 0, p_selection integer DEFAULT 0
) RETURNS journal LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE a account; e journal;
BEGIN
    IF p_change <> 0 THEN
        UPDATE account SET balance = balance + p_change, version = version + 1 WHERE id = p_account;
        UPDATE account SET balance = balance - p_change, version = version + 1 WHERE id = p_counter;
    END IF;
    SELECT * INTO a FROM account WHERE id = p_account;
    INSERT INTO journal VALUES (p_account, p_ref, p_slot, p_seq, p_kind, p_status, p_counter, p_amount,
        coalesce(a.balance, 0), coalesce(a.version, 0), p_round, p_win, p_selection) RETURNING * INTO e;
    RETURN e;
END $$;

-- Apply changes to players' accounts as if one after the other: the balance and version after each. Changes of one call
-- have one sign, so that an account is covered throughout if it is in the end. Raises LT001 if one is not, or unknown.
-- Both statements sort by account and meet by place in that order: a join of them would have no row estimate. Arrays are
-- unnested in a SELECT list throughout: in FROM each of them is first written to a store of its own.
CREATE OR REPLACE FUNCTION move_money(p_account bigint[], p_change bigint[], OUT balance bigint[], OUT version bigint[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_account bigint[]; v_balance bigint[]; v_version bigint[]; v_accounts integer;
BEGIN
    WITH total AS MATERIALIZED (
        SELECT account, sum_minor(change) AS change, count(nullif(change, 0)) AS k
        FROM (SELECT unnest(p_account) AS account, unnest(p_change) AS change) t GROUP BY account ORDER BY account),
    moved AS (
        UPDATE account a SET balance = a.balance + t.change, version = a.version + t.k
        FROM total t WHERE t.change <> 0 AND a.id = t.account AND a.id >> 56 = 0 AND a.balance + t.change >= 0
        RETURNING a.id, a.balance - t.change AS balance, a.version - t.k AS version),
    before AS (
        SELECT * FROM moved UNION ALL
        SELECT a.id, a.balance, a.version FROM total t JOIN account a ON a.id = t.account
        WHERE t.change = 0 AND a.id >> 56 = 0)
    SELECT array_agg(b.id ORDER BY b.id), array_agg(b.balance ORDER BY b.id), array_agg(b.version ORDER BY b.id),
           (SELECT count(*) FROM total)
        INTO v_account, v_balance, v_version, v_accounts FROM before b;
    IF v_accounts <> coalesce(cardinality(v_account), 0) THEN RAISE EXCEPTION USING ERRCODE = 'LT001'; END IF;
    SELECT array_agg(v_balance[width_bucket(account, v_account)] + run ORDER BY ord),
           array_agg(v_version[width_bucket(account, v_account)] + k ORDER BY ord)
        INTO balance, version
    FROM (SELECT account, ord, sum_minor(change) OVER w AS run, count(nullif(change, 0)) OVER w AS k
          FROM (SELECT unnest(p_account) AS account, unnest(p_change) AS change,
                       generate_series(1, cardinality(p_account)) AS ord) t
          WINDOW w AS (PARTITION BY account ORDER BY ord ROWS UNBOUNDED PRECEDING)) r;
END $$;

-- The answer to one operation: what is on record of it; where nothing is, how the account stands.
CREATE OR REPLACE FUNCTION answer_of(e journal, a account, p_status integer, p_on_record boolean) RETURNS journal
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF NOT p_on_record THEN
        e := NULL;
        e.balance_after := coalesce(a.balance, 0); e.version := coalesce(a.version, 0); e.seq := 0;
    END IF;
    e.status := p_status;
    RETURN e;
END $$;

CREATE OR REPLACE FUNCTION answers_of(p_answers journal[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]) LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(t.status ORDER BY ordinality), array_agg(t.balance_after ORDER BY ordinality),
           array_agg(t.version ORDER BY ordinality), array_agg(t.seq ORDER BY ordinality)
    FROM unnest(p_answers) WITH ORDINALITY t
$$;
