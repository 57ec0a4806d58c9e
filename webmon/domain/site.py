"""A website that embeds the snippet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

from webmon.domain.scrub.rules import NO_RULES, GuardRules


class Mode(StrEnum):
    """What may be measured before, and without, consent."""

    CONSENTED_ONLY = "consented_only"
    COOKIELESS_UNTIL_CONSENT = "cookieless_until_consent"
    COOKIELESS_ALWAYS = "cookieless_always"


# A host name, with a port where the site is told apart by it.
_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:\d{1,5})?"
)


@dataclass(frozen=True, slots=True)
class Site:
    id: int
    domain: str
    timezone: str
    mode: Mode
    minimum_group_count: int
    created_at: datetime
    rules: GuardRules = NO_RULES
    honour_dnt: bool = False

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def clean_domain(text: str) -> str:
    """Return the domain in its stored form; raise `ValueError` for what is no host name."""
    domain = text.strip().lower().removesuffix(".")
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("must be a host name such as example.org")
    return domain


def clean_timezone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("must be a time zone such as Europe/Berlin")
    return text
