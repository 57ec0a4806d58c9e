"""All the spools of a data folder: the server's own, and those that imports have left for it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from webmon.stores.ports.events import EventSink
from webmon.stores.spool import Spool

LIVE = "live"


class SpoolFolder:
    """Opens what is there; closes and removes what an import has finished and the event log has taken."""

    def __init__(self, folder: Path, limit: int, events: EventSink) -> None:
        self._folder = folder
        self._limit = limit
        self._events = events
        self._lock = threading.Lock()
        self.live = Spool(folder / f"{LIVE}.db", limit)
        self._others: dict[Path, Spool] = {}

    def all(self) -> Sequence[Spool]:
        """Every spool that may hold entries, the live one first."""
        with self._lock:
            for path in sorted(self._folder.glob("*.db")):
                if path != self.live.path and path not in self._others:
                    self._others[path] = Spool(path, self._limit)
            for spool in [spool for spool in self._others.values() if _done(spool)]:
                self._retire(spool)
            return [self.live, *self._others.values()]

    def waiting(self, visit_ids: Collection[int], promotion_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Return of which of these visits a row waits in the clear, and of which of these promotions a sealed one."""
        found = [spool.waiting(visit_ids, promotion_ids) for spool in self.all()]
        return set().union(*(one[0] for one in found)), set().union(*(one[1] for one in found))

    def holds_consented(self, site_id: int, visitor_ids: Collection[int]) -> bool:
        """Whether a row of these visitors waits in the clear that was collected under consent."""
        return any(spool.holds_consented(site_id, visitor_ids) for spool in self.all())

    def holds_account(self, account_id: int) -> bool:
        """Whether a row that is sealed for the account still waits in a spool."""
        return any(spool.holds_account(account_id) for spool in self.all())

    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Forget the visitors' rows that were collected under consent, in every spool; return how many there were."""
        return sum(spool.delete_consented(site_id, visitor_ids) for spool in self.all())

    def truncate(self) -> None:
        """Empty every spool's write-ahead log of rows that have moved on."""
        for spool in self.all():
            spool.truncate()

    def close(self) -> None:
        with self._lock:
            for spool in (self.live, *self._others.values()):
                spool.close()

    def _retire(self, spool: Spool) -> None:
        del self._others[spool.path]
        spool.remove()
        self._events.forget_spool(spool.id)


def _done(spool: Spool) -> bool:
    # First the word, then the count: what is appended before the word is in the count.
    return spool.meta("finished") == "1" and spool.count() == 0
