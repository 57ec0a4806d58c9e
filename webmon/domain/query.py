"""A question to the figures: the shape of Plausible's Stats API v2, parsed once into a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from webmon.domain.breakdowns import BREAKDOWNS, PROPS, Breakdown, find_breakdown
from webmon.domain.metrics import METRICS
from webmon.errors import InvalidInput

OPERATORS = ("is", "is_not", "contains", "contains_not")
DEFAULT_LIMIT = 10_000
_MOST_VALUES = 500
_MOST_FILTERS = 20
_MOST_DIMENSIONS = 4
_FIRST_DAY = date(1990, 1, 1)
_LONGEST = timedelta(days=366 * 60)
_DAYS = {"day": 1, "7d": 7, "28d": 28, "30d": 30, "91d": 91}
_MONTHS = {"month": 1, "6mo": 6, "12mo": 12}
RANGES = (*_DAYS, *_MONTHS, "year", "all", "24h")


@dataclass(frozen=True, slots=True)
class Filter:
    operator: str
    breakdown: Breakdown
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DateRange:
    """From `start` up to but not including `end`, both in the site's zone."""

    start: datetime
    end: datetime

    @property
    def first_day(self) -> date:
        return self.start.date()

    @property
    def last_day(self) -> date:
        """The last day of which any moment is part of it."""
        return (self.end - timedelta(microseconds=1)).date()


@dataclass(frozen=True, slots=True)
class Query:
    """A checked question; `order_by` names metrics or dimensions that are asked for."""

    metrics: tuple[str, ...]
    dates: DateRange
    dimensions: tuple[Breakdown, ...] = ()
    filters: tuple[Filter, ...] = ()
    order_by: tuple[tuple[str, str], ...] = ()
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    time_labels: bool = False
    total_rows: bool = False


def resolve_range(value: object, zone: ZoneInfo, now: datetime, first: date | None = None) -> DateRange:
    """Return the range that a `date_range` means; days are the site's, and today counts.

    `first`: the site's first day with data, where ``all`` begins. Raises `InvalidInput` naming ``date_range``.
    """
    local = now.astimezone(zone)
    today = local.date()
    if value == "24h":
        end = local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return DateRange(end - timedelta(hours=24), end)
    if isinstance(value, str):
        return _days(_start_of(value, today, first), today, zone)
    if isinstance(value, Sequence) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return _explicit(str(value[0]), str(value[1]), zone)
    raise _wrong_range()


def _start_of(name: str, today: date, first: date | None) -> date:
    if name in _DAYS:
        return today - timedelta(days=_DAYS[name] - 1)
    if name in _MONTHS:
        month = today.year * 12 + today.month - _MONTHS[name]
        return date(month // 12, month % 12 + 1, 1)
    if name == "year":
        return today.replace(month=1, day=1)
    if name == "all":
        return min(first or today, today)
    raise _wrong_range()


def _explicit(start: str, end: str, zone: ZoneInfo) -> DateRange:
    try:
        if len(start) == len(end) == len("2026-01-01"):
            found = _days(date.fromisoformat(start), date.fromisoformat(end), zone)
        else:
            found = DateRange(_moment(start, zone), _moment(end, zone))
        if not found.start < found.end or found.end - found.start > _LONGEST or found.start.date() < _FIRST_DAY:
            raise _wrong_range()
    except (ValueError, OverflowError) as error:
        raise _wrong_range() from error
    return found


def _moment(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)


def _days(first: date, last: date, zone: ZoneInfo) -> DateRange:
    return DateRange(datetime.combine(first, time(), zone), datetime.combine(last + timedelta(days=1), time(), zone))


def _wrong_range() -> InvalidInput:
    names = ", ".join(RANGES)
    return InvalidInput.field("date_range", f"must be one of {names}, or two dates or times, the earlier first")


def parse_query(document: Mapping[str, Any], zone: ZoneInfo, now: datetime, first: date | None = None) -> Query:
    """Return the query; raises `InvalidInput` naming the field that cannot be understood."""
    metrics = _metrics(document.get("metrics"))
    dimensions = _dimensions(document.get("dimensions", []))
    limit, offset = _pagination(document.get("pagination", {}))
    include = document.get("include", {})
    if not isinstance(include, Mapping):
        raise InvalidInput.field("include", "must be an object")
    return Query(
        metrics=metrics,
        dates=resolve_range(document.get("date_range"), zone, now, first),
        dimensions=dimensions,
        filters=_filters(document.get("filters", [])),
        order_by=_order(document.get("order_by", []), metrics, dimensions),
        limit=limit,
        offset=offset,
        time_labels=include.get("time_labels") is True,
        total_rows=include.get("total_rows") is True,
    )


def _metrics(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidInput.field("metrics", "must be a list of at least one metric")
    for name in value:
        if not isinstance(name, str) or name not in METRICS:
            raise InvalidInput.field("metrics", f"{str(name)[:40]!r} is not one of {', '.join(METRICS)}")
    if len(set(value)) < len(value):
        raise InvalidInput.field("metrics", "must differ from each other")
    return tuple(value)


def _dimensions(value: object) -> tuple[Breakdown, ...]:
    if not isinstance(value, list) or len(value) > _MOST_DIMENSIONS:
        raise InvalidInput.field("dimensions", f"must be a list of at most {_MOST_DIMENSIONS} dimensions")
    found = tuple(_breakdown(name, "dimensions") for name in value)
    if len({one.key for one in found}) < len(found):
        raise InvalidInput.field("dimensions", "must differ from each other")
    if sum(one.kind == "time" for one in found) > 1:
        raise InvalidInput.field("dimensions", "can hold one time dimension")
    return found


def _breakdown(name: object, field: str) -> Breakdown:
    if name == "time":
        name = "time:day"
    found = find_breakdown(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidInput.field(field, f"{str(name)[:40]!r} is not one of {', '.join(BREAKDOWNS)}, {PROPS}KEY")
    return found


def _filters(value: object) -> tuple[Filter, ...]:
    if not isinstance(value, list) or len(value) > _MOST_FILTERS:
        raise InvalidInput.field("filters", f"must be a list of at most {_MOST_FILTERS} filters")
    return tuple(_filter(one) for one in value)


def _filter(value: object) -> Filter:
    if not isinstance(value, list) or len(value) != 3:
        raise InvalidInput.field("filters", 'must each be ["is", dimension, [values]]')
    operator, name, values = value
    if operator not in OPERATORS:
        raise InvalidInput.field("filters", f"the operator must be one of {', '.join(OPERATORS)}")
    breakdown = _breakdown(name, "filters")
    if breakdown.kind == "time":
        raise InvalidInput.field("filters", "cannot be on time; use date_range")
    if not isinstance(values, list) or not 1 <= len(values) <= _MOST_VALUES:
        raise InvalidInput.field("filters", f"need a list of 1 to {_MOST_VALUES} values")
    if not all(isinstance(one, str) for one in values):
        raise InvalidInput.field("filters", "compare with texts")
    return Filter(operator, breakdown, tuple(values))


def _order(value: object, metrics: Sequence[str], dimensions: Sequence[Breakdown]) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise InvalidInput.field("order_by", "must be a list")
    asked = {*metrics, *(one.key for one in dimensions)}
    for one in value:
        known = isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one)
        if not known or one[0] not in asked or one[1] not in {"asc", "desc"}:
            raise InvalidInput.field(
                "order_by", 'must each be [a metric or dimension that is asked for, "asc" or "desc"]'
            )
    return tuple((one[0], one[1]) for one in value)


def _pagination(value: object) -> tuple[int, int]:
    if not isinstance(value, Mapping):
        raise InvalidInput.field("pagination", "must be an object")
    limit, offset = value.get("limit", DEFAULT_LIMIT), value.get("offset", 0)
    for number in (limit, offset):
        if isinstance(number, bool) or not isinstance(number, int):
            raise InvalidInput.field("pagination", "limit and offset must be whole numbers")
    if not 1 <= limit <= DEFAULT_LIMIT or not 0 <= offset <= 10**9:
        raise InvalidInput.field("pagination", f"limit must be 1 to {DEFAULT_LIMIT}, offset not negative")
    return limit, offset


@dataclass(frozen=True, slots=True)
class Offset:
    """From `start` (UTC, without offset) on, local time is UTC plus `seconds`."""

    start: datetime
    seconds: int


def offsets(dates: DateRange) -> tuple[Offset, ...]:
    """Return the zone's offsets over the range, oldest first: one, and one more for each change of the clocks."""
    zone = dates.start.tzinfo
    moment, end = dates.start.astimezone(UTC), dates.end.astimezone(UTC)
    found = [Offset(moment.replace(tzinfo=None), _seconds(moment, zone))]
    while moment < end:
        step = min(moment + timedelta(days=1), end)
        if _seconds(step, zone) != found[-1].seconds:
            change = _change(moment, step, zone)
            found.append(Offset(change.replace(tzinfo=None), _seconds(change, zone)))
        moment = step
    return tuple(found)


def _seconds(moment: datetime, zone: Any) -> int:
    return int((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds())


def _change(before: datetime, after: datetime, zone: Any) -> datetime:
    """The minute, between two moments, at which the clocks change."""
    while after - before > timedelta(minutes=1):
        middle = before + (after - before) / 2
        middle = middle.replace(second=0, microsecond=0)
        if middle <= before:
            break
        before, after = (middle, after) if _seconds(middle, zone) == _seconds(before, zone) else (before, middle)
    return after
