"""How a file of the spool is opened, set up and written to, and what SQLite says of one that is damaged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from webmon.errors import Unavailable
from webmon.stores.ports.spool import SpoolEntry

_SCHEMA = (
    "create table if not exists meta (key text primary key, value text not null) without rowid",
    """create table if not exists hit (
    id integer primary key autoincrement,
    site_id integer not null,
    month text not null,
    visit_id integer not null,
    account_id integer,
    hit_id integer not null,
    body blob not null
)""",
)
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_PRIMARY = 0xFF
# What an entry takes of the log, and the most that is set aside for those to come.
_ENTRY_BYTES = 1250
_ROOM_BYTES = 4 * 1024 * 1024


class SpoolDamaged(Unavailable):
    """SQLite cannot read the file, and never will."""


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """`patience`: for how many seconds it waits where another process has the file locked.

    What SQLite puts down beside a file, as all its rows while it is written anew, stays in memory: else it would
    stand outside of the data folder, where nothing of it is ever overwritten.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=patience)
    try:
        for pragma in ("journal_mode = wal", "synchronous = full", "secure_delete = on", "temp_store = memory"):
            connection.execute(f"pragma {pragma}")
    except BaseException:  # an interrupt too: the file is to be opened anew, and not to be held
        connection.close()
        raise
    return connection


def set_up(connection: sqlite3.Connection, defaults: Mapping[str, str], forgotten: Sequence[str]) -> None:
    """In one transaction: each waits for the disk, and a file is begun whenever there are rows to be moved.

    `forgotten`: what was said before and holds no more. Where there is nothing to do, no lock is waited for.
    """
    if not forgotten and connection.execute("select 1 from sqlite_master where name = 'meta'").fetchone():
        return
    with transaction(connection):
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.executemany("insert or ignore into meta values (?, ?)", defaults.items())
        connection.executemany("delete from meta where key = ?", [(key,) for key in forgotten])


def set_aside(path: Path, expected: int) -> None:
    """Give the write-ahead log room for so many entries, where the disk has it to spare.

    Into room that is there a commit is durable in half the time: the file system has nothing to note. Zeros behind
    the last commit are none to SQLite.
    """
    room = min(expected * _ENTRY_BYTES, _ROOM_BYTES)
    if not room:
        return
    log = os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.pwrite(log, bytes(room), os.fstat(log).st_size)
            os.fsync(log)
    finally:
        os.close(log)


def insertion(entries: Sequence[SpoolEntry]) -> tuple[str, list[int | str | bytes | None]]:
    rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(entries))
    values = [value for e in entries for value in (e.site_id, e.month, e.visit_id, e.hit_id, e.body, e.account_id)]
    return f"insert into hit (site_id, month, visit_id, hit_id, body, account_id) values {rows}", values  # noqa: S608


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say which file is damaged, in the place of what SQLite says of a statement."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED:
            raise SpoolDamaged(f"{path} is damaged ({error})") from error
        raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("begin immediate")
    try:
        yield connection
        connection.execute("commit")
    except BaseException:  # an interrupt too: the connection goes on to be used, and within no transaction
        if connection.in_transaction:  # a commit that met a full disk may have rolled back by itself
            connection.execute("rollback")
        raise
