"""What stands on the dashboard: one row here, and the page, its addresses and its tests know it."""

from __future__ import annotations

from dataclasses import dataclass

TOP_METRICS = ("visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration")


@dataclass(frozen=True, slots=True)
class Tab:
    """A list by one dimension. `needs`: shown only where there are rows beyond "not set"."""

    key: str
    label: str
    dimension: str


@dataclass(frozen=True, slots=True)
class Panel:
    """`optional`: not shown at all where nothing is recorded (the provider, without its file of networks)."""

    key: str
    label: str
    tabs: tuple[Tab, ...]
    optional: bool = False


PANELS = {
    row.key: row
    for row in (
        Panel(
            "sources",
            "Sources",
            (
                Tab("source", "Sources", "visit:source"),
                Tab("referrer", "Referrers", "visit:referrer"),
                Tab("campaign", "Campaigns", "visit:utm_campaign"),
            ),
        ),
        Panel(
            "pages",
            "Pages",
            (
                Tab("page", "Top pages", "event:page"),
                Tab("entry", "Entry pages", "visit:entry_page"),
                Tab("exit", "Exit pages", "visit:exit_page"),
            ),
        ),
        Panel("places", "Places", (Tab("country", "Countries", "visit:country"),)),
        Panel(
            "technology",
            "Technology",
            (
                Tab("browser", "Browsers", "visit:browser"),
                Tab("os", "Systems", "visit:os"),
                Tab("device", "Devices", "visit:device"),
            ),
        ),
        Panel("provider", "Internet providers", (Tab("isp", "Internet providers", "visit:isp"),), optional=True),
    )
}
