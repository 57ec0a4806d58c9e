"""The language that a browser asks for, as far as it is kept: ``de``, not which variants in which order."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST_HEADER = 200
# A language range with its weight (RFC 9110, section 12.5.4); the primary tag has two or three letters (BCP 47).
_RANGE = re.compile(r"\s*([A-Za-z]{2,3})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")


@lru_cache(maxsize=4096)
def language_of(accept_language: str) -> str:
    """Return the primary tag, in lower case, of the language that is asked for most; empty where none is.

    The header as a whole would help to tell people apart; one of some two hundred tags does not.
    """
    best, most = "", 0.0
    for part in accept_language[:LONGEST_HEADER].split(","):
        found = _RANGE.fullmatch(part)
        weight = float(found[2] or 1) if found else 0.0
        if found and weight > most:
            best, most = found[1].lower(), weight
    return best
