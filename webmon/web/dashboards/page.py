"""From a state to everything that its page shows: a handful of questions to the figures, and no rule of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from webmon.domain.breakdowns import BREAKDOWNS, NOT_SET, Breakdown
from webmon.domain.drop import EXPLAINED
from webmon.domain.grouping import Row
from webmon.domain.metrics import METRICS, Metric, Unit
from webmon.domain.query import DateRange
from webmon.domain.site import Site
from webmon.services.drop_counts import DropCounts
from webmon.services.read_stats import Result, Stats
from webmon.web.dashboards import words
from webmon.web.dashboards.chart import Bucket, Chart, draw
from webmon.web.dashboards.panels import PANELS, TOP_METRICS, Panel, Tab
from webmon.web.dashboards.state import Chosen, State

FEW, MANY = 9, 500
# Up to a span, a chart has one point for each …
_INTERVALS = ((timedelta(hours=49), "hour"), (timedelta(days=100), "day"), (timedelta(days=190), "week"))
# A table in numbers that fit a line of it, and its title in full.
_WRITE = {"count": words.short, "percent": words.percent, "seconds": words.duration, "ratio": words.ratio}
_FULL = _WRITE | {"count": words.whole}
_OPERATORS = {"is": "is", "is_not": "is not", "contains": "contains", "contains_not": "does not contain"}


@dataclass(frozen=True, slots=True)
class FigureCard:
    metric: Metric
    text: str
    full: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a list. `share` in percent of all visitors; `bar` is the length of its bar, in percent.

    `more` are the tab's further figures, each short and in full.
    """

    value: str
    name: str
    mark: str
    visitors: str
    visitors_full: str
    share: str
    bar: float
    more: Sequence[tuple[str, str]]
    chosen: bool


@dataclass(frozen=True, slots=True)
class List:
    """A panel with one tab open. `metrics` are figures besides visitors.

    `more`: there are further.
    """

    panel: Panel
    tab: Tab
    dimension: Breakdown
    metrics: Sequence[Metric]
    lines: Sequence[Line]
    more: bool
    full: bool


@dataclass(frozen=True, slots=True)
class Series:
    """The chart of one metric."""

    metric: Metric
    unit: str
    chart: Chart
    table: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter, in words."""

    chosen: Chosen
    label: str
    operator: str
    values: str


@dataclass(frozen=True, slots=True)
class NotCounted:
    """Hits that were not counted for one reason."""

    label: str
    sentence: str
    hits: str
    hits_full: str


@dataclass(frozen=True, slots=True)
class Page:
    """`too_few`: period and filters single out fewer people than the site shows, if any; then there is no more.

    `not_counted` is empty while filters are on: nothing is known of those hits that a filter could ask about.
    """

    figures: Sequence[FigureCard]
    series: Series | None
    lists: Sequence[List]
    chips: Sequence[Chip]
    dates: str
    not_counted: Sequence[NotCounted]
    empty: bool
    too_few: bool


def build(stats: Stats, drops: DropCounts, site: Site, state: State, now: datetime) -> Page:
    """Ask for all that the state shows."""
    asker = _Asker(stats, site, state, now)
    summary = asker.ask(TOP_METRICS)
    row = summary.rows[0] if summary.rows else None
    not_counted = _not_counted(drops, site, summary.query.dates) if not state.filters else ()
    if row is None or not row.visitors:
        return Page(
            figures=_cards(row, state),
            series=None,
            lists=(),
            chips=_chips(state),
            dates=dates_in_words(summary.query.dates),
            not_counted=not_counted,
            empty=True,
            too_few=row is None,
        )
    return Page(
        figures=_cards(row, state),
        series=_series(asker, summary.query.dates),
        lists=[found for panel in PANELS.values() if (found := _list(asker, panel, row.visitors))],
        chips=_chips(state),
        dates=dates_in_words(summary.query.dates),
        not_counted=not_counted,
        empty=False,
        too_few=False,
    )


@dataclass(frozen=True, slots=True)
class _Asker:
    stats: Stats
    site: Site
    state: State
    now: datetime

    @property
    def local(self) -> datetime:
        return self.now.astimezone(self.site.zone)

    def ask(self, metrics: Sequence[str], dimension: str | None = None, **more: Any) -> Result:
        document: Mapping[str, Any] = {
            "metrics": list(metrics),
            "date_range": self.state.date_range(self.local.date()),
            "dimensions": [dimension] if dimension else [],
            "filters": [one.query for one in self.state.filters],
            **more,
        }
        return self.stats.ask(self.site, document, self.now)


def _cards(row: Row | None, state: State) -> list[FigureCard]:
    """The figures; of too few visitors none is said, and that is not the same as nothing."""
    values = row.metrics if row else (None,) * len(TOP_METRICS)
    return [
        FigureCard(
            METRICS[name], written(value, METRICS[name].unit), _FULL[METRICS[name].unit](value), name == state.metric
        )
        for name, value in zip(TOP_METRICS, values, strict=True)
    ]


def written(value: words.Figure, unit: Unit) -> str:
    return _WRITE[unit](value)


def _series(asker: _Asker, dates: DateRange) -> Series:
    metric, unit = METRICS[asker.state.metric], interval(dates)
    found = asker.ask([metric.key], f"time:{unit}", include={"time_labels": True})
    buckets = [Bucket(row.dimensions[0], row.metrics[0]) for row in found.rows]
    local = asker.local.replace(tzinfo=None)
    shown = max(1, sum(datetime.fromisoformat(bucket.label) <= local for bucket in buckets))
    chart = draw(buckets, unit, shown=shown, unfinished=asker.now < dates.end, seconds=metric.unit == "seconds")
    table = [(point.label, _FULL[metric.unit](point.value)) for point in chart.points]
    return Series(metric, unit, chart, table)


def interval(dates: DateRange) -> str:
    """The width of a chart's bucket for a span: some seven to a hundred of them."""
    span = dates.end - dates.start
    return next((unit for longest, unit in _INTERVALS if span <= longest), "month")


def _list(asker: _Asker, panel: Panel, everybody: int) -> List | None:
    """Return the panel's open list, or None for an optional panel that has nothing to say."""
    state = asker.state
    tab = next(tab for tab in panel.tabs if tab.key == state.tab(panel.key))
    limit = MANY if state.more == panel.key else FEW
    found = asker.ask(["visitors", *tab.metrics], tab.dimension, pagination={"limit": limit + 1})
    dimension = BREAKDOWNS[tab.dimension]
    unknown = all(row.dimensions[0] == dimension.empty for row in found.rows)
    if panel.optional and unknown:
        return None
    rows = () if unknown and dimension.empty == NOT_SET else found.rows[:limit]
    longest = max((row.visitors for row in rows), default=0)
    lines = [_line(state, tab, row, everybody, longest) for row in rows]
    more = [METRICS[name] for name in tab.metrics]
    return List(panel, tab, dimension, more, lines, len(found.rows) > limit, limit == MANY)


def _line(state: State, tab: Tab, row: Row, everybody: int, longest: int) -> Line:
    dimension, value, visitors = tab.dimension, row.dimensions[0], row.visitors
    units = [METRICS[name].unit for name in tab.metrics]
    return Line(
        value=value,
        name=words.name_of(dimension, value),
        mark=words.mark_of(dimension, value),
        visitors=words.short(visitors),
        visitors_full=words.whole(visitors),
        share=words.percent(100 * visitors / everybody),
        bar=round(100 * visitors / longest, 1) if longest else 0,
        more=[
            (_WRITE[unit](figure), _FULL[unit](figure)) for unit, figure in zip(units, row.metrics[1:], strict=True)
        ],
        chosen=state.chooses(dimension, value),
    )


def _not_counted(drops: DropCounts, site: Site, dates: DateRange) -> list[NotCounted]:
    found = drops.read(site.id, dates.first_day, dates.last_day)
    return [
        NotCounted(EXPLAINED[reason].label, EXPLAINED[reason].sentence, words.short(count), words.whole(count))
        for reason, count in found.items()
    ]


def _chips(state: State) -> list[Chip]:
    return [
        Chip(
            chosen,
            chosen.label,
            _OPERATORS[chosen.operator],
            " or ".join(words.name_of(chosen.dimension, value) for value in chosen.values),
        )
        for chosen in state.filters
    ]


def dates_in_words(dates: DateRange) -> str:
    """The range in words; the day after the last is not part of it."""
    first, last = dates.start.date(), (dates.end - timedelta(seconds=1)).date()
    if first == last:
        return f"{first:%A}, {first.day} {first:%B %Y}"
    start = f"{first.day} {first:%b}" if first.year == last.year else f"{first.day} {first:%b %Y}"
    return f"{start} {words.DASH} {last.day} {last:%b %Y}"
