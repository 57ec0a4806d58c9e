"""What a dashboard shows, as its address says it: everything that can be clicked is a link to another state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from webmon.domain.breakdowns import find_breakdown
from webmon.domain.query import OPERATORS
from webmon.errors import InvalidInput
from webmon.web.dashboards.panels import PANELS, TOP_METRICS
from webmon.web.dashboards.words import DASH

DEFAULT_PERIOD = "28d"
_LONGEST_VALUE = 2000


@dataclass(frozen=True, slots=True)
class Period:
    """A choice of the period menu. `range`: the query's name for it, or none where it is two dates."""

    key: str
    label: str
    range: str | None = None


PERIODS = {
    row.key: row
    for row in (
        Period("day", "Today", "day"),
        Period("yesterday", "Yesterday"),
        Period("7d", "Last 7 days", "7d"),
        Period("28d", "Last 28 days", "28d"),
        Period("30d", "Last 30 days", "30d"),
        Period("91d", "Last 91 days", "91d"),
        Period("month", "Month to date", "month"),
        Period("last_month", "Last month"),
        Period("12mo", "Last 12 months", "12mo"),
        Period("all", "All time", "all"),
    )
}
CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One active filter: several values of one dimension mean any of them."""

    operator: str
    dimension: str
    values: tuple[str, ...]

    @property
    def label(self) -> str:
        found = find_breakdown(self.dimension)
        return found.label if found else self.dimension

    @property
    def query(self) -> list[Any]:
        return [self.operator, self.dimension, list(self.values)]


@dataclass(frozen=True, slots=True)
class State:
    """`tabs` maps a panel to the tab that is open, where it is not the first; `more`: the panel shown in full."""

    period: str = DEFAULT_PERIOD
    first: date | None = None
    last: date | None = None
    metric: str = TOP_METRICS[0]
    filters: tuple[Chosen, ...] = ()
    tabs: Mapping[str, str] = field(default_factory=dict)
    more: str = ""

    @property
    def label(self) -> str:
        if self.period != CUSTOM:
            return PERIODS[self.period].label
        first, last = day_label(self.first), day_label(self.last)
        return first if first == last else f"{first} {DASH} {last}"

    def date_range(self, today: date) -> str | list[str]:
        """Return the `date_range` of a query, for the site's `today`."""
        named = PERIODS[self.period].range if self.period in PERIODS else None
        if named:
            return named
        first, last = self._dates(today)
        return [first.isoformat(), last.isoformat()]

    def _dates(self, today: date) -> tuple[date, date]:
        if self.period == "yesterday":
            return today - timedelta(days=1), today - timedelta(days=1)
        if self.period == "last_month":
            last = today.replace(day=1) - timedelta(days=1)
            return last.replace(day=1), last
        return self.first or today, self.last or today

    def tab(self, panel: str) -> str:
        return self.tabs.get(panel, PANELS[panel].tabs[0].key)

    # The states that one click leads to, as addresses (the part from the question mark on).

    def with_period(self, period: str) -> str:
        return replace(self, period=period, first=None, last=None).address

    def with_metric(self, metric: str) -> str:
        return replace(self, metric=metric).address

    def with_tab(self, panel: str, tab: str) -> str:
        return replace(self, tabs={**self.tabs, panel: tab}).address

    def with_more(self, panel: str) -> str:
        return replace(self, more=panel).address

    def with_filter(self, dimension: str, value: str) -> str:
        """Only this value of the dimension; a click on a value that is chosen lets it go."""
        chosen = Chosen("is", dimension, (value,))
        others = tuple(one for one in self.filters if one.dimension != dimension)
        return replace(self, filters=others if chosen in self.filters else (*others, chosen)).address

    def without(self, chosen: Chosen) -> str:
        return replace(self, filters=tuple(one for one in self.filters if one != chosen)).address

    def without_filters(self) -> str:
        return replace(self, filters=()).address

    def chooses(self, dimension: str, value: str) -> bool:
        return any(
            one.operator == "is" and one.dimension == dimension and value in one.values for one in self.filters
        )

    @property
    def address(self) -> str:
        return "?" + urlencode(list(self.arguments()))

    def arguments(self, *, dates: bool = True) -> Iterable[tuple[str, str]]:
        """Yield the query string's parts, leaving out what goes without saying."""
        if self.period == CUSTOM and dates:
            yield "from", (self.first or date.min).isoformat()
            yield "to", (self.last or date.min).isoformat()
        elif self.period != DEFAULT_PERIOD and dates:
            yield "period", self.period
        if self.metric != TOP_METRICS[0]:
            yield "metric", self.metric
        for chosen in self.filters:
            for value in chosen.values:
                yield "f", f"{chosen.operator},{chosen.dimension},{value}"
        for panel, tab in self.tabs.items():
            if tab != PANELS[panel].tabs[0].key:
                yield panel, tab
        if self.more:
            yield "more", self.more


def day_label(day: date | None) -> str:
    return f"{day.day} {day:%b %Y}" if day else ""


def parse_state(args: MultiDict[str, str]) -> State:
    """Return the state of an address; raises `InvalidInput` naming the part that cannot be understood."""
    first, last = _day(args, "from"), _day(args, "to")
    if first and last and first > last:
        raise InvalidInput.field("from", "must not be after to")
    custom = first is not None or last is not None
    return State(
        period=CUSTOM if custom else _one_of(args, "period", PERIODS, DEFAULT_PERIOD),
        first=first or last,
        last=last or first,
        metric=_one_of(args, "metric", TOP_METRICS, TOP_METRICS[0]),
        filters=_filters(args.getlist("f")),
        tabs={
            panel.key: _one_of(args, panel.key, [tab.key for tab in panel.tabs], panel.tabs[0].key)
            for panel in PANELS.values()
            if panel.key in args
        },
        more=_one_of(args, "more", ("", *PANELS), ""),
    )


def _one_of(args: MultiDict[str, str], name: str, known: Iterable[str], otherwise: str) -> str:
    value = args.get(name, otherwise)
    if value not in known:
        raise InvalidInput.field(name, f"must be one of {', '.join(one for one in known if one)}")
    return value


def _day(args: MultiDict[str, str], name: str) -> date | None:
    text = args.get(name, "")
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        raise InvalidInput.field(name, "must be a date such as 2026-01-31") from error


def _filters(texts: Iterable[str]) -> tuple[Chosen, ...]:
    """Read ``is,visit:country,DE``; repeated for one dimension, the values are alternatives."""
    found: dict[tuple[str, str], list[str]] = {}
    for text in texts:
        operator, _, rest = text.partition(",")
        dimension, comma, value = rest.partition(",")
        if operator not in OPERATORS or find_breakdown(dimension) is None or not comma or len(value) > _LONGEST_VALUE:
            raise InvalidInput.field("f", "must be such as is,visit:country,DE")
        values = found.setdefault((operator, dimension), [])
        if value not in values:
            values.append(value)
    return tuple(Chosen(operator, dimension, tuple(values)) for (operator, dimension), values in found.items())
