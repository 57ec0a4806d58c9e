"""Which login tokens hold, and what is said of those that do not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from webmon.domain.login import TOKEN_LIMIT, check_token
from webmon.errors import NotAuthenticated

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
AT = int(NOW.timestamp())
KEY, OLDER, STRANGE = ("k" * 43, "o" * 43, "s" * 43)
CLAIMS = {"sub": "patient-1", "aud": "example.org", "iat": AT, "exp": AT + 240, "jti": "one"}


def signed(key: str = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    said = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(said, key, algorithm=algorithm)


def by_hand(header: dict[str, str], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(CLAIMS).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def test_a_token_signed_with_any_key_of_the_site_holds() -> None:
    for key in (KEY, OLDER):
        claims = check_token(signed(key, email="a@example.net"), [KEY, OLDER], "example.org", NOW)
        assert (claims.subject, claims.token_id, claims.email, claims.name) == (
            "patient-1",
            "one",
            "a@example.net",
            "",
        )


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
        (signed(jti=None), "has no jti"),
    ],
)
def test_a_token_that_does_not_hold_is_refused_by_name(token: str, said: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        check_token(token, [KEY, OLDER], "example.org", NOW)
    assert said in str(refused.value)
    assert list(refused.value.errors) == ["token"]


def test_without_any_key_no_token_holds() -> None:
    with pytest.raises(NotAuthenticated):
        check_token(signed(), [], "example.org", NOW)


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    assert check_token(signed(iat=AT + 59, exp=AT + 240), [KEY], "example.org", NOW).subject == "patient-1"
