"""Which login tokens hold, and what is said of those that do not."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from webmon.domain.login import TOKEN_LIMIT, LoginKey, check_token, public_key, read_login_key, shared_key
from webmon.errors import NotAuthenticated

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
AT = int(NOW.timestamp())
KEY, OLDER, STRANGE = ("k" * 43, "o" * 43, "s" * 43)
CLAIMS = {"sub": "patient-1", "aud": "example.org", "iat": AT, "exp": AT + 240, "jti": "one"}


SHARED = [shared_key(KEY), shared_key(OLDER)]
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PUBLIC = public_key(PUBLIC_PEM)


def signed(key: str = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    said = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(said, key, algorithm=algorithm)


def by_hand(header: dict[str, str], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(CLAIMS).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def test_a_token_signed_with_any_key_of_the_site_holds() -> None:
    for key in (KEY, OLDER):
        claims = check_token(signed(key, email="a@example.net"), SHARED, "example.org", NOW)
        assert (claims.subject, claims.token_id, claims.email, claims.name) == (
            "patient-1",
            "one",
            "a@example.net",
            "",
        )


def test_an_address_or_name_that_is_null_is_left_out() -> None:
    token = jwt.encode(CLAIMS | {"email": None, "name": None}, KEY, "HS256")
    claims = check_token(token, SHARED, "example.org", NOW)
    assert (claims.email, claims.name) == ("", "")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (signed(STRANGE), "not signed with a login key"),
        (signed(KEY + "x"), "not signed with a login key"),
        (by_hand({"alg": "none", "typ": "JWT"}), "no token signed with HS256"),
        (by_hand({"alg": "HS256", "typ": "JWT"}), "not signed with a login key"),
        (by_hand({"alg": "RS256", "typ": "JWT"}, b"x" * 256), "no token signed with HS256"),
        (signed(algorithm="HS512", key=KEY * 2), "no token signed with HS256"),
        ("not.a.token", "no token signed with HS256"),
        ("", "no token signed with HS256"),
        ("x" * (TOKEN_LIMIT + 1), "longer than"),
        (signed(aud="other.example"), "for another site"),
        (signed(aud=None), "for another site"),
        (signed(exp=AT), "has expired"),
        (signed(iat=AT - 600, exp=AT - 300), "has expired"),
        (signed(exp=AT + 301), "lives longer than 5 minutes"),
        (signed(iat=AT + 120, exp=AT + 240), "from the future"),
        (signed(exp=None), "has no exp"),
        (signed(iat=None), "has no iat"),
        (signed(exp="soon"), "has no exp"),
        (signed(exp=1e300), "has no usable exp"),
        (signed(sub=None), "has no sub"),
        (signed(sub=""), "has no sub"),
        (signed(sub="x" * 256), "has no sub"),
        (signed(sub="a\u0000b"), "has no sub of 1 to 255 characters, none of them a control character"),
        (signed(sub="patient\n"), "has no sub"),
        (signed(sub="\u009f"), "has no sub"),
        (signed(sub=4711), "has no sub"),
        (signed(jti="one\u007f"), "has no jti"),
        *((signed(email=one), "has something else than a text as email") for one in ({"a": 1}, ["a"], 7, False)),
        (signed(name={"a": 1}), "has something else than a text as name"),
        (signed(jti=None), "has no jti"),
        (signed(jti="x" * 256), "has no jti"),
        (signed(nbf=AT + 120), "does not hold yet"),
        (signed(nbf="soon"), "has no nbf"),
        (signed(aud=["example.org", "other.example"]), "for another site"),
        (jwt.encode(CLAIMS, KEY, "HS256", headers={"kid": "unheard-of"}), "names a key that is none of this site"),
        (by_hand({"alg": "HS256", "kid": 7}), "no token signed with HS256"),  # type: ignore[dict-item]
        (jwt.encode(CLAIMS, PRIVATE, "EdDSA"), "no token signed with HS256"),
    ],
)
def test_a_token_that_does_not_hold_is_refused_by_name(token: str, said: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        check_token(token, SHARED, "example.org", NOW)
    assert said in str(refused.value)
    assert list(refused.value.errors) == ["token"]


def test_without_any_key_no_token_holds() -> None:
    with pytest.raises(NotAuthenticated):
        check_token(signed(), [], "example.org", NOW)


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    assert check_token(signed(iat=AT + 59, exp=AT + 240), SHARED, "example.org", NOW).subject == "patient-1"


def refusal(token: str, keys: list[LoginKey]) -> str:
    with pytest.raises(NotAuthenticated) as refused:
        check_token(token, keys, "example.org", NOW)
    assert list(refused.value.errors) == ["token"]
    return str(refused.value)


def test_a_token_signed_with_a_private_key_holds_by_its_public_half() -> None:
    token = jwt.encode(CLAIMS, PRIVATE, "EdDSA")
    assert check_token(token, [PUBLIC], "example.org", NOW).subject == "patient-1"
    assert check_token(token, [*SHARED, PUBLIC], "example.org", NOW).subject == "patient-1"
    other = Ed25519PrivateKey.from_private_bytes(b"q" * 32)
    assert "not signed with a login key" in refusal(jwt.encode(CLAIMS, other, "EdDSA"), [PUBLIC])
    assert "no token signed with EdDSA" in refusal(signed(), [PUBLIC])
    assert "no token signed with EdDSA" in refusal(by_hand({"alg": "none"}), [PUBLIC])


@pytest.mark.parametrize(
    "secret", [PUBLIC_PEM, PUBLIC_PEM.strip(), PUBLIC.text, PRIVATE.public_key().public_bytes_raw()]
)
def test_a_public_key_is_no_shared_one(secret: str | bytes) -> None:
    raw = secret if isinstance(secret, bytes) else secret.encode()
    text = by_hand({"alg": "HS256", "typ": "JWT"}).rstrip(".")
    signature = base64.urlsafe_b64encode(hmac.digest(raw, text.encode(), "sha256")).decode().rstrip("=")
    assert "no token signed with EdDSA" in refusal(f"{text}.{signature}", [PUBLIC])
    assert "not signed with a login key" in refusal(f"{text}.{signature}", [*SHARED, PUBLIC])


def test_a_token_that_names_its_key_is_checked_with_that_one() -> None:
    first, second = SHARED
    for key in (first, second):
        token = jwt.encode(CLAIMS, key.text, "HS256", headers={"kid": key.id})
        assert check_token(token, SHARED, "example.org", NOW).subject == "patient-1"
    crossed = jwt.encode(CLAIMS, first.text, "HS256", headers={"kid": second.id})
    assert "not signed with a login key" in refusal(crossed, SHARED)
    confused = jwt.encode(CLAIMS, first.text, "HS256", headers={"kid": PUBLIC.id})
    assert "no token signed with EdDSA" in refusal(confused, [*SHARED, PUBLIC])


def test_a_key_is_told_by_its_text_alone() -> None:
    assert read_login_key(KEY) == SHARED[0]
    assert read_login_key(PUBLIC.text) == PUBLIC
    assert public_key(f"\n{PUBLIC.text}  ") == public_key(PUBLIC_PEM) == PUBLIC
    assert SHARED[0].id not in KEY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither PEM nor a JWK"),
        ("nonsense", "neither PEM nor a JWK"),
        ("{", "neither PEM nor a JWK"),
        ("{" * 4000, "neither PEM nor a JWK"),
        ('{"kty": "RSA"}', "no Ed25519 key"),
        ('{"kty": "OKP", "crv": "Ed25519", "x": "AA"}', "no x of 32 bytes"),
        ('{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}', "private key"),
        (PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), "private key"),
        (
            X25519PrivateKey.from_private_bytes(b"x" * 32)
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "no Ed25519 key",
        ),
        ("x" * 5000, "longer than"),
    ],
)
def test_what_is_no_public_key_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        public_key(text)
