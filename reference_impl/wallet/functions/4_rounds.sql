-- The steps of a round, and who may take them.

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

-- An entry that moves nothing stands for a step of a round, so that the steps and the bets have one order.
CREATE OR REPLACE FUNCTION control_entry(
    h head, p_kind integer, p_round bigint, p_win integer, p_selection integer, p_name text, p_more jsonb
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE e journal;
BEGIN
    e := post(h.seq + 1, escrow_of(p_round), control_ref(p_round, p_win, p_kind), 0, p_kind, 1, house_of(h.shard), 0, 0,
              p_round, p_win, p_selection);
    PERFORM append_entries(h, p_name, ARRAY[e], p_more);
    RETURN e.seq;
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
    PERFORM have_accounts(escrow_of(p_round));
    v_seq := control_entry(h, 8, p_round, p_win, 0, 'open',
                           jsonb_build_object('epoch', p_epoch, 'accept_until', p_accept_until));
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
        w.closed_seq := control_entry(h, 9, p_round, p_win, 0, 'close', jsonb_build_object('epoch', p_epoch));
        SELECT head.hash INTO w.closed_hash FROM head;
        UPDATE betting_window b SET closed_seq = w.closed_seq, closed_hash = w.closed_hash
            WHERE b.round = p_round AND b.win = p_win;
    END IF;
    seq := w.closed_seq; hash := w.closed_hash;
END $$;

-- Home shard only. The first decision stands; whoever comes later learns what it was.
CREATE OR REPLACE FUNCTION decide(
    p_round bigint, p_table integer, p_epoch integer, p_void boolean, p_outcome integer, p_seed bytea, p_heads bytea[],
    p_game text DEFAULT 'roulette', p_reason text DEFAULT '', OUT void boolean, OUT outcome integer, OUT game text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE h head; d round_decision;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    SELECT * INTO d FROM round_decision r WHERE r.round = p_round;
    IF d.round IS NULL THEN
        INSERT INTO round_decision VALUES (p_round, p_epoch, p_void, p_outcome, p_seed, p_heads, p_game) RETURNING * INTO d;
        PERFORM control_entry(h, 10, p_round, 0, p_outcome, 'decide', jsonb_build_object(
            'epoch', p_epoch, 'void', p_void, 'outcome', p_outcome, 'game', p_game, 'reason', p_reason, 'seed', encode(p_seed, 'hex'),
            'heads', (SELECT coalesce(jsonb_agg(encode(x, 'hex') ORDER BY n), '[]')
                      FROM unnest(p_heads) WITH ORDINALITY AS t (x, n))));
    END IF;
    void := d.void; outcome := d.outcome; game := d.game;
END $$;

CREATE OR REPLACE FUNCTION finish_round(p_round bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE betting_window SET finished = true WHERE round = p_round AND NOT finished;
    DELETE FROM round_stake WHERE round = p_round;
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
