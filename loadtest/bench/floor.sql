-- What the wallet's bench could reach at most: a covered debit and a row a bet, durable, keyed for idempotency, and
-- nothing else. No hash chain, no escrow, no outbox, no windows, no order, no answers.
CREATE TABLE floor_account (id bigint PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 70);
CREATE TABLE floor_journal (
    account bigint NOT NULL, ref uuid NOT NULL, round bigint NOT NULL, selection integer NOT NULL, amount bigint NOT NULL,
    PRIMARY KEY (account, ref)
);
CREATE FUNCTION floor_place(p_ref uuid[], p_account bigint[], p_round bigint[], p_selection integer[], p_amount bigint[])
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_count bigint;
BEGIN
    UPDATE floor_account a SET balance = a.balance - t.amount
        FROM (SELECT account, sum(amount)::bigint AS amount FROM unnest(p_account, p_amount) AS u (account, amount)
              GROUP BY account ORDER BY account) t
        WHERE a.id = t.account AND a.balance >= t.amount;
    INSERT INTO floor_journal SELECT * FROM unnest(p_account, p_ref, p_round, p_selection, p_amount);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
