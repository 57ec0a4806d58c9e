"""Texts: seen as a reader would see them, and what is found in them replaced by its kind in brackets."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from webmon.domain.scrub.detectors import DETECTORS, SUSPECT, Detector

# Longer ones seldom come twice; a cache of them would hold memory for nothing.
CACHED_LENGTH = 256
# Nobody encodes this often but to hide something.
_DECODE_LIMIT = 6
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\x00-\x1f\x7f]")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What is left of a text, and the kinds of what was removed."""

    value: str
    removed: tuple[str, ...] = ()


def decoded(text: str) -> str:
    """Percent-decode once; bytes that are not UTF-8 are read as Latin-1, as old forms sent them."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return unquote(text, encoding="latin-1")


def plain(text: str) -> str:
    """Return the text as a reader would see it: decoded, compatibility forms folded, invisible marks gone."""
    for _ in range(_DECODE_LIMIT):
        if "%" not in text or (once := decoded(text)) == text:
            break
        text = once
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    return without_invisible(text)


def without_invisible(text: str) -> str:
    return _INVISIBLE.sub("", text)


def scrub_text(value: str) -> Scrubbed:
    """Replace whatever a detector finds by its kind in brackets; a text without finds stays as it was written."""
    return _cached(value) if len(value) <= CACHED_LENGTH else _scrubbed(value)


def _scrubbed(value: str) -> Scrubbed:
    if SUSPECT.search(value) is None:
        return Scrubbed(value)
    text, removed = replace_finds(plain(value))
    if removed:
        return Scrubbed(text, removed)
    return Scrubbed(without_invisible(value))


_cached = lru_cache(maxsize=8192)(_scrubbed)


def replace_finds(text: str) -> tuple[str, tuple[str, ...]]:
    """Run every detector over a plain text; return what is left and the kinds that were found."""
    if _ENCODED.search(text):
        return "[encoded]", ("encoded",)
    removed: list[str] = []
    for detector in DETECTORS:
        text = _replace(detector, text, removed)
    return text, tuple(removed)


def _replace(detector: Detector, text: str, removed: list[str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        if not detector.check(match[0]):
            return match[0]
        removed.append(detector.kind)
        return f"[{detector.kind}]"

    return detector.pattern.sub(replacement, text)
