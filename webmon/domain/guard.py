"""The guard over a whole event: every text that would be stored, scrubbed by the rules of its site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webmon.domain.event import IncomingEvent
from webmon.domain.scrub import NO_RULES, GuardRules, ScrubbedUrl, scrub_props, scrub_text
from webmon.domain.sources import Acquired, acquired_by


@dataclass(frozen=True, slots=True)
class GuardedEvent:
    """What may be stored of an event's texts, beside its page's address, and what was removed from all of it.

    `removed` holds kinds, once for each thing that went, never what it was.
    """

    name: str
    came: Acquired
    props: Mapping[str, str]
    removed: tuple[str, ...] = ()


def guard_event(event: IncomingEvent, url: ScrubbedUrl, rules: GuardRules = NO_RULES) -> GuardedEvent:
    """Return the event's texts as they may be stored; `url` is its address, scrubbed by the same rules."""
    name = scrub_text(event.name)
    came = acquired_by(event.referrer, url.hostname, url.query)
    removed = name.removed + url.removed + came.source.removed
    if not event.props:
        return GuardedEvent(name.value, came, {}, removed)
    props, gone = scrub_props(event.props, rules.property_keys)
    return GuardedEvent(name.value, came, props, (*removed, *gone.elements()) if gone else removed)
