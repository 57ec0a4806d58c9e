"""Properties of events: few, texts, and nobody's."""

from __future__ import annotations

import pytest

from webmon.domain.scrub import KEY_LIMIT, PROPS_LIMIT, VALUE_LIMIT, scrub_props


def test_what_is_no_single_value_is_left_out() -> None:
    kept, removed = scrub_props(
        {"wat": ["x"], "other": "key", "foo": {"bar": "baz"}, "empty": "", "blank": "   ", "nul": None}
    )
    assert kept == {"other": "key"}
    assert not removed


def test_numbers_and_truth_values_become_texts() -> None:
    assert scrub_props({"count": 3, "share": 0.5, "done": True, "failed": False})[0] == {
        "count": "3",
        "share": "0.5",
        "done": "true",
        "failed": "false",
    }


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "email",
        "Email",
        "e-mail",
        "userEmail",
        "phone",
        "phone_number",
        "dob",
        "birthDate",
        "ssn",
        "mrn",
        "address",
        "street",
        "patient",
        "patientName",
        "patient_id",
        "firstName",
        "last-name",
        "full.name",
        "username",
        "userId",
        "customer_id",
        "session_id",
        "diagnosis",
        "ICD10",
        "password",
        "zip",
        "lat",
        "longitude",
        "vorname",
        "Geburtsdatum",
        "Telefon",
        "IPAddress",
    ],
)
def test_a_property_named_after_something_of_a_person_is_dropped_whatever_it_says(key: str) -> None:
    kept, removed = scrub_props({key: "x"})
    assert kept == {}
    assert removed == {"property": 1}


@pytest.mark.parametrize(
    "key",
    [
        "plan",
        "plan_name",
        "productName",
        "filename",
        "page_id",
        "button",
        "videoTitle",
        "order_total",
        "platform",
        "zipline",
        "shipping_method",
        "language",
        "step",
        "relation",
    ],
)
def test_a_property_of_a_thing_is_kept(key: str) -> None:
    assert scrub_props({key: "x"})[0] == {key: "x"}


def test_values_are_scrubbed_and_counted() -> None:
    kept, removed = scrub_props({"note": "ask john@example.org or jane@example.org", "n": 5551234567})
    assert kept == {"note": "ask [email] or [email]", "n": "[number]"}
    assert removed == {"email": 2, "number": 1}


def test_a_key_that_holds_an_identifier_is_scrubbed_too() -> None:
    assert scrub_props({"john@example.org": "x"})[0] == {"[email]": "x"}


def test_there_are_limits() -> None:
    many = {f"k{number}": "v" for number in range(50)}
    assert len(scrub_props(many)[0]) == PROPS_LIMIT
    kept, _ = scrub_props({"k" * 1000: "word " * 1000})
    ((key, value),) = kept.items()
    assert len(key) == KEY_LIMIT
    assert len(value) == VALUE_LIMIT


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://x.example/page?JaneDoe", "https://x.example/page"),
        ("https://x.example/s?hepatitis=", "https://x.example/s"),
        ("/page?hepatitis", "/page"),
        ("https://jane:secret@x.example/y", "https://x.example/y"),
        ("https://x.example/page#jane-doe", "https://x.example/page"),
        ("https://x.example/page", "https://x.example/page"),
    ],
)
def test_of_an_address_only_host_and_path_are_kept(value: str, kept: str) -> None:
    assert scrub_props({"url": value})[0] == {"url": kept}
