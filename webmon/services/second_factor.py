"""A second factor for staff: codes of an authenticator app, and recovery codes for when it is lost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from webmon.domain.one_time_code import (
    enrolment_uri,
    in_base32,
    matching_step,
    new_recovery_codes,
    new_secret,
    plain_recovery_code,
)
from webmon.domain.staff import Staff
from webmon.errors import InvalidInput, NotFound
from webmon.services.manage_sites import KeyWrapper
from webmon.stores.ports import Unit
from webmon.stores.ports.staff import Credentials, StaffRepository

ISSUER = "webmon"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an app needs: an address for the picture, and the secret to type by hand."""

    uri: str
    secret: str


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """Secrets are wrapped like every other key; of recovery codes only digests are kept, until they are used."""

    unit: Unit[StaffRepository]
    vault: KeyWrapper

    def begin(self, member: Staff) -> Enrolment:
        """Make a secret; it counts once a code of it was entered."""
        secret = new_secret()
        with self.unit() as staff:
            staff.set_pending_secret(member.id, self.vault.wrap(secret, _context(member.id)))
        return self._enrolment(member, secret)

    def pending(self, member: Staff) -> Enrolment:
        """Return what was begun; raises `NotFound` where nothing was."""
        return self._enrolment(member, self._pending_secret(member))

    def confirm(self, member: Staff, code: str, now: datetime, *, session_digest: str) -> list[str]:
        """Turn it on by a first code; return the recovery codes, which are shown once.

        All sessions but this one end: a password alone has opened them.

        Raises `InvalidInput` naming the field.
        """
        secret = self._pending_secret(member)
        step = matching_step(secret, code, now)
        if step is None:
            raise InvalidInput.field("code", "is not the one that the app shows for this picture")
        codes = new_recovery_codes()
        with self.unit() as staff:
            staff.turn_on_second_factor(member.id, step)
            staff.set_recovery_codes(member.id, [_digest(one) for one in codes])
            staff.end_sessions(member.id, but=session_digest)
            staff.audit.record(now, member.email, "staff.second_factor_on", detail={"member": member.email})
        return codes

    def renew_codes(self, member: Staff, now: datetime) -> list[str]:
        """Return ten fresh recovery codes; the older ones end."""
        codes = new_recovery_codes()
        with self.unit() as staff:
            staff.set_recovery_codes(member.id, [_digest(one) for one in codes])
            staff.audit.record(now, member.email, "staff.recovery_codes", detail={"member": member.email})
        return codes

    def remove(self, staff_id: int, now: datetime, *, actor: str) -> None:
        """Turn it off, and end every recovery code; raises `NotFound` for nobody."""
        with self.unit() as staff:
            found = staff.by_id(staff_id)
            if found is None:
                raise NotFound("There is no such staff member")
            staff.turn_off_second_factor(staff_id)
            staff.audit.record(now, actor, "staff.second_factor_off", detail={"member": found.staff.email})

    def use(self, staff: StaffRepository, found: Credentials, code: str, now: datetime) -> str:
        """Use a code up, in the transaction at hand: return by what it was right, or nothing where it is not.

        A code of the app is taken once: whoever looked over a shoulder cannot repeat it in the same half minute.
        """
        if found.totp_wrapped is None:
            return ""
        secret = self.vault.unwrap(found.totp_wrapped, _context(found.staff.id))
        step = matching_step(secret, code, now)
        if step is not None:
            return "app" if staff.use_step(found.staff.id, step) else ""
        return "recovery code" if staff.use_recovery_code(found.staff.id, _digest(code)) else ""

    def _pending_secret(self, member: Staff) -> bytes:
        with self.unit() as staff:
            wrapped = staff.pending_secret(member.id)
        if wrapped is None:
            raise NotFound("Nothing was begun; begin anew on your account's page")
        return self.vault.unwrap(wrapped, _context(member.id))

    def _enrolment(self, member: Staff, secret: bytes) -> Enrolment:
        return Enrolment(enrolment_uri(secret, member.email, ISSUER), in_base32(secret))


def _context(staff_id: int) -> str:
    return f"staff:{staff_id}:totp"


def _digest(code: str) -> str:
    return hashlib.sha256(plain_recovery_code(code).encode()).hexdigest()
