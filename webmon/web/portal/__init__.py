"""The visitor's own pages: what they decided, what is held about them. They work without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, cast

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm

from webmon.clock import Clock
from webmon.domain.consent import NOBODY, Action, Collected, UiSource
from webmon.domain.event import ENGAGEMENT, PAGEVIEW
from webmon.domain.hit import Hit
from webmon.domain.jurisdiction import Model, Reason
from webmon.domain.language import LANGUAGES, closest, languages_of
from webmon.domain.notice import Cookie, Service, default_body
from webmon.domain.retention import in_words
from webmon.domain.site import Mode, Site
from webmon.errors import NotFound, UnknownSite
from webmon.services.apply_retention import Retention
from webmon.services.choose_policy import Policies
from webmon.services.erase_account import AccountEraser
from webmon.services.erase_collected import Eraser
from webmon.services.manage_sites import Sites
from webmon.services.publish_notice import Notices
from webmon.services.read_held import HeldData, Person
from webmon.services.record_consent import ConsentRequest, Consents
from webmon.services.restrict_account import Restrictions, Standing
from webmon.web.portal import answering, erasing, restricting
from webmon.web.portal.person import PersonCookie
from webmon.web.portal.tokens import SignedToken, same_origin
from webmon.web.portal.words import EN, WORDS, Words
from webmon.web.shared.client import client_of

PAGE_COUNT = 50
_SHOWN = "shown on the person's own page"
_DOWNLOADED = "downloaded by the person"
# A row as the person reads it: the pseudonyms in it are of no use to anybody else.
_INTERNAL = frozenset({"site_id", "hit_id", "visitor_id", "visit_id"})


class PortalForm(FlaskForm):  # type: ignore[misc]
    """The CSRF token; purposes differ from notice to notice and are read by name."""

    class Meta:
        csrf = True
        csrf_class = SignedToken
        csrf_field_name = "form_token"


@dataclass(frozen=True, slots=True)
class Portal:
    """What the visitor's pages are made from."""

    sites: Sites
    notices: Notices
    consents: Consents
    policies: Policies
    eraser: Eraser
    account_eraser: AccountEraser
    held: HeldData
    restrictions: Restrictions
    retention: Retention
    cookie: PersonCookie
    form_key: bytes
    clock: Clock

    def site(self, domain: str) -> Site:
        try:
            found = self.sites.get(domain)
        except UnknownSite:
            abort(404)
        g.site_id = found.id
        return found

    def person(self, site: Site) -> Person:
        """Return who asks; nobody in particular once the account that they came with has signed out."""
        person = self.cookie.read(request, site, self.clock.now())
        return Person() if self.held.has_signed_out(person) else person

    def signed_out(self, site: Site) -> bool:
        """Whether the page was open for an account that has signed out on the website since."""
        return self.held.has_signed_out(self.cookie.read(request, site, self.clock.now()))

    def line(self, site: Site, person: Person) -> list[dict[str, Any]]:
        """The receipts of the consent that the person came with, newest first."""
        return self.consents.line(site, person.consent) if person.consent else []

    def standing(self, site: Site, person: Person) -> Standing | None:
        """Whether the person's account is restricted; None where there is no account, or not any more."""
        return self.restrictions.standing(site, person.account) if person.account is not None else None

    def withdraw(self, site: Site, before: dict[str, Any], whose: Collected) -> dict[str, Any] | None:
        now, receipt_id = self.clock.now(), before["consent_receipt_id"]
        policy = self.policies.answered(site, client_of(request))
        receipt = self.consents.withdraw(site, receipt_id, UiSource.FORM, policy, now, erase=whose)
        if whose:
            self.eraser.erase(site, whose, receipt_id, now)
        return receipt

    def form(self, site: Site) -> PortalForm:
        return PortalForm(meta={"csrf_context": (self.form_key, site.domain)})

    def refused(self, site: Site) -> Response | None:
        """Return the page that says so where the form that was sent is none of ours, or its sender has signed out."""
        if self.signed_out(site):
            return self.page(site, status=403)
        if same_origin() and self.form(site).validate():
            return None
        return self.page(site, bad=words_asked_for().texts["expired"], status=400)

    def page(self, site: Site, bad: str = "", status: int = 200) -> Response:
        if not bad and self.signed_out(site):
            bad = words_asked_for().texts["signed_out"].format(site=site.domain)
        values = self._own(site) | self._of_site(site)
        values["flash"] = values["words"].texts.get(request.args.get("said", ""), "") if not bad else ""
        return Response(render_template("portal/show.html", site=site, bad=bad, **values), status)

    def _of_site(self, site: Site) -> dict[str, Any]:
        words = words_asked_for()
        policy = self.policies.shown(site, client_of(request), request.args.get("preview", ""))
        notice = self.notices.in_language(site, [words.language.tag], self.clock.now())
        return {
            # A notice of before there were policies has no words for them.
            "policy_texts": default_body(site.domain, words.language.tag)["texts"] | notice.body["texts"],
            "opt_out": policy.model is Model.OPT_OUT,
            "gpc": Reason.GPC in policy.reasons,
            "exempt": site.mode is not Mode.CONSENTED_ONLY,
            **_spoken(words),
            "notice": notice.body,
            "notice_hash": notice.hash,
            "form": self.form(site),
            "rules": [
                (words.classes[rule.info_class], in_words(rule.keep, words.durations))
                for rule in self.retention.rules(site)
            ],
        }

    def _own(self, site: Site) -> dict[str, Any]:
        now, words, person = self.clock.now(), words_asked_for(), self.person(site)
        rows, line = self.held.event_rows(site, person), self.line(site, person)
        account = self.held.account(site, person, now, _SHOWN)
        shown = max(request.args.get("page", 1, type=int), 1)
        return {
            "person": person,
            "known": person != Person(),
            "rows": [row_shown(hit, words) for hit in rows[(shown - 1) * PAGE_COUNT : shown * PAGE_COUNT]],
            "row_count": len(rows),
            "shown": shown,
            "more": len(rows) > shown * PAGE_COUNT,
            "identity": account.identity if account else {},
            "account_rows": [row_shown(hit, words) for hit in account.rows] if account else [],
            "unopened_count": account.unopened_count if account else 0,
            "reads": [(read, read.actor == f"account:{person.account}") for read in self.held.reads(site, person)],
            "standing": self.standing(site, person),
            "line": line,
            "in_force": bool(line) and datetime.fromisoformat(line[0]["validity_until"]) > now,
        }


def blueprint(portal: Portal) -> Blueprint:
    pages = Blueprint("portal", __name__, url_prefix="/privacy")

    @pages.before_app_request
    def speak() -> None:
        # Errors too are told in the visitor's language, those of addresses that lead nowhere included.
        if request.path.startswith(f"{pages.url_prefix}/"):
            g.words = words_asked_for()

    _reading(pages, portal)
    _deciding(pages, portal)
    answering.register(pages, portal)
    restricting.register(pages, portal)
    erasing.register(pages, portal)
    return pages


def _reading(pages: Blueprint, portal: Portal) -> None:
    @pages.get("/<domain>")
    def show(domain: str) -> Response:
        return portal.page(portal.site(domain))

    @pages.get("/<domain>/cookies")
    def cookies(domain: str) -> str:
        """Services and cookies as the notice in force lists them, by the purpose that each cookie serves."""
        site, words = portal.site(domain), words_asked_for()
        notice = portal.notices.in_language(site, [words.language.tag], portal.clock.now())
        listed = [(purpose, _serving(notice.services, purpose.key)) for purpose in notice.purposes]
        return render_template(
            "portal/cookies.html",
            site=site,
            **_spoken(words),
            notice=notice.body,
            groups=[(purpose, services) for purpose, services in listed if services],
        )

    @pages.post("/<domain>/open")
    def open_page(domain: str) -> Response:
        """From the website, with what only its visitor holds: identifiers come in the body, never in an address."""
        site, now = portal.site(domain), portal.clock.now()
        person = Person(request.form.get("visitor", "")[:64], request.form.get("consent", "").strip()[:64])
        if request.form.get("token"):
            account = portal.held.identify(site, request.form["token"], now)
            person = replace(person, account=account, since=now)
        if person.consent and not portal.line(site, person):
            person = replace(person, consent="")
        if person == Person():
            return portal.page(site, bad=words_asked_for().texts["not_held"].format(site=site.domain), status=404)
        response = _to_page(site)
        portal.cookie.write(response, site, _joined(portal.person(site), person), now)
        return response

    @pages.get("/<domain>/data.json")
    def data(domain: str) -> Response:
        site, now = portal.site(domain), portal.clock.now()
        person = portal.person(site)
        if person == Person():
            raise NotFound("This page does not know who you are; come here from the website")
        standing = portal.standing(site, person)
        account = portal.held.account(site, person, now, _DOWNLOADED, every=True)
        document: dict[str, Any] = {
            "site": site.domain,
            "made_at": now.isoformat(),
            "restricted_at": standing.restricted_at.isoformat() if standing and standing.restricted_at else None,
            "account": (account.identity or None) if account else None,
            "event_log": [_plain(hit) for hit in portal.held.event_rows(site, person)],
            "account_log": [_plain(hit) for hit in account.rows] if account else [],
            "account_log_unopened": account.unopened_count if account else 0,
            "account_log_reads": [asdict(read) for read in portal.held.reads(site, person)],
            "consent_receipts": portal.line(site, person),
            "retention": {rule.info_class.value: rule.keep for rule in portal.retention.rules(site)},
        }
        return _download(document, f"webmon-{site.domain.replace(':', '-')}.json")

    @pages.get("/<domain>/receipts/<receipt_id>")
    def receipt(domain: str, receipt_id: str) -> Response:
        site, words = portal.site(domain), words_asked_for()
        name, dot, kind = receipt_id.partition(".")
        line = portal.line(site, portal.person(site))
        found = next((one for one in line if one["consent_receipt_id"] == name), None)
        if found is None or (dot and kind != "json"):
            raise NotFound(
                "This is no receipt of yours; come here from the website, or open the page with its number"
            )
        if dot:
            return _download(found, f"receipt-{name}.json")
        notice = portal.notices.get(found["notice_hash"]).body
        values = {"site": site, "receipt": found, "notice": notice, **_spoken(words), "languages": ()}
        return Response(render_template("portal/receipt.html", **values))


def _deciding(pages: Blueprint, portal: Portal) -> None:
    def decide(domain: str, said: str, record: Callable[[Site, dict[str, Any]], dict[str, Any] | None]) -> Response:
        site = portal.site(domain)
        refused = portal.refused(site)
        if refused is not None:
            return refused
        person = portal.person(site)
        line = portal.line(site, person)
        if not line:
            raise NotFound("This page does not know your consent any more; come here from the website")
        receipt = record(site, line[0])
        response = _to_page(site, said)
        if receipt is not None:
            person = replace(person, consent=receipt["consent_receipt_id"])
        portal.cookie.write(response, site, person, portal.clock.now())
        return response

    @pages.post("/<domain>/choices")
    def choose(domain: str) -> Response:
        def record(site: Site, before: dict[str, Any]) -> dict[str, Any] | None:
            notice = portal.notices.get(request.form.get("notice", ""))  # the one that was shown beside the boxes
            decisions = {key: request.form.get(f"purpose-{key}") == "y" for key in notice.optional_keys}
            action = Action.CUSTOM if any(decisions.values()) else Action.WITHDRAW
            receipt_id = before["consent_receipt_id"]
            policy = portal.policies.answered(site, client_of(request))
            asked = ConsentRequest(
                notice.hash, decisions, action, UiSource.FORM, notice.language, receipt_id, policy=policy
            )
            return portal.consents.record(site, asked, portal.clock.now())

        return decide(domain, "saved", record)

    @pages.post("/<domain>/withdraw")
    def withdraw(domain: str) -> Response:
        return decide(domain, "withdrawn", lambda site, before: portal.withdraw(site, before, NOBODY))

    @pages.post("/<domain>/erase")
    def erase(domain: str) -> Response:
        """Withdraw, and erase what was collected under the consent: visitor and account tell what that is."""
        site = portal.site(domain)
        person = portal.person(site)
        whose = portal.eraser.whose(site, person.visitor, person.account)
        said = "erased" if whose else "not_erased"
        return decide(domain, said, lambda site, before: portal.withdraw(site, before, whose))

    @pages.post("/<domain>/close")
    def close(domain: str) -> Response:
        site = portal.site(domain)
        response = portal.refused(site)
        if response is None:
            response = _to_page(site, "closed")
            portal.cookie.clear(response, site)
        return response


def _serving(services: Sequence[Service], purpose: str) -> list[tuple[Service, list[Cookie]]]:
    """The services of a purpose or with a cookie for it, and their cookies for it."""
    found = [(service, [one for one in service.cookies if one.purpose == purpose]) for service in services]
    return [(service, cookies) for service, cookies in found if cookies or service.purpose == purpose]


def _to_page(site: Site, said: str = "") -> Response:
    address = url_for("portal.show", domain=site.domain, said=said or None, lang=request.args.get("lang"))
    return cast(Response, redirect(address, 303))


def _joined(before: Person, new: Person) -> Person:
    """Who came as a visitor and comes again with their account is one person; another visitor is another one."""
    if new.visitor and before.visitor and new.visitor != before.visitor:
        return new
    return Person(
        new.visitor or before.visitor,
        new.consent or before.consent,
        *((new.account, new.since) if new.account is not None else (before.account, before.since)),
    )


def words_asked_for() -> Words:
    """The page's language: the one asked for, else the browser's, else English."""
    wanted = [request.args.get("lang", ""), *languages_of(request.headers.get("Accept-Language", ""))]
    return WORDS.get(closest(wanted, WORDS), EN)


def _spoken(words: Words) -> dict[str, Any]:
    """What a page needs to say in which language it is, in which direction, and which others there are."""
    language = words.language
    return {
        "words": words,
        "language": language.tag,
        "direction": language.direction,
        "languages": LANGUAGES.values(),
    }


def row_shown(hit: Hit, words: Words) -> dict[str, str]:
    screen = words.texts["screen"].format(screen=words.device(hit.screen)) if hit.screen else ""
    language = words.texts["asks_in"].format(language=hit.language) if hit.language else ""
    names = {PAGEVIEW: words.texts["page_view"], ENGAGEMENT: words.texts["engagement"]}
    return {
        "when": f"{hit.occurred_at:%Y-%m-%d %H:%M:%S}",
        "what": names.get(hit.name, hit.name),
        "page": f"{hit.hostname}{hit.pathname}",
        "from": ", ".join(_joined_words((hit.source, words.channel(hit.channel)))),
        "with": ", ".join(_joined_words((hit.browser, hit.os, words.device(hit.device), screen, language))),
        "where": ", ".join(_joined_words((hit.city, hit.region or hit.country))),
        "provider": hit.provider,
    }


def _joined_words(parts: Sequence[str]) -> list[str]:
    return [part for part in parts if part]


def _plain(hit: Hit) -> dict[str, Any]:
    fields = {name: getattr(hit, name) for name in hit.__struct_fields__ if name not in _INTERNAL}
    return fields | {"occurred_at": f"{hit.occurred_at.isoformat()}Z"}


def _download(document: dict[str, Any], name: str) -> Response:
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    response = Response(text + "\n", content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
