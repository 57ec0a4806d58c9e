"""Hits that were not counted are counted themselves: by site, day and reason, about nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from webmon.domain.drop import DropReason
from webmon.services.adding_up import AddingUp
from webmon.stores.ports import Unit
from webmon.stores.ports.drops import DropRepository

_Key = tuple[int, date, DropReason]


class DropCounts(AddingUp[_Key]):
    """Counts in memory; the server flushes it every few seconds."""

    def __init__(self, unit: Unit[DropRepository]) -> None:
        super().__init__()
        self._unit = unit

    def count(self, site_id: int, reason: DropReason, day: date) -> None:
        """Count one hit on a day of the site's own."""
        self._add((site_id, day, reason))

    def _write(self, counted: Mapping[_Key, int]) -> None:
        with self._unit() as drops:
            for (site_id, day, reason), count in sorted(counted.items()):
                drops.add(site_id, day, reason, count)

    def any(self, site_id: int) -> bool:
        """Whether any hit of the site was ever not counted, as far as it was flushed."""
        return bool(self.read(site_id, date.min, date.max))

    def read(self, site_id: int, first: date, last: date) -> Mapping[DropReason, int]:
        """Return what was flushed, from the first to the last day, the most frequent reason first."""
        with self._unit.reading() as drops:
            found = drops.counts(site_id, first, last)
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
