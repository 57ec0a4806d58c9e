"""Codes of an authenticator app, against the vectors of the standard; passwords that are easy to guess."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from webmon.domain.one_time_code import (
    STEP_SECONDS,
    code_at,
    enrolment_uri,
    in_base32,
    matching_step,
    new_recovery_codes,
    plain_recovery_code,
    step_of,
)
from webmon.domain.password import password_fault

SECRET = b"12345678901234567890"
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    # RFC 6238, appendix B, SHA1: the last six of the eight digits.
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_at(SECRET, seconds // STEP_SECONDS) == code
    assert matching_step(SECRET, code, datetime.fromtimestamp(seconds, UTC)) == seconds // STEP_SECONDS


def test_a_code_is_taken_one_step_early_or_late_and_no_longer() -> None:
    step = step_of(NOW)
    code = code_at(SECRET, step)
    for late in (-STEP_SECONDS, 0, STEP_SECONDS):
        assert matching_step(SECRET, code, NOW + timedelta(seconds=late)) == step
    for late in (-2 * STEP_SECONDS, 2 * STEP_SECONDS):
        assert matching_step(SECRET, code, NOW + timedelta(seconds=late)) is None


@pytest.mark.parametrize("typed", ["", "12345", "abcdef", "١٢٣٤٥٦", "0" * 64, "\x00", "\u2013"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert matching_step(SECRET, typed, NOW) is None


def test_a_code_may_be_typed_with_spaces() -> None:
    code = code_at(SECRET, step_of(NOW))
    assert matching_step(SECRET, f" {code[:3]} {code[3:]} ", NOW) == step_of(NOW)


def test_an_app_is_told_the_secret_and_whose_it_is() -> None:
    uri = enrolment_uri(SECRET, "owner@example.org", "webmon")
    assert uri.startswith("otpauth://totp/webmon:owner%40example.org?")
    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in uri
    assert in_base32(SECRET).replace(" ", "") == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def test_recovery_codes_are_ten_all_different_and_read_as_people_type_them() -> None:
    codes = new_recovery_codes()
    assert len({*codes}) == 10
    assert plain_recovery_code(f" {codes[0].upper().replace('-', ' ')}") == codes[0].replace("-", "")


@pytest.mark.parametrize(
    "password",
    ["Password1234!", "qwertyuiop123", "1234567890123", "iloveyou12345", "letmeinletmein", "owner@example.org"],
)
def test_common_passwords_and_one_s_own_address_are_too_easy(password: str) -> None:
    assert "is too easy to guess" in password_fault(password, 12, ["owner@example.org"])


@pytest.mark.parametrize(
    "password",
    [
        *("Summer2026!!", "summer-2026-!!", "Winter2025??", "!!Password2026", "2026summer!!!!", "!!!!Sunshine!!!"),
        *("Clinic2026!!!", "Autumn!20261", "elephant12345!", "Margaret1987!!", "JohnSmith1984!", "SummerWinter2026!"),
        *("$ummer2026!!", "!!!2026!Summ3r", "remmus2026!!!!", "webmon2026!!!!", "owner-2026-!!!"),
    ],
)
def test_digits_and_punctuation_around_a_common_word_make_it_no_better(password: str) -> None:
    assert "is too easy to guess" in password_fault(password, 12, ["owner@example.org", "webmon"])


@pytest.mark.parametrize(
    "password",
    [
        *("a sentence to remember", "k3m9-ttq2-lwx8", "schöne Grüße aus Köln", "correct horse battery staple"),
        *("two horses run 42", "1984 was a good book!", "coffee-table-19!", "MyDogAteTheCake1!", "9#7!kXb28$51"),
    ],
)
def test_others_are_not(password: str) -> None:
    assert password_fault(password, 12) == ""
