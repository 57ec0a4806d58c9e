"""The server's own spool: a file that takes what arrives, one that is on its way, and nothing lost between them."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from tests.support.rows import hit
from webmon.domain.hit import encode_hit
from webmon.errors import SpoolFull, Unavailable
from webmon.services import ingest
from webmon.services.ingest import Ingester
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.ports.events import Chunk
from webmon.stores.ports.spool import Remainder, SpooledEntry, SpoolEntry
from webmon.stores.spool import Spool
from webmon.stores.spools import SpoolFolder

NOVEMBER = datetime(2026, 11, 3, 12)  # noqa: DTZ001 - the log's times are UTC without offset
BATCH = 50
# SQLite's patience would be half a minute; this is for a machine that does much else.
HELD_SECONDS = 10
TraceFunction = Callable[[FrameType, str, Any], Any]


class NoAccounts:
    def promoted_visits(self) -> list[int]:
        return []

    def take(self, entries: Sequence[SpooledEntry]) -> list[Remainder]:
        raise AssertionError(entries)


class Serving:
    """A folder with its event log, opened anew as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = DuckDBEventLog(folder / "events")
        self.open()

    def open(self) -> None:
        self.spools = SpoolFolder(self.folder / "spool", 1_000_000, self.log)
        self.ingester = Ingester(self.spools.turn, self.log, NoAccounts(), threading.Lock())

    def reopen(self) -> None:
        self.spools.close()
        self.open()

    def close(self) -> None:
        self.spools.close()
        self.log.close()

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "spool").glob("*.db"))

    def stored(self) -> list[int]:
        found = self.log._connection.execute("select hit_id from event").fetchall()
        return sorted(row[0] for row in found)


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setattr(ingest, "BATCH", BATCH)
    made = Serving(tmp_path)
    yield made
    made.close()


def entries(*numbers: int, visitor: int = 1) -> list[SpoolEntry]:
    """Rows that are known by these numbers."""
    rows = [msgspec.structs.replace(hit(NOVEMBER, visitor=visitor), hit_id=number) for number in numbers]
    return [SpoolEntry(1, row.month, row.visit_id, row.hit_id, encode_hit(row)) for row in rows]


def test_what_arrives_and_what_is_moved_are_in_two_files(serving: Serving) -> None:
    serving.spools.append(entries(1, 2))
    (moving,) = serving.spools.turn()
    serving.spools.append(entries(3))
    assert (moving.count(), serving.spools.depth) == (2, 3)
    assert serving.files() == ["live-1.db", "live-2.db"]
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3]
    assert (serving.spools.depth, serving.files()) == (0, ["live-3.db"])


def test_a_file_that_holds_nothing_is_not_ended(serving: Serving) -> None:
    serving.ingester.drain()
    serving.ingester.drain()
    assert serving.files() == ["live-1.db"]


def test_nothing_of_what_has_moved_on_is_left_in_the_folder(serving: Serving) -> None:
    serving.spools.append(entries(1))
    looked_at = b'"pathname"'

    def found() -> bool:
        return any(looked_at in path.read_bytes() for path in (serving.folder / "spool").iterdir())

    assert found()
    serving.ingester.drain()
    assert not found()


def test_numbers_go_on_across_files_and_restarts(serving: Serving) -> None:
    """The event log takes no number twice: a file that began anew would lose what it holds."""
    name = serving.spools.node
    for number in range(1, 7):
        serving.spools.append(entries(number))
        serving.ingester.drain()
        if number % 2:
            serving.reopen()
    assert serving.stored() == [1, 2, 3, 4, 5, 6]
    assert serving.spools.node == name, "and it is the same node"


def test_a_crash_after_the_next_file_was_made_and_before_it_was_used(serving: Serving) -> None:
    serving.spools.append(entries(1, 2))
    serving.ingester.drain()
    serving.spools.append(entries(3))
    Spool(serving.folder / "spool" / "live-3.db", 10).close()  # as if it had got its file, and nothing more
    serving.reopen()
    serving.spools.append(entries(4))
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3, 4]


def test_files_that_were_left_are_moved_one_after_the_other(serving: Serving) -> None:
    """A later one's numbers are higher: moved in between, the rest of the earlier one would pass for taken."""
    serving.spools.append(entries(*range(1, BATCH + 3)))
    serving.spools.turn()
    serving.spools.append(entries(BATCH + 3))
    serving.reopen()
    serving.spools.append(entries(BATCH + 4))
    serving.reopen()
    serving.ingester.drain()
    assert serving.stored() == [*range(1, BATCH + 5)]
    assert len(serving.files()) == 1


def test_what_has_moved_on_of_a_long_file_is_not_moved_again(serving: Serving) -> None:
    serving.spools.append(entries(*range(1, BATCH + 3)))
    assert serving.ingester.run_once() == BATCH
    assert serving.spools.depth == 2
    serving.reopen()  # which has forgotten how far it had come
    serving.ingester.drain()
    assert serving.stored() == [*range(1, BATCH + 3)]


def test_a_file_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    earlier = Spool(tmp_path / "spool" / "live.db", 100)
    earlier.append(entries(1, 2))
    name = earlier.id
    earlier.close()
    serving = Serving(tmp_path)
    serving.spools.append(entries(3))
    serving.ingester.drain()
    assert (serving.stored(), serving.spools.node) == ([1, 2, 3], name)
    assert serving.files() == ["live-2.db"]
    serving.close()


def test_an_ended_file_that_an_erasure_has_emptied_holds_nothing_up(serving: Serving) -> None:
    serving.spools.append(entries(1, visitor=77))
    serving.spools.turn()
    assert serving.spools.delete_consented(1, [77]) == 1
    serving.spools.append(entries(2))
    serving.ingester.drain()
    assert (serving.stored(), serving.files()) == ([2], ["live-3.db"])


def test_what_has_moved_on_and_stands_in_the_file_still_is_erased_and_not_counted(serving: Serving) -> None:
    serving.spools.append(entries(1, 2, 3, visitor=77))
    (moving,) = serving.spools.turn()
    moving.delete_through(2, 2)
    assert moving.waiting([1], []) == ({1}, set()), "no promotion is told as done while the file holds its rows"
    assert moving.delete_consented(1, [77]) == 1
    assert moving.waiting([1], []) == (set(), set())


def test_the_bound_is_for_all_that_waits(tmp_path: Path) -> None:
    log = DuckDBEventLog(tmp_path / "events")
    spools = SpoolFolder(tmp_path / "spool", 5, log)
    spools.append(entries(1, 2, 3))
    spools.turn()
    spools.append(entries(4, 5))
    with pytest.raises(SpoolFull):
        spools.append(entries(6))
    (moving,) = spools.turn()
    moving.delete_through(3, 3)
    spools.append(entries(6))
    assert spools.depth == 3
    spools.close()
    log.close()


def test_at_no_moment_while_another_file_is_begun_does_a_hit_count_twice(tmp_path: Path) -> None:
    log = DuckDBEventLog(tmp_path / "events")
    spools = SpoolFolder(tmp_path / "spool", 10, log)
    spools.append(entries(*range(6)))
    depths: set[int] = set()

    def each_line(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        if not frame.f_code.co_filename.endswith("/stores/spools.py"):
            return None
        if event == "line":
            sys.settrace(None)
            depths.add(spools.depth)
            sys.settrace(each_line)
        return each_line

    before = sys.gettrace()
    sys.settrace(each_line)
    try:
        spools.turn()
    finally:
        sys.settrace(before)
    assert depths == {6}
    spools.close()
    log.close()


def test_the_event_log_that_cannot_take_any_ends_one_file_alone(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(spool_id: str, part: Chunk, *, deduplicate: bool) -> int:
        raise Unavailable("No room")

    serving.spools.append(entries(1))
    with monkeypatch.context() as patched:
        patched.setattr(serving.log, "append", refuse)
        for number in range(2, 5):
            with pytest.raises(Unavailable):
                serving.ingester.run_once()
            serving.spools.append(entries(number))
    assert serving.files() == ["live-1.db", "live-2.db"]
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3, 4]


def test_a_crash_while_a_file_is_removed_leaves_nothing_of_it(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.spools.append(entries(1, 2))
    unlink, left = Path.unlink, serving.folder / "left"

    def crash(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == "live-1.db" and not left.exists():
            shutil.copytree(serving.folder / "spool", left)
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", crash)
        serving.ingester.run_once()
    serving.spools.close()
    shutil.rmtree(serving.folder / "spool")
    left.rename(serving.folder / "spool")  # as the process that ended there has left it
    assert "live-1.db" in serving.files()
    assert b'"pathname"' not in b"".join(path.read_bytes() for path in (serving.folder / "spool").iterdir())
    serving.open()
    serving.spools.append(entries(3))
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3]
    assert len(serving.files()) == 1


def test_a_file_begins_with_room_for_what_the_one_before_held(serving: Serving) -> None:
    serving.spools.append(entries(*range(1, 101)))
    before = _log_bytes(serving)
    serving.ingester.drain()
    assert before <= _log_bytes(serving) <= 4 * before
    # Room that was set aside and not used is no entry.
    serving.spools.append(entries(101))
    serving.reopen()
    serving.ingester.drain()
    assert serving.stored() == [*range(1, 102)]


def test_without_room_to_spare_it_goes_on_all_the_same(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    serving.spools.append(entries(1, 2))
    monkeypatch.setattr("os.pwrite", full)
    serving.ingester.drain()
    serving.spools.append(entries(3))
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3]


def _log_bytes(serving: Serving) -> int:
    (log,) = (serving.folder / "spool").glob("live-*.db-wal")
    return log.stat().st_size


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("webmon.stores.spool", "connect"),
        ("webmon.stores.spool", "set_up"),
        ("webmon.stores.spool", "make_durable"),
        ("webmon.stores.spool.Spool", "count_from"),
    ],
)
@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("database or disk is full"), OSError(24, "Too many files")]
)
def test_where_another_file_cannot_be_begun_this_one_goes_on(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, where: str, name: str, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    serving.spools.append(entries(1))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(f"{where}.{name}", fail)
        for number in (2, 3):
            with pytest.raises(type(error)):
                serving.ingester.run_once()
            serving.spools.append(entries(number))
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors, "nothing that was begun is left open"
    serving.ingester.drain()
    # And what comes then has a place: the file that took hits meanwhile was not taken for one that had ended.
    for number in (4, 5):
        serving.spools.append(entries(number))
        serving.ingester.drain()
        serving.ingester.drain()
    assert serving.stored() == [1, 2, 3, 4, 5]
    serving.reopen()
    serving.spools.append(entries(6))
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3, 4, 5, 6]


def test_who_appends_meanwhile_waits_for_the_next_file_and_does_not_ask_over_and_over(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.spools.append(entries(1))
    live, tried, end = serving.spools.all()[0], threading.Event(), Spool.end
    append, tries = Spool.append, list[int]()

    def counted(spool: Spool, rows: Sequence[SpoolEntry]) -> None:
        if spool is live:
            tries.append(1)
        append(spool, rows)
        tried.set()

    def slowly(spool: Spool, successor: Spool) -> None:
        end(spool, successor)
        appending.start()
        assert not tried.wait(0.3), "it has ended, and no other has taken its place"

    monkeypatch.setattr(Spool, "append", counted)
    monkeypatch.setattr(Spool, "end", slowly)
    appending = threading.Thread(target=serving.spools.append, args=(entries(2),))
    serving.spools.turn()
    appending.join(10)
    assert len(tries) == 1
    monkeypatch.undo()
    serving.ingester.drain()
    assert serving.stored() == [1, 2]


@pytest.mark.parametrize("again", ["the next wipe", "a restart"])
def test_what_is_erased_and_could_not_be_written_over_is_not_forgotten(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    secret = b"/a-page-that-was-looked-at"
    row = msgspec.structs.replace(hit(NOVEMBER, visitor=77), pathname=secret.decode())
    serving.spools.append([SpoolEntry(1, row.month, row.visit_id, row.hit_id, encode_hit(row))])

    def there() -> bool:
        return any(secret in path.read_bytes() for path in (serving.folder / "spool").iterdir())

    live = serving.spools.all()[0]
    (pages,) = live._reader.execute("pragma page_count").fetchone()
    reading = sqlite3.connect(live.path, isolation_level=None)
    reading.execute("begin")
    reading.execute("select count(*) from hit").fetchone()  # as long as somebody reads, the log cannot be emptied
    began = time.monotonic()
    with pytest.raises(Unavailable):
        serving.spools.delete_consented(1, [77])
    assert time.monotonic() - began < HELD_SECONDS, "meanwhile nobody can append"
    assert there()
    assert (serving.spools.depth, pages > 0) == (0, True)
    if again == "a restart":
        shutil.copytree(serving.folder / "spool", serving.folder / "left")
        reading.close()
        serving.spools.close()
        shutil.rmtree(serving.folder / "spool")
        (serving.folder / "left").rename(serving.folder / "spool")  # as a process that is killed leaves it
        serving.open()
        assert there()
    else:
        with pytest.raises(Unavailable):
            serving.spools.wipe()
        reading.close()
    assert serving.spools.delete_consented(1, [77]) == 0, "asked for once more, there is nothing to delete"
    serving.spools.wipe()
    assert not there()


def test_what_is_asked_for_after_the_end_is_refused_and_removes_nothing(serving: Serving) -> None:
    """Threads that answer requests may be left when the server ends."""
    serving.spools.append(entries(1, 2, visitor=77))
    (ended,) = serving.spools.turn()
    serving.spools.append(entries(3))
    live = serving.spools.all()[0]
    serving.spools.close()
    folder: list[Callable[[], object]] = [
        serving.spools.all,
        serving.spools.turn,
        lambda: serving.spools.waiting([1], []),
        lambda: serving.spools.holds_consented(1, [77]),
        lambda: serving.spools.holds_account(1),
        lambda: serving.spools.delete_consented(1, [77]),
        lambda: serving.spools.append(entries(4)),
    ]
    files: list[Callable[[], object]] = [
        ended.count,
        ended.remove,
        lambda: ended.spent,
        lambda: ended.delete_through(2, 2),
        lambda: ended.delete_consented(1, [77]),
        lambda: live.append(entries(4)),
        lambda: live.delete_through(3, 1),
    ]
    for ask in folder + files:
        with pytest.raises(Unavailable):
            ask()
    serving.spools.close()
    assert serving.files() == ["live-1.db", "live-2.db"]
    serving.open()
    serving.ingester.drain()
    assert serving.stored() == [1, 2, 3]


def test_an_erasure_that_comes_after_the_end_is_not_told_as_done(serving: Serving) -> None:
    serving.spools.append(entries(1, visitor=77))
    live = serving.spools.all()[0]
    live._to_wipe = True
    serving.spools.close()
    with pytest.raises(Unavailable):
        serving.spools.wipe()


def test_of_a_file_that_was_removed_nothing_waits(serving: Serving) -> None:
    """Whoever had listed the files before may still ask this one."""
    serving.spools.append(entries(1, visitor=77))
    (ended,) = serving.spools.turn()
    serving.ingester.drain()
    assert (ended.removed, ended.count(), ended.delete_consented(1, [77])) == (True, 0, 0)
    ended.wipe()
    ended.remove()


def test_one_file_that_cannot_be_closed_keeps_no_other_open(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.spools.append(entries(1))
    serving.spools.turn()
    live, ended = serving.spools.all()
    closed: list[Spool] = []

    def close(spool: Spool) -> None:
        closed.append(spool)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "close", close)
        with pytest.raises(sqlite3.OperationalError):
            serving.spools.close()
    assert {*closed} == {live, ended}


def test_an_erasure_that_somebody_locks_out_is_told_so_and_keeps_no_hit_waiting(serving: Serving) -> None:
    serving.spools.append(entries(1, visitor=77))
    locking = sqlite3.connect(serving.spools.all()[0].path, isolation_level=None)
    locking.execute("begin immediate")
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"live-1\.db cannot be used just now"):
        serving.spools.delete_consented(1, [77])
    with pytest.raises(Unavailable):
        serving.spools.append(entries(2))
    assert time.monotonic() - began < HELD_SECONDS
    locking.close()
    assert serving.spools.delete_consented(1, [77]) == 1


def test_who_appends_while_files_are_ended_is_stored_once(serving: Serving) -> None:
    over = threading.Event()

    def turning() -> None:
        while not over.is_set():
            serving.ingester.run_once()

    def appending(thread: int) -> None:
        for number in range(60):
            serving.spools.append(entries(1 + thread * 1000 + number))

    moving = threading.Thread(target=turning)
    moving.start()
    threads = [threading.Thread(target=appending, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    moving.join()
    serving.ingester.drain()
    expected = [1 + thread * 1000 + number for thread in range(4) for number in range(60)]
    assert serving.stored() == sorted(expected)
