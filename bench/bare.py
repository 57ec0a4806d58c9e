"""The same server's bare answer: the body is read and `202` is said, and nothing else is done."""

from __future__ import annotations

from typing import Any

HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"2"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-webmon-dropped, x-webmon-drop-reason"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


async def app(_: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 202, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"ok"})
