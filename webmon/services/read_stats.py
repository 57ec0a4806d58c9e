"""Answering questions to the figures, for the API and the dashboards alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from webmon.domain.breakdowns import Breakdown
from webmon.domain.grouping import Row, hide_small
from webmon.domain.metrics import METRICS
from webmon.domain.query import DateRange, Query, offsets, parse_query, resolve_range
from webmon.domain.site import Site
from webmon.stores.ports.stats import Plan, StatsReader

_STEP = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_MOST_LABELS = 10_000
_SMALL = "minimum_group"


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of an answer, in order. `hidden_count`: groups left out for being too small to show."""

    query: Query
    rows: Sequence[Row]
    hidden_count: int = 0
    time_labels: Sequence[str] = ()
    total_rows: int | None = None

    def document(self) -> dict[str, Any]:
        """The answer in the shape of Plausible's Stats API v2."""
        meta: dict[str, Any] = {}
        if self.hidden_count:
            meta["hidden_groups"] = self.hidden_count
            meta["hidden_reason"] = _SMALL
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
        # Visitors are always counted along: how many people stand behind a row decides whether it is shown.
        wanted = tuple(dict.fromkeys(("visitors", *(name for name in query.metrics if name != "percentage"))))
        hiding = site.minimum_group_count > 1
        plan = _plan(site, query, wanted, None if hiding else query.limit, 0 if hiding else query.offset)
        total = self._visitors(site, query) if "percentage" in query.metrics else 0
        rows = [_row(query, wanted, found, total) for found in self.reader.run(plan)]
        narrowed = bool(query.dimensions or query.filters)
        shown = hide_small(rows, site.minimum_group_count if narrowed else 1)
        hidden = {row.dimensions[0] for row in rows if query.dimensions} - {
            row.dimensions[0] for row in shown.rows if query.dimensions
        }
        rows = list(shown.rows[query.offset : query.offset + query.limit] if hiding else shown.rows)
        labels = _labels(query)
        if labels and len(query.dimensions) == 1 and not query.offset:
            rows = _with_empty(query, rows, labels, hidden)
        count = self._count(site, query, wanted, shown.hidden_count) if query.total_rows else None
        return Result(query, rows, shown.hidden_count, labels, count)

    def _visitors(self, site: Site, query: Query) -> int:
        whole = _plan(site, replace(query, dimensions=(), order_by=(), metrics=("visitors",)), ("visitors",), None, 0)
        return int(self.reader.run(whole)[0][0])

    def _count(self, site: Site, query: Query, wanted: tuple[str, ...], hidden: int) -> int:
        plan = _plan(site, replace(query, order_by=()), wanted[:1], None, 0)
        return len(self.reader.run(plan)) - hidden


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


def _row(query: Query, wanted: Sequence[str], found: Sequence[Any], total: int) -> Row:
    width = len(query.dimensions)
    figures = dict(zip(wanted, found[width:], strict=True))
    visitors = int(figures["visitors"] or 0)
    figures["percentage"] = 100.0 * visitors / total if total else 0.0
    values = tuple(_value(one, value) for one, value in zip(query.dimensions, found[:width], strict=True))
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


def _with_empty(query: Query, rows: Sequence[Row], labels: Sequence[str], hidden: Set[str]) -> list[Row]:
    """Add the buckets without a row: nothing came to pass there, or (every figure None) too little to be shown."""
    known = {row.dimensions[0]: row for row in rows}
    nothing = tuple(0 if METRICS[name].unit == "count" else None for name in query.metrics)
    secret = (None,) * len(query.metrics)
    filled = [known.get(label) or Row((label,), secret if label in hidden else nothing, 0) for label in labels]
    descending = any(key == query.dimensions[0].key and way == "desc" for key, way in query.order_by)
    if query.order_by and not any(key == query.dimensions[0].key for key, _ in query.order_by):
        return list(rows)
    return filled[::-1] if descending else filled


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
