"""How notices are answered, in numbers: counters by day, notice, language, country and device, about nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from webmon.domain.consent import Action

# Counted beside the actions: that somebody was shown the notice, and that somebody who was asked by it has answered.
SHOWN = "shown"
ANSWERED = "answered"
COUNTED = frozenset({SHOWN, ANSWERED, *Action})
# What figures can be told apart by; "language" is the notice's.
DIMENSIONS = {"notice": "Notice", "language": "Language", "country": "Country", "device": "Device"}
OTHER = "(other)"


@dataclass(frozen=True, slots=True)
class Segment:
    """Where somebody is and with what, as far as it is counted; empty where unknown. Never more than these two."""

    country: str = ""
    device: str = ""


NOWHERE_KNOWN = Segment()


@dataclass(frozen=True, slots=True)
class Figures:
    """`answered`: answers to a question that stood open; a change of mind is none. `ignored`: shown, not answered."""

    shown: int = 0
    answered: int = 0
    accepted: int = 0
    refused: int = 0
    custom: int = 0
    withdrawn: int = 0
    gpc: int = 0

    @property
    def ignored(self) -> int:
        return max(0, self.shown - self.answered)

    @property
    def size(self) -> int:
        """About how many people stand behind the figures."""
        return max(self.shown, self.gpc, self.accepted + self.refused + self.custom + self.withdrawn)

    def counting(self, action: str, count: int) -> Figures:
        name = _NAMES[action]
        return replace(self, **{name: getattr(self, name) + count})

    def __add__(self, more: Figures) -> Figures:
        return Figures(*(getattr(self, name) + getattr(more, name) for name in dict.fromkeys(_NAMES.values())))

    def document(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in METRICS}


_NAMES = {
    SHOWN: "shown",
    ANSWERED: "answered",
    Action.ACCEPT_ALL: "accepted",
    Action.REJECT_ALL: "refused",
    Action.OPT_OUT: "refused",
    Action.CUSTOM: "custom",
    Action.WITHDRAW: "withdrawn",
    Action.GPC: "gpc",
}
METRICS = ("shown", "accepted", "refused", "custom", "ignored", "withdrawn", "gpc")
_Key = TypeVar("_Key")
Cells = Mapping[tuple[date, str], Figures]


def by_day(cells: Cells) -> dict[date, Figures]:
    """Return the figures of each day on which something was counted, oldest first."""
    return _sums((day, figures) for (day, _), figures in sorted(cells.items()))


def total(cells: Cells) -> Figures:
    return sum(cells.values(), Figures())


def by_value(cells: Cells, minimum: int) -> dict[str, Figures]:
    """Return the figures of each value of a dimension, the largest first and `OTHER` at the end.

    A group of fewer than `minimum` on a day is part of `OTHER` on that day. So whatever ranges of days are asked for,
    the difference between two answers is never a smaller group either (invariant 9).
    """
    folded = ((value if figures.size >= minimum else OTHER, figures) for (_, value), figures in cells.items())
    found = _sums(folded)
    return dict(sorted(found.items(), key=lambda one: (one[0] == OTHER, -one[1].size, one[0])))


def _sums(parts: Iterable[tuple[_Key, Figures]]) -> dict[_Key, Figures]:
    found: dict[_Key, Figures] = {}
    for key, figures in parts:
        found[key] = found.get(key, Figures()) + figures
    return found
