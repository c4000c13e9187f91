-- What an account's owner may read of the journal: by time, exactly. An account's entries are found by its own key, never
-- by an index that a bet would have to pay for.

-- The last journal entry that was committed until an instant.
CREATE OR REPLACE FUNCTION seq_at(p_unix_ns bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT last_seq FROM batch WHERE at <= instant_of(p_unix_ns) ORDER BY at DESC, id DESC LIMIT 1), 0)
$$;

-- When a journal entry was committed: batches are numbered without gaps and end at ever later entries, so that halving
-- finds the one.
CREATE OR REPLACE FUNCTION committed_at(p_seq bigint) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE v_before bigint := 0; v_from bigint; v_middle bigint;
BEGIN
    SELECT batch INTO v_from FROM head;
    WHILE v_from - v_before > 1 LOOP
        v_middle := (v_before + v_from) / 2;
        IF (SELECT coalesce(last_seq, 0) FROM batch WHERE id = v_middle) >= p_seq THEN v_from := v_middle;
        ELSE v_before := v_middle; END IF;
    END LOOP;
    RETURN (SELECT at FROM batch WHERE id = v_from);
END $$;

-- What accepted entries of an account moved, by kind, after one place in the journal and up to another; and the balance at
-- both.
CREATE OR REPLACE FUNCTION statement_sums(
    p_account bigint, p_from bigint, p_to bigint,
    OUT opening bigint, OUT closing bigint, OUT kinds smallint[], OUT counts bigint[], OUT sums bigint[]
) LANGUAGE sql STABLE AS $$
    WITH mine AS MATERIALIZED (
        SELECT seq, kind, status, amount, balance_after FROM journal WHERE account = p_account),
    by_kind AS (
        SELECT kind, count(*) AS n, sum(amount)::bigint AS moved FROM mine
        WHERE status = 1 AND seq > p_from AND seq <= p_to GROUP BY kind)
    SELECT coalesce((SELECT balance_after FROM mine WHERE seq <= p_from ORDER BY seq DESC LIMIT 1), 0),
           coalesce((SELECT balance_after FROM mine WHERE seq <= p_to ORDER BY seq DESC LIMIT 1), 0),
           coalesce(array_agg(kind ORDER BY kind), '{}'), coalesce(array_agg(n ORDER BY kind), '{}'),
           coalesce(array_agg(moved ORDER BY kind), '{}') FROM by_kind
$$;

-- Accepted entries of some kinds of an account, between two places of the journal, from either end.
CREATE OR REPLACE FUNCTION statement_entries(
    p_account bigint, p_from bigint, p_to bigint, p_kinds smallint[], p_newest_first boolean, p_limit integer
) RETURNS TABLE (seq bigint, at timestamptz, ref uuid, kind smallint, amount bigint, balance bigint, round bigint,
                 selection integer)
LANGUAGE sql STABLE AS $$
    WITH mine AS MATERIALIZED (SELECT * FROM journal WHERE account = p_account),
    page AS (
        SELECT * FROM mine WHERE seq > p_from AND seq <= p_to AND status = 1 AND kind = ANY (p_kinds)
        ORDER BY CASE WHEN p_newest_first THEN -seq ELSE seq END LIMIT p_limit)
    SELECT seq, committed_at(seq), ref, kind, amount, balance_after, round, selection FROM page
    ORDER BY CASE WHEN p_newest_first THEN -seq ELSE seq END
$$;
