"""The guard in front of the first write: health information and identifiers are removed, and only counted.

A detector is a row of `DETECTORS`: what it is called, what it looks like, and a check that makes it sure (check
digits, ranges). What it finds is replaced by its kind in brackets; a path segment that is an identifier by ``:id``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

PATH_LIMIT = 2000
VALUE_LIMIT = 2000
KEY_LIMIT = 300
PROPS_LIMIT = 30
DEFAULT_ALLOWED = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "source", "ref"})
# Counted by name; their values identify a click, and so a person.
CLICK_IDS = frozenset({"gclid", "gbraid", "wbraid", "msclkid", "fbclid", "twclid", "dclid", "ttclid", "li_fat_id"})
_SCHEMES = frozenset({"http", "https"})
_HOSTLESS = frozenset({"file", "app", "android-app", "capacitor", "ionic"})

# A property of this name speaks of a person whatever its value.
_PERSONAL_KEY = re.compile(
    r"(?:^|[_\-. ])(?:(?:first|last|full|sur|family|given|user|patient|middle)?[_\-. ]?name|e?-?mail|phone|mobile|"
    r"tel|dob|birth(?:day|date)?|ssn|mrn|nhs|address|street|zip|postcode|patient(?:[_\-. ]?id)?|diagnos[ie]s|"
    r"insurance|passport|password|token|secret|session(?:[_\-. ]?id)?|ip)(?:$|[_\-. ])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What is left of a text, and the kinds of what was removed."""

    value: str
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScrubbedUrl:
    """A page's address as it may be stored. `query` holds allowed parameters only."""

    hostname: str
    pathname: str
    query: Mapping[str, str]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds one kind; `check` is given the match's text and says whether it really is one."""

    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = lambda _: True


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdecimal()]


def luhn(text: str) -> bool:
    """Check digits of card numbers (ISO/IEC 7812-1)."""
    digits = _digits(text)[::-1]
    total = sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return 13 <= len(digits) <= 19 and total % 10 == 0


def iban(text: str) -> bool:
    """Check digits of bank accounts (ISO 13616, modulo 97)."""
    compact = re.sub(r"[\s-]", "", text).upper()
    moved = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def ssn(text: str) -> bool:
    """United States social security number: the areas that are given out."""
    digits = "".join(map(str, _digits(text)))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return len(digits) == 9 and area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def nhs_number(text: str) -> bool:
    """United Kingdom NHS number: modulo 11."""
    digits = _digits(text)
    check = 11 - sum(digit * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return len(digits) == 10 and check % 11 == digits[9]


def steuer_id(text: str) -> bool:
    """German tax identification number: ISO 7064 MOD 11,10."""
    digits = _digits(text)
    if len(digits) != 11 or digits[0] == 0:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == digits[10]


def calendar_date(text: str) -> bool:
    """Whether the numbers can be a day of birth, in any usual order."""
    parts = [int(part) for part in re.findall(r"\d+", text)]
    if len(parts) != 3:
        return False
    first, second, third = parts
    orders = [(first, second, third)] if first > 31 else [(third, second, first), (third, first, second)]
    return any(_is_day(*order) for order in orders)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year if year > 99 else 1900 + year, month, day)
    except ValueError:
        return False
    return year <= 99 or 1900 <= year <= 2100


def phone(text: str) -> bool:
    digits = _digits(text)
    return 7 <= len(digits) <= 15 and len(set(digits)) > 1


# Digits of one number, with the separators people put between them.
_SEP = r"[\s.\-/()]{0,2}"
_PHONE_SEP = r"[\s.\-/()]{0,3}"
DETECTORS = (
    Detector("token", re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?")),
    Detector("token", re.compile(r"\bbearer\s+[\w.~+/-]{8,}=*", re.IGNORECASE)),
    Detector(
        "email", re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
    ),
    Detector(
        "record",
        re.compile(
            r"\b(?:mrn|patient(?:[ _-]?(?:id|no|number))?|medical record(?: number)?|case(?:[ _-]?(?:id|no))|chart)"
            r"[\s:#=_-]*[a-z]{0,3}\d[\w-]{3,}",
            re.IGNORECASE,
        ),
    ),
    Detector("phone", re.compile(rf"(?<![\w+])\+\d{{1,3}}(?:{_PHONE_SEP}\d){{6,13}}(?!\d)"), phone),
    Detector("iban", re.compile(r"\b[A-Z]{2}\d{2}(?:[\s-]?[A-Z0-9]{2,4}){3,8}\b", re.IGNORECASE), iban),
    Detector("card", re.compile(rf"(?<!\d)\d(?:{_SEP}\d){{12,18}}(?!\d)"), luhn),
    Detector("ssn", re.compile(r"(?<!\d)\d{3}[\s.-]\d{2}[\s.-]\d{4}(?!\d)"), ssn),
    Detector("ssn", re.compile(r"\b(?:ssn|social security)\D{0,10}\d{9}(?!\d)", re.IGNORECASE)),
    Detector("tax_id", re.compile(rf"(?<!\d)\d(?:{_SEP}\d){{10}}(?!\d)"), steuer_id),
    Detector("nhs", re.compile(rf"(?<!\d)\d{{3}}{_SEP}\d{{3}}{_SEP}\d{{4}}(?!\d)"), nhs_number),
    Detector("address", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")),
    Detector("address", re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}(?![\w:])", re.IGNORECASE)),
    Detector("coordinates", re.compile(r"(?<![\d.])-?\d{1,3}\.\d{3,}\s?[,;/ ]\s?-?\d{1,3}\.\d{3,}(?!\d)")),
    Detector(
        "birth_date",
        re.compile(r"(?<!\d)(?:19|20)\d{2}[-./_](?:0?[1-9]|1[0-2])[-._](?:0?[1-9]|[12]\d|3[01])(?!\d)"),
        calendar_date,
    ),
    Detector("birth_date", re.compile(r"(?<!\d)\d{1,2}[-./_ ]\d{1,2}[-./_ ](?:19|20)\d{2}(?!\d)"), calendar_date),
    Detector("birth_date", re.compile(r"\b(?:dob|born|birth(?:date|day)?)\W{0,3}\d{6,8}\b", re.IGNORECASE)),
    Detector("phone", re.compile(r"(?<!\d)\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?!\d)"), phone),
    Detector("phone", re.compile(rf"(?<![\d.])0\d{{2,4}}[\s/-]{{1,2}}\d(?:{_SEP}\d){{4,8}}(?!\d)"), phone),
    Detector(
        "phone", re.compile(r"\b(?:tel|phone|mobile|call|fax)\D{0,4}\d[\d\s.\-/()]{5,16}\d", re.IGNORECASE), phone
    ),
    Detector("uuid", re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)),
    Detector("token", re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9_]{24,}\b")),
    Detector("number", re.compile(r"(?<![\d.])\d{7,}(?![\d.])")),
)
# A text without any of these can hold nothing that a detector looks for: most texts are done here.
_SUSPECT = re.compile(r"\d{3}|@|\(at\)|\[at\]|eyJ|\d[\d\s.,\-/()]{5}|[Bb]earer|\w{24}|%[0-9A-Fa-f]{2}|[^\x00-\x7f]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\x00-\x1f\x7f]")


def plain(text: str) -> str:
    """Return the text as a reader would see it: percent-decoded, compatibility forms folded, invisible marks gone."""
    for _ in range(3):
        decoded = unquote(text) if "%" in text else text
        if decoded == text:
            break
        text = decoded
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    return _INVISIBLE.sub("", text)


@lru_cache(maxsize=8192)
def scrub_text(value: str) -> Scrubbed:
    """Replace whatever a detector finds by its kind in brackets."""
    if _SUSPECT.search(value) is None:
        return Scrubbed(_INVISIBLE.sub("", value))
    text, removed = plain(value), []
    for detector in DETECTORS:
        text, found = _replace(detector, text)
        removed += found
    return Scrubbed(text, tuple(removed))


def _replace(detector: Detector, text: str) -> tuple[str, list[str]]:
    found: list[str] = []

    def replacement(match: re.Match[str]) -> str:
        if not detector.check(match[0]):
            return match[0]
        found.append(detector.kind)
        return f"[{detector.kind}]"

    return detector.pattern.sub(replacement, text), found


# Path segments that are identifiers as a whole.
_SEGMENTS = (
    (re.compile(r"\d{5,}"), ":id"),
    (re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE), ":id"),
    (re.compile(r"(?=.*\d)[0-9a-f]{12,}", re.IGNORECASE), ":id"),
    (re.compile(r"[A-Za-z]{1,4}[-_]?\d{5,}[A-Za-z]?"), ":id"),
    (re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[\w-]{16,}={0,2}"), ":id"),
)
# What names a person's things: the segment after it is whose.
_WHOSE = frozenset(
    {"patient", "patients", "user", "users", "account", "accounts", "member", "members", "person", "persons"}
)
_READABLE = re.compile(r"[a-z]+(?:-[a-z]+)*", re.IGNORECASE)


@lru_cache(maxsize=16384)
def scrub_path(path: str) -> Scrubbed:
    """Return the path with identifiers as templates: ``/patients/:id/results``."""
    path = path.partition("?")[0].partition("#")[0].partition(";")[0]
    removed: list[str] = []
    segments: list[str] = []
    for segment in path.split("/"):
        clean = _segment(segment, segments[-1] if segments else "")
        if clean.value or not segments:
            segments.append(clean.value)
        removed += clean.removed
    value = "/".join(segments) + ("/" if path.endswith("/") else "")
    value = value if value.startswith("/") else f"/{value}"
    whole = scrub_text(value) if _SPLIT_DATE.search(value) is None else Scrubbed(value)
    return Scrubbed(re.sub(r"/{2,}", "/", whole.value)[:PATH_LIMIT], (*removed, *whole.removed))


# A year, month and day that are folders (of a blog) say when something was written.
_SPLIT_DATE = re.compile(r"/(?:19|20)\d{2}/\d{1,2}(?:/\d{1,2})?(?:/|$)")


def _segment(segment: str, before: str) -> Scrubbed:
    text = plain(segment) if _SUSPECT.search(segment) else segment
    for pattern, template in _SEGMENTS:
        if pattern.fullmatch(text):
            return Scrubbed(template, ("path_id",))
    if before.lower() in _WHOSE and any(char.isdigit() for char in text):
        return Scrubbed(":id", ("path_id",))
    clean = scrub_text(text)
    if clean.removed:
        return Scrubbed(re.sub(r"\[(\w+)\]", r":\1", clean.value).replace("/", ""), clean.removed)
    # What decoded into more than a segment is text that somebody typed.
    return Scrubbed(segment if text == segment else text.replace("/", " ").replace("?", " ").replace("#", " "))


def scrub_query(query: str, allowed: frozenset[str] = DEFAULT_ALLOWED) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the allowed parameters, their values scrubbed, and the kinds of what was removed."""
    kept: dict[str, str] = {}
    removed: list[str] = []
    for key, value in parse_qsl(query[: 4 * PATH_LIMIT], max_num_fields=None, errors="replace"):
        name = key.lower()
        if name in allowed:
            clean = scrub_text(value[:VALUE_LIMIT])
            kept.setdefault(name, clean.value[:KEY_LIMIT])
            removed += clean.removed
        else:
            removed.append("click_id" if name in CLICK_IDS else "parameter")
    return kept, tuple(removed)


def scrub_props(props: Mapping[str, object]) -> tuple[dict[str, str], Counter[str]]:
    """Return the properties as texts, scrubbed, at most 30, and how much of which kind was removed."""
    kept: dict[str, str] = {}
    removed: Counter[str] = Counter()
    for key, value in list(props.items())[:PROPS_LIMIT]:
        text = _prop_text(value)
        if text is None:
            continue
        if _PERSONAL_KEY.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)):
            removed["property"] += 1
            continue
        name, clean = scrub_text(key[:KEY_LIMIT]), scrub_text(text[:VALUE_LIMIT])
        removed.update(name.removed + clean.removed)
        kept[name.value] = clean.value
    return kept, removed


def _prop_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def scrub_url(url: str, allowed: frozenset[str] = DEFAULT_ALLOWED) -> ScrubbedUrl:
    """Return a page's address as it may be stored.

    Raises `ValueError` saying what is wrong with one that cannot be a page's.
    """
    if not url:
        raise ValueError("is required")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        raise ValueError("must be a valid url") from None
    if parts.scheme in _HOSTLESS:
        return ScrubbedUrl("(none)", scrub_path(parts.path or "/").value, {})
    if parts.scheme not in _SCHEMES:
        raise ValueError("scheme is not allowed" if parts.scheme else "must be a valid url")
    if not host or len(host) > 253:
        raise ValueError("must be a valid url")
    path = scrub_path(parts.path or "/")
    query, removed = scrub_query(parts.query, allowed) if parts.query else ({}, ())
    return ScrubbedUrl(_host(host), path.value, query, path.removed + removed)


def _host(host: str) -> str:
    # An address in place of a name is a machine's, seldom a person's; a name may hide one (10-0-0-1.example).
    return host if _SUSPECT.search(host) is None else scrub_text(host).value
