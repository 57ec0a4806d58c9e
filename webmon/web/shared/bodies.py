"""Bodies as they arrive: read on the event loop, within a time, so that who sends slowly holds up nobody else."""

from __future__ import annotations

import asyncio
from typing import cast

from webmon.errors import BodyTooSlow
from webmon.web.shared.asgi import AsgiApp, Headers, Receive, Scope, Send, read_again, read_body
from webmon.web.shared.body import BODY_LIMIT, LARGEST_BODY
from webmon.web.shared.problems import PROBLEM_TYPE, problem

# Within which a body has to be there. Telephones in a tunnel are given up sooner by whoever holds them.
BODY_SECONDS = 20.0
# How many requests with a body above `BODY_LIMIT`, files of the staff's mostly, are in memory at once.
_LARGE_AT_ONCE = 4
# What is left of the body is not read: nothing else can come over the connection.
CLOSING: Headers = [(b"connection", b"close")]


class Bodies:
    """Reads bodies, and ends the reading of one that does not come.

    It looks at all of them now and then: a timer for each hit would cost as much as all else of its reading.
    """

    def __init__(self, seconds: float = BODY_SECONDS) -> None:
        self._seconds = seconds
        self._since: dict[asyncio.Task[object], float] = {}
        self._given_up: set[asyncio.Task[object]] = set()
        self._looking: asyncio.AbstractEventLoop | None = None

    async def read(self, receive: Receive, limit: int = BODY_LIMIT) -> tuple[bytes, bool]:
        """As `read_body`; raises `BodyTooSlow`."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        loop = task.get_loop()
        self._since[task] = loop.time()
        if self._looking is not loop:
            self._looking = loop
            loop.call_later(self._seconds / 2, self._look, loop)
        try:
            return await read_body(receive, limit)
        except asyncio.CancelledError:
            if task not in self._given_up:
                raise
            task.uncancel()
            raise BodyTooSlow from None
        finally:
            del self._since[task]
            self._given_up.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        oldest = loop.time() - self._seconds
        for task, since in self._since.items():
            if since <= oldest and task not in self._given_up:
                self._given_up.add(task)
                task.cancel()
        self._looking = loop if self._since else None
        if self._looking is loop:
            loop.call_later(self._seconds / 2, self._look, loop)


class BodyFirst:
    """Hands requests on once their bodies are there: what is behind it has a thread for each, and these are few."""

    def __init__(self, inner: AsgiApp, bodies: Bodies) -> None:
        self._inner = inner
        self._bodies = bodies
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            return await self._inner(scope, receive, send)
        try:
            body, is_all = await self._bodies.read(receive)
            if is_all:
                return await self._inner(scope, read_again(body, receive), send)
            async with self._large:
                rest, _ = await self._bodies.read(receive, LARGEST_BODY - len(body))
                return await self._inner(scope, read_again(body + rest, receive), send)
        except BodyTooSlow as error:
            headers = [(b"content-type", PROBLEM_TYPE.encode()), *CLOSING]
            await send({"type": "http.response.start", "status": error.status, "headers": headers})
            body = problem(error.status, error.title, str(error), error.errors).encode()
            return await send({"type": "http.response.body", "body": body})


def _has_body(scope: Scope) -> bool:
    # HTTP/2 needs neither; there a method that may have one is as good.
    announced = any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
    return announced or scope["method"] not in {"GET", "HEAD"}
