"""Staff members and their roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from webmon.clock import Clock
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import Conflict, NotAllowed
from webmon.services.manage_sites import Sites
from webmon.services.manage_staff import StaffAccounts
from webmon.services.second_factor import SecondFactors
from webmon.web.shared.forms import blaming, options
from webmon.web.shared.guard import Guard

ROLES = {
    Role.MARKETING: "marketing: the figures",
    Role.PRIVACY: "privacy: the figures, notices, retention, audit trail; rows of a person, with a reason",
    Role.OWNER: "owner: everything but rows of persons",
}
EVERY_SITE = ""


class MemberForm(FlaskForm):  # type: ignore[misc]
    email = StringField("E-mail address", [DataRequired("is required"), Length(max=254)])
    role = SelectField("Role", choices=options(ROLES))
    site = SelectField("On")


class RoleForm(FlaskForm):  # type: ignore[misc]
    """Which role to take away; `site_id` 0 for the one on every site."""

    staff_id = IntegerField(validators=[InputRequired("is required"), NumberRange(0, 2**62)])
    site_id = IntegerField(validators=[InputRequired("is required"), NumberRange(0, 2**62)])


class SecondFactorForm(FlaskForm):  # type: ignore[misc]
    staff_id = IntegerField(validators=[InputRequired("is required"), NumberRange(0, 2**62)])


class LinkForm(FlaskForm):  # type: ignore[misc]
    email = StringField(validators=[DataRequired("is required"), Length(max=254)])


@dataclass(frozen=True, slots=True)
class StaffPage:
    """Who works with webmon, and the forms that change it."""

    staff: StaffAccounts
    sites: Sites
    public_url: str
    clock: Clock

    def form(self, **options_of_form: Any) -> MemberForm:
        form = MemberForm(**options_of_form)
        form.site.choices = options(
            {EVERY_SITE: "every site"} | {site.domain: site.domain for site in self.sites.all()}
        )
        return form

    def show(self, form: MemberForm | None = None, /, **more: Any) -> str:
        """Return the page with `form` as it was sent, or with an empty one."""
        return render_template(
            "admin/staff.html",
            form=form or self.form(formdata=None),
            members=self.staff.all(),
            domains={site.id: site.domain for site in self.sites.all()},
            role_form=RoleForm(formdata=None),
            link_form=LinkForm(formdata=None),
            factor_form=SecondFactorForm(formdata=None),
            now=self.clock.now(),
            **more,
        )

    def link(self, token: str | None, email: str) -> dict[str, str]:
        """What the page shows of a one-time link; nothing where there is none."""
        return {"link": f"{self.public_url}/staff/link/{token}", "link_for": email} if token else {}


def register(
    pages: Blueprint,
    guard: Guard,
    staff: StaffAccounts,
    second_factors: SecondFactors,
    sites: Sites,
    public_url: str,
    clock: Clock,
) -> None:
    page = StaffPage(staff, sites, public_url, clock)
    _register_members(pages, guard, staff, sites, page, clock)
    _register_removals(pages, guard, staff, second_factors, sites, clock)


def _register_members(
    pages: Blueprint, guard: Guard, staff: StaffAccounts, sites: Sites, page: StaffPage, clock: Clock
) -> None:
    @pages.route("/staff", methods=["GET", "POST"])
    @guard.roles(Role.OWNER)
    def list_staff() -> str:
        _only_owners_of_all()
        form = page.form()
        if form.validate_on_submit():
            email, role, domain = form.data["email"], form.data["role"], form.data["site"]
            site: Site | None = sites.get(domain) if domain else None
            with blaming(form, conflict="role"):
                token = staff.add(email, role, site, clock.now(), actor=g.staff.email)
                return page.show(added=email, **page.link(token, email))
        return page.show(form)

    @pages.post("/staff/link")
    @guard.roles(Role.OWNER)
    def new_staff_link() -> Response | str:
        _only_owners_of_all()
        form = LinkForm()
        if not form.validate_on_submit():
            return redirect(url_for("admin.list_staff"))
        token = staff.new_link(form.data["email"], clock.now(), actor=g.staff.email, reset=True)
        return page.show(**page.link(token, form.data["email"]))


def _register_removals(
    pages: Blueprint,
    guard: Guard,
    staff: StaffAccounts,
    second_factors: SecondFactors,
    sites: Sites,
    clock: Clock,
) -> None:
    @pages.post("/staff/remove-second-factor")
    @guard.roles(Role.OWNER)
    def remove_staff_second_factor() -> Response:
        """For who has lost both app and recovery codes."""
        _only_owners_of_all()
        form = SecondFactorForm()
        if form.validate_on_submit():
            second_factors.remove(form.data["staff_id"], clock.now(), actor=g.staff.email)
            flash("The second factor is off; the password alone signs them in.", "done")
        return redirect(url_for("admin.list_staff"))

    @pages.post("/staff/remove-role")
    @guard.roles(Role.OWNER)
    def remove_role() -> Response:
        _only_owners_of_all()
        form = RoleForm()
        found = {site.id: site for site in sites.all()}
        if form.validate_on_submit() and form.data["site_id"] in {0, *found}:
            site = found.get(form.data["site_id"])
            try:
                staff.remove_role(form.data["staff_id"], site, clock.now(), actor=g.staff.email)
                flash("The role is taken away.", "done")
            except Conflict as error:
                flash(str(error), "bad")
        return redirect(url_for("admin.list_staff"))


def _only_owners_of_all() -> None:
    if not g.staff.owns_all:
        raise NotAllowed("Only an owner of the whole changes who works with webmon")
