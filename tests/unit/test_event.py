"""An event's body: read quickly where nothing is wrong with it, with the same result as when it is read with care."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webmon.domain.event import (
    _SHORT,
    ENGAGEMENT,
    MOST_ENGAGEMENT_MS,
    IncomingEvent,
    _decode_with_care,
    decode_event,
)
from webmon.errors import InvalidInput

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
GOOD = {"name": "pageview", "url": "https://example.org/", "domain": "example.org"}
OTHERS = {"visitor", "visit", "consent", "event_id", "timestamp", "ip", "user_agent", "title"}
NAMES = sorted({*_SHORT, *_SHORT.values(), *OTHERS})
ODD = st.sampled_from(
    [
        "",
        " ",
        "1",
        "192.0.2.1",
        "a",
        "x" * 22,
        "x" * 22 + "\n",
        "https://example.org/a",
        ENGAGEMENT,
        "y" * 2001,
        "EXAMPLE.org",
    ]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**9)
    | st.floats(allow_nan=False)
    | ODD
    | st.dictionaries(ODD, ODD, max_size=2)
    | st.just('{"plan":"pro"}')
)


def outcome(read: Any, body: bytes) -> IncomingEvent | dict[str, list[str]]:
    try:
        event: IncomingEvent = read(body, NOW)
    except InvalidInput as error:
        return error.errors
    return event


@settings(max_examples=600, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, VALUES)), st.booleans())
def test_the_quick_way_and_the_careful_one_agree(document: dict[str, Any], completed: bool) -> None:
    body = json.dumps(GOOD | document if completed else document).encode()
    assert outcome(decode_event, body) == outcome(_decode_with_care, body)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'"name"', b"\xff\xfe", b'{"name":"\xff"}', b"\x00" * 10])
def test_what_is_no_event_is_said_of_the_body(body: bytes) -> None:
    assert list(outcome(decode_event, body)) == ["body"]


def test_the_long_name_of_a_field_counts_where_both_are_given() -> None:
    event = decode_event(json.dumps(GOOD | {"n": "other", "u": "https://other.example/", "d": "x"}).encode(), NOW)
    assert (event.name, event.url, event.domain) == ("pageview", "https://example.org/", "example.org")


def test_numbers_are_kept_within_what_can_be() -> None:
    event = decode_event(json.dumps(GOOD | {"e": 10**12, "sd": -3}).encode(), NOW)
    assert (event.engagement_ms, event.scroll_pct) == (MOST_ENGAGEMENT_MS, 0)
