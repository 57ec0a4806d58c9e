"""Whatever the text: the guard raises nothing, leaves what it has scrubbed as it is, and is not slowed by malice."""

from __future__ import annotations

import json
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webmon.domain.event import IncomingEvent
from webmon.domain.guard import guard_event
from webmon.domain.scrub import (
    GuardRules,
    scrub_fragment,
    scrub_path,
    scrub_props,
    scrub_query,
    scrub_text,
    scrub_url,
)

# Texts of the very characters that detectors, templates and decoding are about, beside those of all the world.
TEXTS = st.text(max_size=80) | st.text("0123456789@.-_/:;%=+&#[]()^ abcxyzABCXYZ\\u*'\"<>~", max_size=80)
PIECES = st.lists(
    st.sampled_from(
        ["jane@example.org", "%40", "%25", "078-05-1120", "/", ":id", "[email]", "1980-02-03", "2024/03/15", ";",
         "4111 1111 1111 1111", "\ue000", "\u200b", "name=", "eyJhbGci.abc", "\u0661", "&#64;", "a", " ", "?", "#/",
         "*", "mrn "]
    ),
    max_size=8,
).map("".join)  # fmt: skip
ANY = TEXTS | PIECES
RULES = GuardRules(
    parameters=("lang", "tab"), path_templates=("/patients/:id/results", "/p/*", "/rooms/:name"), property_keys=()
)


@given(ANY)
def test_a_text_is_scrubbed_once_and_for_all(text: str) -> None:
    once = scrub_text(text).value
    again = scrub_text(once)
    assert again.value == once


@given(ANY, st.sampled_from([GuardRules(), RULES]))
def test_a_path_is_scrubbed_once_and_for_all(path: str, rules: GuardRules) -> None:
    once = scrub_path("/" + path, rules).value
    assert scrub_path(once, rules).value == once


@given(ANY)
def test_an_address_is_scrubbed_once_and_for_all(rest: str) -> None:
    once = scrub_url("https://example.org/" + rest, RULES).pathname
    assert scrub_url("https://example.org" + once, RULES).pathname == once


@given(ANY)
def test_a_fragment_is_scrubbed_once_and_for_all(text: str) -> None:
    once = scrub_fragment(text).value
    assert not once or scrub_fragment(once).value == once


@given(ANY)
def test_any_query_has_kept_and_removed_parts(text: str) -> None:
    kept, _ = scrub_query(text, RULES)
    assert set(kept) <= {
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "utm_content",
        "utm_term",
        "source",
        "ref",
        *kept,
    }


@given(
    st.dictionaries(ANY, ANY | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(ANY), max_size=6)
)
def test_properties_are_scrubbed_once_and_for_all(props: dict[str, object]) -> None:
    once, _ = scrub_props(props)
    again, _ = scrub_props(once)
    assert set(again) <= set(once)
    assert all(again[key] == once[key] for key in again)


@given(ANY, ANY, st.dictionaries(ANY, ANY, max_size=3))
def test_any_event_is_guarded_and_can_be_written(name: str, referrer: str, props: dict[str, str]) -> None:
    found = guard_event(IncomingEvent(name, "https://example.org/", "example.org", referrer, props), RULES)
    json.dumps([found.name, found.referrer, dict(found.props)])


@pytest.mark.parametrize(
    "text",
    ["a" * 4000, "1 " * 2000, "a@" * 2000, "a.b-" * 1000, "at dot " * 600, "(at) " * 800, "name=" * 800,
     "12.34, " * 600, "J. " * 1500, "x ^ " * 1000, "%25" * 1300, "AB12" * 1000, "10.1234/" * 500,
     ": : " * 1000, "a a " * 1000 + "@", "0 " + "_" * 3900 + "=", "a_" * 1900 + "=", "a at " * 800],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = perf_counter()
    scrub_text(text)
    scrub_path("/" + text)
    assert perf_counter() - began < 1
