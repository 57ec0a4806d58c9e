"""What makes a number sure to be of its kind: check digits, ranges, calendars. Each is given the text as found."""

from __future__ import annotations

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


def phone(text: str) -> bool:
    """Telephone numbers have 7 to 15 digits (E.164), not all of them the same."""
    digits = _digits(text)
    return 7 <= len(digits) <= 15 and len(set(digits)) > 1


def internet_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text.strip("[]")).is_unspecified
    except ValueError:
        return False


def coordinates(text: str) -> bool:
    """A latitude and a longitude, in this order or the other."""
    first, second = (abs(float(part)) for part in re.findall(r"-?\d+\.\d+", text)[:2])
    return min(first, second) <= 90 and max(first, second) <= 180


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


def looks_random(text: str) -> bool:
    """Whether a long word was drawn, not written: in some part of it, case and digits change as in no language."""
    return len(text) >= 16 and any(map(_is_drawn, re.split(r"[-_=]", text)))


def _is_drawn(part: str) -> bool:
    runs = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", part)
    return len(part) >= 8 and len(runs) > 3 and sum(map(len, runs)) / len(runs) < 2.5
