"""An event's properties: texts only, few, and none that is named after something of a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from webmon.domain.scrub.page import scrub_url
from webmon.domain.scrub.personal import is_personal
from webmon.domain.scrub.rules import NO_RULES, GuardRules
from webmon.domain.scrub.text import Scrubbed, scrub_text

PROPS_LIMIT = 30
KEY_LIMIT = 300
VALUE_LIMIT = 2000
# Scrubbed is more than is kept: what is cut off first could be the half by which an identifier is known.
_MARGIN = 2

_ANY_HOST = "https://host.invalid"

# Few keys come with every hit. Only asked about keys in which nothing identifying was found.
_is_personal = lru_cache(maxsize=2048)(is_personal)


def scrub_props(props: Mapping[str, object], rules: GuardRules = NO_RULES) -> tuple[dict[str, str], Counter[str]]:
    """Return the properties as texts, scrubbed, at most 30, and how much of which kind was removed.

    With property keys in the `rules`, no other is kept. Lists, objects, null and blank texts are no values of a
    property; they are left out and not counted.
    """
    kept: dict[str, str] = {}
    removed: Counter[str] = Counter()
    for key, value in list(props.items())[:PROPS_LIMIT]:
        text = _text(value)
        if text is None or not key.strip():
            continue
        name = scrub_text(key[: _MARGIN * KEY_LIMIT])
        personal = is_personal(key[:KEY_LIMIT]) if name.removed else _is_personal(key[:KEY_LIMIT])
        if personal or (rules.property_keys and key not in rules.property_keys):
            removed["property"] += 1
            continue
        clean = _scrubbed(text[: _MARGIN * VALUE_LIMIT], rules)
        removed.update(name.removed + clean.removed)
        kept[name.value[:KEY_LIMIT]] = clean.value[:VALUE_LIMIT]
    return kept, removed


def _scrubbed(text: str, rules: GuardRules) -> Scrubbed:
    """Scrub a value: one that is an address, as of a link that was clicked, like a page's, without its query."""
    start = text.lstrip()[:8].lower()
    if start.startswith(("http://", "https://")):
        return _link(text.strip(), "", rules)
    if start.startswith("/"):
        return _link(text.strip(), _ANY_HOST, rules)
    return scrub_text(text)


def _link(text: str, before: str, rules: GuardRules) -> Scrubbed:
    try:
        url = scrub_url(before + text, rules)
    except ValueError:
        return scrub_text(text)
    scheme = text.partition(":")[0].lower()
    rest = scrub_text(url.pathname if before else f"{scheme}://{url.hostname}{url.pathname}")
    return Scrubbed(rest.value.strip(), url.removed + rest.removed)


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None
