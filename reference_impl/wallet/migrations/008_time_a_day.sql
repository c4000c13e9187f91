-- Players limit how long a day they are logged in, too.
ALTER TABLE player_limit DROP CONSTRAINT player_limit_kind_check;
ALTER TABLE player_limit ADD CONSTRAINT player_limit_kind_check CHECK (kind BETWEEN 1 AND 7);
