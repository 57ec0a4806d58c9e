"""What stands on the dashboard: one row here, and the page, its addresses and its tests know it."""

from __future__ import annotations

from dataclasses import dataclass

TOP_METRICS = ("visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration")

_NO_CITIES = "Regions and cities are known where webmon is given a file that tells them (WEBMON_CITY_FILE)."
_NO_COUNTRIES = "Where visitors are is not known: their addresses are private ones or not in the file of countries."
_NO_SCREENS = "The pages have not told how wide their screens are."


@dataclass(frozen=True, slots=True)
class Tab:
    """A list by one dimension, with figures besides visitors. `nothing`: what is said where nothing is recorded."""

    key: str
    label: str
    dimension: str
    metrics: tuple[str, ...] = ()
    nothing: str = "Nothing was recorded here in this time."


@dataclass(frozen=True, slots=True)
class Panel:
    """Lists that belong together, one of them open.

    `optional`: not shown at all where nothing is recorded (the provider, without its file of networks).
    """

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
                Tab("channel", "Channels", "visit:channel"),
                Tab("referrer", "Referrers", "visit:referrer"),
            ),
        ),
        Panel(
            "pages",
            "Pages",
            (
                Tab("page", "Pages", "event:page", ("time_on_page", "scroll_depth")),
                Tab("entry", "Entry", "visit:entry_page"),
                Tab("exit", "Exit", "visit:exit_page"),
            ),
        ),
        Panel(
            "campaigns",
            "Campaigns",
            (
                Tab("campaign", "Campaigns", "visit:utm_campaign"),
                Tab("utm_source", "Sources", "visit:utm_source"),
                Tab("utm_medium", "Media", "visit:utm_medium"),
            ),
        ),
        Panel(
            "places",
            "Places",
            (
                Tab("country", "Countries", "visit:country", nothing=_NO_COUNTRIES),
                Tab("region", "Regions", "visit:region", nothing=_NO_CITIES),
                Tab("city", "Cities", "visit:city", nothing=_NO_CITIES),
                Tab("language", "Languages", "visit:language"),
            ),
        ),
        Panel(
            "technology",
            "Technology",
            (
                Tab("browser", "Browsers", "visit:browser"),
                Tab("os", "Systems", "visit:os"),
                Tab("device", "Devices", "visit:device"),
                Tab("screen", "Screens", "visit:screen", nothing=_NO_SCREENS),
            ),
        ),
        Panel("provider", "Internet providers", (Tab("isp", "Internet providers", "visit:isp"),), optional=True),
    )
}
