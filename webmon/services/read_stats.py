"""Answering questions to the figures, for the API and the dashboards alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from webmon.domain.breakdowns import Breakdown
from webmon.domain.grouping import Row, coarse
from webmon.domain.metrics import METRICS
from webmon.domain.query import DateRange, Query, offsets, parse_query, resolve_range
from webmon.domain.site import Site
from webmon.errors import InvalidInput
from webmon.stores.ports.stats import Plan, StatsReader

_STEP = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_MOST_LABELS = 10_000


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of an answer, in order.

    `minimum_group`: smaller groups are left out, and counts are multiples of it; 1 where everything is shown.
    """

    query: Query
    rows: Sequence[Row]
    minimum_group: int = 1
    time_labels: Sequence[str] = ()
    total_rows: int | None = None

    def document(self) -> dict[str, Any]:
        """The answer in the shape of Plausible's Stats API v2."""
        meta: dict[str, Any] = {}
        if self.minimum_group > 1:
            # Not how many were left out: that there are any tells of somebody.
            meta["minimum_group"] = self.minimum_group
        if self.query.time_labels and self.time_labels:
            meta["time_labels"] = list(self.time_labels)
        if self.total_rows is not None:
            meta["total_rows"] = self.total_rows
        return {
            "results": [{"metrics": list(row.metrics), "dimensions": list(row.dimensions)} for row in self.rows],
            "meta": meta,
            "query": {
                "metrics": list(self.query.metrics),
                "date_range": [_iso(self.query.dates.start), _iso(self.query.dates.end - timedelta(seconds=1))],
                "dimensions": [one.key for one in self.query.dimensions],
                "filters": [[one.operator, one.breakdown.key, list(one.values)] for one in self.query.filters],
                "order_by": [list(one) for one in self.query.order_by],
                "pagination": {"limit": self.query.limit, "offset": self.query.offset},
            },
        }


@dataclass(frozen=True, slots=True)
class Stats:
    reader: StatsReader

    def ask(self, site: Site, document: Mapping[str, Any], now: datetime) -> Result:
        """Answer a question as it came; raises `InvalidInput` naming the field that cannot be understood."""
        return self.answer(site, parse_query(document, site.zone, now, self._first(site, document.get("date_range"))))

    def dates(self, site: Site, date_range: object, now: datetime) -> DateRange:
        """Return the days that a `date_range` means for the site; raises `InvalidInput` where it means none."""
        return resolve_range(date_range, site.zone, now, self._first(site, date_range))

    def _first(self, site: Site, date_range: object) -> date | None:
        return self.reader.first_day(site.id) if date_range == "all" else None

    def answer(self, site: Site, query: Query) -> Result:
        """Answer a question; raises `InvalidInput` for a range too fine for a site that hides small groups."""
        hiding = site.minimum_group_count > 1
        if hiding:
            _check_whole_hours(query.dates)
        rows, total_rows = self._rounded(site, query) if hiding else self._exact(site, query)
        labels = _labels(query)
        if labels and len(query.dimensions) == 1 and not query.offset:
            rows = _with_empty(query, rows, labels, hiding=hiding)
        return Result(query, rows, site.minimum_group_count, labels, total_rows if query.total_rows else None)

    def _exact(self, site: Site, query: Query) -> tuple[Sequence[Row], int | None]:
        """Return the rows of the page that is asked for, and how many there are in all, if that is asked."""
        wanted = _wanted(query)
        total = self._visitors(site, query) if "percentage" in query.metrics else 0
        found = self._figures(query, wanted, _plan(site, query, wanted, query.limit, query.offset))
        rows = [_row(query, values, figures, total) for values, figures in found]
        return rows, self._count(site, query, wanted) if query.total_rows else None

    def _rounded(self, site: Site, query: Query) -> tuple[Sequence[Row], int]:
        """Do as `_exact` for a site that hides small groups: these take no part in anything, their order included."""
        minimum, wanted = site.minimum_group_count, tuple(dict.fromkeys((*_wanted(query), "visits")))
        total = 0
        if "percentage" in query.metrics:
            total = (coarse({"visitors": self._visitors(site, query)}, minimum) or {"visitors": 0})["visitors"]
        plan = _plan(site, query, wanted, None, 0)
        found = [(values, coarse(figures, minimum)) for values, figures in self._figures(query, wanted, plan)]
        rows = [_row(query, values, figures, total) for values, figures in found if figures is not None]
        ordered = _in_order(query, plan, rows)
        return ordered[query.offset : query.offset + query.limit], len(rows)

    def _figures(
        self, query: Query, wanted: Sequence[str], plan: Plan
    ) -> Iterable[tuple[Sequence[Any], dict[str, Any]]]:
        """Yield the dimensions' values of each row, and its figures by name."""
        width = len(query.dimensions)
        for found in self.reader.run(plan):
            yield found[:width], dict(zip(wanted, found[width:], strict=True))

    def _visitors(self, site: Site, query: Query) -> int:
        whole = _plan(site, replace(query, dimensions=(), order_by=(), metrics=("visitors",)), ("visitors",), None, 0)
        return int(self.reader.run(whole)[0][0])

    def _count(self, site: Site, query: Query, wanted: tuple[str, ...]) -> int:
        plan = _plan(site, replace(query, order_by=()), wanted[:1], None, 0)
        return len(self.reader.run(plan))


def _check_whole_hours(dates: DateRange) -> None:
    """Two ranges that differ by a moment would tell of who came in it."""
    if any((moment.minute, moment.second, moment.microsecond) != (0, 0, 0) for moment in (dates.start, dates.end)):
        raise InvalidInput.field("date_range", "must begin and end with an hour: this site shows no small groups")


def _wanted(query: Query) -> tuple[str, ...]:
    # Visitors are always counted along: how many people stand behind a row decides whether it is shown.
    return tuple(dict.fromkeys(("visitors", *(name for name in query.metrics if name != "percentage"))))


def _in_order(query: Query, plan: Plan, rows: Sequence[Row]) -> list[Row]:
    """By what is shown, and not by what it was rounded from; equal figures by their names."""
    names = [one.key for one in query.dimensions]

    def value(row: Row, key: str) -> Any:
        if key in names:
            return row.dimensions[names.index(key)]
        return row.visitors if key == "visitors" else row.metrics[query.metrics.index(key)]

    def place(row: Row, key: str, *, descending: bool) -> tuple[bool, Any]:
        found = value(row, key)
        return (found is None) is not descending, 0 if found is None else found  # what has no figure stands last

    ordered = sorted(rows, key=lambda row: row.dimensions)
    order = plan.order_by or tuple((one.key, "asc") for one in query.dimensions if one.kind == "time")
    for key, direction in reversed(order):
        descending = direction == "desc"
        ordered.sort(key=partial(place, key=key, descending=descending), reverse=descending)
    return ordered


def _plan(site: Site, query: Query, metrics: tuple[str, ...], limit: int | None, offset: int) -> Plan:
    order = tuple(one for one in query.order_by if one[0] != "percentage") or _order_by_share(query)
    if not order and query.dimensions and not any(one.kind == "time" for one in query.dimensions):
        order = ((query.metrics[0] if query.metrics[0] != "percentage" else "visitors", "desc"),)
    return Plan(
        site_id=site.id,
        start=query.dates.start.astimezone(UTC).replace(tzinfo=None),
        end=query.dates.end.astimezone(UTC).replace(tzinfo=None),
        offsets=offsets(query.dates),
        metrics=metrics,
        dimensions=query.dimensions,
        filters=query.filters,
        order_by=tuple(one for one in order if one[0] in metrics or one[0] in {d.key for d in query.dimensions}),
        limit=limit,
        offset=offset,
    )


def _order_by_share(query: Query) -> tuple[tuple[str, str], ...]:
    """A share is in the order of its visitors."""
    return tuple(("visitors", direction) for name, direction in query.order_by if name == "percentage")


def _row(query: Query, found: Sequence[Any], figures: dict[str, Any], total: int) -> Row:
    visitors = int(figures["visitors"] or 0)
    figures["percentage"] = min(100.0, 100.0 * visitors / total) if total else 0.0
    values = tuple(_value(one, value) for one, value in zip(query.dimensions, found, strict=True))
    return Row(values, tuple(_rounded(name, figures[name]) for name in query.metrics), visitors)


def _value(one: Breakdown, value: Any) -> str:
    if one.kind == "time":
        return _label(one, value)
    return value or one.empty or ""


def _label(one: Breakdown, moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if one.column == "hour" else f"{moment:%Y-%m-%d}"


def _rounded(name: str, value: Any) -> Any:
    """Counts are whole; durations whole seconds; shares two digits. Of no visits there is no average."""
    unit = METRICS[name].unit
    if value is None:
        return 0 if unit == "count" else None
    if unit in {"count", "seconds"}:
        return round(value)
    return round(float(value), 2)


def _labels(query: Query) -> list[str]:
    """Every bucket of the range, those without a row included."""
    time = next((one for one in query.dimensions if one.kind == "time"), None)
    if time is None:
        return []
    moment, end = query.dates.start.replace(tzinfo=None), query.dates.end.replace(tzinfo=None)
    moment = _beginning(moment, time.column)
    labels: list[str] = []
    while moment < end and len(labels) < _MOST_LABELS:
        labels.append(_label(time, moment))
        moment = _next(moment, time.column)
    return labels


def _beginning(moment: datetime, unit: str) -> datetime:
    if unit == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _next(moment: datetime, unit: str) -> datetime:
    if unit == "month":
        return (moment.replace(day=1) + timedelta(days=32)).replace(day=1)
    return moment + _STEP[unit]


def _with_empty(query: Query, rows: Sequence[Row], labels: Sequence[str], *, hiding: bool) -> Sequence[Row]:
    """Add the buckets without a row: nothing came to pass there, or (every figure None) perhaps too little."""
    known = {row.dimensions[0]: row for row in rows}
    nothing = tuple(0 if METRICS[name].unit == "count" and not hiding else None for name in query.metrics)
    filled = [known.get(label) or Row((label,), nothing, 0) for label in labels]
    descending = any(key == query.dimensions[0].key and way == "desc" for key, way in query.order_by)
    if query.order_by and not any(key == query.dimensions[0].key for key, _ in query.order_by):
        return rows
    return filled[::-1] if descending else filled


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
