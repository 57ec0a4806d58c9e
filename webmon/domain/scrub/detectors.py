"""The table of what the guard looks for.

Order matters: what is longer or surer stands first, since a later detector sees what the earlier ones left.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from webmon.domain.scrub import checks


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds one kind; `check` is given what matched and says whether it really is one."""

    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = _always


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# Between the digits of one number: what people put there.
_SEP = r"[\s.\-/()]{0,2}"
_PHONE_SEP = r"[\s.\-/()]{0,3}"
_START, _END = r"(?<![\d.])", r"(?!\d)"
_YEAR = r"(?:19|20)\d{2}"
_MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]{0,6}\.?"
_NUMBER_LABEL = r"[ _-]?(?:id|no|nr|num|number|nummer)"
_LABELLED_RECORD = (
    rf"\b(?:(?:mrn|medical[ _-]record|health[ _-]?card)(?:{_NUMBER_LABEL})?"
    r"|(?:patient|member|policy|claim|case|chart|accession|insurance|versicherten|versicherungs|fall)"
    rf"{_NUMBER_LABEL})[\s.:#=_-]*[a-z]{{0,3}}\d[\w-]{{3,}}"
)

DETECTORS = (
    Detector("token", re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?")),
    Detector("token", _pattern(r"\b(?:bearer|basic)\s+[\w.~+/-]{8,}=*")),
    Detector("token", _pattern(r"\b(?:token|api[_-]?key|secret|password|passwort|session(?:[_-]?id)?)\s*[=:]\s*\S+")),
    Detector(
        "email",
        _pattern(
            r"(?<![\w.!#$%&'*+=?^`{|}~-])[\w.!#$%&'*+=?^`{|}~-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
        ),
    ),
    Detector("record", _pattern(_LABELLED_RECORD)),
    Detector("record", _pattern(r"\bpatient[\s.:#=_-]{1,3}[a-z]{0,3}\d{5,}[\w-]*")),
    Detector("dicom_uid", re.compile(r"(?<![\d.])[012](?:\.\d{1,30}){5,}(?![\d.])")),
    Detector("phone", re.compile(rf"(?<![\w+])\+\d{{1,3}}(?:{_PHONE_SEP}\d){{6,13}}{_END}"), checks.phone),
    Detector("iban", _pattern(r"\b[A-Z]{2}\d{2}(?:[\s-]?[A-Z0-9]{2,4}){3,8}\b"), checks.iban),
    Detector("card", re.compile(rf"{_START}\d(?:{_SEP}\d){{12,18}}{_END}"), checks.luhn),
    Detector("phone", re.compile(rf"(?<![\w+.-])00\d{{1,3}}(?:{_PHONE_SEP}\d){{6,13}}{_END}"), checks.phone),
    Detector("ahv", re.compile(rf"{_START}756(?:{_SEP}\d){{10}}{_END}"), checks.ahv),
    Detector("nir", _pattern(rf"{_START}[12](?:[\s.-]?\d){{4}}[\s.-]?\d[\dAB](?:[\s.-]?\d){{8}}{_END}"), checks.nir),
    Detector("codice_fiscale", _pattern(r"\b[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]\b"), checks.codice_fiscale),
    Detector("kvnr", _pattern(r"\b[A-Z][\s-]?\d{3}[\s-]?\d{3}[\s-]?\d{3}\b"), checks.kvnr),
    Detector("nino", _pattern(r"\b[A-Z]{2}[\s-]?\d{2}[\s-]?\d{2}[\s-]?\d{2}[\s-]?[A-D]\b"), checks.nino),
    Detector("dni", _pattern(r"\b(?:\d{8}|[XYZ][\s-]?\d{7})[\s-]?[A-Z]\b"), checks.dni),
    Detector("ssn", re.compile(rf"{_START}\d{{3}}[\s.-]\d{{2}}[\s.-]\d{{4}}{_END}"), checks.ssn),
    Detector("ssn", _pattern(r"\b(?:ssn|social security)\D{0,10}\d{9}(?!\d)")),
    Detector("tax_id", re.compile(rf"{_START}\d(?:{_SEP}\d){{10}}{_END}"), checks.steuer_id),
    Detector("pesel", re.compile(rf"{_START}\d{{11}}{_END}"), checks.pesel),
    Detector("nhs", re.compile(rf"{_START}\d{{3}}{_SEP}\d{{3}}{_SEP}\d{{4}}{_END}"), checks.nhs_number),
    Detector("address", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"), checks.internet_address),
    Detector(
        "address", _pattern(r"(?<![\w:])(?=(?:[0-9a-f]*:){2})[0-9a-f:]{3,39}(?![\w:])"), checks.internet_address
    ),
    Detector(
        "coordinates",
        re.compile(r"(?<![\d.])-?\d{1,3}\.\d{3,}\s?[,;/ ]\s?-?\d{1,3}\.\d{3,}(?!\d)"),
        checks.coordinates,
    ),
    Detector("coordinates", _pattern(r"\b(?:lat|lon|lng)\w{0,7}[\s=:/]{1,3}-?\d{1,3}\.\d{3,}")),
    Detector(
        "birth_date",
        re.compile(rf"(?<!\d){_YEAR}[-./_](?:0?[1-9]|1[0-2])[-._](?:0?[1-9]|[12]\d|3[01])(?!\d)"),
        checks.calendar_date,
    ),
    Detector(
        "birth_date", re.compile(rf"(?<!\d)\d{{1,2}}[-./_ ]\d{{1,2}}[-./_ ]{_YEAR}(?!\d)"), checks.calendar_date
    ),
    Detector("birth_date", _pattern(rf"(?<!\d)\d{{1,2}}(?:st|nd|rd|th|\.)? ?{_MONTH},? {_YEAR}(?!\d)")),
    Detector("birth_date", _pattern(rf"\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}(?!\d)")),
    Detector(
        "birth_date", _pattern(r"\b(?:dob|born|birth(?:date|day)?|geb(?:oren|urtsdatum)?)\W{0,3}\d[\d\W]{4,9}\d")
    ),
    Detector("sin", re.compile(rf"{_START}\d{{3}}[\s-]\d{{3}}[\s-]\d{{3}}{_END}"), checks.social_insurance),
    Detector(
        "phone", re.compile(rf"{_START}(?:1[\s.-])?\(?\d{{3}}\)?[\s.-]\s?\d{{3}}[\s.-]\d{{4}}{_END}"), checks.phone
    ),
    Detector("phone", re.compile(rf"{_START}\(?0\d{{1,4}}\)?[\s/-]{{1,2}}\d(?:{_SEP}\d){{4,8}}{_END}"), checks.phone),
    Detector("phone", _pattern(r"\b(?:tel|phone|mobile|call|fax|handy)\D{0,4}\d[\d\s.\-/()]{5,16}\d"), checks.phone),
    Detector(
        "name", _pattern(r"\b(?:full|first|last|sur|fore|patient)?[ _-]?name\s*[=:]\s*[^\W\d]+(?:[\s,+]+[^\W\d]+)?")
    ),
    Detector(
        "name", re.compile(r"\b(?:Mr|Mrs|Ms|Herr|Frau)\.?\s+[^\W\d_][\w'\u2019-]+(?:\s+[A-ZÄÖÜ][\w'\u2019-]+)?")
    ),
    Detector("uuid", _pattern(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")),
    Detector("token", re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9]{24,}\b")),
    Detector("token", re.compile(r"(?<![\w-])[\w-]{20,}={0,2}(?![\w-])"), checks.looks_random),
    Detector("number", re.compile(r"(?<![\d.])\d{7,}(?![\d.])")),
    # No kind that is known, but nobody writes so many digits of a thing.
    Detector("number", re.compile(r"(?<![\d.])\d(?:[ -]?\d){8,}(?!\d)")),
)
# A text without any of these can hold nothing that a detector looks for: most texts are done here.
SUSPECT = re.compile(
    r"\d{3}|@|[(\[](?i:at)[)\]]|eyJ|\d[\d\s.,\-/():]{4}|(?i:bearer|basic )|\w{16}|%[0-9A-Fa-f]{2}|&#|&commat;|"
    r"[:=]|\b(?:Mr|Mrs|Ms|Herr|Frau)\b|[^\x20-\x7e]"
)
