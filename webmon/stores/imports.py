"""The files that imports fill for the server to move: opened as they come, removed when they are done.

One that cannot be used holds up nobody: the same import may be run again, which loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import structlog
from prometheus_client import Counter

from webmon.errors import Unavailable, told
from webmon.stores.folders import make_durable
from webmon.stores.holding import hold
from webmon.stores.ports.events import EventSink
from webmon.stores.spool import Spool, lock_of
from webmon.stores.spool_file import SpoolDamaged

DAMAGED_FILES = Counter("webmon_spool_damaged_files", "Files of imports that were set aside: nothing can read them")
# What is set aside has this behind its name.
DAMAGED = ".damaged"
log = structlog.get_logger()


class ImportFiles:
    """For one thread at a time; the files themselves are safe for many."""

    def __init__(self, folder: Path, limit: int, events: EventSink) -> None:
        self._folder = folder
        self._limit = limit
        self._events = events
        self._open: dict[Path, Spool] = {}
        # Of these it has been said what is wrong with them.
        self._failing: set[Path] = set()

    @property
    def open(self) -> Sequence[Spool]:
        return [*self._open.values()]

    def look(self, own: Sequence[Path]) -> None:
        """Open what has come, all but the server's own, and remove what is done."""
        for spool in [spool for spool in self.open if not spool.is_there]:
            self._close(spool)  # removed by somebody else: another may have its name by now
        paths = sorted(set(self._folder.glob("*.db")) - set(own))
        self._failing.intersection_update(paths)
        for path in paths:
            with self._without_stopping(path):
                if path not in self._open:
                    self._open[path] = Spool(path, self._limit, deduplicate=True, fills=False)
                self._remove_if_done(self._open[path])

    def close(self) -> None:
        with ExitStack() as steps:
            for spool in self.open:
                steps.callback(spool.close)

    @contextmanager
    def _without_stopping(self, path: Path) -> Iterator[None]:
        try:
            yield
        except SpoolDamaged as error:
            self._set_aside(path, error)
        except (Unavailable, sqlite3.Error, OSError) as error:
            if path not in self._failing:
                log.error("import.cannot_be_moved", file=str(path), error=told(error))
            self._failing.add(path)  # tried again at each look
        else:
            self._failing.discard(path)

    def _remove_if_done(self, spool: Spool) -> None:
        """Remove the file, unless somebody fills it again: whoever begins to meanwhile makes another."""
        if spool.is_damaged:
            raise SpoolDamaged(f"{spool.path} is damaged")
        if not _done(spool):
            return
        with hold(lock_of(spool.path)) as held:
            if not held or not _done(spool):
                return
            spool.remove()
            del self._open[spool.path]
            lock_of(spool.path).unlink(missing_ok=True)
        self._events.forget_spool(spool.id)

    def _set_aside(self, path: Path, error: SpoolDamaged) -> None:
        if path in self._open:
            self._close(self._open[path])
        aside = _free_name(path)
        # The log first: beside another file of this name it would pass for that one's.
        for suffix in ("-wal", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        make_durable(self._folder)
        DAMAGED_FILES.inc()
        log.error(
            "import.damaged", file=str(aside), error=told(error), do="run the same import again, then delete it"
        )

    def _close(self, spool: Spool) -> None:
        del self._open[spool.path]
        with suppress(sqlite3.Error):  # which would first put its log into a file that is none
            spool.close()


def _free_name(path: Path) -> Path:
    tried = [path.with_name(f"{path.name}{number}{DAMAGED}") for number in ("", *(f".{n}" for n in range(2, 1000)))]
    return next(one for one in tried if not one.exists())


def _done(spool: Spool) -> bool:
    # First the word, then the count: what is appended before the word is in the count.
    return spool.meta("finished") == "1" and spool.count() == 0
