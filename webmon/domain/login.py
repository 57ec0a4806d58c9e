"""Login tokens: what a website's backend signs to say who is signed in (docs/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from webmon.errors import NotAuthenticated

LONGEST_LIFE = timedelta(minutes=5)
CLOCK_SKEW = timedelta(seconds=60)
TOKEN_LIMIT = 4096
_TEXT_LIMIT = 255
# Fixed here and never read from the token: `alg` is the sender's word.
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class LoginClaims:
    """A token that holds: the account's opaque id, its one-time id, and when it ends."""

    subject: str
    token_id: str
    expires_at: datetime
    email: str = ""
    name: str = ""


def check_token(token: str, keys: Sequence[str], site: str, now: datetime) -> LoginClaims:
    """Return what the token says, or raise `NotAuthenticated` naming the field ``token``.

    That it is used only once is for the store to say.
    """
    claims = _verified(token, keys)
    issued_at, expires_at = _moment(claims, "iat"), _moment(claims, "exp")
    if claims.get("aud") != site:
        raise _refused("is for another site (aud)")
    if issued_at > now + CLOCK_SKEW:
        raise _refused("is from the future (iat)")
    if expires_at <= now:
        raise _refused("has expired (exp)")
    if expires_at - issued_at > LONGEST_LIFE:
        raise _refused("lives longer than 5 minutes (exp - iat)")
    subject, token_id = _text(claims, "sub"), _text(claims, "jti")
    return LoginClaims(subject, token_id, expires_at, _optional(claims, "email"), _optional(claims, "name"))


def _verified(token: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if len(token) > TOKEN_LIMIT:
        raise _refused(f"is longer than {TOKEN_LIMIT} characters")
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    for key in keys:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                options=options | {"verify_sub": False, "verify_jti": False, "verify_iss": False},  # type: ignore[arg-type]
            )
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise _refused("is no token signed with HS256") from error
        return claims
    raise _refused("is not signed with a login key of this site")


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"has no {name}")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _refused(f"has no usable {name}") from error


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= _TEXT_LIMIT or not _is_unicode(value):
        raise _refused(f"has no {name} of 1 to {_TEXT_LIMIT} characters")
    return value


def _optional(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value[:_TEXT_LIMIT].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _is_unicode(text: str) -> bool:
    """JSON can hold half of a character, as is left of an emoji that was cut in two."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(text: str) -> NotAuthenticated:
    return NotAuthenticated(f"The login token {text}", "token")
