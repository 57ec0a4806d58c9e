"""Reading requests on the event loop, for what answers in front of Flask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from webmon.domain.address import ADDRESS_HEADERS
from webmon.domain.agent import HINTS
from webmon.services.collect_hit import CLIENT_HEADERS
from webmon.web.shared.body import BODY_LIMIT

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# The headers that are ever looked at, as they travel; the others are not even read.
READ_HEADERS = {
    name.encode(): name for name in (*ADDRESS_HEADERS, *HINTS, *CLIENT_HEADERS, "authorization", "referer")
}


def peer_of(scope: Scope) -> str:
    """The address of the connection's other end."""
    client = scope.get("client")
    return client[0] if client else ""


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Those of `READ_HEADERS`, names in lower case."""
    pairs: Headers = scope["headers"]
    read = [(READ_HEADERS[raw], value.decode("latin-1")) for raw, value in pairs if raw in READ_HEADERS]
    headers = dict(read)
    if len(headers) < len(read):
        # A header that is sent more than once is one list (RFC 9110, section 5.3).
        for name in headers:
            headers[name] = ",".join(value for other, value in read if other == name)
    return headers


async def read_body(receive: Receive, limit: int = BODY_LIMIT) -> tuple[bytes, bool]:
    """Return the body, and whether it is all: of one that is longer than `limit`, so much that this can be seen."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
    return body, not message.get("more_body")


def read_again(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body that was read already, and then whatever comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def coroutine(receive: Receive) -> Receive:
    """Granian's `receive` may be awaited but is no coroutine function, and threads can wait for those only."""

    async def received() -> Message:
        return await receive()

    return received
