"""The event log in DuckDB: a folder of files behind one view.

Months are files because only a rewritten file forgets: after a delete and a checkpoint the rows' 64-bit values still
stand in it. So retention drops whole files where it can, and a deletion marks its files, which `compact` then copies
without the deleted rows, swaps and unlinks.

What came last stands in small files of its own beside its month's (``2026-11.1.duckdb``), since that is where almost
all deletions are: a visit whose visitor signs in is of today. `fold` puts them into their month when they are older.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from duckdb_engine import ConnectionWrapper
from sqlalchemy import Engine, Select, create_engine
from sqlalchemy.pool import NullPool

from webmon.domain.hit import Basis, Hit, encode_hit
from webmon.domain.remainder import Cell
from webmon.stores.events.files import COLUMNS, LogFiles
from webmon.stores.events.schema import DEFAULTS
from webmon.stores.folders import make_folder
from webmon.stores.ports.events import EVENT, Chunk, VisitSeen

# A file of recent rows is rewritten in a tenth of a second at this size; where there are many rows it may be larger,
# so that there are never many files.
RECENT_ROWS = 20_000
RECENT_FILES = 16
CHECKPOINT = "2MB"
_IS_RECAST = "e.site_id = ? and e.basis = ? and " + " and ".join(f'e."{name}" = r."{name}"' for name in Cell._fields)


class DuckDBEventLog:
    """One process at a time holds the folder; within it, any number of threads."""

    def __init__(self, folder: Path, memory: str = "120MB") -> None:
        make_folder(folder)
        self._folder = folder
        self._scratch = folder / "tmp"
        self._scratch.mkdir(mode=0o700, exist_ok=True)
        for left in self._scratch.iterdir():
            left.unlink()
        self._write = threading.RLock()
        config: dict[str, Any] = {"memory_limit": memory, "threads": 2, "temp_directory": str(self._scratch)}
        self._connection = duckdb.connect(":memory:", config=config)
        self._connection.execute("set enable_progress_bar = false")
        # Rows that are in the write-ahead log alone are in memory too, some five times as large as on the disk.
        self._connection.execute(f"set checkpoint_threshold = '{CHECKPOINT}'")
        self._engine = create_engine(
            "duckdb://",
            creator=lambda: ConnectionWrapper(self._connection.cursor()),
            poolclass=NullPool,
            hide_parameters=True,
        )
        self._revision = 0
        self._files = LogFiles(folder, self._scratch, self._connection, self._write)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine that reads the view `event`; use it within `reading`."""
        return self._engine

    @property
    def months(self) -> list[str]:
        return sorted({name[:7] for name in self._files.open})

    @property
    def revision(self) -> int:
        """Another number after every change: as long as it is the same, so are all figures."""
        return self._revision

    def faults(self) -> list[str]:
        """Return what is wrong with the files of months, tried just now; nothing where all are open."""
        return self._files.faults()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the files in place while a query runs; raises `Unavailable` while one cannot be opened.

        Figures without a month, or a deletion that leaves one out, would be wrong in silence.
        """
        self._files.demand_all()
        with self._files.gate.shared():
            yield

    def rows(self, statement: Select[Any]) -> list[tuple[Any, ...]]:
        """Run one query on the view and return all its rows."""
        with self.reading(), self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(statement)]

    # Writing

    def mark(self, spool_id: str, month: str) -> int:
        """Return the last number of the spool that the month holds already, 0 where there is none."""
        with self._write:
            marks = [self._mark(alias, spool_id) for alias in self._files.of_month(month).values()]
        return max(marks, default=0)

    def append(self, spool_id: str, chunk: Chunk, *, deduplicate: bool = False) -> int:
        """Store rows above the mark, move the mark with them, and return how many rows came to stand.

        Each file remembers, in the transaction that adds rows, the last number it took from each spool. With
        `deduplicate`, rows whose `hit_id` the month holds already are left out too.
        """
        with self._write, tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".ndjson") as file:
            if self.mark(spool_id, chunk.month) >= chunk.last_id:
                return 0
            file.write(chunk.lines)
            file.flush()
            # What is imported is not of today: it goes where it will stay.
            name = chunk.month if deduplicate else self._newest(chunk.month)
            alias = self._files.database(name)
            known = list(self._files.of_month(chunk.month).values()) if deduplicate else []
            cursor = self._connection.cursor()
            with _transaction(cursor):
                count = _insert(cursor, alias, file.name, known)
                cursor.execute(f"insert or replace into {alias}.spool_mark values (?, ?)", [spool_id, chunk.last_id])
            self._revision += 1
        return count

    def forget_spool(self, spool_id: str) -> None:
        """Drop what is remembered of a spool that is gone for good."""
        with self._write:
            for alias in self._files.open.values():
                self._connection.execute(f"delete from {alias}.spool_mark where spool_id = ?", [spool_id])

    def fold(self, before: datetime) -> int:
        """Put the files of recent rows that are all older into their months; return how many there were."""
        count = 0
        for name in [name for name in sorted(self._files.open) if "." in name]:
            with self._write:
                newest = self._connection.execute(
                    f"select max(occurred_at) from {self._files.open[name]}.event"
                ).fetchone()
                young = newest is not None and newest[0] is not None and newest[0] >= _naive(before)
                if not young and not self._files.mark_of_deletion(name).exists():
                    self._fold(name)
                    count += 1
        return count

    def replace(self, rows: Mapping[int, Hit | None], since: datetime) -> int:
        """Put each row's remainder in its place, or nothing, by hit id; return how many rows went.

        They are looked for at or after `since`. In each file both are one transaction: a row is there, or what is
        left of it, whatever interrupts this. The files are marked for `compact`.
        """
        self._files.demand_all()
        total = 0
        with self._write:
            for name, alias in self._files.open.items():
                found = self._connection.execute(
                    f"select hit_id from {alias}.event where occurred_at >= ? and hit_id in (select unnest(?))",
                    [_naive(since), list(rows)],
                ).fetchall()
                if found:
                    self._replace(name, alias, [row[0] for row in found], rows)
                    total += len(found)
        return total

    def delete_visit(self, site_id: int, visit_id: int) -> int:
        """Delete the rows of one visit, mark their files for `compact`, and return how many there were."""
        return self._delete("site_id = ? and visit_id = ?", [site_id, visit_id])

    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Delete the visitors' rows that were collected under consent, mark their files, return how many."""
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

    def recast(self, site_id: int, changes: Mapping[Cell, Cell | None]) -> int:
        """Say less of remainders: those of a cell become those of another, or go; return how many rows were changed.

        The files are marked for `compact`.
        """
        self._files.demand_all()
        total = 0
        with self._write:
            cursor = self._connection.cursor()
            self._list_changes(cursor, changes)
            for name, alias in self._files.open.items():
                rows = f"from {alias}.event e, memory.recast r where {_IS_RECAST}"
                values = [site_id, Basis.DEIDENTIFIED]
                count = _one(cursor.execute(f"select count(*) {rows}", values))
                if not count:
                    continue
                self._files.mark_of_deletion(name).touch()
                sets = ", ".join(f'"{column}" = r.new_{column}' for column in Cell._fields)
                with _transaction(cursor):
                    # First what goes: what is changed may come to be like it.
                    cursor.execute(
                        f"delete from {alias}.event e using memory.recast r where {_IS_RECAST} and r.gone", values
                    )
                    cursor.execute(
                        f"update {alias}.event e set {sets} from memory.recast r where {_IS_RECAST} and not r.gone",
                        values,
                    )
                total += count
            cursor.execute("drop table memory.recast")
            self._revision += 1
        return total

    def compact(self) -> list[str]:
        """Rewrite the files that deletions have touched, so that nothing of the deleted rows is on disk.

        Returns their months. Interrupted anywhere, the marks stay and the next call does the work again.
        """
        done = set()
        for mark in sorted(self._folder.glob("*.dirty")):
            with self._write:
                if mark.stem in self._files.broken:
                    continue  # the mark stays until the file is back
                if mark.stem in self._files.open:
                    self._files.rewrite(mark.stem)
                mark.unlink(missing_ok=True)
            done.add(mark.stem[:7])
        return sorted(done)

    def checkpoint(self) -> None:
        """Fold the write-ahead logs into their files."""
        with self._write:
            for alias in self._files.open.values():
                self._connection.execute(f"checkpoint {alias}")

    def close(self) -> None:
        with self._write, self._files.gate.exclusive():
            for alias in self._files.open.values():
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

    def visits_hits(self, visit_ids: Collection[int], since: datetime) -> list[Hit]:
        """Return the rows of these visits at or after `since`; visits are drawn, so no two sites share one."""
        condition = "occurred_at >= ? and visit_id in (select unnest(?))"
        return self._hits(condition, [_naive(since), list(visit_ids)]) if visit_ids else []

    def consented_hits(self, site_id: int, visitor_ids: Collection[int], since: datetime) -> list[Hit]:
        """Return the visitors' rows at or after `since` that were collected under consent."""
        condition = "site_id = ? and occurred_at >= ? and visitor_id in (select unnest(?)) and basis = ?"
        return self._hits(condition, [site_id, _naive(since), list(visitor_ids), Basis.CONSENT])

    def page_visitors(
        self, site_id: int, pages: Collection[str], sections: Collection[str], names: Collection[str], since: datetime
    ) -> list[tuple[str, str, int]]:
        """Return host, page or section or (after `EVENT`) name of an event, and its visitors at or after `since`."""
        section = "'/' || split_part(pathname, '/', 2) || '/*'"
        places = {"pathname": pages, section: sections, f"'{EVENT}' || name": [EVENT + name for name in names]}
        return [
            row
            for place, wanted in places.items()
            for row in self._fetch(
                f"select hostname, {place} as place, count(distinct visitor_id) from event"
                f" where site_id = ? and occurred_at >= ? and {place} in (select unnest(?)) group by all",
                [site_id, _naive(since), list(wanted)],
            )
            if wanted
        ]

    def remainders(self, site_id: int, since: datetime) -> list[tuple[Cell, int]]:
        """Return what remainders say, each with its visitor of the day, at or after `since`."""
        names = ", ".join(f'"{name}"' for name in Cell._fields)
        rows = self._fetch(
            f"select distinct {names}, visitor_id from event where site_id = ? and basis = ? and occurred_at >= ?",
            [site_id, Basis.DEIDENTIFIED, _naive(since)],
        )
        return [(Cell(*row[:-1]), row[-1]) for row in rows]

    def recent_visits(self, since: datetime) -> list[VisitSeen]:
        """Return every visit with a row at or after `since`, for visits to go on across a restart.

        When a visit began is said truly, however long ago it was.
        """
        rows = self._fetch(
            "select site_id, visitor_id, visit_id, min(occurred_at), max(occurred_at) from event"
            " where visit_id in (select visit_id from event where occurred_at >= ? and basis <> ?) group by all",
            [_naive(since), Basis.DEIDENTIFIED],
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
        self._files.demand_all()
        with self._write:
            for name, alias in self._files.open.items():
                found = self._connection.execute(f"select count(*) from {alias}.event where {condition}", values)
                if not _one(found):
                    continue
                # Marked first: a crash after the delete must not leave an unmarked file behind.
                self._files.mark_of_deletion(name).touch()
                deleted = self._connection.execute(f"delete from {alias}.event where {condition}", values)
                total += _one(deleted)
                self._revision += 1
        return total

    def _replace(self, name: str, alias: str, found: Sequence[int], rows: Mapping[int, Hit | None]) -> None:
        left = [row for row in (rows[number] for number in found) if row is not None]
        self._files.mark_of_deletion(name).touch()
        cursor = self._connection.cursor()
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".ndjson") as file:
            file.write(b"\n".join(map(encode_hit, left)))
            file.flush()
            with _transaction(cursor):
                cursor.execute(f"delete from {alias}.event where hit_id in (select unnest(?))", [list(found)])
                if left:
                    _insert(cursor, alias, file.name)
        self._revision += 1

    def _list_changes(self, cursor: duckdb.DuckDBPyConnection, changes: Mapping[Cell, Cell | None]) -> None:
        lines = []
        for cell, other in changes.items():
            after = {f"new_{name}": value for name, value in (other or cell)._asdict().items()}
            lines.append(msgspec.json.encode({**cell._asdict(), **after, "gone": other is None}))
        kinds = {name: COLUMNS[name] for name in Cell._fields}
        kinds |= {f"new_{name}": kind for name, kind in kinds.items()}
        types = ", ".join(f"'{name}': '{kind}'" for name, kind in (kinds | {"gone": "BOOLEAN"}).items())
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".ndjson") as file:
            file.write(b"\n".join(lines))
            file.flush()
            source = f"read_json('{file.name}', format = 'newline_delimited', columns = {{{types}}})"
            cursor.execute(f"create or replace table memory.recast as select * from {source}")

    def _drop_empty_months(self) -> None:
        with self._write:
            for month in self.months:
                files = self._files.of_month(month)
                if any(self._row_count(alias) for alias in files.values()):
                    continue  # a file knows how far its month has taken from spools: all go, or none
                with self._files.gate.exclusive():
                    for name in files:
                        self._files.remove(name)
                for name in files:
                    self._files.mark_of_deletion(name).unlink(missing_ok=True)

    def _newest(self, month: str) -> str:
        """Return the file that takes the month's next rows, another one where the last is large enough."""
        recent = {int(name[8:]): alias for name, alias in self._files.of_month(month).items() if "." in name}
        last = max(recent, default=0)
        if last:
            counts = {number: self._row_count(alias) for number, alias in recent.items()}
            if counts[last] < max(RECENT_ROWS, sum(counts.values()) // RECENT_FILES):
                return f"{month}.{last}"
            # It takes no more rows: those that its write-ahead log still has need not be in memory any longer.
            self._connection.execute(f"checkpoint {recent[last]}")
        return f"{month}.{last + 1}"

    def _fold(self, name: str) -> None:
        """The month's file says in the transaction that it has the rows: from then on the other holds nothing."""
        alias, month = self._files.open[name], self._files.database(name[:7])
        names = ", ".join(f'"{column}"' for column in COLUMNS)
        cursor = self._connection.cursor()
        cursor.execute("begin")
        try:
            cursor.execute(f"insert into {month}.event ({names}) select {names} from {alias}.event")
            cursor.execute(
                f"insert into {month}.spool_mark select spool_id, last_id from {alias}.spool_mark"
                " on conflict do update set last_id = greatest(last_id, excluded.last_id)"
            )
            cursor.execute(f"insert into {month}.folded values (?)", [name])
        except BaseException:  # an interrupt too: what is half done would be committed with the next
            cursor.execute("rollback")
            raise
        with self._files.gate.exclusive():
            cursor.execute("commit")
            self._files.remove(name)
        self._connection.execute(f"delete from {month}.folded where name = ?", [name])
        self._connection.execute(f"checkpoint {month}")

    def _mark(self, alias: str, spool_id: str) -> int:
        found = self._connection.execute(
            f"select last_id from {alias}.spool_mark where spool_id = ?", [spool_id]
        ).fetchone()
        return int(found[0]) if found else 0

    def _row_count(self, alias: str) -> int:
        return _one(self._connection.execute(f"select count(*) from {alias}.event"))

    def _count(self, condition: str, values: list[Any]) -> int:
        return int(self._fetch(f"select count(*) from event where {condition}", values)[0][0])

    def _hits(self, condition: str, values: list[Any], limit: int | None = None) -> list[Hit]:
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        tail = f" limit {int(limit)}" if limit is not None else ""
        rows = self._fetch(f"select {names} from event where {condition} order by occurred_at, hit_id{tail}", values)
        return [Hit(**dict(zip(COLUMNS, row, strict=True))) for row in rows]

    def _fetch(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self.reading():
            return self._connection.cursor().execute(sql, values).fetchall()


@contextmanager
def _transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    cursor.execute("begin")
    try:
        yield
        cursor.execute("commit")
    except BaseException:  # an interrupt too: what is half done would be committed with the next
        cursor.execute("rollback")
        raise


def _insert(cursor: duckdb.DuckDBPyConnection, alias: str, file: str, known: Sequence[str] = ()) -> int:
    """Insert rows from a file of JSON, but those whose hit id one of the databases `known` holds."""
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    # Rows are spooled without what has its default.
    values = ", ".join(
        f'coalesce("{name}", {DEFAULTS[name]})' if name in DEFAULTS else f'"{name}"' for name in COLUMNS
    )
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    source = f"read_json('{file}', format = 'newline_delimited', columns = {{{types}}})"
    unseen = ""
    if known:
        there = " union all ".join(f"select hit_id from {one}.event" for one in known)
        # The same row may be twice in the batch too, where an interrupted import began again.
        unseen = f" where hit_id not in ({there}) qualify row_number() over (partition by hit_id) = 1"
    return _one(cursor.execute(f"insert into {alias}.event ({names}) select {values} from {source}{unseen}"))


def _one(result: duckdb.DuckDBPyConnection) -> int:
    row = result.fetchone()
    return int(row[0]) if row else 0


def _naive(moment: datetime) -> datetime:
    """The log's times are UTC without offset."""
    return moment.replace(tzinfo=None)
