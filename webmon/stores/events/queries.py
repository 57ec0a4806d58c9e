"""From a plan to one SELECT, in SQLAlchemy Core, for every engine.

Three grouped parts, each only where a metric asks for it: rows of the log (visitors, page views, events); visits
(bounces, durations), which are grouped from the log first; and what pages report of engagement. They meet on the
dimensions; every visit has a row, and nothing is reported of a page that was not viewed, so the rows lead.
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

from webmon.domain.breakdowns import BREAKDOWNS, Breakdown
from webmon.domain.event import ENGAGEMENT, PAGEVIEW
from webmon.domain.hit import Basis
from webmon.domain.metrics import METRICS
from webmon.domain.query import Filter
from webmon.stores.events.constructs import (
    add_seconds,
    average,
    count_distinct,
    first_by,
    last_by,
    seconds_between,
    text_in_json,
    truncate,
)
from webmon.stores.events.schema import event
from webmon.stores.ports.stats import Plan

Column = ColumnElement[Any]
# The log, and its visits where they are asked about.
Rows = tuple[FromClause, FromClause | None]
# Of the first or last page that was viewed.
_PAGES: dict[str, tuple[Any, str]] = {
    "entry_page": (first_by, "pathname"),
    "exit_page": (last_by, "pathname"),
    "entry_hostname": (first_by, "hostname"),
    "exit_hostname": (last_by, "hostname"),
}
_ENTRY_PAGE = BREAKDOWNS["visit:entry_page"]


def statement(plan: Plan) -> Select[Any]:
    """Return the SELECT of a plan: its dimensions, then its metrics."""
    rows = _rows_with_visits(plan)
    made = (_row_part(plan, rows), _visit_part(plan), _time_part(plan, rows), _scroll_part(plan, rows))
    parts = [part for part in made if part is not None]
    joined = lead = parts[0]
    names: list[Column] = [lead.c[f"d{i}"] for i in range(len(plan.dimensions))]
    for part in parts[1:]:
        on = [name == part.c[f"d{i}"] for i, name in enumerate(names)]
        joined = joined.join(part, and_(*on) if on else literal(True), isouter=True)
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


def _row_part(plan: Plan, rows: Rows) -> FromClause | None:
    """Metrics of rows. Where no dimension and no filter is about rows, whole visits answer as well."""
    wanted = [name for name in plan.metrics if METRICS[name].about == "rows"]
    if not wanted or _row_part_is_needless(plan):
        return None
    source, visits = rows
    values = [_row_value(plan, one, visits) for one in plan.dimensions]
    figures = {
        "visitors": count_distinct(event.c.visitor_id),
        "visits": count_distinct(event.c.visit_id),
        "pageviews": func.sum(case((event.c.name == PAGEVIEW, 1), else_=0)),
        "events": func.count(),
    }
    part = select(*_labelled(values), *(cast(figures[name], BigInteger).label(name) for name in wanted))
    part = part.select_from(source).where(*_in_range(plan), event.c.name != ENGAGEMENT, *_conditions(plan, visits))
    return part.where(*_said(plan, values)).group_by(*values).cte("rows")


def _time_part(plan: Plan, rows: Rows) -> FromClause | None:
    """The time in use that pages report, by the visits that report any."""
    if "time_on_page" not in plan.metrics:
        return None
    values, reported = _reported(plan, rows)
    seconds = cast(func.sum(event.c.engagement_ms), Float) / 1000 / count_distinct(event.c.visit_id)
    return reported.add_columns(seconds.label("time_on_page")).group_by(*values).cte("times")


def _scroll_part(plan: Plan, rows: Rows) -> FromClause | None:
    """For each visitor and page the deepest scroll, and of these the average."""
    if "scroll_depth" not in plan.metrics:
        return None
    values, reported = _reported(plan, rows)
    deepest = reported.add_columns(func.max(event.c.scroll_pct).label("deepest"))
    pages = deepest.group_by(*values, event.c.visitor_id, event.c.hostname, event.c.pathname).cte("scrolled_pages")
    names = [pages.c[f"d{i}"] for i in range(len(plan.dimensions))]
    return select(*names, average(pages.c.deepest).label("scroll_depth")).group_by(*names).cte("scrolls")


def _reported(plan: Plan, rows: Rows) -> tuple[list[Column], Select[Any]]:
    """Return the dimensions' values and a SELECT of them, of the rows by which pages report engagement."""
    source, visits = rows
    values = [_row_value(plan, one, visits) for one in plan.dimensions]
    found = select(*_labelled(values)).select_from(source)
    found = found.where(*_in_range(plan), event.c.name == ENGAGEMENT, *_conditions(plan, visits))
    return values, found.where(*_said(plan, values))


def _rows_with_visits(plan: Plan) -> Rows:
    """Return the log, joined with its visits where a dimension or a filter is about these."""
    asked = [one for one in (*plan.dimensions, *(f.breakdown for f in plan.filters)) if one.kind == "visit"]
    if not asked:
        return event, None
    visits = _visits(plan, asked).cte("row_visits")
    return event.join(visits, visits.c.visit_id == event.c.visit_id), visits


def _labelled(values: Sequence[Column]) -> list[Column]:
    return [value.label(f"d{i}") for i, value in enumerate(values)]


def _said(plan: Plan, values: Sequence[Column]) -> list[Column]:
    """Leave out rows that say nothing about a dimension, where that is not a value of its own."""
    return [value != "" for value, one in zip(values, plan.dimensions, strict=True) if one.empty is None]


def _visit_part(plan: Plan) -> FromClause | None:
    """Metrics of visits; a page stands for the visits that began with it."""
    served = {"visits", "rows"} if _row_part_is_needless(plan) else {"visits"}
    wanted = [name for name in plan.metrics if METRICS[name].about in served]
    if not wanted:
        return None
    asked = [*plan.dimensions, *(one.breakdown for one in _visit_filters(plan))]
    visits = _visits(plan, [_of_visit(one) for one in asked if one.kind != "time"]).cte("visits")
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
    cells = [figures[name] if METRICS[name].about == "visits" else cast(figures[name], BigInteger) for name in wanted]
    labels = [cell.label(name) for name, cell in zip(wanted, cells, strict=True)]
    part = select(*_labelled(values), *labels).select_from(visits)
    part = part.where(*(_compare(visits.c[one.breakdown.key], one) for one in _visit_filters(plan)))
    if _row_filters(plan):
        counted = event.c.name != ENGAGEMENT
        matching = select(event.c.visit_id).where(*_in_range(plan), counted, *_row_conditions(plan)).distinct()
        part = part.where(visits.c.visit_id.in_(matching))
    return part.where(*_said(plan, values)).group_by(*values).cte("of_visits")


def _row_part_is_needless(plan: Plan) -> bool:
    return bool(plan.dimensions) and all(one.kind == "visit" for one in plan.dimensions) and not _row_filters(plan)


def _visits(plan: Plan, asked: Sequence[Breakdown]) -> Select[Any]:
    """Return the visits in the range, with the attributes that are asked for under their dimension's name."""
    at, number = event.c.occurred_at, event.c.hit_id
    counted = event.c.name != ENGAGEMENT
    viewed = event.c.name == PAGEVIEW
    acted = and_(counted, ~viewed, event.c.interactive)
    pageviews = func.sum(case((viewed, 1), else_=0))
    figures: dict[str, Column] = {
        "visit_id": event.c.visit_id,
        "visitor_id": func.min(event.c.visitor_id),
        "started_at": func.min(case((counted, at))),
        # What is left of signed-in visits says no more than the hour: of how long they were, nothing.
        "ended_at": func.max(case((and_(counted, event.c.basis != Basis.DEIDENTIFIED), at))),
        "pageviews": pageviews,
        "events": func.sum(case((counted, 1), else_=0)),
        "bounced": and_(pageviews < 2, func.sum(case((acted, 1), else_=0)) == 0),
    }
    for one in asked:
        figures[one.key] = _attribute(one, at, number, viewed if one.column in _PAGES else counted)
    found = select(*(value.label(name) for name, value in figures.items()))
    return found.where(*_in_range(plan)).group_by(event.c.visit_id).having(func.sum(case((counted, 1), else_=0)) > 0)


def _attribute(one: Breakdown, at: Column, number: Column, among: Column) -> Column:
    """What the first of the visit's rows says, `among` those; of pages the first or the last, if any was viewed."""
    chosen, name = _PAGES.get(one.column, (first_by, one.column))
    value = _of_row(one) if one.prop else event.c[name]
    return func.coalesce(chosen(value, at, number).filter(among), "")


def _row_value(plan: Plan, one: Breakdown, visits: FromClause | None) -> Column:
    if one.kind == "time":
        return _bucket(plan, event.c.occurred_at, one.column)
    return visits.c[one.key] if one.kind == "visit" and visits is not None else _of_row(one)


def _of_row(one: Breakdown) -> Column:
    return func.coalesce(text_in_json(event.c.props, literal(one.prop)), "") if one.prop else event.c[one.column]


def _visit_value(plan: Plan, one: Breakdown, visits: FromClause) -> Column:
    if one.kind == "time":
        return _bucket(plan, visits.c.started_at, one.column)
    return visits.c[_of_visit(one).key]


def _of_visit(one: Breakdown) -> Breakdown:
    """A page stands for the visits that began with it."""
    return _ENTRY_PAGE if one.column == "pathname" else one


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
    return [_compare(_of_row(one.breakdown), one) for one in _row_filters(plan)]


def _conditions(plan: Plan, visits: FromClause | None) -> list[Column]:
    found = _row_conditions(plan)
    if visits is not None:
        found += [_compare(visits.c[one.breakdown.key], one) for one in _visit_filters(plan)]
    return found


def _compare(column: Column, one: Filter) -> Column:
    """Return the condition of a filter; what stands for an empty value means the empty value."""
    values = ["" if value == one.breakdown.empty else value for value in one.values]
    if one.operator in {"is", "is_not"}:
        found: Column = column.in_(values)
    else:
        found = or_(*(column.contains(value, autoescape=True) for value in values))
    return found if one.operator in {"is", "contains"} else ~found
