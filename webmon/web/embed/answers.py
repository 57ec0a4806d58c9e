"""What `POST /api/consent` and `POST /api/login` say, whatever brings them."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from webmon.domain.consent import NOBODY, Collected
from webmon.domain.site import Site
from webmon.services.choose_policy import Policies
from webmon.services.collect_hit import Client
from webmon.services.consent_counts import Observer
from webmon.services.record_consent import ConsentRequest

PATH = "/api/consent"
LOGIN_PATH = "/api/login"


class HandoverBody(msgspec.Struct):
    """From a page that a link leads away from: with the receipt of a consent or the decisions of a refusal."""

    site: str
    to: str
    decided: date
    receipt: str = ""
    notice: str = ""
    decisions: dict[str, Any] = {}


class RedeemBody(msgspec.Struct):
    """From the page that it leads to. `decided` and `previous` are of what was decided here before, if it was."""

    site: str
    token: str
    decided: date | None = None
    previous: str | None = None
    receipt: str | None = None


class ConsentBody(msgspec.Struct):
    site: str
    notice: str
    decisions: dict[str, Any]
    action: str
    ui_source: str
    language: str = ""
    previous: str | None = None
    receipt: str | None = None
    preview: str | None = None
    erase: bool = False
    visitor: str = ""
    asked: bool = False

    @property
    def domain(self) -> str:
        return self.site.strip().lower()


class LoginBody(msgspec.Struct):
    """From a page with `token`, from a backend with `account` and an API key."""

    site: str
    token: str = ""
    account: str = ""
    email: str = ""
    name: str = ""
    visitor: str = ""
    visit: str = ""
    consent: str = ""
    session_expiry: float | None = None


def request_of(
    body: ConsentBody,
    site: Site,
    client: Client,
    policies: Policies,
    observer: Observer,
    erase: Collected = NOBODY,
) -> ConsentRequest:
    """Return the answer as the ledger takes it; raises `InvalidInput` for a preview of what is no place."""
    return ConsentRequest(
        body.notice,
        body.decisions,
        body.action,
        body.ui_source,
        body.language,
        body.previous or "",
        body.receipt or "",
        policy=policies.answered(site, client, body.preview or ""),
        segment=observer.segment(client.peer, client.headers),
        erase=erase,
        asked=body.asked,
    )
