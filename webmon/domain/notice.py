"""A notice: everything a visitor is shown when asked, named by the hash of its canonical form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from webmon.domain import symmetry
from webmon.domain.chain import canonical
from webmon.domain.language import LANGUAGES, closest
from webmon.domain.theme import default_theme, theme_faults
from webmon.errors import InvalidInput

SCHEMA = "webmon-notice/2"
# Layouts, and where on the page each may stand.
POSITIONS = {"bar": ("bottom", "top"), "box": ("bottom-start", "bottom-end"), "dialog": ("center",)}
LAYOUTS = tuple(POSITIONS)
FIRST_LAYER = frozenset({"accept", "reject", "choose"})
TEXT_LIMIT = 4000
LANGUAGE_LIMIT = 16
SERVICES_LIMIT, COOKIES_LIMIT = 200, 50
_PURPOSE_KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}")
# Language, script and region, and so nothing that somebody would write into it.
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-\d{3})?")
_FOLDER = Path(__file__).resolve().parent.parent / "data" / "notices"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Purpose:
    key: str
    name: str
    description: str
    required: bool


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie, or a pattern of names with ``*``. Texts are shown as they stand, `lifetime` too ("6 months").

    `kind` is session or persistent, `party` first or third; `purpose` is the key of the purpose that it serves.
    """

    name: str
    purpose: str
    description: str
    lifetime: str
    kind: str
    party: str


@dataclass(frozen=True, slots=True)
class Service:
    """Something on the website that a purpose covers, and what it leaves in the browser.

    `provider` is who runs it, empty for the website itself.
    """

    key: str
    purpose: str
    name: str
    provider: str
    description: str
    cookies: tuple[Cookie, ...] = ()


KINDS = ("session", "persistent")
PARTIES = ("first", "third")


def read_services(listed: object) -> tuple[Service, ...]:
    """Return the services in a notice's body; raises `ValueError` saying what is wrong with one that is none."""
    if not isinstance(listed, list) or len(listed) > SERVICES_LIMIT:
        raise ValueError(f"must be a list of at most {SERVICES_LIMIT} services")
    try:
        services = msgspec.convert(listed, tuple[Service, ...], strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(f"has a service that is none: {error}") from error
    keys = [service.key for service in services]
    if len(set(keys)) < len(keys):
        raise ValueError("must differ from each other")
    for service in services:
        fault = _service_fault(service)
        if fault:
            raise ValueError(f"{service.key[:40]!r} {fault}")
    return services


def _service_fault(service: Service) -> str:
    texts = [service.name, service.provider, service.description]
    texts += [text for one in service.cookies for text in (one.name, one.description, one.lifetime)]
    if not _PURPOSE_KEY.fullmatch(service.key):
        return "is no key of a service"
    if not service.name.strip() or any(not one.name.strip() for one in service.cookies):
        return "needs a name, and each of its cookies too"
    if any(len(text) > TEXT_LIMIT for text in texts) or len(service.cookies) > COOKIES_LIMIT:
        return f"has a text longer than {TEXT_LIMIT} characters, or more than {COOKIES_LIMIT} cookies"
    if any(one.kind not in KINDS or one.party not in PARTIES for one in service.cookies):
        return "has a cookie that is neither session nor persistent, or neither first nor third"
    return ""


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
        return _purposes_of(self.text)

    @property
    def services(self) -> tuple[Service, ...]:
        # The first notices had none.
        return read_services(self.body.get("services", []))

    @property
    def optional_keys(self) -> frozenset[str]:
        """The purposes that are asked for."""
        return _optional_of(self.text)


@lru_cache(maxsize=256)
def _optional_of(text: str) -> frozenset[str]:
    return frozenset(purpose.key for purpose in _purposes_of(text) if not purpose.required)


@lru_cache(maxsize=256)
def _purposes_of(text: str) -> tuple[Purpose, ...]:
    # Every answer asks for them, and a notice never changes.
    return tuple(Purpose(**purpose) for purpose in json.loads(text)["purposes"])


def with_all_texts(notice: Notice) -> Notice:
    """Return a notice with the texts that it lacks, as `completed` has them; one that lacks none is the same."""
    text = canonical(completed(notice.body))
    return Notice(hash_of(text), text, notice.site, notice.language)


def hash_of(text: str) -> str:
    return f"sha256-{hashlib.sha256(text.encode()).hexdigest()}"


def make_notice(body: Body) -> Notice:
    """Return the notice of a body that may be published.

    Raises `InvalidInput` naming each part that is missing, wrong, or makes refusing harder than accepting.
    """
    draft = make_draft(body)
    _raise([(one.where, one.text) for one in symmetry.failures(body)])
    return draft


def make_draft(body: Body) -> Notice:
    """Return the notice of a body that is well formed, though it may not be one to publish.

    Raises `InvalidInput` naming each part that is missing or wrong.
    """
    _raise(_faults(body))
    text = canonical(body)
    return Notice(hash_of(text), text, body["site"], body["language"])


def upgraded(body: Body) -> dict[str, Any]:
    """Return a body of any age with what the present schema has besides: where a new draft begins."""
    default = default_body(body["site"], _nearest(body))
    texts = {key: body["texts"].get(key, text) for key, text in default["texts"].items()}
    place = body.get("position", POSITIONS[body["layout"]][0])
    return {**default, **body, "schema": SCHEMA, "texts": texts, "position": place}


def completed(body: Body) -> Body:
    """Return a body, well formed or not, with the texts that webmon ships in the place of those that it lacks.

    Notices have got more texts since some were written.
    """
    texts = body.get("texts")
    if not isinstance(texts, dict):
        return body
    return {**body, "texts": {**_defaults(_nearest(body))["texts"], **texts}}


def _nearest(body: Body) -> str:
    """The language that webmon speaks and that is nearest to the notice's, else English."""
    return closest([str(body.get("language"))[:LANGUAGE_LIMIT]], LANGUAGES) or "en"


def read_body(text: str | bytes) -> dict[str, Any]:
    """Return the body in a JSON file; raises `InvalidInput` for what is no JSON object."""
    try:
        body = json.loads(text)
        canonical(body).encode()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidInput.field("body", "must be a JSON object in UTF-8")
    return body


def _raise(faults: list[tuple[str, str]]) -> None:
    errors: dict[str, list[str]] = {}
    for field, text in faults:
        errors.setdefault(field, []).append(text)
    if errors:
        raise InvalidInput(errors)


def default_body(site: str, language: str) -> dict[str, Any]:
    """Return the notice that a new site begins with."""
    words = deepcopy(_defaults(language))
    return {
        "schema": SCHEMA,
        "site": site,
        "language": language,
        "direction": LANGUAGES[language].direction,
        "layout": "bar",
        "position": "bottom",
        "buttons": ["reject", "accept", "choose"],
        "texts": words["texts"],
        "purposes": words["purposes"],
        "services": words["services"],
        "theme": default_theme(),
        "privacy_contact": "",
    }


def own_services(language: str) -> tuple[Service, ...]:
    """Return webmon's own service, in that language or else in English."""
    return read_services(_defaults(language if language in LANGUAGES else "en")["services"])


def with_services(body: Body, services: Sequence[Service]) -> dict[str, Any]:
    """Return the body of a notice with these services in the place of its own."""
    return {**body, "services": msgspec.json.decode(msgspec.json.encode(services))}


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
    tag = str(body.get("language", ""))
    if not LANGUAGE.fullmatch(tag) or len(tag) > LANGUAGE_LIMIT:
        faults.append(("language", "must be a language tag such as en"))
    if body.get("direction") not in {"ltr", "rtl"}:
        faults.append(("direction", "must be ltr or rtl"))
    if body.get("layout") not in LAYOUTS:
        faults.append(("layout", f"must be one of {', '.join(LAYOUTS)}"))
    elif body.get("position") not in POSITIONS[body["layout"]]:
        faults.append(("position", f"must be one of {', '.join(POSITIONS[body['layout']])}"))
    buttons = body.get("buttons")
    named = set(map(str, buttons)) if isinstance(buttons, list) else set()
    # Where reject is not among them, the notice is well formed and still none to publish (webmon.domain.symmetry).
    if not isinstance(buttons, list) or len(named) < len(buttons) or named | {"reject"} != FIRST_LAYER:
        faults.append(("buttons", "must be accept, reject and choose, in the order in which they stand"))
    if not isinstance(body.get("privacy_contact"), str):
        faults.append(("privacy_contact", "must be a text, or empty"))
    faults += _text_faults(body.get("texts")) + _purpose_faults(body.get("purposes"))
    faults += theme_faults(body.get("theme")) + _services_faults(body) + _preselected_faults(body)
    # `preselected` is for what was drawn up elsewhere: it may be checked, and is refused unless it is empty.
    strange = sorted(set(body) - {*default_body("", "en"), "preselected"})
    return faults + [(str(name)[:40], "is no part of a notice") for name in strange]


def _preselected_faults(body: Body) -> list[tuple[str, str]]:
    listed, purposes = body.get("preselected", []), body.get("purposes")
    keys = [str(one.get("key")) for one in purposes if isinstance(one, dict)] if isinstance(purposes, list) else []
    if isinstance(listed, list) and all(key in keys for key in listed):
        return []
    return [("preselected", "must be a list of keys of the notice's purposes")]


def _text_faults(texts: object) -> list[tuple[str, str]]:
    if not isinstance(texts, dict):
        return [("texts", "must be an object")]
    faults = [
        ("texts", f"has {str(key)[:40]!r}, which no notice has") for key in sorted(set(texts) - set(text_keys()))
    ]
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


def _services_faults(body: Body) -> list[tuple[str, str]]:
    try:
        services = read_services(body.get("services"))
    except ValueError as error:
        return [("services", str(error))]
    listed = body.get("purposes")
    keys = {str(one.get("key")) for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
    named = {service.purpose for service in services} | {one.purpose for s in services for one in s.cookies}
    strange = sorted(named - keys)
    return [("services", f"names {strange[0][:40]!r}, which is no purpose of the notice")] if strange else []
