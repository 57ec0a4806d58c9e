"""Why a hit is not stored: a closed list, each reason counted and told to the sender."""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    BOT = "bot"
    NO_CONSENT = "no_consent"
    GPC = "gpc"
    DNT = "dnt"
    SPAM_REFERRER = "spam_referrer"
    ORPHAN_ENGAGEMENT = "orphan_engagement"
