"""How many hits were not counted, as services see it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from webmon.domain.drop import DropReason


class DropRepository(Protocol):
    def add(self, site_id: int, day: date, reason: DropReason, count: int) -> None: ...

    def counts(self, site_id: int, first: date, last: date) -> Mapping[DropReason, int]:
        """Hits by reason, from the first to the last day, both included."""
