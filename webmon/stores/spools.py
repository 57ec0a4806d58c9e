"""All the spools of a data folder: the server's own, and those that imports have left for it.

The server's own is a file that takes what arrives, and one that is on its way to the event log: what is appended and
what is moved never meet. When all of a file has moved on, it goes as a whole (docs/decisions/spool-files.md).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from webmon.errors import SpoolFull, Unavailable
from webmon.stores.holding import hold
from webmon.stores.ports.events import EventSink
from webmon.stores.ports.spool import SpoolEntry
from webmon.stores.spool import Spool, SpoolEnded, lock_of

# The first has no number.
_LIVE = re.compile(r"live(?:-(\d+))?\.db")


class SpoolFolder:
    """Opens what is there; ends and begins the server's own files; removes what the event log has taken."""

    def __init__(self, folder: Path, limit: int, events: EventSink) -> None:
        self._folder = folder
        self._limit = limit
        self._events = events
        self._lock = threading.Lock()
        found = sorted(filter(_number, folder.glob("live*.db")), key=_number)
        opened: list[Spool] = []
        for path in found:
            opened.append(Spool(path, limit, spool_id=opened[-1].id if opened else ""))
        *self._ended, self._live = opened or [Spool(folder / "live-1.db", limit)]
        for spool in self._ended:
            spool.end(self._live)
        self._others: dict[Path, Spool] = {}
        self._closed = False

    @property
    def node(self) -> str:
        """The name of whoever serves this folder: the same for good."""
        return self._live.id

    @property
    def depth(self) -> int:
        """How many hits wait in the server's own files."""
        return self._live.depth + sum(spool.depth for spool in self._ended)

    def append(self, entries: Sequence[SpoolEntry]) -> None:
        """Return once the entries are durable; see `Spool.append`."""
        while True:
            self._make_room(entries)
            try:
                return self._live.append(entries)
            except SpoolEnded:
                with self._lock:  # held until another has taken its place
                    continue

    def turn(self) -> Sequence[Spool]:
        """Return the spools whose entries are to be moved; what is appended from now on goes into another file."""
        with self._lock:
            self._look()
            if self._live.depth and not self._ended:
                begun = self._successor()  # where that fails, nothing has changed
                self._ended.append(self._live)
                self._live = begun
            # One after the other: the event log knows by the highest number how far it has taken from them.
            return [*self._ended[:1], *self._others.values()]

    def all(self) -> Sequence[Spool]:
        """Every spool that may hold entries, the live one first."""
        with self._lock:
            self._look()
            return [self._live, *self._ended, *self._others.values()]

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

    def wipe(self) -> None:
        """Leave nothing of deleted rows in the server's own files: nobody could have had rows of an import erased.

        Raises `Unavailable` where that cannot be done just now.
        """
        with self._lock:
            own = [self._live, *self._ended]
        for spool in own:
            spool.wipe()

    def close(self) -> None:
        """Close every file, whatever becomes of one of them: none is looked into or removed any more."""
        with self._lock, ExitStack() as closing:
            self._closed = True
            for spool in (self._live, *self._ended, *self._others.values()):
                closing.callback(spool.close)

    def _make_room(self, entries: Sequence[SpoolEntry]) -> None:
        if self.depth + len(entries) > self._limit:
            raise SpoolFull("The spool is full")

    def _successor(self) -> Spool:
        path = self._folder / f"live-{_number(self._live.path) + 1}.db"
        begun = Spool(path, self._limit, spool_id=self._live.id, expected=self._live.depth)
        try:
            self._live.end(begun)
        except BaseException:
            begun.close()
            raise
        return begun

    def _look(self) -> None:
        if self._closed:
            raise Unavailable("The spool is closed: the server is about to end")
        for spool in self._ended:
            if spool.spent:
                spool.remove()
        self._ended = [spool for spool in self._ended if not spool.removed]
        for spool in [spool for spool in self._others.values() if not spool.is_there]:
            self._others.pop(spool.path).close()  # removed by somebody else: another may have its name by now
        for path in sorted(self._folder.glob("*.db")):
            if not _number(path) and path not in self._others:
                self._others[path] = Spool(path, self._limit, deduplicate=True, fills=False)
        for spool in [spool for spool in self._others.values() if _done(spool)]:
            self._remove(spool)

    def _remove(self, spool: Spool) -> None:
        """Remove an import's file, unless somebody fills it again: whoever begins to meanwhile makes another."""
        with hold(lock_of(spool.path)) as held:
            if not held or not _done(spool):
                return
            spool.remove()
            del self._others[spool.path]
            lock_of(spool.path).unlink(missing_ok=True)
        self._events.forget_spool(spool.id)


def _number(path: Path) -> int:
    """Which of the server's own files it is, counted from 1; 0 for another's."""
    found = _LIVE.fullmatch(path.name)
    return int(found[1] or 1) if found else 0


def _done(spool: Spool) -> bool:
    # First the word, then the count: what is appended before the word is in the count.
    return spool.meta("finished") == "1" and spool.count() == 0
