"""Why a hit is not stored: a closed list, each reason counted, told to the sender, and explained to the staff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class DropReason(StrEnum):
    BOT = "bot"
    NO_CONSENT = "no_consent"
    GPC = "gpc"
    DNT = "dnt"
    SPAM_REFERRER = "spam_referrer"
    DATACENTER = "datacenter"
    ORPHAN_ENGAGEMENT = "orphan_engagement"


@dataclass(frozen=True, slots=True)
class Explained:
    label: str
    sentence: str


EXPLAINED: Mapping[DropReason, Explained] = {
    DropReason.BOT: Explained("Bots", "Programs, by what they call themselves, and requests that name no browser."),
    DropReason.NO_CONSENT: Explained(
        "No consent", "The site measures only who has agreed, and this visitor has not, or no longer."
    ),
    DropReason.GPC: Explained("Privacy signal", "The browser sends Global Privacy Control, which is an objection."),
    DropReason.DNT: Explained(
        "Do Not Track", "The browser sends Do Not Track, and the site takes it for an objection."
    ),
    DropReason.SPAM_REFERRER: Explained("Referrer spam", "The referrer is on the list of known spam."),
    DropReason.DATACENTER: Explained("Data centres", "The address is in a network that you have listed."),
    DropReason.ORPHAN_ENGAGEMENT: Explained(
        "Late reports", "Time on a page whose visit was over: a page left open, mostly. The page view itself counts."
    ),
}
