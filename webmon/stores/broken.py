"""Which errors of SQLite mean that a file is at fault, and not what was asked of it."""

from __future__ import annotations

import sqlite3

# What SQLite says of a file that is none of its own, that is damaged, or that it may not open.
_BROKEN = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_PRIMARY = 0xFF


def is_of_the_file(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in _BROKEN
