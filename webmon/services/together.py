"""Writes that arrive together are one commit: the disk is waited for once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from webmon.errors import WebmonError
from webmon.stores.ports import Unit

R = TypeVar("R")
T = TypeVar("T")
_AT_ONCE = 64


@dataclass(slots=True)
class _Job(Generic[R]):
    work: Callable[[R], Any]
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None

    def run(self, repository: R) -> None:
        self.error = None
        try:
            self.result = self.work(repository)
        except WebmonError as error:
            self.error = error  # of this one alone


class Together(Generic[R]):
    """Runs pieces of work on a repository, each in one transaction with those that wait at the same time.

    A piece of work that raises a `WebmonError` must not have written anything yet.
    """

    def __init__(self, unit: Unit[R], finish: Callable[[R], None]) -> None:
        """`finish` is called at the end of each transaction, for what is left to do in one go."""
        self._unit = unit
        self._finish = finish
        self._lock = threading.Lock()
        self._commit = threading.Lock()
        self._waiting: list[_Job[R]] = []

    def run(self, work: Callable[[R], T]) -> T:
        """Return what `work` returns, once it is durable; raises what it raises."""
        job = _Job(work)
        with self._lock:
            self._waiting.append(job)
        while not job.done.is_set():
            # Whoever comes to commit does so for all who wait, and mostly finds that another has done it for them.
            with self._commit:
                if not job.done.is_set():
                    self._lead()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _lead(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        try:
            self._run(group)
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
            for one in group if len(group) > 1 else ():
                # One of them may have been at fault, and the others are not to pay for it.
                try:
                    self._run([one])
                except Exception as own:
                    one.error = own
        finally:
            for one in group:
                one.done.set()

    def _run(self, group: list[_Job[R]]) -> None:
        with self._unit() as repository:
            for one in group:
                one.run(repository)
            self._finish(repository)
