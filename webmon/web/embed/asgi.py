"""`POST /api/consent` and `POST /api/login` for `webmon serve`: on the event loop, many to a transaction.

Only what is recorded is answered here, with what is in memory. Whatever is refused, erases or must be looked up first
goes on to Flask, so that there is one place that says what is wrong; and the loop never waits for the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from webmon.clock import Clock
from webmon.domain.site import Site
from webmon.errors import WebmonError
from webmon.services.choose_policy import Policies
from webmon.services.collect_hit import Client
from webmon.services.consent_counts import Observer
from webmon.services.publish_notice import Notices
from webmon.services.record_consent import Consents
from webmon.services.sign_in import SignIns
from webmon.services.site_directory import SiteDirectory
from webmon.web.embed.answers import ConsentBody, LoginBody, request_of
from webmon.web.shared.asgi import AsgiApp, Receive, Scope, Send, headers_of, peer_of, read_again, read_body
from webmon.web.shared.body import BODY_LIMIT, decode_json

# Status, and the document where there is one.
Answer = tuple[int, Mapping[str, Any] | None]
_JSON = b"application/json"


class Recording(Protocol):
    async def record(self, raw: bytes, client: Client, now: datetime) -> Answer | None:
        """Return the answer once it is durable; None for what is not for here.

        Where it raises `WebmonError`, nothing was written.
        """


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records what can be recorded at once."""

    directory: SiteDirectory
    notices: Notices
    consents: Consents
    policies: Policies
    observer: Observer

    async def record(self, raw: bytes, client: Client, now: datetime) -> Answer | None:
        body = decode_json(raw, ConsentBody)
        site = self.directory.find(body.domain, now)
        if body.erase or site is None or not self.notices.at_hand(body.notice):
            return None
        asked = request_of(body, site, client, self.policies, self.observer)
        receipt = await self.consents.record_soon(site, asked, now)
        return (200, {"counted": True}) if receipt is None else (201, receipt)


@dataclass(frozen=True, slots=True)
class SignIn:
    """Signs in who can be signed in at once, by a token."""

    directory: SiteDirectory
    consents: Consents
    sign_ins: SignIns

    async def record(self, raw: bytes, client: Client, now: datetime) -> Answer | None:  # noqa: ARG002
        body = decode_json(raw, LoginBody)
        site = self.directory.find(body.site, now)
        if site is None or not body.token or body.account or not self._at_hand(site, body.consent):
            return None
        done = await self.sign_ins.login_soon(site, body.token, body.visitor, body.visit, now, body.consent)
        return (204, None) if done else None

    def _at_hand(self, site: Site, consent: str) -> bool:
        return not consent or self.consents.at_hand(site.id, consent)


class AsgiEmbed:
    """Answers `POST` to the paths of its recorders where they can, and hands everything else on."""

    def __init__(
        self, inner: AsgiApp, recorders: Mapping[str, Recording], headers: Mapping[str, str], clock: Clock
    ) -> None:
        """`recorders`: by path. `headers`: those of every answer."""
        self._inner = inner
        self._clock = clock
        self._recorders = recorders
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self._recorders.get(scope["path"]) if scope["type"] == "http" else None
        if recorder is None or scope["method"] != "POST":
            return await self._inner(scope, receive, send)
        raw, _ = await read_body(receive)
        answer = await self._record(recorder, raw, Client(peer_of(scope), headers_of(scope)))
        if answer is None:
            return await self._inner(scope, read_again(raw, receive), send)
        status, document = answer
        headers, body = self._headers, b""
        if document is not None:
            body = msgspec.json.encode(document)
            headers = [(b"content-type", _JSON), (b"content-length", str(len(body)).encode()), *headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        return await send({"type": "http.response.body", "body": body})

    async def _record(self, recorder: Recording, raw: bytes, client: Client) -> Answer | None:
        if len(raw) > BODY_LIMIT:
            return None
        try:
            return await recorder.record(raw, client, self._clock.now())
        except WebmonError:  # what is wrong is found, and said, once more
            return None
