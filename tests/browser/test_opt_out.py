"""Where nobody is asked: an opt-out in one press, a signal that is shown as honoured, a notice without a question."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.browser.test_consent import faults
from tests.support.server import WebmonServer, request
from tests.support.settled import settle
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("opt-out")]
Person = Callable[..., BrowserContext]
SITES = {
    "sells.example": "opt_out",
    "tells.example": "notice_only",
    "counts.example": "exempt",
    "far.example": "by_place",
}
OWN = '<footer><a href="/privacy" data-webmon-show="opt-out">Do not sell my information</a></footer>'
SIGNAL = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"
WORDS = "Do not sell or share my personal information"
DONE = "You have objected. Nothing is counted from this browser."


@pytest.fixture(scope="module")
def webmon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path_factory.mktemp("opt-out") / "data")
    for domain, policy in SITES.items():
        server.run("site", "add", domain, "--policy", policy, "--mode", "cookieless_until_consent")
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def visit(webmon: WebmonServer) -> Iterator[Callable[..., Page]]:
    """Opens a page of a site that has a link to another one of it."""
    made: list[Website] = []

    def open_page(context: BrowserContext, site: str, body: str = "") -> Page:
        pages = {path: page(webmon.url, f'{body}<a href="/b">On</a>', site=site) for path in ("/", "/b")}
        made.append(Website(pages))
        opened = context.new_page()
        opened.goto(f"{made[-1].url}/")
        opened.wait_for_function("window.webmon?.consent")
        return opened

    yield open_page
    for website in made:
        website.close()


def told(opened: Page, act: Callable[[], None]) -> tuple[dict[str, Any], int]:
    """Do something that is an answer; return what webmon is told, and how it answers: 200 counted, 201 recorded."""
    with opened.expect_response(lambda one: one.url.endswith("/api/consent")) as answer:
        act()
    sent: dict[str, Any] = json.loads(answer.value.request.post_data or "")
    return sent, answer.value.status


def loaded_again(opened: Page) -> list[str]:
    """Load the page again; return the files of webmon that it asks for, and what it asks of it."""
    asked: list[str] = []

    def hear(request: Request) -> None:
        if request.is_navigation_request():
            asked.clear()  # what the page before was still asking for is not meant
        asked.append(request.url.rpartition("/")[2].partition(".")[0].partition("?")[0])

    opened.on("request", hear)
    opened.reload()
    opened.wait_for_function("window.webmon?.consent")
    settle(opened)
    opened.remove_listener("request", hear)
    return [name for name in asked if name in {"banner", "policy", "notice"}]


def test_an_opt_out_is_one_press_and_shown_as_honoured(person: Person, visit: Callable[..., Page]) -> None:
    context = person()
    opened = visit(context, "sells.example")
    control = opened.get_by_role("button", name=WORDS)
    expect(control).to_be_visible()
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
    expect(opened.locator("[data-webmon=gpc]")).to_have_count(0)
    assert context.cookies() == []
    sent, answer = told(opened, control.click)
    assert (sent["action"], set(sent["decisions"].values()), answer) == ("opt_out", {False}, 200)
    box = opened.locator("[data-webmon=notice]")
    expect(box).to_contain_text(DONE)
    expect(box).to_be_focused()
    assert opened.evaluate("webmon.consent.get().analytics") is False
    opened.keyboard.press("Enter")
    expect(box).to_have_count(0)
    # Who has chosen is shown nothing more, and downloads nothing for it.
    assert loaded_again(opened) == []
    expect(box).to_have_count(0)


def test_the_control_stays_on_every_page_until_there_is_a_choice(person: Person, visit: Callable[..., Page]) -> None:
    opened = visit(person(), "sells.example")
    box = opened.locator("[data-webmon=notice]")
    expect(box).to_be_visible()
    opened.get_by_role("link", name="On").focus()
    opened.keyboard.press("Tab")
    expect(box).to_be_focused()
    opened.get_by_role("link", name="On").click()
    expect(box).to_be_visible()
    # The choices lead to the preferences, and closing those decides nothing.
    box.locator("[data-webmon=choose]").click()
    expect(opened.locator("[data-webmon=preferences]")).to_be_focused()
    opened.keyboard.press("Escape")
    expect(box).to_be_focused()
    box.locator("[data-webmon=choose]").click()
    opened.get_by_label("Measurement").check()
    told(opened, opened.locator("[data-webmon=save]").click)
    expect(opened.locator(".webmon")).to_have_count(0)


def test_a_website_s_own_control_takes_the_place_of_webmon_s(
    person: Person, visit: Callable[..., Page], webmon: WebmonServer
) -> None:
    opened = visit(person(), "sells.example", OWN)
    link = opened.get_by_role("link", name="Do not sell my information")
    with opened.expect_response("**/api/policy?*"):
        opened.reload()
    expect(opened.locator(".webmon")).to_have_count(0)
    opened.evaluate("webmon.consent.show()")
    told(opened, opened.locator("[data-webmon=accept]").click)
    opened.wait_for_function("webmon.consent.get().receipt")
    receipt = opened.evaluate("webmon.consent.get().receipt")
    # A returning visitor loads nothing for it until it is pressed; then one press ends what was granted.
    assert loaded_again(opened) == []
    sent, answer = told(opened, link.click)
    assert (sent["action"], sent["previous"], answer) == ("opt_out", receipt, 201)
    held = json.loads(request("GET", f"{webmon.url}/api/consent/{receipt}?site=sells.example").body)
    assert (held["superseded"], set(held["decisions"].values())) == (True, {False})
    expect(opened.locator("[data-webmon=notice]")).to_contain_text(DONE)
    opened.locator("[data-webmon=close]").click()
    expect(link).to_be_focused()
    assert opened.url.endswith("/"), "the link is not followed"
    assert {one.get("name") for one in opened.context.cookies()} == {"webmon_consent"}


@pytest.mark.parametrize("body", ["", OWN], ids=["webmon's control", "the website's"])
def test_the_signal_is_shown_as_honoured_and_is_no_choice(
    person: Person, visit: Callable[..., Page], body: str
) -> None:
    context = person()
    context.add_init_script(SIGNAL)
    opened = visit(context, "sells.example", body)
    said = opened.locator("[data-webmon=notice] [data-webmon=gpc]")
    expect(said).to_contain_text("We honour it")
    assert context.cookies() == []
    opened.locator("[data-webmon=choose]").click()
    opened.locator("[data-webmon=accept]").click()
    opened.wait_for_function("webmon.consent.get().analytics === true")  # what they say themselves outweighs it


def test_a_notice_asks_nothing_and_comes_where_a_visit_begins(person: Person, visit: Callable[..., Page]) -> None:
    context = person()
    opened = visit(context, "tells.example")
    box = opened.locator("[data-webmon=notice]")
    expect(box).to_contain_text("This website counts visits. You may change your choice at any time.")
    expect(box).not_to_contain_text("consent")
    assert [one.get_attribute("data-webmon") for one in box.get_by_role("button").all()] == ["choose", "close"]
    asked: list[str] = []
    opened.on("request", lambda one: asked.append(one.url))
    with opened.expect_response("**/api/policy?*"):
        opened.get_by_role("link", name="On").click()
    settle(opened)
    assert not [url for url in asked if "notice" in url], "what would be said is asked for first"
    expect(box).to_have_count(0)
    assert context.cookies() == []


def test_who_objects_to_exempt_measurement_is_not_counted(person: Person, visit: Callable[..., Page]) -> None:
    opened = visit(person(), "counts.example")
    box = opened.locator("[data-webmon=notice]")
    expect(box).to_contain_text("We count visits without cookies")
    assert opened.evaluate("webmon.track('Before')") is True
    sent, _ = told(opened, box.get_by_role("button", name="Object").click)
    assert sent["action"] == "opt_out"
    assert opened.evaluate("webmon.track('After')") is False


def test_who_is_nowhere_known_is_asked(person: Person, visit: Callable[..., Page]) -> None:
    opened = visit(person(), "far.example")
    expect(opened.locator("[data-webmon=banner]")).to_be_visible()
    opened.locator("[data-webmon=choose]").click()
    opened.keyboard.press("Escape")
    expect(opened.locator("[data-webmon=banner]")).to_be_focused()


def test_where_the_place_cannot_be_asked_for_everybody_is_asked(browser: Browser, visit: Callable[..., Page]) -> None:
    context = browser.new_context(locale="en-GB")
    context.route(
        "**/api/policy?*", lambda route: route.fulfill(status=503, headers={"Access-Control-Allow-Origin": "*"})
    )
    opened = visit(context, "sells.example")
    expect(opened.locator("[data-webmon=banner]")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("locale", "words"), [("en-GB", WORDS), ("ar-EG", "عدم بيع بياناتي الشخصية")])
def test_anybody_can_use_it(person: Person, visit: Callable[..., Page], scheme: str, locale: str, words: str) -> None:
    opened = visit(person(color_scheme=scheme, reduced_motion="reduce", locale=locale), "sells.example")
    box = opened.locator("[data-webmon=notice]")
    expect(box).to_contain_text(words)
    assert faults(opened) == []
    small = box.locator("button").evaluate_all("all => all.filter(one => one.getBoundingClientRect().height < 24)")
    assert small == []
