"""Signing in and out, one-time links, one's own password, second factor and sessions."""

from __future__ import annotations

import re

import segno
from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, IntegerField, PasswordField, StringField
from wtforms.validators import DataRequired, EqualTo, InputRequired, Length, NumberRange

from webmon.clock import Clock
from webmon.domain.address import Proxies, client_address
from webmon.domain.agent import parse_agent
from webmon.domain.password import LONGEST_PASSWORD
from webmon.domain.staff import Role
from webmon.errors import InvalidInput, NotAuthenticated
from webmon.services.manage_staff import Asking, SignedIn, StaffAccounts
from webmon.services.second_factor import Enrolment, SecondFactors
from webmon.web.shared.client import client_of
from webmon.web.shared.forms import blame, blaming
from webmon.web.shared.staff_guard import SESSION_KEY, StaffGuard

_LONG = Length(max=LONGEST_PASSWORD)
# A path; neither `//host` nor what browsers make that of (backslashes, control characters).
_OURS = re.compile(r"/(?!/)[!-\[\]-~]*")
_NEXT = "next"


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = StringField("E-mail address", [DataRequired("is required"), Length(max=254)])
    password = PasswordField("Password", [DataRequired("is required"), _LONG])
    next = HiddenField()


class CodeForm(FlaskForm):  # type: ignore[misc]
    code = StringField("Code", [DataRequired("is required"), Length(max=64)])


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


class ConfirmForm(FlaskForm):  # type: ignore[misc]
    """What changes the second factor asks for the password: an open browser alone is not enough."""

    password = PasswordField("Your password", [DataRequired("is required"), _LONG])


class SessionForm(FlaskForm):  # type: ignore[misc]
    session_id = IntegerField(validators=[InputRequired("is required"), NumberRange(0, 2**62)])


def blueprint(
    staff: StaffAccounts, second_factors: SecondFactors, guard: StaffGuard, trusted: Proxies, clock: Clock
) -> Blueprint:
    pages = Blueprint("staff", __name__)
    _register_door(pages, staff, guard, trusted, clock)
    _register_account(pages, staff, guard, clock)
    _register_second_factor(pages, staff, second_factors, guard, clock)
    return pages


def _register_door(pages: Blueprint, staff: StaffAccounts, guard: StaffGuard, trusted: Proxies, clock: Clock) -> None:
    @pages.route("/staff/sign-in", methods=["GET", "POST"])
    def sign_in() -> Response | tuple[str, int] | str:
        form = SignInForm(next=request.args.get("next", ""))
        if request.method == "GET" and guard.member() is not None:
            return redirect(_local(form.next.data))
        if not form.validate_on_submit():
            return render_template("staff/sign_in.html", form=form)
        try:
            signed = staff.sign_in(form.data["email"], form.data["password"], clock.now(), _asking(trusted))
        except NotAuthenticated as error:
            return render_template("staff/sign_in.html", form=form, refused=str(error)), 401
        return _go_on(signed, form.next.data)

    @pages.route("/staff/sign-in/code", methods=["GET", "POST"])
    def enter_code() -> Response | tuple[str, int] | str:
        token = session.get(SESSION_KEY, "")
        if not staff.awaits_code(token, clock.now()):
            return redirect(url_for("staff.sign_in"))
        form = CodeForm()
        if not form.validate_on_submit():
            return render_template("staff/code.html", form=form)
        try:
            signed = staff.enter_code(token, form.data["code"], clock.now(), _asking(trusted))
        except NotAuthenticated as error:
            form.code.data = ""
            return render_template("staff/code.html", form=form, refused=str(error)), 401
        return _go_on(signed, session.get(_NEXT, ""))

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
            with blaming(form):
                signed = staff.use_link(token, form.data["password"], clock.now(), _asking(trusted))
                response = _go_on(signed, "")
                flash("Your password is set.", "done")
                return response
        return render_template("staff/link.html", form=form, member=member, shortest=staff.min_password_length)


def _register_account(pages: Blueprint, staff: StaffAccounts, guard: StaffGuard, clock: Clock) -> None:
    @pages.route("/staff/account", methods=["GET", "POST"])
    @guard.roles(*Role)
    def account() -> Response | str:
        form = PasswordForm()
        if form.validate_on_submit():
            old, new = form.data["old_password"], form.data["new_password"]
            with blaming(form):
                staff.change_password(g.staff, old, new, session[SESSION_KEY], clock.now())
                flash("Your password is changed; your other sessions have ended.", "done")
                return redirect(url_for("staff.account"))
        token = session[SESSION_KEY]
        return render_template(
            "staff/account.html",
            form=form,
            shortest=staff.min_password_length,
            sessions=[(one, staff.is_of(one, token)) for one in staff.sessions(g.staff)],
            codes_left=staff.second_factor_of(g.staff),
        )

    @pages.post("/staff/sessions/end")
    @guard.roles(*Role)
    def end_session() -> Response:
        form = SessionForm()
        if form.validate_on_submit():
            staff.end_one_session(g.staff, form.data["session_id"], clock.now())
            flash("The session has ended.", "done")
        return redirect(url_for("staff.account"))

    @pages.post("/staff/sign-out-everywhere")
    @guard.roles(*Role)
    def sign_out_everywhere() -> Response:
        staff.sign_out_everywhere(g.staff, clock.now())
        session.clear()
        flash("You are signed out everywhere.", "done")
        return redirect(url_for("staff.sign_in"))


def _register_second_factor(
    pages: Blueprint, staff: StaffAccounts, second_factors: SecondFactors, guard: StaffGuard, clock: Clock
) -> None:
    def confirmed(form: ConfirmForm) -> bool:
        if not form.validate_on_submit():
            return False
        try:
            staff.check_password(g.staff, form.data["password"], clock.now())
        except InvalidInput as error:
            blame(form, error)
            return False
        return True

    @pages.route("/staff/second-factor", methods=["GET", "POST"])
    @guard.roles(*Role)
    def second_factor() -> Response | str:
        """Turn it on, or get new recovery codes where it is on: after the password."""
        form, left = ConfirmForm(), staff.second_factor_of(g.staff)
        if not confirmed(form):
            return render_template("staff/second_factor.html", form=form, codes_left=left)
        if left is not None:
            return render_template("staff/recovery.html", codes=second_factors.renew_codes(g.staff, clock.now()))
        return _picture(second_factors.begin(g.staff), CodeForm(formdata=None))

    @pages.post("/staff/second-factor/confirm")
    @guard.roles(*Role)
    def confirm_second_factor() -> Response | str:
        form, enrolment = CodeForm(), second_factors.pending(g.staff)
        if not form.validate_on_submit():
            return _picture(enrolment, form)
        try:
            codes = staff.turn_on_second_factor(g.staff, form.data["code"], session[SESSION_KEY], clock.now())
        except InvalidInput as error:
            blame(form, error)
            return _picture(enrolment, form)
        return render_template("staff/recovery.html", codes=codes, turned_on=True)

    @pages.route("/staff/second-factor/remove", methods=["GET", "POST"])
    @guard.roles(*Role)
    def remove_second_factor() -> Response | str:
        form = ConfirmForm()
        if not confirmed(form):
            return render_template("staff/second_factor_remove.html", form=form)
        second_factors.remove(g.staff.id, clock.now(), actor=g.staff.email)
        flash("The second factor is off. Your password alone signs you in.", "done")
        return redirect(url_for("staff.account"))


def _picture(enrolment: Enrolment, form: CodeForm) -> str:
    # Dark on light whatever the page's colours: cameras read no other.
    picture = segno.make(enrolment.uri, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff")
    return render_template("staff/second_factor_picture.html", form=form, enrolment=enrolment, picture=picture)


def _asking(trusted: Proxies) -> Asking:
    client = client_of(request)
    agent = parse_agent(request.headers.get("User-Agent", ""))
    named = " on ".join(part for part in (agent.browser, agent.os) if part)
    return Asking(client_address(client.peer, client.headers, trusted), named)


def _go_on(signed: SignedIn, wanted: str | None) -> Response:
    """Begin the session; where a code is still to come, ask for it and remember where to go then."""
    session.clear()  # nothing of before the sign-in stays, the CSRF secret neither
    session.permanent = True
    session[SESSION_KEY] = signed.token
    if not signed.awaits_code:
        return redirect(_local(wanted))
    session[_NEXT] = _local(wanted)
    return redirect(url_for("staff.enter_code"))


def _local(address: str | None) -> str:
    """A path of this server, whatever was asked for: nobody is sent to another website."""
    return address if address and _OURS.fullmatch(address) else url_for("admin.index")
