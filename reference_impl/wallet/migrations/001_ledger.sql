-- The ledger of one shard: one database a shard.
-- Every table is written only by the functions beside this file, and only while the row in `head` is locked, so that
-- all money of a shard moves in one order: `seq` follows commit order and has no gaps.

CREATE TABLE head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    shard smallint NOT NULL,
    seq bigint NOT NULL DEFAULT 0,       -- last journal entry
    batch bigint NOT NULL DEFAULT 0,     -- last batch of the hash chain
    hash bytea NOT NULL                  -- its hash
) WITH (fillfactor = 10);

CREATE TABLE account (
    id bigint PRIMARY KEY,
    currency smallint NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,   -- entries that changed the balance
    -- kinds 0 player, 2 escrow, 3 owed (see domain.ids.AccountKind) are never negative
    CONSTRAINT never_negative CHECK (balance >= 0 OR (id >> 56) NOT IN (0, 2, 3))
) WITH (fillfactor = 70);

-- One row is both legs of a posting: `amount` moves between account and counter, in the direction that `kind` says.
CREATE TABLE journal (
    account bigint NOT NULL,
    ref uuid NOT NULL,
    slot smallint NOT NULL,              -- 0 first, 1 terminal: settle, cancel and void of a bet exclude each other
    seq bigint NOT NULL,
    kind smallint NOT NULL,
    status smallint NOT NULL,
    counter bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    balance_after bigint NOT NULL,
    version bigint NOT NULL,
    round bigint NOT NULL,
    win smallint NOT NULL,
    selection integer NOT NULL,
    PRIMARY KEY (account, ref, slot)
);
-- Rows arrive in seq order, so a block-range index finds a round's entries at next to no cost a bet.
CREATE INDEX journal_seq ON journal USING brin (seq) WITH (pages_per_range = 8, autosummarize = on);

CREATE TABLE game_table (
    id integer PRIMARY KEY,
    epoch integer NOT NULL,              -- the dealer that holds the table; whoever is below is refused
    event_seq bigint NOT NULL DEFAULT 0, -- last table event (home shard only)
    round_no bigint NOT NULL DEFAULT 0   -- last round opened here
);

CREATE TABLE betting_window (
    round bigint NOT NULL,
    win smallint NOT NULL,
    table_id integer NOT NULL,
    epoch integer NOT NULL,
    accept_until timestamptz NOT NULL,
    opened_seq bigint NOT NULL,
    closed_seq bigint,
    closed_hash bytea,
    finished boolean NOT NULL DEFAULT false, -- settled or voided
    PRIMARY KEY (round, win)
);
CREATE INDEX betting_window_unfinished ON betting_window (table_id) WHERE NOT finished;

-- Written once, in the table's home shard, after every shard closed and before anyone may learn the outcome.
CREATE TABLE round_decision (
    round bigint PRIMARY KEY,
    epoch integer NOT NULL,
    void boolean NOT NULL,
    outcome integer NOT NULL,
    seed bytea NOT NULL,
    heads bytea[] NOT NULL
);

-- The hash chain and the outbox are one thing: each batch's payload is what the relay publishes and the chain hashes.
CREATE TABLE batch (
    id bigint PRIMARY KEY,
    topic text NOT NULL,                 -- 'ledger', 'paid' (settled or voided bets) or 'table.<id>'
    payload text NOT NULL,
    hash bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE batch ALTER payload SET STORAGE EXTERNAL;

CREATE TABLE relay_cursor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    batch bigint NOT NULL DEFAULT 0
);
INSERT INTO relay_cursor DEFAULT VALUES;
