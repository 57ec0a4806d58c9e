"""Who is not counted: by signals of the browser, and staff."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.snippet.visit import Visit
from tests.support.server import WebmonServer, wait_until
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]


@pytest.mark.parametrize(
    ("domain", "signal", "sends"),
    [
        ("localhost", "globalPrivacyControl', {get: () => true}", False),
        ("localhost", "doNotTrack', {get: () => '1'}", True),
        ("dnt.example", "doNotTrack', {get: () => '1'}", False),
        ("dnt.example", "doNotTrack', {get: () => 'unspecified'}", True),
        ("dnt.example", "globalPrivacyControl', {get: () => false}", True),
    ],
)
def test_signals_of_the_browser_are_honoured_as_the_site_says(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer, domain: str, signal: str, sends: bool
) -> None:
    site.pages["/"] = page(webmon.url, site=domain)
    one = visit()
    one.page.add_init_script(f"Object.defineProperty(Navigator.prototype, '{signal})")
    one.page.goto(f"{site.url}/")
    one.page.wait_for_function("window.webmon?.consent")
    assert one.page.evaluate("webmon.track('Mark')") is sends
    assert len(one.hits()) == (2 if sends else 0)


def test_staff_leave_themselves_out_and_come_back_by_the_address_alone(
    visit: Callable[..., Visit], site: Website
) -> None:
    one = visit()
    one.page.goto(f"{site.url}/#webmon-ignore")
    one.page.wait_for_function("window.webmon?.consent")
    assert one.cookies() == {"webmon_ignore": "1"}
    one.page.goto(f"{site.url}/b")
    expect(one.page.locator("[data-webmon=staff]")).to_have_count(0)
    one.page.wait_for_function("window.webmon?.consent")
    assert one.page.evaluate("webmon.track('Mark')") is False
    assert one.hits() == []
    # On a page that is open already, too.
    one.page.evaluate("location.hash = 'webmon-count'")
    wait_until(lambda: one.settled() and one.cookies() == {}, 10, "the mark is gone")
    one.page.goto(f"{site.url}/")
    one.wait_for("pageview")


@pytest.mark.parametrize(
    ("locale", "out", "undo", "back"),
    [
        ("en-GB", "This browser is no longer counted", "Count it again", "is counted on this website again"),
        (
            "de-AT",
            "wird auf dieser Website nicht mehr gezählt",
            "Wieder zählen",
            "wird auf dieser Website wieder gezählt",
        ),
        ("fr-FR", "This browser is no longer counted", "Count it again", "is counted on this website again"),
    ],
)
def test_the_page_says_that_staff_are_left_out_and_how_to_undo_it(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer, locale: str, out: str, undo: str, back: str
) -> None:
    site.pages["/"] = page(webmon.url, "<style>* { color: red !important }</style>", site="asks.example")
    one = visit(locale=locale, color_scheme="dark")
    one.page.goto(f"{site.url}/#webmon-ignore")
    said = one.page.get_by_role("status")
    expect(said).to_contain_text(out)
    expect(said).to_contain_text("#webmon-count")
    # The question beside it can be reached all the same.
    one.page.locator("[data-webmon=reject]").click()
    box = one.page.locator("[data-webmon=staff]")
    assert box.evaluate("one => getComputedStyle(one).backgroundColor") != "rgb(255, 255, 255)"
    one.page.get_by_role("button", name=undo).press("Enter")
    expect(said).to_contain_text(back)
    assert one.cookies().keys() == {"webmon_consent"}
    box.get_by_role("button").click()
    expect(box).to_have_count(0)
    # Undone for good: the address does not leave it out again.
    one.page.reload()
    expect(said).to_contain_text(back)
    assert one.cookies().keys() == {"webmon_consent"}


def test_staff_whose_browser_keeps_no_cookie_are_not_told_that_they_are_left_out(
    visit: Callable[..., Visit], site: Website
) -> None:
    one = visit()
    one.page.add_init_script("Object.defineProperty(Document.prototype, 'cookie', {get: () => '', set() {}})")
    one.page.goto(f"{site.url}/#webmon-ignore")
    expect(one.page.get_by_role("status")).to_contain_text("cannot be left out")
    expect(one.page.locator("[data-webmon=staff] button")).to_have_count(1)


def test_the_mark_is_set_by_nothing_else(visit: Callable[..., Visit], site: Website, webmon: WebmonServer) -> None:
    one = visit()
    for ending in ("", "#webmon-ignored", "#x-webmon-ignore", "?webmon-ignore"):
        one.page.goto(f"{site.url}/{ending}")
        one.page.wait_for_function("window.webmon?.consent")
        one.marked()
    assert one.cookies() == {}
