"""The banner and what waits for it, on the demo website."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("demo")]
Person = Callable[..., BrowserContext]


def opened(demo: Demo, context: BrowserContext, path: str = "") -> Page:
    page = context.new_page()
    page.goto(demo.address("Demo website") + path)
    expect(page.locator("[data-webmon=banner]")).to_be_visible()
    return page


def look(page: Page, hook: str) -> dict[str, Any]:
    """Size and colours of a control, as painted."""
    found: dict[str, Any] = page.locator(f"[data-webmon={hook}]").evaluate(
        """one => { const s = getComputedStyle(one), r = one.getBoundingClientRect();
        return {width: Math.round(r.width), height: Math.round(r.height), color: s.color, weight: s.fontWeight,
                background: s.backgroundColor, size: s.fontSize, border: s.border}; }"""
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_three_answers_are_of_equal_weight(demo: Demo, person: Person, scheme: str) -> None:
    page = opened(demo, person(color_scheme=scheme))
    looks = [look(page, hook) for hook in ("reject", "accept", "choose")]
    assert looks[0] == looks[1] == looks[2]
    assert looks[0]["height"] >= 24


@pytest.mark.parametrize(
    ("locale", "word"),
    [
        ("de-DE", "Alle ablehnen"),
        ("nn-NO", "Avvis alle"),
        ("zh-TW", "全部拒绝"),
        ("ar-EG", "رفض الكل"),
        ("is-IS", "Reject all"),
    ],
)
def test_it_asks_in_the_visitor_s_language(demo: Demo, person: Person, locale: str, word: str) -> None:
    page = opened(demo, person(locale=locale))
    expect(page.locator("[data-webmon=reject]")).to_have_text(word)


def test_it_can_be_answered_by_keyboard_and_escape_never_consents(demo: Demo, person: Person) -> None:
    context = person()
    page = opened(demo, context)
    page.locator("[data-webmon=choose]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-webmon=preferences]")).to_be_visible()
    boxes = page.locator("[data-webmon=preferences] input[type=checkbox]:not(:disabled)")
    assert [boxes.nth(index).is_checked() for index in range(boxes.count())] == [False] * boxes.count()
    page.keyboard.press("Escape")
    expect(page.locator("[data-webmon=preferences]")).to_have_count(0)
    expect(page.locator("[data-webmon=banner]")).to_be_visible()
    assert [one for one in context.cookies("http://localhost") if one.get("name", "").startswith("webmon")] == []


def test_a_choice_of_some_purposes_holds_and_is_shown_again(demo: Demo, person: Person) -> None:
    context = person()
    page = opened(demo, context)
    page.locator("[data-webmon=choose]").click()
    page.get_by_label("Measurement").check()
    page.locator("[data-webmon=save]").click()
    expect(page.locator("[data-webmon=preferences]")).to_have_count(0)
    assert page.evaluate("webmon.consent.get().analytics") is True
    assert page.evaluate("webmon.consent.get().marketing") is False
    page.reload()
    expect(page.locator("[data-webmon=banner]")).to_have_count(0)
    page.get_by_role("button", name="Privacy choices").click()
    expect(page.get_by_label("Measurement")).to_be_checked()
    expect(page.get_by_label("Marketing and embedded media")).not_to_be_checked()


def test_embedded_media_wait_for_consent_and_then_load(demo: Demo, person: Person) -> None:
    context = person()
    asked: list[str] = []
    context.on("request", lambda one: asked.append(one.url))
    page = opened(demo, context, "video")
    expect(page.get_by_role("button", name="Load once")).to_be_visible()
    expect(page.locator("iframe.film")).to_be_hidden()
    assert not [url for url in asked if "/embed/film" in url]
    page.locator("[data-webmon=accept]").click()
    expect(page.locator("iframe.film")).to_be_visible()
    expect(page.frame_locator("iframe.film").get_by_role("img")).to_be_visible()


def test_who_has_chosen_downloads_no_banner(demo: Demo, person: Person) -> None:
    context = person()
    page = opened(demo, context)
    page.locator("[data-webmon=reject]").click()
    expect(page.locator("[data-webmon=banner]")).to_have_count(0)
    asked: list[str] = []
    context.on("request", lambda one: asked.append(one.url) if f":{demo.port}/" in one.url else None)
    page.goto(demo.address("Demo website") + "services")
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    assert [url.rpartition("/")[2] for url in asked] in ([], ["w.js"])


def test_without_webmon_the_website_works_all_the_same(demo: Demo, browser: Browser) -> None:
    context = browser.new_context()
    context.route(f"**:{demo.port}/**", lambda route: route.fulfill(status=503, body=""))
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(demo.address("Demo website") + "guide")
    page.get_by_role("link", name="Afterwards").click()
    expect(page.get_by_role("heading", name="Afterwards")).to_be_visible()
    assert errors == []
    context.close()


def test_the_preference_page_works_without_javascript(demo: Demo, person: Person) -> None:
    context = person(java_script_enabled=False)
    page = context.new_page()
    page.goto(demo.address("Preference page"))
    expect(page.get_by_role("heading", name="Your privacy on localhost")).to_be_visible()
    page.locator(".languages summary").click()
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", name="Ihre Privatsphäre auf localhost")).to_be_visible()
    assert context.cookies() == []
