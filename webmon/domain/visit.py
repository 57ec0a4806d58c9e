"""When one visit ends and the next begins."""

from __future__ import annotations

from datetime import datetime, timedelta

# The field's convention (Plausible, Matomo, Google Analytics): half an hour without a hit ends a visit.
INACTIVITY = timedelta(minutes=30)


def goes_on(last_seen_at: datetime, now: datetime) -> bool:
    """Whether a visit last seen then is still the same visit now. Hits may arrive a little out of order."""
    return abs(now - last_seen_at) < INACTIVITY


def may_cross_midnight(started_at: datetime, now: datetime) -> bool:
    """Whether a visit may be carried to the pseudonyms of a new day: once, and no longer link is allowed."""
    return (now.date() - started_at.date()).days <= 1
