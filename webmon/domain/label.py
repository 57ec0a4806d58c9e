"""What a reader sees of a text: characters that show nothing say nothing, however many there are."""

from __future__ import annotations

import re
import unicodedata

# Unicode's Default_Ignorable_Code_Point, and the pattern of braille without a dot. Some are letters by name.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Unicode's blocks of combining diacritical marks.
_ANY_LETTERS_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_SHOWN = frozenset("LNPS")
# Of what stands alone: modifiers such as the half colon are letters that look like points.
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lo"})


def shows(text: str) -> bool:
    """Whether there is anything to see: no mere spaces, marks without a letter, control or unseen characters."""
    return any(unicodedata.category(one)[0] in _SHOWN for one in _UNSEEN.sub("", text))


def has_letter(text: str) -> bool:
    """Whether a word can be read in it, in whatever script; points, dashes, arrows and digits are none."""
    return any(unicodedata.category(one) in _LETTERS for one in _UNSEEN.sub("", text))


def read_as(text: str) -> str:
    """Return the letters and digits of a text in one form: two texts that a reader takes for one have the same.

    Marks are vowels and tones in many scripts, and stay; those that go with any letter say nothing.
    """
    folded = unicodedata.normalize("NFKC", _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).casefold())
    return "".join(one for one in _ANY_LETTERS_MARKS.sub("", folded) if unicodedata.category(one)[0] in "LMN")
