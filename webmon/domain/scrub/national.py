"""Numbers that a state or its health service gives a person, by their form and their check digits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from webmon.domain.scrub import checks

# Lengths by country (ISO 13616 registry): without them, the word after a number would be taken for its end.
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18,
    "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23,
    "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
    "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
    "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24,
    "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def _iban_pattern() -> str:
    by_length: dict[int, list[str]] = defaultdict(list)
    for country, length in _IBAN_LENGTHS.items():
        by_length[length].append(country)
    forms = (
        rf"(?:{'|'.join(countries)})[\s._-]?\d[\s._-]?\d(?:[\s._-]?[A-Z0-9]){{{length - 4}}}"
        for length, countries in sorted(by_length.items())
    )
    return rf"(?<![^\W_])(?=[A-Z]{{2}}[\s._-]?\d)(?:{'|'.join(forms)})(?![^\W_])"


IBAN_PATTERN = _iban_pattern()

_START, _END = r"(?<![\d.])", r"(?!\d)"
_WORD, _WORD_END = r"(?<![^\W_])", r"(?![^\W_])"
_SEP = r"[\s.\-/()_]{0,2}"
# Kind, form, check; the longer and surer first. A form with letters or with its usual separators keeps its own kind,
# the bare digits of the others are taken as a long number at last.
NUMBERS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("ahv", rf"{_START}756(?:{_SEP}\d){{10}}{_END}", checks.ahv),
    ("nir", rf"{_START}[12](?:[\s._-]?\d){{4}}[\s._-]?\d[\dAB](?:[\s._-]?\d){{8}}{_END}", checks.nir),
    (
        "codice_fiscale",
        rf"{_WORD}[A-Z]{{3}}\s?[A-Z]{{3}}\s?\d{{2}}[A-Z]\d{{2}}\s?[A-Z]\d{{3}}[A-Z]{_WORD_END}",
        checks.codice_fiscale,
    ),
    ("kvnr", rf"{_WORD}[A-Z][\s-]?\d{{3}}[\s-]?\d{{3}}[\s-]?\d{{3}}{_WORD_END}", checks.kvnr),
    ("nino", rf"{_WORD}[A-Z]{{2}}[\s._-]?\d{{2}}[\s._-]?\d{{2}}[\s._-]?\d{{2}}[\s._-]?[A-D]{_WORD_END}", checks.nino),
    ("dni", rf"{_WORD}(?:\d{{8}}|\d{{2}}\.\d{{3}}\.\d{{3}}|[XYZ][\s-]?\d{{7}})[\s-]?[A-Z]{_WORD_END}", checks.dni),
    (
        "mbi",
        rf"{_WORD}[1-9][A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d-?[A-Z]{{2}}\d{{2}}{_WORD_END}",
        checks.medicare_beneficiary,
    ),
    ("national_id", rf"{_START}\d{{2}}\.\d{{2}}\.\d{{2}}[\s-]\d{{3}}[.-]\d{{2}}{_END}", checks.rijksregister),
    ("national_id", rf"{_WORD}(?:19|20)?\d{{6}}[-+A]\d{{3}}[0-9A-Y]{_WORD_END}", checks.nordic),
    ("national_id", rf"{_START}\d{{3}}\.\d{{3}}\.\d{{3}}-\d{{2}}{_END}", checks.cpf),
    ("national_id", rf"{_START}\d{{1,2}}\.\d{{3}}\.\d{{3}}-[\dK]{_WORD_END}", checks.rut),
    ("national_id", rf"{_START}[2-9]\d{{3}}[\s-]?\d{{4}}[\s-]?\d{{4}}(?![\s-]?\d)", checks.aadhaar),
    ("national_id", rf"{_WORD}\d{{7}}[A-W][A-IW]?{_WORD_END}", checks.pps),
    ("national_id", rf"{_WORD}\d{{6}}(?:19|20)\d{{9}}[\dX]{_WORD_END}", checks.resident_identity),
    (
        "national_id",
        rf"{_WORD}(?:bsn|burgerservicenummer)\D{{0,4}}\d{{3}}[\s.-]?\d{{3}}[\s.-]?\d{{3}}{_END}",
        checks.bsn,
    ),
)
