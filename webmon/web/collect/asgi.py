"""The way in for `webmon serve`: one event loop takes hits and commits them in groups, threads do the rest.

A thread for each request would have to win the interpreter twice for each hit, from all the others; a loop does not
(docs/decisions/event-loop.md has the figures).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, Protocol

from webmon.errors import WebmonError
from webmon.services.collect_hit import ReadyHit
from webmon.web.collect.door import (
    BODY_LIMIT,
    PATHS,
    READ_HEADERS,
    Asked,
    Door,
    count,
    crashed,
    refusal,
    too_large,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


# Bytes. What is longer takes long to look through, and everybody else's hits would wait for it on the loop.
_SMALL = 8 * 1024


class AsyncStore(Protocol):
    async def store(self, hit: ReadyHit) -> None: ...


class AsgiCollect:
    """Answers requests for `PATHS` and hands everything else on."""

    def __init__(self, inner: AsgiApp, door: Door, hits: AsyncStore) -> None:
        self._inner = inner
        self._door = door
        self._hits = hits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            return await self._inner(scope, _coroutine(receive), send)
        began = perf_counter()
        try:
            body = await _body(receive) if scope["method"] == "POST" else b""
            asked = _asked(scope, body)
            if len(body) <= _SMALL:
                hit, answer = self._door.prepare(asked)
            else:
                hit, answer = await asyncio.to_thread(self._door.prepare, asked)
            if hit is not None:
                await self._hits.store(hit)
        except WebmonError as error:
            answer = refusal(error)
        except Exception as error:
            answer = crashed(error)
        count(answer, began)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        return await send({"type": "http.response.body", "body": answer.body})


def _coroutine(receive: Receive) -> Receive:
    """Granian's `receive` may be awaited but is no coroutine function, and threads can wait for those only."""

    async def received() -> Message:
        return await receive()

    return received


def _asked(scope: Scope, body: bytes) -> Asked:
    client = scope.get("client")
    query: bytes = scope["query_string"]
    return Asked(
        scope["method"],
        scope["path"],
        query.decode("latin-1") if query else "",
        _headers(scope["headers"]),
        client[0] if client else "",
        body,
    )


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    read = [(READ_HEADERS[raw], value.decode("latin-1")) for raw, value in pairs if raw in READ_HEADERS]
    headers = dict(read)
    if len(headers) < len(read):
        # A header that is sent more than once is one list (RFC 9110, section 5.3).
        for name in headers:
            headers[name] = ",".join(value for other, value in read if other == name)
    return headers


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= BODY_LIMIT:
        message = await receive()
        body += message.get("body", b"")
    if len(body) > BODY_LIMIT:
        raise too_large()
    return body
