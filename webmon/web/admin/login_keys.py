"""The keys that a website's login tokens are checked with: making, registering, ending them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, g, redirect, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from webmon.clock import Clock
from webmon.domain.login import PUBLIC_KEY_LIMIT
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import InvalidInput
from webmon.services.manage_sites import Sites
from webmon.web.shared.forms import blaming, options
from webmon.web.shared.guard import Guard

GO_ON = ""
OLDER = {GO_ON: "go on to be accepted", "24": "are accepted for 24 more hours", "0": "end at once"}
WHEN = {"0": "at once", "1": "in an hour", "24": "in 24 hours", "168": "in 7 days"}


class LoginKeyForm(FlaskForm):  # type: ignore[misc]
    older = SelectField("All older keys", choices=options(OLDER), default=GO_ON)


class PublicKeyForm(LoginKeyForm):
    public_key = TextAreaField("Public key", [DataRequired("is required"), Length(max=PUBLIC_KEY_LIMIT)])
    older = SelectField("All older keys", choices=options(OLDER), default=GO_ON, id="older-than-public-key")


class EndKeyForm(FlaskForm):  # type: ignore[misc]
    key_id = StringField(validators=[DataRequired("is required"), Length(max=64)])
    when = SelectField("When", choices=options(WHEN), default="24")


def shown(sites: Sites, site: Site) -> dict[str, Any]:
    """What the site's page shows of its login keys."""
    return {
        "login_keys": sites.kept_login_keys(site),
        "login_key_form": LoginKeyForm(formdata=None),
        "public_key_form": PublicKeyForm(formdata=None),
        "end_key_form": EndKeyForm(formdata=None),
    }


def register(pages: Blueprint, guard: Guard, sites: Sites, page: Callable[..., str], clock: Clock) -> None:
    """A new key is shown on the very page that answers the form, once: no address leads to it again."""

    @pages.post("/sites/<domain>/login-keys")
    @guard.roles(Role.OWNER)
    def new_login_key(site: Site) -> str:
        form = LoginKeyForm()
        if not form.validate_on_submit():
            return page(site, login_key_form=form)
        key = sites.new_login_key(site, clock.now(), actor=g.staff.email, overlap=_overlap(form))
        return page(site, new_key=key, new_key_kind="Login key")

    @pages.post("/sites/<domain>/login-keys/public")
    @guard.roles(Role.OWNER)
    def add_public_key(site: Site) -> Response | str:
        form = PublicKeyForm()
        if form.validate_on_submit():
            text, now = form.data["public_key"], clock.now()
            with blaming(form, conflict="public_key"):
                key = sites.add_public_key(site, text, now, actor=g.staff.email, overlap=_overlap(form))
                flash(f"Tokens signed with the key {key.id} are accepted.", "done")
                return redirect(url_for("admin.show_site", domain=site.domain))
        return page(site, public_key_form=form)

    @pages.post("/sites/<domain>/login-keys/end")
    @guard.roles(Role.OWNER)
    def end_login_key(site: Site) -> Response | str:
        form = EndKeyForm()
        if not form.validate_on_submit():
            raise InvalidInput({name: [str(text) for text in texts] for name, texts in form.errors.items()})
        after = timedelta(hours=int(form.data["when"]))
        ends_at = sites.end_login_key(site, form.data["key_id"], clock.now(), actor=g.staff.email, after=after)
        flash(f"The key ends at {ends_at:%Y-%m-%d %H:%M} UTC.", "done")
        return redirect(url_for("admin.show_site", domain=site.domain))


def _overlap(form: LoginKeyForm) -> timedelta | None:
    older = form.data["older"]
    return None if older == GO_ON else timedelta(hours=int(older))
