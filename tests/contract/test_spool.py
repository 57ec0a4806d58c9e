"""The spool: durable before it is acknowledged, all or none, bounded, and without a trace of what has moved on."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from webmon.domain.hit import Basis
from webmon.errors import SpoolFull, Unavailable
from webmon.stores.ports.spool import SpoolEntry
from webmon.stores.spool import Spool


def entry(number: int, body: bytes = b"{}", account: int | None = None) -> SpoolEntry:
    return SpoolEntry(1, "2026-11", 100 + number, number, body, account)


def on_disk(path: Path) -> list[int]:
    """What another process finds in the file."""
    with sqlite3.connect(path) as connection:
        found = [row[0] for row in connection.execute("select hit_id from hit order by id")]
    connection.close()
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool.db", 100)
    yield made
    made.close()


def test_what_is_appended_is_in_the_file_when_the_call_returns(spool: Spool) -> None:
    spool.append([entry(1), entry(2, account=7)])
    assert on_disk(spool.path) == [1, 2]
    assert spool.through(10) == 2
    assert [one.entry for one in spool.personal(2, [])] == [entry(2, account=7)]
    spool.append([])
    assert spool.count() == spool.depth == 2


def test_a_batch_is_told_apart_by_month_account_and_visit(spool: Spool) -> None:
    december = SpoolEntry(1, "2026-12", 900, 9, b'{"n":9}')
    spool.append([entry(1, b'{"n":1}'), entry(2, b'{"n":2}'), december, entry(3, b"sealed", account=7)])
    spool.append([entry(4, '{"n":"ä"}'.encode()), entry(5, b'{"n":5}')])
    assert spool.months(5, []) == {"2026-11": True, "2026-12": False}
    assert spool.months(2, []) == {"2026-11": False}
    assert spool.months(2, [102]) == {"2026-11": True}
    assert [one.id for one in spool.personal(5, [102])] == [2, 4]
    found = {chunk.month: chunk for chunk in spool.chunks(5, [102], {"2026-11": 0, "2026-12": 0})}
    assert found["2026-11"].lines == '{"n":1}\n{"n":"ä"}'.encode()
    assert found["2026-12"].lines == b'{"n":9}'
    assert {chunk.last_id for chunk in found.values()} == {5}
    # What a month holds already is not offered again.
    assert [chunk.month for chunk in spool.chunks(5, [102], {"2026-11": 5, "2026-12": 0})] == ["2026-12"]
    assert spool.delete_through(5, 3) == 5


def test_many_at_once_are_each_there_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 10_000)
    done: list[int] = []

    def work(thread: int) -> None:
        for number in range(50):
            spool.append([entry(thread * 1000 + number)])
            done.append(thread * 1000 + number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(on_disk(spool.path)) == sorted(done)
    assert len(done) == 800
    spool.close()


def test_more_than_one_statement_takes_is_still_all_or_none(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 10_000)
    spool.append([entry(number) for number in range(2500)])
    assert spool.count() == 2500
    spool.close()


def test_at_its_bound_it_takes_no_more_until_some_have_moved_on(spool: Spool) -> None:
    spool.append([entry(number) for number in range(100)])
    with pytest.raises(SpoolFull):
        spool.append([entry(100)])
    spool.delete_through(spool.through(60), 60)
    spool.append([entry(100)])
    assert spool.count() == 41
    assert spool.meta("stored") == "60"


def test_on_a_full_disk_nothing_is_acknowledged_and_nothing_lost(spool: Spool) -> None:
    spool.append([entry(1)])
    (pages,) = spool._writer.execute("pragma page_count").fetchone()
    spool._writer.execute(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(Unavailable):
        spool.append([entry(2, b"x" * 100_000), entry(3)])
    assert on_disk(spool.path) == [1], "all or none"
    assert spool.depth == 1
    spool._writer.execute("pragma max_page_count = 1000000")
    spool.append([entry(2, b"x" * 100_000), entry(3)])
    assert on_disk(spool.path) == [1, 2, 3]


def test_a_failed_commit_is_everybody_s_who_waited_for_it(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def fail(*_: object) -> None:
        entered.set()
        go_on.wait(10)
        raise sqlite3.OperationalError("disk I/O error")

    def work(number: int) -> None:
        try:
            spool.append([entry(number)])
            outcomes.append("acknowledged")
        except Unavailable:
            outcomes.append("refused")

    monkeypatch.setattr(spool, "_insert", fail)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert outcomes == ["refused"] * 8
    assert on_disk(spool.path) == []
    monkeypatch.undo()
    spool.append([entry(9)])
    assert on_disk(spool.path) == [9]


def test_numbers_are_never_used_twice_even_across_restarts(tmp_path: Path) -> None:
    first = Spool(tmp_path / "spool.db", 100)
    first.append([entry(1), entry(2)])
    last = first.through(10)
    first.delete_through(last, 2)
    first.close()
    second = Spool(tmp_path / "spool.db", 100)
    assert second.id == first.id
    second.append([entry(3)])
    assert second.through(1) > last
    second.close()


def test_what_has_moved_on_leaves_no_byte_behind(spool: Spool) -> None:
    secret = b"/a-page-that-was-looked-at"
    spool.append([entry(1, secret)])
    files = [spool.path, spool.path.with_name("spool.db-wal")]
    assert any(secret in path.read_bytes() for path in files if path.exists())
    spool.delete_through(spool.through(10), 1)
    assert not any(secret in path.read_bytes() for path in files if path.exists())


@pytest.mark.parametrize("seed", range(3))
def test_the_file_holds_no_copy_of_a_row_that_is_gone_whatever_went_before(tmp_path: Path, seed: int) -> None:
    """SQLite overwrites what it deletes, but not the copies that it made of it when it put pages together anew."""
    drawn = random.Random(seed)  # noqa: S311
    spool, waiting, number = Spool(tmp_path / "spool.db", 100_000), set[int](), 0
    for _ in range(40):
        rows = range(number + 1, number + drawn.randrange(2, 400))
        spool.append([_named(one, drawn) for one in rows])
        waiting.update(rows)
        number = rows[-1]
        if drawn.random() < 0.5:
            last = spool.through(drawn.randrange(1, 600))
            spool.delete_through(last, 0)
            waiting = {one for one in waiting if one > last}
        else:
            gone = drawn.sample(sorted(waiting), min(len(waiting), 50))
            spool.delete_consented(1, gone)
            waiting -= set(gone)
        spool.wipe()
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert {int(found) for found in re.findall(rb"row-(\d+)-", content)} == waiting
    spool.close()


def _named(number: int, drawn: random.Random) -> SpoolEntry:
    padding = "x" * drawn.choice([0, 50, 300, 900])
    body = {"visitor_id": number, "name": f"row-{number}-", "pathname": padding, "basis": Basis.CONSENT}
    return entry(number, json.dumps(body).encode())
