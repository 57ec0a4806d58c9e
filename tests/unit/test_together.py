"""Writes that arrive together are one transaction, and what fails in it fails alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from webmon.errors import NotFound
from webmon.services.together import Together


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
    together = Together(table.unit, lambda _: None)
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
    together = Together(table.unit, lambda _: None)
    leader = threading.Thread(target=lambda: together.run(lambda rows: write(7, rows)))
    leader.start()
    assert table.first.wait(5)
    told = in_threads(together, [1, 2, bad, 3])
    leader.join()
    assert told == {1: 10, 2: 20, 3: 30, bad: kind}
    assert sorted(table.rows) == [1, 2, 3, 7]


def test_what_is_left_to_do_at_the_end_is_done_within_the_transaction() -> None:
    table = Table()
    assert Together(table.unit, lambda rows: rows.append(99)).run(lambda rows: write(1, rows)) == 10
    assert table.rows == [1, 99]
