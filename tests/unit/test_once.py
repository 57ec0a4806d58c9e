"""An event sent again is stored once, whatever becomes of the first one."""

from __future__ import annotations

import threading

import pytest

from webmon.services.once import Once

KEY = (1, 4711)


def test_the_second_time_nothing_is_written() -> None:
    once, written = Once(), []
    for _ in range(3):
        once.store(KEY, lambda: written.append(1))
    once.store((2, KEY[1]), lambda: written.append(2))
    assert written == [1, 2]


def test_what_could_not_be_written_is_written_when_it_is_sent_again() -> None:
    once, written = Once(), []

    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        once.store(KEY, fail)
    once.store(KEY, lambda: written.append(1))
    assert written == [1]


def test_of_two_at_once_the_second_waits_for_the_first() -> None:
    once, written = Once(), []
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        go_on.wait(10)
        written.append("first")

    first = threading.Thread(target=once.store, args=(KEY, slowly))
    first.start()
    assert begun.wait(10)
    second = threading.Thread(target=once.store, args=(KEY, lambda: written.append("second")))
    second.start()
    second.join(0.05)
    assert second.is_alive(), "it is not acknowledged before it is durable"
    go_on.set()
    first.join()
    second.join()
    assert written == ["first"]


def test_where_the_first_of_two_fails_the_second_writes() -> None:
    once, written = Once(), []
    begun, go_on = threading.Event(), threading.Event()
    errors: list[OSError] = []

    def fail() -> None:
        begun.set()
        go_on.wait(10)
        raise OSError("the disk is full")

    def first() -> None:
        try:
            once.store(KEY, fail)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert begun.wait(10)
    threads.append(threading.Thread(target=once.store, args=(KEY, lambda: written.append("second"))))
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(errors) == 1
    assert written == ["second"]


def test_it_forgets_the_oldest_first() -> None:
    once, written = Once(limit=2), []
    for number in (1, 2, 3, 3, 1):
        once.store((1, number), lambda number=number: written.append(number))
    assert written == [1, 2, 3, 1]
