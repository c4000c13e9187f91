-- A correction may leave a player owing money: `owed:<player>` is then negative, as everything is that is owed to us.
ALTER TABLE account DROP CONSTRAINT never_negative;
ALTER TABLE account ADD CONSTRAINT never_negative CHECK (balance >= 0 OR (id >> 56) NOT IN (0, 2));
ALTER TABLE account ADD CONSTRAINT owed_to_us CHECK (balance <= 0 OR (id >> 56) <> 3);

DROP FUNCTION IF EXISTS place_one;
DROP FUNCTION IF EXISTS control_entry(head, smallint, bigint, integer, integer, text, json);
DROP FUNCTION IF EXISTS unsettled(bigint, integer);
