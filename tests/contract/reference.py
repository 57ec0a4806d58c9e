"""The figures once more, slowly and in plain Python: what every engine must agree with."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from webmon.domain.breakdowns import BREAKDOWNS, Breakdown
from webmon.domain.hit import Hit
from webmon.domain.query import Query

_PAGE = {"page": "pathname", "hostname": "hostname"}


@dataclass(frozen=True)
class Visit:
    rows: tuple[Hit, ...]  # in the order of time, engagement included

    @property
    def counted(self) -> list[Hit]:
        return [row for row in self.rows if row.name != "engagement"]

    @property
    def views(self) -> list[Hit]:
        return [row for row in self.rows if row.name == "pageview"]

    @property
    def bounced(self) -> bool:
        acted = any(row.interactive for row in self.counted if row.name != "pageview")
        return len(self.views) < 2 and not acted

    @property
    def seconds(self) -> int:
        return int((self.counted[-1].occurred_at - self.counted[0].occurred_at).total_seconds())

    def value(self, column: str) -> str:
        place, _, name = column.partition("_")
        if place in {"entry", "exit"}:
            views = self.views
            return str(getattr(views[0 if place == "entry" else -1], _PAGE[name])) if views else ""
        return str(getattr(self.counted[0], column))


METRICS: dict[str, Callable[[Sequence[Hit], Sequence[Visit]], Any]] = {
    "visitors": lambda rows, visits: len({row.visitor_id for row in rows}),
    "pageviews": lambda rows, visits: sum(row.name == "pageview" for row in rows),
    "events": lambda rows, visits: len(rows),
    "visits": lambda rows, visits: len({row.visit_id for row in rows}),
    "views_per_visit": lambda rows, visits: _mean([len(visit.views) for visit in visits], 2),
    "bounce_rate": lambda rows, visits: _mean([100.0 * visit.bounced for visit in visits], 2),
    "visit_duration": lambda rows, visits: _mean([visit.seconds for visit in visits], 0),
}


def _scroll_depth(reports: Sequence[Hit]) -> float | None:
    deepest: dict[tuple[int, str, str], int] = defaultdict(int)
    for row in reports:
        page = (row.visitor_id, row.hostname, row.pathname)
        deepest[page] = max(deepest[page], row.scroll_pct)
    return _mean(list(deepest.values()), 2)


def _time_on_page(reports: Sequence[Hit]) -> float | None:
    visits = {row.visit_id for row in reports}
    return round(sum(row.engagement_ms for row in reports) / 1000 / len(visits)) if visits else None


ENGAGEMENT: dict[str, Callable[[Sequence[Hit]], float | None]] = {
    "scroll_depth": _scroll_depth,
    "time_on_page": _time_on_page,
}


def answer(hits: Iterable[Hit], query: Query, zone: ZoneInfo) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the figures by the values of the dimensions. Rows of nothing are left out."""
    start, end = (moment.astimezone(UTC).replace(tzinfo=None) for moment in (query.dates.start, query.dates.end))
    found = [one for one in hits if start <= one.occurred_at < end]
    visits = [visit for visit in _visits(found) if visit.counted]
    rows_by: dict[tuple[str, ...], list[Hit]] = defaultdict(list)
    visits_by: dict[tuple[str, ...], list[Visit]] = defaultdict(list)
    for visit in visits:
        if not all(_holds(one.operator, visit.value(one.breakdown.column), one) for one in _of(query, "visit")):
            continue
        rows = [row for row in visit.counted if all(_row_holds(row, one) for one in _of(query, "event"))]
        for row in rows:
            rows_by[_row_key(query, row, visit, zone)].append(row)
        if rows:
            visits_by[_visit_key(query, visit, zone)].append(visit)
    reports_by = _reports(query, found, zone)
    total = len({row.visitor_id for rows in rows_by.values() for row in rows})
    return {
        key: {
            name: _figure(name, rows_by.get(key, []), visits_by.get(key, []), reports_by.get(key, []), total)
            for name in query.metrics
        }
        for key in rows_by  # every visit has a row somewhere: the rows lead
        if None not in key
    }


def _visits(hits: Iterable[Hit]) -> list[Visit]:
    grouped: dict[int, list[Hit]] = defaultdict(list)
    for one in hits:
        grouped[one.visit_id].append(one)
    return [Visit(tuple(sorted(rows, key=lambda row: (row.occurred_at, row.hit_id)))) for rows in grouped.values()]


def _figure(name: str, rows: Sequence[Hit], visits: Sequence[Visit], reports: Sequence[Hit], total: int) -> Any:
    if name == "percentage":
        return round(100.0 * len({row.visitor_id for row in rows}) / total, 2)
    return ENGAGEMENT[name](reports) if name in ENGAGEMENT else METRICS[name](rows, visits)


def _reports(query: Query, hits: Sequence[Hit], zone: ZoneInfo) -> dict[tuple[str, ...], list[Hit]]:
    """What pages report of engagement; where a visit is asked about, only of visits that are counted."""
    of_visits = [*_of(query, "visit"), *(one for one in query.dimensions if one.kind == "visit")]
    found: dict[tuple[str, ...], list[Hit]] = defaultdict(list)
    for visit in _visits(hits):
        if of_visits and not visit.counted:
            continue
        if not all(_holds(one.operator, visit.value(one.breakdown.column), one) for one in _of(query, "visit")):
            continue
        for row in visit.rows:
            if row.name == "engagement" and all(_row_holds(row, one) for one in _of(query, "event")):
                found[_row_key(query, row, visit, zone)].append(row)
    return found


def _of(query: Query, kind: str) -> list[Any]:
    return [one for one in query.filters if one.breakdown.kind == kind]


def _row_holds(row: Hit, one: Any) -> bool:
    return _holds(one.operator, _of_row(row, one.breakdown), one)


def _of_row(row: Hit, one: Breakdown) -> str:
    return str(json.loads(row.props or "{}").get(one.prop, "")) if one.prop else str(getattr(row, one.column))


def _holds(operator: str, value: str, one: Any) -> bool:
    value = value or one.breakdown.empty or ""
    found = value in one.values if operator in {"is", "is_not"} else any(part in value for part in one.values)
    return found is (operator in {"is", "contains"})


def _row_key(query: Query, row: Hit, visit: Visit, zone: ZoneInfo) -> tuple[Any, ...]:
    return tuple(_row_value(one, row, visit, zone) for one in query.dimensions)


def _row_value(one: Breakdown, row: Hit, visit: Visit, zone: ZoneInfo) -> Any:
    if one.kind == "time":
        return bucket(one, row.occurred_at, zone)
    value = visit.value(one.column) if one.kind == "visit" else _of_row(row, one)
    return value or one.empty


def _visit_key(query: Query, visit: Visit, zone: ZoneInfo) -> tuple[Any, ...]:
    return tuple(_visit_value(one, visit, zone) for one in query.dimensions)


def _visit_value(one: Breakdown, visit: Visit, zone: ZoneInfo) -> Any:
    if one.kind == "time":
        return bucket(one, visit.counted[0].occurred_at, zone)
    # A page stands for the visits that began with it; host and name for those whose first event had it.
    if one.key == "event:page":
        return visit.value("entry_page") or one.empty
    return (_of_row(visit.counted[0], one) if one.kind == "event" else visit.value(one.column)) or one.empty


def bucket(one: Breakdown, moment: datetime, zone: ZoneInfo) -> str:
    local = moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "hour": f"{local:%Y-%m-%d %H:00:00}",
        "day": f"{day:%Y-%m-%d}",
        "week": f"{day - timedelta(days=day.weekday()):%Y-%m-%d}",
        "month": f"{day.replace(day=1):%Y-%m-%d}",
    }[one.column]


def _mean(values: Sequence[float], digits: int) -> float | None:
    return round(sum(values) / len(values), digits) if values else None


EVERY_BREAKDOWN = tuple(BREAKDOWNS)
