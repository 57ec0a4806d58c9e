"""A page's address: identifiers in the path become templates, query parameters go unless allowed by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from webmon.domain.scrub.checks import CATALOGUES, looks_random, round_number
from webmon.domain.scrub.detectors import SUSPECT
from webmon.domain.scrub.rules import CLICK_IDS, NO_RULES, GuardRules, matched_template
from webmon.domain.scrub.text import (
    Scrubbed,
    cached_when_clean,
    fully_decoded,
    plain,
    replace_finds,
    scrub_text,
    without_invisible,
)

PATH_LIMIT = 2000
PARAMETER_LIMIT = 300
DEFAULT_ALLOWED = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "source", "ref"})
_SCHEMES = frozenset({"http", "https"})
_HOSTLESS = frozenset({"file", "app", "android-app", "capacitor", "ionic"})
_HOST = re.compile(r"[^\s/\\<>\"'`{}|^%@?#,;]{1,253}")


# A plus sign in a query is a space to whoever reads it, but before an @ it may have been meant: jane+portal@….
_GLUED = re.compile(r"(?<=\w) (?=[\w.-]+@)")


@dataclass(frozen=True, slots=True)
class ScrubbedUrl:
    """A page's address as it may be stored.

    `query` holds allowed parameters, and click identifiers by name with an empty value. Parameters that the site
    allows tell its pages apart, so they stand in `pathname` as well, by name: ``/search?lang=de&tab=2``.
    """

    hostname: str
    pathname: str
    query: Mapping[str, str]
    removed: tuple[str, ...] = ()


def scrub_url(url: str, rules: GuardRules = NO_RULES, *, routed_by_hash: bool = False) -> ScrubbedUrl:
    """Return a page's address as it may be stored.

    `routed_by_hash`: the fragment tells pages apart, also where it does not look like a path.
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
        name = Scrubbed("(none)")
    elif parts.scheme not in _SCHEMES:
        raise ValueError("scheme is not allowed" if parts.scheme else "must be a valid url")
    elif not _HOST.fullmatch(host):
        raise ValueError("must be a valid url")
    else:
        # A host that is an address is a machine's, often the visitor's own: it goes the way of every address.
        name = scrub_text(host)
    path = scrub_path(parts.path or "/", rules)
    query, removed = scrub_query(parts.query, rules) if parts.query else ({}, ())
    pathname = _with_parameters(path.value, query, rules) if rules.parameters else path.value
    removed = name.removed + path.removed + removed
    if parts.fragment:
        fragment = scrub_fragment(parts.fragment, rules, routed=routed_by_hash)
        pathname = f"{pathname}#{fragment.value}"[:PATH_LIMIT] if fragment.value else pathname
        removed += fragment.removed
    return ScrubbedUrl(name.value, pathname, query, removed)


def scrub_query(query: str, rules: GuardRules = NO_RULES) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the allowed parameters, their values scrubbed, and the kinds of what was removed."""
    kept: dict[str, str] = {}
    removed: list[str] = []
    for key, value in parse_qsl(query[: 4 * PATH_LIMIT], keep_blank_values=True, errors="replace"):
        name = key.lower()
        if name in DEFAULT_ALLOWED or name in rules.parameters:
            text = _GLUED.sub("+", value) if "@" in value else value
            clean = scrub_text(text[: 4 * PARAMETER_LIMIT])
            kept.setdefault(name, clean.value[:PARAMETER_LIMIT])
            removed += clean.removed
        elif name in CLICK_IDS:
            kept[name] = ""
            removed.append("click_id")
        else:
            removed.append("parameter")
    return kept, tuple(removed)


def scrub_fragment(fragment: str, rules: GuardRules = NO_RULES, *, routed: bool = False) -> Scrubbed:
    """Return the part after ``#`` where it is a path of its own (``/inbox``, ``!/inbox``), scrubbed like one.

    Any other says where on the page somebody was, or carries what a sign-in hands over (``access_token=…``): it goes.
    Where pages are `routed` by it, so does only what has parameters.
    """
    bang = "!" if fragment.startswith("!") else ""
    path = fully_decoded(fragment.removeprefix("!"))
    if routed and _ROUTE.match(path):
        clean = scrub_path(f"/{path}", rules)
        return Scrubbed(bang + clean.value.removeprefix("/"), clean.removed)
    if not path.startswith("/"):
        return Scrubbed("", ("fragment",) if SUSPECT.search(path) else ())
    clean = scrub_path(path, rules)
    return Scrubbed(bang + clean.value, clean.removed)


# A path without its first slash.
_ROUTE = re.compile(r"[^/?=&][^?=&]*(?:\?|\Z)")
_IN_QUERY = str.maketrans(dict.fromkeys("?#&=%+;", " "))


def _with_parameters(path: str, query: Mapping[str, str], rules: GuardRules) -> str:
    own = sorted((name, value.translate(_IN_QUERY)) for name, value in query.items() if name in rules.parameters)
    said = "&".join(f"{name}={value}" for name, value in own)
    return f"{path}?{said}"[:PATH_LIMIT] if said else path


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
    re.findall(
        r"\w+",
        """
        account accounts appointment appointments booking bookings chart client clients customer customers encounter
        encounters exam exams fall faelle invoice invoices konto kunde kunden member members message messages mitglied
        mitglieder mrn order orders patient patienten patients person persons prescription prescriptions profile
        profiles referral referrals specimen studies study thread threads ticket tickets u user users visit visits
        """,
    )
)
_WHOSE_NUMBER = re.compile(r"\d+|[A-Za-z]{1,3}[-_]?\d+|(?:\D*\d){3}.*", re.DOTALL)
# What was sent to one person leads on from here: a code of letters and digits in turn.
_HANDED_OUT = frozenset(
    re.findall(
        r"[\w-]+",
        """
        activate activation check-in checkin confirm download invitation invite join magic magic-link optout
        password-reset recover reset reset-password s share signup subscribe token unsubscribe v verify
        """,
    )
)
_CODE = re.compile(
    r"(?=.{5,64}$)[A-Za-z]*\d+[A-Za-z]+\d[A-Za-z0-9]*|(?=.{5,64}$)\d*[A-Za-z]+\d+[A-Za-z]+[A-Za-z0-9]*"
)
_HAS_DIGIT = re.compile(r"\d")
# What may name the number in the segment after it.
_LABEL = re.compile(
    r"(?:lat|lon|lng|dob|d\.o\.b|born|birth|geb|né|naiss|nacim|tel|tél|phone|mobil|cell|call|fax|handy|whatsapp|ring"
    r"|rufnummer|contact|kontakt|hotline|dial|ssn|social|bsn|burger)",
    re.IGNORECASE,
)
# Numbers in catalogues that articles are about: a trial, a paper.
_CATALOGUED = re.compile(rf"(?:{'|'.join(CATALOGUES)})[-_ ]?\d+", re.IGNORECASE)
# When a page was written, not who was born: a day as folders of a blog, or before an article's name, or anywhere
# below a folder of news. Who was born before there was a web is not written about so.
_YEAR = r"(?:199\d|20\d{2})"
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
_FOLDERS = rf"(?<![^/])(?<!dob/)(?<!born/)(?<!birth/){_YEAR}/{_MONTH}(?:/{_DAY})?(?![^/])"
_YEAR_LIKE = re.compile(r"199\d|20\d\d")
_DATED = re.compile(rf"{_FOLDERS}|(?<![^/]){_DATE}(?=[-_][^\W\d_]{{3}})", re.IGNORECASE)
_PUBLISHED = re.compile(
    rf"{_FOLDERS}|(?:(?<![^/])|(?<=[^\W\d_][-_])){_DATE}(?=/|$|\.html?|[-_][^\W\d_])", re.IGNORECASE
)
_NEWS = re.compile(
    r"(?<![^/])(?:aktuelles|archives?|archiv|articles|blog\w*|calendar|changelog|diary|events|kalender|magazine|news"
    r"|newsletter|posts|presse|press|releases|stories|termine|updates|veranstaltungen)/",
    re.IGNORECASE,
)
# Stand for the dates while the rest is looked at: one private character each.
_FIRST_MASK, _MASK_LIMIT = 0xE000, 16
_MASK = re.compile("[\ue000-\ue00f]")
# A page out of the Internet Archive, with the moment of the copy (and how it is shown) before its address.
_ARCHIVED = re.compile(r"^/web/\d{4,14}(?:[a-z]{2}_)?/https?:/{1,2}[^/]+")
_FOUND = re.compile(r"\[(\w+)\]")
_UNSAFE = re.compile(r"[/?#;\[\]]")
# Kinds that say no more than that it was an identifier.
_JUST_ID = frozenset({"uuid", "token", "number"})


def scrub_path(path: str, rules: GuardRules = NO_RULES) -> Scrubbed:
    """Return the path with identifiers as templates: ``/patients/:id/results``. The site's own templates win."""
    if rules.path_templates:
        template = matched_template(rules.path_templates, path)
        if template is not None:
            return Scrubbed(template, ("path_template",) if ":" in template or "*" in template else ())
    return _automatic(path)


# Templates in the place of whole segments: what stands beside them is as it was.
_WHOLE = frozenset({"path_id", "parameter"})
_ROUNDS = 4


@cached_when_clean(16_384)
def _automatic(path: str) -> Scrubbed:
    found = _one_round(path)
    for _ in range(_ROUNDS):
        if found.value == path or (found.removed and _WHOLE.issuperset(found.removed)):
            break
        again = _one_round(found.value)
        if again.value == found.value:
            break
        found = Scrubbed(again.value, found.removed + again.removed)
    return found


def _without_dots(path: str) -> str:
    """Return the path as a browser reads it that has ``.`` and ``..`` in it (RFC 3986, section 5.2.4)."""
    first, *segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] in (["."], [".."]):
        kept.append("")
    return "/".join([first, *kept])


def _one_round(path: str) -> Scrubbed:
    path, parameters = re.subn(r";[^/]*", "", path.partition("?")[0].partition("#")[0])
    if "/." in path:
        path = _without_dots(path)
    path = _ARCHIVED.sub("", path)
    removed = ["parameter"] * parameters
    path, dates = _without_dates(path)
    shown: list[str] = []
    for segment in path.split("/"):
        if segment:
            shown.append(_segment(segment, shown[-1] if shown else "", removed))
    value = "/".join(shown)
    if _may_be_spread(shown):
        value = _templated(plain(value), removed) or value
    for index, date in enumerate(dates):
        value = value.replace(chr(_FIRST_MASK + index), date)
    slash = "/" if path.endswith("/") and value else ""
    return Scrubbed(f"/{value}{slash}"[:PATH_LIMIT], tuple(removed))


def _may_be_spread(segments: list[str]) -> bool:
    """Whether a number, or a label and its number, can stand in more than one segment: /lat/52.52/13.40."""
    rest = [text for text in segments if _HAS_DIGIT.search(text) and not _CATALOGUED.fullmatch(text)]
    return len(rest) > 1 or (len(rest) == 1 and any(map(_LABEL.search, segments)))


def _without_dates(path: str) -> tuple[str, list[str]]:
    """Return the path with a mark for each date on which something was published, and these dates."""
    path = path if path.isascii() else _MASK.sub("", path)
    dates: list[str] = []
    if _YEAR_LIKE.search(path) is None or not _WHOSE.isdisjoint(path.lower().split("/")):
        return path, dates

    def mark(match: re.Match[str]) -> str:
        if len(dates) == _MASK_LIMIT:
            return match[0]
        dates.append(match[0])
        return chr(_FIRST_MASK + len(dates) - 1)

    pattern = _PUBLISHED if _NEWS.search(path) else _DATED
    return pattern.sub(mark, path), dates


def _segment(segment: str, before: str, removed: list[str]) -> str:
    """Return a segment as it is shown: a template, or decoded, without what could be taken for more segments."""
    if segment.isascii() and segment.isalpha() and len(segment) < 16:
        return segment
    seen = segment if segment.isascii() else _MASK.sub("", segment)
    if not seen:
        return segment
    text = plain(segment) if SUSPECT.search(seen) else segment
    if _is_identifier(text, before.lower()):
        removed.append("path_id")
        return ":id"
    clean = text.isdigit() or SUSPECT.search(_MASK.sub("", text)) is None or _CATALOGUED.fullmatch(text) is not None
    found = "" if clean else _templated(text, removed)
    if found:
        return found.replace("/", " ")
    return segment if text == segment else _UNSAFE.sub(" ", without_invisible(fully_decoded(segment))).strip() or "-"


def _is_identifier(text: str, before: str) -> bool:
    """Whether a plain segment is one as a whole, by itself or by the (lower case) segment before it."""
    if before in _WHOSE and _WHOSE_NUMBER.fullmatch(text):
        return True
    if before in _HANDED_OUT and _CODE.fullmatch(text):
        return True
    if _IDENTIFIER.fullmatch(text):
        return _CATALOGUED.fullmatch(text) is None
    return _OPAQUE.fullmatch(text) is not None and looks_random(text)


def _templated(text: str, removed: list[str]) -> str:
    """Return a plain text with templates for what the detectors find, or an empty one where they find nothing."""
    text, kinds = replace_finds(text)
    text = _LONG_NUMBER.sub(lambda match: match[0] if round_number(match[0]) else "[number]", text)
    ids = max(0, text.count("[number]") - kinds.count("number"))
    if not kinds and not ids:
        return ""
    removed.extend((*kinds, *("path_id",) * ids))
    return re.sub(r"[?#;]", " ", _FOUND.sub(lambda match: ":id" if match[1] in _JUST_ID else f":{match[1]}", text))
