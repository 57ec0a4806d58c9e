"""What an error of SQLite says of a file: that it is at fault, or that it cannot be used just now."""

from __future__ import annotations

import sqlite3

# A file that is none of SQLite's own, that is damaged, or that it may not open.
_BROKEN = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
# One on a disk that is full or fails, or that somebody else holds.
_HINDERED = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY = 0xFF


def is_of_the_file(error: BaseException | None) -> bool:
    """Whether the file is at fault, and not what was asked of it."""
    return _code(error) in _BROKEN


def is_hindered(error: BaseException | None) -> bool:
    """Whether it could be done at another time."""
    return _code(error) in _HINDERED


def _code(error: BaseException | None) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY
