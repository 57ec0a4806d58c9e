"""Erasing one's own account, on the visitor's page: with or without JavaScript, and not without a tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, g, redirect, request, url_for

from webmon.errors import NotFound

if TYPE_CHECKING:
    from webmon.web.portal import Portal


def register(pages: Blueprint, portal: Portal) -> None:
    @pages.post("/<domain>/erase-account")
    def erase_account(domain: str) -> Response:
        """Erase everything that is held about the account; the page knows nobody any more afterwards."""
        site = portal.site(domain)
        refused = portal.refused(site)
        if refused is not None:
            return refused
        person = portal.person(site)
        if person.account is None:
            raise NotFound("This page does not know your account any more; come here from the website")
        if request.form.get("understood") != "y":
            return portal.page(site, bad=g.words.texts["erase_all_missing"], status=400)
        portal.account_eraser.erase_own(site, person.account, portal.clock.now())
        page = url_for("portal.show", domain=site.domain, said="erased_all", lang=request.args.get("lang"))
        response = cast(Response, redirect(page, 303))
        portal.cookie.clear(response, site)
        return response
