"""Small groups are hidden: a breakdown shows no group in which a person could be recognized (invariant 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an answer: values of the dimensions, then of the metrics, and the visitors behind it."""

    dimensions: tuple[Any, ...]
    metrics: tuple[Any, ...]
    visitors: int


@dataclass(frozen=True, slots=True)
class Shown:
    rows: tuple[Row, ...]
    hidden_count: int


def hide_small(rows: Sequence[Row], minimum: int) -> Shown:
    """Leave out the rows of fewer than `minimum` visitors, and count them."""
    kept = tuple(row for row in rows if row.visitors >= minimum or row.visitors == 0)
    return Shown(kept, len(rows) - len(kept))
