"""When one visit ends and the next begins."""

from __future__ import annotations

from datetime import datetime, timedelta

# The field's convention (Plausible, Matomo, Google Analytics): half an hour without a hit ends a visit.
INACTIVITY = timedelta(minutes=30)
# Plausible's reckoning of it, in whole minutes: one that has begun is not over (docs/decisions/half-an-hour.md).
LONGEST_PAUSE = INACTIVITY + timedelta(minutes=1)


def goes_on(last_seen_at: datetime, now: datetime, *, signed_in: bool = False) -> bool:
    """Whether a visit last seen then is still the same visit now. Hits may arrive a little out of order."""
    return abs(now - last_seen_at) < (INACTIVITY if signed_in else LONGEST_PAUSE)


def may_cross_midnight(started_at: datetime, now: datetime) -> bool:
    """Whether a visit may be carried to the pseudonyms of a new day: once, and no longer link is allowed."""
    return (now.date() - started_at.date()).days <= 1
