"""How a site's notices are answered: the page's state, and everything that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from webmon.domain.consent_figures import DIMENSIONS, METRICS, OTHER, Figures
from webmon.domain.query import DateRange
from webmon.domain.site import Site
from webmon.errors import InvalidInput
from webmon.services.consent_counts import ConsentCounts
from webmon.web.dashboards import words
from webmon.web.dashboards.chart import Bucket, Chart, draw
from webmon.web.dashboards.page import dates_in_words, interval
from webmon.web.dashboards.state import State, parse_state

_WORDS = {
    "shown": ("Shown", "How often the notice was shown; not to programs."),
    "accepted": ("Accepted", "Answers that allow every purpose."),
    "refused": ("Refused", "Answers that allow none."),
    "custom": ("Custom", "Answers that allow some purposes."),
    "ignored": ("Ignored", "Shown, and the question not answered."),
    "withdrawn": ("Withdrawn", "Consents taken back."),
    "gpc": ("Privacy signal", "Shown to browsers that send Global Privacy Control, which is honoured."),
}
_FIRST_METRIC, _FIRST_DIMENSION = "shown", "language"
_TABS = ("language", "country", "device", "notice")
_HASH_SHOWN = 19


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the site's notices. `unit` is as a metric's, for whoever writes it out."""

    key: str
    label: str
    help: str
    text: str = ""
    unit: str = "count"


@dataclass(frozen=True, slots=True)
class ConsentState:
    """`when` holds the dates alone."""

    when: State
    metric: str = _FIRST_METRIC
    by: str = _FIRST_DIMENSION

    @property
    def label(self) -> str:
        return self.when.label

    @property
    def period(self) -> str:
        return self.when.period

    @property
    def first(self) -> date | None:
        return self.when.first

    @property
    def last(self) -> date | None:
        return self.when.last

    def with_period(self, period: str) -> str:
        return replace(self, when=State(period=period)).address

    def with_metric(self, metric: str) -> str:
        return replace(self, metric=metric).address

    def with_dimension(self, dimension: str) -> str:
        return replace(self, by=dimension).address

    @property
    def address(self) -> str:
        return "?" + urlencode(self.arguments())

    def arguments(self, *, dates: bool = True) -> list[tuple[str, str]]:
        """Return the query string's parts, leaving out what goes without saying."""
        own = (("metric", self.metric, _FIRST_METRIC), ("by", self.by, _FIRST_DIMENSION))
        said = [(name, value) for name, value, usual in own if value != usual]
        return [*self.when.arguments(dates=dates), *said]


def parse_consent_state(args: MultiDict[str, str]) -> ConsentState:
    """Return the state of an address; raises `InvalidInput` naming the part that cannot be understood."""
    dates = MultiDict((name, args[name]) for name in ("period", "from", "to") if name in args)
    metric, by = args.get("metric", _FIRST_METRIC), args.get("by", _FIRST_DIMENSION)
    for name, value, known in (("metric", metric, METRICS), ("by", by, _TABS)):
        if value not in known:
            raise InvalidInput.field(name, f"must be one of {', '.join(known)}")
    return ConsentState(parse_state(dates), metric, by)


@dataclass(frozen=True, slots=True)
class Series:
    """The chart of one figure, in the form that the dashboard's has."""

    metric: Figure
    unit: str
    chart: Chart
    table: Sequence[tuple[str, str]]
    hidden_count: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One group and its figures; `bar` is its size in percent of the largest."""

    name: str
    mark: str
    title: str
    cells: Sequence[str]
    bar: float


@dataclass(frozen=True, slots=True)
class ConsentPage:
    figures: Sequence[Figure]
    series: Series | None
    tabs: Mapping[str, str]
    columns: Sequence[Figure]
    lines: Sequence[Line]
    folded: bool
    dates: str
    empty: bool


def build_consent(counts: ConsentCounts, site: Site, state: ConsentState, now: datetime) -> ConsentPage:
    """Ask for all that the state shows."""
    today = now.astimezone(site.zone).date()
    found = counts.read(site, state.when.date_range(today), now, state.by)
    figures = [_figure(key, found.totals) for key in METRICS]
    largest = max((group.size for group in found.groups.values()), default=0)
    return ConsentPage(
        figures=figures,
        series=_series(found.days, found.dates, _figure(state.metric, found.totals), today) if found.days else None,
        tabs={key: DIMENSIONS[key] for key in _TABS},
        columns=figures,
        lines=[_line(state.by, value, group, largest) for value, group in found.groups.items()],
        folded=OTHER in found.groups,
        dates=dates_in_words(found.dates),
        empty=not found.days,
    )


def _figure(key: str, totals: Figures) -> Figure:
    label, sentence = _WORDS[key]
    return Figure(key, label, sentence, words.short(getattr(totals, key)))


def _series(days: Mapping[date, Figures], dates: DateRange, metric: Figure, today: date) -> Series:
    unit = interval(dates)
    unit = "day" if unit == "hour" else unit  # answers are counted by day
    first, last = dates.first_day, dates.last_day
    sums: dict[date, Figures] = {}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        begin = _beginning(day, unit)
        sums[begin] = sums.get(begin, Figures()) + days.get(day, Figures())
    buckets = [Bucket(day.isoformat(), getattr(figures, metric.key)) for day, figures in sums.items()]
    shown = max(1, sum(day <= today for day in sums))
    chart = draw(buckets, unit, shown=shown, unfinished=today <= last)
    return Series(metric, unit, chart, [(point.label, words.whole(point.value)) for point in chart.points])


def _beginning(day: date, unit: str) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _line(dimension: str, value: str, figures: Figures, largest: int) -> Line:
    name, mark = (value, "") if value == OTHER else _named(dimension, value)
    bar = round(100 * figures.size / largest, 1) if largest else 0.0
    return Line(name, mark, value, [words.whole(getattr(figures, key)) for key in METRICS], bar)


def _named(dimension: str, value: str) -> tuple[str, str]:
    if not value:
        return "(unknown)", ""
    if dimension == "notice":
        return f"{value[:_HASH_SHOWN]}…", ""
    key = f"visit:{dimension}"
    return words.name_of(key, value), words.mark_of(key, value)
