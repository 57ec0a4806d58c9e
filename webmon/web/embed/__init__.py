"""What a website's page loads from webmon, and what it tells about consent and sign-in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from flask import Blueprint, Response, g, request

from webmon.clock import Clock
from webmon.domain.consent import NOBODY, Action
from webmon.domain.handover import OwnChoice
from webmon.domain.jurisdiction import Model, Policy, Reason
from webmon.domain.language import languages_of
from webmon.domain.notice import Notice
from webmon.domain.site import Mode, Site
from webmon.errors import InvalidInput, NotAuthenticated, UnknownSite
from webmon.services.choose_policy import Policies
from webmon.services.collect_hit import Client
from webmon.services.consent_counts import ConsentCounts, Observer
from webmon.services.erase_collected import Eraser
from webmon.services.hand_over import Arrival, Handovers
from webmon.services.manage_sites import Scope, Sites
from webmon.services.publish_notice import Notices
from webmon.services.record_consent import Consents, check_receipt
from webmon.services.sign_consents import Signer
from webmon.services.sign_in import AccountName, SignIns
from webmon.services.site_directory import SiteDirectory
from webmon.web.embed.answers import ConsentBody, HandoverBody, LoginBody, RedeemBody, request_of
from webmon.web.shared.body import read_json
from webmon.web.shared.client import client_of
from webmon.web.shared.cors import allow_any_origin

PLACEHOLDER = "__WEBMON_SETTINGS__"
# What the banner reads its notice from.
NOTICE = "__WEBMON_NOTICE__"
# Browsers that know it (https://v8.dev/blog/explicit-compile-hints) compile all while it comes, beside the page.
EAGER = "//# allFunctionsCalledOnLoad"
_BRIEFLY = "public, max-age=300"
_FOR_EVER = "public, max-age=31536000, immutable"
# What w.js sets is for the whole website, and never sent along with what another website asks for.
_COOKIE = ";path=/;samesite=lax"
# CNIL: an audience-measurement cookie lives at most 13 months.
_VISITOR_LIFETIME = timedelta(days=390)
_SHOWN_LIMIT = 4096
# What the snippet loads where a page needs it: names in the manifest and in the settings.
PARTS = ("banner", "gate", "handover", "more", "prepare", "review", "vitals")
# Pages that are opened with such a mark at the end of their address begin with `prepare`; of a family, all do.
_MARKED, _ALL = "^#webmon-", ""

# Which of a notice's texts stand for a policy: the sentence, and the words of its control.
TEXTS: Mapping[Model, Mapping[str, str]] = {
    Model.OPT_IN: {"note": "body", "control": "reopen"},
    Model.OPT_OUT: {"note": "optout_note", "control": "do_not_sell"},
    Model.EXEMPT: {"note": "exempt_note", "control": "object"},
    Model.NOTICE_ONLY: {"note": "counting_note", "control": "reopen"},
}


class ShownBody(msgspec.Struct):
    site: str
    notice: str


class LogoutBody(msgspec.Struct):
    site: str
    visitor: str = ""
    visit: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Embed:
    """What the cross-origin interface calls. `script` is the built snippet, `manifest` the files that it loads."""

    sites: Sites
    directory: SiteDirectory
    notices: Notices
    consents: Consents
    handovers: Handovers
    signer: Signer
    eraser: Eraser
    sign_ins: SignIns
    policies: Policies
    counts: ConsentCounts
    observer: Observer
    manifest: Mapping[str, str]
    script: Path
    clock: Clock

    @property
    def parts(self) -> dict[str, str]:
        """What w.js needs even where the site could not be told."""
        return {name: self.manifest[name] for name in PARTS} | {"cookie": _COOKIE}

    def settings_of(self, site: Site) -> dict[str, Any]:
        pack = site.jurisdiction.pack
        model = pack and pack.model
        version = self._version(site)
        family = self.handovers.family(site, self.clock.now())
        # With it comes the notice: a page that hears of other notices has not kept it from before.
        file = hashlib.sha256(f"{self.manifest['banner']} {version}".encode()).hexdigest()[:8]
        return self.parts | {
            "banner": f"/banner.js?site={quote(site.domain)}&v={file}",
            "site": site.domain,
            "marks": _ALL if family else _MARKED,
            "family": family,
            "mode": site.mode.value,
            "early": site.mode is not Mode.CONSENTED_ONLY,
            "ask": site.mode is not Mode.COOKIELESS_ALWAYS,
            "model": model and model.value,
            "signals": ["globalPrivacyControl", *(["doNotTrack"] if site.honour_dnt else [])],
            "portal": f"/privacy/{site.domain}",
            "version": version,
            "cookie": _COOKIE + (f";domain={site.cookie_domain}" if site.cookie_domain else ""),
            "choice_days": site.choice_days,
            "visitor_days": _VISITOR_LIFETIME.days,
        }

    def _version(self, site: Site) -> str:
        """Another one also where the cookies are for another domain: then each browser moves those that it has."""
        version = self.notices.version(site, self.clock.now())
        return hashlib.sha256(f"{version} {site.cookie_domain}".encode()).hexdigest()[: len(version)]


def blueprint(it: Embed) -> Blueprint:
    """Return the cross-origin interface; it reads and sets no cookie, so it needs no CSRF token."""
    pages = Blueprint("embed", __name__)

    @pages.after_request
    def cross_origin(response: Response) -> Response:
        return allow_any_origin(response)

    _register_files(pages, it)
    _register_consent(pages, it)
    _register_family(pages, it)
    _register_sign_in(pages, it)
    return pages


def _register_files(pages: Blueprint, it: Embed) -> None:
    snippet, parts = it.script.read_text("utf-8"), it.parts
    banner = it.script.with_name(Path(parts["banner"]).name).read_text("utf-8")

    @pages.get("/w.js")
    def w_js() -> Response:
        site = _site_asked_for(it.directory, it.clock)
        settings = _in_script(json.dumps(it.settings_of(site) if site else parts, separators=(",", ":")))
        return _cached(snippet.replace(PLACEHOLDER, settings), "text/javascript; charset=utf-8", _BRIEFLY, "Referer")

    @pages.get("/banner.js")
    def banner_js() -> Response:
        """The banner with the notice that it shows: whoever is asked waits for one answer instead of two."""
        site = it.sites.get(request.args.get("site", "").lower())
        shown = it.notices.in_language(site, _languages_asked_for(), it.clock.now())
        text = f"{EAGER}\nconst {NOTICE}={_in_script(_with_hash(shown))};\n{banner}"
        return _in_its_language(_cached(text, "text/javascript; charset=utf-8", _BRIEFLY, "Accept-Language"), shown)

    @pages.get("/webmon.d.ts")
    def types() -> Response:
        return _cached(it.script.with_name("webmon.d.ts").read_text("utf-8"), "text/plain; charset=utf-8", _BRIEFLY)

    @pages.get("/consent-mode.js")
    def consent_mode() -> Response:
        return _cached(
            it.script.with_name("consent-mode.js").read_text("utf-8"), "text/javascript; charset=utf-8", _BRIEFLY
        )

    @pages.get("/api/settings/<path:domain>")
    def settings(domain: str) -> Response:
        return _cached(json.dumps(it.settings_of(it.sites.get(domain))), "application/json", _BRIEFLY)

    @pages.get("/api/notice")
    def notice_to_show() -> Response:
        site = it.sites.get(request.args.get("site", "").lower())
        shown = it.notices.in_language(site, _languages_asked_for(), it.clock.now())
        return _in_its_language(_cached(_with_hash(shown), "application/json", _BRIEFLY, "Accept-Language"), shown)

    @pages.get("/api/notices/<notice_hash>")
    def notice(notice_hash: str) -> Response:
        return _cached(it.notices.get(notice_hash).text, "application/json", _FOR_EVER)

    @pages.get("/.well-known/gpc.json")
    def gpc() -> Response:
        # Every version honours the signal, so this installation has done so since it had its first site.
        since = min((site.created_at for site in it.sites.all()), default=None)
        said: dict[str, Any] = {"gpc": True}
        if since is not None:
            said["lastUpdate"] = since.date().isoformat()
        return _cached(json.dumps(said), "application/json", _BRIEFLY)


def _register_consent(pages: Blueprint, it: Embed) -> None:
    @pages.get("/api/policy")
    def policy() -> Response:
        site = it.sites.get(request.args.get("site", ""))
        asked = request.args.get("preview", "")
        found = it.policies.shown(site, client_of(request), asked)
        response = _json(policy_shown(site, found, asked), 200)
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.get("/api/register")
    def register() -> Response:
        """Services and cookies as the notice in force lists them, in the language nearest to the one asked for."""
        site = it.sites.get(request.args.get("site", ""))
        found = it.notices.in_language(site, [request.args.get("lang", "")[:16]], it.clock.now())
        document = {"site": site.domain, "language": found.language, "notice": found.hash}
        document["services"] = found.body.get("services", [])
        return _cached(json.dumps(document, ensure_ascii=False), "application/json", _BRIEFLY)

    @pages.post("/api/consent")
    def consent() -> Response:
        body = read_json(request, ConsentBody)
        site = it.directory.find(body.domain, it.clock.now()) or it.sites.get(body.site)
        _check_erasure(body)
        whose = it.eraser.whose(site, body.visitor) if body.erase else NOBODY
        answer = request_of(body, site, client_of(request), it.policies, it.observer, whose)
        receipt = it.consents.record(site, answer, it.clock.now())
        if receipt is None:
            return _json({"counted": True}, 200)
        response = _json(receipt, 201)
        if body.erase:
            # Only the browser knows whose rows they are.
            erased = it.eraser.erase(site, whose, answer.previous, it.clock.now()) if whose else 0
            response.headers["x-webmon-erased"] = str(erased or 0)
            if not whose or erased is None:
                response.headers["x-webmon-not-erased"] = "later" if whose else "no_visitor"
        return response

    @pages.get("/api/consent/<receipt_id>")
    def consent_state(receipt_id: str) -> Response:
        languages = [text for text in [request.args.get("language", "")] if text]
        site = it.sites.get(request.args.get("site", ""))
        return _json(it.consents.state(site, receipt_id, languages, it.clock.now()), 200)

    @pages.get("/.well-known/webmon-consent-key.json")
    def consent_key() -> Response:
        return _cached(json.dumps(it.signer.public()), "application/jwk+json", _BRIEFLY)

    @pages.post("/api/consent/shown")
    def shown() -> Response:
        """Count that a notice was shown; of whoever sends this, nothing is kept."""
        body, asking, now = read_json(request, ShownBody, _SHOWN_LIMIT), _who_asks(), it.clock.now()
        site = it.directory.find(body.site.strip().lower(), now)
        if site is None:
            raise UnknownSite(body.site)
        reason = it.observer.reason_not_to_count(*asking)
        if reason is None:
            gpc = Client(*asking).gpc
            it.counts.shown(site, body.notice, it.observer.segment(*asking), now, gpc=gpc)
            return Response(status=204)
        told = {"x-webmon-dropped": "1", "x-webmon-drop-reason": reason.value}
        return Response(status=204, headers=told)


def _register_family(pages: Blueprint, it: Embed) -> None:
    @pages.post("/api/consent/handover")
    def handover() -> Response:
        body, now = read_json(request, HandoverBody), it.clock.now()
        site, to, day = it.sites.get(body.site), body.to.strip().lower(), body.decided
        if body.receipt:
            token = it.handovers.take_consent(site, to, body.receipt, day, now)
        else:
            token = it.handovers.take_refusal(site, to, body.notice, body.decisions, day, now)
        return _json({"token": token}, 201)

    @pages.post("/api/consent/redeem")
    def redeem() -> Response:
        body, client = read_json(request, RedeemBody), client_of(request)
        site = it.sites.get(body.site)
        if body.receipt is not None:
            check_receipt(body.receipt)
        own = OwnChoice(body.decided, body.previous or "") if body.decided else None
        arrival = Arrival(
            own,
            body.receipt or "",
            it.policies.answered(site, client),
            it.observer.segment(client.peer, client.headers),
        )
        taken = it.handovers.redeem(site, body.token, arrival, it.clock.now())
        return _json(taken.document, 201 if taken.receipt else 200)


def _register_sign_in(pages: Blueprint, it: Embed) -> None:
    @pages.post("/api/login")
    def login() -> Response:
        body = read_json(request, LoginBody)
        site, now = it.sites.get(body.site), it.clock.now()
        g.site_id = site.id
        if body.account and body.token:
            raise InvalidInput.field("account", "goes without a token")
        if body.account:
            _check_backend(it.sites, site)
            account = AccountName(body.account, body.email, body.name, _session_end(body.session_expiry))
            it.sign_ins.login_as(site, account, body.visitor, body.visit, now, body.consent)
        elif body.token:
            it.sign_ins.login(site, body.token, body.visitor, body.visit, now, consent=body.consent)
        else:
            raise InvalidInput.field("token", "is required")
        return Response(status=204)

    @pages.post("/api/logout")
    def logout() -> Response:
        body = read_json(request, LogoutBody)
        site, now = it.sites.get(body.site), it.clock.now()
        if body.account:
            _check_backend(it.sites, site)
            it.sign_ins.logout_as(site, body.account, now)
        it.sign_ins.logout(site, body.visitor, body.visit, now)
        return Response(status=204)


def _session_end(seconds: float | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput.field("session_expiry", "must be a time in seconds") from error


def policy_shown(site: Site, policy: Policy, preview: str) -> dict[str, Any]:
    """Return the policy as a page reads it: what is asked, which of the notice's texts are shown, what was heard."""
    return policy.document() | {
        "preview": preview.strip().upper(),
        "gpc": "honoured" if Reason.GPC in policy.reasons else "not_sent",
        "dnt": "honoured" if Reason.DNT in policy.reasons else "not_honoured" if not site.honour_dnt else "not_sent",
        # A signal speaks for who has not chosen; whatever somebody chooses outweighs it.
        "overridable": True,
        "ask": policy.model is Model.OPT_IN and site.mode is not Mode.COOKIELESS_ALWAYS,
        "texts": _texts(site, policy.model),
    }


def _texts(site: Site, model: Model) -> Mapping[str, str]:
    # That visits are counted is not true where they are counted with consent only.
    counts = site.mode is not Mode.CONSENTED_ONLY or model is not Model.NOTICE_ONLY
    return TEXTS[model] if counts else TEXTS[Model.OPT_IN]


def _who_asks() -> tuple[str, dict[str, str]]:
    """The connection's peer and the request's headers, names in lower case."""
    return request.remote_addr or "", {name.lower(): value for name, value in request.headers}


def _check_backend(sites: Sites, site: Site) -> None:
    """See that a backend of the site asks: whoever can say who is signed in can read and fill their log."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or sites.authenticate(key.strip(), Scope.LOGIN) != site.id:
        raise NotAuthenticated("needs an API key of scope login for this site", "authorization")


def _check_erasure(body: ConsentBody) -> None:
    if body.erase and body.action != Action.WITHDRAW:
        raise InvalidInput.field("erase", "goes with the action withdraw alone")
    if body.erase and not body.previous:
        raise InvalidInput.field("previous", "is required: the receipt of the consent whose rows are to be erased")


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


def _languages_asked_for() -> list[str]:
    asked = request.args.get("lang")
    wanted = languages_of(request.headers.get("Accept-Language", ""))
    return [asked, *wanted] if asked else [*wanted]


def _with_hash(shown: Notice) -> str:
    # The notice is sent as its canonical text, so that who wants to can check the hash beside it.
    return f'{{"hash":"{shown.hash}","notice":{shown.text}}}'


def _in_its_language(response: Response, shown: Notice) -> Response:
    response.headers["Content-Language"] = shown.language
    return response


def _in_script(document: str) -> str:
    """JSON that cannot end or break a script which holds it: by `</script>` or by line separators."""
    return document.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


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
