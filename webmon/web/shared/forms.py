"""What the forms of all pages have in common."""

from __future__ import annotations

from flask_wtf import FlaskForm

from webmon.errors import InvalidInput


def blame(form: FlaskForm, error: InvalidInput, rest: str = "") -> None:
    """Show what a service refused beside the field it is about; what is about no field, beside the field `rest`."""
    for name, texts in error.errors.items():
        field = form[name] if name in form else form[rest or next(iter(form)).name]
        shown = texts if name in form else [f"{name} {text}" for text in texts]
        field.errors = [*field.errors, *shown]
