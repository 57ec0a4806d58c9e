"""Writes that arrive together are one transaction, and what fails in it fails alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest

from webmon.errors import NotFound, Unavailable
from webmon.services.together import LoopTogether, Together, _Job, _Transactions


class Table:
    """What was committed, and how many transactions that took; slow, so that others come together meanwhile."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.commit_count = 0
        self.first = threading.Event()

    @contextmanager
    def unit(self) -> Iterator[list[int]]:
        rows: list[int] = []
        yield rows
        if -1 in rows:
            raise RuntimeError("cannot be committed")
        if self.commit_count == 0:
            self.first.set()
            threading.Event().wait(0.2)
        self.rows += rows
        self.commit_count += 1


def nothing(rows: list[int], keys: Sequence[str]) -> None:
    """There is nothing to do ahead."""


def write(number: int, rows: list[int]) -> int:
    if number == 0:
        raise NotFound("There is no nought")
    rows.append(number)
    return number * 10


def in_threads(together: Together[list[int]], numbers: list[int]) -> dict[int, object]:
    told: dict[int, object] = {}

    def run(number: int) -> None:
        try:
            told[number] = together.run(lambda rows: write(number, rows))
        except Exception as error:
            told[number] = type(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_what_comes_while_another_commits_is_one_commit() -> None:
    table = Table()
    together = Together(table.unit, nothing, lambda _: None)
    leader = threading.Thread(target=lambda: together.run(lambda rows: write(7, rows)))
    leader.start()
    assert table.first.wait(5)
    numbers = list(range(100, 130))
    assert in_threads(together, numbers) == {number: number * 10 for number in numbers}
    leader.join()
    assert sorted(table.rows) == [7, *numbers]
    assert table.commit_count < 10


@pytest.mark.parametrize(("bad", "kind"), [(0, NotFound), (-1, RuntimeError)])
def test_who_is_at_fault_fails_alone(bad: int, kind: type[Exception]) -> None:
    table = Table()
    together = Together(table.unit, nothing, lambda _: None)
    leader = threading.Thread(target=lambda: together.run(lambda rows: write(7, rows)))
    leader.start()
    assert table.first.wait(5)
    told = in_threads(together, [1, 2, bad, 3])
    leader.join()
    assert told == {1: 10, 2: 20, 3: 30, bad: kind}
    assert sorted(table.rows) == [1, 2, 3, 7]


def test_what_is_done_for_all_is_done_within_the_transaction() -> None:
    table = Table()
    seen: list[str] = []
    together = Together(table.unit, lambda _, keys: seen.extend(keys), lambda rows: rows.append(99))
    assert together.run(lambda rows: write(1, rows), "key") == 10
    assert (table.rows, seen) == ([1, 99], ["key"])


def on_a_loop(table: Table, numbers: Sequence[int]) -> list[object]:
    """All at once, on one event loop."""

    async def all_of_them() -> list[object]:
        together = LoopTogether(table.unit, nothing, lambda _: None)
        works = [partial(write, number) for number in numbers]
        told = await asyncio.gather(*(together.run(work) for work in works), return_exceptions=True)
        return [type(one) if isinstance(one, BaseException) else one for one in told]

    return asyncio.run(all_of_them())


def test_what_comes_together_on_a_loop_is_few_commits() -> None:
    table = Table()
    numbers = list(range(100, 230))
    assert on_a_loop(table, numbers) == [number * 10 for number in numbers]
    assert table.rows == numbers
    assert table.commit_count < 6


@pytest.mark.parametrize(("bad", "kind"), [(0, NotFound), (-1, RuntimeError)])
def test_who_is_at_fault_on_a_loop_fails_alone(bad: int, kind: type[Exception]) -> None:
    table = Table()
    assert on_a_loop(table, [1, 2, bad, 3]) == [10, 20, kind, 30]
    assert sorted(table.rows) == [1, 2, 3]


def test_nobody_is_told_of_success_by_a_commit_that_was_broken_off() -> None:
    class Ended(BaseException):
        """As when the process is told to end."""

    @contextmanager
    def broken_off() -> Iterator[list[int]]:
        yield []
        raise Ended

    together = Together(broken_off, nothing, lambda _: None)
    with pytest.raises(Ended):
        together.run(lambda rows: write(1, rows))
    job = _Job[list[int]](lambda rows: write(2, rows))
    with pytest.raises(Ended):
        _Transactions(broken_off, nothing, lambda _: None).run([job])
    with pytest.raises(Unavailable, match="before this was durable"):
        job.outcome()
