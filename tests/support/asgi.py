"""Asks an ASGI application in this process, several requests at once where told so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.world import ADDRESS, BROWSER


@dataclass
class Sent:
    """A request; `parts` is its body as it arrives, piece by piece. One that does not end is waited for in vain."""

    parts: Sequence[bytes] = (b"",)
    headers: Sequence[tuple[str, str]] = (("user-agent", BROWSER),)
    method: str = "POST"
    path: str = "/api/event"
    query: str = ""
    ends: bool = True


@dataclass
class Got:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


def event(path: str = "/", **fields: Any) -> Sent:
    known = {"name": "pageview", "url": f"https://example.org{path}", "domain": "example.org"}
    return Sent([json.dumps(known | fields).encode()])


def ask(app: Any, *requests: Sent) -> list[Got]:
    """Send all at once and return the answers in the same order."""

    async def all_of_them() -> list[Got]:
        return await asyncio.gather(*(one(app, sent) for sent in requests))

    return asyncio.run(all_of_them())


async def one(app: Any, sent: Sent) -> Got:
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": sent.path,
        "query_string": sent.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.headers],
        "client": (ADDRESS, 50_000),
        "server": ("127.0.0.1", 8000),
    }
    waiting = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(sent.parts) or not sent.ends}
        for number, part in enumerate(sent.parts)
    ]
    got = Got()

    async def receive() -> dict[str, Any]:
        if not waiting and not sent.ends:
            await asyncio.Event().wait()
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            got.status = message["status"]
            got.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            got.body += message.get("body", b"")

    await app(scope, receive, send)
    return got
