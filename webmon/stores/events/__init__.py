"""The event log: pseudonymized rows, append-mostly, read by aggregates."""
