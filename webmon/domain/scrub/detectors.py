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
    """Finds one kind; `check` is given what matched and says whether it really is one.

    `unless_after` looks at the words before it. `digits` (how many a text must have) and `marks` (of which it must
    have one, in lower case) only spare the search where it would be in vain: most texts have few digits and no marks.
    """

    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = _always
    digits: int = 0
    marks: tuple[str, ...] = ()
    unless_after: re.Pattern[str] | None = None

    def finds(self, match: re.Match[str]) -> bool:
        before = match.string[max(0, match.start() - _BEFORE) : match.start()] if self.unless_after else ""
        if self.unless_after is not None and before and self.unless_after.search(before):
            return False
        return self.check(match[0])


# How far back words are looked at.
_BEFORE = 40


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# Between the digits of one number: what people put there.
_SEP = r"[\s.\-/()_]{0,2}"
_PHONE_SEP = r"[\s.\-/()_]{0,3}"
_START, _END = r"(?<![\d.])", r"(?!\d)"
# The bounds of a word where an underscore is none of its letters: user_mrn_4711.
_WORD, _WORD_END = r"(?<![^\W_])", r"(?![^\W_])"
_NUMBER_LABEL = r"(?:[ _.-]{0,2}(?:id|no|nr|num|number|nummer|n[º°])| ?#)"

_SECRET_LABEL = (
    rf"{_WORD}(?:token|api[_-]?key|secret|password|passwort|passwd|pwd|kennwort|contraseña|session[_-]?id|jsessionid|phpsessid|sid|auth|otp|pin)"
    r"[\"']?\s*(?:=\s*\S+|:\s*(?=\S*\d)\S+)"
)
_KNOWN_KEYS = (
    rf"{_WORD}(?:AKIA[0-9A-Z]{{12,}}"
    r"|(?:ghp|gho|ghs|glpat|sk_live|sk_test|pk_live|rk_live|xox[abp])[-_][\w-]{10,})"
)
_TOKENS = (
    Detector("token", re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), marks=("eyj",)),
    Detector(
        "token",
        _pattern(r"\b(?:bearer|basic)\s+(?=\S*(?:\d|(?-i:[a-z][A-Z])))[\w.~+/-]{8,}=*"),
        marks=("bearer", "basic"),
    ),
    Detector("token", _pattern(_KNOWN_KEYS), marks=("akia", "gh", "glpat", "k_", "xox")),
    Detector("token", _pattern(_SECRET_LABEL), marks=("=", ":")),
    Detector(
        "token",
        re.compile(r"(?<![\w+/=-])(?=[\w+/-]*[A-Z\d])(?=[\w+/-]*[\w+-]{15})[\w+/-]{15,}={0,2}(?![\w+/=-])"),
        checks.encoded_text,
    ),
)

_LOCAL = r"[\w.!#$%&'*+=?^`{|}~-]"
_BEFORE_LOCAL = rf"(?<!{_LOCAL})"
_AT = r"\s?(?:[(\[{]?@[)\]}]?|[(\[{]\s?(?:at|ät)\s?[)\]}])\s?"
_DOT = r"(?:[.,]|\s?[(\[{]\s?(?:dot|punkt|point)\s?[)\]}]\s?)"
_MAILBOX_NAME = r"(?:(?<![\w'.-])[^\W\d_][\w'.-]*,?\s+){0,4}"
_EMAILS = (
    Detector("email", _pattern(rf"{_MAILBOX_NAME}<{_LOCAL}+{_AT}[\w.-]{{1,250}}>"), marks=("@", "(", "[", "{")),
    Detector(
        "email",
        _pattern(rf"{_BEFORE_LOCAL}{_LOCAL}+{_AT}\[?[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,8}}\]?"),
        checks.email,
        marks=("@", "(", "[", "{"),
    ),
    Detector(
        "email",
        _pattern(
            r"\"[^\"@]{1,64}\"@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
            # No sentence: after its end a capital would follow.
            rf"|{_BEFORE_LOCAL}{_LOCAL}+ @ (?-i:[a-z\d-]{{1,63}}(?: \. [a-z\d-]{{2,63}}){{1,4}})"
        ),
        checks.email,
        marks=('"@', " @ "),
    ),
    Detector("email", _pattern(r"(?<!\w )(?<!\w)\w(?: [\w.](?!\w)){1,40} ?@(?: ?[\w.](?!\w)){4,60}"), marks=("@",)),
    Detector(
        "email",
        _pattern(rf"{_BEFORE_LOCAL}{_LOCAL}+ at [\w-]{{1,63}}(?: (?:dot|punkt|point) [\w-]{{1,63}}){{1,4}}"),
        checks.spelled_email,
        marks=(" at ",),
    ),
)

_RECORD_LABEL = (
    rf"{_WORD}(?:(?:mrn|m\.r\.n\.|nhc|pid"
    rf"|med(?:ical)?[ ._-]{{0,2}}rec(?:ord)?s?|health[ _-]?card)(?:{_NUMBER_LABEL})?"
    r"|(?:pat(?:ient(?:en)?)?|pt|acc(?:oun)?t|subscriber|nhs|beneficiary|health[ _-]?plan|dossier|rezept"
    r"|member|policy|claim|case|chart|accession|insurance|versicherten|versicherungs|fall"
    rf"|encounter|visit|admission|specimen|hospital|prescription|rx|kranken(?:kassen|versicherten)){_NUMBER_LABEL})"
)
_RECORD_VALUE = r"[\"']?[\s.:#=_(-]*[\"']?[a-z]{0,3}[ _-]?\d(?:[\w-]{3,}|[\w-]{1,2}(?= \d{2}))(?: \d{2,}){0,3}"
# After these a number is a person's also where no word says that it is one.
_PERSONS_NUMBER = rf"{_WORD}(?:patient(?:in)?|paciente|pt|acct|encounter|aktenzeichen|histori(?:a|al) cl[ií]nic[ao])"
_DOCUMENT = (
    rf"{_WORD}(?:passport|reisepass|personalausweis|ausweis|driver'?s?[ _-]licen[cs]e|driving[ _-]licen[cs]e"
    rf"|führerschein)(?:{_NUMBER_LABEL})?[\s.:#=_-]*(?=[a-z0-9]*(?:\d{{3}}|\d[a-z]{{1,3}}\d))[a-z0-9]{{6,}}"
)
_RECORDS = (
    Detector("record", _pattern(_RECORD_LABEL + _RECORD_VALUE), checks.record, digits=1),
    Detector(
        "record", _pattern(_PERSONS_NUMBER + r"[\s.:#=_/-]{1,3}[a-z]{0,3}\d{5,}[\w-]*"), checks.record, digits=5
    ),
    Detector("document", _pattern(_DOCUMENT), digits=1),
    Detector("dicom_uid", re.compile(r"(?<![\d.])[012](?:\.\d{1,30}){5,}(?![\d.])"), checks.dicom_uid, digits=6),
)

_NUMBERS = (
    Detector("phone", re.compile(rf"(?<![\w+])\+\d{{1,3}}(?:{_PHONE_SEP}\d){{6,13}}{_END}"), checks.phone, digits=7),
    Detector("iban", _pattern(national.IBAN_PATTERN), checks.iban, digits=2),
    *(Detector(kind, _pattern(pattern), check, digits=4) for kind, pattern, check in national.NUMBERS),
    Detector("card", re.compile(rf"{_START}\d{{4}}(?:[\s.\-/_]{{1,3}}\d{{4}}){{3}}{_END}"), checks.luhn, digits=13),
    Detector(
        "card", re.compile(rf"{_START}3[47]\d{{2}}[\s.\-_]?\d{{6}}[\s.\-_]?\d{{5}}{_END}"), checks.luhn, digits=13
    ),
    Detector("card", re.compile(rf"{_START}\d(?:{_SEP}\d){{12,18}}{_END}"), checks.luhn, digits=13),
    Detector(
        "phone", re.compile(rf"(?<![\w+.-])00\d{{1,3}}(?:{_PHONE_SEP}\d){{6,13}}{_END}"), checks.phone, digits=7
    ),
    Detector(
        "ssn", re.compile(rf"{_START}\d{{3}}[\s._/-]{{1,3}}\d{{2}}[\s._/-]{{1,3}}\d{{4}}{_END}"), checks.ssn, digits=9
    ),
    Detector(
        "ssn",
        re.compile(rf"{_START}\d(?: \d){{2}} ?[._/-] ?\d \d ?[._/-] ?\d(?: \d){{3}}{_END}"),
        checks.ssn,
        digits=9,
    ),
    Detector("ssn", _pattern(rf"{_WORD}(?:ssn|social security)\D{{0,10}}\d{{9}}(?!\d)"), digits=9),
    Detector("tax_id", re.compile(rf"{_START}\d(?:{_SEP}\d){{10}}{_END}"), checks.steuer_id, digits=11),
    Detector("pesel", re.compile(rf"{_START}\d{{11}}{_END}"), checks.pesel, digits=11),
    Detector(
        "nhs", re.compile(rf"{_START}\d{{3}}[\s._-]?\d{{3}}[\s._-]?\d{{4}}{_END}"), checks.nhs_number, digits=10
    ),
)

_VERSION = re.compile(
    r"(?:\bv|version|release|build|section|chapter|abschnitt|kapitel|§)[\s._-]{0,2}$", re.IGNORECASE
)
_ADDRESSES = (
    Detector(
        "address",
        re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)"),
        checks.internet_address,
        digits=4,
        unless_after=_VERSION,
    ),
    Detector(
        "address",
        _pattern(r"(?<![\w:])(?=(?:[0-9a-f]*:){2})[0-9a-f:]{3,39}(?![\w:])"),
        checks.internet_address,
        marks=(":",),
    ),
    # As switches write it: 001a.2b3c.4d5e.
    Detector(
        "address",
        _pattern(rf"{_WORD}(?=[\d.]*[a-f])[0-9a-f]{{4}}\.[0-9a-f]{{4}}\.[0-9a-f]{{4}}{_WORD_END}"),
        digits=1,
    ),
    Detector(
        "address",
        _pattern(rf"{_WORD}[0-9a-f]{{2}}(?:([:-])[0-9a-f]{{2}})(?:\1[0-9a-f]{{2}}){{4}}{_WORD_END}"),
        marks=(":", "-"),
    ),
)

_DEGREE = r"-?\d{1,3}\.\d{3,}\s?°?\s?[NSEWO]?"
_MINUTES, _SECONDS = r"['\u2019\u2032]", r"(?:[\"\u201d\u2033]|['\u2019\u2032]{2})"
_COORDINATES = (
    Detector(
        "coordinates",
        _pattern(rf"(?<![\d.]){_DEGREE}\s?[,;/ ]\s?[NSEWO]?\s?{_DEGREE}(?!\w)"),
        checks.coordinates,
        digits=8,
    ),
    Detector("coordinates", re.compile(r"(?<![\d,])-?\d{1,3},\d{4,}\s?[;/ ]\s?-?\d{1,3},\d{4,}(?!\d)"), digits=10),
    Detector(
        "coordinates",
        _pattern(rf"{_WORD}(?:lat|lon|lng)\w{{0,7}}[\"']?[\s=:/]{{1,3}}[\"']?-?\d{{1,3}}\.\d{{3,}}"),
        digits=4,
    ),
    Detector(
        "coordinates",
        _pattern(rf"\d{{1,3}}\s?°\s?\d{{1,2}}\s?{_MINUTES}\s?(?:\d{{1,2}}(?:[.,]\d+)?\s?{_SECONDS})?\s?[NSEWO]\b"),
        marks=("°",),
    ),
    Detector("coordinates", re.compile(r"(?<!\w)[2-9CFGHJMPQRVWX]{8}\+[2-9CFGHJMPQRVWX]{2,3}(?!\w)"), marks=("+",)),
)

_MONTH = (
    r"(?:jan|feb|fév|mar|mär|apr|avr|abr|may|mai|jun|juin|jul|juil|aug|aoû|ago|sep|oct|okt|nov|dec|dez|déc|dic|ene|"
    r"gen|mag|giu|lug|set|ott)[a-zäéû]{0,7}\.?"
)
# Words after which a date says when something was written or happens, and so nothing of anybody.
_PUBLISHED = re.compile(r"\b(?:" + "|".join(checks.PUBLISHED) + r")\W{1,3}(?:on |am |vom |the )?$", re.IGNORECASE)
_YEAR = r"(?:19|20)\d{2}"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DAY_MONTH = rf"{_DAY}(?:st|nd|rd|th|\.)?(?: ?[-./]? ?| de | of ){_MONTH}"
_BIRTH_LABEL = (
    rf"{_WORD}(?:d\.?o\.?b\.?|born|birth(?:[ _-]?da(?:te|y))?|date of birth|geb(?:oren|urtsdatum)?\.?|né[e]? le"
    r"|naissance|nacimiento|\*)"
)
_BIRTH_DATES = (
    Detector(
        "birth_date",
        _pattern(rf"(?<!\d){_YEAR}[-./_](?:0?[1-9]|1[0-2])[-./_]{_DAY}(?!\d)"),
        checks.birth_date,
        digits=5,
        unless_after=_PUBLISHED,
    ),
    Detector(
        "birth_date",
        _pattern(rf"(?<!\d)(?<!\d\.)\d{{1,2}}(?:[-./_] ?| )\d{{1,2}}(?:[-./_] ?| ){_YEAR}(?!\d)"),
        checks.birth_date,
        digits=5,
        unless_after=_PUBLISHED,
    ),
    Detector(
        "birth_date", re.compile(rf"(?<!\d){_YEAR}\s?[年년]\s?\d{{1,2}}\s?[月월]\s?\d{{1,2}}\s?[日일]"), digits=6
    ),
    Detector(
        "birth_date",
        _pattern(rf"(?<!\d){_DAY_MONTH}(?:,? ?-?| de ){_YEAR}(?!\d)"),
        checks.birth_date,
        digits=5,
        unless_after=_PUBLISHED,
    ),
    Detector(
        "birth_date",
        _pattern(rf"\b{_MONTH}[ -]{_DAY}(?:st|nd|rd|th)?(?:,? |-){_YEAR}(?!\d)"),
        checks.birth_date,
        digits=5,
        unless_after=_PUBLISHED,
    ),
    Detector("birth_date", _pattern(rf"{_BIRTH_LABEL}(?:on |am |\W|_){{0,3}}\d[\d\W_]{{4,9}}\d"), digits=2),
)

_PHONE_LABEL = (
    rf"{_WORD}(?:tel(?:e(?:ph|f)on[eo]?)?|tél|phone|mobil[e]?|cell|call|fax|handy|whatsapp|ring|rufnummer|contact|kontakt|hotline|dial)"
    r"(?:[ _-]?(?:number|nummer|nr|no))?\W{0,4}_?"
)
_PHONES = (
    Detector("sin", re.compile(rf"{_START}\d{{3}}[\s-]\d{{3}}[\s-]\d{{3}}{_END}"), checks.social_insurance, digits=9),
    Detector(
        "phone",
        re.compile(
            rf"{_START}(?:1[\s.\-_])?(?:\(\d{{3}}\)\s?|\d{{3}}[\s.\-_]{{1,3}})\d{{3}}[\s.\-_]{{1,3}}\d{{4}}{_END}",
        ),
        checks.phone,
        digits=10,
    ),
    Detector(
        "phone",
        re.compile(rf"{_START}\(?0\d{{1,4}}\)?[\s/\-_]{{1,3}}\d(?:{_SEP}\d){{4,8}}{_END}"),
        checks.phone,
        digits=7,
    ),
    Detector("phone", re.compile(rf"{_START}0\d(?:[\s.\-_]\d{{2}}){{4}}{_END}"), checks.phone, digits=7),
    Detector("phone", _pattern(_PHONE_LABEL + r"\d[\d\s.\-/()]{5,16}\d(?!\d)"), checks.labelled_phone, digits=7),
)

_NAME_LABEL = (
    # As much before it as a word has: without a bound, a row of underscores takes seconds.
    rf"{_WORD}(?:(?:nom|patient(?:in)?)[\"']?=|(?:\w{{1,20}}[ _-])?(?:\w{{0,20}}(?:name|naam)|forename|prénom|prenom"
    r"|apellidos?|cognome|nombre|navn|namn)[\"']?\s*[=:])\s*[\"']?"
)
_NAMES = (
    Detector(
        "name", _pattern(_NAME_LABEL + r"[^\W\d]+(?:[\s,+]+[^\W\d]+)?"), checks.name_of_a_person, marks=("=", ":")
    ),
    # As DICOM and HL7 write it: SMITH^JOHN^^MR.
    Detector("name", re.compile(r"(?<!\w)[^\W\d_]{2,}\^[^\W\d_]+(?:\^[^\W\d_]*){0,3}"), marks=("^",)),
    Detector(
        "name",
        re.compile(
            r"\b(?:Mr|Mrs|Ms|Mme|Mlle|Sra|Herr|Frau)\.?\s+(?=[^\W\d_])[A-ZÀ-Þ\u0391-\u03a9\u0410-\u042f][\w'\u2019-]+"
            r"(?:\s+[A-ZÀ-Þ][\w'\u2019-]+)?"
        ),
        marks=("mr", "ms", "mme", "mlle", "sra", "herr", "frau"),
    ),
)

# Numbers of things that articles are about: a paper, a trial, a drug, a book, a code of a catalogue.
_OF_A_THING = re.compile(
    r"(?<![^\W_])(?:10\.\d{4,9}/[\w.()-]*|(?:" + "|".join(checks.CATALOGUES) + r")(?:[\s:#.-]|nr\.?|no\.?){0,3})$",
    re.IGNORECASE,
)
# Letters that stand for digits, as they do where a number was typed or read by a machine: one of a person's forms.
_D = r"[\dOoIl]"
_REST = (
    Detector(
        "number",
        re.compile(
            rf"(?<![\w.]){_D}{{3}}[\s._-](?:{_D}{{3}}|{_D}{{2}})[\s._-]{_D}{{4}}(?!\w)"
            rf"|(?<![\w.]){_D}{{4}}(?:[\s._-]{_D}{{4}}){{3}}(?!\w)"
        ),
        checks.mostly_digits,
        digits=5,
    ),
    Detector("token", _pattern(r"(?<![0-9a-f])[0-9a-f]{33,}(?![0-9a-f])"), digits=1),
    Detector("uuid", _pattern(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"), digits=1),
    Detector(
        "uuid", _pattern(r"(?<![0-9a-f])[0-9a-f]{8}(?:[_ .][0-9a-f]{4}){3}[_ .][0-9a-f]{12}(?![0-9a-f])"), digits=1
    ),
    Detector("token", re.compile(r"(?<![\w-])[\w-]{16,}={0,2}(?![\w-])"), checks.looks_random),
    Detector("token", re.compile(rf"{_WORD}(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{{24,}}{_WORD_END}")),
    Detector("token", _pattern(rf"{_WORD}(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{{16,}}{_WORD_END}")),
    # No kind that is known, but nobody writes so many digits of a thing.
    Detector(
        "number",
        _pattern(r"(?<![\d.])\d(?:[ _-]?\d){8,}(?!\d)"),
        checks.long_number,
        digits=9,
        unless_after=_OF_A_THING,
    ),
    Detector(
        "number", _pattern(r"(?<![\d.])\d{7,}(?!\d|\.\d)"), checks.long_number, digits=7, unless_after=_OF_A_THING
    ),
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
    r"\d{3}|@|[(\[{]\s?(?i:at)\s?[)\]}]|eyJ|\d[\d\s.,\-/():_]{4}|(?i:bearer|basic)\s|[:=^]|%[0-9A-Fa-fu]{2}|&#?\w+"
    r"|(?<![\w+-])(?=[\w+-]*[A-Z\d])[\w+-]{15}|(?i:gh[pos]|glpat|[prs]k_(?:live|test)|xox[abp])[-_]|\\[ux]"
    r"|\b(?:Mr|Mrs|Ms|Mme|Mlle|Sra|Herr|Frau)\b|(?i: at .{1,80} (?:dot|punkt|point) )|\d[A-Za-z]{1,3}\d|[^\x20-\x7e]"
)
