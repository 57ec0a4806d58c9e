"""A file of the spool: hits that were acknowledged and have not reached the event log yet.

A hit is acknowledged only after the commit that holds it (WAL, ``synchronous=FULL``). One that the disk does not take
is not acknowledged, and while this process lives nobody sees it. Where the disk failed in the last step, though, when
the log was written already, a kill or a power cut may bring the commit back (docs/decisions/spool-files.md). What
arrives together is one commit.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import Histogram

from webmon.domain.hit import Basis
from webmon.errors import Conflict, SpoolFull, Unavailable
from webmon.stores.folders import make_durable, make_folder
from webmon.stores.holding import hold, is_at
from webmon.stores.ports.events import Chunk
from webmon.stores.ports.spool import SpooledEntry, SpoolEntry
from webmon.stores.spool_file import (
    SpoolDamaged,
    connect,
    insertion,
    naming,
    set_aside,
    set_up,
    transaction,
)

GROUP = Histogram(
    "webmon_spool_commit_hits", "Hits in a commit of the spool", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 512)
)
COMMIT_SECONDS = Histogram(
    "webmon_spool_commit_seconds",
    "How long a commit of the spool took to be durable",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5),
)


# An entry that stays out of the event log: sealed for an account, or of a visit whose visitor has signed in.
_PERSONAL = "(account_id is not null or visit_id in (select value from json_each(?)))"
_ENTRIES = (
    "select id, site_id, month, visit_id, hit_id, body, account_id from hit where id > ? and id <= ? order by id"
)
_PERSONAL_ENTRIES = _ENTRIES.replace("order by", f"and {_PERSONAL} order by")
# By their numbers alone: whatever looks at each entry reads the whole file.
_THROUGH = "select coalesce(max(id), 0) from hit where id > ? and id < (select min(id) from hit where id > ?) + ?"
_MONTHS = f"select month, max({_PERSONAL}) from hit where id > ? and id <= ? group by month order by month"  # noqa: S608
_LINES = (
    "select cast(group_concat(body, char(10)) as blob) from hit"  # noqa: S608
    f" where id > ? and id <= ? and month = ? and not {_PERSONAL}"
)
_LAST_EVER = "select coalesce(max(seq), 0) from sqlite_sequence where name = 'hit'"
_COUNT_STORED = "update meta set value = cast(cast(value as integer) + ? as text) where key = 'stored'"
# Of a row that cannot be read any more it is enough that the pseudonym stands in it.
_CONSENTED = (
    "site_id = ?1 and account_id is null and case when json_valid(cast(body as text))"
    " then json_extract(cast(body as text), '$.visitor_id') in (select value from json_each(?2))"
    " and json_extract(cast(body as text), '$.basis') = ?3"
    " else exists (select 1 from json_each(?2) where instr(body, cast(cast(value as text) as blob))) end"
)
_COUNT_CONSENTED = f"select count(*) from hit where id > ?4 and {_CONSENTED}"  # noqa: S608
_DELETE_CONSENTED = f"delete from hit where {_CONSENTED}"  # noqa: S608
_DELETE_ENTRIES = "delete from hit where id in (select value from json_each(?))"
_HOLDS_CONSENTED = f"select exists (select 1 from hit where {_CONSENTED})"  # noqa: S608
_WAITING_PLAIN = (
    "select distinct visit_id from hit where account_id is null and visit_id in (select value from json_each(?))"
)
_WAITING_SEALED = (
    "select distinct visit_id from hit where account_id is not null and visit_id in (select value from json_each(?))"
)
# Within SQLite's bound of 32,766 parameters to a statement.
_ROWS_AT_ONCE = 1000
# Pages of the write-ahead log. Putting it into the file holds up whoever commits; most files have moved on before.
_CHECKPOINT_PAGES = 16_384
_REMOVED_WITHIN_SECONDS = 1.0
# Seconds for which appending, and everything else, waits for another process that has the file locked. Whoever fills
# an import waits for the server alone, and holds up nobody. The server waits while it holds what others need: of an
# import, the lock of all logs; of its own files, which only a shell or a backup could lock, all that is appended.
_FILLING = (30.0, 30.0)
_DRAINING = (1.0, 1.0)
_SERVING = (2.0, 0.25)


@dataclass(slots=True)
class _Group:
    """Entries that are committed together: whoever brings the first commits for all, the others wait."""

    entries: list[SpoolEntry] = field(default_factory=list)
    # One held lock for each who waits, released at the end: the cheapest way to wake just them.
    waiting: list[threading.Lock] = field(default_factory=list)
    error: BaseException | None = None

    def enter(self, entries: Sequence[SpoolEntry]) -> threading.Lock | None:
        """Add entries; None says that who brought them leads, else they wait for the lock that is returned."""
        leads = not self.entries
        self.entries.extend(entries)
        if leads:
            return None
        lock = threading.Lock()
        lock.acquire()
        self.waiting.append(lock)
        return lock

    def end(self) -> None:
        for lock in self.waiting:
            lock.release()


class SpoolEnded(Exception):
    """Nothing more is appended to this file: another has taken its place."""


class Spool:
    """A file of acknowledged hits; safe for many appending threads and one that drains."""

    def __init__(
        self,
        path: Path,
        limit: int,
        *,
        deduplicate: bool = False,
        fills: bool = True,
        spool_id: str = "",
        expected: int = 0,
    ) -> None:
        """`spool_id`: of the file before, where this one goes on counting; `expected`: how many it may hold.

        `deduplicate`: an import's, whose rows may be in the log already. Whoever `fills` it holds it: the server,
        which does not, removes none that is held. Raises `Conflict` where another process fills it.
        """
        make_folder(path.parent)
        left = path.exists()
        self.path = path
        self._limit = limit
        self._enter = threading.Lock()
        self._commit = threading.Lock()
        self._drain = threading.Lock()
        self._group = _Group()
        self._ended = False
        self._closed = False
        # What was removed holds nothing; what was only closed may hold anything, and nobody is told otherwise.
        self._removed = False
        # Up to which number the entries of a file that has ended have moved on, as far as this process knows.
        self._moved = 0
        self.deduplicate = deduplicate
        self._is_held = deduplicate and fills
        self._is_damaged = False
        with naming(path), ExitStack() as opened:
            if self._is_held:
                opened.enter_context(_held(path))
            writes, reads = _FILLING if self._is_held else _DRAINING if deduplicate else _SERVING
            self._writer = opened.enter_context(closing(connect(path, writes)))
            set_up(
                self._writer,
                {"id": spool_id or secrets.token_hex(8), "stored": "0"},
                ["finished"] if self._is_held else [],
            )
            self._file = path.stat()
            self._reader = opened.enter_context(closing(connect(path, reads)))
            set_aside(path, expected)
            self._writer.execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self.id = self.meta("id")
            self._depth = self.count()
            make_durable(path.parent)
            self._opened = opened.pop_all()
        # Whether deleted rows may stand in the files still: whoever had them open may have ended before.
        self._to_wipe = left

    @property
    def depth(self) -> int:
        """How many hits wait, as far as this process knows."""
        return self._depth

    @property
    def removed(self) -> bool:
        return self._removed

    @property
    def is_damaged(self) -> bool:
        """Whether something of it could not be read: it is not found out before it is tried."""
        return self._is_damaged

    def append(self, entries: Sequence[SpoolEntry]) -> None:
        """Return once the entries are durable.

        Raises `SpoolFull` at the bound, `Unavailable` where the disk does not take them, and `SpoolEnded` where they
        belong into another file by now; then none of them is stored, but for what a disk that failed may keep of them
        over a crash.
        """
        if not entries:
            return
        if self._is_held:
            self.demand_file()
        self._make_room(entries)
        with self._enter:
            group = self._group
            wake = group.enter(entries)
        if wake is None:
            with self._commit:
                self._lead(group)
        else:
            wake.acquire()
        if isinstance(group.error, SpoolEnded):
            raise SpoolEnded
        if group.error is not None:
            raise Unavailable("The spool cannot be written") from group.error

    def last_ever(self) -> int:
        """Return the highest number that an entry ever had."""
        return self._number(_LAST_EVER)

    def count_from(self, last: int) -> None:
        """Have the next entry's number be above `last`, too, durably."""
        with self._commit, transaction(self._writer) as connection:
            last = max(last, int(connection.execute(_LAST_EVER).fetchone()[0]))
            connection.execute("delete from sqlite_sequence where name = 'hit'")
            connection.execute("insert into sqlite_sequence values ('hit', ?)", (last,))

    def end(self, successor: Spool) -> None:
        """Have `successor` take what is appended from now on; what this file holds is all that it will hold."""
        with self._commit:
            successor.count_from(self.last_ever())
            self._ended = True

    @property
    def spent(self) -> bool:
        """Whether nothing is appended any more, and all that was has moved on."""
        return self._ended and self.through(1) == 0

    def through(self, limit: int) -> int:
        """Return the number of the last of at most `limit` of the oldest entries, 0 where none waits."""
        return self._number(_THROUGH, self._moved, self._moved, limit)

    def months(self, last_id: int, visits: Collection[int]) -> dict[str, bool]:
        """Return the months that the entries up to `last_id` belong to, and whether `personal` has any of it."""
        return {row[0]: bool(row[1]) for row in self._rows(_MONTHS, json.dumps([*visits]), self._moved, last_id)}

    def personal(self, last_id: int, visits: Collection[int]) -> list[SpooledEntry]:
        """Return the entries up to `last_id` that are an account's, or of one of these visits."""
        rows = self._rows(_PERSONAL_ENTRIES, self._moved, last_id, json.dumps([*visits]))
        return [SpooledEntry(row[0], SpoolEntry(*row[1:])) for row in rows]

    def entries(self, last_id: int) -> list[SpooledEntry]:
        """Return all entries up to `last_id` that have not moved on."""
        rows = self._rows(_ENTRIES, self._moved, last_id)
        return [SpooledEntry(row[0], SpoolEntry(*row[1:])) for row in rows]

    def chunks(self, last_id: int, visits: Collection[int], after: Mapping[str, int]) -> Iterator[Chunk]:
        """Yield all the others up to `last_id` by month, those of a month numbered above ``after[month]``.

        The database joins the lines: made one by one they would hold up every thread that answers requests.
        """
        for month, first in after.items():
            for (lines,) in self._rows(_LINES, first, last_id, month, json.dumps([*visits])):
                if lines:
                    yield Chunk(month, last_id, lines)

    def delete_through(self, last_id: int, stored_count: int) -> int:
        """Forget the entries up to `last_id`, all of which are in their log now; return how many there were.

        A file that has ended goes as a whole with its last entry: deleting row by row costs a third of moving them.
        Read anew after a crash, what has moved on is known by the marks of the event log.
        """
        if self._ended:
            if last_id >= self.last_ever():
                gone = self._depth
                self.remove()
            else:
                gone = self._number("select count(*) from hit where id > ? and id <= ?", self._moved, last_id)
                self._moved = last_id
                self._more(-gone)
            return gone
        with self._drain:
            with self._using(), transaction(self._reader) as connection:
                gone = int(connection.execute("delete from hit where id <= ?", (last_id,)).rowcount)
                connection.execute(_COUNT_STORED, (stored_count,))
            self._to_wipe = True
        self._more(-gone)
        if self._depth == 0:
            with suppress(Unavailable):  # all of them have moved on; what is left of them, the next call gets
                self.wipe()
        return gone

    def count(self) -> int:
        """How many entries of the file have not moved on, whoever wrote them."""
        return self._number("select count(*) from hit where id > ?", self._moved)

    def waiting(self, visit_ids: Collection[int], promotion_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Return of which of these visits a row waits in the clear, and of which of these promotions a sealed one."""
        plain = self._rows(_WAITING_PLAIN, json.dumps([*visit_ids]))
        sealed = self._rows(_WAITING_SEALED, json.dumps([*promotion_ids]))
        return {row[0] for row in plain}, {row[0] for row in sealed}

    def holds_consented(self, site_id: int, visitor_ids: Collection[int]) -> bool:
        """Whether a row of these visitors waits in the clear that was collected under consent."""
        return bool(self._number(_HOLDS_CONSENTED, site_id, json.dumps([*visitor_ids]), Basis.CONSENT))

    def holds_account(self, account_id: int) -> bool:
        return bool(self._number("select exists (select 1 from hit where account_id = ?)", account_id))

    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Forget the visitors' rows that were collected under consent; return how many waited.

        Raises `Unavailable` where they cannot be deleted just now, and where they are, but the files cannot be
        written anew: `wipe` does it. Rows sealed for an account are not among them: nothing outside the seal says
        whose they were.
        """
        with self._commit, self._drain:
            if self._removed:
                return 0
            with self._using(), transaction(self._reader) as connection:
                values = (site_id, json.dumps([*visitor_ids]), Basis.CONSENT)
                waiting = int(connection.execute(_COUNT_CONSENTED, (*values, self._moved)).fetchone()[0])
                gone = int(connection.execute(_DELETE_CONSENTED, values).rowcount)
                self._to_wipe |= gone > 0
        self._more(-waiting)
        self.wipe()
        return waiting

    def forget(self, entries: Collection[int]) -> None:
        """Delete these entries, which are somewhere else by now."""
        with self._commit, self._drain:
            with self._using(), transaction(self._reader) as connection:
                connection.execute(_DELETE_ENTRIES, (json.dumps([*entries]),))
            self._to_wipe = True
        self._more(-len(entries))

    def refresh(self) -> None:
        """Count anew, where another process drains what this one appends."""
        with self._enter:
            self._depth = self.count()

    @property
    def is_there(self) -> bool:
        """Whether the file has its name still: nobody else finds one that was removed, whatever is appended to it."""
        return is_at(self.path, self._file)

    def demand_file(self) -> None:
        """Raise `Unavailable` where somebody has removed the file."""
        if not self.is_there:
            raise Unavailable(f"{self.path} is not there any more: run the same import again")

    def meta(self, key: str) -> str:
        rows = self._rows("select value from meta where key = ?", key)
        return str(rows[0][0]) if rows else ""

    def finish(self) -> None:
        """Say that nothing more will be appended: whoever drains the file may remove it."""
        with self._commit, transaction(self._writer) as connection:
            connection.execute("insert or replace into meta values ('finished', '1')")

    def close(self) -> None:
        """Leave the files as they are: whoever asks for what is in them is told `Unavailable` from then on."""
        with self._commit, self._drain:
            self._close()

    def remove(self) -> None:
        """Remove the files, then close: SQLite would first put what is in the log into a file that is still there.

        The log goes first. What a crash leaves is opened at the next start, and what of it stands in the file already
        is moved again: the event log and the account log know it. Raises `Unavailable` where it was closed before.
        """
        with self._commit, self._drain:
            if self._removed:
                return
            self._demand_open()
            for suffix in ("-wal", "", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self._removed = True
            self._depth = 0
            self._close()
        make_durable(self.path.parent)

    def _close(self) -> None:
        self._closed = True
        self._opened.close()

    @contextmanager
    def _using(self) -> Iterator[None]:
        self._demand_open()
        try:
            with naming(self.path):
                yield
        except SpoolDamaged:
            self._is_damaged = True
            raise
        except sqlite3.Error as error:
            raise Unavailable(f"{self.path} cannot be used just now ({error})") from error

    def _demand_open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self.path} is closed")

    def _rows(self, sql: str, *values: int | str) -> list[tuple[Any, ...]]:
        with self._drain:
            if self._removed:
                return []
            with self._using():
                return self._reader.execute(sql, values).fetchall()

    def _number(self, sql: str, *values: int | str) -> int:
        return int(next(iter(self._rows(sql, *values)), (0,))[0])

    def _make_room(self, entries: Sequence[SpoolEntry]) -> None:
        if self._depth + len(entries) > self._limit:
            raise SpoolFull("The spool is full")

    def _more(self, count: int) -> None:
        with self._enter:
            self._depth = max(0, self._depth + count)

    def _lead(self, group: _Group) -> None:
        with self._enter:
            self._group = _Group()
        try:
            if self._ended:
                raise SpoolEnded
            self._demand_open()
            self._insert(group.entries)
        except BaseException as error:
            group.error = error  # for all who wait: whatever happened, their hits are not durable
            if not isinstance(error, sqlite3.Error | SpoolEnded | Unavailable):
                raise
        finally:
            group.end()

    def _insert(self, entries: Sequence[SpoolEntry]) -> None:
        """Store all or none. One statement where it can be, which is its own transaction.

        Each call into SQLite gives the interpreter away and must win it back from every thread that answers requests:
        with a call for each row, a commit waits longer for that than for the disk.
        """
        GROUP.observe(len(entries))
        with COMMIT_SECONDS.time():
            if len(entries) <= _ROWS_AT_ONCE:
                self._writer.execute(*insertion(entries))
            else:
                with transaction(self._writer) as connection:
                    for start in range(0, len(entries), _ROWS_AT_ONCE):
                        connection.execute(*insertion(entries[start : start + _ROWS_AT_ONCE]))
        self._more(len(entries))

    def wipe(self) -> None:
        """Write the file anew and empty its write-ahead log, where deleted rows may stand in them.

        Raises `Unavailable` where that cannot be done just now; the next call does it. Overwriting what is deleted is
        not enough: where pages are put together anew, copies of rows stay in the room between the rows that are left.
        """
        # Held against appending, as a checkpoint that meets a writer would leave the log as it is.
        with self._commit, self._drain:
            if self._removed or not self._to_wipe:
                return
            self._demand_open()
            try:
                self._reader.execute("vacuum")
                busy = self._reader.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
            except sqlite3.Error as error:
                raise Unavailable("What was deleted cannot be written over just now") from error
            if busy:
                raise Unavailable("What was deleted cannot be written over while somebody reads the spool")
            self._to_wipe = False


def lock_of(path: Path) -> Path:
    """Return what is held by whoever fills an import's file, and by the server while it removes it."""
    return path.with_suffix(".lock")


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold an import's file. The server does so for the moment in which it removes one, which is waited for."""
    end = time.monotonic() + _REMOVED_WITHIN_SECONDS
    with ExitStack() as letting_go:
        while not letting_go.enter_context(hold(lock_of(path))):
            if time.monotonic() > end:
                raise Conflict(f"{path} is being filled already: let the other import end first")
            time.sleep(_REMOVED_WITHIN_SECONDS / 100)
        yield
