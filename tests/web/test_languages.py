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


@pytest.mark.parametrize("language", LANGUAGES)
def test_errors_and_receipts_are_told_in_the_visitor_s_language(world: World, language: str) -> None:
    words, visitor, spoken = WORDS[language], world.visitor(), {"Accept-Language": language}
    browser = world.browser()
    for path, status in (("/privacy/elsewhere.example", 404), (f"{PAGE}/receipts/{visitor.receipt}", 404)):
        answer = browser.get(path, headers=spoken)
        text = answer.get_data(as_text=True)
        assert (answer.status_code, words.error(status) in text) == (status, True)
        assert f'<html lang="{language}"' in text
    wrong = browser.post(f"{PAGE}/answer", data={"action": "<b>"}, headers=spoken).get_data(as_text=True)
    assert words.error(400) in wrong
    assert "action must be one of" in wrong, "whoever made the form is told what is wrong with it"
    browser.post(f"{PAGE}/open", data={"consent": visitor.receipt})
    receipt = browser.get(f"{PAGE}/receipts/{visitor.receipt}", headers=spoken).get_data(as_text=True)
    for field in ("consent_timestamp", "withdrawal_method", "jurisdiction", "chosen_by", "purposes"):
        assert words.receipt_fields[field] in receipt
    assert '<code class="quiet">consent_timestamp</code>' in receipt, "beside the name in the standard"
    assert "<dt> <code" not in receipt, "every field has words"


def test_what_broke_on_a_visitor_s_page_is_told_in_their_language(world: World) -> None:
    assert WORDS["de"].error(503) == WORDS["de"].error(500) != WORDS["de"].error(400)
    assert "There is no such thing" not in world.browser().get("/privacy/x", headers={"Accept-Language": "de"}).text
    assert "Not Found" in world.browser().get("/admin/x", headers={"Accept-Language": "de"}).text, (
        "staff's are English"
    )


def test_rows_name_channel_and_device_as_visitors_do(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine", referrer="https://www.google.com/")
    world.settle()
    browser = world.browser()
    browser.post(f"{PAGE}/open", data={"visitor": visitor.visitor, "consent": visitor.receipt})
    german = browser.get(f"{PAGE}?lang=de").text
    assert "Google, Suchmaschine" in german
    assert "Organic Search" not in german
    assert "Computer" in german


def test_the_visitor_s_page_offers_every_language_by_its_own_name(world: World) -> None:
    text = world.browser().get(PAGE).get_data(as_text=True)
    for one in LANGUAGES.values():
        assert f'lang="{one.tag}" hreflang="{one.tag}" dir="{one.direction}"' in text
        assert f">{one.name}</a>" in text


def test_staff_see_the_notices_listed_by_the_names_of_their_languages(world: World) -> None:
    page = world.staff("owner").get("/admin/sites/example.org/notices").get_data(as_text=True)
    named = r'<th [^>]*lang="(\w+)"><bdi>([^<]+)</bdi></th><td[^>]*>([^<]+)</td>'
    rows = re.findall(named + r"<td[^>]*><time[^>]*>([^<]+)</time></td>", page)
    listed = sorted(LANGUAGES.values(), key=lambda one: one.english)
    assert rows == [(one.tag, one.name, one.english, "2026-11-23 10:30") for one in listed]
