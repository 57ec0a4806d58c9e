"""Restricting one's own account, and lifting that, on the visitor's page: with or without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, redirect, request, url_for

from webmon.errors import NotFound
from webmon.services.restrict_account import Change

if TYPE_CHECKING:
    from webmon.web.portal import Portal

_REASON = "asked for by the person on their own page"


def register(pages: Blueprint, portal: Portal) -> None:
    def change(domain: str, said: str, *, restricted: bool) -> Response:
        site, now = portal.site(domain), portal.clock.now()
        refused = portal.refused(site)
        if refused is not None:
            return refused
        person = portal.person(site)
        if person.account is None:
            raise NotFound("This page does not know your account any more; come here from the website")
        asked = Change(restricted, _REASON, account_id=person.account)
        portal.restrictions.change(site, asked, now, actor=f"account:{person.account}")
        page = url_for("portal.show", domain=site.domain, said=said, lang=request.args.get("lang"))
        response = cast(Response, redirect(page, 303))
        portal.cookie.write(response, site, person, now)
        return response

    @pages.post("/<domain>/restrict")
    def restrict(domain: str) -> Response:
        return change(domain, "restricted", restricted=True)

    @pages.post("/<domain>/lift-restriction")
    def lift_restriction(domain: str) -> Response:
        return change(domain, "lifted", restricted=False)
