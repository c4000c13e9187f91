-- Both legs of every entry that moved money, and when a batch ended, so that any balance at any time can be told.
ALTER TABLE batch ADD COLUMN last_seq bigint;
CREATE INDEX batch_at ON batch (at);

CREATE VIEW entry AS
    SELECT j.seq, leg.account, j.ref, j.slot, j.kind, j.round, leg.change
    FROM journal j
    CROSS JOIN LATERAL (SELECT CASE WHEN j.kind IN (2, 3, 12) THEN -j.amount ELSE j.amount END AS change) d
    CROSS JOIN LATERAL (VALUES (j.account, d.change), (j.counter, -d.change)) AS leg (account, change)
    WHERE j.status = 1 AND j.amount > 0;
GRANT SELECT ON entry TO livetable_wallet;

-- What an account held after everything that was committed until then.
CREATE FUNCTION balance_at(p_account bigint, p_at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    WITH until AS (SELECT coalesce((SELECT last_seq FROM batch WHERE at <= p_at ORDER BY at DESC, id DESC LIMIT 1), 0) AS seq)
    SELECT CASE WHEN p_account >> 56 = 0
        THEN coalesce((SELECT j.balance_after FROM journal j, until
                       WHERE j.account = p_account AND j.seq <= until.seq ORDER BY j.seq DESC LIMIT 1), 0)
        ELSE coalesce((SELECT sum(e.change) FROM entry e, until WHERE e.account = p_account AND e.seq <= until.seq), 0)
    END
$$;
