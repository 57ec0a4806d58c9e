"""A notice: everything a visitor is shown when asked, named by the hash of its canonical form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from webmon.domain.chain import canonical
from webmon.errors import InvalidInput

SCHEMA = "webmon-notice/1"
LAYOUTS = ("bar", "box", "dialog")
FIRST_LAYER = frozenset({"accept", "reject", "choose"})
LANGUAGES = ("en", "de")
TEXT_LIMIT = 4000
_PURPOSE_KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_FOLDER = Path(__file__).resolve().parent.parent / "data" / "notices"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Purpose:
    key: str
    name: str
    description: str
    required: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A valid notice. `text` is its canonical JSON, `hash` its name (``sha256-`` and 64 hex digits)."""

    hash: str
    text: str
    site: str
    language: str

    @property
    def body(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.text)
        return loaded

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        return tuple(Purpose(**purpose) for purpose in self.body["purposes"])

    @property
    def optional_keys(self) -> frozenset[str]:
        """The purposes that are asked for."""
        return frozenset(purpose.key for purpose in self.purposes if not purpose.required)


def hash_of(text: str) -> str:
    return f"sha256-{hashlib.sha256(text.encode()).hexdigest()}"


def make_notice(body: Body) -> Notice:
    """Return the notice of a body; raises `InvalidInput` naming each part that is missing or wrong."""
    errors = {field: [text] for field, text in _faults(body)}
    if errors:
        raise InvalidInput(errors)
    text = canonical(body)
    return Notice(hash_of(text), text, body["site"], body["language"])


def default_body(site: str, language: str) -> dict[str, Any]:
    """Return the notice that a new site begins with."""
    words = _defaults(language)
    return {
        "schema": SCHEMA,
        "site": site,
        "language": language,
        "direction": "ltr",
        "layout": "bar",
        "buttons": ["reject", "accept", "choose"],
        "texts": dict(words["texts"]),
        "purposes": [dict(purpose) for purpose in words["purposes"]],
        "privacy_contact": "",
    }


def text_keys() -> tuple[str, ...]:
    """The texts that every notice has."""
    return tuple(_defaults("en")["texts"])


@cache
def _defaults(language: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_FOLDER / f"{language}.json").read_text("utf-8"))
    return loaded


def _faults(body: Body) -> list[tuple[str, str]]:
    faults = []
    if body.get("schema") != SCHEMA:
        faults.append(("schema", f"must be {SCHEMA}"))
    if not isinstance(body.get("site"), str) or not body["site"]:
        faults.append(("site", "is required"))
    if not _LANGUAGE.fullmatch(str(body.get("language", ""))):
        faults.append(("language", "must be a language tag such as en"))
    if body.get("direction") not in {"ltr", "rtl"}:
        faults.append(("direction", "must be ltr or rtl"))
    if body.get("layout") not in LAYOUTS:
        faults.append(("layout", f"must be one of {', '.join(LAYOUTS)}"))
    buttons = body.get("buttons")
    # Refusing is as easy as accepting: all three stand on the first layer.
    if not isinstance(buttons, list) or len(buttons) != len(FIRST_LAYER) or set(map(str, buttons)) != FIRST_LAYER:
        faults.append(("buttons", "must be accept, reject and choose, in the order in which they stand"))
    return faults + _text_faults(body.get("texts")) + _purpose_faults(body.get("purposes"))


def _text_faults(texts: object) -> list[tuple[str, str]]:
    if not isinstance(texts, dict):
        return [("texts", "must be an object")]
    faults = []
    for key in text_keys():
        value = texts.get(key)
        if not isinstance(value, str) or not value.strip():
            faults.append((f"texts.{key}", "is required"))
        elif len(value) > TEXT_LIMIT:
            faults.append((f"texts.{key}", f"is longer than {TEXT_LIMIT} characters"))
    return faults


def _purpose_faults(purposes: object) -> list[tuple[str, str]]:
    if not isinstance(purposes, list) or not purposes:
        return [("purposes", "must be a list of purposes")]
    keys = []
    for purpose in purposes:
        if not isinstance(purpose, dict) or set(purpose) != {"key", "name", "description", "required"}:
            return [("purposes", "must each have key, name, description and required, and no more")]
        if not _PURPOSE_KEY.fullmatch(str(purpose["key"])) or not isinstance(purpose["required"], bool):
            return [("purposes", f"{str(purpose['key'])[:40]!r} is no purpose key, or required is not true or false")]
        if not all(isinstance(purpose[part], str) and purpose[part].strip() for part in ("name", "description")):
            return [("purposes", f"{purpose['key']} needs a name and a description")]
        keys.append(purpose["key"])
    return [("purposes", "must differ from each other")] if len(set(keys)) < len(keys) else []
