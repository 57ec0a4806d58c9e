"""What stands in a column, whatever that is: a walk must name a byte that was changed, not stumble over it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, case, cast, func
from sqlalchemy.orm import Session


def raw(session: Session, column: Any, name: str) -> ColumnElement[Any]:
    """Return the column as it is stored, to be read with `text` or `moment`."""
    if session.get_bind().dialect.name != "sqlite":
        plain: ColumnElement[Any] = column.label(name)
        return plain
    # SQLite keeps in a column whatever was put there, and gives it back as bytes without a look at it. What is bytes
    # there was changed, and is given back otherwise than it reads.
    as_stored, changed = cast(column, LargeBinary), cast(func.hex(column), LargeBinary)
    found: ColumnElement[Any] = case((func.typeof(column) == "blob", changed), else_=as_stored)
    return found.label(name)


def text(stored: bytes | str | None) -> str:
    return stored.decode("utf-8", "backslashreplace") if isinstance(stored, bytes) else stored or ""


def moment(stored: bytes | datetime) -> str:
    """A time as chains write it; what was not written as times are stays as it is, and so agrees with none."""
    if isinstance(stored, datetime):
        return stored.isoformat()
    written = text(stored)
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return written
    return found.replace(tzinfo=UTC).isoformat() if f"{found:%Y-%m-%d %H:%M:%S.%f}" == written else written
