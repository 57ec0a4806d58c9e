"""The files of the event log: databases of one connection, shown as one view, and moved while nobody reads.

Whoever calls what changes files holds the log's lock for writing, which this is given.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from webmon.errors import Unavailable
from webmon.stores.events.schema import DEFAULTS, duckdb_columns

COLUMNS = duckdb_columns()
# A month's own file, or one of its recent rows: those are numbered.
_FILE = re.compile(r"(\d{4}-\d{2})(?:\.(\d+))?")


class LogFiles:
    """`open`: names of files to the names of their databases. `broken`: those that cannot be opened, and why."""

    def __init__(
        self, folder: Path, scratch: Path, connection: duckdb.DuckDBPyConnection, write: threading.RLock
    ) -> None:
        self._folder = folder
        self._scratch = scratch
        self._connection = connection
        self._write = write
        self.gate = Gate()
        self.open: dict[str, str] = {}
        # Tried again whenever they are needed.
        self.broken: dict[str, str] = {}
        columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        self._connection.execute(f"create table nothing ({columns})")
        self._open_all()

    def of_month(self, month: str) -> dict[str, str]:
        """Return the open files of a month; raises `Unavailable` where one of it cannot be opened."""
        for name in [name for name in self.broken if name[:7] == month]:
            self.database(name)
        return {name: alias for name, alias in self.open.items() if name[:7] == month}

    def database(self, name: str) -> str:
        """Return the name of a file's database, made or opened where it is not."""
        if name not in self.open:
            self._try(name)
        if name in self.broken:
            raise Unavailable(self.broken[name])
        return self.open[name]

    def faults(self) -> list[str]:
        """Return what is wrong with files, tried just now."""
        with self._write:
            for name in list(self.broken):
                self._try(name)
            return list(self.broken.values())

    def demand_all(self) -> None:
        """Raise `Unavailable` where a file cannot be opened."""
        if self.broken:
            faults = self.faults()
            if faults:
                raise Unavailable(faults[0])

    def mark_of_deletion(self, name: str) -> Path:
        """The file that says that rows were deleted, and still stand in the file until it is rewritten."""
        return self._folder / f"{name}.dirty"

    def rewrite(self, name: str) -> None:
        """Copy a file without what was deleted from it, and put the copy in its place."""
        alias, copy = self.open[name], self._scratch / f"{name}.duckdb"
        copy.unlink(missing_ok=True)
        self._connection.execute(f"attach '{copy}' as rewritten")
        try:
            self._connection.execute(f"copy from database {alias} to rewritten")
            self._connection.execute("checkpoint rewritten")
        finally:
            self._connection.execute("detach rewritten")
        with self.gate.exclusive():
            self._detach(name)
            copy.replace(self._path(name))
            self._attach(name)
            self._show()

    def remove(self, name: str) -> None:
        """Close a file and delete it; to be called while nobody reads."""
        self._detach(name)
        self._unlink(name)

    def _try(self, name: str) -> None:
        """Open a file; where that cannot be, remember why."""
        with self.gate.exclusive():
            try:
                self._attach(name)
                self.broken.pop(name, None)
            except Unavailable as error:
                self.broken[name] = str(error)
            self._show()

    def _open_all(self) -> None:
        found = sorted(path.stem for path in self._folder.glob("*.duckdb") if _FILE.fullmatch(path.stem))
        for name in found:
            self._try(name)
        for name in list(self.open):
            if name[7:] == "":
                self._end_folding(name)
        self._show()

    def _end_folding(self, month: str) -> None:
        """Take away files whose rows the month's has: a process ended between the two."""
        alias = self.open[month]
        for (name,) in self._connection.execute(f"select name from {alias}.folded").fetchall():
            with self.gate.exclusive():
                if name in self.open:
                    self._detach(name)
                self.broken.pop(name, None)
                self._unlink(name)
            self._connection.execute(f"delete from {alias}.folded where name = ?", [name])

    def _attach(self, name: str) -> None:
        alias = f"m_{name.replace('-', '_').replace('.', '_')}"
        path = self._path(name)
        columns = ", ".join(f'"{column}" {kind}' for column, kind in COLUMNS.items())
        marks = "spool_id varchar primary key, last_id bigint not null"
        try:
            self._connection.execute(f"attach '{path}' as {alias}")
            self._connection.execute(f"create table if not exists {alias}.event ({columns})")
            self._connection.execute(f"create table if not exists {alias}.spool_mark ({marks})")
            self._connection.execute(f"create table if not exists {alias}.folded (name varchar not null)")
            self._add_columns(alias)
        except duckdb.Error as error:
            self._connection.execute(f"detach database if exists {alias}")
            raise Unavailable(f"The event log's file {path} cannot be opened: {error}") from error
        path.chmod(0o600)
        self.open[name] = alias

    def _add_columns(self, alias: str) -> None:
        """Give a file that an earlier version made the columns that have come since; their values are empty."""
        found = self._connection.execute(
            "select column_name from duckdb_columns() where database_name = ? and table_name = 'event'", [alias]
        )
        there = {row[0] for row in found.fetchall()}
        for name in COLUMNS:
            if name not in there:
                kind = f"{COLUMNS[name]} default {DEFAULTS[name]}"
                self._connection.execute(f'alter table {alias}.event add column if not exists "{name}" {kind}')

    def _detach(self, name: str) -> None:
        alias = self.open.pop(name)
        self._show()
        self._connection.execute(f"checkpoint {alias}")
        self._connection.execute(f"detach {alias}")

    def _unlink(self, name: str) -> None:
        path = self._path(name)
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)

    def _show(self) -> None:
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        sources = [f"{alias}.event" for _, alias in sorted(self.open.items())] or ["memory.nothing"]
        selects = " union all ".join(f"select {names} from {source}" for source in sources)
        self._connection.execute(f"create or replace view memory.event as {selects}")

    def _path(self, name: str) -> Path:
        if not _FILE.fullmatch(name):
            raise ValueError(f"{name!r} is no file of the event log")
        return self._folder / f"{name}.duckdb"


class Gate:
    """Readers together, or one that moves files alone; whoever moves files waits for readers to end."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._readers = 0
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting == 0)
            self._readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers -= 1
                self._condition.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._condition:
            self._waiting += 1
            self._condition.wait_for(lambda: self._readers == 0)
        try:
            yield
        finally:
            with self._condition:
                self._waiting -= 1
                self._condition.notify_all()
