"""Staff members, their roles, links and sessions in the control database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update

from webmon.domain.staff import Role, Staff
from webmon.errors import Conflict
from webmon.stores.control.models import (
    StaffLinkRow,
    StaffRecoveryCodeRow,
    StaffRoleRow,
    StaffRow,
    StaffSessionRow,
)
from webmon.stores.control.repository import Repository
from webmon.stores.ports.staff import Credentials, Session


class SqlStaff(Repository):
    def add(self, email: str, now: datetime) -> Staff:
        if self.by_email(email) is not None:
            raise Conflict(f"{email} is there already")
        row = StaffRow(email=email, created_at=now)
        self._session.add(row)
        self._session.flush()
        return Staff(row.id, row.email, {})

    def remove(self, staff_id: int) -> None:
        for table in (StaffRoleRow, StaffLinkRow, StaffSessionRow, StaffRecoveryCodeRow):
            self._session.execute(delete(table).where(table.staff_id == staff_id))
        self._session.execute(delete(StaffRow).where(StaffRow.id == staff_id))

    def all(self) -> Sequence[Credentials]:
        return [self._credentials(row) for row in self._session.scalars(select(StaffRow).order_by(StaffRow.email))]

    def by_email(self, email: str) -> Credentials | None:
        row = self._session.scalar(select(StaffRow).where(StaffRow.email == email))
        return self._credentials(row) if row else None

    def by_id(self, staff_id: int) -> Credentials | None:
        row = self._session.get(StaffRow, staff_id)
        return self._credentials(row) if row else None

    def set_role(self, staff_id: int, site_id: int | None, role: Role) -> None:
        self.remove_role(staff_id, site_id)
        self._session.add(StaffRoleRow(staff_id=staff_id, site_id=site_id, role=role.value))
        self._session.flush()

    def remove_role(self, staff_id: int, site_id: int | None) -> None:
        where = StaffRoleRow.site_id.is_(None) if site_id is None else StaffRoleRow.site_id == site_id
        self._session.execute(delete(StaffRoleRow).where(StaffRoleRow.staff_id == staff_id, where))

    def set_password(self, staff_id: int, password_hash: str) -> None:
        values = {"password_hash": password_hash, "failed_count": 0, "locked_until_at": None}
        self._session.execute(update(StaffRow).where(StaffRow.id == staff_id).values(values))

    def take_attempt(self, staff_id: int, now: datetime) -> int | None:
        free = or_(StaffRow.locked_until_at.is_(None), StaffRow.locked_until_at <= now)
        counted = {"failed_count": StaffRow.failed_count + 1}
        taken = self._session.execute(update(StaffRow).where(StaffRow.id == staff_id, free).values(counted))
        if getattr(taken, "rowcount", 0) != 1:
            return None
        return self._session.scalar(select(StaffRow.failed_count).where(StaffRow.id == staff_id))

    def lock(self, staff_id: int, until: datetime) -> None:
        self._change(staff_id, locked_until_at=until)

    def give_back_attempt(self, staff_id: int, locked_until_at: datetime | None) -> None:
        whose = StaffRow.id == staff_id
        counted = {"failed_count": StaffRow.failed_count - 1}
        # None, where somebody was right meanwhile and all are forgotten.
        self._session.execute(update(StaffRow).where(whose, StaffRow.failed_count > 0).values(counted))
        if locked_until_at is not None:
            still = StaffRow.locked_until_at == locked_until_at
            self._session.execute(update(StaffRow).where(whose, still).values(locked_until_at=None))

    def forget_failures(self, staff_id: int) -> None:
        self._change(staff_id, failed_count=0, locked_until_at=None)

    def add_link(self, staff_id: int, digest: str, expires_at: datetime) -> None:
        self._session.add(StaffLinkRow(staff_id=staff_id, digest=digest, expires_at=expires_at))

    def link(self, digest: str, now: datetime) -> Staff | None:
        row = self._session.scalar(
            select(StaffLinkRow).where(
                StaffLinkRow.digest == digest, StaffLinkRow.used_at.is_(None), StaffLinkRow.expires_at > now
            )
        )
        return self._staff(row.staff_id) if row else None

    def use_links(self, staff_id: int, now: datetime) -> None:
        unused = StaffLinkRow.used_at.is_(None)
        self._session.execute(
            update(StaffLinkRow).where(StaffLinkRow.staff_id == staff_id, unused).values(used_at=now)
        )

    def add_session(
        self, staff_id: int, digest: str, now: datetime, *, browser: str = "", awaits_code: bool = False
    ) -> None:
        self._session.add(
            StaffSessionRow(
                staff_id=staff_id,
                digest=digest,
                created_at=now,
                last_seen_at=now,
                browser=browser,
                awaits_code=awaits_code,
            )
        )

    def session(self, digest: str) -> Session | None:
        row = self._session.scalar(select(StaffSessionRow).where(StaffSessionRow.digest == digest))
        return self._described(row) if row else None

    def sessions(self, staff_id: int) -> Sequence[Session]:
        statement = select(StaffSessionRow).where(StaffSessionRow.staff_id == staff_id)
        rows = self._session.scalars(statement.order_by(StaffSessionRow.last_seen_at.desc(), StaffSessionRow.id))
        return [self._described(row) for row in rows]

    def touch_session(self, digest: str, now: datetime) -> None:
        self._session.execute(
            update(StaffSessionRow).where(StaffSessionRow.digest == digest).values(last_seen_at=now)
        )

    def end_session(self, digest: str) -> None:
        self._session.execute(delete(StaffSessionRow).where(StaffSessionRow.digest == digest))

    def end_sessions(self, staff_id: int, but: str = "") -> int:
        ended = self._session.execute(
            delete(StaffSessionRow).where(StaffSessionRow.staff_id == staff_id, StaffSessionRow.digest != but)
        )
        return int(getattr(ended, "rowcount", 0))

    def set_pending_secret(self, staff_id: int, wrapped: bytes) -> None:
        self._change(staff_id, totp_pending=wrapped)

    def pending_secret(self, staff_id: int) -> bytes | None:
        return self._session.scalar(select(StaffRow.totp_pending).where(StaffRow.id == staff_id))

    def turn_on_second_factor(self, staff_id: int, step: int) -> None:
        self._change(staff_id, totp_wrapped=StaffRow.totp_pending, totp_pending=None, totp_step=step)

    def turn_off_second_factor(self, staff_id: int) -> None:
        self._change(staff_id, totp_wrapped=None, totp_pending=None, totp_step=None)
        self.set_recovery_codes(staff_id, ())

    def use_step(self, staff_id: int, step: int) -> bool:
        newer = or_(StaffRow.totp_step.is_(None), StaffRow.totp_step < step)
        used = self._session.execute(update(StaffRow).where(StaffRow.id == staff_id, newer).values(totp_step=step))
        return getattr(used, "rowcount", 0) == 1

    def set_recovery_codes(self, staff_id: int, digests: Sequence[str]) -> None:
        self._session.execute(delete(StaffRecoveryCodeRow).where(StaffRecoveryCodeRow.staff_id == staff_id))
        self._session.add_all(StaffRecoveryCodeRow(staff_id=staff_id, digest=digest) for digest in digests)
        self._session.flush()

    def use_recovery_code(self, staff_id: int, digest: str) -> bool:
        used = self._session.execute(
            delete(StaffRecoveryCodeRow).where(
                StaffRecoveryCodeRow.staff_id == staff_id, StaffRecoveryCodeRow.digest == digest
            )
        )
        return getattr(used, "rowcount", 0) == 1

    def count_recovery_codes(self, staff_id: int) -> int:
        counted = select(func.count()).select_from(StaffRecoveryCodeRow)
        return self._session.scalar(counted.where(StaffRecoveryCodeRow.staff_id == staff_id)) or 0

    def prune(self, links_before: datetime, seen_before: datetime) -> int:
        statements = (
            delete(StaffLinkRow).where(StaffLinkRow.expires_at < links_before),
            delete(StaffSessionRow).where(StaffSessionRow.last_seen_at < seen_before),
        )
        return sum(int(getattr(self._session.execute(one), "rowcount", 0)) for one in statements)

    def _change(self, staff_id: int, **values: object) -> None:
        self._session.execute(update(StaffRow).where(StaffRow.id == staff_id).values(**values))

    def _described(self, row: StaffSessionRow) -> Session:
        return Session(
            row.id,
            self._staff(row.staff_id),
            row.digest,
            row.created_at,
            row.last_seen_at,
            row.browser,
            row.awaits_code,
        )

    def _staff(self, staff_id: int) -> Staff:
        row = self._session.get_one(StaffRow, staff_id)
        return self._credentials(row).staff

    def _credentials(self, row: StaffRow) -> Credentials:
        roles = self._session.scalars(select(StaffRoleRow).where(StaffRoleRow.staff_id == row.id))
        staff = Staff(row.id, row.email, {role.site_id: Role(role.role) for role in roles})
        return Credentials(staff, row.password_hash, row.failed_count, row.locked_until_at, row.totp_wrapped)
