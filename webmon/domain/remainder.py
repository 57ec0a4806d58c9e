"""What is left for figures of a row that has gone to the account log: too little to be joined with it again.

Each row leaves a projection: the hour, the page's template, the families of browser and system, the kind of device,
the country and the channel. Where fewer people than the site's minimum group share one of these cells, less is said:
section for page, the whole site for section, day for hour, nothing of browser, system, device, country and channel;
and where even that says too much, nothing is left at all. That is only seen when the hour, or the day, is over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from webmon.domain.event import ENGAGEMENT
from webmon.domain.hit import Basis, Hit

_HOUR = timedelta(hours=1)
# What stands where a page is not named: some page of the website. It is none of its pages, the first one neither.
SOME_PAGE = "/*"


class Cell(NamedTuple):
    """All that a remainder says, besides which visit of the day it was; columns of the event log."""

    occurred_at: datetime
    hostname: str
    pathname: str
    name: str
    interactive: bool
    browser: str
    os: str
    device: str
    country: str
    channel: str


def deidentify(hit: Hit, zone: ZoneInfo, *, hit_id: int, visitor_id: int, visit_id: int) -> Hit | None:
    """Return what is left of a row, under numbers of its own; None for a report of how long a page was read."""
    if hit.name == ENGAGEMENT:
        return None
    return Hit(
        site_id=hit.site_id,
        occurred_at=hour_of(hit.occurred_at, zone),
        hit_id=hit_id,
        visitor_id=visitor_id,
        visit_id=visit_id,
        name=hit.name,
        hostname=hit.hostname,
        pathname=hit.pathname,
        channel=hit.channel,
        country=hit.country,
        browser=hit.browser,
        os=hit.os,
        device=hit.device,
        interactive=hit.interactive,
        basis=Basis.DEIDENTIFIED,
    )


def generalize(
    rows: Iterable[tuple[Cell, int]], minimum: int, zone: ZoneInfo, now: datetime
) -> dict[Cell, Cell | None]:
    """Return which cells are to say less, and what; None where nothing is to be left.

    `rows`: each cell with each of its people (visitors of the day). What results has, in every cell whose time is
    over, at least `minimum` of them.
    """
    people: dict[Cell, set[int]] = defaultdict(set)
    for cell, visitor in rows:
        people[cell].add(visitor)
    now = now.astimezone(UTC).replace(tzinfo=None)
    # Which of the first cells each has come to stand for.
    origins: dict[Cell | None, list[Cell]] = defaultdict(list, {cell: [cell] for cell in people})
    for coarser in _LADDER:
        for cell in [cell for cell, found in people.items() if len(found) < minimum]:
            other = coarser(cell, zone, now)
            if other == cell:
                continue
            found = people.pop(cell)
            if other is not None:
                people[other] |= found
            origins[other] += origins.pop(cell)
    return {cell: other for other, cells in origins.items() for cell in cells if cell != other}


def hour_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """The beginning of the hour in the site's zone; both times are UTC without offset."""
    return _utc(_local(moment, zone).replace(minute=0, second=0, microsecond=0))


def day_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """The beginning of the day in the site's zone; both times are UTC without offset."""
    return _utc(_local(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0))


def section_of(path: str) -> str:
    """``/imaging/*`` of ``/imaging/mri/knee``, and of ``/imaging``; what names no page is its own section."""
    first = path.split("/", 2)[1:2]
    return f"/{first[0]}/*" if first and first[0] not in {"", "*"} else path


def _to_section(cell: Cell, zone: ZoneInfo, now: datetime) -> Cell | None:  # noqa: ARG001
    return cell._replace(pathname=section_of(cell.pathname)) if cell.occurred_at + _HOUR <= now else cell


def _to_site(cell: Cell, zone: ZoneInfo, now: datetime) -> Cell | None:  # noqa: ARG001
    return cell._replace(pathname=SOME_PAGE) if cell.occurred_at + _HOUR <= now else cell


def _to_day(cell: Cell, zone: ZoneInfo, now: datetime) -> Cell | None:
    return cell._replace(occurred_at=day_of(cell.occurred_at, zone)) if cell.occurred_at + _HOUR <= now else cell


def _to_no_traits(cell: Cell, zone: ZoneInfo, now: datetime) -> Cell | None:
    if not _day_is_over(cell, zone, now):
        return cell
    return cell._replace(browser="", os="", device="", country="", channel="")


def _to_nothing(cell: Cell, zone: ZoneInfo, now: datetime) -> Cell | None:
    return None if _day_is_over(cell, zone, now) else cell


_LADDER: tuple[Callable[[Cell, ZoneInfo, datetime], Cell | None], ...] = (
    _to_section,
    _to_site,
    _to_day,
    _to_no_traits,
    _to_nothing,
)


def _day_is_over(cell: Cell, zone: ZoneInfo, now: datetime) -> bool:
    return _local(cell.occurred_at, zone).date() < _local(now, zone).date()


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(zone)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
