"""A hit as it travels: the Events API of Plausible with webmon's own fields, checked once at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from webmon.domain.address import packed_address
from webmon.domain.pseudonym import RAW_ID, RAW_ID_FORM, is_raw_id
from webmon.errors import InvalidInput

NAME_LIMIT = 120
URL_LIMIT = 2000
AGENT_LIMIT = 2000
MOST_ENGAGEMENT_MS = 12 * 60 * 60 * 1000
WIDEST_SCREEN = 100_000
CLOCK_SKEW = timedelta(minutes=1)
# Before there was a web, and before arithmetic on time zones can overflow.
OLDEST_YEAR, NEWEST_YEAR = 1990, 9000
ENGAGEMENT = "engagement"
PAGEVIEW = "pageview"
DOMAIN_LIMIT = 260
_YES = (True, "1", "true")
_NOTHING: tuple[Any, ...] = (None, "", {})
# What the decoder says of a text that is none, or is nested a thousand deep.
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
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
    "w": "screen_width",
    "h": "hashMode",
}


class IncomingEvent(msgspec.Struct, frozen=True):
    """A well-formed event: nothing in it is scrubbed yet, so it is never stored or logged.

    `timestamp`, `address` and `user_agent` are what the body says of whoever it is of: believed only with a key.
    """

    name: str
    url: str
    domain: str
    referrer: str = ""
    props: Mapping[str, Any] = {}
    interactive: bool = True
    visitor: str = ""
    visit: str = ""
    consent: str = ""
    engagement_ms: int = 0
    scroll_pct: int = 0
    screen_width: int = 0
    timestamp: datetime | None = None
    event_id: str = ""
    address: str = ""
    user_agent: str = ""
    # Whether what stands behind ``#`` tells pages apart.
    routed_by_hash: bool = False

    @property
    def is_pageview(self) -> bool:
        return self.name == PAGEVIEW

    @property
    def is_engagement(self) -> bool:
        return self.name == ENGAGEMENT


_Name = Annotated[str, msgspec.Meta(max_length=NAME_LIMIT)]
_Url = Annotated[str, msgspec.Meta(max_length=URL_LIMIT)]
_Id = Annotated[str, msgspec.Meta(pattern=rf"^(?:{RAW_ID})?\Z")]


class _Wire(msgspec.Struct):
    """An event with nothing wrong in it, as almost all are; what does not fit is read with care."""

    name: _Name = ""
    n: _Name = ""
    url: _Url = ""
    u: _Url = ""
    domain: Annotated[str, msgspec.Meta(max_length=DOMAIN_LIMIT)] = ""
    d: Annotated[str, msgspec.Meta(max_length=DOMAIN_LIMIT)] = ""
    referrer: _Url | None = ""
    r: _Url | None = ""
    props: dict[str, Any] | None = None
    p: dict[str, Any] | None = None
    m: dict[str, Any] | None = None
    interactive: bool | None = None
    i: bool | None = None
    visitor: _Id | None = ""
    visit: _Id | None = ""
    consent: _Id | None = ""
    event_id: _Id | None = ""
    engagement_ms: int | None = None
    e: int | None = None
    scroll_pct: int | None = None
    sd: int | None = None
    screen_width: int | None = None
    w: int | None = None
    h: bool | int | str | None = None
    hashMode: bool | int | str | None = None
    # These need more than their type to be right.
    timestamp: None = None
    ip: None = None
    user_agent: None = None


_decoder = msgspec.json.Decoder()
_wire_decoder = msgspec.json.Decoder(_Wire)


def decode_event(body: bytes, now: datetime) -> IncomingEvent:
    """Return the event in a request's body, or raise `InvalidInput` naming each field that is wrong.

    Where a field stands under both its names, the long one counts.
    """
    try:
        wire = _wire_decoder.decode(body)
    except NOT_JSON:
        return _decode_with_care(body, now)
    name, url, domain = (wire.name or wire.n).strip(), (wire.url or wire.u).strip(), wire.domain or wire.d
    engagement = wire.e if wire.engagement_ms is None else wire.engagement_ms
    scroll = wire.sd if wire.scroll_pct is None else wire.scroll_pct
    if not name or not url or not domain or (name == ENGAGEMENT and engagement is None and scroll is None):
        return _decode_with_care(body, now)
    interactive = wire.i if wire.interactive is None else wire.interactive
    return IncomingEvent(
        name,
        url,
        domain.lower(),
        wire.referrer or wire.r or "",
        wire.props or wire.p or wire.m or {},
        interactive is not False,
        wire.visitor or "",
        wire.visit or "",
        wire.consent or "",
        _within(engagement, MOST_ENGAGEMENT_MS),
        _within(scroll, 100),
        _within(wire.w if wire.screen_width is None else wire.screen_width, WIDEST_SCREEN),
        event_id=wire.event_id or "",
        routed_by_hash=(wire.h if wire.hashMode in _NOTHING else wire.hashMode) in _YES,
    )


def _decode_with_care(body: bytes, now: datetime) -> IncomingEvent:
    try:
        document = _decoder.decode(body)
    except NOT_JSON as error:
        raise InvalidInput.field("body", f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput.field("body", "must be a JSON object")
    for short, long in _SHORT.items():
        if short in document and document.get(long) in _NOTHING:
            document[long] = document[short]
    return parse_event(document, now)


def parse_event(fields: Mapping[str, Any], now: datetime) -> IncomingEvent:
    """Check the fields of an event under their long names."""
    errors: dict[str, list[str]] = {}
    name = _text(fields, "name", NAME_LIMIT, errors, required=True).strip()
    if not name:
        errors.setdefault("name", ["is required"])
    engagement, scroll = _count(fields, "engagement_ms"), _count(fields, "scroll_pct")
    if name == ENGAGEMENT and engagement is None and scroll is None:
        errors["event_name"] = [
            "engagement event requires a valid integer value for at least one of 'sd' or 'e' fields"
        ]
    event = IncomingEvent(
        name=name,
        url=_text(fields, "url", URL_LIMIT, errors, required=True).strip(),
        domain=_text(fields, "domain", DOMAIN_LIMIT, errors, required=True).lower(),
        referrer=_text(fields, "referrer", URL_LIMIT, {}),
        props=_props(fields.get("props")),
        interactive=fields.get("interactive") is not False,
        visitor=_identifier(fields, "visitor", errors),
        visit=_identifier(fields, "visit", errors),
        consent=_identifier(fields, "consent", errors),
        engagement_ms=_within(engagement, MOST_ENGAGEMENT_MS),
        scroll_pct=_within(scroll, 100),
        screen_width=_within(_count(fields, "screen_width"), WIDEST_SCREEN),
        timestamp=_moment(fields.get("timestamp"), now, errors),
        event_id=_identifier(fields, "event_id", errors),
        address=_address(fields, errors),
        user_agent=_text(fields, "user_agent", AGENT_LIMIT, errors),
        routed_by_hash=fields.get("hashMode") in _YES,
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
        errors[name] = [RAW_ID_FORM]
        return ""
    return value


def _address(fields: Mapping[str, Any], errors: dict[str, list[str]]) -> str:
    value = fields.get("ip")
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not packed_address(value):
        errors["ip"] = ["must be an IP address"]
        return ""
    return value


def _count(fields: Mapping[str, Any], name: str) -> int | None:
    """A whole number; anything else is as good as absent."""
    value = fields.get(name)
    return None if isinstance(value, bool) or not isinstance(value, int) else value


def _within(value: int | None, most: int) -> int:
    return min(max(value, 0), most) if value else 0


def _props(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):  # some clients send the object as JSON within the JSON
        try:
            value = _decoder.decode(value)
        except NOT_JSON:
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
        return None
    if moment > now + CLOCK_SKEW:
        errors["timestamp"] = ["is in the future"]
    return moment.astimezone(UTC)
