"""Login tokens, for the backend of a website: `mint` says who is signed in.

This file needs nothing of webmon. Import it, or copy it beside your own code; with a shared key (HS256) it needs only
Python itself, with a private key (EdDSA) the package `cryptography`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import unicodedata

__all__ = ["mint"]

LONGEST_LIFE_SECONDS = 300


def mint(
    account: str | int,
    site: str,
    key: str,
    *,
    email: str = "",
    name: str = "",
    session_expiry: int = 0,
    life_seconds: int = 240,
    now: int = 0,
) -> str:
    """Return a token that says that `account` is signed in on `site`, once, for the next `life_seconds`.

    `account` is your own opaque identifier of the account (a number, as text or as an `int`; never a name), `key` the
    site's login key, or an Ed25519 private key in PEM whose public half webmon knows. `session_expiry` is when your
    own session of this person ends, in seconds, if it does. `now` is the time in seconds, that of the clock where it
    is 0. Raises `ValueError` for an account that is empty, longer than 255 characters or with control characters, for
    a key that is empty, and for a life of more than 5 minutes; `TypeError` for an account that is neither text nor a
    whole number.
    """
    # True is an int too, and no account.
    if not isinstance(account, str | int) or isinstance(account, bool):
        raise TypeError(f"account must be a str or an int, not {type(account).__name__}")
    account = str(account)
    if not 1 <= len(account) <= 255 or any(unicodedata.category(one) == "Cc" for one in account):
        raise ValueError("account must have 1 to 255 characters, none of them a control character")
    if not key.strip():
        raise ValueError("key is empty: give the login key of the site")
    if not 1 <= life_seconds <= LONGEST_LIFE_SECONDS:
        raise ValueError(f"life_seconds must be between 1 and {LONGEST_LIFE_SECONDS}")
    issued_at = now or int(time.time())
    claims: dict[str, str | int] = {
        "sub": account,
        "aud": site,
        "iat": issued_at,
        "exp": issued_at + life_seconds,
        "jti": secrets.token_urlsafe(16),
    }
    claims |= {"session_expiry": session_expiry} if session_expiry else {}
    claims |= {claim: text for claim, text in (("email", email), ("name", name)) if text}
    private = "PRIVATE KEY" in key
    text = f"{_part({'alg': 'EdDSA' if private else 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = _sign_ed25519(key, text) if private else hmac.digest(key.encode(), text.encode(), hashlib.sha256)
    return f"{text}.{_encode(signature)}"


def _sign_ed25519(pem: str, text: str) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - EdDSA alone
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - needs it

    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("key is no Ed25519 private key")
    return key.sign(text.encode())


def _part(value: dict[str, str] | dict[str, str | int]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
