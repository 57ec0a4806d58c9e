"""Answers without JavaScript: a form of the website's own, and the opt-out on the visitor's page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Response, redirect, request, url_for

from webmon.domain.consent import Action, UiSource
from webmon.domain.notice import Notice
from webmon.domain.site import Site, own_address
from webmon.errors import InvalidInput, NotFound
from webmon.services.read_held import Person
from webmon.services.record_consent import ConsentRequest
from webmon.web.shared.client import client_of

if TYPE_CHECKING:
    from webmon.web.portal import Portal

_PURPOSE = "purpose-"
_SAID = {Action.OPT_OUT: "opted_out", Action.REJECT_ALL: "withdrawn", Action.WITHDRAW: "withdrawn"}
# What somebody can say by a form; a signal is no form.
_SAYS = (Action.ACCEPT_ALL, Action.REJECT_ALL, Action.CUSTOM, Action.OPT_OUT, Action.WITHDRAW)


def register(pages: Blueprint, portal: Portal) -> None:
    @pages.post("/<domain>/answer")
    def answer(domain: str) -> Response:
        """From a form of the website's own: it reads no cookie, so it needs no token and speaks for nobody else."""
        site = portal.site(domain)
        back, asked = _back(site), _answer(portal, site)
        return _recorded(portal, site, asked, Person(), back)

    @pages.post("/<domain>/opt-out")
    def opt_out(domain: str) -> Response:
        """From the visitor's page: what was granted ends; where nothing was, the opt-out is counted."""
        site = portal.site(domain)
        refused = portal.refused(site)
        if refused is not None:
            return refused
        person = portal.person(site)
        line = portal.line(site, person)
        previous = line[0]["consent_receipt_id"] if line else ""
        notice = portal.notices.get(request.form.get("notice", ""))  # the one whose words stood beside the button
        return _recorded(portal, site, _request(portal, site, notice, Action.OPT_OUT, {}, previous), person)


def _recorded(portal: Portal, site: Site, asked: ConsentRequest, person: Person, back: str = "") -> Response:
    """Record the answer and go `back`, or to the visitor's page: it knows who has a receipt for half an hour."""
    now = portal.clock.now()
    receipt = portal.consents.record(site, asked, now)
    said = "counted" if receipt is None else _SAID.get(Action(asked.action), "saved")
    page = url_for("portal.show", domain=site.domain, said=said, lang=request.args.get("lang"))
    response = cast(Response, redirect(back or page, 303))
    if receipt is not None:
        portal.cookie.write(response, site, replace(person, consent=receipt["consent_receipt_id"]), now)
    return response


def _answer(portal: Portal, site: Site) -> ConsentRequest:
    form = request.form
    if form.get("action") not in {action.value for action in _SAYS}:
        raise InvalidInput.field("action", f"must be one of {', '.join(_SAYS)}")
    action = Action(form["action"])
    named = {key.removeprefix(_PURPOSE) for key in form if key.startswith(_PURPOSE) and form[key] == "y"}
    if "notice" in form:
        notice = _notice(portal, form["notice"])
    elif action is Action.ACCEPT_ALL or named:
        raise InvalidInput.field("notice", "is required: the hash of the notice whose words the form shows")
    else:
        notice = portal.notices.in_language(site, [form.get("language", "")], portal.clock.now())
    granted = notice.optional_keys if action is Action.ACCEPT_ALL else named
    return _request(portal, site, notice, action, dict.fromkeys(granted, True), form.get("consent", "").strip())


def _notice(portal: Portal, name: str) -> Notice:
    try:
        return portal.notices.get(name)
    except NotFound:
        raise InvalidInput.field("notice", "is not a notice of this site") from None


def _request(
    portal: Portal, site: Site, notice: Notice, action: Action, granted: dict[str, Any], previous: str
) -> ConsentRequest:
    decisions = dict.fromkeys(notice.optional_keys, False) | granted
    policy = portal.policies.answered(site, client_of(request))
    language = request.form.get("language", notice.language)
    return ConsentRequest(notice.hash, decisions, action, UiSource.FORM, language, previous, policy=policy)


def _back(site: Site) -> str:
    """The page of the website to go back to, if one is named; raises `InvalidInput` for one of another website."""
    asked = request.form.get("return", "")
    try:
        return own_address(site.domain, asked) if asked else ""
    except ValueError as error:
        raise InvalidInput.field("return", str(error)) from error
