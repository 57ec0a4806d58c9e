"""Which form of a word goes with a number: the plural rules of Unicode CLDR, for whole numbers from 1 on."""

from __future__ import annotations

from collections.abc import Callable


def _one_or_other(n: int) -> str:
    return "one" if n == 1 else "other"


def _other(_: int) -> str:
    return "other"


def _arabic(n: int) -> str:
    if n <= 2:
        return ("other", "one", "two")[n]
    return "few" if 3 <= n % 100 <= 10 else "many" if n % 100 >= 11 else "other"


def _czech(n: int) -> str:
    return "one" if n == 1 else "few" if 2 <= n <= 4 else "other"


def _croatian(n: int) -> str:
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "other"


def _hebrew(n: int) -> str:
    return {1: "one", 2: "two"}.get(n, "other")


def _irish(n: int) -> str:
    if n <= 2:
        return ("other", "one", "two")[n]
    return "few" if n <= 6 else "many" if n <= 10 else "other"


def _latvian(n: int) -> str:
    if n % 10 == 0 or 11 <= n % 100 <= 19:
        return "zero"
    return "one" if n % 10 == 1 else "other"


def _lithuanian(n: int) -> str:
    if n % 10 == 0 or 11 <= n % 100 <= 19:
        return "other"
    return "one" if n % 10 == 1 else "few"


def _maltese(n: int) -> str:
    if n <= 2:
        return ("other", "one", "two")[n]
    return "few" if 3 <= n % 100 <= 10 else "many" if 11 <= n % 100 <= 19 else "other"


def _polish(n: int) -> str:
    if n == 1:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"


def _romanian(n: int) -> str:
    return "one" if n == 1 else "few" if 1 <= n % 100 <= 19 else "other"


def _slovenian(n: int) -> str:
    return {1: "one", 2: "two", 3: "few", 4: "few"}.get(n % 100, "other")


def _ukrainian(n: int) -> str:
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"


# Languages that are not here have a singular and a plural.
_RULES: dict[str, Callable[[int], str]] = {
    "ar": _arabic,
    "cs": _czech,
    "ga": _irish,
    "he": _hebrew,
    "hr": _croatian,
    "ja": _other,
    "lt": _lithuanian,
    "lv": _latvian,
    "mt": _maltese,
    "pl": _polish,
    "ro": _romanian,
    "sk": _czech,
    "sl": _slovenian,
    "uk": _ukrainian,
    "zh": _other,
}


def plural_of(language: str, count: int) -> str:
    """Return the CLDR category of a count of at least 1: one of zero, one, two, few, many, other."""
    return _RULES.get(language, _one_or_other)(count)
