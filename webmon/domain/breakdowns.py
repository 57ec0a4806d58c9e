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
    value; None: rows with an empty value say nothing about this dimension and are left out. `prop`: the key within a
    row's properties, where the dimension is one of these.
    """

    key: str
    label: str
    column: str
    kind: Kind
    empty: str | None = NOT_SET
    prop: str = ""


BREAKDOWNS = {
    row.key: row
    for row in (
        Breakdown("event:page", "Page", "pathname", "event"),
        Breakdown("event:hostname", "Host", "hostname", "event"),
        Breakdown("event:name", "Event", "name", "event"),
        Breakdown("visit:entry_page", "Entry page", "entry_page", "visit", None),
        Breakdown("visit:exit_page", "Exit page", "exit_page", "visit", None),
        Breakdown("visit:entry_page_hostname", "Entry host", "entry_hostname", "visit", None),
        Breakdown("visit:exit_page_hostname", "Exit host", "exit_hostname", "visit", None),
        Breakdown("visit:channel", "Channel", "channel", "visit"),
        Breakdown("visit:source", "Source", "source", "visit", "Direct / None"),
        Breakdown("visit:referrer", "Referrer", "referrer", "visit", "Direct / None"),
        Breakdown("visit:medium", "Medium", "medium", "visit", "Direct / None"),
        Breakdown("visit:utm_source", "UTM source", "utm_source", "visit", None),
        Breakdown("visit:utm_medium", "UTM medium", "utm_medium", "visit", None),
        Breakdown("visit:utm_campaign", "UTM campaign", "utm_campaign", "visit", None),
        Breakdown("visit:utm_content", "UTM content", "utm_content", "visit", None),
        Breakdown("visit:utm_term", "UTM term", "utm_term", "visit", None),
        Breakdown("visit:country", "Country", "country", "visit"),
        Breakdown("visit:region", "Region", "region", "visit"),
        Breakdown("visit:city", "City", "city", "visit"),
        Breakdown("visit:language", "Language", "language", "visit"),
        Breakdown("visit:browser", "Browser", "browser", "visit"),
        Breakdown("visit:browser_version", "Browser version", "browser_version", "visit"),
        Breakdown("visit:os", "System", "os", "visit"),
        Breakdown("visit:os_version", "System version", "os_version", "visit"),
        Breakdown("visit:device", "Device", "device", "visit"),
        Breakdown("visit:screen", "Screen", "screen", "visit"),
        Breakdown("visit:isp", "Internet provider", "provider", "visit"),
        Breakdown("time:hour", "Hour", "hour", "time"),
        Breakdown("time:day", "Day", "day", "time"),
        Breakdown("time:week", "Week", "week", "time"),
        Breakdown("time:month", "Month", "month", "time"),
    )
}

PROPS = "event:props:"
_NONE = "(none)"
_LONGEST_KEY = 300


def find_breakdown(key: str) -> Breakdown | None:
    """Return the dimension of that name: one of the table, or a property of events (``event:props:plan``)."""
    prop = key.removeprefix(PROPS)
    if prop == key:
        return BREAKDOWNS.get(key)
    if not prop or len(prop) > _LONGEST_KEY or not prop.isprintable():
        return None
    return Breakdown(key, prop, "props", "event", _NONE, prop)
