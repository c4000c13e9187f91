-- Two floors under the wallet's bench, on a database that is a shard.

-- The stripped design: the wallet's own rows, running balances and answers; no second index, no hash chain, no outbox, no
-- escrow, no windows, no limits, no lock that orders the shard.
DROP INDEX journal_seq;
CREATE FUNCTION floor_place(
    p_ref uuid[], p_account bigint[], p_round bigint[], p_win integer[], p_selection integer[], p_amount bigint[],
    OUT status smallint[], OUT balance bigint[], OUT version bigint[], OUT seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE n integer := cardinality(p_ref);
BEGIN
    seq := ARRAY(SELECT generate_series(1::bigint, n));
    SELECT m.balance, m.version INTO balance, version FROM move_money(p_account, ARRAY(SELECT -unnest(p_amount))) m;
    INSERT INTO journal
        SELECT account, ref, 0, t.seq, 3, 1, escrow_of(round, account), amount, t.balance, t.version, round, win, selection
        FROM (SELECT unnest(p_account) AS account, unnest(p_ref) AS ref, unnest(seq) AS seq, unnest(p_amount) AS amount,
                     unnest(balance) AS balance, unnest(version) AS version, unnest(p_round) AS round,
                     unnest(p_win) AS win, unnest(p_selection) AS selection) t;
    status := array_fill(1::smallint, ARRAY[n]);
END $$;

-- The bare floor: a covered debit and a row of five columns a bet, keyed for idempotency, and nothing else; it tells
-- nobody his balance.
CREATE TABLE bare_account (id bigint PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 70);
CREATE TABLE bare_journal (
    account bigint NOT NULL, ref uuid NOT NULL, round bigint NOT NULL, selection integer NOT NULL, amount bigint NOT NULL,
    PRIMARY KEY (account, ref)
);
CREATE FUNCTION bare_place(p_ref uuid[], p_account bigint[], p_round bigint[], p_selection integer[], p_amount bigint[])
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_count bigint;
BEGIN
    UPDATE bare_account a SET balance = a.balance - t.amount
        FROM (SELECT account, sum(amount)::bigint AS amount FROM unnest(p_account, p_amount) AS u (account, amount)
              GROUP BY account ORDER BY account) t
        WHERE a.id = t.account AND a.balance >= t.amount;
    INSERT INTO bare_journal SELECT * FROM unnest(p_account, p_ref, p_round, p_selection, p_amount);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
