"""Passwords that are too easy to guess: common ones, names, words and patterns, found without asking anybody."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

LONGEST_PASSWORD = 256
# What is longer is not easier to guess by what follows.
_LOOKED_AT = 72
# Of 0 to 4: 3 withstands 10^8 guesses, which an Argon2id hash makes slow.
_STRONG_ENOUGH = 3
# Of the letters alone: 2 withstands 10^6 guesses, as a word does not, nor first name and surname.
_HARD_AS_LETTERS = 2
# How long a word is, or two of them; looking at what is longer takes long.
_WORD = range(3, 33)
_FEWEST_DIFFERENT = 5


def password_fault(password: str, shortest: int, own_words: Iterable[str] = ()) -> str:
    """What is wrong with a password, or nothing. `own_words`: what an attacker tries first, such as the address."""
    if len(password) < shortest:
        return f"must have at least {shortest} characters"
    if len(password) > LONGEST_PASSWORD:
        return f"must have at most {LONGEST_PASSWORD} characters"
    if len(set(password)) < _FEWEST_DIFFERENT:
        return "is too easy to guess: it has hardly any different characters"
    words = [part for word in own_words for part in (word, *re.split(r"[^\w]+", word)) if len(part) > 2]
    found = _guessed(password, words)
    if found["score"] < _STRONG_ENOUGH:
        warning = str(found["feedback"]["warning"] or "").rstrip(".")
        return f"is too easy to guess{f': {warning[0].lower()}{warning[1:]}' if warning else ''}"
    if any(_is_common(_guessed(bare, words)) for bare in _bare(password)):
        return "is too easy to guess: digits and punctuation before or behind a common word add little"
    return ""


def _bare(password: str) -> set[str]:
    """The password without digits and punctuation at its ends; at one end only too: `$ummer2026` is a word there."""
    ahead = re.sub(r"^[\W\d_]+", "", password)
    cut = {ahead, re.sub(r"[\W\d_]+$", "", password), re.sub(r"[\W\d_]+$", "", ahead)}
    return {one for one in cut if one != password and len(one) in _WORD}


def _is_common(found: dict[str, Any]) -> bool:
    """Whether something is made of words and patterns of the lists alone, and so few that they are soon found."""
    return found["score"] < _HARD_AS_LETTERS and all(one["pattern"] != "bruteforce" for one in found["sequence"])


def _guessed(text: str, own_words: list[str]) -> dict[str, Any]:
    # Here, since its lists take memory and a password is set seldom.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    found: dict[str, Any] = zxcvbn(text[:_LOOKED_AT], user_inputs=own_words)
    return found
