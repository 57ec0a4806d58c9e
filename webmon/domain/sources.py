"""Where a visit came from: the referrer and the campaign parameters, and the channel that they make up."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from webmon.domain.hostname import SECOND_LEVEL
from webmon.domain.known_sources import (
    ALIASES,
    APP_PACKAGES,
    APPS,
    BY_HOST,
    BY_NAME,
    MEDIUM_OF,
    MORE_SOCIAL,
    SHOPPING,
    VIDEO,
    WEBMAIL_HOSTS,
    WEBMAIL_LABEL,
    Known,
)
from webmon.domain.scrub import scrub_path, scrub_text

REFERRER_LIMIT = 500
# In the order in which they are believed.
SOURCE_PARAMETERS = ("utm_source", "source", "ref")
# A click identifier says that this source was paid, by its name alone.
_PAID_CLICKS = {"gclid": "Google", "gbraid": "Google", "wbraid": "Google", "msclkid": "Bing"}
_AD_ENDING = re.compile(r"[-_ ]?ads?$", re.IGNORECASE)
_IMAGES = re.compile(r"/(?:images|imghp|imgres)\b")
_UNKNOWN = Known("", "")


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is empty for a direct visit; `referrer` is host and path, scrubbed, without query and fragment.

    `medium` is the campaign's own, ``(gclid)`` or such for a paid click without one, else what the referrer is:
    search, social, chatbot, email, paid, app or referral.
    """

    name: str = ""
    medium: str = ""
    referrer: str = ""
    # Kinds of what the guard took out of the referrer.
    removed: tuple[str, ...] = field(default=(), compare=False)


DIRECT = Source()


def source_of(referrer: str, page_host: str, query: Mapping[str, str]) -> Source:
    """Return the source of a page view on `page_host` with these (scrubbed) query parameters."""
    found = _referred(referrer[: 4 * REFERRER_LIMIT], page_host.removeprefix("www.")) if referrer else DIRECT
    if not query:
        return found
    said = said_source(query)
    name = _said_name(said) if said else found.name
    medium = query.get("utm_medium", "").lower() or _paid_click(name, query)
    if not medium:
        medium = MEDIUM_OF.get(name, "campaign") if said else found.medium
    return Source(name, medium, found.referrer, found.removed)


def said_source(query: Mapping[str, str]) -> str:
    """Return the source that the address itself names, as it stands there."""
    return next((query[name] for name in SOURCE_PARAMETERS if query.get(name)), "")


@lru_cache(maxsize=1024)
def _said_name(said: str) -> str:
    low = said.strip().lower().removeprefix("www.")
    base = _AD_ENDING.sub("", low)
    return BY_NAME.get(low) or BY_NAME.get(base) or _named(low).name or said


def _paid_click(name: str, query: Mapping[str, str]) -> str:
    return next((f"({click})" for click, source in _PAID_CLICKS.items() if click in query and source == name), "")


def _referred(referrer: str, page_host: str) -> Source:
    """Return what a referrer says. Only those without a find are remembered: a cache is memory, and kept."""
    try:
        return _remembered(referrer, page_host)
    except _Found as found:
        return found.source


class _Found(Exception):
    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source


@lru_cache(maxsize=4096)
def _remembered(referrer: str, page_host: str) -> Source:
    source = _parsed(referrer, page_host)
    if source.removed:
        raise _Found(source)  # a cache keeps what is returned, not what is raised
    return source


def _parsed(referrer: str, page_host: str) -> Source:
    try:
        parts = urlsplit(referrer.strip())
        host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    except ValueError:
        return DIRECT
    if parts.scheme == "android-app" and host:
        return _app(host)
    if parts.scheme not in {"http", "https"} or host == page_host or not _is_public(host):
        return DIRECT
    known = _named(host)
    name = f"{known.name} Images" if known.medium == "search" and _is_images(host, parts.path) else known.name
    shown, path = scrub_text(host), scrub_path(parts.path)
    host = shown.value[:253]
    address = (host + path.value.rstrip("/"))[:REFERRER_LIMIT]
    return Source(name or host, known.medium or "referral", address, shown.removed + path.removed)


def _app(package: str) -> Source:
    scrubbed = scrub_text(package)
    clean = scrubbed.value[:REFERRER_LIMIT]
    name = APP_PACKAGES.get(package) or next((APPS[word] for word in re.split(r"[._]", package) if word in APPS), "")
    return Source(name or clean, MEDIUM_OF.get(name, "app"), clean, scrubbed.removed)


def _is_public(host: str) -> bool:
    """Whether the host can be another website: a developer's own machine and networks are none."""
    if "." not in host and ":" not in host:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return not host.endswith((".localhost", ".local", ".internal"))


def _is_images(host: str, path: str) -> bool:
    return host.startswith("images.") or ".images." in host or _IMAGES.match(path) is not None


def _named(host: str) -> Known:
    """Return what is known of a host: the most specific entry wins, then a label that says it is for mail."""
    labels = host.split(".")
    for start in range(len(labels) - 1):
        known = BY_HOST.get(".".join(labels[start:])) or _registered(labels[start:])
        if known:
            mail = known.medium == "search" and WEBMAIL_LABEL.fullmatch(labels[0]) is not None
            return Known(f"{known.name} Mail", "email") if mail else known
    if len(labels) > 2 and WEBMAIL_LABEL.fullmatch(labels[0]):
        return Known(next((WEBMAIL_HOSTS[label] for label in labels[1:] if label in WEBMAIL_HOSTS), ""), "email")
    return _UNKNOWN


def _registered(labels: list[str]) -> Known | None:
    """Look up a name under any public suffix: `google.co.uk` is ``google.*``, `google.evil.example` is not."""
    suffix = 2 if len(labels) > 2 and labels[-2] in SECOND_LEVEL else 1
    return BY_HOST.get(".".join(labels[:-suffix]) + ".*")


# Channels

# Asked in this order: the first that is there names the click.
CLICK_IDS = ("gclid", "gbraid", "wbraid", "msclkid", "fbclid", "twclid")


@dataclass(frozen=True, slots=True)
class Acquired:
    """How a visit came: what is stored of it.

    `utm_source` is what the address says, by whichever parameter; `utm_medium` is the campaign's, or ``(gclid)`` and
    the like for a paid click without one. `click_id` is the name of a click identifier: its value names a click, and
    so a person.
    """

    source: Source = DIRECT
    channel: str = "Direct"
    utm_source: str = ""
    utm_medium: str = ""
    click_id: str = ""


NOT_ACQUIRED = Acquired()


def acquired_by(referrer: str, page_host: str, query: Mapping[str, str]) -> Acquired:
    """Return source and channel of a page view on `page_host` with these (scrubbed) query parameters."""
    source = source_of(referrer, page_host, query)
    if not query and source is DIRECT:
        return NOT_ACQUIRED
    said = said_source(query)
    click_id = next((name for name in CLICK_IDS if name in query), "")
    medium = query.get("utm_medium", "") or _paid_click(source.name, query)
    campaign = query.get("utm_campaign", "")
    channel = _channel(source.name, said, medium, campaign, click_id)
    return Acquired(source, channel, said, medium, click_id)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What a channel is decided by; all in lower case. `kind` is what the source is known for."""

    source: str
    kind: str
    utm_source: str
    medium: str
    campaign: str
    paid: bool


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    takes: Callable[[Acquisition], bool]


_PAID_MEDIUM = re.compile(r".*cp.*|ppc|retargeting|paid.*|\((?:gclid|gbraid|wbraid|msclkid)\)")
_SHOP_CAMPAIGN = re.compile(r"(?:^|[^a-df-z])shop|shopping")
_EMAIL = re.compile(r"e[-_ ]?mail|newsletter")
_SOCIAL_MEDIA = frozenset({"social", "social-network", "social-media", "sm", "social network", "social media"})
_DISPLAY_MEDIA = frozenset({"display", "banner", "expandable", "interstitial", "cpm"})


def _shopping(visit: Acquisition) -> bool:
    return visit.kind == "shopping" or _SHOP_CAMPAIGN.search(visit.campaign) is not None


# First match wins. The order and the words are those of the field (Plausible, after Google Analytics 4).
CHANNELS = (
    Channel("Cross-network", lambda visit: "cross-network" in visit.campaign),
    Channel("Paid Shopping", lambda visit: visit.paid and _shopping(visit)),
    Channel("Paid Search", lambda visit: visit.paid and visit.kind == "search"),
    Channel("Paid Social", lambda visit: visit.paid and visit.kind == "social"),
    Channel("Paid Video", lambda visit: visit.paid and visit.kind == "video"),
    Channel("Display", lambda visit: visit.medium in _DISPLAY_MEDIA),
    Channel("Paid Other", lambda visit: visit.paid),
    Channel("AI Assistants", lambda visit: visit.kind == "chatbot"),
    Channel("Organic Shopping", _shopping),
    Channel("Organic Social", lambda visit: visit.kind == "social" or visit.medium in _SOCIAL_MEDIA),
    Channel("Organic Video", lambda visit: visit.kind == "video" or "video" in visit.medium),
    Channel("Organic Search", lambda visit: visit.kind == "search" or visit.medium == "organic"),
    Channel(
        "Email", lambda visit: any(map(_EMAIL.search, (visit.kind, visit.source, visit.utm_source, visit.medium)))
    ),
    Channel("Affiliates", lambda visit: visit.medium in {"affiliate", "affiliates"}),
    Channel("Audio", lambda visit: visit.medium == "audio"),
    Channel("SMS", lambda visit: "sms" in {visit.utm_source, visit.medium, visit.source}),
    Channel(
        "Mobile Push Notifications",
        lambda visit: (
            visit.medium.endswith("push")
            or "mobile" in visit.medium
            or "notification" in visit.medium
            or visit.source == "firebase"
        ),
    ),
    Channel("Referral", lambda visit: bool(visit.source) or visit.medium in {"referral", "app", "link"}),
    Channel("Direct", lambda _: True),
)


def channel_of(
    source: str, *, utm_source: str = "", utm_medium: str = "", utm_campaign: str = "", click_id: str = ""
) -> str:
    """Return the channel of a visit from the named source.

    `utm_medium` may be a `Source.medium`; `click_id` is the name of a click identifier, never its value.
    """
    medium = utm_medium.lower()
    if not medium and click_id and _PAID_CLICKS.get(click_id) == BY_NAME.get(source.lower()):
        medium = f"({click_id})"
    said = utm_source.lower()
    paid = _PAID_MEDIUM.fullmatch(medium) is not None or _is_paid_source(said)
    kind = _kind(source.lower())
    visit = Acquisition(source.lower(), kind, said, medium, utm_campaign.lower(), paid)
    return next(channel.name for channel in CHANNELS if channel.takes(visit))


@lru_cache(maxsize=4096)
def _channel(source: str, said: str, medium: str, campaign: str, click_id: str) -> str:
    return channel_of(source, utm_source=said, utm_medium=medium, utm_campaign=campaign, click_id=click_id)


def _is_paid_source(said: str) -> bool:
    """Whether a known name has "ad" at its end: fbad, google-ads; "threads" is a name of its own."""
    base = _AD_ENDING.sub("", said)
    return said == "adwords" or (base != said and said not in BY_NAME and base in BY_NAME)


def _kind(source: str) -> str:
    source = source.removesuffix(" images")
    words = {source, source.removesuffix(".com"), *_registered_name(source), ALIASES.get(source, "").lower()}
    for kind, names in (("shopping", SHOPPING), ("video", VIDEO), ("social", MORE_SOCIAL)):
        if words & names:
            return kind
    return MEDIUM_OF.get(BY_NAME.get(source, ""), "") or _named(source).medium


def _registered_name(source: str) -> tuple[str, ...]:
    labels = source.split(".")
    suffix = 2 if len(labels) > 2 and labels[-2] in SECOND_LEVEL else 1
    return (labels[-suffix - 1],) if len(labels) > suffix else ()
