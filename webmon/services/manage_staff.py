"""Who works with webmon: roles, one-time links, passwords, sessions."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from webmon.domain.site import Site
from webmon.domain.staff import Role, Staff, publishes
from webmon.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from webmon.stores.ports import Unit
from webmon.stores.ports.staff import Credentials, StaffRepository

LINK_LIFETIME = timedelta(hours=72)
# A session ends after half a working day without a request, and after a week whatever happens.
SESSION_IDLE = timedelta(hours=12)
SESSION_LIFETIME = timedelta(days=7)
LONGEST_PASSWORD = 256
_TOUCH = timedelta(minutes=1)
_FREE_ATTEMPTS = 5
_LONGEST_LOCK = timedelta(minutes=15)
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[a-z0-9.-]{1,189}", re.IGNORECASE)
_REFUSED = "The e-mail address and the password do not go together, or the account is locked for a few minutes."


@dataclass(frozen=True, slots=True)
class StaffAccounts:
    """Everything about staff members. Tokens are random, shown once, and kept as digests only."""

    unit: Unit[StaffRepository]
    min_password_length: int
    _hasher: PasswordHasher = field(default_factory=lambda: PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY))
    # Each hash takes 64 MiB: two at a time, so that a flood of sign-ins takes time and not memory.
    _room: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(2))

    def add(self, email: str, role: str, site: Site | None, now: datetime, *, actor: str) -> str | None:
        """Give somebody a role on a site (None: on every site) and return the token of a link to set a password.

        Who is there already gets the further role, and no link where a password is set. Raises `InvalidInput`.
        """
        address, kind = _clean_email(email), _clean_role(role)
        with self.unit() as staff:
            found = staff.by_email(address)
            member = found.staff if found else staff.add(address, now)
            staff.set_role(member.id, site.id if site else None, kind)
            _keep_an_owner(staff)
            detail = {"member": member.id, "role": kind.value}
            staff.audit.record(now, actor, "staff.add", site_id=site.id if site else None, detail=detail)
            return None if found and found.password_hash else self._new_link(staff, member, now)

    def new_link(self, email: str, now: datetime, *, actor: str, reset: bool = False) -> str:
        """Return the token of a fresh link; the older ones end. Raises `NotFound`, and `Conflict` where a password is
        set and `reset` does not say that it shall be set anew."""
        with self.unit() as staff:
            found = staff.by_email(_clean_email(email))
            if found is None:
                raise NotFound(f"There is no staff member {email}")
            if found.password_hash is not None and not reset:
                raise Conflict(f"{found.staff.email} has set a password already")
            staff.audit.record(now, actor, "staff.link", detail={"member": found.staff.id})
            return self._new_link(staff, found.staff, now)

    def link_owner(self, token: str, now: datetime) -> Staff:
        """Return whose link it is, or raise `NotFound`."""
        with self.unit() as staff:
            return _by_link(staff, token, now)

    def use_link(self, token: str, password: str, now: datetime) -> str:
        """Set the password of the link's owner, end the link and every session; return a new session's token."""
        with self.unit() as staff:
            member = _by_link(staff, token, now)
        hashed = self._hash(member, password)
        with self.unit() as staff:
            _by_link(staff, token, now)  # once only, even by two at a time
            staff.use_links(member.id, now)
            staff.set_password(member.id, hashed)
            staff.end_sessions(member.id)
            staff.audit.record(now, member.email, "staff.password", detail={"by": "link"})
            return _new_session(staff, member, now)

    def sign_in(self, email: str, password: str, now: datetime) -> str:
        """Return the token of a new session; raises `NotAuthenticated`, in the same words whatever was wrong.

        After five failed attempts, each further one locks the account for twice as long, up to a quarter of an hour.
        """
        address = email.strip().lower()[:254]
        with self.unit() as staff:
            found = staff.by_email(address)
        locked = found is not None and found.locked_until_at is not None and found.locked_until_at > now
        right = self._verify(found, password)
        if found is None or locked or not right:
            if found is not None and not locked:
                self._note_failure(found, now)
            raise NotAuthenticated(_REFUSED)
        with self.unit() as staff:
            staff.note_failure(found.staff.id, 0, None)
            staff.audit.record(now, found.staff.email, "staff.sign_in")
            return _new_session(staff, found.staff, now)

    def by_session(self, token: str, now: datetime) -> Staff | None:
        """Return whose session it is while it lasts."""
        if not token:
            return None
        digest = _digest(token)
        with self.unit() as staff:
            session = staff.session(digest)
            if session is None:
                return None
            if now - session.last_seen_at > SESSION_IDLE or now - session.created_at > SESSION_LIFETIME:
                staff.end_session(digest)
                return None
            if now - session.last_seen_at > _TOUCH:
                staff.touch_session(digest, now)
            return session.staff

    def sign_out(self, token: str, now: datetime) -> None:
        digest = _digest(token)
        with self.unit() as staff:
            session = staff.session(digest)
            if session is not None:
                staff.end_session(digest)
                staff.audit.record(now, session.staff.email, "staff.sign_out")

    def change_password(self, member: Staff, old: str, new: str, session: str, now: datetime) -> None:
        """Set a new password and end every other session; raises `InvalidInput` naming the field."""
        with self.unit() as staff:
            found = staff.by_id(member.id)
        if not self._verify(found, old):
            raise InvalidInput.field("old_password", "is not your password")
        hashed = self._hash(member, new, "new_password")
        with self.unit() as staff:
            staff.set_password(member.id, hashed)
            staff.end_sessions(member.id, but=_digest(session))
            staff.audit.record(now, member.email, "staff.password", detail={"by": "old password"})

    def all(self) -> Sequence[Credentials]:
        with self.unit() as staff:
            return staff.all()

    def publishes_notices(self, member: Staff, site: Site) -> bool:
        """Whether somebody may put notices of the site in force (docs/decisions/who-publishes.md)."""
        able = [one.staff for one in self.all() if one.password_hash]
        return publishes(member, site.id, able)

    def remove_role(self, staff_id: int, site: Site | None, now: datetime, *, actor: str) -> None:
        """Take a role away; raises `Conflict` for the last owner of the whole. Who has none left is removed."""
        with self.unit() as staff:
            if staff.by_id(staff_id) is None:
                raise NotFound("There is no such staff member")
            staff.remove_role(staff_id, site.id if site else None)
            _keep_an_owner(staff)
            left = staff.by_id(staff_id)
            if left is not None and not left.staff.roles:
                staff.remove(staff_id)
            detail = {"member": staff_id}
            staff.audit.record(now, actor, "staff.remove_role", site_id=site.id if site else None, detail=detail)

    def prune(self, now: datetime) -> int:
        with self.unit() as staff:
            return staff.prune(now, now - SESSION_IDLE)

    def _new_link(self, staff: StaffRepository, member: Staff, now: datetime) -> str:
        token = secrets.token_urlsafe(32)
        staff.use_links(member.id, now)
        staff.add_link(member.id, _digest(token), now + LINK_LIFETIME)
        return token

    def _hash(self, member: Staff, password: str, name: str = "password") -> str:
        if len(password) < self.min_password_length:
            raise InvalidInput.field(name, f"must have at least {self.min_password_length} characters")
        if len(password) > LONGEST_PASSWORD:
            raise InvalidInput.field(name, f"must have at most {LONGEST_PASSWORD} characters")
        if password.lower() == member.email.lower() or len(set(password)) < 5:
            raise InvalidInput.field(name, "is too easy to guess")
        with self._room:
            return self._hasher.hash(password)

    def _verify(self, found: Credentials | None, password: str) -> bool:
        """Whether the password is right; takes as long where there is nobody or no password to compare it with."""
        known = found.password_hash if found else None
        with self._room:
            try:
                self._hasher.verify(known or _nobody(), password[:LONGEST_PASSWORD])
            except (VerifyMismatchError, InvalidHashError):
                return False
        return known is not None

    def _note_failure(self, found: Credentials, now: datetime) -> None:
        failed = found.failed_count + 1
        excess = failed - _FREE_ATTEMPTS
        lock = min(timedelta(seconds=2 ** min(excess, 10)), _LONGEST_LOCK) if excess > 0 else None
        with self.unit() as staff:
            staff.note_failure(found.staff.id, failed, now + lock if lock else None)
            staff.audit.record(now, found.staff.email, "staff.sign_in_failed", detail={"failed_count": failed})


@cache
def _nobody() -> str:
    """The hash of a password that nobody has, with the same parameters."""
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).hash(secrets.token_urlsafe(32))


def _by_link(staff: StaffRepository, token: str, now: datetime) -> Staff:
    member = staff.link(_digest(token), now)
    if member is None:
        raise NotFound("This link has been used already or has expired. An owner can make a new one.")
    return member


def _new_session(staff: StaffRepository, member: Staff, now: datetime) -> str:
    token = secrets.token_urlsafe(32)
    staff.add_session(member.id, _digest(token), now)
    return token


def _keep_an_owner(staff: StaffRepository) -> None:
    everybody = [one.staff for one in staff.all()]
    if everybody and not any(member.owns_all for member in everybody):
        raise Conflict("Somebody must own the whole; make another owner first")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _clean_email(text: str) -> str:
    address = text.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise InvalidInput.field("email", "must be an e-mail address")
    return address


def _clean_role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise InvalidInput.field("role", f"must be one of {', '.join(Role)}") from error
