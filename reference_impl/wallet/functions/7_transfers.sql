-- Money between players: out of the sender over transit, into the receiver, and an end in the sender's shard. Each is one
-- transaction of one shard and safe to repeat; what was begun is resumed from `under_way` after any crash.

-- Let money leave, in order.
CREATE OR REPLACE FUNCTION send_money(p_ref uuid[], p_account bigint[], p_to bigint[], p_amount bigint[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_entries journal[] := '{}'; v_answers journal[]; a account; e journal; i integer; v_status integer; v_transit bigint;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    FOR i IN 1..cardinality(p_ref) LOOP
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO e FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 0;
        v_transit := transit_to(p_to[i], p_account[i]);
        v_status := CASE
            WHEN a.id IS NULL THEN 5
            WHEN (e.kind, e.amount, e.counter) = (13, p_amount[i], v_transit) THEN e.status
            WHEN e.ref IS NOT NULL THEN 6
            WHEN p_amount[i] <= 0 THEN 8
            WHEN p_to[i] >> 56 <> 0 THEN 5
            WHEN (p_to[i] # p_account[i]) & (255::bigint << 48) <> 0 THEN 16
            WHEN a.balance < p_amount[i] THEN 2
            ELSE 1 END;
        IF e.ref IS NULL AND v_status IN (1, 2) THEN
            IF v_status = 1 THEN
                PERFORM have_accounts(v_transit);
                INSERT INTO under_way (account, ref) VALUES (a.id, p_ref[i]);
            END IF;
            e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 0, 13, v_status, v_transit, p_amount[i],
                      CASE v_status WHEN 1 THEN -p_amount[i] ELSE 0 END);
            v_entries := v_entries || e;
        END IF;
        v_answers := v_answers || answer_of(e, a, v_status, v_status IN (1, 2));
    END LOOP;
    SELECT * INTO status, balance, version, seq FROM answers_of(v_answers);
    PERFORM append_entries(h, 'sent', v_entries);
END $$;

-- Let money arrive, in order. That there is no such player is on record too: the sender then gets it back, and no later
-- message may bring it here after all.
CREATE OR REPLACE FUNCTION receive_money(p_ref uuid[], p_account bigint[], p_from bigint[], p_amount bigint[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; v_entries journal[] := '{}'; v_answers journal[]; a account; e journal; i integer; v_status integer; v_transit bigint;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    FOR i IN 1..cardinality(p_ref) LOOP
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO e FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 3;
        v_transit := transit_to(p_from[i], p_account[i]);
        v_status := CASE
            WHEN (e.amount, e.counter) = (p_amount[i], v_transit) THEN e.status
            WHEN e.ref IS NOT NULL THEN 6
            WHEN p_amount[i] <= 0 OR p_account[i] >> 56 <> 0 THEN 8
            WHEN a.id IS NULL THEN 5
            ELSE 1 END;
        IF e.ref IS NULL AND v_status IN (1, 5) THEN
            IF v_status = 1 THEN PERFORM have_accounts(v_transit); END IF;
            e := post(h.seq + cardinality(v_entries) + 1, p_account[i], p_ref[i], 3, 14, v_status, v_transit, p_amount[i],
                      CASE v_status WHEN 1 THEN p_amount[i] ELSE 0 END);
            v_entries := v_entries || e;
        END IF;
        v_answers := v_answers || answer_of(e, a, v_status, v_status IN (1, 5));
    END LOOP;
    SELECT * INTO status, balance, version, seq FROM answers_of(v_answers);
    PERFORM append_entries(h, 'received', v_entries);
END $$;

-- Note that what was sent has arrived, or give it back: one of the two, once.
CREATE OR REPLACE FUNCTION end_transfers(p_ref uuid[], p_account bigint[], p_arrived boolean[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_entries journal[] := '{}'; v_answers journal[]; a account; o journal; e journal; i integer; v_status integer; v_kind integer;
    v_amount bigint;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    FOR i IN 1..cardinality(p_ref) LOOP
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO o FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 0;
        SELECT * INTO e FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 1;
        v_kind := CASE WHEN p_arrived[i] THEN 15 ELSE 16 END;
        v_amount := CASE WHEN p_arrived[i] THEN 0 ELSE o.amount END;
        v_status := CASE
            WHEN a.id IS NULL THEN 5
            WHEN (o.kind, o.status) IS DISTINCT FROM (13::smallint, 1::smallint) OR e.kind <> v_kind THEN 6
            ELSE 1 END;
        IF v_status = 1 AND e.ref IS NULL THEN
            e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 1, v_kind, 1, o.counter, v_amount, v_amount);
            v_entries := v_entries || e;
            DELETE FROM under_way WHERE account = a.id AND ref = p_ref[i];
        END IF;
        v_answers := v_answers || answer_of(e, a, v_status, v_status = 1);
    END LOOP;
    SELECT * INTO status, balance, version, seq FROM answers_of(v_answers);
    PERFORM append_entries(h, 'transfers', v_entries);
END $$;
