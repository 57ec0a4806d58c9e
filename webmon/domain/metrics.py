"""What can be measured: Plausible's names, so that its clients and its readers are at home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "percent", "seconds", "ratio"]
About = Literal["rows", "visits", "engagement"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure. Percentages are 0 to 100. `short`: a heading for a narrow column, where there is one.

    `about`: what it is counted from. Whole visits are grouped first; engagement is what pages report of how long and
    how far they were read, and is None where nothing was reported.
    """

    key: str
    label: str
    unit: Unit
    about: About
    help: str
    short: str = ""


_WHOLE = " Always of whole visits: with a filter on a page, of those that saw it, with all that they did."

METRICS = {
    row.key: row
    for row in (
        Metric("visitors", "Visitors", "count", "rows", "Different visitors. Without consent, per day."),
        Metric("visits", "Visits", "count", "rows", "A visit ends after 30 minutes without activity."),
        Metric("pageviews", "Pageviews", "count", "rows", "Pages viewed."),
        Metric("events", "Events", "count", "rows", "Page views and the site's own events."),
        Metric(
            "views_per_visit", "Views per visit", "ratio", "visits", "Page views of a visit, on average." + _WHOLE
        ),
        Metric(
            "bounce_rate", "Bounce rate", "percent", "visits", "Visits of one page view and nothing else." + _WHOLE
        ),
        Metric(
            "visit_duration",
            "Visit duration",
            "seconds",
            "visits",
            "From the first to the last event, on average." + _WHOLE,
        ),
        Metric(
            "scroll_depth",
            "Scroll depth",
            "percent",
            "engagement",
            "How far down a page was seen, on average of visitors and pages.",
            "Scroll",
        ),
        Metric(
            "time_on_page",
            "Time on page",
            "seconds",
            "engagement",
            "How long a page was visible and in use, on average of visits; without a page, of all pages together.",
            "Time",
        ),
        Metric("percentage", "Share", "percent", "rows", "Visitors of this row among all visitors."),
    )
}
