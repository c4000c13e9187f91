-- Settling reads a round's entries by seq while they are still warm. A block-range index leaves its newest ranges
-- unsummarised until a vacuum comes by, and every chunk then read a minute's worth of entries; keys that only grow are the
-- cheapest that a B-tree knows.
DROP INDEX journal_seq;
CREATE INDEX journal_seq ON journal (seq);
