"""Which pages and events several people have seen: only those may stand in what a signed-in visit leaves for figures.

A page that nobody else has seen would say whose visit it was, however little else is said; so would the name of an
event that befell nobody else.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from webmon.domain.event import PAGEVIEW
from webmon.domain.hit import Hit
from webmon.domain.remainder import SOME_PAGE, section_of
from webmon.errors import Unavailable
from webmon.stores.ports.events import EVENT

# How far back others are looked for, and for how long it is remembered what was found.
LOOK_BACK = timedelta(days=7)
_REMEMBERED_FOR = timedelta(minutes=10)
_REMEMBERED = 50_000
# Even where a site hides no small groups: a page of one alone is not shared by anybody.
FEWEST = 2

# The name of events whose own name would say too much.
OTHER = "other"

# Site, host, page or section or name of an event.
_Page = tuple[int, str, str]


class EventLog(Protocol):
    def page_visitors(
        self, site_id: int, pages: Collection[str], sections: Collection[str], names: Collection[str], since: datetime
    ) -> list[tuple[str, str, int]]:
        """Host, page or section or (after `EVENT`) name of an event, and its visitors at or after `since`."""


@dataclass(frozen=True, slots=True)
class CommonPages:
    events: EventLog
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: OrderedDict[_Page, tuple[int, datetime]] = field(default_factory=OrderedDict)

    def only(self, rows: Iterable[tuple[Hit, int]]) -> list[Hit]:
        """Return the rows, each with its page where enough have seen that, else its section, else none; names alike.

        With each row: the site's minimum group.
        """
        found = list(rows)
        for site_id in {row.site_id for row, _ in found}:
            self._look_up([row for row, _ in found if row.site_id == site_id])
        return [self._told(row, max(minimum, FEWEST)) for row, minimum in found]

    def _told(self, row: Hit, minimum: int) -> Hit:
        pages = (row.pathname, section_of(row.pathname))
        page = next((one for one in pages if self._count(row, one) >= minimum), SOME_PAGE)
        common = row.name == PAGEVIEW or self._count(row, EVENT + row.name) >= minimum
        return msgspec.structs.replace(row, pathname=page, name=row.name if common else OTHER)

    def _count(self, row: Hit, place: str) -> int:
        return self._known.get((row.site_id, row.hostname, place), (0, None))[0]

    def _look_up(self, rows: Collection[Hit]) -> None:
        site_id, now = next(iter(rows)).site_id, max(row.occurred_at for row in rows)
        wanted = {(site_id, row.hostname, place) for row in rows for place in _places(row)}
        with self._lock:
            unknown = {page for page in wanted if not self._remembers(page, now)}
        if not unknown:
            return
        pages = {row.pathname for row in rows if (site_id, row.hostname, row.pathname) in unknown}
        sections = {section_of(row.pathname) for row in rows}
        names = {row.name for row in rows if row.name != PAGEVIEW}
        try:
            counted = self.events.page_visitors(site_id, pages, sections, names, now - LOOK_BACK)
        except Unavailable:
            return  # as long as nobody can say, nobody is named
        counts: dict[_Page, int] = dict.fromkeys(unknown, 0)
        for host, page, count in counted:
            place = (site_id, host, page)
            if place in counts:
                counts[place] = max(count, counts[place])
        with self._lock:
            for place, count in counts.items():
                self._known[place] = (count, now)
                self._known.move_to_end(place)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def _remembers(self, page: _Page, now: datetime) -> bool:
        known = self._known.get(page)
        return known is not None and abs(now - known[1]) < _REMEMBERED_FOR


def _places(row: Hit) -> tuple[str, ...]:
    return row.pathname, section_of(row.pathname), EVENT + row.name
