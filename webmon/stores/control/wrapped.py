"""What is wrapped in the control database, as one table: all of it is wrapped anew when the wrapping key changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, inspect, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from webmon.errors import SettingsError
from webmon.stores.control.database import ControlDatabase
from webmon.stores.control.models import EpochKeyRow, LoginKeyRow, SigningKeyRow, StaffRow


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A column of wrapped keys, and what the key of a row is bound to."""

    column: InstrumentedAttribute[Any]
    context: Callable[[Any], str]

    @property
    def model(self) -> Any:
        return self.column.class_


# Beside a server that is busy somebody reads at most moments. Each waits for two seconds.
_TRIES = 15
_SIGNING = Wrapped(SigningKeyRow.wrapped_key, lambda _: "consent-signing")
# A column that is not here would be lost with the old key; a test holds the names of columns against this.
WRAPPED = (
    Wrapped(EpochKeyRow.wrapped_key, lambda row: f"epoch:{row.site_id}:{row.epoch}"),
    Wrapped(LoginKeyRow.wrapped_key, lambda row: f"login:{row.site_id}"),
    _SIGNING,
    Wrapped(StaffRow.totp_wrapped, lambda row: f"staff:{row.id}:totp"),
    Wrapped(StaffRow.totp_pending, lambda row: f"staff:{row.id}:totp"),
)


class ControlWrapped:
    """The wrapped keys of the control database, as a rotation of the wrapping key sees them."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    def samples(self, mark_bytes: int) -> Sequence[tuple[bytes, str]]:  # noqa: ARG002
        """The key that signs receipts: whatever has served has it, and it is wrapped with all others of the database.

        May be asked of a database of an earlier version, before it is migrated.
        """
        with self._database.session(reads=True) as session:
            if not inspect(session.connection()).has_table(SigningKeyRow.__tablename__):
                return ()
            return [(wrapped, _SIGNING.context(None)) for wrapped in session.scalars(select(_SIGNING.column))]

    def count_other(self, mark: bytes) -> int:
        with self._database.session() as session:
            return sum(
                session.scalar(select(func.count()).select_from(one.model).where(_is_other(one, mark))) or 0
                for one in WRAPPED
            )

    def rewrap(self, mark: bytes, limit: int, rewrap: Callable[[bytes, str], bytes]) -> int:
        with self._database.session() as session:
            return sum(_rewrap(session, one, mark, limit, rewrap) for one in WRAPPED)

    def wipe(self) -> None:
        self._database.scrub(_TRIES)


def _rewrap(session: Session, one: Wrapped, mark: bytes, limit: int, rewrap: Callable[[bytes, str], bytes]) -> int:
    rows = session.scalars(select(one.model).where(_is_other(one, mark)).limit(limit)).all()
    count = 0
    for row in rows:
        try:
            value = rewrap(getattr(row, one.column.key), one.context(row))
        except SettingsError:
            continue  # damaged: it stays as it is, and keeps no other from its turn
        session.execute(update(one.model).where(one.model.id == row.id).values({one.column.key: value}))
        count += 1
    return count


def _is_other(one: Wrapped, mark: bytes) -> Any:
    return func.substr(one.column, 1, len(mark)) != mark
