"""How things are kept: the control database, the spool, the event log, the keys."""
