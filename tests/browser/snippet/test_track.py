"""What data-track turns on, and nothing besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.snippet.visit import ALL, Visit
from tests.support.server import WebmonServer, wait_until
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]


def test_nothing_more_is_loaded_than_a_page_asks_for_and_may_send(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    one = visit()
    one.page.goto(f"{site.url}/")
    one.marked()
    assert one.loaded() == ["w"]
    site.pages["/"] = page(f"{webmon.url}", site="asks.example", extra=ALL)
    other = visit()
    other.page.goto(f"{site.url}/")
    expect(other.page.locator("[data-webmon=banner]")).to_be_visible()
    assert other.loaded() == ["banner", "prepare", "w"]
    other.page.locator("[data-webmon=reject]").click()
    expect(other.page.locator("[data-webmon=banner]")).to_have_count(0)
    assert "more" not in other.loaded()


@pytest.fixture
def tracked(visit: Callable[..., Visit], site: Website, webmon: WebmonServer) -> Callable[..., Visit]:
    def make(body: str, words: str = ALL, path: str = "/", **options: Any) -> Visit:
        site.pages[path] = page(webmon.url, body, extra=words)
        one = visit(**options)
        one.page.goto(site.url + path)
        one.wait_for("pageview")
        wait_until(lambda: "more" in one.loaded(), 10, "the file is loaded")
        # The file begins to listen once it has run: a click on nothing waits for that.
        one.page.evaluate("url => import(url)", next(asked.url for asked in one.asked if "/more." in asked.url))
        return one

    return make


@pytest.fixture
def elsewhere() -> Iterator[Website]:
    made = Website({"/there": "<!doctype html><title>There</title>There"})
    made.url = made.url.replace("localhost", "127.0.0.1")
    yield made
    made.close()


@pytest.mark.parametrize(
    "how", [{}, {"modifiers": ["Control"]}, {"button": "middle"}], ids=["left", "new tab", "middle"]
)
def test_links_to_other_websites_are_counted_and_carry_nothing(
    tracked: Callable[..., Visit], site: Website, elsewhere: Website, how: dict[str, Any]
) -> None:
    one = tracked(f'<a href="{elsewhere.url}/there?token=secret#part"><b>Out</b></a>')
    one.page.get_by_text("Out").click(**how)
    (hit,) = one.wait_for("Outbound Link: Click")
    assert hit["props"] == {"url": f"{elsewhere.url}/there"}
    wait_until(lambda: one.settled() and elsewhere.asked, 10, "the link is followed")
    address, headers = elsewhere.asked[0]
    assert address == "/there?token=secret"
    assert "cookie" not in headers
    assert headers.get("referer", "") in {"", f"{site.url}/"}


def test_a_link_is_never_held_up(tracked: Callable[..., Visit], elsewhere: Website) -> None:
    one = tracked(f'<a href="{elsewhere.url}/there">Out</a>')
    one.context.route("**/api/event", lambda route: None)  # never answered
    one.page.get_by_text("Out").click()
    one.page.wait_for_url("**/there")


def test_the_right_button_and_links_within_the_website_count_for_nothing(
    tracked: Callable[..., Visit], elsewhere: Website
) -> None:
    body = f'<a href="{elsewhere.url}/there">Out</a> <a href="/b">In</a> <a href="mailto:a@b.example">Mail</a>'
    one = tracked(body)
    one.page.evaluate("document.querySelectorAll('a').forEach(a => a.onclick = event => event.preventDefault())")
    one.page.get_by_text("Out").click(button="right")
    one.page.get_by_text("In", exact=True).click()
    one.page.get_by_text("Mail").click()
    assert [hit["name"] for hit in one.marked()] == ["pageview"]


def test_downloads_are_counted_by_their_ending_or_by_their_attribute(
    tracked: Callable[..., Visit], site: Website
) -> None:
    body = '<a href="/f/scan.PDF?patient=7">Scan</a> <a href="/image" download>Image</a> <a href="/pdf">Page</a>'
    one = tracked(body)
    one.page.evaluate("document.querySelectorAll('a').forEach(a => a.onclick = event => event.preventDefault())")
    for text in ("Scan", "Image", "Page"):
        one.page.get_by_text(text).click()
    hits = [hit for hit in one.marked() if hit["name"] != "pageview"]
    assert {hit["name"] for hit in hits} == {"File Download"}
    assert [hit["props"] for hit in hits] == [{"url": f"{site.url}/f/scan.PDF"}, {"url": f"{site.url}/image"}]


def test_of_a_form_its_name_is_told_and_nothing_that_is_written(tracked: Callable[..., Visit]) -> None:
    body = (
        '<form name="appointment" onsubmit="return false"><input name="id" aria-label="Who" value="">'
        "<button>Send</button></form>"
    )
    one = tracked(body)
    one.page.get_by_label("Who").fill("Somebody Private")
    one.page.get_by_role("button").click()
    (hit,) = one.wait_for("Form: Submission")
    assert hit["props"] == {"path": "/", "form": "appointment"}
    one.marked()
    assert not [asked for asked in one.asked if "Private" in (asked.post_data or "") + asked.url]


def test_the_visitor_s_own_page_is_nothing_to_count(
    tracked: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    portal = f"{webmon.url}/privacy/localhost"
    body = (
        f'<a href="{portal}">Mine</a> <a href="/proxied/privacy/localhost" data-webmon-event="Held">Here</a>'
        f'<form action="{portal}/open" method="post"><input name="action"><button>Show</button></form>'
        f'<a href="{webmon.url}/p.gif" data-webmon-event="Other">Other</a>'
    )
    one = tracked(body)
    one.page.evaluate("document.querySelectorAll('a, form').forEach(e => e.onclick = e.onsubmit = () => false)")
    one.page.get_by_text("Mine").click()
    one.page.get_by_text("Here").click()
    one.page.evaluate("document.querySelector('form').onclick = null")
    one.page.get_by_role("button").click()
    one.page.get_by_text("Other").click()
    assert sorted(hit["name"] for hit in one.marked()) == ["Other", "Outbound Link: Click", "pageview"]


def test_events_by_markup_with_their_properties(tracked: Callable[..., Visit]) -> None:
    body = (
        '<button data-webmon-event="Call" data-webmon-prop-place="top" data-webmon-prop-first-time="yes">'
        "<i>Ring</i></button>"
        '<form data-webmon-event="Ask" onsubmit="return false"><button>Ask</button><p>Text</p></form>'
        '<div id="host"></div>'
    )
    one = tracked(body)
    one.page.evaluate(
        "host.attachShadow({mode: 'open'}).innerHTML = '<button data-webmon-event=\"Within\">Within</button>'"
    )
    for text in ("Ring", "Text", "Ask", "Within"):
        one.page.get_by_text(text, exact=True).click()
    hits = [hit for hit in one.marked() if hit["name"] != "pageview"]
    assert [(hit["name"], hit["props"]) for hit in hits if hit["name"] != "Form: Submission"] == [
        ("Call", {"place": "top", "first-time": "yes"}),
        ("Ask", {}),
        ("Within", {}),
    ]


@pytest.mark.parametrize("marker", ['<meta name="webmon" content="404">', "<p data-webmon-404>Not here</p>"])
def test_a_page_that_does_not_exist_is_told_by_its_marker(tracked: Callable[..., Visit], marker: str) -> None:
    one = tracked(marker, path="/gone")
    (hit,) = one.wait_for("404")
    assert hit["props"] == {"path": "/gone"}
    # Routed in the browser: each marker that appears counts, one that stands there does not.
    one.page.evaluate("history.pushState({}, '', '/fine'); document.body.append('x')")
    one.page.evaluate("document.querySelector('[data-webmon-404], [name=webmon]').remove()")
    one.page.evaluate(f"history.pushState({{}}, '', '/lost'); document.body.innerHTML = '{marker}'")
    assert [found["props"]["path"] for found in one.wait_for("404", 2)] == ["/gone", "/lost"]


def test_only_what_is_asked_for_is_counted(tracked: Callable[..., Visit], elsewhere: Website) -> None:
    body = (
        f'<meta name="webmon" content="404"><a href="{elsewhere.url}/a.pdf" data-webmon-event="Out">Out</a>'
        '<form name="f" onsubmit="return false"><button>Send</button></form>'
    )
    one = tracked(body, 'data-track="downloads"')
    one.page.evaluate("void (document.querySelector('a').onclick = event => event.preventDefault())")
    one.page.get_by_text("Out").click()
    one.page.get_by_text("Send").click()
    assert [hit["name"] for hit in one.marked()] == ["pageview", "File Download"]


def test_web_vitals_are_told_once_when_the_page_goes(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    # What pressing it sets off keeps the page from painting for so long.
    busy = "const end = performance.now() + 120; while (performance.now() < end);"
    body = f'<p>Something to paint</p><button onclick="{busy}">Press</button>'
    site.pages["/"] = page(webmon.url, body, extra='data-track="vitals"')
    one = visit()
    with one.page.expect_response("**/vitals.*.js"):
        one.page.goto(f"{site.url}/")
    one.page.evaluate("url => import(url)", next(asked.url for asked in one.asked if "/vitals." in asked.url))
    one.page.get_by_role("button").click()
    one.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    hide = (
        "Object.defineProperty(Document.prototype, 'visibilityState', {get: () => 'hidden'});"
        "document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))"
    )
    one.page.evaluate(hide + ";" + hide.partition(";")[2])
    (hit,) = one.wait_for("Web Vitals")
    assert hit["props"].keys() == {"TTFB", "FCP", "LCP", "CLS", "INP"}
    assert 100 <= hit["props"]["INP"] < 5000
    assert all(isinstance(value, int | float) and value >= 0 for value in hit["props"].values())
    assert (hit["url"], hit["interactive"]) == (f"{site.url}/", False)
