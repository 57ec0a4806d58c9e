"""The steps by which a visit's rows leave the event log for the account log."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What has been done; each step is taken from the one before, and may be taken again."""

    REQUESTED = "requested"
    # Hits of the visit go to the account log.
    SEALED = "sealed"
    # The rows that had come before stand there too, encrypted.
    COPIED = "copied"
    # They are rows of the event log no more.
    REMOVED = "removed"
    # And in none of its files, in no spool and no write-ahead log.
    DONE = "done"


# A visit that is promoted alone; otherwise for how many days back the visitor's consented rows go with it.
THIS_VISIT = 0
PROMOTE_DAYS_LIMIT = 390
