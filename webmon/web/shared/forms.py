"""What the forms of all pages have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_wtf import FlaskForm
from wtforms.fields import choices as wtforms_choices

from webmon.errors import InvalidInput


def options(labels: Mapping[Any, str]) -> list[Any]:
    """Return the choices of a `SelectField`: value to label, in their order."""
    # By its module: the published types of WTForms do not know this class yet.
    choice: Any = getattr(wtforms_choices, "SelectChoice")  # noqa: B009
    return [choice(str(value), label) for value, label in labels.items()]


def blame(form: FlaskForm, error: InvalidInput, rest: str = "") -> None:
    """Show what a service refused beside the field it is about; what is about no field, beside the field `rest`."""
    for name, texts in error.errors.items():
        field = form[name] if name in form else form[rest or next(iter(form)).name]
        shown = texts if name in form else [f"{name} {text}" for text in texts]
        field.errors = [*field.errors, *shown]
