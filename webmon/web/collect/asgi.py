"""The way in for `webmon serve`: one event loop takes hits and commits them in groups, threads do the rest.

A thread for each request would have to win the interpreter twice for each hit, from all the others; a loop does not
(docs/decisions/event-loop.md has the figures).
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Protocol

from webmon.errors import WebmonError
from webmon.services.collect_hit import ReadyHit
from webmon.web.collect.door import PATHS, Asked, Door, count, crashed, refusal, too_large
from webmon.web.shared.asgi import AsgiApp, Receive, Scope, Send, coroutine, headers_of, peer_of
from webmon.web.shared.bodies import Bodies
from webmon.web.shared.body import BODY_LIMIT

# Bytes. What is longer takes long to look through, and everybody else's hits would wait for it on the loop.
_SMALL = 8 * 1024


class AsyncStore(Protocol):
    async def store(self, hit: ReadyHit) -> None: ...


class AsgiCollect:
    """Answers requests for `PATHS` and hands everything else on."""

    def __init__(self, inner: AsgiApp, door: Door, hits: AsyncStore, bodies: Bodies) -> None:
        self._inner = inner
        self._door = door
        self._hits = hits
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            return await self._inner(scope, coroutine(receive), send)
        began = perf_counter()
        try:
            body = (await self._bodies.read(receive))[0] if scope["method"] == "POST" else b""
            if len(body) > BODY_LIMIT:
                raise too_large()
            asked = _asked(scope, body)
            if len(body) <= _SMALL:
                hits, answer = self._door.prepare(asked)
            else:
                hits, answer = await asyncio.to_thread(self._door.prepare, asked)
            for hit in hits:
                await self._hits.store(hit)
        except WebmonError as error:
            answer = refusal(error)
        except Exception as error:
            answer = crashed(error)
        count(answer, began)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        return await send({"type": "http.response.body", "body": answer.body})


def _asked(scope: Scope, body: bytes) -> Asked:
    query: bytes = scope["query_string"]
    return Asked(
        scope["method"],
        scope["path"],
        query.decode("latin-1") if query else "",
        headers_of(scope),
        peer_of(scope),
        body,
    )
