"""The form in which a notice is edited, and the body that comes out of it."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    ColorField,
    FieldList,
    Form,
    FormField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from webmon.domain.notice import POSITIONS, TEXT_LIMIT, text_keys
from webmon.domain.theme import FONTS, LARGEST_RADIUS, SCHEMES
from webmon.web.shared.forms import options

LONG_TEXTS = frozenset({"body", "preferences_body", "gpc_note", "placeholder", "error"})
_TEXT = [DataRequired("is required"), Length(max=TEXT_LIMIT)]
# Reject before accept: an order in which the keyboard reaches it later is refused (webmon.domain.symmetry).
_ORDERS = {
    "reject accept choose": "Reject · Accept · Choose",
    "reject choose accept": "Reject · Choose · Accept",
    "choose reject accept": "Choose · Reject · Accept",
}
_PLACES = {f"{layout} {place}": f"{layout}, {place}" for layout, places in POSITIONS.items() for place in places}
# Room for new purposes in the form, without a script that adds rows.
_SPARE = 2


class PurposeForm(Form):
    """A purpose. `was` is its key until now, empty in a row for a new one; a row left empty is none."""

    was = HiddenField()
    key = StringField("Key", [Length(max=32)])
    name = StringField("Name", [Length(max=120)])
    description = TextAreaField("Description", [Length(max=TEXT_LIMIT)])
    remove = BooleanField("Remove")


class ColoursForm(Form):
    accent = ColorField("Buttons")
    on_accent = ColorField("Text on buttons")
    text = ColorField("Text")
    background = ColorField("Background")
    border = ColorField("Border")


class _NoticeForm(FlaskForm):  # type: ignore[misc]
    revision = HiddenField()
    layout = SelectField("Layout and position", choices=options(_PLACES))
    buttons = SelectField("Order of the buttons, all of equal weight", choices=options(_ORDERS))
    light = FormField(ColoursForm)
    dark = FormField(ColoursForm)
    radius = IntegerField(
        "Rounding, in pixels",
        [InputRequired("must be a whole number"), NumberRange(0, LARGEST_RADIUS, "must be 0 to 24")],
    )
    font = SelectField("Type face", choices=options({name: name for name in FONTS}))
    privacy_contact = StringField("Whom to write to about privacy", [Length(max=200)])
    purposes = FieldList(FormField(PurposeForm), max_entries=100)


def _label(key: str) -> str:
    return key.replace("_", " ").capitalize()


# One field for each text that a notice has.
NoticeForm: Any = type(
    "NoticeForm",
    (_NoticeForm,),
    {key: (TextAreaField if key in LONG_TEXTS else StringField)(_label(key), _TEXT) for key in text_keys()},
)


def fields_of(body: dict[str, Any], revision: str) -> dict[str, Any]:
    """Return what the form begins with."""
    theme = body["theme"]
    purposes = [{**one, "was": one["key"]} for one in body["purposes"]]
    return {
        **{key: body["texts"][key] for key in text_keys()},
        **{name: theme[name] for name in (*SCHEMES, "radius", "font")},
        "revision": revision,
        "layout": f"{body['layout']} {body['position']}",
        "buttons": " ".join(body["buttons"]),
        "privacy_contact": body["privacy_contact"],
        "purposes": purposes + [{}] * _SPARE,
    }


def body_of(before: dict[str, Any], form: Any) -> dict[str, Any]:
    """Return the body before, with what the form holds in its place."""
    layout, _, position = form.layout.data.partition(" ")
    theme = {**before["theme"], "radius": form.radius.data, "font": form.font.data}
    purposes, renamed = _purposes(before, form)
    return {
        **before,
        "layout": layout,
        "position": position,
        "buttons": form.buttons.data.split(),
        "privacy_contact": form.privacy_contact.data.strip(),
        "texts": {key: _plain(form[key].data) for key in text_keys()},
        "theme": theme | {scheme: form[scheme].data for scheme in SCHEMES},
        "purposes": purposes,
        "services": [_renamed(service, renamed) for service in before["services"]],
    }


def _purposes(before: dict[str, Any], form: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The purposes, and the new keys of those that were renamed. What is required stays, under its key."""
    required = {one["key"]: one["required"] for one in before["purposes"]}
    found, renamed = [], {}
    for entry in form.purposes:
        row = entry.form
        was, fixed = row.was.data or "", required.get(row.was.data or "", False)
        key = was if fixed else (row.key.data or "").strip()
        words = {"name": (row.name.data or "").strip(), "description": _plain(row.description.data or "")}
        if (row.remove.data and not fixed) or not (was or key or any(words.values())):
            continue
        found.append({"key": key, **words, "required": fixed})
        if was and was != key:
            renamed[was] = key
    return found, renamed


def _renamed(service: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    cookies = [{**one, "purpose": keys.get(one["purpose"], one["purpose"])} for one in service.get("cookies", [])]
    return {**service, "purpose": keys.get(service["purpose"], service["purpose"]), "cookies": cookies}


def _plain(text: str) -> str:
    """Line ends as the page that sent them had them on no system in particular."""
    return text.replace("\r\n", "\n").strip()
