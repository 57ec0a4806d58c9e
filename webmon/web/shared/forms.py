"""What the forms of all pages have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask_wtf import FlaskForm
from wtforms.fields import choices as wtforms_choices

from webmon.errors import Conflict, InvalidInput


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


@contextmanager
def blaming(form: FlaskForm, rest: str = "", *, conflict: str = "") -> Iterator[None]:
    """Do something with a form that holds; what a service refuses is shown in the form, as `blame` does.

    Whoever returns from within has succeeded; what comes after is for a form to show once more. With `conflict`, the
    name of a field, a `Conflict` is shown beside that one; else it is raised.
    """
    try:
        yield
    except InvalidInput as error:
        blame(form, error, rest)
    except Conflict as error:
        if not conflict:
            raise
        blame(form, InvalidInput.field(conflict, str(error)))
