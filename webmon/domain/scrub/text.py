"""Texts: seen as a reader would see them, and what is found in them replaced by its kind in brackets."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from urllib.parse import unquote

from webmon.domain.scrub.detectors import DETECTORS, SUSPECT, Detector

# Longer ones seldom come twice; a cache of them would hold memory for nothing.
CACHED_LENGTH = 256
# Nobody encodes this often but to hide something.
_DECODE_LIMIT = 6
_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffd\U000e0000-\U000e0fff]"
)
# Each round takes something away; what is not done after so many was made to go on.
_ROUNDS = 8
_DIGIT = re.compile(r"\d")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPED = re.compile(r"[\\%](?:u((?![dD][89A-Fa-f])[0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
# What compatibility forms leave apart, though a reader takes it for the same: dashes, dots, slashes, spaces.
_ALIKE = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u02d7\u2796", "-")
    | dict.fromkeys("\u3002\uff61\u2024\u00b7\u2022\u2219\u22c5\u30fb\u06d4\u0701", ".")
    | dict.fromkeys("\u2044\u2215\u29f8", "/")
    | dict.fromkeys("\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000\u00a0", " ")
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What is left of a text, and the kinds of what was removed."""

    value: str
    removed: tuple[str, ...] = ()


class _Found(Exception):
    """Carries a result past a cache: what identifies somebody must not stay in memory, as the key it was found by."""

    def __init__(self, result: Scrubbed) -> None:
        super().__init__()
        self.result = result


def cached_when_clean(size: int) -> Callable[[Callable[[str], Scrubbed]], Callable[[str], Scrubbed]]:
    """Cache a function's results for short texts in which nothing was found, at most `size` of them."""

    def decorate(scrub: Callable[[str], Scrubbed]) -> Callable[[str], Scrubbed]:
        @lru_cache(maxsize=size)
        def clean(text: str) -> Scrubbed:
            result = scrub(text)
            if result.removed:
                raise _Found(result)  # a cache keeps what is returned, not what is raised
            return result

        @wraps(scrub)
        def cached(text: str) -> Scrubbed:
            if len(text) > CACHED_LENGTH:
                return scrub(text)
            try:
                return clean(text)
            except _Found as found:
                return found.result

        cached.cache_info = clean.cache_info  # type: ignore[attr-defined]
        return cached

    return decorate


def decoded(text: str) -> str:
    """Percent-decode once; bytes that are not UTF-8 are read as Latin-1, as old forms sent them."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return unquote(text, encoding="latin-1")


def fully_decoded(text: str) -> str:
    """Percent-decode until nothing changes, or it was encoded more often than anybody means to."""
    for _ in range(_DECODE_LIMIT):
        if "%" not in text or (once := decoded(text)) == text:
            break
        text = once
    return text


def plain(text: str) -> str:
    """Return the text as a reader would see it: decoded, compatibility forms folded, invisible marks gone."""
    text = fully_decoded(text)
    if "&" in text and (once := html.unescape(html.unescape(text))) != text:
        text = fully_decoded(once)
    if "\\" in text or "%u" in text:
        text = _ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_ALIKE)).translate(_ALIKE)
        text = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    return without_invisible(text)


def without_invisible(text: str) -> str:
    return text if text.isascii() and text.isprintable() else _INVISIBLE.sub("", _SPACES.sub(" ", text))


@cached_when_clean(8192)
def scrub_text(value: str) -> Scrubbed:
    """Replace whatever a detector finds by its kind in brackets; a text without finds stays as it was written."""
    if SUSPECT.search(value) is None:
        return Scrubbed(value)
    text, removed = replace_finds(plain(value))
    if removed:
        return Scrubbed(text, removed)
    return Scrubbed(without_invisible(value))


def replace_finds(text: str) -> tuple[str, tuple[str, ...]]:
    """Run every detector over a plain text; return what is left and the kinds that were found.

    What is left is looked at again: with its neighbour gone, a part can be seen for what it is.
    """
    if _ENCODED.search(text):
        return "[encoded]", ("encoded",)
    removed: list[str] = []
    for _ in range(_ROUNDS):
        before = len(removed)
        for detector in _worth_asking(text):
            if detector.pattern.search(text) is not None:
                text = _replace(detector, text, removed)
        if len(removed) == before:
            break
    return text, tuple(removed)


_MARKS = sorted({mark for detector in DETECTORS for mark in detector.marks})
_MARK = re.compile("|".join(map(re.escape, _MARKS)))
_MOST_DIGITS = max(detector.digits for detector in DETECTORS)


def _worth_asking(text: str) -> Sequence[Detector]:
    """Return the detectors that the text has enough digits, and a mark, for: few, for almost every text."""
    digits, lower = min(len(_DIGIT.findall(text)), _MOST_DIGITS), text.lower()
    if _MARK.search(lower) is None:
        return _with_digits(digits, marked=False)
    asked = _with_digits(digits, marked=True)
    return [one for one in asked if not one.marks or any(mark in lower for mark in one.marks)]


@cache
def _with_digits(digits: int, *, marked: bool) -> tuple[Detector, ...]:
    return tuple(one for one in DETECTORS if one.digits <= digits and (marked or not one.marks))


def _replace(detector: Detector, text: str, removed: list[str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        if not detector.finds(match):
            return match[0]
        removed.append(detector.kind)
        return f"[{detector.kind}]"

    return detector.pattern.sub(replacement, text)
