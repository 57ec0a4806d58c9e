"""The words of the visitor's pages that are not a notice's: a file of them for each language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from webmon.domain.access import EVERY_FIELD
from webmon.domain.handling import InfoClass
from webmon.domain.language import ENGLISH, LANGUAGES, Language
from webmon.domain.retention import DurationWords

# The field's names of channels (webmon.domain.sources) are marketing's; a visitor is told what they stand for.
CHANNEL_WORDS: Mapping[str, tuple[str, ...]] = {
    "Cross-network": ("advertisement",),
    "Paid Shopping": ("shop", "advertisement"),
    "Paid Search": ("search", "advertisement"),
    "Paid Social": ("social", "advertisement"),
    "Paid Video": ("video", "advertisement"),
    "Display": ("advertisement",),
    "Paid Other": ("advertisement",),
    "AI Assistants": ("assistant",),
    "Organic Shopping": ("shop",),
    "Organic Social": ("social",),
    "Organic Video": ("video",),
    "Organic Search": ("search",),
    "Email": ("email",),
    "Affiliates": ("partner",),
    "Audio": ("audio",),
    "SMS": ("sms",),
    "Mobile Push Notifications": ("push",),
    "Referral": ("website",),
    "Direct": ("direct",),
}
# What somebody read of an account (webmon.domain.access), in the words that stand above its rows.
FIELD_WORDS: Mapping[str, tuple[str, ...]] = {
    "identity": ("identifier", "email", "name"),
    "time": ("when",),
    "page": ("what", "page"),
    "reading": ("engagement",),
    "properties": ("properties",),
    "origin": ("from",),
    "place": ("where",),
    "provider": ("provider",),
    "device": ("with",),
    EVERY_FIELD: ("every_field",),
}
_MISSING = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
FOLDER = Path(__file__).resolve().parents[2] / "data" / "portal"


@dataclass(frozen=True, slots=True)
class Words:
    language: Language
    durations: DurationWords
    texts: Mapping[str, str]
    classes: Mapping[InfoClass, str]
    errors: Mapping[str, str]
    devices: Mapping[str, str]
    channels: Mapping[str, str]
    receipt_fields: Mapping[str, str]

    def device(self, name: str) -> str:
        """What a kind of device, or the class of a screen, is called."""
        return self.devices.get(name, name)

    def channel(self, name: str) -> str:
        """By which way somebody came, in words that a visitor knows."""
        return ", ".join(self.channels[key] for key in CHANNEL_WORDS.get(name, ())) or name

    def fields(self, keys: str) -> str:
        """Which fields were read, as the audit trail lists them, in the words of the page."""
        names = (FIELD_WORDS.get(key) for key in keys.split(", "))
        return ", ".join(self.texts[name] for found in names for name in found or ()) or keys

    def error(self, status: int) -> str:
        """What an error page says."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.errors["failed"]
        return self.errors["missing" if status in _MISSING else "invalid"]


def read_words(language: Language) -> Words:
    loaded = json.loads((FOLDER / f"{language.tag}.json").read_text("utf-8"))
    return Words(
        language,
        DurationWords(language.tag, **loaded["durations"]),
        loaded["texts"],
        {kind: loaded["classes"][kind.value] for kind in InfoClass},
        *(loaded[part] for part in ("errors", "devices", "channels", "receipt_fields")),
    )


WORDS = {tag: read_words(language) for tag, language in LANGUAGES.items()}
EN = WORDS[ENGLISH]
