"""Remainders that too few people share are made to say less (`domain.remainder`), in every file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from webmon.domain.remainder import Cell, generalize
from webmon.domain.site import Site

# Further back than a server is down, and than rows of earlier visits go to an account on most sites.
_LOOK_BACK = timedelta(days=400)


class EventLog(Protocol):
    def remainders(self, site_id: int, since: datetime) -> list[tuple[Cell, int]]: ...

    def recast(self, site_id: int, changes: Mapping[Cell, Cell | None]) -> int: ...

    def compact(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Generalizer:
    """`log_lock`: held by whoever moves rows."""

    sites: Callable[[], Sequence[Site]]
    events: EventLog
    log_lock: threading.Lock

    def run(self, now: datetime) -> int:
        """Look at every site whose breakdowns hide small groups; return how many rows were made to say less."""
        return sum(self._run(site, now) for site in self.sites() if site.minimum_group_count > 1)

    def _run(self, site: Site, now: datetime) -> int:
        since = (now - _LOOK_BACK).astimezone(UTC).replace(tzinfo=None)
        with self.log_lock:
            found = self.events.remainders(site.id, since)
            changes = generalize(found, site.minimum_group_count, site.zone, now)
            if not changes:
                return 0
            count = self.events.recast(site.id, changes)
            self.events.compact()
        return count
