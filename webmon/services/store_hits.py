"""Hits become durable: by groups that arrive together, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from webmon.services.collect_hit import ReadyHit
from webmon.services.once import Claim, Once
from webmon.stores.ports.spool import SpoolEntry

Append = Callable[[Sequence[SpoolEntry]], None]


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

    The commit has a thread of its own, which does nothing but wait for the disk.
    """

    def __init__(self, append: Append, once: Once) -> None:
        self._append = append
        self._once = once
        self._waiting: list[tuple[ReadyHit, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def store(self, hit: ReadyHit) -> None:
        """Raises `SpoolFull` and `Unavailable` where the hit cannot be stored."""
        if hit.key is not None:
            while (claim := self._once.claim(hit.key)) is Claim.UNDER_WAY:
                await asyncio.get_running_loop().run_in_executor(None, self._once.wait, hit.key)
            if claim is Claim.STORED:
                return
        await self._durable(hit)

    async def _durable(self, hit: ReadyHit) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((hit, done))
        if self._committing is None:
            self._committing = loop.create_task(self._commit_all())
        await done

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                error = await self._commit([hit for hit, _ in group])
                for _, done in group:
                    if done.cancelled():
                        continue
                    if error is None:
                        done.set_result(None)
                    else:
                        done.set_exception(error)
        finally:
            self._committing = None

    async def _commit(self, hits: list[ReadyHit]) -> Exception | None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, hits)
        except Exception as error:
            return error  # for all who wait: whatever happened, none of their hits is acknowledged
        return None

    def _write(self, hits: list[ReadyHit]) -> None:
        """Commit, and say here how that ended: whoever waited for it may have gone meanwhile."""
        stored = False
        try:
            self._append([hit.entry for hit in hits])
            stored = True
        finally:
            for hit in hits:
                if hit.key is not None:
                    self._once.settle(hit.key, stored=stored)
