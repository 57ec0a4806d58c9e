"""The spool: hits that were acknowledged and have not reached the event log yet.

One SQLite file per writing process. A hit is acknowledged only after the commit that holds it (WAL,
``synchronous=FULL``); the commits of hits that arrive together are one commit.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import Histogram

from webmon.domain.hit import Basis
from webmon.errors import SpoolFull, Unavailable
from webmon.stores.ports.events import Chunk
from webmon.stores.ports.spool import SpooledEntry, SpoolEntry

GROUP = Histogram(
    "webmon_spool_commit_hits", "Hits in a commit of the spool", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 512)
)
COMMIT_SECONDS = Histogram(
    "webmon_spool_commit_seconds",
    "How long a commit of the spool took to be durable",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5),
)
_SCHEMA = """
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists hit (
    id integer primary key autoincrement,
    site_id integer not null,
    month text not null,
    visit_id integer not null,
    account_id integer,
    hit_id integer not null,
    body blob not null
);
"""


# An entry that stays out of the event log: sealed for an account, or of a visit whose visitor has signed in.
_PERSONAL = "(account_id is not null or visit_id in (select value from json_each(?)))"
_PERSONAL_ENTRIES = (
    "select id, site_id, month, visit_id, hit_id, body, account_id from hit"  # noqa: S608
    f" where id <= ? and {_PERSONAL} order by id"
)
_LINES = (
    "select cast(group_concat(body, char(10)) as blob) from hit"  # noqa: S608
    f" where id > ? and id <= ? and month = ? and not {_PERSONAL}"
)
_DELETE_THROUGH = "delete from hit where id <= min(?, (select min(id) from hit) + ? - 1)"
_WAITS = "select exists (select 1 from hit where id <= ?)"
_COUNT_STORED = "update meta set value = cast(cast(value as integer) + ? as text) where key = 'stored'"
_CONSENTED = (
    "site_id = ? and account_id is null"
    " and json_extract(cast(body as text), '$.visitor_id') in (select value from json_each(?))"
    " and json_extract(cast(body as text), '$.basis') = ?"
)
_DELETE_CONSENTED = f"delete from hit where {_CONSENTED}"  # noqa: S608
_HOLDS_CONSENTED = f"select exists (select 1 from hit where {_CONSENTED})"  # noqa: S608
_WAITING_PLAIN = (
    "select distinct visit_id from hit where account_id is null and visit_id in (select value from json_each(?))"
)
_WAITING_SEALED = (
    "select distinct visit_id from hit where account_id is not null and visit_id in (select value from json_each(?))"
)
# Within SQLite's bound of 32,766 parameters to a statement.
_ROWS_AT_ONCE = 1000
# Hits that arrive wait for it: some milliseconds.
_DELETED_AT_ONCE = 500


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


class _Turns:
    """A lock that goes to who waits: one that is released and taken again at once would never reach the others."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._turn:
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Spool:
    """A file of acknowledged hits; safe for many appending threads and one that drains."""

    def __init__(self, path: Path, limit: int, *, deduplicate: bool = False) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._limit = limit
        self._enter = threading.Lock()
        self._commit = _Turns()
        self._drain = threading.Lock()
        self._group = _Group()
        self._writer = _connect(path)
        self._reader = _connect(path)
        self._set_default("id", secrets.token_hex(8))
        self._set_default("deduplicate", str(int(deduplicate)))
        self._set_default("stored", "0")
        self.id = self.meta("id")
        self.deduplicate = self.meta("deduplicate") == "1"
        self._depth = int(self._writer.execute("select count(*) from hit").fetchone()[0])

    @property
    def depth(self) -> int:
        """How many hits wait, as far as this process knows."""
        return self._depth

    def append(self, entries: Sequence[SpoolEntry]) -> None:
        """Return once the entries are durable.

        Raises `SpoolFull` at the bound and `Unavailable` where the disk does not take them; then none of them
        is stored.
        """
        if not entries:
            return
        if self._depth + len(entries) > self._limit:
            raise SpoolFull("The spool is full")
        with self._enter:
            group = self._group
            wake = group.enter(entries)
        if wake is None:
            with self._commit:
                self._lead(group)
        else:
            wake.acquire()
        if group.error is not None:
            raise Unavailable("The spool cannot be written") from group.error

    def through(self, limit: int) -> int:
        """Return the number of the last of the `limit` oldest entries, 0 where none waits."""
        sql = "select max(id) from (select id from hit order by id limit ?)"
        return int(self._rows(sql, limit)[0][0] or 0)

    def months(self, last_id: int) -> list[str]:
        """Return the months that the entries up to `last_id` belong to."""
        return [row[0] for row in self._rows("select distinct month from hit where id <= ? order by 1", last_id)]

    def personal(self, last_id: int, visits: Collection[int]) -> list[SpooledEntry]:
        """Return the entries up to `last_id` that are an account's, or of one of these visits."""
        rows = self._rows(_PERSONAL_ENTRIES, last_id, json.dumps([*visits]))
        return [SpooledEntry(row[0], SpoolEntry(*row[1:])) for row in rows]

    def chunks(self, last_id: int, visits: Collection[int], after: Mapping[str, int]) -> Iterator[Chunk]:
        """Yield all the others up to `last_id` by month, those of a month numbered above ``after[month]``.

        The database joins the lines: made one by one they would hold up every thread that answers requests.
        """
        for month, first in after.items():
            lines = self._rows(_LINES, first, last_id, month, json.dumps([*visits]))[0][0]
            if lines:
                yield Chunk(month, last_id, lines)

    def delete_through(self, last_id: int, stored_count: int) -> int:
        """Forget the entries up to `last_id`, all of which are in their log now; return how many there were."""
        gone, is_last = 0, False
        while not is_last:
            part, is_last = self._delete_some(last_id, stored_count)
            gone += part
        if self._depth == 0:
            self.truncate()
        return gone

    def _delete_some(self, last_id: int, stored_count: int) -> tuple[int, bool]:
        """Return how many went, and whether that was the last of them, with which what was stored is counted."""
        # SQLite has one writer at a time, and who meets another sleeps: waiting for one's turn is shorter.
        with self._commit, self._drain, _transaction(self._reader) as connection:
            gone = int(connection.execute(_DELETE_THROUGH, (last_id, _DELETED_AT_ONCE)).rowcount)
            is_last = not connection.execute(_WAITS, (last_id,)).fetchone()[0]
            if is_last:
                connection.execute(_COUNT_STORED, (stored_count,))
        with self._enter:
            self._depth = max(0, self._depth - gone)
        return gone, is_last

    def count(self) -> int:
        """How many entries the file holds now, whoever wrote them."""
        return int(self._rows("select count(*) from hit")[0][0])

    def waiting(self, visit_ids: Collection[int], promotion_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Return of which of these visits a row waits in the clear, and of which of these promotions a sealed one."""
        plain = self._rows(_WAITING_PLAIN, json.dumps([*visit_ids]))
        sealed = self._rows(_WAITING_SEALED, json.dumps([*promotion_ids]))
        return {row[0] for row in plain}, {row[0] for row in sealed}

    def holds_consented(self, site_id: int, visitor_ids: Collection[int]) -> bool:
        """Whether a row of these visitors waits in the clear that was collected under consent."""
        return bool(self._rows(_HOLDS_CONSENTED, site_id, json.dumps([*visitor_ids]), Basis.CONSENT)[0][0])

    def holds_account(self, account_id: int) -> bool:
        return bool(self._rows("select exists (select 1 from hit where account_id = ?)", account_id)[0][0])

    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Forget the visitors' rows that were collected under consent; return how many there were.

        Rows sealed for an account are not among them: nothing outside the seal says whose they were.
        """
        with self._drain, _transaction(self._reader) as connection:
            values = (site_id, json.dumps([*visitor_ids]), Basis.CONSENT)
            gone = int(connection.execute(_DELETE_CONSENTED, values).rowcount)
        with self._enter:
            self._depth = max(0, self._depth - gone)
        return gone

    def refresh(self) -> None:
        """Count anew, where another process drains what this one appends."""
        with self._enter:
            self._depth = self.count()

    def meta(self, key: str) -> str:
        rows = self._rows("select value from meta where key = ?", key)
        return str(rows[0][0]) if rows else ""

    def finish(self) -> None:
        """Say that nothing more will be appended: whoever drains the file may remove it."""
        with self._commit, _transaction(self._writer) as connection:
            connection.execute("insert or replace into meta values ('finished', '1')")

    def close(self) -> None:
        with self._commit, self._drain:
            self._writer.close()
            self._reader.close()

    def remove(self) -> None:
        self.close()
        for suffix in ("-wal", "-shm", ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _rows(self, sql: str, *values: int | str) -> list[tuple[Any, ...]]:
        with self._drain:
            return self._reader.execute(sql, values).fetchall()

    def _lead(self, group: _Group) -> None:
        with self._enter:
            self._group = _Group()
        try:
            self._insert(group.entries)
            with self._enter:
                self._depth += len(group.entries)
        except BaseException as error:
            group.error = error  # for all who wait: whatever happened, their hits are not durable
            if not isinstance(error, sqlite3.Error):
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
                self._writer.execute(*_insertion(entries))
                return
            with _transaction(self._writer) as connection:
                for start in range(0, len(entries), _ROWS_AT_ONCE):
                    connection.execute(*_insertion(entries[start : start + _ROWS_AT_ONCE]))

    def truncate(self) -> None:
        """Write the file anew and empty its write-ahead log: rows that have moved on would stand in them.

        Overwriting what is deleted is not enough: where pages are put together anew, copies of rows stay in the room
        between the rows that are left.
        """
        # Held against appending, as a checkpoint that meets a writer would leave the log as it is.
        with self._commit, self._drain:
            self._reader.execute("vacuum")
            self._reader.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _set_default(self, key: str, value: str) -> None:
        with _transaction(self._writer) as connection:
            connection.execute("insert or ignore into meta values (?, ?)", (key, value))


def _insertion(entries: Sequence[SpoolEntry]) -> tuple[str, list[int | str | bytes | None]]:
    rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(entries))
    values = [value for e in entries for value in (e.site_id, e.month, e.visit_id, e.hit_id, e.body, e.account_id)]
    return f"insert into hit (site_id, month, visit_id, hit_id, body, account_id) values {rows}", values  # noqa: S608


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma secure_delete = on")
    connection.executescript(_SCHEMA)
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("begin immediate")
    try:
        yield connection
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:  # a commit that met a full disk may have rolled back by itself
            connection.execute("rollback")
        raise
