"""The audit trail, written from the event stream, outside PostgreSQL."""
