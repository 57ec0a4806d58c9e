"""What a site adds to the guard: parameters and property keys that it allows, and the forms of its paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from webmon.domain.scrub.personal import is_personal
from webmon.domain.scrub.text import fully_decoded, plain

# Every rule is looked at with every hit of the site.
RULES_LIMIT = 100
TEMPLATE_LIMIT = 300
_PARAMETER = re.compile(r"[a-z0-9_.\[\]-]{1,100}")
_PROPERTY_KEY = re.compile(r"[^\x00-\x1f]{1,300}")
_LITERAL = re.compile(r"[^\s/?#;%*:\[\]\\]+")
_PLACE = re.compile(r":[a-z][a-z0-9_-]{0,40}", re.IGNORECASE)
_REST = "*"
# Their names say how somebody came; their values identify a click, and so a person.
CLICK_IDS = frozenset({"gclid", "gbraid", "wbraid", "msclkid", "fbclid", "twclid", "dclid", "ttclid", "li_fat_id"})


class GuardRules(msgspec.Struct, frozen=True, cache_hash=True):
    """The rules of one site. The default, no rules at all, costs a hit nothing.

    `parameters` are kept besides the campaign's own. `path_templates` say which segments of a path are somebody's.
    With `property_keys`, only these are kept; without, all that are not named after something of a person.
    """

    parameters: tuple[str, ...] = ()
    path_templates: tuple[str, ...] = ()
    property_keys: tuple[str, ...] = ()


NO_RULES = GuardRules()


def clean_parameters(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the names of parameters in their stored form; raise `ValueError` naming the line that is none."""
    return _clean(lines, _parameter)


def clean_path_templates(lines: Iterable[str]) -> tuple[str, ...]:
    """Return path templates in their stored form; raise `ValueError` naming the line that is none."""
    return _clean(lines, _path_template)


def clean_property_keys(lines: Iterable[str]) -> tuple[str, ...]:
    """Return keys of properties in their stored form; raise `ValueError` naming the line that is none."""
    return _clean(lines, _property_key)


def _clean(lines: Iterable[str], parse: Callable[[str], str]) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            kept[parse(text)] = None
        except ValueError as error:
            raise ValueError(f"line {number}, “{text[:80]}”: {error}") from None
    if len(kept) > RULES_LIMIT:
        raise ValueError(f"must be at most {RULES_LIMIT} lines")
    return tuple(kept)


def _parameter(text: str) -> str:
    name = text.lower()
    if not _PARAMETER.fullmatch(name):
        raise ValueError("must be the name of one parameter: letters, digits, - _ . [ ]")
    if name in CLICK_IDS:
        raise ValueError("is a click identifier: its value is never kept")
    return _not_personal(name)


def _property_key(text: str) -> str:
    if not _PROPERTY_KEY.fullmatch(text):
        raise ValueError("must be the key of one property")
    return _not_personal(text)


def _not_personal(name: str) -> str:
    # Whoever allows it would otherwise wonder why it never comes: the guard drops it whatever is allowed.
    if is_personal(name):
        raise ValueError("is named after something of a person, and never kept")
    return name


def _path_template(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must begin with /")
    if len(text) > TEMPLATE_LIMIT:
        raise ValueError(f"must be at most {TEMPLATE_LIMIT} characters")
    segments = [segment for segment in text.split("/") if segment]
    if _REST in segments[:-1]:
        raise ValueError("may have * only at its end")
    for segment in segments:
        form = _PLACE if segment.startswith(":") else _LITERAL
        if segment != _REST and not form.fullmatch(segment):
            raise ValueError(f"has a segment that is neither words, :name nor * ({segment})")
    return "/" + "/".join(segments)


@dataclass(frozen=True, slots=True)
class _Template:
    """`words` are literal segments in lower case, None where any segment fits."""

    text: str
    words: tuple[str | None, ...]
    takes_rest: bool

    def fits(self, segments: list[str]) -> bool:
        count = len(self.words)
        if not (len(segments) > count if self.takes_rest else len(segments) == count):
            return False
        for word, segment in zip(self.words, segments, strict=False):
            if word is not None and word != segment:
                return False
        return True


def matched_template(templates: tuple[str, ...], path: str) -> str | None:
    """Return the first of the templates that the path has the form of, or None.

    Case, percent-encoding, doubled slashes, spaces, dots between slashes and path parameters (``;v=1``) make no
    difference: a server would serve the same page, with the same person's name in it.
    """
    bare = path.partition("?")[0].partition("#")[0].lower()
    ways = [_words(bare)]
    if "%" in bare or "\\" in bare:
        # A slash that is encoded parts segments to some servers, and to others not.
        ways.append(_words(fully_decoded(bare).replace("\\", "/")))
    for template in _compiled(templates):
        if any(map(template.fits, ways)):
            return template.text
    return None


def _words(path: str) -> list[str]:
    found: list[str] = []
    for segment in path.split("/"):
        word = _word(segment)
        if word == "..":
            del found[-1:]
        elif word and word != ".":
            found.append(word)
    return found


def _word(segment: str) -> str:
    return segment if segment.isascii() and segment.isalnum() else plain(segment.partition(";")[0]).strip().lower()


@lru_cache(maxsize=256)
def _compiled(templates: tuple[str, ...]) -> tuple[_Template, ...]:
    return tuple(map(_compile, templates))


def _compile(text: str) -> _Template:
    segments = [segment for segment in text.split("/") if segment]
    takes_rest = bool(segments) and segments[-1] == _REST
    words = segments[:-1] if takes_rest else segments
    return _Template(text, tuple(None if word[0] == ":" else plain(word).lower() for word in words), takes_rest)
