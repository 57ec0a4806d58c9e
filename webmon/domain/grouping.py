"""Small groups are hidden: no answer shows a group in which a person could be recognized (invariant 9).

A threshold alone is undone by a subtraction: everybody, less everybody who is not from X. So where a site has a
smallest group, a group below it is answered as if it were nobody, and what is shown of the others is rounded so far
that whoever makes up the difference between two answers cannot be told. See docs/decisions/small-groups.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from webmon.domain.metrics import METRICS

# What an average is summed up in before it is rounded: per cent of visits as visits, seconds as minutes.
_SUMMED_IN = {"percent": 100, "seconds": 60, "ratio": 1}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an answer: values of the dimensions, then of the metrics, and the visitors behind it."""

    dimensions: tuple[Any, ...]
    metrics: tuple[Any, ...]
    visitors: int


def coarse(figures: Mapping[str, Any], minimum: int) -> dict[str, Any] | None:
    """Return what may be shown of a group by metric, or None for one of fewer than `minimum` visitors.

    `figures` hold ``visitors``, and ``visits`` where there is an average among them. Counts become multiples of
    `minimum`: of what `minimum` visitors make on average, where that is more. An average is made of two such counts.
    """
    visitors = int(figures["visitors"] or 0)
    if visitors < minimum:
        return None
    shown: dict[str, Any] = {}
    for name, value in figures.items():
        size = _SUMMED_IN.get(METRICS[name].unit)
        if value is None:
            shown[name] = None
        elif size is None:
            shown[name] = nearest(value, _step(value, visitors, minimum))
        else:
            shown[name] = _average(value, int(figures["visits"]), size, visitors, minimum)
    return shown


def nearest(value: float, step: int) -> int:
    """Return the multiple of `step` that is nearest, the greater of two."""
    return int((2 * value + step) // (2 * step)) * step


def _step(count: float, visitors: int, minimum: int) -> int:
    return minimum * max(1, ceil(count / visitors))


def _average(value: float, visits: int, size: int, visitors: int, minimum: int) -> float | None:
    whole, total = nearest(visits, _step(visits, visitors, minimum)), value * visits / size
    step = max(_step(visits, visitors, minimum), _step(total, visitors, minimum))
    return nearest(total, step) * size / whole if whole else None
