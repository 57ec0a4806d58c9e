"""Login tokens: what a website's backend signs to say who is signed in (docs/signing-in.md).

A token is a JWT (RFC 7519), signed with a secret that backend and webmon share (HS256) or with a private key of which
webmon has only the public half (EdDSA, RFC 8037). With which of the two follows from the key, never from the token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from webmon.domain.chain import canonical
from webmon.domain.signing import jwk_of, read_public_key
from webmon.errors import NotAuthenticated

LONGEST_LIFE = timedelta(minutes=5)
CLOCK_SKEW = timedelta(seconds=60)
TOKEN_LIMIT = 4096
PUBLIC_KEY_LIMIT = 4096
HS256, EDDSA = "HS256", "EdDSA"
_TEXT_LIMIT = 255
_TEXT_FORM = f"1 to {_TEXT_LIMIT} characters, none of them a control character"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNCHECKED = ("exp", "iat", "nbf", "aud", "sub", "jti", "iss")  # by the library: they are checked here, by our clock


@dataclass(frozen=True, slots=True)
class LoginKey:
    """A key that login tokens of a site are checked with: `id` is what a token may name it by (``kid``).

    `text`: the shared secret, or the public key as a JWK.
    """

    id: str
    algorithm: str
    text: str


@dataclass(frozen=True, slots=True)
class LoginClaims:
    """A token that holds: the account's opaque id, its one-time id, and when it ends.

    `session_ends_at`: when the website's own session ends, where the token says so.
    """

    subject: str
    token_id: str
    expires_at: datetime
    email: str = ""
    name: str = ""
    session_ends_at: datetime | None = None


def shared_key(secret: str) -> LoginKey:
    """Return the key of a shared secret. Its id is a digest: of 256 random bits that tells nothing."""
    digest = hashlib.sha256(f"webmon login key {secret}".encode()).digest()
    return LoginKey(base64.urlsafe_b64encode(digest[:12]).decode(), HS256, secret)


def public_key(text: str) -> LoginKey:
    """Return the key of an Ed25519 public key in PEM or as a JWK; raises `ValueError` saying what is wrong."""
    if len(text) > PUBLIC_KEY_LIMIT:
        raise ValueError(f"is longer than {PUBLIC_KEY_LIMIT} characters")
    jwk = jwk_of(_read_public(text.strip()))
    return LoginKey(jwk["kid"], EDDSA, canonical(jwk))


def read_login_key(text: str) -> LoginKey:
    """Return a key from its text."""
    return public_key(text) if text.startswith("{") else shared_key(text)


def check_token(token: str, keys: Sequence[LoginKey], site: str, now: datetime) -> LoginClaims:
    """Return what the token says, or raise `NotAuthenticated` naming the field ``token``.

    That it is used only once is for the store to say.
    """
    claims = _verified(token, keys)
    issued_at, expires_at = _moment(claims, "iat"), _moment(claims, "exp")
    if claims.get("aud") != site:
        raise _refused("is for another site (aud)")
    if issued_at > now + CLOCK_SKEW:
        raise _refused("is from the future (iat)")
    if "nbf" in claims and _moment(claims, "nbf") > now + CLOCK_SKEW:
        raise _refused("does not hold yet (nbf)")
    if expires_at <= now:
        raise _refused("has expired (exp)")
    if expires_at - issued_at > LONGEST_LIFE:
        raise _refused("lives longer than 5 minutes (exp - iat)")
    subject, token_id = _text(claims, "sub"), _text(claims, "jti")
    session_ends_at = _moment(claims, "session_expiry") if "session_expiry" in claims else None
    if session_ends_at is not None and session_ends_at <= now:
        raise _refused("is of a session that is over (session_expiry)")
    email, name = _optional(claims, "email"), _optional(claims, "name")
    return LoginClaims(subject, token_id, expires_at, email, name, session_ends_at)


def clean_subject(text: str) -> str:
    """Return an account's identifier, or raise `ValueError`."""
    if not _usable(text):
        raise ValueError(f"must have {_TEXT_FORM}")
    return text


def clean_attribute(text: str) -> str:
    """Return an account's name or address as far as it is kept."""
    return text[:_TEXT_LIMIT].encode("utf-8", "replace").decode()


def _verified(token: str, keys: Sequence[LoginKey]) -> Mapping[str, Any]:
    if len(token) > TOKEN_LIMIT:
        raise _refused(f"is longer than {TOKEN_LIMIT} characters")
    options: Any = {f"verify_{name}": False for name in _UNCHECKED}
    for key in _fitting(token, keys):
        try:
            claims: Mapping[str, Any] = jwt.decode(token, _key_of(key), algorithms=[key.algorithm], options=options)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise _unsigned(keys) from error
        return claims
    raise _refused("is not signed with a login key of this site")


def _fitting(token: str, keys: Sequence[LoginKey]) -> Sequence[LoginKey]:
    """Return the keys that the token may be signed with: that which it names, else those for what it says it is."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise _unsigned(keys) from error
    if not keys:
        raise _refused("cannot be checked: this site has no login key, or none any more")
    named = [key for key in keys if key.id == header["kid"]] if "kid" in header else keys
    if not named:
        raise _refused("names a key that is none of this site, or not any more (kid)")
    # `alg` is the sender's word: it chooses among keys, each of which is good for one algorithm and no other.
    fitting = [key for key in named if key.algorithm == header.get("alg")]
    if not fitting:
        raise _unsigned(named)
    return fitting


def _key_of(key: LoginKey) -> str | Ed25519PublicKey:
    return read_public_key(json.loads(key.text)) if key.algorithm == EDDSA else key.text


def _read_public(text: str) -> Ed25519PublicKey:
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key: keep it to your backend, and give its public key")
    if text.startswith("{"):
        try:
            jwk = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError("is neither PEM nor a JWK") from error
        if isinstance(jwk, dict) and "d" in jwk:
            raise ValueError("is a private key: keep it to your backend, and give its public key")
        return read_public_key(jwk)
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("is neither PEM nor a JWK") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("is no Ed25519 key")
    return key


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
    if not isinstance(value, str) or not _usable(value):
        raise _refused(f"has no {name} of {_TEXT_FORM}")
    return value


def _optional(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _refused(f"has something else than a text as {name}")
    return clean_attribute(value)


def _usable(text: str) -> bool:
    """JSON can hold half of a character, as is left of an emoji that was cut in two; and what is none, as NUL."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return 1 <= len(text) <= _TEXT_LIMIT and not _CONTROL.search(text)


def _unsigned(keys: Sequence[LoginKey]) -> NotAuthenticated:
    algorithms = sorted({key.algorithm for key in keys}) or [HS256]
    return _refused(f"is no token signed with {' or '.join(algorithms)}")


def _refused(text: str) -> NotAuthenticated:
    return NotAuthenticated(f"The login token {text}", "token")
