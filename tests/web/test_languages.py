"""The language of what a visitor is shown: the notice to show, and their own page."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.world import World
from webmon.domain.language import LANGUAGES
from webmon.domain.notice import default_body, hash_of
from webmon.web.portal.words import WORDS

PAGE = "/privacy/example.org"
ASKED = "/api/notice?site=example.org"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en;q=0.2, fr;q=0.7, *;q=0.1", "fr"),
        ("tlh, sl;q=0.3, hr;q=0.4", "hr"),
        ("no", "nb"),
        ("nn-NO,nn;q=0.9", "nb"),
        ("zh-TW,zh;q=0.9", "zh"),
        ("de;q=0, en;q=0.1", "en"),
        ("*", "en"),
        ("tlh", "en"),
        ("", "en"),
        (";;q=,\x7f", "en"),
    ],
)
def test_the_notice_comes_in_the_language_that_the_browser_prefers(world: World, header: str, language: str) -> None:
    answer = world.client.get(ASKED, headers={"Accept-Language": header})
    assert answer.status_code == 200
    assert answer.headers["Vary"] == "Accept-Language"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Content-Language"] == language
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    shown = answer.get_json()
    assert shown.keys() == {"hash", "notice"}
    assert shown["notice"] == default_body("example.org", language)
    assert shown["hash"] == world.runtime.notices.current(world.site, world.clock.now())[language]
    stored = world.client.get(f"/api/notices/{shown['hash']}").get_data(as_text=True)
    assert hash_of(stored) == shown["hash"]
    assert json.loads(stored) == shown["notice"]


def test_a_language_may_be_asked_for_by_name(world: World) -> None:
    def language(asked: str) -> str:
        answer = world.client.get(f"{ASKED}&lang={asked}", headers={"Accept-Language": "fi"})
        return str(answer.get_json()["notice"]["language"])

    asked = ("ar", "no", "zh-TW", "tlh", "", "%3Cscript%3E", "x" * 3000)
    assert [language(one) for one in asked] == ["ar", "nb", "zh", "fi", "fi", "fi", "fi"]


def test_the_notice_to_show_is_asked_for_again_cheaply_and_a_new_one_is_seen(world: World) -> None:
    first = world.client.get(ASKED)
    again = {"If-None-Match": first.headers["ETag"]}
    assert (world.client.get(ASKED, headers=again).status_code) == 304
    body = first.get_json()["notice"]
    body["texts"]["title"] = "May we count?"
    world.runtime.notices.publish(world.site, body, world.clock.now(), actor="test")
    after = world.client.get(ASKED, headers=again)
    assert after.get_json()["notice"]["texts"]["title"] == "May we count?"


@pytest.mark.parametrize("path", ["/api/notice", "/api/notice?site=", "/api/notice?site=elsewhere.example"])
def test_a_notice_of_no_site_is_refused(world: World, path: str) -> None:
    answer = world.client.get(path)
    assert answer.status_code == 400
    assert "site" in answer.get_json(force=True)["errors"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_visitor_s_page_speaks_every_language_in_its_direction(world: World, language: str) -> None:
    direction = "rtl" if language in {"ar", "he"} else "ltr"
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    browser = world.browser()
    browser.post(f"{PAGE}/open", data={"visitor": visitor.visitor, "consent": visitor.receipt})
    for path in (PAGE, f"{PAGE}/receipts/{visitor.receipt}"):
        answer = browser.get(f"{path}?lang={language}")
        assert answer.status_code == 200
        text = answer.get_data(as_text=True)
        assert f'<html lang="{language}" dir="{direction}">' in text
        assert WORDS[language].texts["skip"] in text
        assert not re.findall(r"\{[a-z_]+\}", text), "no placeholder is left"
    stranger = world.browser().get(PAGE, headers={"Accept-Language": language}).get_data(as_text=True)
    assert f'<html lang="{language}" dir="{direction}">' in stranger
    texts = default_body("example.org", language)["texts"]
    assert texts["reopen"] in stranger
    assert texts["held_link"] in stranger
    assert not re.findall(r"\{[a-z_]+\}", stranger)


def test_the_visitor_s_page_offers_every_language_by_its_own_name(world: World) -> None:
    text = world.browser().get(PAGE).get_data(as_text=True)
    for one in LANGUAGES.values():
        assert f'lang="{one.tag}" hreflang="{one.tag}" dir="{one.direction}"' in text
        assert f">{one.name}</a>" in text


def test_staff_see_the_notices_listed_by_the_names_of_their_languages(world: World) -> None:
    page = world.staff("owner").get("/admin/sites/example.org/notices").get_data(as_text=True)
    named = r'<th scope="row" lang="(\w+)"><bdi>([^<]+)</bdi></th><td>([^<]+)</td>'
    rows = re.findall(named + r"<td><time[^>]*>([^<]+)</time></td>", page)
    listed = sorted(LANGUAGES.values(), key=lambda one: one.english)
    assert rows == [(one.tag, one.name, one.english, "2026-11-23 10:30") for one in listed]
