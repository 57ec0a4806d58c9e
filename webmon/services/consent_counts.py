"""How often notices are shown and answered: counted in memory, written every few seconds, about nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from webmon.domain.address import NO_PROXIES, Place, Proxies, client_address
from webmon.domain.agent import parse_agent
from webmon.domain.consent import Action
from webmon.domain.consent_figures import DIMENSIONS, SHOWN, Figures, Segment, by_day, by_value, total
from webmon.domain.drop import DropReason
from webmon.domain.query import DateRange, resolve_range
from webmon.domain.site import Site
from webmon.domain.unwanted import Unwanted
from webmon.errors import InvalidInput, NotFound
from webmon.services.adding_up import AddingUp
from webmon.services.publish_notice import Notices
from webmon.stores.ports import Unit
from webmon.stores.ports.consent_figures import ConsentFiguresRepository, Counter


class Locator(Protocol):
    def locate(self, address: bytes) -> Place: ...


@dataclass(frozen=True, slots=True)
class Observer:
    """Tells country and kind of device of whoever asks, in memory; address and user agent go no further."""

    geo: Locator
    trusted_proxies: Proxies = NO_PROXIES
    unwanted: Unwanted = field(default_factory=Unwanted)

    def segment(self, peer: str, headers: Mapping[str, str]) -> Segment:
        """`peer` is the connection's address; names of headers are in lower case."""
        place = self.geo.locate(client_address(peer, headers, self.trusted_proxies))
        return Segment(place.country, parse_agent(headers.get("user-agent", ""), headers).device)

    def reason_not_to_count(self, peer: str, headers: Mapping[str, str]) -> DropReason | None:
        """Return why who asks is taken for a program, or None."""
        address = client_address(peer, headers, self.trusted_proxies)
        return self.unwanted.reason(headers.get("user-agent", ""), "", address)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of some days. `groups` are those of each value of `dimension`; none where none was asked for."""

    dates: DateRange
    dimension: str
    totals: Figures
    days: Mapping[date, Figures]
    groups: Mapping[str, Figures]


class ConsentCounts(AddingUp[Counter]):
    """Counts in memory; the server flushes it every few seconds.

    The records of the consent ledger are not meant by that: they are durable before they are acknowledged.
    """

    def __init__(self, unit: Unit[ConsentFiguresRepository], notices: Notices) -> None:
        super().__init__()
        self._unit = unit
        self._notices = notices

    def shown(self, site: Site, notice_hash: str, segment: Segment, now: datetime, *, gpc: bool = False) -> None:
        """Count that a notice was shown, and whether the browser sent Global Privacy Control with it.

        Raises `InvalidInput` for a notice that is none of the site's.
        """
        try:
            notice = self._notices.get(notice_hash)
        except NotFound:
            notice = None
        if notice is None or notice.site != site.domain:
            raise InvalidInput.field("notice", "is not a notice of this site")
        for what in (SHOWN, *([Action.GPC.value] if gpc else [])):
            self.count(site, notice_hash, what, segment, now)

    def count(self, site: Site, notice_hash: str, action: str, segment: Segment, now: datetime) -> None:
        """Count one action on a notice that is known to be the site's, on the site's own day."""
        day = now.astimezone(site.zone).date()
        self._add(Counter(site.id, day, notice_hash, segment.country, segment.device, action))

    def _write(self, counted: Mapping[Counter, int]) -> None:
        with self._unit() as figures:
            for counter, count in sorted(counted.items()):
                figures.add(counter, count)

    def read(self, site: Site, date_range: object, now: datetime, dimension: str = "") -> Report:
        """Return what was flushed; raises `InvalidInput` naming what cannot be understood.

        `date_range` is that of a query. Small groups of a dimension are folded into one.
        """
        if dimension and dimension not in DIMENSIONS:
            raise InvalidInput.field("dimension", f"must be one of {', '.join(DIMENSIONS)}")
        with self._unit.reading() as figures:
            first = figures.first_day(site.id) if date_range == "all" else None
            dates = resolve_range(date_range, site.zone, now, first)
            cells = figures.cells(site.id, dates.first_day, dates.last_day, dimension)
        groups = by_value(cells, site.minimum_group_count) if dimension else {}
        return Report(dates, dimension, total(cells), by_day(cells), groups)

    def is_empty(self, site: Site) -> bool:
        """Whether nothing was ever counted for the site."""
        with self._unit.reading() as figures:
            return figures.first_day(site.id) is None
