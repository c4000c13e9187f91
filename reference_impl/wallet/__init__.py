"""The ledger on PostgreSQL: one writer per shard."""
