-- What the operator may do to rounds and tables.

-- Home shard only. A settled round gets another outcome, once; whoever comes later learns which.
CREATE OR REPLACE FUNCTION record_correction(
    p_round bigint, p_table integer, p_epoch integer, p_outcome integer, p_reason text,
    OUT outcome integer, OUT game text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE d round_decision; c round_correction;
BEGIN
    PERFORM FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    SELECT * INTO d FROM round_decision r WHERE r.round = p_round;
    IF d.round IS NULL OR d.void THEN
        RAISE EXCEPTION 'round % has no outcome that could be corrected', p_round USING ERRCODE = 'LT004';
    END IF;
    SELECT * INTO c FROM round_correction r WHERE r.round = p_round;
    IF c.round IS NULL THEN
        INSERT INTO round_correction (round, table_id, epoch, outcome, reason)
            VALUES (p_round, p_table, p_epoch, p_outcome, p_reason) RETURNING * INTO c;
    END IF;
    outcome := c.outcome; game := d.game;
END $$;

-- Settled bets of a round after a place in the journal that have no correction yet, and what they were paid.
CREATE OR REPLACE FUNCTION correctable(p_round bigint, p_limit integer, p_after bigint)
RETURNS TABLE (seq bigint, ref uuid, account bigint, selection integer, stake bigint, paid bigint)
LANGUAGE sql STABLE AS $$
    SELECT b.seq, b.ref, b.account, b.selection, b.amount, e.amount
    FROM (SELECT min(opened_seq) AS first, max(closed_seq) AS last FROM betting_window WHERE round = p_round) w
    JOIN journal b ON b.seq > greatest(w.first, p_after) AND b.seq < w.last
    JOIN journal e ON e.account = b.account AND e.ref = b.ref AND e.slot = 1 AND e.kind = 5
    WHERE b.round = p_round AND b.kind = 3 AND b.status = 1
      AND NOT EXISTS (SELECT FROM journal c WHERE c.account = b.account AND c.ref = b.ref AND c.slot = 2)
    ORDER BY b.seq LIMIT p_limit
$$;

CREATE OR REPLACE FUNCTION finish_correction(p_round bigint, p_table integer, p_epoch integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    UPDATE round_correction SET finished = true WHERE round = p_round;
END $$;

-- Home shard only. A table with a reason here starts no new round.
CREATE OR REPLACE FUNCTION stop_table(p_table integer, p_epoch integer, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM head FOR UPDATE;
    PERFORM check_epoch(p_table, p_epoch);
    UPDATE game_table SET stopped = p_reason WHERE id = p_table;
END $$;
