"""A hit as it travels: the Events API of Plausible with webmon's own fields, checked once at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from webmon.domain.pseudonym import is_raw_id
from webmon.errors import InvalidInput

NAME_LIMIT = 120
URL_LIMIT = 2000
MAX_ENGAGEMENT = timedelta(hours=12)
CLOCK_SKEW = timedelta(minutes=1)
# Before there was a web, and before arithmetic on time zones can overflow.
OLDEST_YEAR, NEWEST_YEAR = 1990, 9000
ENGAGEMENT = "engagement"
PAGEVIEW = "pageview"
_SHORT = {
    "n": "name",
    "u": "url",
    "d": "domain",
    "r": "referrer",
    "p": "props",
    "m": "props",
    "i": "interactive",
    "e": "engagement_ms",
    "sd": "scroll_pct",
}


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """A well-formed event: nothing in it is scrubbed yet, so it is never stored or logged."""

    name: str
    url: str
    domain: str
    referrer: str = ""
    props: Mapping[str, Any] = field(default_factory=dict)
    interactive: bool = True
    visitor: str = ""
    visit: str = ""
    consent: str = ""
    engagement_ms: int = 0
    scroll_pct: int = 0
    timestamp: datetime | None = None
    event_id: str = ""

    @property
    def is_pageview(self) -> bool:
        return self.name == PAGEVIEW

    @property
    def is_engagement(self) -> bool:
        return self.name == ENGAGEMENT


_decoder = msgspec.json.Decoder()


def decode_event(body: bytes, now: datetime) -> IncomingEvent:
    """Return the event in a request's body, or raise `InvalidInput` naming each field that is wrong."""
    try:
        document = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput.field("body", f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput.field("body", "must be a JSON object")
    return parse_event({_SHORT.get(str(key), str(key)): value for key, value in document.items()}, now)


def parse_event(fields: Mapping[str, Any], now: datetime) -> IncomingEvent:
    """Check the fields of an event under their long names."""
    errors: dict[str, list[str]] = {}
    name = _text(fields, "name", NAME_LIMIT, errors, required=True)
    engagement = _count(fields, "engagement_ms", int(MAX_ENGAGEMENT.total_seconds() * 1000))
    scroll = _count(fields, "scroll_pct", 100)
    if name == ENGAGEMENT and engagement is None and scroll is None:
        errors["event_name"] = [
            "engagement event requires a valid integer value for at least one of 'sd' or 'e' fields"
        ]
    event = IncomingEvent(
        name=name,
        url=_text(fields, "url", URL_LIMIT, errors, required=True),
        domain=_text(fields, "domain", 260, errors, required=True).lower(),
        referrer=_text(fields, "referrer", URL_LIMIT, {}),
        props=_props(fields.get("props")),
        interactive=fields.get("interactive") is not False,
        visitor=_identifier(fields, "visitor", errors),
        visit=_identifier(fields, "visit", errors),
        consent=_identifier(fields, "consent", errors),
        engagement_ms=engagement or 0,
        scroll_pct=scroll or 0,
        timestamp=_moment(fields.get("timestamp"), now, errors),
        event_id=_identifier(fields, "event_id", errors),
    )
    if errors:
        raise InvalidInput(errors)
    return event


def _text(
    fields: Mapping[str, Any], name: str, limit: int, errors: dict[str, list[str]], *, required: bool = False
) -> str:
    value = fields.get(name)
    if value is None or value == "":
        if required:
            errors[name] = ["is required"]
        return ""
    if not isinstance(value, str):
        errors[name] = ["must be a string"]
        return ""
    if len(value) > limit:
        errors[name] = [f"is longer than {limit} characters"]
        return ""
    return value


def _identifier(fields: Mapping[str, Any], name: str, errors: dict[str, list[str]]) -> str:
    value = fields.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not is_raw_id(value):
        errors[name] = ["must be 16 to 64 letters, digits, - or _"]
        return ""
    return value


def _count(fields: Mapping[str, Any], name: str, most: int) -> int | None:
    """A whole number cut to 0…most; anything else is as good as absent."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return min(max(value, 0), most)


def _props(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):  # some clients send the object as JSON within the JSON
        try:
            value = _decoder.decode(value)
        except msgspec.DecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _moment(value: Any, now: datetime, errors: dict[str, list[str]]) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        errors["timestamp"] = ["must be an ISO 8601 time"]
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not OLDEST_YEAR <= moment.year <= NEWEST_YEAR:
        errors["timestamp"] = [f"must be between the years {OLDEST_YEAR} and {NEWEST_YEAR}"]
    elif moment > now + CLOCK_SKEW:
        errors["timestamp"] = ["is in the future"]
    return moment
