-- Limits that players set for themselves: domain/limits.py in SQL. Kinds 1 stake 2 round 3 loss a day 4 loss a week
-- 5 time-out 6 exclusion 7 time a day; 5 and 6 hold an instant in Unix ns, 7 holds ns and is carried out by who keeps the
-- sessions.

-- The number of the day, or of the week from Monday, in which an instant lies; 0 for other kinds.
CREATE OR REPLACE FUNCTION period_of(p_kind integer, p_now_ns bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN CASE p_kind WHEN 3 THEN p_now_ns / 86400000000000
                       WHEN 4 THEN (p_now_ns + 3 * 86400000000000) / (7 * 86400000000000) ELSE 0 END;

CREATE OR REPLACE FUNCTION in_force(l player_limit, p_now_ns bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (l).next_from_ns <= p_now_ns THEN (l).next_amount ELSE (l).amount END;

-- What is returned to players counts against what they lost.
CREATE OR REPLACE FUNCTION count_returns(p_account bigint[], p_amount bigint[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM player_limit) THEN RETURN; END IF;
    UPDATE player_limit l SET used_minor = l.used_minor - t.amount
        FROM (SELECT account, sum(amount)::bigint AS amount FROM unnest(p_account, p_amount) u (account, amount)
              GROUP BY account) t
        WHERE l.account = t.account AND l.kind IN (3, 4);
END $$;

-- Accepted stakes of a batch count against the limits of those who have one.
CREATE OR REPLACE FUNCTION count_stakes(p_now_ns bigint, p_account bigint[], p_round bigint[], p_amount bigint[],
    p_verdict smallint[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM player_limit) THEN RETURN; END IF;
    UPDATE player_limit l SET period = period_of(l.kind, p_now_ns),
            used_minor = t.amount + CASE WHEN l.period = period_of(l.kind, p_now_ns) THEN l.used_minor ELSE 0 END
        FROM (SELECT account, sum(amount)::bigint AS amount
              FROM unnest(p_account, p_amount, p_verdict) u (account, amount, verdict) WHERE verdict = 1 GROUP BY account) t
        WHERE l.account = t.account AND l.kind IN (3, 4);
    INSERT INTO round_stake AS s (round, account, staked)
        SELECT u.round, u.account, sum(u.amount) FROM unnest(p_account, p_round, p_amount, p_verdict)
            AS u (account, round, amount, verdict)
        JOIN player_limit l ON l.account = u.account AND l.kind = 2 WHERE u.verdict = 1 GROUP BY u.round, u.account
        ON CONFLICT (round, account) DO UPDATE SET staked = s.staked + excluded.staked;
END $$;

-- Set limits, in order. A tighter one, or one where there was none, holds at once; a looser one from p_loosen_at_ns on, and
-- never before the end that a time-out or an exclusion has.
CREATE OR REPLACE FUNCTION set_limits(
    p_ref uuid[], p_account bigint[], p_kind smallint[], p_amount bigint[], p_now_ns bigint, p_loosen_at_ns bigint,
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h head; v_entries journal[] := '{}'; v_answers journal[]; v_states jsonb := '[]'; a account; e journal; l player_limit; i integer;
    v_status integer; v_now bigint; v_looser boolean;
BEGIN
    SELECT * INTO STRICT h FROM head FOR UPDATE;
    FOR i IN 1..cardinality(p_ref) LOOP
        SELECT * INTO a FROM account WHERE id = p_account[i] AND id >> 56 = 0;
        SELECT * INTO e FROM journal WHERE account = p_account[i] AND ref = p_ref[i] AND slot = 0;
        v_status := CASE
            WHEN a.id IS NULL THEN 5
            WHEN (e.kind, e.amount, e.selection) = (17, p_amount[i], p_kind[i]) THEN 1
            WHEN e.ref IS NOT NULL THEN 6
            WHEN p_amount[i] < 0 THEN 8
            ELSE 1 END;
        IF v_status = 1 AND e.ref IS NULL THEN
            SELECT * INTO l FROM player_limit WHERE account = a.id AND kind = p_kind[i];
            v_now := in_force(l, p_now_ns);
            v_looser := CASE WHEN p_kind[i] IN (5, 6) THEN p_amount[i] < v_now ELSE p_amount[i] > v_now END;
            INSERT INTO player_limit AS p (account, kind, amount) VALUES (a.id, p_kind[i], p_amount[i])
                ON CONFLICT (account, kind) DO UPDATE SET
                    amount = CASE WHEN v_looser THEN v_now ELSE p_amount[i] END,
                    next_amount = CASE WHEN v_looser THEN p_amount[i] END,
                    next_from_ns = CASE WHEN v_looser THEN
                        greatest(p_loosen_at_ns, CASE WHEN p_kind[i] IN (5, 6) THEN v_now END) END
                RETURNING * INTO l;
            IF p_kind[i] = 2 THEN PERFORM count_rounds(a.id); END IF;
            e := post(h.seq + cardinality(v_entries) + 1, a.id, p_ref[i], 0, 17, 1, house_of(h.shard, a.id), p_amount[i], 0,
                      0, 0, p_kind[i]);
            v_entries := v_entries || e;
            v_states := v_states || jsonb_build_array(jsonb_build_array(l.account, l.kind, l.amount, l.next_amount,
                                                                        l.next_from_ns));
        END IF;
        v_answers := v_answers || answer_of(e, a, v_status, v_status = 1);
    END LOOP;
    SELECT * INTO status, balance, version, seq FROM answers_of(v_answers);
    PERFORM append_entries(h, 'limits', v_entries, jsonb_build_object('limits', v_states));
END $$;

-- What a player has staked already in rounds that still run, when a limit of it is first set.
CREATE OR REPLACE FUNCTION count_rounds(p_account bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO round_stake (round, account, staked)
        SELECT b.round, b.account, sum(b.amount) FROM journal b
        WHERE b.account = p_account AND b.slot = 0 AND b.kind = 3 AND b.status = 1
          AND b.round IN (SELECT w.round FROM betting_window w WHERE NOT w.finished)
          AND NOT EXISTS (SELECT FROM journal e WHERE e.account = b.account AND e.ref = b.ref AND e.slot = 1 AND e.kind = 4)
        GROUP BY b.round, b.account
        ON CONFLICT DO NOTHING
$$;
