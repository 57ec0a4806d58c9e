"""Writes that arrive together are one commit: the disk is waited for once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from webmon.errors import SettingsError, Unavailable, WebmonError
from webmon.stores.ports import Transaction

R = TypeVar("R")
T = TypeVar("T")
_AT_ONCE = 64


@dataclass(slots=True)
class _Job(Generic[R]):
    work: Callable[[R], Any]
    key: str = ""
    result: Any = None
    error: BaseException | None = None
    durable: bool = False

    def run(self, repository: R) -> None:
        self.error = None
        try:
            self.result = self.work(repository)
        except (Unavailable, SettingsError):
            raise  # a store or a key failed, in the midst of it perhaps: nothing of this transaction may stay
        except WebmonError as error:
            self.error = error  # of this one alone

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        if not self.durable:
            raise Unavailable("The process was ended before this was durable")
        return self.result


@dataclass(frozen=True, slots=True)
class _Transactions(Generic[R]):
    """`begin` and `finish` do what can be done in one go for all of a transaction; `begin` is given their keys."""

    unit: Transaction[R]
    begin: Callable[[R, Sequence[str]], None]
    finish: Callable[[R], None]

    def run(self, group: Sequence[_Job[R]]) -> None:
        """Run all in one; where that fails, each in one of its own: the others do not pay for who is at fault."""
        try:
            self._run(group)
        except Exception as error:  # of any kind: it is raised again for whoever's it is
            if len(group) == 1:
                group[0].error = error
                return
            for one in group:
                self.run([one])

    def _run(self, group: Sequence[_Job[R]]) -> None:
        with self.unit() as repository:
            self.begin(repository, [one.key for one in group])
            for one in group:
                one.run(repository)
            self.finish(repository)
        for one in group:
            one.durable = True


class Together(Generic[R]):
    """Runs pieces of work on a repository, each in one transaction with those that wait at the same time.

    For threads. A piece of work that raises a `WebmonError` must not have written anything yet.
    """

    def __init__(
        self, unit: Transaction[R], begin: Callable[[R, Sequence[str]], None], finish: Callable[[R], None]
    ) -> None:
        """`begin` and `finish` are called in each transaction, for what can be done in one go."""
        self._transactions = _Transactions(unit, begin, finish)
        self._lock = threading.Lock()
        self._commit = threading.Lock()
        self._waiting: list[tuple[_Job[R], threading.Event]] = []

    def run(self, work: Callable[[R], T], key: str = "") -> T:
        """Return what `work` returns, once it is durable; raises what it raises. `key` is for `begin`."""
        job, done = _Job(work, key), threading.Event()
        with self._lock:
            self._waiting.append((job, done))
        while not done.is_set():
            # Whoever comes to commit does so for all who wait, and mostly finds that another has done it for them.
            with self._commit:
                if not done.is_set():
                    self._lead()
        result: T = job.outcome()
        return result

    def _lead(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        try:
            self._transactions.run([job for job, _ in group])
        finally:
            for _, done in group:
                done.set()


class LoopTogether(Generic[R]):
    """The same for an event loop: what arrives while a transaction is under way is the next one.

    Transactions have a thread of their own, which mostly waits for the disk.
    """

    def __init__(
        self, unit: Transaction[R], begin: Callable[[R, Sequence[str]], None], finish: Callable[[R], None]
    ) -> None:
        self._transactions = _Transactions(unit, begin, finish)
        self._waiting: list[tuple[_Job[R], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="together")

    async def run(self, work: Callable[[R], T], key: str = "") -> T:
        """Return what `work` returns, once it is durable; raises what it raises. `key` is for `begin`."""
        loop = asyncio.get_running_loop()
        job, done = _Job(work, key), loop.create_future()
        self._waiting.append((job, done))
        if self._committing is None:
            self._committing = loop.create_task(self._commit_all())
        await done
        result: T = job.outcome()
        return result

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._commit(group)
        finally:
            self._committing = None

    async def _commit(self, group: Sequence[tuple[_Job[R], asyncio.Future[None]]]) -> None:
        jobs = [job for job, _ in group]
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._transactions.run, jobs)
        finally:
            for _, done in group:
                if not done.done():  # whoever waited may have gone
                    done.set_result(None)
