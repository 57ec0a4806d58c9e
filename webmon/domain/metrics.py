"""What can be measured: Plausible's names, so that its clients and its readers are at home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "percent", "seconds", "ratio"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure. `of_visits`: it is about whole visits, so it needs them grouped. Percentages are 0 to 100."""

    key: str
    label: str
    unit: Unit
    of_visits: bool
    help: str


METRICS = {
    row.key: row
    for row in (
        Metric("visitors", "Visitors", "count", False, "Different visitors. Without consent, per day."),
        Metric("visits", "Visits", "count", False, "A visit ends after 30 minutes without activity."),
        Metric("pageviews", "Pageviews", "count", False, "Pages viewed."),
        Metric("events", "Events", "count", False, "Page views and the site's own events."),
        Metric("views_per_visit", "Views per visit", "ratio", True, "Page views divided by visits."),
        Metric("bounce_rate", "Bounce rate", "percent", True, "Visits of one page view and nothing else."),
        Metric("visit_duration", "Visit duration", "seconds", True, "From the first to the last event, on average."),
        Metric("percentage", "Share", "percent", False, "Visitors of this row among all visitors."),
    )
}
