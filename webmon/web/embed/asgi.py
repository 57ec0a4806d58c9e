"""`POST /api/consent` for `webmon serve`: on the event loop, many answers to a transaction.

Only answers that are recorded are given here, from what is in memory. Whatever is refused, erases or must be looked
up first goes on to Flask, so that there is one place that says what is wrong; and the loop never waits for the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from webmon.clock import Clock
from webmon.errors import WebmonError
from webmon.services.choose_policy import Policies
from webmon.services.collect_hit import Client
from webmon.services.consent_counts import Observer
from webmon.services.publish_notice import Notices
from webmon.services.record_consent import Consents
from webmon.services.site_directory import SiteDirectory
from webmon.web.embed.answers import PATH, ConsentBody, request_of
from webmon.web.shared.asgi import AsgiApp, Receive, Scope, Send, headers_of, peer_of, read_again, read_body
from webmon.web.shared.body import BODY_LIMIT, decode_json


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records what can be recorded at once."""

    directory: SiteDirectory
    notices: Notices
    consents: Consents
    policies: Policies
    observer: Observer
    clock: Clock

    async def record(self, raw: bytes, client: Client) -> tuple[int, Mapping[str, Any]] | None:
        """Return status and document once the answer is durable; None for what is not for here."""
        if len(raw) > BODY_LIMIT:
            return None
        now = self.clock.now()
        try:
            body = decode_json(raw, ConsentBody)
            site = self.directory.find(body.domain, now)
            if body.erase or site is None or not self.notices.at_hand(body.notice):
                return None
            asked = request_of(body, site, client, self.policies, self.observer)
            receipt = await self.consents.record_soon(site, asked, now)
        except WebmonError:  # nothing was written: what is wrong is found, and said, once more
            return None
        return (200, {"counted": True}) if receipt is None else (201, receipt)


class AsgiConsent:
    """Answers `POST /api/consent` where it can, and hands everything else on."""

    def __init__(self, inner: AsgiApp, recorder: Recorder, headers: Mapping[str, str]) -> None:
        """`headers`: those of every answer."""
        self._inner = inner
        self._recorder = recorder
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            return await self._inner(scope, receive, send)
        raw = await read_body(receive)
        answer = await self._recorder.record(raw, Client(peer_of(scope), headers_of(scope)))
        if answer is None:
            return await self._inner(scope, read_again(raw, receive), send)
        status, document = answer
        body = msgspec.json.encode(document)
        typed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": [*typed, *self._headers]})
        return await send({"type": "http.response.body", "body": body})
