"""What figures can be broken down by: one row here, and API, pages and engines know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["event", "visit", "time"]
NOT_SET = "(not set)"


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A dimension of the Stats API.

    `column` is the event log's column, or for entry and exit pages the visit's. `empty` is what stands for an empty
    value; None: rows with an empty value say nothing about this dimension and are left out.
    """

    key: str
    label: str
    column: str
    kind: Kind
    empty: str | None = NOT_SET


BREAKDOWNS = {
    row.key: row
    for row in (
        Breakdown("event:page", "Page", "pathname", "event"),
        Breakdown("event:hostname", "Host", "hostname", "event"),
        Breakdown("event:name", "Event", "name", "event"),
        Breakdown("visit:entry_page", "Entry page", "entry_page", "visit", None),
        Breakdown("visit:exit_page", "Exit page", "exit_page", "visit", None),
        Breakdown("visit:source", "Source", "source", "visit", "Direct / None"),
        Breakdown("visit:referrer", "Referrer", "referrer", "visit", "Direct / None"),
        Breakdown("visit:utm_source", "UTM source", "utm_source", "visit", None),
        Breakdown("visit:utm_medium", "UTM medium", "utm_medium", "visit", None),
        Breakdown("visit:utm_campaign", "UTM campaign", "utm_campaign", "visit", None),
        Breakdown("visit:utm_content", "UTM content", "utm_content", "visit", None),
        Breakdown("visit:utm_term", "UTM term", "utm_term", "visit", None),
        Breakdown("visit:country", "Country", "country", "visit"),
        Breakdown("visit:browser", "Browser", "browser", "visit"),
        Breakdown("visit:browser_version", "Browser version", "browser_version", "visit"),
        Breakdown("visit:os", "System", "os", "visit"),
        Breakdown("visit:os_version", "System version", "os_version", "visit"),
        Breakdown("visit:device", "Device", "device", "visit"),
        Breakdown("visit:isp", "Internet provider", "provider", "visit"),
        Breakdown("time:hour", "Hour", "hour", "time"),
        Breakdown("time:day", "Day", "day", "time"),
        Breakdown("time:week", "Week", "week", "time"),
        Breakdown("time:month", "Month", "month", "time"),
    )
}
