"""The table of what the guard looks for.

Order matters: what is longer or surer stands first, since a later detector sees what the earlier ones left.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from webmon.domain.scrub import checks, national


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
_SEP = r"[\s.\-/()_]{0,2}"
_PHONE_SEP = r"[\s.\-/()_]{0,3}"
_START, _END = r"(?<![\d.])", r"(?!\d)"
# The bounds of a word where an underscore is none of its letters: user_mrn_4711.
_WORD, _WORD_END = r"(?<![^\W_])", r"(?![^\W_])"
_NUMBER_LABEL = r"[ _.-]{0,2}(?:id|no|nr|num|number|nummer)"

_SECRET_LABEL = (
    rf"{_WORD}(?:token|api[_-]?key|secret|password|passwort|session[_-]?id|jsessionid|phpsessid|sid|auth|otp|pin)"
    r"[\"']?\s*(?:=\s*\S+|:\s*(?=\S*\d)\S+)"
)
_KNOWN_KEYS = (
    rf"{_WORD}(?:AKIA[0-9A-Z]{{12,}}"
    r"|(?:ghp|gho|ghs|glpat|sk_live|sk_test|pk_live|rk_live|xox[abp])[-_][\w-]{10,})"
)
_TOKENS = (
    Detector("token", re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?")),
    Detector("token", _pattern(r"\b(?:bearer|basic)\s+(?=\S*(?:\d|(?-i:[a-z][A-Z])))[\w.~+/-]{8,}=*")),
    Detector("token", _pattern(_KNOWN_KEYS)),
    Detector("token", _pattern(_SECRET_LABEL)),
    Detector("token", _pattern(r"(?<![\w+/=-])[\w+/-]{15,}={0,2}(?![\w+/=-])"), checks.encoded_text),
)

_LOCAL = r"[\w.!#$%&'*+=?^`{|}~-]"
_BEFORE_LOCAL = rf"(?<!{_LOCAL})"
_AT = r"\s?(?:[(\[{]?@[)\]}]?|[(\[{]\s?(?:at|ät)\s?[)\]}])\s?"
_DOT = r"(?:[.,]|\s?[(\[{]\s?(?:dot|punkt|point)\s?[)\]}]\s?)"
_MAILBOX_NAME = r"(?:(?<![\w'.-])[^\W\d_][\w'.-]*,?\s+){0,4}"
_EMAILS = (
    Detector("email", _pattern(rf"{_MAILBOX_NAME}<{_LOCAL}+{_AT}[\w.-]{{1,250}}>")),
    Detector(
        "email",
        _pattern(rf"{_BEFORE_LOCAL}{_LOCAL}+{_AT}\[?[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,8}}\]?"),
        checks.email,
    ),
    Detector("email", _pattern(r"(?<!\w )(?<!\w)\w(?: [\w.](?!\w)){1,40} ?@(?: ?[\w.](?!\w)){4,60}")),
    Detector(
        "email",
        _pattern(
            rf"{_BEFORE_LOCAL}{_LOCAL}+ at [\w-]{{1,63}}(?: (?:dot|punkt|point) [\w-]{{1,63}}){{1,4}}",
        ),
        checks.spelled_email,
    ),
)

_RECORD_LABEL = (
    rf"{_WORD}(?:(?:mrn|pid|medical[ _-]record|health[ _-]?card)(?:{_NUMBER_LABEL})?"
    r"|(?:pat(?:ient(?:en)?)?|member|policy|claim|case|chart|accession|insurance|versicherten|versicherungs|fall"
    rf"|encounter|visit|admission|specimen|hospital|prescription|rx|kranken(?:kassen|versicherten)){_NUMBER_LABEL})"
)
_RECORD_VALUE = r"[\"']?[\s.:#=_-]*[\"']?[a-z]{0,3}[_-]?\d[\w-]{3,}(?: \d{2,}){0,3}"
_DOCUMENT = (
    rf"{_WORD}(?:passport|reisepass|personalausweis|ausweis|driver'?s?[ _-]licen[cs]e|driving[ _-]licen[cs]e"
    rf"|führerschein)(?:{_NUMBER_LABEL})?[\s.:#=_-]*(?=[a-z]*\d)[a-z0-9]{{6,}}"
)
_RECORDS = (
    Detector("record", _pattern(_RECORD_LABEL + _RECORD_VALUE), checks.record),
    Detector("record", _pattern(rf"{_WORD}patient(?:in)?[\s.:#=_-]{{1,3}}[a-z]{{0,3}}\d{{5,}}[\w-]*")),
    Detector("document", _pattern(_DOCUMENT)),
    Detector("dicom_uid", re.compile(r"(?<![\d.])[012](?:\.\d{1,30}){5,}(?![\d.])"), checks.dicom_uid),
)

_NUMBERS = (
    Detector("phone", re.compile(rf"(?<![\w+])\+\d{{1,3}}(?:{_PHONE_SEP}\d){{6,13}}{_END}"), checks.phone),
    Detector("iban", _pattern(national.IBAN_PATTERN), checks.iban),
    *(Detector(kind, _pattern(pattern), check) for kind, pattern, check in national.NUMBERS),
    Detector("card", re.compile(rf"{_START}\d{{4}}(?:[\s.\-/_]{{1,3}}\d{{4}}){{3}}{_END}"), checks.luhn),
    Detector("card", re.compile(rf"{_START}3[47]\d{{2}}[\s.\-_]?\d{{6}}[\s.\-_]?\d{{5}}{_END}"), checks.luhn),
    Detector("card", re.compile(rf"{_START}\d(?:{_SEP}\d){{12,18}}{_END}"), checks.luhn),
    Detector("phone", re.compile(rf"(?<![\w+.-])00\d{{1,3}}(?:{_PHONE_SEP}\d){{6,13}}{_END}"), checks.phone),
    Detector("ssn", re.compile(rf"{_START}\d{{3}}[\s._/-]{{1,3}}\d{{2}}[\s._/-]{{1,3}}\d{{4}}{_END}"), checks.ssn),
    Detector("ssn", _pattern(rf"{_WORD}(?:ssn|social security)\D{{0,10}}\d{{9}}(?!\d)")),
    Detector("tax_id", re.compile(rf"{_START}\d(?:{_SEP}\d){{10}}{_END}"), checks.steuer_id),
    Detector("pesel", re.compile(rf"{_START}\d{{11}}{_END}"), checks.pesel),
    Detector("nhs", re.compile(rf"{_START}\d{{3}}[\s._-]?\d{{3}}[\s._-]?\d{{4}}{_END}"), checks.nhs_number),
)

_VERSION = r"(?:(?:\bv|version|release|build|section|chapter|abschnitt|kapitel|§)[\s._-]{0,2})?"
_ADDRESSES = (
    Detector(
        "address", _pattern(rf"{_VERSION}(?<![\d.])(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![\d.])"), checks.internet_address
    ),
    Detector(
        "address", _pattern(r"(?<![\w:])(?=(?:[0-9a-f]*:){2})[0-9a-f:]{3,39}(?![\w:])"), checks.internet_address
    ),
    Detector("address", _pattern(rf"{_WORD}[0-9a-f]{{2}}(?:([:-])[0-9a-f]{{2}})(?:\1[0-9a-f]{{2}}){{4}}{_WORD_END}")),
)

_DEGREE = r"-?\d{1,3}\.\d{3,}\s?°?\s?[NSEWO]?"
_MINUTES, _SECONDS = r"['\u2019\u2032]", r"(?:[\"\u201d\u2033]|['\u2019\u2032]{2})"
_COORDINATES = (
    Detector(
        "coordinates",
        _pattern(rf"(?<![\d.]){_DEGREE}\s?[,;/ ]\s?[NSEWO]?\s?{_DEGREE}(?!\w)"),
        checks.coordinates,
    ),
    Detector("coordinates", re.compile(r"(?<![\d,])-?\d{1,3},\d{4,}\s?[;/ ]\s?-?\d{1,3},\d{4,}(?!\d)")),
    Detector(
        "coordinates", _pattern(rf"{_WORD}(?:lat|lon|lng)\w{{0,7}}[\"']?[\s=:/]{{1,3}}[\"']?-?\d{{1,3}}\.\d{{3,}}")
    ),
    Detector(
        "coordinates",
        _pattern(
            rf"\d{{1,3}}\s?°\s?\d{{1,2}}\s?{_MINUTES}\s?(?:\d{{1,2}}(?:[.,]\d+)?\s?{_SECONDS})?\s?[NSEWO]\b",
        ),
    ),
    Detector("coordinates", re.compile(r"(?<!\w)[2-9CFGHJMPQRVWX]{8}\+[2-9CFGHJMPQRVWX]{2,3}(?!\w)")),
)

_MONTH = (
    r"(?:jan|feb|fév|mar|mär|apr|avr|abr|may|mai|jun|juin|jul|juil|aug|aoû|ago|sep|oct|okt|nov|dec|dez|déc|dic|ene|"
    r"gen|mag|giu|lug|set|ott)[a-zäéû]{0,7}\.?"
)
# Words after which a date says when something was written or happens, and so nothing of anybody.
_PUBLISHED = r"(?:\b(?:" + "|".join(checks.PUBLISHED) + r")\W{1,3}(?:on |am |vom |the )?)?"
_YEAR = r"(?:19|20)\d{2}"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DAY_MONTH = rf"{_DAY}(?:st|nd|rd|th|\.)?(?: ?[-./]? ?| de ){_MONTH}"
_BIRTH_LABEL = (
    rf"{_WORD}(?:d\.?o\.?b\.?|born|birth(?:[ _-]?da(?:te|y))?|date of birth|geb(?:oren|urtsdatum)?\.?|né[e]? le"
    r"|naissance|nacimiento|\*)"
)
_BIRTH_DATES = (
    Detector(
        "birth_date",
        _pattern(rf"{_PUBLISHED}(?<!\d){_YEAR}[-./_](?:0?[1-9]|1[0-2])[-./_]{_DAY}(?!\d)"),
        checks.birth_date,
    ),
    Detector(
        "birth_date",
        _pattern(rf"{_PUBLISHED}(?<!\d)(?<!\d\.)\d{{1,2}}(?:[-./_] ?| )\d{{1,2}}(?:[-./_] ?| ){_YEAR}(?!\d)"),
        checks.birth_date,
    ),
    Detector("birth_date", re.compile(rf"(?<!\d){_YEAR}\s?[年년]\s?\d{{1,2}}\s?[月월]\s?\d{{1,2}}\s?[日일]")),
    Detector(
        "birth_date", _pattern(rf"{_PUBLISHED}(?<!\d){_DAY_MONTH}(?:,? ?-?| de ){_YEAR}(?!\d)"), checks.birth_date
    ),
    Detector(
        "birth_date",
        _pattern(rf"{_PUBLISHED}\b{_MONTH}[ -]{_DAY}(?:st|nd|rd|th)?(?:,? |-){_YEAR}(?!\d)"),
        checks.birth_date,
    ),
    Detector("birth_date", _pattern(rf"{_BIRTH_LABEL}(?:on |am |\W|_){{0,3}}\d[\d\W_]{{4,9}}\d")),
)

_PHONE_LABEL = (
    rf"{_WORD}(?:tel(?:e(?:ph|f)on[eo]?)?|tél|phone|mobil[e]?|cell|call|fax|handy|whatsapp|ring|rufnummer|contact|kontakt|hotline|dial)"
    r"(?:[ _-]?(?:number|nummer|nr|no))?\W{0,4}_?"
)
_PHONES = (
    Detector("sin", re.compile(rf"{_START}\d{{3}}[\s-]\d{{3}}[\s-]\d{{3}}{_END}"), checks.social_insurance),
    Detector(
        "phone",
        re.compile(
            rf"{_START}(?:1[\s.\-_])?(?:\(\d{{3}}\)\s?|\d{{3}}[\s.\-_]{{1,2}})\d{{3}}[\s.\-_]{{1,3}}\d{{4}}{_END}",
        ),
        checks.phone,
    ),
    Detector(
        "phone", re.compile(rf"{_START}\(?0\d{{1,4}}\)?[\s/\-_]{{1,3}}\d(?:{_SEP}\d){{4,8}}{_END}"), checks.phone
    ),
    Detector("phone", re.compile(rf"{_START}0\d(?:[\s.\-_]\d{{2}}){{4}}{_END}"), checks.phone),
    Detector("phone", _pattern(_PHONE_LABEL + r"\d[\d\s.\-/()]{5,16}\d(?!\d)"), checks.labelled_phone),
)

_NAME_LABEL = (
    rf"{_WORD}(?:\w+[ _-])?(?:name|surname|forename|firstname|lastname|vorname|nachname|prénom|prenom|apellidos?"
    r"|cognome)[\"']?\s*[=:]\s*[\"']?"
)
_NAMES = (
    Detector("name", _pattern(_NAME_LABEL + r"[^\W\d]+(?:[\s,+]+[^\W\d]+)?"), checks.name_of_a_person),
    # As DICOM and HL7 write it: SMITH^JOHN^^MR.
    Detector("name", re.compile(r"(?<!\w)[^\W\d_]{2,}\^[^\W\d_]+(?:\^[^\W\d_]*){0,3}")),
    Detector(
        "name",
        re.compile(
            r"\b(?:Mr|Mrs|Ms|Herr|Frau)\.?\s+(?=[^\W\d_])[A-ZÀ-Þ\u0391-\u03a9\u0410-\u042f][\w'\u2019-]+"
            r"(?:\s+[A-ZÀ-Þ][\w'\u2019-]+)?"
        ),
    ),
)

# Numbers of things that articles are about: a paper, a trial, a drug, a book, a code of a catalogue.
_OF_A_THING = (
    r"(?:\b(?:10\.\d{4,9}/[\w.()-]*?|(?:" + "|".join(checks.CATALOGUES) + r")(?:[\s:#.-]|nr\.?|no\.?){0,3}))?"
)
_REST = (
    Detector("uuid", _pattern(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")),
    Detector("uuid", _pattern(r"(?<![0-9a-f])[0-9a-f]{8}(?:[_ .][0-9a-f]{4}){3}[_ .][0-9a-f]{12}(?![0-9a-f])")),
    Detector("token", re.compile(rf"{_WORD}(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{{24,}}{_WORD_END}")),
    Detector("token", _pattern(rf"{_WORD}(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{{16,}}{_WORD_END}")),
    Detector("token", re.compile(r"(?<![\w-])[\w-]{16,}={0,2}(?![\w-])"), checks.looks_random),
    # No kind that is known, but nobody writes so many digits of a thing.
    Detector("number", _pattern(rf"{_OF_A_THING}(?<![\d.])\d(?:[ _-]?\d){{8,}}(?!\d)"), checks.long_number),
    Detector("number", _pattern(rf"{_OF_A_THING}(?<![\d.])\d{{7,}}(?!\d|\.\d)"), checks.long_number),
)

DETECTORS = (
    *_TOKENS,
    *_EMAILS,
    *_RECORDS,
    *_NUMBERS,
    *_ADDRESSES,
    *_COORDINATES,
    *_BIRTH_DATES,
    *_PHONES,
    *_NAMES,
    *_REST,
)
# A text without any of these can hold nothing that a detector looks for: most texts are done here.
SUSPECT = re.compile(
    r"\d{3}|@|[(\[{]\s?(?i:at)\s?[)\]}]|eyJ|\d[\d\s.,\-/():_]{4}|(?i:bearer|basic)\s|[\w-]{15}|[\w+/]{15}|[:=^]"
    r"|%[0-9A-Fa-fu]{2}|&#?\w+|\\[ux]|\b(?:Mr|Mrs|Ms|Herr|Frau)\b|(?i: at .* (?:dot|punkt|point) )|\d[A-Za-z]{1,3}\d"
    r"|[A-Za-z]{6}\s?\d|\d (?i:de )?[A-Za-z]{3,10} |(?i:[a-z]{6}\s?[a-z]{3}\d)|[^\x20-\x7e]"
)
