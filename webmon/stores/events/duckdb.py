"""The event log in DuckDB: a folder of monthly files behind one view.

Months are files because only a rewritten file forgets: after a delete and a checkpoint the rows' 64-bit values still
stand in it. So retention drops whole files where it can, and a deletion marks its months, which `compact` then copies
without the deleted rows, swaps and unlinks.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from duckdb_engine import ConnectionWrapper
from sqlalchemy import Engine, Select, create_engine
from sqlalchemy.pool import NullPool

from webmon.domain.hit import Basis, Hit
from webmon.errors import Unavailable
from webmon.stores.events.schema import DEFAULTS, duckdb_columns
from webmon.stores.ports.events import Chunk, VisitSeen

_COLUMNS = duckdb_columns()
_MONTH = re.compile(r"\d{4}-\d{2}")


class DuckDBEventLog:
    """One process at a time holds the folder; within it, any number of threads."""

    def __init__(self, folder: Path, memory: str = "128MB") -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._scratch = folder / "tmp"
        self._scratch.mkdir(mode=0o700, exist_ok=True)
        for left in self._scratch.iterdir():
            left.unlink()
        self._write = threading.RLock()
        self._gate = _Gate()
        config: dict[str, Any] = {"memory_limit": memory, "threads": 2, "temp_directory": str(self._scratch)}
        self._connection = duckdb.connect(":memory:", config=config)
        self._connection.execute("set enable_progress_bar = false")
        self._engine = create_engine(
            "duckdb://",
            creator=lambda: ConnectionWrapper(self._connection.cursor()),
            poolclass=NullPool,
            hide_parameters=True,
        )
        self._months: dict[str, str] = {}
        # Months whose files cannot be opened, and why: tried again whenever they are needed.
        self._broken: dict[str, str] = {}
        self._revision = 0
        columns = ", ".join(f'"{name}" {kind}' for name, kind in _COLUMNS.items())
        self._connection.execute(f"create table nothing ({columns})")
        self._open_months()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine that reads the view `event`; use it within `reading`."""
        return self._engine

    @property
    def months(self) -> list[str]:
        return sorted(self._months)

    @property
    def revision(self) -> int:
        """Another number after every change: as long as it is the same, so are all figures."""
        return self._revision

    def faults(self) -> list[str]:
        """Return what is wrong with the files of months, tried just now; nothing where all are open."""
        with self._write:
            for month in list(self._broken):
                self._try(month)
            return list(self._broken.values())

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the files in place while a query runs; raises `Unavailable` while one cannot be opened.

        Figures without a month, or a deletion that leaves one out, would be wrong in silence.
        """
        self._demand_all()
        with self._gate.shared():
            yield

    def rows(self, statement: Select[Any]) -> list[tuple[Any, ...]]:
        """Run one query on the view and return all its rows."""
        with self.reading(), self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(statement)]

    # Writing

    def mark(self, spool_id: str, month: str) -> int:
        """Return the last number of the spool that the month holds already, 0 where there is none."""
        with self._write:
            alias = self._month(month)
            found = self._connection.execute(
                f"select last_id from {alias}.spool_mark where spool_id = ?", [spool_id]
            ).fetchone()
        return int(found[0]) if found else 0

    def append(self, spool_id: str, chunk: Chunk, *, deduplicate: bool = False) -> int:
        """Store rows above the mark, move the mark with them, and return how many rows came to stand.

        Each month's file remembers, in the transaction that adds rows, the last number it took from each spool.
        With `deduplicate`, rows whose `hit_id` the month holds already are left out too.
        """
        with self._write, tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".ndjson") as file:
            if self.mark(spool_id, chunk.month) >= chunk.last_id:
                return 0
            file.write(chunk.lines)
            file.flush()
            alias, cursor = self._months[chunk.month], self._connection.cursor()
            count = _insert(cursor, alias, file.name, spool_id, chunk.last_id, deduplicate=deduplicate)
            self._revision += 1
        return count

    def forget_spool(self, spool_id: str) -> None:
        """Drop what is remembered of a spool that is gone for good."""
        with self._write:
            for alias in self._months.values():
                self._connection.execute(f"delete from {alias}.spool_mark where spool_id = ?", [spool_id])

    def delete_visit(self, site_id: int, visit_id: int) -> int:
        """Delete the rows of one visit, mark their months for `compact`, and return how many there were."""
        return self._delete("site_id = ? and visit_id = ?", [site_id, visit_id])

    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Delete the visitors' rows that were collected under consent, mark their months, return how many."""
        if not visitor_ids:
            return 0
        places = ", ".join("?" * len(visitor_ids))
        condition = f"site_id = ? and visitor_id in ({places}) and basis = ?"
        return self._delete(condition, [site_id, *visitor_ids, Basis.CONSENT])

    def delete_before(self, site_id: int, cutoff: datetime) -> int:
        """Delete a site's rows older than `cutoff`; months left without any row go as files."""
        count = self._delete("site_id = ? and occurred_at < ?", [site_id, _naive(cutoff)])
        self._drop_empty_months()
        return count

    def compact(self) -> list[str]:
        """Rewrite the months that deletions have touched, so that nothing of the deleted rows is on disk.

        Returns the months. Interrupted anywhere, the marks stay and the next call does the work again.
        """
        done = []
        for mark in sorted(self._folder.glob("*.dirty")):
            with self._write:
                if mark.stem in self._broken:
                    continue  # the mark stays until the file is back
                if mark.stem in self._months:
                    self._rewrite(mark.stem)
                mark.unlink()
            done.append(mark.stem)
        return done

    def checkpoint(self) -> None:
        """Fold the write-ahead logs into their files."""
        with self._write:
            for alias in self._months.values():
                self._connection.execute(f"checkpoint {alias}")

    def close(self) -> None:
        with self._write, self._gate.exclusive():
            for alias in self._months.values():
                self._connection.execute(f"checkpoint {alias}")
            self._engine.dispose()
            self._connection.close()

    # Reading

    def count(self, site_id: int) -> int:
        return self._count("site_id = ?", [site_id])

    def count_before(self, site_id: int, cutoff: datetime) -> int:
        return self._count("site_id = ? and occurred_at < ?", [site_id, _naive(cutoff)])

    def visit_hits(self, site_id: int, visit_id: int) -> list[Hit]:
        """Return the rows of one visit in the order of time."""
        return self._hits("site_id = ? and visit_id = ?", [site_id, visit_id])

    def visitor_hits(self, site_id: int, visitor_id: int, limit: int = 10_000) -> list[Hit]:
        """Return the rows of one visitor in the order of time, at most `limit`."""
        return self._hits("site_id = ? and visitor_id = ?", [site_id, visitor_id], limit)

    def recent_visits(self, since: datetime) -> list[VisitSeen]:
        """Return every visit with a row at or after `since`, for visits to go on across a restart."""
        rows = self._fetch(
            "select site_id, visitor_id, visit_id, min(occurred_at), max(occurred_at) from event"
            " where occurred_at >= ? group by all",
            [_naive(since)],
        )
        return [VisitSeen(*row) for row in rows]

    def recent_hits(self, since: datetime, limit: int) -> list[tuple[int, int]]:
        """Return site and id of the newest rows at or after `since`, oldest first, at most `limit`."""
        rows = self._fetch(
            "select site_id, hit_id from event where occurred_at >= ? order by occurred_at desc limit ?",
            [_naive(since), limit],
        )
        return [(site_id, hit_id) for site_id, hit_id in reversed(rows)]

    # Inner workings

    def _delete(self, condition: str, values: list[Any]) -> int:
        total = 0
        self._demand_all()
        with self._write:
            for month, alias in self._months.items():
                found = self._connection.execute(f"select count(*) from {alias}.event where {condition}", values)
                if not _one(found):
                    continue
                # Marked first: a crash after the delete must not leave an unmarked file behind.
                self._folder.joinpath(f"{month}.dirty").touch()
                deleted = self._connection.execute(f"delete from {alias}.event where {condition}", values)
                total += _one(deleted)
                self._revision += 1
        return total

    def _drop_empty_months(self) -> None:
        with self._write:
            for month, alias in list(self._months.items()):
                if _one(self._connection.execute(f"select count(*) from {alias}.event")) == 0:
                    with self._gate.exclusive():
                        self._detach(month)
                        self._unlink(month)
                    self._folder.joinpath(f"{month}.dirty").unlink(missing_ok=True)

    def _rewrite(self, month: str) -> None:
        alias, copy = self._months[month], self._scratch / f"{month}.duckdb"
        copy.unlink(missing_ok=True)
        self._connection.execute(f"attach '{copy}' as rewritten")
        try:
            self._connection.execute(f"copy from database {alias} to rewritten")
            self._connection.execute("checkpoint rewritten")
        finally:
            self._connection.execute("detach rewritten")
        with self._gate.exclusive():
            self._detach(month)
            copy.replace(self._path(month))
            self._attach(month)
            self._show()

    def _month(self, month: str) -> str:
        if month not in self._months:
            self._try(month)
        if month in self._broken:
            raise Unavailable(self._broken[month])
        return self._months[month]

    def _try(self, month: str) -> None:
        """Open a month; where that cannot be, remember why."""
        with self._gate.exclusive():
            try:
                self._attach(month)
                self._broken.pop(month, None)
            except Unavailable as error:
                self._broken[month] = str(error)
            self._show()

    def _demand_all(self) -> None:
        if self._broken:
            faults = self.faults()
            if faults:
                raise Unavailable(faults[0])

    def _open_months(self) -> None:
        for path in sorted(self._folder.glob("*.duckdb")):
            if _MONTH.fullmatch(path.stem):
                self._try(path.stem)
        self._show()

    def _attach(self, month: str) -> None:
        alias = f"m_{month.replace('-', '_')}"
        path = self._path(month)
        columns = ", ".join(f'"{name}" {kind}' for name, kind in _COLUMNS.items())
        marks = "spool_id varchar primary key, last_id bigint not null"
        try:
            self._connection.execute(f"attach '{path}' as {alias}")
            self._connection.execute(f"create table if not exists {alias}.event ({columns})")
            self._connection.execute(f"create table if not exists {alias}.spool_mark ({marks})")
            self._add_columns(alias)
        except duckdb.Error as error:
            self._connection.execute(f"detach database if exists {alias}")
            raise Unavailable(f"The event log's file {path} cannot be opened: {error}") from error
        path.chmod(0o600)
        self._months[month] = alias

    def _add_columns(self, alias: str) -> None:
        """Give a file that an earlier version made the columns that have come since; their values are empty."""
        found = self._connection.execute(
            "select column_name from duckdb_columns() where database_name = ? and table_name = 'event'", [alias]
        )
        there = {row[0] for row in found.fetchall()}
        for name in _COLUMNS:
            if name not in there:
                kind = f"{_COLUMNS[name]} default {DEFAULTS[name]}"
                self._connection.execute(f'alter table {alias}.event add column if not exists "{name}" {kind}')

    def _detach(self, month: str) -> None:
        alias = self._months.pop(month)
        self._show()
        self._connection.execute(f"checkpoint {alias}")
        self._connection.execute(f"detach {alias}")

    def _unlink(self, month: str) -> None:
        path = self._path(month)
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)

    def _show(self) -> None:
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        sources = [f"{alias}.event" for _, alias in sorted(self._months.items())] or ["memory.nothing"]
        selects = " union all ".join(f"select {names} from {source}" for source in sources)
        self._connection.execute(f"create or replace view memory.event as {selects}")

    def _path(self, month: str) -> Path:
        if not _MONTH.fullmatch(month):
            raise ValueError(f"{month!r} is no month")
        return self._folder / f"{month}.duckdb"

    def _count(self, condition: str, values: list[Any]) -> int:
        return int(self._fetch(f"select count(*) from event where {condition}", values)[0][0])

    def _hits(self, condition: str, values: list[Any], limit: int | None = None) -> list[Hit]:
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        tail = f" limit {int(limit)}" if limit is not None else ""
        rows = self._fetch(f"select {names} from event where {condition} order by occurred_at, hit_id{tail}", values)
        return [Hit(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def _fetch(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self.reading():
            return self._connection.cursor().execute(sql, values).fetchall()


class _Gate:
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


def _insert(
    cursor: duckdb.DuckDBPyConnection, alias: str, file: str, spool_id: str, last_id: int, *, deduplicate: bool
) -> int:
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    # Rows are spooled without what has its default.
    values = ", ".join(
        f'coalesce("{name}", {DEFAULTS[name]})' if name in DEFAULTS else f'"{name}"' for name in _COLUMNS
    )
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in _COLUMNS.items())
    source = f"read_json('{file}', format = 'newline_delimited', columns = {{{types}}})"
    # The same row may be twice in the batch too, where an interrupted import began again.
    unseen = (
        f" where hit_id not in (select hit_id from {alias}.event) qualify row_number() over (partition by hit_id) = 1"
    )
    cursor.execute("begin")
    try:
        inserted = cursor.execute(
            f"insert into {alias}.event ({names}) select {values} from {source}{unseen if deduplicate else ''}"
        )
        count = _one(inserted)
        cursor.execute(f"insert or replace into {alias}.spool_mark values (?, ?)", [spool_id, last_id])
        cursor.execute("commit")
    except BaseException:
        cursor.execute("rollback")
        raise
    return count


def _one(result: duckdb.DuckDBPyConnection) -> int:
    row = result.fetchone()
    return int(row[0]) if row else 0


def _naive(moment: datetime) -> datetime:
    """The log's times are UTC without offset."""
    return moment.replace(tzinfo=None)
