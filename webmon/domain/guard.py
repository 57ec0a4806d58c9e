"""The guard over a whole event: every text that would be stored, scrubbed by the rules of its site."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from webmon.domain.event import IncomingEvent
from webmon.domain.scrub import NO_RULES, GuardRules, scrub_props, scrub_text, scrub_url
from webmon.domain.sources import acquired_by
from webmon.errors import InvalidInput

# Most pages come again, by the same ways. Long addresses seldom do.
_REMEMBERED = 16_384
_LONGEST_REMEMBERED = 512


class GuardedEvent(msgspec.Struct, frozen=True):
    """What may be stored of an event's texts, as the row has them (`hit.Hit`), and what was removed from all of them.

    `removed` holds kinds, once for each thing that went, never what it was.
    """

    name: str
    hostname: str
    pathname: str
    referrer: str = ""
    source: str = ""
    medium: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""
    channel: str = ""
    click_id: str = ""
    props: Mapping[str, str] = {}
    removed: tuple[str, ...] = ()


# Only texts that the guard left as they were: nothing that identifies is kept here (docs/guard.md).
_clean: dict[tuple[str, str, str, bool, GuardRules], GuardedEvent] = {}


def guard_event(event: IncomingEvent, rules: GuardRules = NO_RULES) -> GuardedEvent:
    """Return the event's texts as they may be stored.

    Raises `InvalidInput` for an address that cannot be a page's.
    """
    key = (event.name, event.url, event.referrer, event.routed_by_hash, rules)
    found = _clean.get(key)
    if found is None:
        found = _guarded(event, rules)
        if not found.removed and len(event.url) + len(event.referrer) <= _LONGEST_REMEMBERED:
            if len(_clean) >= _REMEMBERED:
                _clean.clear()
            _clean[key] = found
    if not event.props:
        return found
    props, gone = scrub_props(event.props, rules)
    return msgspec.structs.replace(found, props=props, removed=(*found.removed, *gone.elements()))


def _guarded(event: IncomingEvent, rules: GuardRules) -> GuardedEvent:
    """Return all but the properties, which are seldom the same twice."""
    try:
        url = scrub_url(event.url, rules, routed_by_hash=event.routed_by_hash)
    except ValueError as error:
        raise InvalidInput.field("url", str(error)) from error
    name, came = scrub_text(event.name), acquired_by(event.referrer, url.hostname, url.query)
    return GuardedEvent(
        name.value,
        url.hostname,
        url.pathname,
        came.source.referrer,
        came.source.name,
        came.source.medium,
        came.utm_source,
        came.utm_medium,
        url.query.get("utm_campaign", ""),
        url.query.get("utm_content", ""),
        url.query.get("utm_term", ""),
        came.channel,
        came.click_id,
        removed=name.removed + url.removed + came.source.removed,
    )
