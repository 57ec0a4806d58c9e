"""Passwords that are too easy to guess: common ones, names, words and patterns, found without asking anybody."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST_PASSWORD = 256
# What is longer is not easier to guess by what follows.
_LOOKED_AT = 72
# Of 0 to 4: 3 withstands 10^8 guesses, which an Argon2id hash makes slow.
_STRONG_ENOUGH = 3
_FEWEST_DIFFERENT = 5


def password_fault(password: str, shortest: int, own_words: Iterable[str] = ()) -> str:
    """What is wrong with a password, or nothing. `own_words`: what an attacker tries first, such as the address."""
    if len(password) < shortest:
        return f"must have at least {shortest} characters"
    if len(password) > LONGEST_PASSWORD:
        return f"must have at most {LONGEST_PASSWORD} characters"
    if len(set(password)) < _FEWEST_DIFFERENT:
        return "is too easy to guess: it has hardly any different characters"
    # Here, since its lists take memory and a password is set seldom.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    words = [part for word in own_words for part in (word, *re.split(r"[^\w]+", word)) if len(part) > 2]
    found = zxcvbn(password[:_LOOKED_AT], user_inputs=words)
    if found["score"] >= _STRONG_ENOUGH:
        return ""
    warning = str(found["feedback"]["warning"] or "").rstrip(".")
    return f"is too easy to guess{f': {warning[0].lower()}{warning[1:]}' if warning else ''}"
