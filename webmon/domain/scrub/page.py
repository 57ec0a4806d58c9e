"""A page's address: identifiers in the path become templates, query parameters go unless allowed by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from webmon.domain.scrub.checks import looks_random
from webmon.domain.scrub.detectors import SUSPECT
from webmon.domain.scrub.text import (
    CACHED_LENGTH,
    Scrubbed,
    decoded,
    plain,
    replace_finds,
    scrub_text,
    without_invisible,
)

PATH_LIMIT = 2000
PARAMETER_LIMIT = 300
DEFAULT_ALLOWED = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "source", "ref"})
# Their names say how somebody came; their values identify a click, and so a person.
CLICK_IDS = frozenset({"gclid", "gbraid", "wbraid", "msclkid", "fbclid", "twclid", "dclid", "ttclid", "li_fat_id"})
_SCHEMES = frozenset({"http", "https"})
_HOSTLESS = frozenset({"file", "app", "android-app", "capacitor", "ionic"})
_HOST = re.compile(r"[^\s/\\<>\"'`{}|^%@?#,;]{1,253}")


@dataclass(frozen=True, slots=True)
class ScrubbedUrl:
    """A page's address as it may be stored.

    `query` holds allowed parameters, and click identifiers by name with an empty value.
    """

    hostname: str
    pathname: str
    query: Mapping[str, str]
    removed: tuple[str, ...] = ()


def scrub_url(url: str, allowed: frozenset[str] = DEFAULT_ALLOWED) -> ScrubbedUrl:
    """Return a page's address as it may be stored.

    Raises `ValueError` saying what is wrong with one that cannot be a page's.
    """
    if not url.strip():
        raise ValueError("is required")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise ValueError("must be a valid url") from None
    if parts.scheme in _HOSTLESS:
        path = scrub_path(parts.path or "/")
        return ScrubbedUrl("(none)", path.value, {}, path.removed)
    if parts.scheme not in _SCHEMES:
        raise ValueError("scheme is not allowed" if parts.scheme else "must be a valid url")
    if not _HOST.fullmatch(host):
        raise ValueError("must be a valid url")
    path = scrub_path(parts.path or "/")
    query, removed = scrub_query(parts.query, allowed) if parts.query else ({}, ())
    # A host that is an address is a machine's, often the visitor's own: it goes the way of every address.
    name = scrub_text(host)
    return ScrubbedUrl(name.value, path.value, query, name.removed + path.removed + removed)


def scrub_query(query: str, allowed: frozenset[str] = DEFAULT_ALLOWED) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the allowed parameters, their values scrubbed, and the kinds of what was removed."""
    kept: dict[str, str] = {}
    removed: list[str] = []
    for key, value in parse_qsl(query[: 4 * PATH_LIMIT], errors="replace"):
        name = key.lower()
        if name in allowed:
            clean = scrub_text(value[: 4 * PARAMETER_LIMIT])
            kept.setdefault(name, clean.value[:PARAMETER_LIMIT])
            removed += clean.removed
        elif name in CLICK_IDS:
            kept[name] = ""
            removed.append("click_id")
        else:
            removed.append("parameter")
    return kept, tuple(removed)


# Segments that are identifiers as a whole: long numbers, numbers with a prefix, UUIDs, hexadecimal keys.
_IDENTIFIER = re.compile(
    r"\d{5,}|[A-Za-z]{1,4}[-_]?\d{5,}[A-Za-z]?|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}"
    r"|(?=[a-f]*\d)[0-9a-f]{12,15}|eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?",
    re.IGNORECASE,
)
_OPAQUE = re.compile(r"[\w-]{16,}={0,2}")
# Within a readable segment: article-1234 stays, order-123456 is somebody's.
_LONG_NUMBER = re.compile(r"(?<!\d)\d{6,}(?!\d)")
# What names a person's things: a number after it says whose.
_WHOSE = frozenset(
    {
        "account",
        "accounts",
        "client",
        "clients",
        "customer",
        "customers",
        "exam",
        "exams",
        "member",
        "members",
        "order",
        "orders",
        "patient",
        "patients",
        "person",
        "persons",
        "profile",
        "profiles",
        "studies",
        "study",
        "user",
        "users",
    }
)
_WHOSE_NUMBER = re.compile(r"\d+|[A-Za-z]{1,3}[-_]?\d+|(?:\D*\d){3}.*", re.DOTALL)
# A year, month and day that are folders (of a blog) say when something was written, not who was born.
_DATE_FOLDERS = re.compile(r"(?<![^/])(?:19|20)\d{2}/(?:0?[1-9]|1[0-2])(?:/(?:0?[1-9]|[12]\d|3[01]))?(?![^/])")
_MASK = "\ue000"
_FOUND = re.compile(r"\[(\w+)\]")
_UNSAFE = re.compile(rf"[/?#\[\]{_MASK}]")
# Kinds that say no more than that it was an identifier.
_JUST_ID = frozenset({"uuid", "token", "number"})


def scrub_path(path: str) -> Scrubbed:
    """Return the path with identifiers as templates: ``/patients/:id/results``."""
    return _scrubbed_path(path) if len(path) > CACHED_LENGTH else _cached_path(path)


def _scrubbed_path(path: str) -> Scrubbed:
    path, parameters = re.subn(r";[^/]*", "", path.partition("?")[0].partition("#")[0])
    removed = ["parameter"] * parameters
    shown: list[str] = []
    for segment in path.split("/"):
        if segment:
            shown.append(_segment(segment, shown[-1] if shown else "", removed))
    value = "/".join(shown)
    if SUSPECT.search(_DATE_FOLDERS.sub("", value)):  # a number may be spread over segments
        folders = _DATE_FOLDERS.findall(value)
        found = _templated(plain(_DATE_FOLDERS.sub(_MASK, value)), removed)
        value = _with_folders(found, folders) if found else value
    slash = "/" if path.endswith("/") and value else ""
    return Scrubbed(f"/{value}{slash}"[:PATH_LIMIT], tuple(removed))


_cached_path = lru_cache(maxsize=16_384)(_scrubbed_path)


def _segment(segment: str, before: str, removed: list[str]) -> str:
    """Return a segment as it is shown: a template, or decoded once, without what could be taken for more segments."""
    if segment.isascii() and segment.isalpha() and len(segment) < 16:
        return segment
    text = plain(segment) if SUSPECT.search(segment) else segment
    whose = before.lower() in _WHOSE and _WHOSE_NUMBER.fullmatch(text) is not None
    opaque = _OPAQUE.fullmatch(text) is not None and looks_random(text)
    if whose or opaque or _IDENTIFIER.fullmatch(text):
        removed.append("path_id")
        return ":id"
    found = "" if text.isdigit() or SUSPECT.search(text) is None else _templated(text, removed)
    if found:
        return found.replace("/", " ")
    return segment if text == segment else _UNSAFE.sub(" ", without_invisible(decoded(segment))).strip() or "-"


def _templated(text: str, removed: list[str]) -> str:
    """Return a plain text with templates for what the detectors find, or an empty one where they find nothing."""
    text, kinds = replace_finds(text)
    text, count = _LONG_NUMBER.subn("[number]", text)
    if not kinds and not count:
        return ""
    removed.extend((*kinds, *("path_id",) * count))
    return re.sub(r"[?#]", " ", _FOUND.sub(lambda match: ":id" if match[1] in _JUST_ID else f":{match[1]}", text))


def _with_folders(text: str, folders: list[str]) -> str:
    for folder in folders:
        text = text.replace(_MASK, folder, 1)
    return text
