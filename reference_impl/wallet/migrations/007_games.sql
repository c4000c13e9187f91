-- Which game a decision is of: its outcome means nothing without it.
ALTER TABLE round_decision ADD COLUMN game text NOT NULL DEFAULT 'roulette';
DROP FUNCTION IF EXISTS decide(bigint, integer, integer, boolean, integer, bytea, bytea[]);

-- What the operator did: why a table starts no rounds, and which other outcome a settled round was given, once.
ALTER TABLE game_table ADD COLUMN stopped text NOT NULL DEFAULT '';
CREATE TABLE round_correction (
    round bigint PRIMARY KEY,
    table_id integer NOT NULL,
    epoch integer NOT NULL,
    outcome integer NOT NULL,
    reason text NOT NULL,
    finished boolean NOT NULL DEFAULT false, -- carried out in every shard
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX round_correction_unfinished ON round_correction (table_id) WHERE NOT finished;
GRANT SELECT, INSERT, UPDATE (finished) ON round_correction TO livetable_wallet;
