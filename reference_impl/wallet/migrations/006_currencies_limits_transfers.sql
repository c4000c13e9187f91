-- Accounts tell their currency (bits 48-55); players set limits; money goes from shard to shard.
DROP FUNCTION IF EXISTS house_of(smallint), cash_of(smallint), escrow_of(bigint), owed_of(bigint);
DROP FUNCTION IF EXISTS open_accounts(uuid[], bigint[], bigint[], integer);
DROP FUNCTION IF EXISTS move_cash(smallint[], uuid[], bigint[], bigint[], integer);
DROP FUNCTION IF EXISTS place_bets(uuid[], bigint[], bigint[], integer[], integer[], bigint[], boolean[]);
DROP FUNCTION IF EXISTS cancel_bets(uuid[], bigint[], boolean[]);
DROP FUNCTION IF EXISTS init_shard(integer, integer);
DROP FUNCTION IF EXISTS judge_bets, place_judged, end_bets;

-- One row a player and kind (domain.limits.LimitKind), so that a batch reads all that holds for a player at once.
CREATE TABLE player_limit (
    account bigint NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
    amount bigint NOT NULL CHECK (amount >= 0),
    next_amount bigint,                  -- a looser limit that waits
    next_from_ns bigint,                 -- until then, Unix ns
    period bigint NOT NULL DEFAULT 0,    -- loss limits: the day or week of the last bet
    used_minor bigint NOT NULL DEFAULT 0, -- and what was lost in it
    PRIMARY KEY (account, kind)
);

-- What players with a limit of a round have staked in it; gone once it is finished.
CREATE TABLE round_stake (
    round bigint NOT NULL,
    account bigint NOT NULL,
    staked bigint NOT NULL,
    PRIMARY KEY (round, account)
);

-- What was sent and neither arrived nor came back. A list of what is to be done: the journal is what counts.
CREATE TABLE under_way (
    account bigint NOT NULL,
    ref uuid NOT NULL,
    PRIMARY KEY (account, ref)
);
GRANT SELECT, INSERT, UPDATE ON player_limit TO livetable_wallet;
GRANT SELECT, INSERT, UPDATE, DELETE ON round_stake TO livetable_wallet;
GRANT SELECT, INSERT, DELETE ON under_way TO livetable_wallet;

CREATE OR REPLACE VIEW entry AS
    SELECT j.seq, leg.account, j.ref, j.slot, j.kind, j.round, leg.change
    FROM journal j
    CROSS JOIN LATERAL (SELECT CASE WHEN j.kind IN (2, 3, 12, 13) THEN -j.amount ELSE j.amount END AS change) d
    CROSS JOIN LATERAL (VALUES (j.account, d.change), (j.counter, -d.change)) AS leg (account, change)
    WHERE j.status = 1 AND j.amount > 0 AND j.kind <> 17;
