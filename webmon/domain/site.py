"""A website that embeds the snippet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.scrub.rules import NO_RULES, GuardRules

# CNIL: a choice, a refusal like an acceptance, is kept for six months before it is asked for again.
CHOICE_DAYS = 182
# Nor does anything that a visitor agreed to hold longer than 13 months.
CHOICE_DAYS_LIMIT = 395


class Mode(StrEnum):
    """What may be measured before, and without, consent."""

    CONSENTED_ONLY = "consented_only"
    COOKIELESS_UNTIL_CONSENT = "cookieless_until_consent"
    COOKIELESS_ALWAYS = "cookieless_always"


# A host name, with a port where the site is told apart by it.
_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:\d{1,5})?"
)
_HAS_SUBDOMAINS = re.compile(r"\.[a-z0-9-]*[a-z][a-z0-9-]*$")


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
    jurisdiction: Jurisdiction = Jurisdiction.EVERYWHERE_OPT_IN
    choice_days: int = CHOICE_DAYS
    share_subdomains: bool = False
    # For how many days back a visitor's consented rows go to the account at sign-in; 0 for the visit alone.
    promote_days: int = 0
    # Domains of other sites here, whose visitors' choices hold on this one: of those that name this one in turn.
    family: tuple[str, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def choice_lifetime(self) -> timedelta:
        """For how long an answer holds."""
        return timedelta(days=self.choice_days)

    @property
    def cookie_domain(self) -> str:
        """The domain of what is kept in the browser, with all below it; empty where each host keeps its own.

        A name without a dot, and an address, have nothing below them.
        """
        host = self.domain.partition(":")[0].removeprefix("www.")
        return host if self.share_subdomains and _HAS_SUBDOMAINS.search(host) else ""


def clean_domain(text: str) -> str:
    """Return the domain in its stored form; raise `ValueError` for what is no host name."""
    domain = text.strip().lower().removesuffix(".")
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("must be a host name such as example.org")
    return domain


def own_address(domain: str, text: str) -> str:
    """Return the address of a page of the website: a path of it, or a whole one on its host or `www.` before that.

    Raises `ValueError` for any other, so that nobody is led elsewhere by a form.
    """
    fault = ValueError(f"must be a path such as /thanks, or an address on {domain}")
    # Browsers drop line breaks and tabs from addresses, and read a backslash as a slash.
    if any(character <= " " or character in "\\\x7f" for character in text):
        raise fault
    if text.startswith("/") and not text.startswith("//"):
        return f"https://{domain}{text}"
    try:
        parts = urlsplit(text)
    except ValueError:
        raise fault from None
    if parts.scheme not in {"http", "https"} or parts.netloc.lower() not in {domain, f"www.{domain}"}:
        raise fault
    return text


def clean_timezone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("must be a time zone such as Europe/Berlin")
    return text
