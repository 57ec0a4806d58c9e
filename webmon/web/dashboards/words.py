"""Figures and labels as people read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

_COUNTRIES = Path(__file__).resolve().parents[2] / "data" / "countries.json"

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


# How the values of a dimension are written out; the others are shown as they are.
_NAMES: Mapping[str, Callable[[str], str]] = {"visit:country": country}


def name_of(dimension: str, value: str) -> str:
    write = _NAMES.get(dimension)
    return write(value) if write else value


def mark_of(dimension: str, value: str) -> str:
    """What stands before the name: a country's code, which every device can show (flags it often cannot)."""
    return value if dimension == "visit:country" and value in _countries() else ""
