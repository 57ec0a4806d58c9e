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
from typing import NamedTuple, NoReturn

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from webmon.domain.password import LONGEST_PASSWORD, password_fault
from webmon.domain.site import Site
from webmon.domain.staff import Role, Staff, publishes
from webmon.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from webmon.services.back_off import BackOff, Taken
from webmon.services.refused_attempts import Refusals
from webmon.services.second_factor import SecondFactors
from webmon.stores.ports import Unit
from webmon.stores.ports.staff import Credentials, Session, StaffRepository

LINK_LIFETIME = timedelta(hours=72)
# A session ends after half a working day without a request, and after a week whatever happens.
SESSION_IDLE = timedelta(hours=12)
SESSION_LIFETIME = timedelta(days=7)
# Between password and code.
CODE_LIFETIME = timedelta(minutes=10)
_LONGEST_BROWSER = 64
_TOUCH = timedelta(minutes=1)
_FREE_ATTEMPTS = 5
_LONGEST_LOCK = timedelta(minutes=15)
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[a-z0-9.-]{1,189}", re.IGNORECASE)
_REFUSED = "The e-mail address and the password do not go together, or the account is locked for a few minutes."
_CODE_REFUSED = "The code does not hold, was used before, or the account is locked for a few minutes."
# What the audit trail calls an attempt of which it is not known, or not looked at, whose it is.
_ATTEMPT = "staff.sign_in_refused"


class SignedIn(NamedTuple):
    """The token of a new session; with `awaits_code` it opens nothing until `enter_code` has taken a code."""

    token: str
    awaits_code: bool


class _Attempt(NamedTuple):
    """An attempt that was counted: which it is since the last right one, and the lock that it brought."""

    number: int
    locked_until_at: datetime | None


class Asking(NamedTuple):
    """Where somebody asks from: the address (forgotten with the process), and their browser in a few words."""

    address: bytes = b""
    browser: str = ""


UNKNOWN = Asking()


@dataclass(frozen=True, slots=True)
class StaffAccounts:
    """Everything about staff members. Tokens are random, shown once, and kept as digests only."""

    unit: Unit[StaffRepository]
    min_password_length: int
    second_factors: SecondFactors
    refusals: Refusals
    back_off: BackOff = field(default_factory=BackOff)
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
            detail = {"member": member.email, "role": kind.value}
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
            staff.audit.record(now, actor, "staff.link", detail={"member": found.staff.email})
            return self._new_link(staff, found.staff, now)

    def link_owner(self, token: str, now: datetime) -> Staff:
        """Return whose link it is, or raise `NotFound`."""
        with self.unit() as staff:
            return _by_link(staff, token, now)

    def use_link(self, token: str, password: str, now: datetime, asking: Asking = UNKNOWN) -> SignedIn:
        """Set the password of the link's owner, end the link and every session; return a new session.

        Where they have a second factor, it is asked for as ever: a link takes the password's place, not the app's.
        """
        with self.unit() as staff:
            member = _by_link(staff, token, now)
        hashed = self._hash(member, password)
        with self.unit() as staff:
            _by_link(staff, token, now)  # once only, even by two at a time
            staff.use_links(member.id, now)
            staff.set_password(member.id, hashed)
            staff.end_sessions(member.id)
            staff.audit.record(now, member.email, "staff.password", detail={"by": "link"})
            found = staff.by_id(member.id)
            if found is not None and _has_app(found):
                return _new_session(staff, member, now, asking, awaits_code=True)
            return _signed_in(staff, member, now, asking, "link")

    def sign_in(self, email: str, password: str, now: datetime, asking: Asking = UNKNOWN) -> SignedIn:
        """Return a new session; raises `NotAuthenticated`, in the same words whatever was wrong.

        After five failed attempts, each further one locks the account for twice as long, up to a quarter of an hour;
        after twenty from one address, nothing from there is looked at for a while.
        """
        taken = self._take_from(asking, _REFUSED, now)
        with self.unit() as staff:
            found = staff.by_email(email.strip().lower()[:254])
            attempt = _take(staff, found, now)
        if found is None or attempt is None:
            self._verify(None, password)  # what is not looked at takes as long
            self._refuse(_REFUSED, "account is locked" if found else "nobody of that name", now)
        if not self._is_right(found, attempt, password, now):
            raise NotAuthenticated(_REFUSED)
        self.back_off.give_back(taken)
        with self.unit() as staff:
            if _has_app(found):
                # Failed attempts are forgotten only by who knows the code too.
                return _new_session(staff, found.staff, now, asking, awaits_code=True)
            return _signed_in(staff, found.staff, now, asking, "password")

    def awaits_code(self, token: str, now: datetime) -> bool:
        """Whether the password of the session's owner was right, and the code is still to come."""
        with self.unit() as staff:
            session = staff.session(_digest(token)) if token else None
        return session is not None and _may_enter_code(session, now)

    def enter_code(self, token: str, code: str, now: datetime, asking: Asking = UNKNOWN) -> SignedIn:
        """Take the code of the app, or a recovery code, and return the session that opens everything.

        Raises `NotAuthenticated` for a code that does not hold; wrong ones lock the account like wrong passwords.
        """
        with self.unit() as staff:
            session = staff.session(_digest(token))
            if session is None or not _may_enter_code(session, now):
                raise NotAuthenticated("Sign in with your password again; it has been too long.")
            taken = self._take_from(asking, _CODE_REFUSED, now)
            found = staff.by_id(session.staff.id)
            attempt = _take(staff, found, now)
            by = self.second_factors.use(staff, found, code, now) if found and attempt else ""
            if by:
                staff.end_session(session.digest)
                signed = _signed_in(staff, session.staff, now, asking, f"password and {by}")
            elif attempt:
                _record_failure(staff, session.staff, attempt, "code", now)
        if attempt is None:
            self._refuse(_CODE_REFUSED, "account is locked", now)
        if not by:
            raise NotAuthenticated(_CODE_REFUSED)
        self.back_off.give_back(taken)
        return signed

    def by_session(self, token: str, now: datetime) -> Staff | None:
        """Return whose session it is while it lasts."""
        if not token:
            return None
        digest = _digest(token)
        with self.unit() as staff:
            session = staff.session(digest)
            if session is None or session.awaits_code:
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

    def sessions(self, member: Staff) -> Sequence[Session]:
        """Return where somebody is signed in, the last seen first."""
        with self.unit() as staff:
            return [one for one in staff.sessions(member.id) if not one.awaits_code]

    def is_of(self, session: Session, token: str) -> bool:
        """Whether the session is the one of this token."""
        return session.digest == _digest(token)

    def end_one_session(self, member: Staff, session_id: int, now: datetime) -> None:
        """End one of somebody's own sessions; raises `NotFound` for any other."""
        with self.unit() as staff:
            session = next((one for one in staff.sessions(member.id) if one.id == session_id), None)
            if session is None:
                raise NotFound("There is no such session of yours")
            staff.end_session(session.digest)
            staff.audit.record(now, member.email, "staff.session_end", detail={"session": session_id})

    def sign_out_everywhere(self, member: Staff, now: datetime) -> int:
        """End every session of somebody, this one too; return how many there were."""
        with self.unit() as staff:
            count = staff.end_sessions(member.id)
            staff.audit.record(now, member.email, "staff.sign_out_everywhere", detail={"sessions": count})
        return count

    def check_password(self, member: Staff, password: str, now: datetime, name: str = "password") -> None:
        """See that whoever uses the session knows the password; raises `InvalidInput` naming the field."""
        with self.unit() as staff:
            found = staff.by_id(member.id)
            attempt = _take(staff, found, now)
        if found is None or attempt is None:
            # Not counted: whoever tries from elsewhere must not keep the owner of the session out for longer.
            raise InvalidInput.field(
                name, "was not looked at: too many attempts, so wait a few minutes and try again"
            )
        if not self._is_right(found, attempt, password, now):
            raise InvalidInput.field(name, "is not the right one")

    def second_factor_of(self, member: Staff) -> int | None:
        """Return how many recovery codes somebody has left, or None where they have no second factor."""
        with self.unit() as staff:
            found = staff.by_id(member.id)
            return staff.count_recovery_codes(member.id) if found is not None and _has_app(found) else None

    def turn_on_second_factor(self, member: Staff, code: str, session: str, now: datetime) -> list[str]:
        """Turn it on as `SecondFactors.confirm` does, and end every session but this one."""
        return self.second_factors.confirm(member, code, now, session_digest=_digest(session))

    def id_of(self, email: str) -> int:
        """Return the number of a staff member; raises `NotFound`."""
        with self.unit() as staff:
            found = staff.by_email(_clean_email(email))
        if found is None:
            raise NotFound(f"There is no staff member {email}")
        return found.staff.id

    def change_password(self, member: Staff, old: str, new: str, session: str, now: datetime) -> None:
        """Set a new password and end every other session; raises `InvalidInput` naming the field."""
        self.check_password(member, old, now, "old_password")
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
            found = staff.by_id(staff_id)
            if found is None:
                raise NotFound("There is no such staff member")
            staff.remove_role(staff_id, site.id if site else None)
            _keep_an_owner(staff)
            left = staff.by_id(staff_id)
            if left is not None and not left.staff.roles:
                staff.remove(staff_id)
            detail = {"member": found.staff.email}
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
        fault = password_fault(password, self.min_password_length, (member.email, "webmon"))
        if fault:
            raise InvalidInput.field(name, fault)
        with self._room:
            return self._hasher.hash(password)

    def _is_right(self, found: Credentials, attempt: _Attempt, password: str, now: datetime) -> bool:
        """Look at an attempt that was taken: it is given back where it is right, and else in the audit trail."""
        right = self._verify(found, password)
        with self.unit() as staff:
            if right:
                staff.give_back_attempt(found.staff.id, attempt.locked_until_at)
            else:
                _record_failure(staff, found.staff, attempt, "password", now)
        return right

    def _verify(self, found: Credentials | None, password: str) -> bool:
        """Whether the password is right; takes as long where there is nobody or no password to compare it with."""
        known = found.password_hash if found else None
        with self._room:
            try:
                self._hasher.verify(known or _nobody(), password[:LONGEST_PASSWORD])
            except (VerifyMismatchError, InvalidHashError):
                return False
        return known is not None

    def _take_from(self, asking: Asking, text: str, now: datetime) -> Taken:
        taken = self.back_off.take(asking.address, now)
        if taken is None:
            self._refuse(text, "address waits", now)
        return taken

    def _refuse(self, text: str, reason: str, now: datetime) -> NoReturn:
        self.refusals.note(_ATTEMPT, reason, now)
        raise NotAuthenticated(text)


@cache
def _nobody() -> str:
    """The hash of a password that nobody has, with the same parameters."""
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).hash(secrets.token_urlsafe(32))


def _by_link(staff: StaffRepository, token: str, now: datetime) -> Staff:
    member = staff.link(_digest(token), now)
    if member is None:
        raise NotFound("This link has been used already or has expired. An owner can make a new one.")
    return member


def _new_session(
    staff: StaffRepository, member: Staff, now: datetime, asking: Asking, *, awaits_code: bool = False
) -> SignedIn:
    token = secrets.token_urlsafe(32)
    browser = asking.browser[:_LONGEST_BROWSER]
    staff.add_session(member.id, _digest(token), now, browser=browser, awaits_code=awaits_code)
    return SignedIn(token, awaits_code)


def _signed_in(staff: StaffRepository, member: Staff, now: datetime, asking: Asking, by: str) -> SignedIn:
    staff.forget_failures(member.id)
    staff.audit.record(now, member.email, "staff.sign_in", detail={"by": by})
    return _new_session(staff, member, now, asking)


def _take(staff: StaffRepository, found: Credentials | None, now: datetime) -> _Attempt | None:
    """Count an attempt as failed before it is looked at; None where they are locked out, or there is nobody.

    Whatever goes on beside it, no more are looked at than one after the other would be.
    """
    number = staff.take_attempt(found.staff.id, now) if found else None
    if found is None or number is None:
        return None
    excess = number - _FREE_ATTEMPTS
    if excess <= 0:
        return _Attempt(number, None)
    until = now + min(timedelta(seconds=2 ** min(excess, 10)), _LONGEST_LOCK)
    staff.lock(found.staff.id, until)
    return _Attempt(number, until)


def _record_failure(staff: StaffRepository, member: Staff, attempt: _Attempt, wrong: str, now: datetime) -> None:
    detail: dict[str, str | int] = {"failed_count": attempt.number, "wrong": wrong}
    staff.audit.record(now, member.email, "staff.sign_in_failed", detail=detail)


def _has_app(found: Credentials) -> bool:
    return found.totp_wrapped is not None


def _may_enter_code(session: Session, now: datetime) -> bool:
    return session.awaits_code and now - session.created_at <= CODE_LIFETIME


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
