"""Staff members, their roles, links and sessions, as services see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from webmon.domain.staff import Role, Staff
from webmon.stores.ports.audit import Audited


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signing in needs of a staff member. `password_hash` is None until the first link is used.

    `totp_wrapped`: the secret of their authenticator app, where they have turned it on.
    """

    staff: Staff
    password_hash: str | None
    failed_count: int
    locked_until_at: datetime | None
    totp_wrapped: bytes | None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser; `awaits_code`: not quite, the second factor is still to come."""

    id: int
    staff: Staff
    digest: str
    created_at: datetime
    last_seen_at: datetime
    browser: str
    awaits_code: bool


class StaffRepository(Audited, Protocol):
    def add(self, email: str, now: datetime) -> Staff:
        """Add somebody without any role; raises `Conflict` where the address is taken."""

    def remove(self, staff_id: int) -> None:
        """Remove somebody with roles, links and sessions."""

    def all(self) -> Sequence[Credentials]:
        """Everybody, by address."""

    def by_email(self, email: str) -> Credentials | None: ...

    def by_id(self, staff_id: int) -> Credentials | None: ...

    def set_role(self, staff_id: int, site_id: int | None, role: Role) -> None: ...

    def remove_role(self, staff_id: int, site_id: int | None) -> None: ...

    def set_password(self, staff_id: int, password_hash: str) -> None:
        """Set it, and forget failed attempts."""

    def take_attempt(self, staff_id: int, now: datetime) -> int | None:
        """Count an attempt as failed; return which it is since the last right one, or None where they are locked out.

        One conditional update: of many at once, each is counted, and none gets in beside a lock.
        """

    def lock(self, staff_id: int, until: datetime) -> None: ...

    def give_back_attempt(self, staff_id: int, locked_until_at: datetime | None) -> None:
        """Count one attempt less, and end the lock that it brought, if that is still the one."""

    def forget_failures(self, staff_id: int) -> None: ...

    def add_link(self, staff_id: int, digest: str, expires_at: datetime) -> None: ...

    def link(self, digest: str, now: datetime) -> Staff | None:
        """Return whose link it is, if it is neither used nor expired."""

    def use_links(self, staff_id: int, now: datetime) -> None:
        """Have every link of somebody be used up."""

    def add_session(
        self, staff_id: int, digest: str, now: datetime, *, browser: str = "", awaits_code: bool = False
    ) -> None: ...

    def session(self, digest: str) -> Session | None: ...

    def sessions(self, staff_id: int) -> Sequence[Session]:
        """Those of a staff member, the last seen first."""

    def touch_session(self, digest: str, now: datetime) -> None: ...

    def end_session(self, digest: str) -> None: ...

    def end_sessions(self, staff_id: int, but: str = "") -> int:
        """End all of somebody's sessions but the one with that digest; return how many."""

    def set_pending_secret(self, staff_id: int, wrapped: bytes) -> None: ...

    def pending_secret(self, staff_id: int) -> bytes | None: ...

    def turn_on_second_factor(self, staff_id: int, step: int) -> None:
        """Have the pending secret count; the code of `step` is used up."""

    def turn_off_second_factor(self, staff_id: int) -> None:
        """Forget secret and recovery codes."""

    def use_step(self, staff_id: int, step: int) -> bool:
        """Use the code of a step up; False where it, or a later one, was used before."""

    def set_recovery_codes(self, staff_id: int, digests: Sequence[str]) -> None:
        """Put them in the place of those that there are."""

    def use_recovery_code(self, staff_id: int, digest: str) -> bool: ...

    def count_recovery_codes(self, staff_id: int) -> int: ...

    def prune(self, links_before: datetime, seen_before: datetime) -> int:
        """Forget links that expired, and sessions last seen, before these times; return how many."""
