"""Websites: the list, adding one, its settings, the snippet to copy, its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from zoneinfo import available_timezones

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import BooleanField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from webmon.clock import Clock
from webmon.domain.handover import family_of
from webmon.domain.jurisdiction import Jurisdiction
from webmon.domain.promotion import PROMOTE_DAYS_LIMIT, THIS_VISIT
from webmon.domain.site import CHOICE_DAYS, CHOICE_DAYS_LIMIT, Mode, Site
from webmon.domain.staff import Role
from webmon.errors import Conflict, InvalidInput, NotAllowed
from webmon.services.manage_sites import Scope, Sites
from webmon.web.admin import login_keys
from webmon.web.shared.forms import blame, options
from webmon.web.shared.guard import Guard

RULES_TEXT_LIMIT = 40_000
MODES = {
    Mode.CONSENTED_ONLY: "Only with consent: nothing is measured before a visitor agrees",
    Mode.COOKIELESS_UNTIL_CONSENT: "Without identifiers until a visitor has chosen",
    Mode.COOKIELESS_ALWAYS: "Always without identifiers, no banner; visitors can object",
}
POLICIES = {
    Jurisdiction.EVERYWHERE_OPT_IN: "Consent first, everywhere",
    Jurisdiction.BY_PLACE: "By the visitor's place; consent first where no law says otherwise",
    Jurisdiction.BY_PLACE_ELSE_NOTICE: "By the visitor's place; only a notice where no law asks for more",
    Jurisdiction.OPT_OUT: "Opt-out everywhere: “Do not sell or share”",
    Jurisdiction.NOTICE_ONLY: "Only a notice, everywhere",
    Jurisdiction.EXEMPT: "Notice of measurement without identifiers, with objection",
}
SCOPES = {
    Scope.STATS: "stats: read the figures",
    Scope.EVENTS: "events: send events from a server",
    Scope.LOGIN: "login: say from a server who is signed in",
    Scope.ADMIN: "admin: all of these",
}


class AddSite(Protocol):
    def __call__(
        self,
        domain: str,
        *,
        actor: str,
        timezone: str,
        mode: str,
        minimum_group: int,
        honour_dnt: bool,
        jurisdiction: str,
    ) -> Site: ...


class SettingsForm(FlaskForm):  # type: ignore[misc]
    timezone = StringField("Time zone", [DataRequired("is required"), Length(max=64)], default="UTC")
    mode = SelectField("What may be measured", choices=options(MODES))
    jurisdiction = SelectField(
        "How visitors are asked", choices=options(POLICIES), default=Jurisdiction.EVERYWHERE_OPT_IN.value
    )
    minimum_group_count = IntegerField(
        "Smallest group a breakdown shows",
        [InputRequired("must be a whole number"), NumberRange(1, 1000, "must be between 1 and 1000")],
        default=1,
    )
    choice_days = IntegerField(
        "Days for which an answer holds",
        [
            InputRequired("must be a whole number"),
            NumberRange(1, CHOICE_DAYS_LIMIT, f"must be between 1 and {CHOICE_DAYS_LIMIT}"),
        ],
        default=CHOICE_DAYS,
    )
    promote_days = IntegerField(
        "Days of earlier visits that go to the account at sign-in",
        [
            InputRequired("must be a whole number"),
            NumberRange(THIS_VISIT, PROMOTE_DAYS_LIMIT, f"must be between {THIS_VISIT} and {PROMOTE_DAYS_LIMIT}"),
        ],
        default=THIS_VISIT,
    )
    honour_dnt = BooleanField("Take the browser's Do Not Track for an objection")
    share_subdomains = BooleanField("One choice for all subdomains")


class RulesForm(FlaskForm):  # type: ignore[misc]
    """The guard's rules, one a line."""

    parameters = TextAreaField("Allowed parameters", [Length(max=RULES_TEXT_LIMIT)])
    path_templates = TextAreaField("Path templates", [Length(max=RULES_TEXT_LIMIT)])
    property_keys = TextAreaField("Allowed property keys", [Length(max=RULES_TEXT_LIMIT)])


class FamilyForm(FlaskForm):  # type: ignore[misc]
    """Domains of the other sites, one a line."""

    family = TextAreaField("Other sites of the family", [Length(max=RULES_TEXT_LIMIT)])


class SiteForm(SettingsForm):
    domain = StringField("Domain", [DataRequired("is required"), Length(max=260)])


class ScopeForm(FlaskForm):  # type: ignore[misc]
    scope = SelectField("What the key may do", choices=options(SCOPES))


def register(pages: Blueprint, guard: Guard, sites: Sites, add_site: AddSite, public_url: str, clock: Clock) -> None:
    @pages.get("/sites")
    @guard.roles(*Role)
    def list_sites() -> str:
        seen = [site for site in sites.all() if g.staff.role_on(site.id) is not None]
        return render_template("admin/sites.html", sites=seen, modes=MODES)

    @pages.route("/sites/new", methods=["GET", "POST"])
    @guard.roles(Role.OWNER)
    def new_site() -> Response | str:
        if not g.staff.owns_all:
            raise NotAllowed("Only an owner of the whole adds sites")
        form = SiteForm()
        if form.validate_on_submit():
            try:
                site = add_site(
                    form.data["domain"],
                    actor=g.staff.email,
                    timezone=form.data["timezone"],
                    mode=form.data["mode"],
                    minimum_group=form.data["minimum_group_count"],
                    honour_dnt=form.data["honour_dnt"],
                    jurisdiction=form.data["jurisdiction"],
                )
                sites.adjust(
                    site,
                    clock.now(),
                    actor=g.staff.email,
                    choice_days=form.data["choice_days"],
                    share_subdomains=form.data["share_subdomains"],
                    promote_days=form.data["promote_days"],
                )
            except (InvalidInput, Conflict) as error:
                blame(form, error if isinstance(error, InvalidInput) else InvalidInput.field("domain", str(error)))
            else:
                flash(f"{site.domain} is added. Copy the snippet into its pages.", "done")
                return redirect(url_for("admin.show_site", domain=site.domain))
        return render_template("admin/site_new.html", form=form, timezones=sorted(available_timezones()))

    def page(site: Site, **more: Any) -> str:
        values: dict[str, Any] = {
            "form": SettingsForm(
                timezone=site.timezone,
                mode=site.mode.value,
                minimum_group_count=site.minimum_group_count,
                honour_dnt=site.honour_dnt,
                jurisdiction=site.jurisdiction.value,
                choice_days=site.choice_days,
                share_subdomains=site.share_subdomains,
                promote_days=site.promote_days,
            ),
            "rules_form": RulesForm(
                parameters="\n".join(site.rules.parameters),
                path_templates="\n".join(site.rules.path_templates),
                property_keys="\n".join(site.rules.property_keys),
            ),
            "family_form": FamilyForm(family="\n".join(site.family)),
            # They have to name this one too.
            "awaited": sorted(set(site.family) - {one.domain for one in family_of(site, sites.all())}),
            "scope_form": ScopeForm(),
            **login_keys.shown(sites, site),
            "sets_rules": g.staff.role_on(site.id) in {Role.OWNER, Role.PRIVACY},
            "is_owner": g.staff.role_on(site.id) is Role.OWNER,
            "snippet": f'<script defer src="{public_url}/w.js" data-site="{site.domain}"></script>',
            "timezones": sorted(available_timezones()),
        }
        return render_template("admin/site.html", site=site, **values | more)

    @pages.get("/sites/<domain>")
    @guard.roles(*Role)
    def show_site(site: Site) -> str:
        return page(site)

    @pages.post("/sites/<domain>")
    @guard.roles(Role.OWNER)
    def change_site(site: Site) -> Response | str:
        form = SettingsForm()
        if form.validate_on_submit():
            try:
                sites.change(
                    site,
                    clock.now(),
                    actor=g.staff.email,
                    timezone=form.data["timezone"],
                    mode=form.data["mode"],
                    minimum_group_count=form.data["minimum_group_count"],
                    honour_dnt=form.data["honour_dnt"],
                    jurisdiction=form.data["jurisdiction"],
                )
                sites.adjust(
                    site,
                    clock.now(),
                    actor=g.staff.email,
                    choice_days=form.data["choice_days"],
                    share_subdomains=form.data["share_subdomains"],
                    promote_days=form.data["promote_days"],
                )
            except InvalidInput as error:
                blame(form, error)
            else:
                flash("The settings are saved.", "done")
                return redirect(url_for("admin.show_site", domain=site.domain))
        return page(site, form=form)

    _register_rules(pages, guard, sites, page, clock)
    _register_family(pages, guard, sites, page, clock)
    login_keys.register(pages, guard, sites, page, clock)
    _register_keys(pages, guard, sites, page, clock)


def _register_rules(pages: Blueprint, guard: Guard, sites: Sites, page: Callable[..., str], clock: Clock) -> None:
    @pages.post("/sites/<domain>/guard")
    @guard.roles(Role.OWNER, Role.PRIVACY)
    def change_rules(site: Site) -> Response | str:
        form = RulesForm()
        if form.validate_on_submit():
            try:
                sites.adjust(
                    site,
                    clock.now(),
                    actor=g.staff.email,
                    parameters=(form.data["parameters"] or "").splitlines(),
                    path_templates=(form.data["path_templates"] or "").splitlines(),
                    property_keys=(form.data["property_keys"] or "").splitlines(),
                )
            except InvalidInput as error:
                blame(form, error)
            else:
                flash("The guard's rules are saved. They hold for the hits that come from now on.", "done")
                return redirect(url_for("admin.show_site", domain=site.domain))
        return page(site, rules_form=form)


def _register_family(pages: Blueprint, guard: Guard, sites: Sites, page: Callable[..., str], clock: Clock) -> None:
    @pages.post("/sites/<domain>/family")
    @guard.roles(Role.OWNER, Role.PRIVACY)
    def change_family(site: Site) -> Response | str:
        form = FamilyForm()
        if form.validate_on_submit():
            names = (form.data["family"] or "").splitlines()
            try:
                sites.adjust(site, clock.now(), actor=g.staff.email, family=names)
            except InvalidInput as error:
                blame(form, error)
            else:
                flash("The family is saved.", "done")
                return redirect(url_for("admin.show_site", domain=site.domain))
        return page(site, family_form=form)


def _register_keys(pages: Blueprint, guard: Guard, sites: Sites, page: Callable[..., str], clock: Clock) -> None:
    """A key is shown on the very page that answers the form, once: no address leads to it again."""

    @pages.post("/sites/<domain>/api-keys")
    @guard.roles(Role.OWNER)
    def new_api_key(site: Site) -> str:
        form = ScopeForm()
        if not form.validate_on_submit():
            return page(site, scope_form=form)
        key = sites.new_api_key(site, form.data["scope"], clock.now(), actor=g.staff.email)
        return page(site, new_key=key, new_key_kind=f"API key, {form.data['scope']}")
