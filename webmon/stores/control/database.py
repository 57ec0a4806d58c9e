"""Opening the control database, and one transaction of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, inspect, text
from sqlalchemy.orm import Session

from webmon.errors import Unavailable
from webmon.stores.broken import is_hindered, is_of_the_file
from webmon.stores.ports import Unit

MIGRATIONS = Path(__file__).parent / "migrations"
log = structlog.get_logger()
T = TypeVar("T")
# Temporary files would stand outside of the data folder.
_PRAGMAS = (
    "journal_mode = wal",
    "synchronous = full",
    "foreign_keys = on",
    "secure_delete = on",
    "temp_store = memory",
)
_BUSY_MILLISECONDS = 30_000
_SCRUB_MILLISECONDS = 2000


class ControlDatabase:
    """SQLite (WAL) by default; any URL that SQLAlchemy takes beyond one machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        # Of its own, and with room for everybody: who reads must not wait for a connection either, while all that
        # there are wait for who writes.
        self._reads = _engine(url, "begin", max_overflow=-1)

    def migrate(self, finish: Callable[[Session, str], None] = lambda _session, _found: None) -> None:
        """Bring the schema to the newest version; a database without tables gets them all.

        `finish` is given the version that was found, empty for none, in the same transaction. Raises `Unavailable`
        where a newer webmon has brought it further than this one knows.
        """
        with self._reads.connect() as connection:
            found, newest = _version(connection), newest_version()
        if found == newest:
            return
        if found > newest:
            raise Unavailable(
                f"{self.engine.url.database} is at version {found}, of a newer webmon; this one knows none beyond "
                f"{newest}. Install the newer one again, or put the whole data folder back from a backup of before"
            )
        # Not loaded where there is nothing to do: every command passes here, and it takes long.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            with Session(connection) as session:
                finish(session, found)
                session.flush()

    @contextmanager
    def session(self, *, reads: bool = False) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back by an exception.

        One that only `reads` waits for nobody who writes, and has nothing to commit: that would fail where a damaged
        row was read, whatever was found out about it.
        """
        if reads:
            with Session(self._reads) as session:
                yield session
            return
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def unit(self, repository: Callable[[Session], T]) -> Unit[T]:
        """Return what a service needs: what opens one transaction of the repository."""
        return _Unit(self, repository)

    def faults(self) -> list[str]:
        """Return what is wrong with the database: nothing, where it is whole and at the newest version."""
        with self._reads.connect() as connection:
            found, newest = _version(connection), newest_version()
            faults = [] if found == newest else [f"is at version {found or 'none'}, not at {newest}"]
            if self.engine.dialect.name == "sqlite":
                told = [row[0] for row in connection.exec_driver_sql("pragma integrity_check")]
                faults += [fault for fault in told if fault != "ok"]
        return faults

    def scrub(self, tries: int = 1) -> None:
        """Empty the write-ahead log, so that deleted rows are in no file (`secure_delete` has zeroed the rest).

        Raises `Unavailable` where somebody reads what was before, at each of the `tries`: to be done again.
        """
        if self.engine.dialect.name != "sqlite" or any(self._empty_log() for _ in range(tries)):
            return
        raise Unavailable("What was deleted is still in the write-ahead log: somebody reads the control database")

    def _empty_log(self) -> bool:
        # Below SQLAlchemy, which would begin a transaction first: within one there is no checkpoint.
        connection = self.engine.raw_connection()
        cursor = connection.cursor()
        try:
            # Whoever writes waits as long as this does.
            cursor.execute(f"pragma busy_timeout = {_SCRUB_MILLISECONDS}")
            (is_busy, *_), *_ = cursor.execute("pragma wal_checkpoint(truncate)").fetchall()
        finally:
            cursor.execute(f"pragma busy_timeout = {_BUSY_MILLISECONDS}")
            connection.close()
        return not is_busy

    def scrub_or_later(self) -> None:
        """Do as `scrub` after what must not be told as undone: where somebody reads, the next checkpoint does it."""
        try:
            self.scrub()
        except Unavailable as error:
            log.warning("control.scrub_later", error=str(error))

    def close(self) -> None:
        self.engine.dispose()
        self._reads.dispose()


@dataclass(frozen=True, slots=True)
class _Unit(Generic[T]):
    database: ControlDatabase
    repository: Callable[[Session], T]

    @contextmanager
    def __call__(self) -> Iterator[T]:
        with self.database.session() as session:
            yield self.repository(session)

    @contextmanager
    def reading(self) -> Iterator[T]:
        with self.database.session(reads=True) as session:
            yield self.repository(session)


@dataclass(frozen=True, slots=True)
class Within(Generic[T]):
    """A unit within a transaction that is under way, and ends with it."""

    repository: T

    @contextmanager
    def __call__(self) -> Iterator[T]:
        yield self.repository

    reading = __call__


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def newest_version() -> str:
    """Return the version that the newest migration leads to: its file's name begins with it."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _version(connection: Connection) -> str:
    """Return the version that a database is at, empty where it has no tables yet."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("select version_num from alembic_version")).scalar() or "")


def _engine(url: str, begin: str = "begin immediate", **pool: int) -> Engine:
    """`begin` is how SQLite's transactions do: one that reads first and writes later could not wait its turn."""
    engine = create_engine(url, hide_parameters=True, **pool)  # what is stored is in no error message and no log
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "handle_error", _name_a_broken_file)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by hand (`_engine`).
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"pragma {pragma}")
    cursor.execute(f"pragma busy_timeout = {_BUSY_MILLISECONDS}")
    cursor.close()


def _name_a_broken_file(context: ExceptionContext) -> None:
    """Say which file is at fault and what to do, in the place of what the library says of a statement."""
    error = context.original_exception
    if context.engine is None:
        return
    path = context.engine.url.database
    if is_hindered(error):
        raise Unavailable(f"{path} cannot be written or read just now ({error}); nothing was changed") from error
    if is_of_the_file(error):
        raise Unavailable(
            f"{path} cannot be used ({error}). Stop webmon and put the whole data folder back from its last backup; "
            "keep what there is now, for nothing else knows what came since"
        ) from error
