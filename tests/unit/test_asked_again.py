"""Asked again is only what is new."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from webmon.domain.consent import Why, to_ask
from webmon.domain.notice import Notice, default_body, make_notice

DECIDED = {"analytics": True, "functional": False, "marketing": False}
VIDEO: dict[str, Any] = {
    "key": "video",
    "purpose": "marketing",
    "name": "Video",
    "provider": "Video Inc.",
    "description": "Shows films.",
    "cookies": [
        {
            "name": "vid_*",
            "purpose": "analytics",
            "description": "d",
            "lifetime": "1 year",
            "kind": "persistent",
            "party": "third",
        }
    ],
}


def body(language: str = "en") -> dict[str, Any]:
    return copy.deepcopy(default_body("example.org", language))


def purpose(document: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["purposes"] if one["key"] == key)
    return found


def before() -> Notice:
    return make_notice(body() | {"services": [VIDEO]})


def test_nothing_is_asked_for_where_the_notice_is_the_same_or_its_other_texts_alone_have_changed() -> None:
    assert to_ask(DECIDED, before(), before()) == {}
    other = body() | {"services": [VIDEO], "layout": "dialog", "position": "center", "privacy_contact": "us"}
    other["texts"]["title"] = "Another question"
    assert to_ask(DECIDED, before(), make_notice(other)) == {}


def test_a_purpose_that_is_new_is_asked_for_alone() -> None:
    now = body() | {"services": [VIDEO]}
    now["purposes"].append({"key": "research", "name": "Research", "description": "d", "required": False})
    assert to_ask(DECIDED, before(), make_notice(now)) == {"research": Why.NEW}


def test_a_purpose_that_is_not_asked_for_any_more_is_not_asked_for() -> None:
    now = body() | {"services": [VIDEO]}
    now["purposes"] = [one for one in now["purposes"] if one["key"] != "functional"]
    assert to_ask(DECIDED, before(), make_notice(now)) == {}


@pytest.mark.parametrize("part", ["name", "description"])
def test_a_purpose_that_reads_otherwise_is_asked_for(part: str) -> None:
    now = body() | {"services": [VIDEO]}
    purpose(now, "analytics")[part] += "!"
    assert to_ask(DECIDED, before(), make_notice(now)) == {"analytics": Why.TEXT}


@pytest.mark.parametrize(
    ("services", "asked"),
    [
        ([], {"marketing", "analytics"}),
        ([VIDEO | {"provider": "Another Inc."}], {"marketing", "analytics"}),
        ([VIDEO | {"description": "Shows films and ads."}], {"marketing", "analytics"}),
        ([VIDEO | {"cookies": []}], {"marketing", "analytics"}),
        ([VIDEO, VIDEO | {"key": "chat", "purpose": "functional", "cookies": []}], {"functional"}),
        ([VIDEO | {"cookies": [VIDEO["cookies"][0] | {"lifetime": "2 years"}]}], {"marketing", "analytics"}),
    ],
)
def test_a_purpose_whose_services_or_cookies_are_others_is_asked_for(services: list[Any], asked: set[str]) -> None:
    now = make_notice(body() | {"services": services})
    assert to_ask(DECIDED, before(), now) == dict.fromkeys(sorted(asked), Why.SERVICES)


def test_between_two_languages_texts_are_not_compared_but_what_is_behind_them() -> None:
    german = body("de") | {"services": [VIDEO | {"name": "Filme", "description": "Zeigt Filme."}]}
    assert to_ask(DECIDED, before(), make_notice(german)) == {}
    german["services"][0]["provider"] = "Another Inc."
    assert to_ask(DECIDED, before(), make_notice(german)) == {"marketing": Why.SERVICES, "analytics": Why.SERVICES}


def test_an_answer_that_lacks_a_purpose_does_not_answer_it() -> None:
    now = body() | {"services": [VIDEO]}
    now["texts"]["title"] = "Another question"
    assert to_ask({"analytics": True}, before(), make_notice(now)) == {"functional": Why.NEW, "marketing": Why.NEW}
