"""An event's properties: texts only, few, and none that is named after something of a person."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from webmon.domain.scrub.text import scrub_text

PROPS_LIMIT = 30
KEY_LIMIT = 300
VALUE_LIMIT = 2000

# A property of this name speaks of a person, whatever its value; English and German.
_PERSONAL = frozenset(
    {
        "address",
        "adresse",
        "allergy",
        "birth",
        "birthdate",
        "birthday",
        "diagnose",
        "diagnoses",
        "diagnosis",
        "disease",
        "dob",
        "email",
        "fax",
        "firstname",
        "forename",
        "fullname",
        "geburtsdatum",
        "geburtstag",
        "geo",
        "handy",
        "iban",
        "icd",
        "insurance",
        "insured",
        "ip",
        "krankheit",
        "lastname",
        "lat",
        "latitude",
        "lng",
        "lon",
        "longitude",
        "mail",
        "medication",
        "mobile",
        "mrn",
        "nachname",
        "nhs",
        "nino",
        "passport",
        "password",
        "passwort",
        "patient",
        "patientid",
        "patientin",
        "phone",
        "plz",
        "postal",
        "postcode",
        "prescription",
        "secret",
        "sin",
        "ssn",
        "strasse",
        "street",
        "surname",
        "symptom",
        "symptoms",
        "tel",
        "telefon",
        "telephone",
        "token",
        "userid",
        "username",
        "versichertennummer",
        "versicherung",
        "vorname",
        "zip",
        "zipcode",
    }
)
# "name" and "id" are personal after one of these: first_name, not plan_name.
_OF_A_PERSON = frozenset(
    {
        "account",
        "client",
        "contact",
        "customer",
        "display",
        "doctor",
        "family",
        "first",
        "full",
        "given",
        "guardian",
        "last",
        "maiden",
        "member",
        "middle",
        "nick",
        "parent",
        "person",
        "physician",
        "session",
        "student",
        "sur",
        "user",
        "visitor",
        "your",
    }
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")


def scrub_props(props: Mapping[str, object]) -> tuple[dict[str, str], Counter[str]]:
    """Return the properties as texts, scrubbed, at most 30, and how much of which kind was removed.

    Lists, objects, null and blank texts are no values of a property; they are left out and not counted.
    """
    kept: dict[str, str] = {}
    removed: Counter[str] = Counter()
    for key, value in list(props.items())[:PROPS_LIMIT]:
        text = _text(value)
        if text is None or not key.strip():
            continue
        if _is_personal(key[:KEY_LIMIT]):
            removed["property"] += 1
            continue
        name, clean = scrub_text(key[:KEY_LIMIT]), scrub_text(text[:VALUE_LIMIT])
        removed.update(name.removed + clean.removed)
        kept[name.value] = clean.value
    return kept, removed


def _is_personal(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    if words == ["name"] or not _PERSONAL.isdisjoint(words):
        return True
    pairs = pairwise(words)
    return any(before in _OF_A_PERSON and word in {"name", "id"} for before, word in pairs) or words == ["e", "mail"]


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None
