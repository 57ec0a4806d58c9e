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
from webmon.stores.damaged_hits import DamagedHitsFile
from webmon.stores.imports import ImportFiles
from webmon.stores.ports.events import EventSink
from webmon.stores.ports.spool import DrainedSpool, SpooledEntry, SpoolEntry
from webmon.stores.spool import Spool, SpoolEnded
from webmon.stores.spool_file import SpoolDamaged

# Hits that nothing can read, in a file like the others; its name is none of theirs.
SET_ASIDE = "damaged.hits"
# The first has no number.
_LIVE = re.compile(r"live(?:-(\d+))?\.db")
_WHAT_TO_DO = (
    "It may hold hits that were acknowledged and are in no log yet, so nothing is started over it. Move it and the "
    "file of its name with -wal behind it out of the folder, keep them, and start again: webmon goes on without them"
)


class SpoolFolder:
    """Opens what is there; ends and begins the server's own files; removes what the event log has taken."""

    def __init__(self, folder: Path, limit: int, events: EventSink) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        *ended, live = _opened(folder, limit)
        for spool in ended:
            spool.end(live)
        # The live one, then those that have ended. Replaced as a whole: who counts what waits sees none twice.
        self._own = (live, *ended)
        self._imports = ImportFiles(folder, limit, events)
        self.damaged_hits = DamagedHitsFile(folder / SET_ASIDE, limit)
        self._closed = False

    @property
    def _live(self) -> Spool:
        return self._own[0]

    @property
    def _ended(self) -> Sequence[Spool]:
        """Oldest first."""
        return self._own[1:]

    @property
    def node(self) -> str:
        """The name of whoever serves this folder: the same for good."""
        return self._live.id

    @property
    def depth(self) -> int:
        """How many hits wait in the server's own files."""
        return sum(spool.depth for spool in self._own)

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
                self._own = (self._successor(), self._live)  # where that fails, nothing has changed
            # One after the other: the event log knows by the highest number how far it has taken from them.
            return [*self._ended[:1], *self._imports.open]

    def all(self) -> Sequence[Spool]:
        """Every spool that may hold entries, the live one first."""
        with self._lock:
            self._look()
            return [*self._own, *self._imports.open]

    # Asked of the server's own files alone: what imports bring is of no account, and no consent to it is known.

    def waiting(self, visit_ids: Collection[int], promotion_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Return of which of these visits a row waits in the clear, and of which of these promotions a sealed one."""
        found = [spool.waiting(visit_ids, promotion_ids) for spool in self._looked()]
        return set().union(*(one[0] for one in found)), set().union(*(one[1] for one in found))

    def holds_consented(self, site_id: int, visitor_ids: Collection[int]) -> bool:
        """Whether a row of these visitors waits in the clear that was collected under consent."""
        return any(spool.holds_consented(site_id, visitor_ids) for spool in self._looked())

    def holds_account(self, account_id: int) -> bool:
        """Whether a row that is sealed for the account still waits in a spool."""
        return any(spool.holds_account(account_id) for spool in self._looked())

    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Forget the visitors' rows that were collected under consent; return how many there were."""
        count = sum(spool.delete_consented(site_id, visitor_ids) for spool in self._looked())
        return count + self.damaged_hits.delete_consented(site_id, visitor_ids)

    def set_aside(self, spool: DrainedSpool, entries: Sequence[SpooledEntry]) -> None:
        """Move entries that nothing can read to where they hold up nobody: durable there before they go here."""
        self.damaged_hits.add([one.entry for one in entries])
        spool.forget([one.id for one in entries])

    def forget_damaged(self, site_id: int, visit_ids: Collection[int], visitor_ids: Collection[int]) -> int:
        """Delete what was set aside of these visits, and of these visitors under consent; return how many hits."""
        gone = self.damaged_hits.delete_visits(visit_ids)
        return gone + (self.damaged_hits.delete_consented(site_id, visitor_ids) if visitor_ids else 0)

    def wipe(self) -> None:
        """Leave nothing of deleted rows in the server's own files: nobody could have had rows of an import erased.

        Raises `Unavailable` where that cannot be done just now.
        """
        for spool in self._own:
            spool.wipe()

    def close(self) -> None:
        """Close every file, whatever becomes of one of them: none is looked into or removed any more."""
        with self._lock, ExitStack() as steps:
            self._closed = True
            steps.callback(self._imports.close)
            for spool in self._own:
                steps.callback(spool.close)

    def _looked(self) -> Sequence[Spool]:
        with self._lock:
            self._look()
            return self._own

    def _make_room(self, entries: Sequence[SpoolEntry]) -> None:
        if self.depth + len(entries) > self._limit:
            raise SpoolFull("The spool is full")

    def _successor(self) -> Spool:
        path = self._folder / f"live-{_number(self._live.path) + 1}.db"
        begun = Spool(path, self._limit, spool_id=self._live.id, expected=self._live.depth)
        try:
            self._live.end(begun)
        except BaseException:  # an interrupt too: nothing may hold the file open that takes nobody's place
            begun.close()
            raise
        return begun

    def _look(self) -> None:
        if self._closed:
            raise Unavailable("The spool is closed: the server is about to end")
        for spool in self._ended:
            if spool.spent:
                spool.remove()
        self._own = tuple(spool for spool in self._own if not spool.removed)
        self._imports.look([path for path in self._folder.glob("live*.db") if _number(path)])


def _opened(folder: Path, limit: int) -> list[Spool]:
    """Open the server's own files, the live one last; raises `SpoolDamaged` with what to do about one."""
    paths = sorted(filter(_number, folder.glob("live*.db")), key=_number)
    spools: list[Spool] = []
    with ExitStack() as opened:
        for path in paths or [folder / "live-1.db"]:
            try:
                spools.append(Spool(path, limit, spool_id=spools[-1].id if spools else ""))
            except SpoolDamaged as error:
                raise SpoolDamaged(f"{error}. {_WHAT_TO_DO}") from error
            opened.callback(spools[-1].close)
        opened.pop_all()
    return spools


def _number(path: Path) -> int:
    """Which of the server's own files it is, counted from 1; 0 for another's."""
    found = _LIVE.fullmatch(path.name)
    return int(found[1] or 1) if found else 0
