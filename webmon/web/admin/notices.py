"""Notices: which is in force, older ones as they were, a new one in the place of another."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import FieldList, Form, FormField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from webmon.clock import Clock
from webmon.domain.notice import LAYOUTS, POSITIONS, TEXT_LIMIT, Notice, text_keys
from webmon.domain.site import Site
from webmon.domain.staff import Role
from webmon.errors import InvalidInput, NotFound
from webmon.services.publish_notice import Notices
from webmon.web.shared.forms import blame, options
from webmon.web.shared.guard import Guard

_TEXT = [DataRequired("is required"), Length(max=TEXT_LIMIT)]
_LONG_TEXTS = frozenset({"body", "preferences_body", "gpc_note", "placeholder", "error"})
_ORDERS = {
    "reject accept choose": "Reject · Accept · Choose",
    "accept reject choose": "Accept · Reject · Choose",
    "choose reject accept": "Choose · Reject · Accept",
}


class PurposeForm(Form):
    key = HiddenField()
    name = StringField("Name", [DataRequired("is required"), Length(max=120)])
    description = TextAreaField("Description", [DataRequired("is required"), Length(max=TEXT_LIMIT)])


class _NoticeForm(FlaskForm):  # type: ignore[misc]
    layout = SelectField("Layout", choices=options({name: name for name in LAYOUTS}))
    buttons = SelectField("Order of the buttons, all of equal weight", choices=options(_ORDERS))
    privacy_contact = StringField("Whom to write to about privacy", [Length(max=200)])
    purposes = FieldList(FormField(PurposeForm))


def _label(key: str) -> str:
    return key.replace("_", " ").capitalize()


# One field for each text that a notice has.
NoticeForm: Any = type(
    "NoticeForm",
    (_NoticeForm,),
    {key: (TextAreaField if key in _LONG_TEXTS else StringField)(_label(key), _TEXT) for key in text_keys()},
)


def register(pages: Blueprint, guard: Guard, notices: Notices, clock: Clock) -> None:
    @pages.get("/sites/<domain>/notices")
    @guard.roles(Role.PRIVACY)
    def list_notices(site: Site) -> str:
        current = {language: notices.get(name) for language, name in notices.current(site).items()}
        return render_template(
            "admin/notices.html", site=site, current=current, history=notices.history(site), clock=clock
        )

    @pages.get("/sites/<domain>/notices/<notice_hash>")
    @guard.roles(Role.PRIVACY)
    def show_notice(site: Site, notice_hash: str) -> str:
        notice = notices.get(notice_hash)
        if notice.site != site.domain:
            raise NotFound("There is no such notice")
        in_force = notices.current(site).get(notice.language) == notice.hash
        return render_template("admin/notice.html", site=site, notice=notice, in_force=in_force)

    @pages.route("/sites/<domain>/notices/<language>/edit", methods=["GET", "POST"])
    @guard.roles(Role.PRIVACY)
    def edit_notice(site: Site, language: str) -> Response | str:
        current = notices.current(site)
        if language not in current:
            abort(404)
        before = notices.get(current[language])
        form = NoticeForm(data=_fields(before))
        if form.validate_on_submit():
            try:
                after = notices.publish(site, _body(before, form), clock.now(), actor=g.staff.email)
            except InvalidInput as error:
                blame(form, error, "layout")
            else:
                same = after.hash == before.hash
                flash("Nothing was changed." if same else "The notice is in force from now on.", "done")
                return redirect(url_for("admin.list_notices", domain=site.domain))
        return render_template("admin/notice_edit.html", site=site, form=form, before=before, text_keys=text_keys())


def _fields(notice: Notice) -> dict[str, Any]:
    body = notice.body
    return {
        **body["texts"],
        "layout": body["layout"],
        "buttons": " ".join(body["buttons"]),
        "privacy_contact": body["privacy_contact"],
        "purposes": body["purposes"],
    }


def _body(before: Notice, form: Any) -> dict[str, Any]:
    """The notice before, with what the form holds in its place."""
    places = POSITIONS[form.layout.data]
    words = {entry.form.key.data: entry.form for entry in form.purposes}
    purposes = [
        {**one, "name": words[one["key"]].name.data.strip(), "description": _plain(words[one["key"]].description)}
        if one["key"] in words
        else one
        for one in before.body["purposes"]
    ]
    return {
        **before.body,
        "layout": form.layout.data,
        "position": before.body["position"] if before.body["position"] in places else places[0],
        "buttons": form.buttons.data.split(),
        "privacy_contact": form.privacy_contact.data.strip(),
        "texts": {key: _plain(form[key]) for key in text_keys()},
        "purposes": purposes,
    }


def _plain(field: Any) -> str:
    """Line ends as the page that sent them had them on no system in particular."""
    text: str = field.data
    return text.replace("\r\n", "\n").strip()
