"""From a plan to one SELECT, in SQLAlchemy Core, for every engine.

Two grouped parts, each only where a metric asks for it: rows of the log (visitors, page views, events), and visits
(bounces, durations), which are grouped from the log first. They meet on the dimensions; every visit has a row, so
the rows lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.types import BigInteger, Float

from webmon.domain.breakdowns import Breakdown
from webmon.domain.event import ENGAGEMENT, PAGEVIEW
from webmon.domain.metrics import METRICS
from webmon.domain.query import Filter
from webmon.stores.events.constructs import (
    add_seconds,
    average,
    count_distinct,
    first_by,
    last_by,
    seconds_between,
    truncate,
)
from webmon.stores.events.schema import event
from webmon.stores.ports.stats import Plan

Column = ColumnElement[Any]
_PAGES: dict[str, tuple[Any, str]] = {"entry_page": (first_by, "pathname"), "exit_page": (last_by, "pathname")}


def statement(plan: Plan) -> Select[Any]:
    """Return the SELECT of a plan: its dimensions, then its metrics."""
    parts = [part for part in (_row_part(plan), _visit_part(plan)) if part is not None]
    if len(parts) == 1:
        joined: FromClause = parts[0]
        names: list[Column] = [joined.c[f"d{i}"] for i in range(len(plan.dimensions))]
    else:
        rows, visits = parts
        on = [rows.c[f"d{i}"] == visits.c[f"d{i}"] for i in range(len(plan.dimensions))]
        joined = rows.join(visits, and_(*on) if on else literal(True), isouter=True)
        names = [rows.c[f"d{i}"] for i in range(len(plan.dimensions))]
    columns: dict[str, Column] = {name: part.c[name] for part in parts for name in part.c.keys() if name in METRICS}  # noqa: SIM118
    dimensions = [name.label(f"d{i}") for i, name in enumerate(names)]
    metrics = [_filled(name, columns[name]).label(name) for name in plan.metrics]
    found = select(*dimensions, *metrics).select_from(joined)
    return _ordered(found, plan, dict(zip([one.key for one in plan.dimensions], names, strict=True)), columns)


def _ordered(found: Select[Any], plan: Plan, names: dict[str, Column], columns: dict[str, Column]) -> Select[Any]:
    order = plan.order_by or _default_order(plan)
    for key, direction in order:
        column = names[key] if key in names else _filled(key, columns[key])
        found = found.order_by(column.desc() if direction == "desc" else column.asc())
    # Equal figures stand in the same order every time.
    found = found.order_by(*(name for key, name in names.items() if key not in {one[0] for one in order}))
    return found.limit(plan.limit).offset(plan.offset) if plan.limit is not None else found


def _default_order(plan: Plan) -> Sequence[tuple[str, str]]:
    time = [(one.key, "asc") for one in plan.dimensions if one.kind == "time"]
    return time or ([(plan.metrics[0], "desc")] if plan.dimensions else [])


def _filled(name: str, column: Column) -> Column:
    return func.coalesce(column, 0) if METRICS[name].unit == "count" else column


def _row_part(plan: Plan) -> FromClause | None:
    """Metrics of rows. Where no dimension and no filter is about rows, whole visits answer as well."""
    wanted = [name for name in plan.metrics if not METRICS[name].of_visits]
    if not wanted:
        return None
    if plan.dimensions and all(one.kind == "visit" for one in plan.dimensions) and not _row_filters(plan):
        return None
    of_visits = [one for one in (*plan.dimensions, *(f.breakdown for f in plan.filters)) if one.kind == "visit"]
    source: FromClause = event
    visits = None
    if of_visits:
        visits = _visits(plan, [one.column for one in of_visits]).cte("row_visits")
        source = event.join(visits, visits.c.visit_id == event.c.visit_id)
    values = [_row_value(plan, one, visits) for one in plan.dimensions]
    figures = {
        "visitors": count_distinct(event.c.visitor_id),
        "visits": count_distinct(event.c.visit_id),
        "pageviews": func.sum(case((event.c.name == PAGEVIEW, 1), else_=0)),
        "events": func.count(),
    }
    part = select(
        *(value.label(f"d{i}") for i, value in enumerate(values)),
        *(cast(figures[name], BigInteger).label(name) for name in wanted),
    ).select_from(source)
    part = part.where(*_in_range(plan), event.c.name != ENGAGEMENT, *_conditions(plan, visits))
    part = part.where(*(value != "" for value, one in zip(values, plan.dimensions, strict=True) if one.empty is None))
    return part.group_by(*values).cte("rows")


def _visit_part(plan: Plan) -> FromClause | None:
    """Metrics of visits; a page stands for the visits that began with it."""
    only_visits = _row_part_is_needless(plan)
    wanted = [name for name in plan.metrics if METRICS[name].of_visits or only_visits]
    if not wanted:
        return None
    asked = [*plan.dimensions, *(one.breakdown for one in plan.filters if one.breakdown.kind == "visit")]
    visits = _visits(plan, [_visit_column(one) for one in asked if one.kind != "time"]).cte("visits")
    values = [_visit_value(plan, one, visits) for one in plan.dimensions]
    figures = {
        "visitors": count_distinct(visits.c.visitor_id),
        "visits": func.count(),
        "pageviews": func.sum(visits.c.pageviews),
        "events": func.sum(visits.c.events),
        "views_per_visit": cast(func.sum(visits.c.pageviews), Float) / func.nullif(func.count(), 0),
        "bounce_rate": average(case((visits.c.bounced, 100.0), else_=0.0)),
        "visit_duration": average(seconds_between(visits.c.started_at, visits.c.ended_at)),
    }
    labels = [figures[name] if METRICS[name].of_visits else cast(figures[name], BigInteger) for name in wanted]
    part = select(
        *(value.label(f"d{i}") for i, value in enumerate(values)),
        *(label.label(name) for name, label in zip(wanted, labels, strict=True)),
    ).select_from(visits)
    part = part.where(*(_compare(visits.c[one.breakdown.column], one) for one in _visit_filters(plan)))
    if _row_filters(plan):
        counted = event.c.name != ENGAGEMENT
        matching = select(event.c.visit_id).where(*_in_range(plan), counted, *_row_conditions(plan)).distinct()
        part = part.where(visits.c.visit_id.in_(matching))
    part = part.where(*(value != "" for value, one in zip(values, plan.dimensions, strict=True) if one.empty is None))
    return part.group_by(*values).cte("of_visits")


def _row_part_is_needless(plan: Plan) -> bool:
    return bool(plan.dimensions) and all(one.kind == "visit" for one in plan.dimensions) and not _row_filters(plan)


def _visits(plan: Plan, columns: Sequence[str]) -> Select[Any]:
    """Return the visits in the range, with the attributes that are asked for."""
    at, number = event.c.occurred_at, event.c.hit_id
    counted = event.c.name != ENGAGEMENT
    viewed = event.c.name == PAGEVIEW
    acted = and_(counted, ~viewed, event.c.interactive)
    pageviews = func.sum(case((viewed, 1), else_=0))
    figures: dict[str, Column] = {
        "visit_id": event.c.visit_id,
        "visitor_id": func.min(event.c.visitor_id),
        "started_at": func.min(case((counted, at))),
        "ended_at": func.max(case((counted, at))),
        "pageviews": pageviews,
        "events": func.sum(case((counted, 1), else_=0)),
        "bounced": and_(pageviews < 2, func.sum(case((acted, 1), else_=0)) == 0),
    }
    for column in dict.fromkeys(columns):
        figures[column] = _attribute(column, at, number, viewed if column in _PAGES else counted)
    found = select(*(value.label(name) for name, value in figures.items()))
    return found.where(*_in_range(plan)).group_by(event.c.visit_id).having(func.sum(case((counted, 1), else_=0)) > 0)


def _attribute(column: str, at: Column, number: Column, among: Column) -> Column:
    """What the first of the visit's rows says, `among` those; of pages the first or the last, if any was viewed."""
    chosen, name = _PAGES.get(column, (first_by, column))
    return func.coalesce(chosen(event.c[name], at, number).filter(among), "")


def _row_value(plan: Plan, one: Breakdown, visits: FromClause | None) -> Column:
    if one.kind == "time":
        return _bucket(plan, event.c.occurred_at, one.column)
    if one.kind == "visit" and visits is not None:
        return visits.c[one.column]
    return event.c[one.column]


def _visit_value(plan: Plan, one: Breakdown, visits: FromClause) -> Column:
    if one.kind == "time":
        return _bucket(plan, visits.c.started_at, one.column)
    return visits.c[_visit_column(one)]


def _visit_column(one: Breakdown) -> str:
    return "entry_page" if one.column == "pathname" else one.column


def _bucket(plan: Plan, moment: Column, unit: str) -> Column:
    """The beginning of the hour, day, week or month in the site's own time."""
    latest = plan.offsets[-1]
    local: Column = add_seconds(moment, literal(latest.seconds))
    if len(plan.offsets) > 1:
        pairs = zip(plan.offsets, plan.offsets[1:], strict=False)
        steps = [(moment < after.start, add_seconds(moment, literal(before.seconds))) for before, after in pairs]
        local = case(*steps, else_=local)
    return truncate(local, literal_column(f"'{unit}'"))


def _in_range(plan: Plan) -> list[Column]:
    return [event.c.site_id == plan.site_id, event.c.occurred_at >= plan.start, event.c.occurred_at < plan.end]


def _row_filters(plan: Plan) -> list[Filter]:
    return [one for one in plan.filters if one.breakdown.kind == "event"]


def _visit_filters(plan: Plan) -> list[Filter]:
    return [one for one in plan.filters if one.breakdown.kind == "visit"]


def _row_conditions(plan: Plan) -> list[Column]:
    return [_compare(event.c[one.breakdown.column], one) for one in _row_filters(plan)]


def _conditions(plan: Plan, visits: FromClause | None) -> list[Column]:
    found = _row_conditions(plan)
    if visits is not None:
        found += [_compare(visits.c[one.breakdown.column], one) for one in _visit_filters(plan)]
    return found


def _compare(column: Column, one: Filter) -> Column:
    """Return the condition of a filter; what stands for an empty value means the empty value."""
    values = ["" if value == one.breakdown.empty else value for value in one.values]
    if one.operator in {"is", "is_not"}:
        found: Column = column.in_(values)
    else:
        found = or_(*(column.contains(value, autoescape=True) for value in values))
    return found if one.operator in {"is", "contains"} else ~found
