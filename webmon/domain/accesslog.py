"""A web server's log in the combined format, and which of its lines are a person's page views.

The format: https://httpd.apache.org/docs/2.4/logs.html#combined
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from urllib.parse import urlsplit

from webmon.domain.event import OLDEST_YEAR

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(rf"(\S+) \S+ \S+ \[([^\]]{{20,40}})\] {_QUOTED} (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}\s*")
_TIME = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})")
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}

# What a browser shows as a page; a path whose last segment has no extension is one too.
_PAGE_EXTENSIONS = frozenset({"html", "htm", "xhtml", "shtml", "php", "asp", "aspx", "jsp", "jsf", "cgi", "md"})
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})$")
# Feeds are fetched by readers: /blog/feed/, /rss, /?feed=rss2, /?flav=atom. Whoever came from a feed is a visitor.
_FEED = re.compile(
    r"/(?:rss|atom|feeds?)(?:1|2|10|20)?/?(?:\?|$)|[?&](?:feed|flav|format|type)=(?:rss|atom)", re.IGNORECASE
)
_SHOWN = frozenset({200, 304})


class SkipReason(StrEnum):
    """Why a well-formed line is not a person's page view."""

    METHOD = "method"
    STATUS = "status"
    NOT_A_PAGE = "not_a_page"
    FEED = "feed"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line. The address is for the pseudonym and the place; it goes no further."""

    address: str
    occurred_at: datetime
    method: str
    target: str
    status: int
    size: str
    referrer: str
    user_agent: str


def parse_line(line: str) -> LogRecord | None:
    """Return the line's record, or None for a line that is not in the combined format."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    address, time, request, status, size, referrer, user_agent = found.groups()
    moment, words = _moment(time), request.split(" ")
    if moment is None or len(words) != 3 or not words[1].startswith(("/", "http://", "https://", "*")):
        return None
    target = words[1]
    return LogRecord(
        address, moment, words[0], target, int(status), size, "" if referrer == "-" else referrer, user_agent
    )


def reason_to_skip(record: LogRecord, now: datetime) -> SkipReason | None:
    """Return why the line is no page view (of whom, `domain.unwanted` says), or None to keep it."""
    if record.method != "GET":
        return SkipReason.METHOD
    if record.status not in _SHOWN:
        return SkipReason.STATUS
    if record.occurred_at > now:
        return SkipReason.FUTURE
    extension = _EXTENSION.search(record.target.partition("?")[0])
    if extension and extension[1].lower() not in _PAGE_EXTENSIONS:
        return SkipReason.NOT_A_PAGE
    return SkipReason.FEED if _FEED.search(record.target) else None


def page_url(record: LogRecord, host: str) -> str:
    """Return the address of the page, on the site's own host where the log does not name one."""
    parts = urlsplit(record.target)
    return record.target if parts.scheme in {"http", "https"} and parts.netloc else f"https://{host}{record.target}"


def _moment(text: str) -> datetime | None:
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return None
    day, _, year, hour, minute, second, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = timezone(offset if sign == "+" else -offset)
        local = datetime(int(year), _MONTHS[found[2]], int(day), int(hour), int(minute), int(second), tzinfo=zone)
        return local.astimezone(UTC) if local.year >= OLDEST_YEAR else None
    except (ValueError, OverflowError):
        return None
