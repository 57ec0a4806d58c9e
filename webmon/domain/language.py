"""Languages: those that webmon speaks, and those that a browser asks for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

ENGLISH = "en"
LONGEST_HEADER = 200
# A language range with its weight (RFC 9110, section 12.5.4); the primary tag has two or three letters (BCP 47).
_RANGE = re.compile(r"\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9-]+)?)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its BCP 47 tag, its name in itself and in English, and the direction in which it is written."""

    tag: str
    name: str
    english: str
    direction: str = "ltr"


# The official languages of the European Union, and seven more, in the order of their names in English.
LANGUAGES = {
    one.tag: one
    for one in (
        Language("ar", "العربية", "Arabic", "rtl"),
        Language("bg", "Български", "Bulgarian"),
        Language("zh", "中文", "Chinese"),
        Language("hr", "Hrvatski", "Croatian"),
        Language("cs", "Čeština", "Czech"),
        Language("da", "Dansk", "Danish"),
        Language("nl", "Nederlands", "Dutch"),
        Language(ENGLISH, "English", "English"),
        Language("et", "Eesti", "Estonian"),
        Language("fi", "Suomi", "Finnish"),
        Language("fr", "Français", "French"),
        Language("de", "Deutsch", "German"),
        Language("el", "Ελληνικά", "Greek"),
        Language("he", "עברית", "Hebrew", "rtl"),
        Language("hu", "Magyar", "Hungarian"),
        Language("ga", "Gaeilge", "Irish"),
        Language("it", "Italiano", "Italian"),
        Language("ja", "日本語", "Japanese"),
        Language("lv", "Latviešu", "Latvian"),
        Language("lt", "Lietuvių", "Lithuanian"),
        Language("mt", "Malti", "Maltese"),
        Language("nb", "Norsk bokmål", "Norwegian"),
        Language("pl", "Polski", "Polish"),
        Language("pt", "Português", "Portuguese"),
        Language("ro", "Română", "Romanian"),
        Language("sk", "Slovenčina", "Slovak"),
        Language("sl", "Slovenščina", "Slovenian"),
        Language("es", "Español", "Spanish"),
        Language("sv", "Svenska", "Swedish"),
        Language("tr", "Türkçe", "Turkish"),
        Language("uk", "Українська", "Ukrainian"),
    )
}
# Norwegian without saying which, and the other one, whose readers read this one; what Hebrew was called before 1989.
_READ_AS = {"no": "nb", "nn": "nb", "iw": "he"}


def named(tag: str) -> Language:
    """Return the language of a tag; one that is not known here, or is a variant, goes by its tag."""
    return LANGUAGES.get(tag, Language(tag, tag, tag))


@lru_cache(maxsize=4096)
def languages_of(accept_language: str) -> tuple[str, ...]:
    """Return the tags that are asked for, the most wanted first; ``*`` and what is weighed 0 is none of them."""
    weighed = []
    for part in accept_language[:LONGEST_HEADER].split(","):
        found = _RANGE.fullmatch(part)
        weight = float(found[2] or 1) if found else 0.0
        if found and weight > 0:
            weighed.append((weight, found[1]))
    # A stable sort: of equal weights the first one stays first.
    return tuple(tag for _, tag in sorted(weighed, key=lambda pair: -pair[0]))


def language_of(accept_language: str) -> str:
    """Return the primary tag, in lower case, of the language that is asked for most; empty where none is.

    It is what is kept of the header: as a whole that would help to tell people apart; one of some two hundred tags
    does not.
    """
    wanted = languages_of(accept_language)
    return wanted[0].partition("-")[0].lower() if wanted else ""


def closest(wanted: Iterable[str], offered: Collection[str]) -> str:
    """Return the offered tag that suits the first of the wanted ones which any suits; empty where none does.

    The lookup of RFC 4647, section 3.4: ``zh-Hant-TW`` is answered with ``zh-Hant``, else with ``zh``.
    """
    known = {tag.lower(): tag for tag in offered}
    for tag in wanted:
        parts = tag.lower().split("-")
        for count in range(len(parts), 0, -1):
            candidate = "-".join(parts[:count])
            found = known.get(candidate) or known.get(_READ_AS.get(candidate, ""))
            if found:
                return found
    return ""
