-- What the wallet may do. Whatever its code contains, it can neither change nor remove what is on record.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'livetable_wallet') THEN
        CREATE ROLE livetable_wallet NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another shard of the same server was faster
END $$;
GRANT livetable_wallet TO CURRENT_USER;
GRANT USAGE ON SCHEMA public TO livetable_wallet;
GRANT SELECT, INSERT ON journal, batch, round_decision TO livetable_wallet;
GRANT SELECT, INSERT, UPDATE ON account, betting_window, game_table TO livetable_wallet;
GRANT SELECT, UPDATE ON head, relay_cursor TO livetable_wallet;
