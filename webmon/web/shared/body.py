"""JSON bodies: read within a limit, decoded into a type, refused by field."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from flask import Request

from webmon.domain.event import NOT_JSON
from webmon.errors import BodyTooLarge, InvalidInput

BODY_LIMIT = 64 * 1024
# Of anything at all: files that the staff bring in.
LARGEST_BODY = 1024 * 1024
T = TypeVar("T")
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<field>[^`]*)`)?")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


def read_json(request: Request, kind: type[T], limit: int = BODY_LIMIT) -> T:
    """Return the request's body as `kind`, whatever its content type says (``text/plain`` needs no preflight).

    Raises `BodyTooLarge` and `InvalidInput` naming the field.
    """
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(limit)
    raw = request.stream.read(limit + 1)
    if len(raw) > limit:
        raise BodyTooLarge(limit)
    return decode_json(raw, kind)


def decode_json(raw: bytes, kind: type[T]) -> T:
    """Return a body as `kind`; raises `InvalidInput` naming the field."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise InvalidInput({_field(str(error)): [_what(str(error))]}) from error
    except NOT_JSON as error:
        raise InvalidInput.field("body", f"is not JSON: {error}") from error


def _field(text: str) -> str:
    missing = _MISSING.search(text)
    if missing:
        return missing[1]
    found = _PLACE.fullmatch(text)
    return (found["field"] if found else "") or "body"


def _what(text: str) -> str:
    if _MISSING.search(text):
        return "is required"
    found = _PLACE.fullmatch(text)
    return (found["what"] if found else text) or text
