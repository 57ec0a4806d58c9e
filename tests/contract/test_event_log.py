"""The event log: each row exactly once, however often it is offered; deleted rows are nowhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from tests.support.rows import hit, store
from webmon.domain.hit import Hit, encode_hit
from webmon.domain.remainder import Cell
from webmon.services.ingest import Ingester
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.ports.events import Chunk
from webmon.stores.ports.spool import Remainder, SpooledEntry, SpoolEntry
from webmon.stores.spool import Spool

# As rows hold their times: UTC without offset.
NOVEMBER, DECEMBER = (datetime(2026, *day, 10, tzinfo=UTC).replace(tzinfo=None) for day in ((11, 23), (12, 1)))


class NoAccounts:
    """Nobody has signed in."""

    def promoted_visits(self) -> Sequence[int]:
        return []

    def take(self, entries: Sequence[SpooledEntry]) -> Sequence[Remainder]:
        raise AssertionError(entries)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DuckDBEventLog]:
    made = DuckDBEventLog(tmp_path / "events")
    yield made
    made.close()


def chunk(hits: list[Hit], last: int) -> Chunk:
    return Chunk(hits[0].month, last, b"\n".join(encode_hit(one) for one in hits))


def in_files(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_chunk_offered_again_adds_nothing(log: DuckDBEventLog) -> None:
    first = chunk([hit(NOVEMBER), hit(NOVEMBER)], 2)
    assert log.append("spool", first) == 2
    assert log.append("spool", first) == 0
    assert log.append("spool", chunk([hit(DECEMBER)], 3)) == 1
    assert (log.mark("spool", "2026-11"), log.mark("spool", "2026-12")) == (2, 3)
    assert log.count(1) == 3
    assert log.months == ["2026-11", "2026-12"]


def test_two_spools_count_for_themselves(log: DuckDBEventLog) -> None:
    assert log.append("one", chunk([hit(NOVEMBER)], 1)) == 1
    assert log.append("two", chunk([hit(NOVEMBER)], 1)) == 1
    assert log.count(1) == 2


def test_a_crash_between_two_months_is_made_good_by_the_next_drain(
    log: DuckDBEventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool.db", 100)
    hits = [hit(NOVEMBER), hit(DECEMBER)]
    spool.append([SpoolEntry(1, one.month, one.visit_id, one.hit_id, encode_hit(one)) for one in hits])
    ingester = Ingester(lambda: [spool], log, NoAccounts(), threading.Lock())
    whole = log.append

    def stop(spool_id: str, part: Chunk, *, deduplicate: bool) -> int:
        if part.month == "2026-12":
            raise KeyboardInterrupt
        return whole(spool_id, part, deduplicate=deduplicate)

    monkeypatch.setattr(log, "append", stop)
    with pytest.raises(KeyboardInterrupt):
        ingester.run_once()
    monkeypatch.undo()
    assert (log.count(1), spool.count()) == (1, 2)
    assert ingester.run_once() == 2
    assert (log.count(1), spool.count()) == (2, 0)
    spool.close()


def test_the_same_row_from_another_file_is_known_where_asked_for(log: DuckDBEventLog) -> None:
    one = hit(NOVEMBER)
    assert log.append("first", chunk([one], 1), deduplicate=True) == 1
    assert log.append("second", chunk([one], 1), deduplicate=True) == 0


def test_rows_stay_across_restarts(tmp_path: Path) -> None:
    first = DuckDBEventLog(tmp_path / "events")
    store(first, [hit(NOVEMBER, visitor=5), hit(DECEMBER, visitor=5)])
    first.close()
    second = DuckDBEventLog(tmp_path / "events")
    assert [one.occurred_at for one in second.visitor_hits(1, 5)] == [NOVEMBER, DECEMBER]
    second.close()


def test_a_deleted_visit_is_in_no_file_once_its_month_is_rewritten(log: DuckDBEventLog, tmp_path: Path) -> None:
    pages = [hit(NOVEMBER, visit=7, pathname=f"/gone/{number}") for number in range(500)]
    store(log, [*pages, hit(NOVEMBER, visit=8, pathname="/stays")])
    log.checkpoint()
    assert in_files(tmp_path, b"/gone/")
    assert log.delete_visit(1, 7) == 500
    assert log.compact() == ["2026-11"]
    assert not in_files(tmp_path, b"/gone/")
    assert log.count(1) == 1
    assert log.compact() == []


def test_a_rewriting_that_was_interrupted_is_done_again(log: DuckDBEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    store(log, [hit(NOVEMBER, visit=7, pathname="/gone"), hit(NOVEMBER, visit=8)])
    log.delete_visit(1, 7)

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(log._files, "rewrite", stop)
    with pytest.raises(KeyboardInterrupt):
        log.compact()
    monkeypatch.undo()
    assert log.compact() == ["2026-11"]
    assert log.count(1) == 1


def test_a_month_without_rows_goes_as_a_file(log: DuckDBEventLog, tmp_path: Path) -> None:
    store(log, [hit(NOVEMBER), hit(NOVEMBER, site=2), hit(DECEMBER)])
    assert log.delete_before(1, datetime(2026, 12, 1, tzinfo=UTC)) == 1
    assert log.months == ["2026-11", "2026-12"], "another site's rows are in it"
    assert log.delete_before(2, datetime(2026, 12, 1, tzinfo=UTC)) == 1
    assert log.months == ["2026-12"]
    assert not [path for path in (tmp_path / "events").rglob("2026-11*") if path.is_file()]


# The columns of the first version, in its order.
FIRST_COLUMNS = """site_id integer, occurred_at timestamp, hit_id bigint, visitor_id bigint, visit_id bigint, name
varchar, hostname varchar, pathname varchar, referrer varchar, source varchar, medium varchar,
utm_source varchar, utm_medium varchar, utm_campaign varchar, utm_content varchar, utm_term varchar,
country varchar, provider varchar, browser varchar, browser_version varchar, os varchar, os_version
varchar, device varchar, interactive boolean, engagement_ms integer, scroll_pct integer, props
varchar, basis varchar, notice varchar"""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A folder with a month that the first version wrote, a row in it."""
    folder = tmp_path / "events"
    folder.mkdir()
    row = hit(NOVEMBER, country="DE")
    with duckdb.connect(str(folder / "2026-11.duckdb")) as file:
        file.execute(f"create table event ({FIRST_COLUMNS})")
        file.execute("create table spool_mark (spool_id varchar primary key, last_id bigint not null)")
        names = [part.split()[0] for part in FIRST_COLUMNS.split(",")]
        values = [getattr(row, name) for name in names]
        file.execute(f"insert into event values ({', '.join('?' * len(names))})", values)  # noqa: S608
    return folder


def test_a_month_of_an_earlier_version_gets_the_columns_that_have_come_since(older: Path) -> None:
    log = DuckDBEventLog(older)
    store(log, [hit(NOVEMBER, visit=2, region="DE-BE", channel="Direct"), hit(DECEMBER, visit=3, city="Berlin")])
    assert [(one.country, one.region, one.channel) for one in log.visit_hits(1, 1)] == [("DE", "", "")]
    assert [(one.region, one.channel) for one in log.visit_hits(1, 2)] == [("DE-BE", "Direct")]
    log.delete_visit(1, 2)
    assert log.compact() == ["2026-11"]
    log.close()
    again = DuckDBEventLog(older)
    assert again.faults() == []
    assert [one.region for one in again.visit_hits(1, 1)] == [""]
    assert [one.city for one in again.visit_hits(1, 3)] == ["Berlin"]
    again.close()


def test_a_line_that_was_spooled_by_an_earlier_version_is_stored_with_empty_texts(log: DuckDBEventLog) -> None:
    document = json.loads(encode_hit(hit(NOVEMBER)))
    first = {part.split()[0] for part in FIRST_COLUMNS.split(",")}
    body = json.dumps({name: value for name, value in document.items() if name in first}).encode()
    log.append("spool", Chunk("2026-11", 1, body))
    assert [(one.region, one.language) for one in log.visit_hits(1, 1)] == [("", "")]


def test_a_change_gives_another_revision_and_nothing_else_does(log: DuckDBEventLog) -> None:
    seen = {log.revision}
    store(log, [hit(NOVEMBER, visit=7)])
    seen.add(log.revision)
    log.delete_visit(1, 7)
    seen.add(log.revision)
    assert len(seen) == 3
    before = log.revision
    log.count(1)
    log.checkpoint()
    assert log.revision == before


# Recent rows


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of recent rows take two of them."""
    monkeypatch.setattr("webmon.stores.events.duckdb.RECENT_ROWS", 2)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "events").glob("*.duckdb"))


def test_recent_rows_have_small_files_that_are_rewritten_by_themselves(
    small: None, log: DuckDBEventLog, tmp_path: Path
) -> None:
    for number in range(5):
        log.append("spool", chunk([hit(NOVEMBER, visit=number)], number + 1))
    assert names(tmp_path) == ["2026-11.1.duckdb", "2026-11.2.duckdb", "2026-11.3.duckdb"]
    kept = (tmp_path / "events" / "2026-11.1.duckdb").stat().st_ino
    assert log.delete_visit(1, 4) == 1
    assert [path.name for path in (tmp_path / "events").glob("*.dirty")] == ["2026-11.3.dirty"]
    log.compact()
    assert (tmp_path / "events" / "2026-11.1.duckdb").stat().st_ino == kept, "it had no row of the visit"
    assert (log.count(1), log.mark("spool", "2026-11")) == (4, 5)


def test_older_files_of_recent_rows_are_put_into_their_month(
    small: None, log: DuckDBEventLog, tmp_path: Path
) -> None:
    for day in (20, 20, 21, 21, 22):
        log.append("spool", chunk([hit(NOVEMBER.replace(day=day))], log.mark("spool", "2026-11") + 1))
    assert log.fold(NOVEMBER.replace(day=22)) == 2
    assert names(tmp_path) == ["2026-11.3.duckdb", "2026-11.duckdb"]
    assert (log.count(1), log.mark("spool", "2026-11")) == (5, 5)
    assert log.append("spool", chunk([hit(NOVEMBER)], 5)) == 0, "what was taken before is known still"
    assert log.fold(DECEMBER) == 1
    assert (names(tmp_path), log.count(1), log.fold(DECEMBER)) == (["2026-11.duckdb"], 5, 0)


def test_a_file_that_is_to_be_rewritten_is_not_put_into_its_month_before(log: DuckDBEventLog) -> None:
    store(log, [hit(NOVEMBER, visit=1), hit(NOVEMBER, visit=2)])
    log.delete_visit(1, 1)
    assert log.fold(DECEMBER) == 0
    log.compact()
    assert log.fold(DECEMBER) == 1


@pytest.mark.parametrize("name", ["_detach", "_unlink"])
def test_folding_that_was_interrupted_leaves_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    log = DuckDBEventLog(tmp_path / "events")
    store(log, [hit(NOVEMBER), hit(NOVEMBER)])

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log._files, name, stop)
        with pytest.raises(KeyboardInterrupt):
            log.fold(DECEMBER)
    log._connection.close()
    again = DuckDBEventLog(tmp_path / "events")
    assert (again.count(1), names(tmp_path)) == (2, ["2026-11.duckdb"])
    again.close()


def test_a_failure_before_the_folding_is_written_changes_nothing(
    log: DuckDBEventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(log, [hit(NOVEMBER)])
    log._files.database("2026-11")
    log._connection.execute("drop table m_2026_11.folded")
    with pytest.raises(duckdb.Error):
        log.fold(DECEMBER)
    assert (log.count(1), len(names(tmp_path))) == (1, 2)


def test_a_row_and_what_is_left_of_it_change_places_in_one_transaction(
    log: DuckDBEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [hit(NOVEMBER, visit=7), hit(NOVEMBER, visit=7), hit(NOVEMBER, visit=8)]
    store(log, rows)
    left = hit(NOVEMBER, visit=99, basis="deidentified")
    with monkeypatch.context() as patch:

        def stop(*_: object) -> int:
            raise KeyboardInterrupt

        patch.setattr("webmon.stores.events.duckdb._insert", stop)
        with pytest.raises(KeyboardInterrupt):
            log.replace({rows[0].hit_id: left, rows[1].hit_id: None}, NOVEMBER)
    assert len(log.visit_hits(1, 7)) == 2
    assert log.replace({rows[0].hit_id: left, rows[1].hit_id: None, 12345: None}, NOVEMBER) == 2
    assert [len(log.visit_hits(1, visit)) for visit in (7, 8, 99)] == [0, 1, 1]
    assert log.replace({rows[0].hit_id: left}, NOVEMBER) == 0, "done again, nothing is doubled"


def test_a_visit_that_goes_on_began_when_it_began(log: DuckDBEventLog) -> None:
    early = NOVEMBER.replace(hour=7)
    store(log, [hit(early, visit=7), hit(NOVEMBER, visit=7), hit(early, visit=8)])
    (seen,) = log.recent_visits(NOVEMBER)
    assert (seen.visit_id, seen.started_at, seen.last_seen_at) == (7, early, NOVEMBER)


def left(path: str, **fields: object) -> Hit:
    return hit(NOVEMBER, pathname=path, basis="deidentified", **fields)


def cell_of(row: Hit) -> Cell:
    return Cell(*(getattr(row, name) for name in Cell._fields))


def test_what_is_left_is_made_to_say_less_or_goes_in_every_file(
    small: None, log: DuckDBEventLog, tmp_path: Path
) -> None:
    rows = [left("/rare/one"), left("/rare/two"), left("/gone"), left("/stays"), hit(NOVEMBER, pathname="/rare/one")]
    rows += [left("/rare/one", site=2)]
    for number, row in enumerate(rows, 1):
        log.append("spool", chunk([row], number))
    less = cell_of(rows[0])._replace(pathname="/rare")
    # One that goes, and one that comes to be like it.
    changes = {cell_of(rows[0]): less, cell_of(rows[1]): cell_of(rows[2]), cell_of(rows[2]): None}
    assert log.recast(1, changes) == 3
    assert sorted(cell.pathname for cell, _ in log.remainders(1, NOVEMBER)) == ["/gone", "/rare", "/stays"]
    assert [cell.pathname for cell, _ in log.remainders(2, NOVEMBER)] == ["/rare/one"], "another site's"
    assert [row.pathname for row in log.visitor_hits(1, 1) if row.basis == "consent"] == ["/rare/one"], "a person's"
    log.compact()
    assert not in_files(tmp_path, b"/rare/two")
    assert log.recast(1, changes) == 1
    assert log.recast(1, {cell_of(left("/never")): None}) == 0
