"""Hits that nothing can read: kept for a while for whoever looks for what damaged them, and no longer.

They are in a file like the others of the spool, from which nothing moves on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from webmon.errors import told
from webmon.stores.ports.spool import SpoolEntry
from webmon.stores.spool import Spool
from webmon.stores.spool_file import SpoolDamaged, transaction

KEPT = timedelta(days=30)
_DELETE_VISITS = "delete from hit where account_id is null and visit_id in (select value from json_each(?))"
# No row says when it was set aside. So it is noted, at moments, up to which number there were rows then.
_NOTE = (
    "insert into meta select 'seen ' || newest, ? from (select max(id) as newest from hit)"
    " where newest > (select coalesce(max(cast(substr(key, 6) as integer)), 0) from meta where key like 'seen %')"
)
_DELETE_OLD = (
    "delete from hit where site_id = ? and id <= (select coalesce(max(cast(substr(key, 6) as integer)), 0)"
    " from meta where key like 'seen %' and value <= ?)"
)
_SITES = "select distinct site_id from hit"
log = structlog.get_logger()


class DamagedHitsFile:
    """Opened for the moment in which it is used: hardly any webmon has one."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._lock = threading.Lock()

    def add(self, entries: Sequence[SpoolEntry]) -> None:
        """Return once the entries are durable."""
        with self._lock, closing(_File(self._path, self._limit)) as file:
            file.append(entries)

    def delete_visits(self, visit_ids: Collection[int]) -> int:
        """Forget what is in the clear of these visits, and return how many hits it was."""
        return self._forget(lambda file: file.delete_visits(visit_ids))

    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Forget the hits in which one of these visitors' pseudonyms can be made out; return how many there were."""
        return self._forget(lambda file: file.delete_consented(site_id, visitor_ids))

    def expire(self, now: datetime, kept: Mapping[int, timedelta]) -> int:
        """Forget hits that have been there for `KEPT`, or for as long as a row of their site; return how many.

        It is reckoned from the first call that met them.
        """
        return self._forget(lambda file: file.expire(now, kept))

    def _forget(self, delete: Callable[[_File], int]) -> int:
        """Raises `Unavailable` where it cannot be done just now; done again, it is completed."""
        if not self._path.exists():
            return 0
        with self._lock:
            try:
                with closing(_File(self._path, self._limit)) as file:
                    gone = delete(file)
                    if file.count() == 0:
                        file.remove()
            except SpoolDamaged as error:
                # Nobody can take out of it what has to go, nor read what is in it.
                for suffix in ("-wal", "", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                log.error("spool.damaged_hits_deleted", error=told(error))
                return 0
        return gone


class _File(Spool):
    def delete_visits(self, visit_ids: Collection[int]) -> int:
        return self._delete([(_DELETE_VISITS, (json.dumps([*visit_ids]),))])

    def expire(self, now: datetime, kept: Mapping[int, timedelta]) -> int:
        self._delete([(_NOTE, (now.isoformat(),))])
        oldest = {site_id: now - min(KEPT, kept.get(site_id, KEPT)) for (site_id,) in self._rows(_SITES)}
        return self._delete([(_DELETE_OLD, (site_id, moment.isoformat())) for site_id, moment in oldest.items()])

    def _delete(self, statements: Sequence[tuple[str, tuple[int | str, ...]]]) -> int:
        """Do it all or nothing, and leave no trace of it in the files; return how many rows there were."""
        with self._commit, self._drain, self._using(), transaction(self._reader) as connection:
            gone = sum(int(connection.execute(*one).rowcount) for one in statements)
        self.wipe()
        return gone
