"""What a website's page loads from webmon, and what it tells about consent and sign-in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response, request

from webmon.clock import Clock
from webmon.domain.consent import CHOICE_LIFETIME
from webmon.domain.site import Mode, Site
from webmon.errors import UnknownSite
from webmon.services.manage_sites import Sites
from webmon.services.promote_visit import AccountKeeper
from webmon.services.publish_notice import Notices
from webmon.services.record_consent import ConsentRequest, Consents
from webmon.services.site_directory import SiteDirectory
from webmon.web.shared.body import read_json
from webmon.web.shared.cors import allow_any_origin

PLACEHOLDER = "__WEBMON_SETTINGS__"
_BRIEFLY = "public, max-age=300"
_FOR_EVER = "public, max-age=31536000, immutable"
# CNIL: an audience-measurement cookie lives at most 13 months.
_VISITOR_LIFETIME = timedelta(days=390)
# What the snippet loads where a page needs it: names in the manifest and in the settings.
PARTS = ("banner", "more", "prepare", "vitals")


class ConsentBody(msgspec.Struct):
    site: str
    notice: str
    decisions: dict[str, Any]
    action: str
    ui_source: str
    language: str = ""
    previous: str | None = None
    receipt: str | None = None


class LoginBody(msgspec.Struct):
    site: str
    token: str
    visitor: str = ""
    visit: str = ""


class LogoutBody(msgspec.Struct):
    site: str
    visitor: str = ""
    visit: str = ""


def blueprint(
    sites: Sites,
    directory: SiteDirectory,
    notices: Notices,
    consents: Consents,
    accounts: AccountKeeper,
    manifest: Mapping[str, str],
    script: Path,
    clock: Clock,
) -> Blueprint:
    """Return the cross-origin interface; it reads and sets no cookie, so it needs no CSRF token."""
    pages = Blueprint("embed", __name__)
    snippet = script.read_text("utf-8")

    parts = {name: manifest[name] for name in PARTS}

    def settings_of(site: Site) -> dict[str, Any]:
        return parts | {
            "site": site.domain,
            "mode": site.mode.value,
            "early": site.mode is not Mode.CONSENTED_ONLY,
            "ask": site.mode is not Mode.COOKIELESS_ALWAYS,
            "signals": ["globalPrivacyControl", *(["doNotTrack"] if site.honour_dnt else [])],
            "notices": dict(notices.current(site, clock.now())),
            "portal": f"/privacy/{site.domain}",
            "choice_days": CHOICE_LIFETIME.days,
            "visitor_days": _VISITOR_LIFETIME.days,
        }

    @pages.after_request
    def cross_origin(response: Response) -> Response:
        return allow_any_origin(response)

    @pages.get("/w.js")
    def w_js() -> Response:
        site = _site_asked_for(directory, clock)
        settings = json.dumps(settings_of(site) if site else parts, separators=(",", ":"))
        # `</script>` and line separators cannot end or break a script that holds them in this form.
        settings = settings.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        return _cached(snippet.replace(PLACEHOLDER, settings), "text/javascript; charset=utf-8", _BRIEFLY, "Referer")

    @pages.get("/webmon.d.ts")
    def types() -> Response:
        return _cached(script.with_name("webmon.d.ts").read_text("utf-8"), "text/plain; charset=utf-8", _BRIEFLY)

    @pages.get("/consent-mode.js")
    def consent_mode() -> Response:
        return _cached(
            script.with_name("consent-mode.js").read_text("utf-8"), "text/javascript; charset=utf-8", _BRIEFLY
        )

    @pages.get("/api/settings/<path:domain>")
    def settings(domain: str) -> Response:
        return _cached(json.dumps(settings_of(sites.get(domain))), "application/json", _BRIEFLY)

    @pages.get("/api/notices/<notice_hash>")
    def notice(notice_hash: str) -> Response:
        return _cached(notices.get(notice_hash).text, "application/json", _FOR_EVER)

    @pages.post("/api/consent")
    def consent() -> Response:
        body = read_json(request, ConsentBody)
        answer = ConsentRequest(
            body.notice,
            body.decisions,
            body.action,
            body.ui_source,
            body.language,
            body.previous or "",
            body.receipt or "",
        )
        receipt = consents.record(sites.get(body.site), answer, clock.now())
        if receipt is None:
            return _json({"counted": True}, 200)
        return _json(receipt, 201)

    @pages.post("/api/login")
    def login() -> Response:
        body = read_json(request, LoginBody)
        accounts.login(sites.get(body.site), body.token, body.visitor, body.visit, clock.now())
        return Response(status=204)

    @pages.post("/api/logout")
    def logout() -> Response:
        body = read_json(request, LogoutBody)
        accounts.logout(sites.get(body.site), body.visitor, body.visit, clock.now())
        return Response(status=204)

    @pages.get("/.well-known/gpc.json")
    def gpc() -> Response:
        return _cached(json.dumps({"gpc": True, "lastUpdate": "2026-11-23"}), "application/json", _BRIEFLY)

    return pages


def _site_asked_for(directory: SiteDirectory, clock: Clock) -> Site | None:
    """The site named in the address, else the one whose page asks (its origin is in `Referer`)."""
    named = request.args.get("site")
    if named is not None:
        site = directory.find(named.lower(), clock.now())
        if site is None:
            raise UnknownSite(named)
        return site
    try:
        page = urlsplit(request.headers.get("Referer", ""))
        host, netloc = page.hostname or "", page.netloc.rpartition("@")[2].lower()
    except ValueError:
        return None
    names = (host, netloc, host.removeprefix("www."))
    return next((site for name in names if name and (site := directory.find(name, clock.now()))), None)


def _cached(text: str, kind: str, how_long: str, vary: str = "") -> Response:
    response = Response(text, content_type=kind)
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.headers["Cache-Control"] = how_long
    if vary:
        response.headers["Vary"] = vary
    response.make_conditional(request)
    return response


def _json(document: Mapping[str, Any], status: int) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), status, content_type="application/json")
