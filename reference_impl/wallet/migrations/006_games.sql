-- Which game a decision is of: its outcome means nothing without it.
ALTER TABLE round_decision ADD COLUMN game text NOT NULL DEFAULT 'roulette';
DROP FUNCTION IF EXISTS decide(bigint, integer, integer, boolean, integer, bytea, bytea[]);
