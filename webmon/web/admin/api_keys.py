"""The keys with which programs ask: making, listing, ending them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, redirect, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import IntegerField, SelectField
from wtforms.validators import InputRequired

from webmon.clock import Clock
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import InvalidInput
from webmon.services.manage_sites import Scope, Sites
from webmon.web.shared.forms import options
from webmon.web.shared.guard import Guard

SCOPES = {
    Scope.STATS: "stats: read the figures",
    Scope.EVENTS: "events: send events from a server",
    Scope.LOGIN: "login: say from a server who is signed in",
    Scope.ADMIN: "admin: all of these",
}


class ScopeForm(FlaskForm):  # type: ignore[misc]
    scope = SelectField("What the key may do", choices=options(SCOPES))


class EndApiKeyForm(FlaskForm):  # type: ignore[misc]
    number = IntegerField(validators=[InputRequired("must be the number of a key")])


def shown(sites: Sites, site: Site) -> dict[str, Any]:
    """What the site's page shows of its API keys."""
    return {
        "api_keys": sites.api_keys(site),
        "scope_form": ScopeForm(formdata=None),
        "end_api_key_form": EndApiKeyForm(formdata=None),
    }


def register(pages: Blueprint, guard: Guard, sites: Sites, page: Callable[..., str], clock: Clock) -> None:
    """A new key is shown on the very page that answers the form, once: no address leads to it again."""

    @pages.post("/sites/<domain>/api-keys")
    @guard.roles(Role.OWNER)
    def new_api_key(site: Site) -> str:
        form = ScopeForm()
        if not form.validate_on_submit():
            return page(site, scope_form=form)
        made = sites.new_api_key(site, form.data["scope"], clock.now(), actor=g.staff.email)
        return page(site, new_key=made.text, new_key_kind=f"API key {made.kept.number}, {made.kept.scope},")

    @pages.post("/sites/<domain>/api-keys/end")
    @guard.roles(Role.OWNER)
    def end_api_key(site: Site) -> Response:
        form = EndApiKeyForm()
        if not form.validate_on_submit():
            raise InvalidInput({name: [str(text) for text in texts] for name, texts in form.errors.items()})
        ended = sites.end_api_key(site, form.data["number"], clock.now(), actor=g.staff.email)
        flash(f"API key {ended.number} has ended.", "done")
        return redirect(url_for("admin.show_site", domain=site.domain))
