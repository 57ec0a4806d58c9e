"""The one place that assigns visits: a bounded map from visitor to the visit that goes on."""

from __future__ import annotations

import os
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from webmon.domain.visit import goes_on, may_cross_midnight

_STRIPES = 64


class Visit(msgspec.Struct, gc=False):
    """A visit in progress; account and promotion are set while its visitor is signed in. Only the book changes it.

    `ends_at`: when the session ends in which the visitor is signed in, where the website has said so. Times are those
    of the book, which may be a tenth of a second before.
    """

    visit_id: int
    started_at: datetime
    last_seen_at: datetime
    account_id: int | None = None
    promotion_id: int = 0
    ends_at: datetime | None = None

    def goes_on(self, now: datetime) -> bool:
        lasts = goes_on(self.last_seen_at, now, signed_in=self.account_id is not None)
        return lasts and (self.ends_at is None or now < self.ends_at)


class SeenVisit(Protocol):
    """A visit as the event log remembers it; times are UTC without offset."""

    @property
    def site_id(self) -> int: ...
    @property
    def visitor_id(self) -> int: ...
    @property
    def visit_id(self) -> int: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def last_seen_at(self) -> datetime: ...


# Site and visitor in one number: with hundreds of thousands of visits, a pair takes as much again as the visit.
Key = int
_VISITOR_BITS = 63
# Beside a visitor's visit that goes on, one of the past: of hits that a website's server sends late. A bit above all
# others, so that both are found on one stripe.
_LATE = 1 << 127
# Moments that are no further apart are one object, for the same reason.
_SAME_MOMENT = timedelta(milliseconds=100)


@dataclass(slots=True)
class _Stripe:
    lock: threading.Lock = field(default_factory=threading.Lock)
    visits: dict[Key, Visit] = field(default_factory=dict)


_DRAWN_AT_ONCE = 512
_drawn: deque[int] = deque()


def random_visit_id() -> int:
    """Return 63 random bits of the system's.

    Drawn many at a time: each draw gives the interpreter away, and winning it back from all the threads that answer
    requests costs more than the hit itself.
    """
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            drawn = array("Q", os.urandom(8 * _DRAWN_AT_ONCE))
            _drawn.extend(number >> 1 for number in drawn)


class VisitBook:
    """Visits in progress by (site, visitor). Two hits of one visitor at once agree on the visit."""

    def __init__(self, limit: int = 400_000) -> None:
        self._stripes = [_Stripe() for _ in range(_STRIPES)]
        self._limit = limit // _STRIPES
        self._moment: datetime | None = None

    def touch(
        self,
        site_id: int,
        visitor_id: int,
        now: datetime,
        *,
        carried_from: int | None = None,
        new_id: Callable[[], int] = random_visit_id,
    ) -> Visit:
        """Return the visit that a hit of now belongs to, beginning one where none goes on.

        `carried_from`: the visitor's pseudonym of the day before, whose visit may go on across midnight.
        """
        key = _key(site_id, visitor_id)
        stripe = self._stripe(key)
        carried = self._carried(_key(site_id, carried_from), now) if carried_from is not None else None
        seen_at = self._shared(now)
        with stripe.lock:
            visit = stripe.visits.get(key)
            if visit is not None and _is_long_before(visit, now):
                key |= _LATE
                visit = stripe.visits.get(key)
            if visit is None or not visit.goes_on(now):
                visit = msgspec.structs.replace(carried) if carried else Visit(new_id(), seen_at, seen_at)
                stripe.visits[key] = visit
                if len(stripe.visits) > self._limit:
                    _thin_out(stripe.visits, now)
            visit.last_seen_at = max(visit.last_seen_at, seen_at)
        return visit

    def extend(
        self, site_id: int, visitor_id: int, now: datetime, *, carried_from: int | None = None
    ) -> Visit | None:
        """Return the visit that goes on, seen now, or None: a report on a page begins no visit."""
        key = _key(site_id, visitor_id)
        if self._going(key, now) is None and (
            carried_from is None or not self._carried(_key(site_id, carried_from), now)
        ):
            return None
        return self.touch(site_id, visitor_id, now, carried_from=carried_from)

    def current(self, site_id: int, visitor_id: int, now: datetime) -> int | None:
        """Return the visit that goes on, or None."""
        visit = self._going(_key(site_id, visitor_id), now)
        return visit.visit_id if visit else None

    def assign(
        self,
        site_id: int,
        visitor_id: int,
        visit_id: int,
        seen_at: datetime,
        *,
        account_id: int,
        promotion_id: int,
        ends_at: datetime | None = None,
    ) -> None:
        """Say that the visitor is signed in on this visit: its hits go to the account log, until `ends_at` if any."""
        key = _key(site_id, visitor_id)
        stripe = self._stripe(key)
        with stripe.lock:
            visit = stripe.visits.get(key)
            if visit is None or visit.visit_id != visit_id:
                visit = Visit(visit_id, seen_at, seen_at)
            stripe.visits[key] = msgspec.structs.replace(
                visit, account_id=account_id, promotion_id=promotion_id, ends_at=ends_at
            )

    def end(self, site_id: int, visitor_id: int, visit_id: int | None = None) -> None:
        """End the visitor's visit, or that one alone: the next hit begins a new one, in the event log."""
        key = _key(site_id, visitor_id)
        stripe = self._stripe(key)
        with stripe.lock:
            visit = stripe.visits.get(key)
            if visit is not None and visit_id in {None, visit.visit_id}:
                del stripe.visits[key]

    def restore(self, seen: Iterable[SeenVisit]) -> None:
        """Take up the visits that were going on before a restart."""
        for visit in seen:
            key = _key(visit.site_id, visit.visitor_id)
            stripe = self._stripe(key)
            known = stripe.visits.get(key)
            last = visit.last_seen_at.replace(tzinfo=UTC)
            # Whose visitor has signed in goes on so, whatever came before.
            if known is None or (known.account_id is None and known.last_seen_at < last):
                stripe.visits[key] = Visit(visit.visit_id, visit.started_at.replace(tzinfo=UTC), last)

    def count(self) -> int:
        return sum(len(stripe.visits) for stripe in self._stripes)

    def _shared(self, now: datetime) -> datetime:
        """Return a moment that others have been seen at, if there was one just before."""
        moment = self._moment
        if moment is None or not moment <= now < moment + _SAME_MOMENT:
            self._moment = moment = now
        return moment

    def _stripe(self, key: Key) -> _Stripe:
        return self._stripes[key % _STRIPES]

    def _going(self, key: Key, now: datetime) -> Visit | None:
        visits = self._stripe(key).visits
        visit = visits.get(key)
        if visit and _is_long_before(visit, now):
            visit = visits.get(key | _LATE)
        return visit if visit and visit.goes_on(now) else None

    def _carried(self, key: Key, now: datetime) -> Visit | None:
        visit = self._going(key, now)
        return visit if visit and may_cross_midnight(visit.started_at, now) else None


def _is_long_before(visit: Visit, now: datetime) -> bool:
    """Whether `now` is of a time before the visit, and so says nothing of whether it goes on."""
    return now < visit.last_seen_at and not visit.goes_on(now)


def _key(site_id: int, visitor_id: int) -> Key:
    return site_id << _VISITOR_BITS | visitor_id


def _thin_out(visits: dict[Key, Visit], now: datetime) -> None:
    """Forget ended visits; where too many go on, the half that was seen least lately."""
    ended = [key for key, visit in visits.items() if not visit.goes_on(now)]
    for key in ended or sorted(visits, key=lambda key: visits[key].last_seen_at)[: len(visits) // 2]:
        del visits[key]
