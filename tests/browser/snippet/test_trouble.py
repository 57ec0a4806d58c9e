"""When something goes wrong: webmon, the page, the way between them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.snippet.visit import ALL, Visit
from tests.support.server import WebmonServer, wait_until
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]


def test_a_hit_is_sent_a_second_time_and_no_more_and_counts_once(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer, key: str
) -> None:
    site.pages["/lost-answer"] = page(webmon.url)
    one = visit()
    tries: list[str] = []

    def lose_the_answer(route: Route) -> None:
        tries.append(json.loads(route.request.post_data or "")["event_id"])
        if len(tries) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    one.context.route("**/api/event", lose_the_answer)
    one.page.goto(f"{site.url}/lost-answer")
    wait_until(lambda: one.settled() and len(tries) == 2, 10, "it is sent again")
    assert tries[0] == tries[1]
    one.marked()

    def counted() -> list[int]:
        found = webmon.query(
            key,
            site_id="localhost",
            metrics=["pageviews"],
            date_range="day",
            filters=[["is", "event:page", ["/lost-answer"]]],
        )
        return list(found["results"][0]["metrics"])

    wait_until(lambda: counted() == [1], 10, "it counts once", counted)


@pytest.mark.parametrize("status", [503, 500, 0])
def test_webmon_that_is_down_is_asked_twice_and_the_page_never_hears_of_it(
    visit: Callable[..., Visit], site: Website, status: int
) -> None:
    one = visit()
    tries: list[Route] = []

    def fail(route: Route) -> None:
        tries.append(route)
        if status:
            route.fulfill(status=status, body="")
        else:
            route.abort()

    one.context.route("**/api/event", fail)
    one.page.goto(f"{site.url}/")
    wait_until(lambda: one.settled() and len(tries) == 2, 10, "it is tried again")
    assert one.page.evaluate("webmon.track('Mark')") is False
    assert len(tries) == 4


HOSTILE = {
    "history is frozen": "Object.freeze(history)",
    "history cannot be changed": "for (const name of ['pushState', 'replaceState'])"
    " Object.defineProperty(history, name, {value: History.prototype[name], writable: false})",
    "no crypto": "Object.defineProperty(window, 'crypto', {value: undefined})",
    "cookies are forbidden": "Object.defineProperty(Document.prototype, 'cookie',"
    " {get() { throw new Error('no') }, set() { throw new Error('no') }})",
    "no network": "window.fetch = () => { throw new Error('no') }",
    "listeners are refused": "const own = window.addEventListener; window.addEventListener = (type, ...more) =>"
    " { if (/scroll|blur|state|page/.test(type)) throw new Error('no'); own.call(window, type, ...more) }",
    "no focus": "Document.prototype.hasFocus = () => { throw new Error('no') }",
    "closest is gone": "Element.prototype.closest = Element.prototype.matches = undefined",
    "a webmon of the page's own": "window.webmon = 5",
    "a choice that is none": "document.cookie = 'webmon_consent=1~~; path=/'",
}


@pytest.mark.parametrize("deed", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_page_breaks_webmon_so_that_it_breaks_the_page(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer, deed: str
) -> None:
    own = "<script>window.onload = () => { window.done = true }</script><a href='#x'>Link</a>"
    site.pages["/"] = page(webmon.url, own, extra=ALL)
    one = visit()
    one.page.add_init_script(
        "window.heard = []; for (const type of ['error', 'unhandledrejection'])"
        " addEventListener(type, event => heard.push(String(event.reason || event.message)));" + deed
    )
    with one.page.expect_response("**/w.js"):
        one.page.goto(f"{site.url}/")
    one.page.wait_for_function("window.done")
    one.page.evaluate("history.pushState({}, '', '/next')")
    one.page.get_by_text("Link").click()
    one.page.evaluate("dispatchEvent(new Event('blur')); dispatchEvent(new Event('scroll'))")
    one.page.evaluate("window.webmon?.consent && [webmon('event', 'x'), webmon('login'), webmon.consent.get()]")
    one.settled()
    assert one.page.evaluate("location.pathname + location.hash") == "/next#x"
    assert one.page.evaluate("heard") == []


def test_under_a_strict_policy_with_trusted_types_everything_works(
    visit: Callable[..., Visit], webmon: WebmonServer
) -> None:
    policy = (
        f"default-src 'none'; script-src {webmon.url}; connect-src {webmon.url}; "
        "require-trusted-types-for 'script'; trusted-types webmon-gate"
    )
    site = Website({"/": page(webmon.url, site="until.example", extra=ALL)}, {"Content-Security-Policy": policy})
    try:
        one = visit()
        said: list[str] = []
        one.page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        one.page.goto(f"{site.url}/")
        expect(one.page.locator("[data-webmon=banner]")).to_be_visible()
        one.wait_for("pageview")
        assert one.loaded() == ["banner", "more", "prepare", "w"]
        assert said == []
    finally:
        site.close()


def test_what_a_proxy_of_one_s_own_passes_on_is_asked_of_it(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, extra=f'data-api="/stats/" {ALL}')
    one = visit()

    def proxy(route: Route) -> None:
        path = route.request.url.removeprefix(f"{site.url}/stats")
        route.fulfill(response=route.fetch(url=webmon.url + path))

    one.context.route(f"{site.url}/stats/**", proxy)
    with one.page.expect_response(f"{site.url}/stats/api/event") as answer:
        one.page.goto(f"{site.url}/")
    assert answer.value.status == 202
    assert answer.value.request.all_headers().get("cookie") is None
    one.context.unroute_all(behavior="ignoreErrors")  # what is on its way still may end with the browser
