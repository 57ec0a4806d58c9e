"""Pseudonyms: keyed hashes that die with their key (invariant 4)."""

from __future__ import annotations

import hmac
import re
from datetime import date, datetime, timedelta
from functools import lru_cache

import msgspec

# A visit may cross midnight once: the key of the day before is needed for as long as a visit may pause.
DAY_KEY_GRACE = timedelta(hours=1)
RAW_ID = r"[A-Za-z0-9_-]{16,64}"
RAW_ID_FORM = "must be 16 to 64 letters, digits, - or _"
_RAW_ID = re.compile(RAW_ID)


_encode = msgspec.json.Encoder().encode


class PseudonymKey:
    """A key that pseudonyms are made under; it is gone when nobody holds this object and no file its bytes."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        # Prepared once and copied for each use: half the work of a new one.
        self._keyed = hmac.new(key, digestmod="sha256")

    def pseudonym(self, *parts: str) -> int:
        """Return HMAC-SHA256 of the parts under the key, cut to 63 bits.

        63 and not 64, so that every store's signed integer holds it. The parts are written as JSON: no two lists of
        parts give the same message. Text that is no Unicode is a `UnicodeEncodeError`.
        """
        keyed = self._keyed.copy()
        keyed.update(_encode(parts))
        return int.from_bytes(keyed.digest()[:8], "little") & 0x7FFF_FFFF_FFFF_FFFF

    def following(self, pseudonym: int) -> int:
        """Return what a visitor is called from when a signed-in visit under `pseudonym` is over."""
        return self.pseudonym("following", str(pseudonym))

    def mark(self, pseudonym: int) -> int:
        """Return what may be written down for a pseudonym that nobody goes by any more: it leads to no row."""
        return self.pseudonym("left", str(pseudonym))


def is_raw_id(text: str) -> bool:
    """Whether `text` has the form of an identifier minted by the snippet."""
    return _RAW_ID.fullmatch(text) is not None


def day_of(moment: datetime) -> str:
    """The day that names the day key of a moment in UTC, such as ``2026-11-23``."""
    return _text(moment.date())


# A stream of hits asks for today, over and over.
_text = lru_cache(maxsize=64)(date.isoformat)


def day_key_expired(day: str, now: datetime) -> bool:
    end = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(days=1)
    return now >= end + DAY_KEY_GRACE
