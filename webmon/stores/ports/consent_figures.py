"""How often notices were shown and answered, as services see it: numbers, about nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from webmon.domain.consent_figures import Figures


@dataclass(frozen=True, slots=True, order=True)
class Counter:
    """What one number is of."""

    site_id: int
    day: date
    notice: str
    country: str
    device: str
    action: str


class ConsentFiguresRepository(Protocol):
    def add(self, counter: Counter, count: int) -> None: ...

    def cells(self, site_id: int, first: date, last: date, dimension: str) -> Mapping[tuple[date, str], Figures]:
        """The figures of each day and value of a dimension; of an empty one, those of each day under no value."""

    def first_day(self, site_id: int) -> date | None:
        """The first day on which anything was counted."""

    def count(self, site_id: int) -> int:
        """How many numbers are kept."""

    def count_before(self, site_id: int, day: date) -> int: ...

    def delete_before(self, site_id: int, day: date) -> int:
        """Delete the numbers of days before that one; return how many."""
