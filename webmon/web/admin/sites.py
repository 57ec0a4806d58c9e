"""Websites: the list, adding one, its settings, the snippet to copy, its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from zoneinfo import available_timezones

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response

from webmon.clock import Clock
from webmon.domain.handover import family_of
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import NotAllowed
from webmon.services.manage_sites import Sites
from webmon.web.admin import api_keys, login_keys
from webmon.web.admin.site_forms import (
    MODES,
    FamilyForm,
    RulesForm,
    SettingsForm,
    SiteForm,
    other_sites_of,
    rules_of,
    settings_of,
)
from webmon.web.shared.forms import blaming
from webmon.web.shared.guard import Guard

_BASIC = ("timezone", "mode", "honour_dnt", "jurisdiction")
_CHOICE = ("choice_days", "share_subdomains", "promote_days")
_RULES = ("parameters", "path_templates", "property_keys")


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


@dataclass(frozen=True, slots=True)
class SitePage:
    """The page of one site: each form with what the site has, or, given in `more`, as it was sent."""

    sites: Sites
    public_url: str

    def __call__(self, site: Site, **more: Any) -> str:
        role = g.staff.role_on(site.id)
        values: dict[str, Any] = {
            "form": settings_of(site),
            "rules_form": rules_of(site),
            "family_form": other_sites_of(site),
            # They have to name this one too.
            "awaited": sorted(set(site.family) - {one.domain for one in family_of(site, self.sites.all())}),
            **login_keys.shown(self.sites, site),
            **api_keys.shown(self.sites, site),
            "sets_rules": role in {Role.OWNER, Role.PRIVACY},
            "is_owner": role is Role.OWNER,
            "snippet": f'<script defer src="{self.public_url}/w.js" data-site="{site.domain}"></script>',
            "timezones": sorted(available_timezones()),
        }
        return render_template("admin/site.html", site=site, **values | more)


def register(pages: Blueprint, guard: Guard, sites: Sites, add_site: AddSite, public_url: str, clock: Clock) -> None:
    page = SitePage(sites, public_url)
    _register_list(pages, guard, sites, add_site, clock)
    _register_settings(pages, guard, sites, page, clock)
    _register_rules(pages, guard, sites, page, clock)
    _register_family(pages, guard, sites, page, clock)
    login_keys.register(pages, guard, sites, page, clock)
    api_keys.register(pages, guard, sites, page, clock)


def _register_list(pages: Blueprint, guard: Guard, sites: Sites, add_site: AddSite, clock: Clock) -> None:
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
            with blaming(form, conflict="domain"):
                domain, group = form.data["domain"], form.data["minimum_group_count"]
                site = add_site(domain, actor=g.staff.email, minimum_group=group, **_sent(form, *_BASIC))
                sites.adjust(site, clock.now(), actor=g.staff.email, **_sent(form, *_CHOICE))
                return _done(site, f"{site.domain} is added. Copy the snippet into its pages.")
        return render_template("admin/site_new.html", form=form, timezones=sorted(available_timezones()))


def _register_settings(pages: Blueprint, guard: Guard, sites: Sites, page: SitePage, clock: Clock) -> None:
    @pages.get("/sites/<domain>")
    @guard.roles(*Role)
    def show_site(site: Site) -> str:
        return page(site)

    @pages.post("/sites/<domain>")
    @guard.roles(Role.OWNER)
    def change_site(site: Site) -> Response | str:
        form = SettingsForm()
        if form.validate_on_submit():
            with blaming(form):
                basic = _sent(form, "minimum_group_count", *_BASIC)
                sites.change(site, clock.now(), actor=g.staff.email, **basic)
                sites.adjust(site, clock.now(), actor=g.staff.email, **_sent(form, *_CHOICE))
                return _done(site, "The settings are saved.")
        return page(site, form=form)


def _register_rules(pages: Blueprint, guard: Guard, sites: Sites, page: SitePage, clock: Clock) -> None:
    @pages.post("/sites/<domain>/guard")
    @guard.roles(Role.OWNER, Role.PRIVACY)
    def change_rules(site: Site) -> Response | str:
        form = RulesForm()
        if form.validate_on_submit():
            with blaming(form):
                lines: dict[str, Any] = {
                    name: (text or "").splitlines() for name, text in _sent(form, *_RULES).items()
                }
                sites.adjust(site, clock.now(), actor=g.staff.email, **lines)
                return _done(site, "The guard's rules are saved. They hold for the hits that come from now on.")
        return page(site, rules_form=form)


def _register_family(pages: Blueprint, guard: Guard, sites: Sites, page: SitePage, clock: Clock) -> None:
    @pages.post("/sites/<domain>/family")
    @guard.roles(Role.OWNER, Role.PRIVACY)
    def change_family(site: Site) -> Response | str:
        form = FamilyForm()
        if form.validate_on_submit():
            with blaming(form):
                names = (form.data["family"] or "").splitlines()
                sites.adjust(site, clock.now(), actor=g.staff.email, family=names)
                return _done(site, "The family is saved.")
        return page(site, family_form=form)


def _sent(form: FlaskForm, *names: str) -> dict[str, Any]:
    return {name: form.data[name] for name in names}


def _done(site: Site, text: str) -> Response:
    flash(text, "done")
    return redirect(url_for("admin.show_site", domain=site.domain))
