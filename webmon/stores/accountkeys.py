"""The data keys of accounts, in a file of their own: a backup of the control database holds none of them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from webmon.errors import SettingsError, Unavailable
from webmon.stores.broken import is_hindered, is_of_the_file
from webmon.stores.folders import make_folder
from webmon.stores.ports.keys import FIRST_KEY, DataKey, NewKey, key_context

_SCHEMA = """
create table if not exists data_key (
    account_id integer not null,
    number integer not null,
    wrapped blob not null,
    made_at integer not null,
    primary key (account_id, number)
) without rowid;
create index if not exists data_key_made on data_key (made_at);
create table if not exists destroyed (account_id integer primary key, destroyed_at integer not null);
create table if not exists meta (key text primary key, value text not null) without rowid;
"""
_MOVED = "moved"
# For how long it waits where another process has the file locked; and where one reads it that is to be written anew.
_PATIENCE_SECONDS = 30
_FOLDING_MILLISECONDS = 250
log = structlog.get_logger()
# A key that was wrapped before there were marks: nonce, key, tag. They are all under one.
_UNMARKED_BYTES = 12 + 32 + 16


class AccountKeyFile:
    """A SQLite file; safe for many threads, and for the command line beside a server."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        with self._naming():
            make_folder(path.parent)
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE_SECONDS
            )
            try:
                self._set_up()
            except sqlite3.Error:
                self._connection.close()
                raise
        path.chmod(0o600)

    def _set_up(self) -> None:
        # Temporary files would stand outside of the data folder: keys too, while the file is written anew.
        for pragma in ("journal_mode = wal", "synchronous = full", "secure_delete = on", "temp_store = memory"):
            self._connection.execute(f"pragma {pragma}")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Say which file is at fault and what to do, in the place of what the library says of a statement."""
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            if is_hindered(error):
                raise Unavailable(f"{self._path} cannot be written or read just now ({error})") from error
            if not isinstance(error, OSError) and not is_of_the_file(error):
                raise
            raise Unavailable(
                f"{self._path} cannot be used ({error}). Stop webmon and put back the newest copy of "
                f"{self._path.parent} that there is; keep what is there now"
            ) from error

    def add(self, keys: Sequence[NewKey]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                "insert or replace into data_key values (?, ?, ?, ?)",
                [(one.account_id, one.number, one.wrapped, _seconds(one.made_at)) for one in keys],
            )

    def keys(self, account_id: int) -> Sequence[DataKey]:
        sql = "select number, wrapped from data_key where account_id = ? order by number desc"
        return [DataKey(*row) for row in self._rows(sql, account_id)]

    def destroy(self, account_ids: Collection[int], now: datetime) -> None:
        with self._transaction() as connection:
            connection.executemany("delete from data_key where account_id = ?", [(one,) for one in account_ids])
            gone = [(one, _seconds(now)) for one in account_ids]
            connection.executemany("insert or ignore into destroyed values (?, ?)", gone)
        self.wipe()

    def destroy_older(self, account_id: int, number: int) -> int:
        with self._transaction() as connection:
            gone = connection.execute(
                "delete from data_key where account_id = ? and number < ?", (account_id, number)
            )
        return gone.rowcount

    def accounts(self) -> Sequence[int]:
        return [row[0] for row in self._rows("select distinct account_id from data_key")]

    def was_destroyed(self, account_id: int) -> bool:
        return bool(self._rows("select 1 from destroyed where account_id = ?", account_id))

    def destroyed(self) -> Sequence[int]:
        return [row[0] for row in self._rows("select account_id from destroyed")]

    def made_before(self, cutoff: datetime, limit: int) -> Sequence[int]:
        sql = (
            "select account_id from data_key where made_at < ? and not exists (select 1 from data_key as other"
            " where other.account_id = data_key.account_id and other.number <> data_key.number) limit ?"
        )
        return [row[0] for row in self._rows(sql, _seconds(cutoff), limit)]

    def renewed_before(self, cutoff: datetime, limit: int) -> Sequence[int]:
        sql = "select account_id from data_key group by account_id having count(*) > 1 and max(made_at) < ? limit ?"
        return [row[0] for row in self._rows(sql, _seconds(cutoff), limit)]

    def samples(self, mark_bytes: int) -> Sequence[tuple[bytes, str]]:
        # One pass over the file: 0.05 s for 100,000 accounts.
        sql = (
            "select wrapped, account_id, number from data_key"
            " group by case length(wrapped) when ? then '' else substr(wrapped, 1, ?) end"
        )
        rows = self._rows(sql, _UNMARKED_BYTES, mark_bytes)
        return [(wrapped, key_context(account_id, number)) for wrapped, account_id, number in rows]

    def count_other(self, mark: bytes) -> int:
        sql = "select count(*) from data_key where substr(wrapped, 1, ?) <> ?"
        return int(self._rows(sql, len(mark), mark)[0][0])

    def rewrap(self, mark: bytes, limit: int, rewrap: Callable[[bytes, str], bytes]) -> int:
        sql = "select account_id, number, wrapped from data_key where substr(wrapped, 1, ?) <> ? limit ?"
        rows = self._rows(sql, len(mark), mark, limit)
        new = []
        for who, number, wrapped in rows:
            with suppress(SettingsError):  # damaged: it stays as it is, and keeps no other from its turn
                new.append((rewrap(wrapped, key_context(who, number)), who, number, wrapped))
        with self._transaction() as connection:
            # Only what is still as it was read: meanwhile it may have been destroyed.
            connection.executemany(
                "update data_key set wrapped = ? where account_id = ? and number = ? and wrapped = ?", new
            )
        return len(new)

    @property
    def has_taken_over(self) -> bool:
        """Whether the keys that were kept elsewhere before there was this file are here."""
        return bool(self._rows("select 1 from meta where key = ?", _MOVED))

    def take_over(self, keys: Iterable[tuple[int, bytes, datetime]]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                "insert or ignore into data_key values (?, ?, ?, ?)",
                ((account_id, FIRST_KEY, wrapped, _seconds(made_at)) for account_id, wrapped, made_at in keys),
            )

    def note_taken_over(self) -> None:
        """Say that they are here, and nowhere else any more."""
        with self._transaction() as connection:
            connection.execute("insert or ignore into meta values (?, '')", (_MOVED,))

    def wipe(self) -> None:
        with self._naming(), self._lock:
            # Deleting with secure_delete zeroes a row where it stood, but not the copies that were left in the slack
            # of pages when these were split. A file that is written anew has none: 0.2 s for 100,000 accounts.
            self._connection.execute("vacuum")
        self.checkpoint()

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file and empty it; where somebody reads, the next call does.

        Everybody who needs a key waits meanwhile: no longer for a shell or a backup than for a commit.
        """
        with self._naming(), self._lock:
            self._connection.execute(f"pragma busy_timeout = {_FOLDING_MILLISECONDS}")
            try:
                (is_busy, *_), *_ = self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()
            finally:
                self._connection.execute(f"pragma busy_timeout = {_PATIENCE_SECONDS * 1000}")
        if is_busy:
            log.warning("keys.wipe_later", file=str(self._path))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _rows(self, sql: str, *values: int | bytes | str) -> list[tuple[Any, ...]]:
        with self._naming(), self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._naming(), self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:  # an interrupt too: the connection goes on to be used, and within no transaction
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
