"""What makes a number sure to be of its kind: check digits, ranges, calendars. Each is given the text as found."""

from __future__ import annotations

import base64
import ipaddress
import re
from datetime import date


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdecimal()]


def _compact(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper()


def _luhn_sum(digits: list[int]) -> int:
    backwards = digits[::-1]
    return sum(backwards[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in backwards[1::2])


def _weighted(digits: list[int], weights: range) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def luhn(text: str) -> bool:
    """Card numbers (ISO/IEC 7812-1); a row of one digit is none."""
    digits = _digits(text)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and _luhn_sum(digits) % 10 == 0


def iban(text: str) -> bool:
    """Bank accounts (ISO 13616, modulo 97)."""
    compact = _compact(text)
    moved = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def ssn(text: str) -> bool:
    """United States social security numbers: the areas, groups and serials that are given out."""
    digits = "".join(map(str, _digits(text)))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return len(digits) == 9 and area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def nhs_number(text: str) -> bool:
    """United Kingdom NHS numbers: modulo 11."""
    digits = _digits(text)
    check = 11 - _weighted(digits, range(10, 1, -1)) % 11
    return len(digits) == 10 and check % 11 == digits[9]


def nino(text: str) -> bool:
    """United Kingdom national insurance numbers: prefixes that are not given out."""
    prefix = _compact(text)[:2]
    return not set(prefix) & set("DFIQUV") and prefix[1] != "O" and prefix not in {"BG", "GB", "KN", "NK", "NT", "ZZ"}


def steuer_id(text: str) -> bool:
    """German tax identification numbers: ISO 7064 MOD 11,10."""
    digits = _digits(text)
    if len(digits) != 11 or digits[0] == 0:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == digits[10]


def kvnr(text: str) -> bool:
    """German health insurance numbers: a letter as two digits, then the weights 1 and 2 in turn."""
    compact = _compact(text)
    digits = _digits(f"{ord(compact[0]) - 64:02d}") + _digits(compact[1:])
    total = sum(sum(divmod(digit * (1 + index % 2), 10)) for index, digit in enumerate(digits[:-1]))
    return len(digits) == 11 and total % 10 == digits[-1]


def ahv(text: str) -> bool:
    """Swiss social insurance numbers: EAN-13."""
    digits = _digits(text)
    return len(digits) == 13 and (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


def nir(text: str) -> bool:
    """French social security numbers: 97 less the number modulo 97; Corsica counts as 19 and 18."""
    compact = _compact(text).replace("2A", "19").replace("2B", "18")
    return len(compact) == 15 and compact.isdecimal() and 97 - int(compact[:13]) % 97 == int(compact[13:])


def dni(text: str) -> bool:
    """Spanish identity numbers, those of foreigners as well: a letter by modulo 23."""
    compact = _compact(text)
    number = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == compact[-1]


def codice_fiscale(text: str) -> bool:
    """Italian tax codes: odd places by a table, even ones by value, modulo 26."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [int(char) if char.isdecimal() else ord(char) - 65 for char in _compact(text)]
    total = sum(odd[value] if index % 2 == 0 else value for index, value in enumerate(values[:15]))
    return total % 26 == values[15]


def social_insurance(text: str) -> bool:
    """Canadian social insurance numbers: Luhn over nine digits."""
    digits = _digits(text)
    return len(digits) == 9 and len(set(digits)) > 1 and _luhn_sum(digits) % 10 == 0


def pesel(text: str) -> bool:
    """Polish PESEL numbers: weights 1, 3, 7, 9."""
    digits = _digits(text)
    total = sum(digit * weight for digit, weight in zip(digits, (1, 3, 7, 9) * 3, strict=False))
    return len(digits) == 11 and (total - digits[10] * 7 + digits[10]) % 10 == 0


def medicare_beneficiary(text: str) -> bool:
    """United States Medicare beneficiary identifiers: no letter that could be taken for a digit."""
    return not set(_compact(text)) & set("SLOIBZ")


def rijksregister(text: str) -> bool:
    """Belgian national numbers: 97 less the first nine modulo 97, with a 2 before them for those born since 2000."""
    digits = "".join(map(str, _digits(text)))
    return any(97 - int(century + digits[:9]) % 97 == int(digits[9:]) for century in ("", "2"))


def nordic(text: str) -> bool:
    """Swedish (year first, Luhn), Danish (day first) and Finnish (day first, modulo 31) personal numbers."""
    compact = text.upper()[-11:]
    digits = _digits(compact)
    first, month, last = (int(compact[place : place + 2]) for place in (0, 2, 4))
    if not 1 <= month <= 12:
        return False
    if compact[6] == "-" and 1 <= last % 60 <= 31 and len(digits) == 10 and _luhn_sum(digits) % 10 == 0:
        return True
    if not 1 <= first <= 31:
        return False
    if compact[-1] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(compact[:6] + compact[7:10]) % 31]:
        return True
    return len(digits) == 10 and compact[6] == "-"


def cpf(text: str) -> bool:
    """Brazilian CPF numbers: two digits by modulo 11."""
    digits = _digits(text)
    first, second = (_weighted(digits[:count], range(count + 1, 1, -1)) * 10 % 11 % 10 for count in (9, 10))
    return len(set(digits)) > 1 and (first, second) == (digits[9], digits[10])


def rut(text: str) -> bool:
    """Chilean RUT numbers: modulo 11, ten is K."""
    compact = _compact(text)
    total = sum(int(digit) * (2 + index % 6) for index, digit in enumerate(compact[-2::-1]))
    return "0123456789K0"[11 - total % 11] == compact[-1]


_VERHOEFF_TIMES = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_MOVES = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def aadhaar(text: str) -> bool:
    """Indian Aadhaar numbers: Verhoeff."""
    check = 0
    for index, digit in enumerate(reversed(_digits(text))):
        check = int(_VERHOEFF_TIMES[check][int(_VERHOEFF_MOVES[index % 8][digit])])
    return check == 0


def pps(text: str) -> bool:
    """Irish PPS numbers: modulo 23, the second letter counted nine times."""
    compact = _compact(text)
    second = ord(compact[8]) - 64 if len(compact) == 9 and compact[8] != "W" else 0
    total = sum(int(digit) * (8 - index) for index, digit in enumerate(compact[:7])) + 9 * second
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == compact[7]


def resident_identity(text: str) -> bool:
    """Chinese resident identity numbers: ISO 7064 MOD 11-2."""
    compact = _compact(text)
    total = sum(int(digit) * pow(2, 17 - index, 11) for index, digit in enumerate(compact[:17]))
    return "10X98765432"[total % 11] == compact[17]


def bsn(text: str) -> bool:
    """Dutch citizen service numbers: modulo 11, the last digit taken off."""
    digits = _digits(text)
    return (_weighted(digits[:8], range(9, 1, -1)) - digits[8]) % 11 == 0


def phone(text: str) -> bool:
    """Telephone numbers have 7 to 15 digits (E.164), not all of them the same, and are no span of years."""
    digits = _digits(text)
    return 7 <= len(digits) <= 15 and len(set(digits)) > 1 and _YEARS.fullmatch(text) is None


def labelled_phone(text: str) -> bool:
    return phone(re.sub(r"^\D+", "", text))


_YEARS = re.compile(r"(?:19|20)\d{2}\D{1,3}(?:19|20)\d{2}")
# After a version, an at sign or a figure's name there is no e-mail address: react@18.2.0, logo@2x.png.
_RETINA = re.compile(r"[1-4]x\.\w{3,4}", re.IGNORECASE)
_DOTS = re.compile(r"\s?[(\[{]\s?(?:dot|punkt|point)\s?[)\]}]\s?|[.,]", re.IGNORECASE)


def email(text: str) -> bool:
    """Whether what follows the at sign can be a mail server's name, or its address."""
    domain = re.split(r"@|[(\[{]\s?at\s?[)\]}]", text, flags=re.IGNORECASE)[-1].strip()
    labels = _DOTS.split(domain)
    if _RETINA.fullmatch(domain):
        return False
    return not labels[-1].isdigit() or (len(labels) == 4 and internet_address(domain))


def spelled_email(text: str) -> bool:
    """Whether "at … dot …" spells a domain, and is no sentence: look at the dot on the map."""
    words = text.lower().split()
    return not {"the", "a", "an", "this", "that", "in", "of", "on"} & set(words[2:])


def record(text: str) -> bool:
    """Whether what follows the label is a number of its own, not a year: case no 2024."""
    return re.fullmatch(r"\D*(?:19|20)\d{2}", text) is None or re.match(r"\W*mrn", text, re.IGNORECASE) is not None


def mostly_digits(text: str) -> bool:
    """Whether letters stand for a few digits of a number: each group has some of its own."""
    digits, letters = len(re.findall(r"\d", text)), len(re.findall(r"[A-Za-z]", text))
    return 0 < letters <= digits // 2 and all(re.search(r"\d", group) for group in re.split(r"[\s._-]", text))


def dicom_uid(text: str) -> bool:
    """Unique identifiers are long; numbers of chapters are not."""
    return len(text) >= 14


def round_number(text: str) -> bool:
    """A number that is said, not given out: a million, 25000."""
    return len(text.rstrip("0")) <= 3


CATALOGUES = (
    "PMID", "PMC", "PubMed", "PZN", "NCT", "DRKS", "ISRCTN", "EudraCT", "ISBN", "ISSN", "EAN", "GTIN",
    "SNOMED(?: CT)?", "OMIM", "RxCUI", "UMLS", "HRB",
)  # fmt: skip
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")


def long_number(text: str) -> bool:
    """Whether many digits are somebody's or something's of theirs.

    Not where they make up a book's number, are round, or one digit over and over, or few beside a year
    (ISO 27001-2022).
    """
    digits = re.sub(r"\D", "", text)
    if len(digits) == 13 and digits.startswith(("978", "979")) and ahv(digits):
        return False
    beside = re.sub(r"\D", "", _YEAR.sub("", text))
    return not round_number(digits) and len(set(digits)) > 1 and len(beside) >= 7


def encoded_text(text: str) -> bool:
    """Whether base64 hides a readable text; random bytes hardly ever are readable throughout."""
    body = text.rstrip("=").translate(_URL_SAFE)
    try:
        hidden = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("ascii")
    except ValueError:
        return False
    return len(hidden) >= 10 and hidden.isprintable()


_URL_SAFE = str.maketrans("-_", "+/")


def internet_address(text: str) -> bool:
    """Whether it is a machine's address: not a network's, which ends in 0, nor a version or a chapter."""
    try:
        # Zeros before a number change nothing to a reader: 192.168.001.017.
        address = ipaddress.ip_address(re.sub(r"(?<![\da-f:])0+(?=\d+\.|\d+$)", "", text.strip("[]")))
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.packed[3] != 0 and max(address.packed) > 9
    return not address.is_unspecified


def coordinates(text: str) -> bool:
    """A latitude and a longitude, in this order or the other; two amounts of thousands are none."""
    parts = re.findall(r"-?\d+\.\d+", text)[:2]
    first, second = (abs(float(part)) for part in parts)
    amounts = all(re.fullmatch(r"\d+\.\d{2}0", part) for part in parts)
    return min(first, second) <= 90 and max(first, second) <= 180 and not amounts


# What comes before the day on which something was written, or is held for everybody. Not "since", nor a weekday:
# those come before what happened to somebody, and before an appointment, as well.
PUBLISHED = (
    "as of", "changed", "conference", "copyright", "edition", "event", "issue", "konferenz", "modified", "news",
    "posted", "published", "released?", "stand", "updated?", "valid", "veröffentlicht", "version", "webinar",
    "workshop",
)  # fmt: skip
_NUMBERED_MONTH = re.compile(r"\d{1,4}\D{1,2}\d{1,2}\D{1,2}\d{1,4}")


def birth_date(text: str) -> bool:
    """Whether a date can be somebody's: there is such a day."""
    return _NUMBERED_MONTH.fullmatch(text) is None or calendar_date(text)


def calendar_date(text: str) -> bool:
    """Whether the numbers can be a day of birth, in any usual order."""
    parts = [int(part) for part in re.findall(r"\d+", text)]
    if len(parts) != 3:
        return False
    first, second, third = parts
    orders = [(first, second, third)] if first > 31 else [(third, second, first), (third, first, second)]
    return any(_is_day(*order) for order in orders)


_THINGS = re.compile(
    r"(?:\w{0,20}[ _-])?(?:app|brand|business|campaign|class|code|college|company|course|domain|event|field|file|font"
    r"|form|function|game|group|host|item|key|menu|method|nick|page|path|plan|product|project|re|service|short|site"
    r"|study|tag|team|template|theme|title|type|variable)[ _-]?name",
    re.IGNORECASE,
)


def name_of_a_person(text: str) -> bool:
    """Whether a label of a name is a person's: patient name, but not product name."""
    return _THINGS.match(text) is None


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year if year > 99 else 1900 + year, month, day)
    except ValueError:
        return False
    return year <= 99 or 1900 <= year <= 2100


def looks_random(text: str) -> bool:
    """Whether a long word was drawn, not written: in some part of it, case and digits change as in no language."""
    return len(text) >= 16 and any(map(_is_drawn, re.split(r"[-_=]", text)))


def _is_drawn(part: str) -> bool:
    runs = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", part)
    return len(part) >= 8 and len(runs) > 3 and sum(map(len, runs)) / len(runs) < 2.5
