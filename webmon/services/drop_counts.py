"""Hits that were not counted are counted themselves: by site, day and reason, about nobody."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import date

from webmon.domain.drop import DropReason
from webmon.stores.ports import Unit
from webmon.stores.ports.drops import DropRepository


class DropCounts:
    """Adds up in memory; `flush` makes it durable in one transaction, however many hits there were.

    `wake` is set as long as there is something to flush. `revision` is another number after each flush that wrote.
    A crash forgets what came since the last flush, which is for the server to do every few seconds.
    """

    def __init__(self, unit: Unit[DropRepository]) -> None:
        self._unit = unit
        self._lock = threading.Lock()
        self._waiting: Counter[tuple[int, date, DropReason]] = Counter()
        self.wake = threading.Event()
        self.revision = 0

    def count(self, site_id: int, reason: DropReason, day: date) -> None:
        """Count one hit on a day of the site's own."""
        with self._lock:
            self._waiting[site_id, day, reason] += 1
        if not self.wake.is_set():
            self.wake.set()

    def flush(self) -> int:
        """Write what has added up, and return how many hits that were; what cannot be written is not lost."""
        with self._lock:
            taken, self._waiting = self._waiting, Counter()
        if not taken:
            return 0
        try:
            with self._unit() as drops:
                for (site_id, day, reason), count in sorted(taken.items()):
                    drops.add(site_id, day, reason, count)
        except BaseException:
            with self._lock:
                self._waiting.update(taken)
            raise
        self.revision += 1
        return taken.total()

    def any(self, site_id: int) -> bool:
        """Whether any hit of the site was ever not counted, as far as it was flushed."""
        return bool(self.read(site_id, date.min, date.max))

    def read(self, site_id: int, first: date, last: date) -> Mapping[DropReason, int]:
        """Return what was flushed, from the first to the last day, the most frequent reason first."""
        with self._unit() as drops:
            found = drops.counts(site_id, first, last)
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
