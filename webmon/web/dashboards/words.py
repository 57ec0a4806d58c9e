"""Figures and labels as people read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

_DATA = Path(__file__).resolve().parents[2] / "data"
_COUNTRIES = _DATA / "countries.json"
_REGIONS = _DATA / "regions.json"

Figure = int | float | None
NOTHING = DASH = "\N{EN DASH}"


def whole(value: Figure) -> str:
    """``1234567`` as ``1,234,567``."""
    return NOTHING if value is None else f"{round(value):,}"


def short(value: Figure) -> str:
    """A count in at most five characters: ``9,999``, ``12.3k``, ``4.5M``."""
    if value is None:
        return NOTHING
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        # From half a step below, so that 999,950 is 1M and not 1000k.
        if value >= unit * 9.9995 or (unit > 1e3 and value >= unit * 0.99995):
            return f"{value / unit:.1f}".removesuffix(".0") + name
    return f"{round(value):,}"


def ratio(value: Figure) -> str:
    return NOTHING if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def percent(value: Figure) -> str:
    """``12.34`` as ``12.3%``; whole from ten on."""
    if value is None:
        return NOTHING
    return f"{value:.0f}%" if value >= 9.95 or value == 0 else f"{value:.1f}%"


def duration(seconds: Figure) -> str:
    """``83`` as ``1m 23s``."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


@cache
def _countries() -> Mapping[str, str]:
    names: dict[str, str] = json.loads(_COUNTRIES.read_text("utf-8"))
    return names


def country(code: str) -> str:
    """The English name of an ISO 3166-1 code, or the code where it has none."""
    return _countries().get(code, code)


@cache
def _regions() -> Mapping[str, str]:
    names: dict[str, str] = json.loads(_REGIONS.read_text("utf-8"))
    return names


def region(code: str) -> str:
    """The name of an ISO 3166-2 code, or the code where it has none."""
    return _regions().get(code, code)


# Languages that a browser asks for often; of the others the tag is shown (ISO 639).
_LANGUAGES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mt": "Maltese",
    "nb": "Norwegian",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sr": "Serbian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def language(tag: str) -> str:
    return _LANGUAGES.get(tag, tag)


# How the values of a dimension are written out; the others are shown as they are.
_NAMES: Mapping[str, Callable[[str], str]] = {
    "visit:country": country,
    "visit:region": region,
    "visit:language": language,
}


def name_of(dimension: str, value: str) -> str:
    write = _NAMES.get(dimension)
    return write(value) if write else value


def mark_of(dimension: str, value: str) -> str:
    """What stands before the name: a country's code, which every device can show (flags it often cannot)."""
    if dimension == "visit:region" and value in _regions():
        return value[:2]
    return value if dimension == "visit:country" and value in _countries() else ""
