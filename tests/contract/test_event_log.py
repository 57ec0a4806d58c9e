"""The event log: each row exactly once, however often it is offered; deleted rows are nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.rows import hit, store
from webmon.domain.hit import Hit, encode_hit
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.ports.events import LogLine

# As rows hold their times: UTC without offset.
NOVEMBER, DECEMBER = (datetime(2026, *day, 10, tzinfo=UTC).replace(tzinfo=None) for day in ((11, 23), (12, 1)))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DuckDBEventLog]:
    made = DuckDBEventLog(tmp_path / "events")
    yield made
    made.close()


def lines(hits: list[Hit], first: int = 1) -> list[LogLine]:
    return [LogLine(number, one.month, one.hit_id, encode_hit(one)) for number, one in enumerate(hits, start=first)]


def in_files(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_batch_offered_again_adds_nothing(log: DuckDBEventLog) -> None:
    batch = lines([hit(NOVEMBER), hit(NOVEMBER), hit(DECEMBER)])
    assert log.append("spool", batch) == 3
    assert log.append("spool", batch) == 0
    assert log.append("spool", [*batch, *lines([hit(DECEMBER)], first=4)]) == 1
    assert log.count(1) == 4
    assert log.months == ["2026-11", "2026-12"]


def test_two_spools_count_for_themselves(log: DuckDBEventLog) -> None:
    assert log.append("one", lines([hit(NOVEMBER)])) == 1
    assert log.append("two", lines([hit(NOVEMBER)])) == 1
    assert log.count(1) == 2


def test_a_crash_between_two_months_is_made_good_by_the_next_offer(
    log: DuckDBEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = lines([hit(NOVEMBER), hit(DECEMBER)])
    whole = log._append_month

    def stop(spool: str, month: str, part: list[LogLine], deduplicate: bool) -> int:
        if month == "2026-12":
            raise KeyboardInterrupt
        return whole(spool, month, part, deduplicate)

    monkeypatch.setattr(log, "_append_month", stop)
    with pytest.raises(KeyboardInterrupt):
        log.append("spool", batch)
    monkeypatch.undo()
    assert log.append("spool", batch) == 1
    assert log.count(1) == 2


def test_the_same_row_from_another_file_is_known_where_asked_for(log: DuckDBEventLog) -> None:
    one = hit(NOVEMBER)
    assert log.append("first", lines([one]), deduplicate=True) == 1
    assert log.append("second", lines([one]), deduplicate=True) == 0


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

    monkeypatch.setattr(log, "_rewrite", stop)
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
