"""Signatures that anybody can check with the published key alone: Ed25519 (RFC 8032), keys as JWK (RFC 8037)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from webmon.domain.chain import canonical

ALGORITHM = "EdDSA"
_KEY_BYTES = 32


class SigningKey:
    """A private key, made from 32 random bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key()
        self.jwk = jwk_of(self.public)
        self.id = self.jwk["kid"]

    def sign(self, text: str) -> str:
        """Return the signature over the text's UTF-8 form, in base64url."""
        return _encode(self._key.sign(text.encode()))


def jwk_of(key: Ed25519PublicKey) -> dict[str, str]:
    """Return a public key as a JWK, named by its thumbprint."""
    x = _encode(key.public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": _thumbprint(x), "alg": ALGORITHM, "use": "sig"}


def read_public_key(jwk: object) -> Ed25519PublicKey:
    """Return the key of a JWK; raises `ValueError` for what is no public Ed25519 key."""
    if not isinstance(jwk, Mapping) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise ValueError("is no Ed25519 key in the form of a JWK")
    try:
        raw = _decode(jwk.get("x"))
    except ValueError as error:
        raise ValueError("has no x that is base64url") from error
    if len(raw) != _KEY_BYTES:
        raise ValueError(f"has no x of {_KEY_BYTES} bytes")
    return Ed25519PublicKey.from_public_bytes(raw)


def is_signed(key: Ed25519PublicKey, text: str, signature: object) -> bool:
    """Whether `signature` is the key's over the text, written just as `SigningKey.sign` writes it."""
    try:
        raw = _decode(signature)
        key.verify(raw, text.encode())
    except (ValueError, InvalidSignature):
        return False
    return _encode(raw) == signature


def sign_document(key: SigningKey, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with a field ``signature`` over the canonical form of all its other fields."""
    value = key.sign(canonical(document))
    return {**document, "signature": {"alg": ALGORITHM, "kid": key.id, "value": value}}


def document_fault(key: Ed25519PublicKey, document: object) -> str:
    """What is wrong with a signed document, or nothing."""
    if not isinstance(document, Mapping):
        return "is no JSON object"
    signature = document.get("signature")
    if not isinstance(signature, Mapping) or set(signature) != {"alg", "kid", "value"}:
        return "has no signature"
    if signature["alg"] != ALGORITHM:
        return f"is signed otherwise than with {ALGORITHM}"
    if signature["kid"] != jwk_of(key)["kid"]:
        return "is signed with another key than this one"
    rest = {name: value for name, value in document.items() if name != "signature"}
    try:
        text = canonical(rest)
    except (ValueError, TypeError):
        return "is not what was signed"
    return "" if is_signed(key, text, signature["value"]) else "is not what was signed: it was changed"


def _thumbprint(x: str) -> str:
    """The name of a key by its content (RFC 7638)."""
    return _encode(hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": x}).encode()).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("is no text")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("is not base64url") from error
