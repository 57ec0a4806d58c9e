"""Hits become durable: by groups that arrive together, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from webmon.services.collect_hit import ReadyHit
from webmon.services.once import Claim, Once
from webmon.stores.ports.spool import SpoolEntry

Append = Callable[[Sequence[SpoolEntry]], None]


class Written(Protocol):
    def sync(self) -> None:
        """Return once all that was written is durable."""


class Spool(Protocol):
    def append(self, entries: Sequence[SpoolEntry]) -> None:
        """Return once the entries are durable."""

    def write(self, entries: Sequence[SpoolEntry]) -> Written | None:
        """Commit the entries without waiting for the disk; None where that has to be waited for."""


class HitStore:
    """For threads: returns once a hit is durable. Where threads come together, the spool makes one commit of them."""

    def __init__(self, append: Append, once: Once) -> None:
        self._append = append
        self._once = once

    def store(self, hit: ReadyHit) -> None:
        """Raises `SpoolFull` and `Unavailable` where the hit cannot be stored."""
        if hit.key is None:
            self._append([hit.entry])
        else:
            self._once.store(hit.key, lambda: self._append([hit.entry]))


class LoopStore:
    """For an event loop: what arrives while a commit is under way is the next one, however much it is.

    The loop writes, since a thread would have to win the interpreter for that; a thread waits for the disk.
    """

    def __init__(self, spool: Spool, once: Once) -> None:
        self._spool = spool
        self._once = once
        self._waiting: list[tuple[SpoolEntry, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def store(self, hit: ReadyHit) -> None:
        """Raises `SpoolFull` and `Unavailable` where the hit cannot be stored."""
        if hit.key is None:
            return await self._durable(hit.entry)
        while (claim := self._once.claim(hit.key)) is Claim.UNDER_WAY:
            await asyncio.get_running_loop().run_in_executor(None, self._once.wait, hit.key)
        if claim is Claim.STORED:
            return None
        stored = False
        try:
            await self._durable(hit.entry)
            stored = True
        finally:
            self._once.settle(hit.key, stored=stored)
        return None

    async def _durable(self, entry: SpoolEntry) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((entry, done))
        if self._committing is None:
            self._committing = loop.create_task(self._commit_all())
        await done

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                error = await self._commit([entry for entry, _ in group])
                for _, done in group:
                    if done.cancelled():
                        continue
                    if error is None:
                        done.set_result(None)
                    else:
                        done.set_exception(error)
        finally:
            self._committing = None

    async def _commit(self, entries: list[SpoolEntry]) -> Exception | None:
        try:
            written = self._spool.write(entries)
            wait = written.sync if written is not None else partial(self._spool.append, entries)
            await asyncio.get_running_loop().run_in_executor(self._thread, wait)
        except Exception as error:
            return error  # for all who wait: whatever happened, their hits are not durable
        return None
