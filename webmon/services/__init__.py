"""Use cases: what the service does, on the stores it is given, at the time it is told."""
