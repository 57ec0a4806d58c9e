"""What w.js tells of pages: views however the address changes, time and depth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.snippet.visit import ALL, LONG, Visit, paths
from tests.support.need_chromium import find_chromium
from tests.support.server import BROWSER, WebmonServer, request, wait_until
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]


# Page views and routing


def test_page_views_follow_the_address_however_the_page_changes_it(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer, key: str
) -> None:
    one = visit()
    one.page.goto(f"{site.url}/")
    one.wait_for("pageview")
    for step, count in (
        ("history.pushState({}, '', '/step')", 2),
        ("history.replaceState({}, '', '/step')", 2),
        ("history.replaceState({}, '', '/other?x=1')", 3),
        ("location.hash = 'part'", 3),
        ("history.back()", 3),
        ("history.back()", 4),
    ):
        one.page.evaluate(step)
        one.wait_for("pageview", count)
    views = one.wait_for("pageview", 4)
    assert paths(site, views) == ["/", "/step", "/other?x=1", "/"]
    assert [view["referrer"].removeprefix(site.url) for view in views] == ["", "/", "/step", "/other?x=1"]
    assert len({view["event_id"] for view in views}) == 4
    assert not any({"visitor", "visit", "consent"} & view.keys() for view in views)
    assert one.cookies() == {}

    def counted() -> dict[str, int]:
        found = webmon.query(
            key, site_id="localhost", metrics=["pageviews"], date_range="day", dimensions=["event:page"]
        )
        return {row["dimensions"][0]: row["metrics"][0] for row in found["results"]}

    wait_until(lambda: counted().get("/step", 0) >= 1 and counted().get("/other", 0) >= 1, 10, "they are counted")


def test_with_data_hash_the_part_after_it_is_a_page_of_its_own(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, extra="data-hash")
    one = visit()
    one.page.goto(f"{site.url}/#/a")
    one.wait_for("pageview")
    one.page.evaluate("location.hash = '/b'")
    assert paths(site, one.wait_for("pageview", 2)) == ["/#/a", "/#/b"]


def test_by_hand_nothing_is_counted_but_what_the_page_says(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, extra="data-manual")
    one = visit()
    one.page.goto(f"{site.url}/")
    one.page.wait_for_function("window.webmon?.consent")
    one.page.evaluate("history.pushState({}, '', '/app')")
    assert one.marked() == []
    one.page.evaluate("webmon('pageview')")
    assert paths(site, one.wait_for("pageview")) == ["/app"]


def test_paths_can_be_left_out(visit: Callable[..., Visit], site: Website, webmon: WebmonServer) -> None:
    for path in ("/", "/in/x", "/a.b", "/axb", "/b"):
        site.pages[path] = page(webmon.url, extra='data-exclude="/in/*, /a.b ,/nowhere"')
    one = visit()
    for path in ("/in/x", "/a.b"):
        one.page.goto(site.url + path)
        one.page.wait_for_function("window.webmon?.consent")
        assert one.page.evaluate("webmon.track('Mark')") is False
    assert one.hits() == []
    for path in ("/", "/axb", "/b"):
        one.page.goto(site.url + path)
        one.page.wait_for_function("window.webmon?.consent")
    assert paths(site, one.wait_for("pageview", 3)) == ["/", "/axb", "/b"]


def test_a_page_that_no_site_is_known_for_sends_nothing(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, site="nobody.example", extra=ALL)
    one = visit()
    with one.page.expect_response("**/api/settings/nobody.example") as answer:
        one.page.goto(f"{site.url}/")
    assert answer.value.status == 400
    assert one.loaded() == ["prepare", "w"]
    assert one.hits() == []


def test_a_prerendered_page_counts_when_it_is_shown(visit: Callable[..., Visit], site: Website) -> None:
    one = visit()
    one.page.add_init_script(
        "let hidden = true; Object.defineProperty(Document.prototype, 'prerendering', {get: () => hidden});"
        "window.activate = () => { hidden = false; document.dispatchEvent(new Event('prerenderingchange')); }"
    )
    one.page.goto(f"{site.url}/")
    assert one.loaded() == ["w"]
    assert one.hits() == []
    one.page.evaluate("activate()")
    one.wait_for("pageview")


def test_a_page_out_of_the_browser_s_memory_counts_again(visit: Callable[..., Visit], site: Website) -> None:
    one = visit()
    one.page.goto(f"{site.url}/")
    one.wait_for("pageview")
    one.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))")
    one.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    one.marked()
    one.wait_for("pageview", 2)


def test_the_class_of_the_screen_s_width_is_among_the_figures(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    key = webmon.last_line("key", "add", "--site", "asks.example", "--scope", "stats")
    site.pages["/wide"] = page(webmon.url, site="asks.example")
    for width in (390, 800, 1200, 1600):
        one = visit(viewport={"width": width, "height": 700})
        one.page.goto(f"{site.url}/wide")
        one.page.locator("[data-webmon=accept]").click()
        assert [view["w"] for view in one.wait_for("pageview")] == [width]

    def screens() -> set[str]:
        wide = [["is", "event:page", ["/wide"]]]
        asked = {"metrics": ["pageviews"], "date_range": "day", "dimensions": ["visit:screen"], "filters": wide}
        return {row["dimensions"][0] for row in webmon.query(key, site_id="asks.example", **asked)["results"]}

    wait_until(lambda: screens() == {"Mobile", "Tablet", "Laptop", "Desktop"}, 10, "all classes", screens)


def test_going_back_to_a_page_that_the_browser_kept_counts_it_again(
    browser: Browser, site: Website, webmon: WebmonServer
) -> None:
    # By default pages under test are not kept.
    own = browser.browser_type.launch(
        executable_path=find_chromium(), args=["--no-sandbox"], ignore_default_args=["--disable-back-forward-cache"]
    )
    try:
        site.pages["/"] = page(webmon.url, '<a href="/b">Next</a>')
        one = Visit(own, webmon)
        one.page.goto(f"{site.url}/")
        one.wait_for("pageview")
        one.page.evaluate("addEventListener('pageshow', event => { window.kept = event.persisted })")
        one.page.get_by_role("link", name="Next").click()
        expect(one.page.get_by_role("heading", name="B")).to_be_visible()
        one.wait_for("pageview", 2)
        one.page.evaluate("void setTimeout(() => history.back())")
        expect(one.page.get_by_role("heading", name="Home")).to_be_visible()
        views = one.wait_for("pageview", 3)
        assert one.page.evaluate("window.kept") is True
        assert paths(site, views) == ["/", "/b", "/"]
        assert one.errors == []
    finally:
        own.close()


# Time and depth


def test_time_in_view_and_depth_are_told_when_the_page_loses_the_visitor(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, "<input><input>" + LONG)
    one = visit()
    one.page.clock.install()
    one.page.goto(f"{site.url}/")
    one.wait_for("pageview")
    one.page.clock.run_for(4000)
    # From field to field within the page is no farewell.
    for field in one.page.locator("input").all():
        field.focus()
    assert [hit["name"] for hit in one.marked()] == ["pageview"]
    one.page.evaluate("scrollTo(0, 2000)")
    wait_until(lambda: one.page.evaluate("scrollY") == 2000, 5, "scrolled")
    one.page.evaluate("new Promise(done => { addEventListener('scroll', done); scrollTo(0, 2001) })")
    one.page.evaluate("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")
    (told,) = one.wait_for("engagement")
    assert 4000 <= told["e"] < 9000
    assert 40 <= told["sd"] <= 65
    assert told["url"] == f"{site.url}/"
    # What passes out of focus is not counted, and nothing is told twice.
    one.page.clock.run_for(60_000)
    one.page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    one.page.clock.run_for(2000)
    one.page.evaluate("history.pushState({}, '', '/next')")
    told = one.wait_for("engagement", 2)[1]
    assert 2000 <= told["e"] < 9000
    assert told["url"] == f"{site.url}/"


def test_the_time_of_a_closed_tab_is_not_lost(
    visit: Callable[..., Visit], site: Website, browser: Browser, tmp_path: Path
) -> None:
    token = "a token for the figures of this test"
    server = WebmonServer(tmp_path / "data", WEBMON_METRICS_TOKEN=token)
    server.run("site", "add", "localhost", "--mode", "cookieless_always")
    server.start()
    # What is sent while a tab closes names the browser itself, whatever its pages are told.
    own = browser.browser_type.launch(
        executable_path=find_chromium(), args=["--no-sandbox", f"--user-agent={BROWSER}"]
    )
    try:
        site.pages["/"] = page(server.url, extra='data-track="vitals"')
        one = Visit(own, server)
        other = one.context.new_page()
        one.page.clock.install()
        one.page.goto(f"{site.url}/")
        one.wait_for("pageview")
        wait_until(lambda: "vitals" in one.loaded(), 10, "all is asked for")
        # And has run: whoever asks for a module later has it later.
        vitals = next(asked.url for asked in one.asked if "/vitals." in asked.url)
        one.page.evaluate("url => import(url).then(() => true)", vitals)
        one.page.clock.run_for(7000)
        one.page.close(run_before_unload=True)

        def stored() -> bool:
            other.evaluate("1")  # the browser goes on
            figures = request("GET", f"{server.url}/metrics", headers={"Authorization": f"Bearer {token}"})
            return 'outcome="stored"} 3.0' in figures.body.decode()

        wait_until(stored, 30, "page view, time and vitals are stored")
    finally:
        own.close()
        assert server.stop() == 0
