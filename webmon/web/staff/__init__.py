"""Signing in and out, one-time links, one's own password."""

from __future__ import annotations

import re

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, EqualTo, Length

from webmon.clock import Clock
from webmon.domain.staff import Role
from webmon.errors import InvalidInput, NotAuthenticated
from webmon.services.manage_staff import LONGEST_PASSWORD, StaffAccounts
from webmon.web.shared.forms import blame
from webmon.web.shared.staff_guard import SESSION_KEY, StaffGuard

_LONG = Length(max=LONGEST_PASSWORD)
# A path; neither `//host` nor what browsers make that of (backslashes, control characters).
_OURS = re.compile(r"/(?!/)[!-\[\]-~]*")


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = StringField("E-mail address", [DataRequired("is required"), Length(max=254)])
    password = PasswordField("Password", [DataRequired("is required"), _LONG])
    next = HiddenField()


class LinkForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField("New password", [DataRequired("is required"), _LONG])
    again = PasswordField(
        "The same once more", [DataRequired("is required"), EqualTo("password", "differs from the one above")]
    )


class PasswordForm(FlaskForm):  # type: ignore[misc]
    old_password = PasswordField("Present password", [DataRequired("is required"), _LONG])
    new_password = PasswordField("New password", [DataRequired("is required"), _LONG])
    again = PasswordField(
        "The same once more", [DataRequired("is required"), EqualTo("new_password", "differs from the one above")]
    )


def blueprint(staff: StaffAccounts, guard: StaffGuard, clock: Clock) -> Blueprint:
    pages = Blueprint("staff", __name__)

    @pages.route("/staff/sign-in", methods=["GET", "POST"])
    def sign_in() -> Response | tuple[str, int] | str:
        form = SignInForm(next=request.args.get("next", ""))
        if request.method == "GET" and guard.member() is not None:
            return redirect(_local(form.next.data))
        if not form.validate_on_submit():
            return render_template("staff/sign_in.html", form=form)
        try:
            token = staff.sign_in(form.data["email"], form.data["password"], clock.now())
        except NotAuthenticated as error:
            return render_template("staff/sign_in.html", form=form, refused=str(error)), 401
        _begin(token)
        return redirect(_local(form.next.data))

    @pages.post("/staff/sign-out")
    def sign_out() -> Response:
        staff.sign_out(session.get(SESSION_KEY, ""), clock.now())
        session.clear()
        flash("You are signed out.", "done")
        return redirect(url_for("staff.sign_in"))

    @pages.route("/staff/link/<token>", methods=["GET", "POST"])
    def link(token: str) -> Response | str:
        member = staff.link_owner(token, clock.now())
        form = LinkForm()
        if form.validate_on_submit():
            try:
                _begin(staff.use_link(token, form.data["password"], clock.now()))
            except InvalidInput as error:
                blame(form, error)
            else:
                flash("Your password is set, and you are signed in.", "done")
                return redirect(_local(""))
        return render_template("staff/link.html", form=form, member=member, shortest=staff.min_password_length)

    @pages.route("/staff/account", methods=["GET", "POST"])
    @guard.roles(*Role)
    def account() -> Response | str:
        form = PasswordForm()
        if form.validate_on_submit():
            old, new = form.data["old_password"], form.data["new_password"]
            try:
                staff.change_password(g.staff, old, new, session[SESSION_KEY], clock.now())
            except InvalidInput as error:
                blame(form, error)
            else:
                flash("Your password is changed; your other sessions have ended.", "done")
                return redirect(url_for("staff.account"))
        return render_template("staff/account.html", form=form, shortest=staff.min_password_length)

    return pages


def _begin(token: str) -> None:
    session.clear()  # nothing of before the sign-in stays, the CSRF secret neither
    session.permanent = True
    session[SESSION_KEY] = token


def _local(address: str | None) -> str:
    """A path of this server, whatever was asked for: nobody is sent to another website."""
    return address if address and _OURS.fullmatch(address) else url_for("admin.index")
