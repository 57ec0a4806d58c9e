"""How long each class of information is kept: rules, durations, cut-offs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import isodate

from webmon.domain.handling import InfoClass
from webmon.domain.language import ENGLISH
from webmon.domain.plural import plural_of

_DURATION = re.compile(r"P(?=\d)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?")
_LONGEST_YEARS = 100
_REFERENCE = datetime(2000, 1, 1, tzinfo=UTC)


class Origin(StrEnum):
    """Who set a rule; the later ones win."""

    DEFAULT = "default"
    ADMIN = "admin"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a class is kept (`keep`, an ISO 8601 duration of whole days or more), and who says so."""

    info_class: InfoClass
    keep: str
    origin: Origin


def check_keep(text: str) -> str:
    """Return the duration in its stored form; raises `ValueError` saying what is wrong with it."""
    keep = text.strip().upper()
    found = _DURATION.fullmatch(keep)
    if found is None:
        raise ValueError("must be an ISO 8601 duration of years, months, weeks or days, such as P25M or P90D")
    if not any(int(part or 0) for part in found.groups()):
        raise ValueError("must be at least one day")
    if _REFERENCE - isodate.parse_duration(keep) < _REFERENCE.replace(year=_REFERENCE.year - _LONGEST_YEARS):
        raise ValueError(f"must be at most {_LONGEST_YEARS} years")
    return keep


def cutoff(keep: str, now: datetime) -> datetime:
    """Return the moment before which rows have expired: the beginning of a UTC day.

    Months and years are the calendar's. Whole days, so that a plan made in the morning still holds in the evening.
    """
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    expired: datetime = day - isodate.parse_duration(keep)
    return expired


def longest(keeps: Mapping[str, str], now: datetime) -> str:
    """Return the name whose duration reaches back farthest."""
    return min(keeps, key=lambda name: cutoff(keeps[name], now))


@dataclass(frozen=True, slots=True)
class DurationWords:
    """How a language says a duration: each unit by plural category, such as ``{n} months``, and the last "and"."""

    language: str
    year: Mapping[str, str]
    month: Mapping[str, str]
    week: Mapping[str, str]
    day: Mapping[str, str]
    joined: str


IN_ENGLISH = DurationWords(
    ENGLISH,
    {"one": "{n} year", "other": "{n} years"},
    {"one": "{n} month", "other": "{n} months"},
    {"one": "{n} week", "other": "{n} weeks"},
    {"one": "{n} day", "other": "{n} days"},
    " and ",
)


def in_words(keep: str, words: DurationWords = IN_ENGLISH) -> str:
    """Say a duration in plain words: ``25 months``, ``1 year and 6 months``."""
    found = _DURATION.fullmatch(keep)
    if found is None:
        return keep
    units = (words.year, words.month, words.week, words.day)
    parts = [
        unit[plural_of(words.language, int(count))].format(n=int(count))
        for count, unit in zip(found.groups(), units, strict=True)
        if count and int(count)
    ]
    return words.joined.join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def length(keep: str) -> timedelta:
    """Return about how long a duration is, for what need not be exact."""
    back: datetime = _REFERENCE - isodate.parse_duration(keep)
    return _REFERENCE - back
