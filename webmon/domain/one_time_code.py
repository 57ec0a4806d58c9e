"""Codes of an authenticator app (TOTP, RFC 6238): six digits, new every half minute; and recovery codes."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

# RFC 4226 recommends 160 bits.
SECRET_BYTES = 20
DIGITS = 6
STEP_SECONDS = 30
# A code of the step before or after is taken too (RFC 6238, 5.2): clocks differ, and people type slowly.
_DRIFT = (0, -1, 1)
RECOVERY_COUNT = 10
_RECOVERY_BYTES = 10
_GROUP = 4


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def step_of(now: datetime) -> int:
    return int(now.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int) -> str:
    # Authenticator apps know SHA-1 and nothing else for certain; HMAC does not suffer from its collisions.
    made: bytes = TOTP(secret, DIGITS, SHA1(), STEP_SECONDS).generate(step * STEP_SECONDS)  # noqa: S303
    return made.decode()


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """Return the step whose code it is, among those that are taken now, or None."""
    typed, present = "".join(code.split()).encode(), step_of(now)
    steps = [present + drift for drift in _DRIFT]
    # Every step is compared, whichever fits: the time it takes says nothing.
    fitting = [step for step in steps if hmac.compare_digest(code_at(secret, step).encode(), typed)]
    return fitting[0] if fitting else None


def in_base32(secret: bytes) -> str:
    """The secret as it is typed into an app by hand, in groups of four."""
    return _grouped(base64.b32encode(secret).decode().rstrip("="), " ")


def enrolment_uri(secret: bytes, account: str, issuer: str) -> str:
    """The ``otpauth:`` address that an app reads from the picture."""
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS).get_provisioning_uri(account, issuer)  # noqa: S303


def new_recovery_codes() -> list[str]:
    """Ten codes of 80 random bits each, so that a plain digest of one cannot be searched."""
    raw = (secrets.token_bytes(_RECOVERY_BYTES) for _ in range(RECOVERY_COUNT))
    return [_grouped(base64.b32encode(one).decode().lower(), "-") for one in raw]


def plain_recovery_code(typed: str) -> str:
    """A recovery code without what people add or leave out: groups, spaces, capitals."""
    return "".join(typed.split()).replace("-", "").lower()


def _grouped(text: str, between: str) -> str:
    return between.join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))
