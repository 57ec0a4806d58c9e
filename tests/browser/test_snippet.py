"""What w.js and the files beside it send, in a real browser, from a website of somebody else to a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.support.need_chromium import find_chromium
from tests.support.server import BROWSER, WebmonServer, request, wait_until
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]
ALL = 'data-track="outbound downloads forms 404 events"'
# The site `localhost` is told by where its pages are; the others by name, which takes one request more.
SITES = {
    "localhost": ["--mode", "cookieless_always"],
    "asks.example": [],
    "until.example": ["--mode", "cookieless_until_consent"],
    "dnt.example": ["--mode", "cookieless_always", "--dnt"],
}
LONG = '<div style="height:5000px">long</div>'


@pytest.fixture(scope="module")
def webmon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path_factory.mktemp("snippet") / "data")
    for domain, options in SITES.items():
        server.run("site", "add", domain, *options)
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def key(webmon: WebmonServer) -> str:
    return webmon.last_line("key", "add", "--site", "localhost", "--scope", "stats")


@pytest.fixture
def site(webmon: WebmonServer) -> Iterator[Website]:
    made = Website({"/": page(webmon.url), "/b": page(webmon.url, title="B")})
    yield made
    made.close()


class Visit:
    """A browser of its own, and what it asks of webmon. A page must never hear of an error."""

    def __init__(self, browser: Browser, webmon: WebmonServer, **options: Any) -> None:
        self.context = browser.new_context(user_agent=BROWSER, **options)
        self.webmon = webmon
        self.errors: list[str] = []
        self.asked: list[Request] = []
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.context.on("request", self._asks)
        self.page: Page = self.context.new_page()

    def _asks(self, asked: Request) -> None:
        if asked.url.startswith(self.webmon.url):
            self.asked.append(asked)

    def hits(self, name: str = "") -> list[dict[str, Any]]:
        found = [json.loads(one.post_data or "") for one in self.asked if one.url.endswith("/api/event")]
        return [hit for hit in found if name in {"", hit["name"]}]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Let the page run until it has sent that many."""
        wait_until(lambda: self.settled() and len(self.hits(name)) >= count, 10, f"{count} of {name}", self.hits)
        found = self.hits(name)
        assert len(found) == count, found
        return found

    def loaded(self) -> list[str]:
        self.settled()
        paths = [one.url.partition("?")[0] for one in self.asked]
        names = [path.rpartition("/")[2].partition(".")[0] for path in paths if path.endswith(".js")]
        return sorted(set(names))

    def settled(self) -> bool:
        self.page.evaluate("new Promise(done => setTimeout(done))")
        return True

    def marked(self) -> list[dict[str, Any]]:
        """Send an event of the page's own, and return all hits before it: nothing else is on its way then."""
        assert self.page.evaluate("webmon.track('Mark')") is True
        return self.hits()[:-1]

    def cookies(self) -> dict[str, str]:
        return {one.get("name", ""): one.get("value", "") for one in self.context.cookies("http://localhost")}


@pytest.fixture
def visit(browser: Browser, webmon: WebmonServer) -> Iterator[Callable[..., Visit]]:
    made: list[Visit] = []

    def make(**options: Any) -> Visit:
        made.append(Visit(browser, webmon, **options))
        return made[-1]

    yield make
    for one in made:
        one.context.close()
        assert one.errors == []


def paths(site: Website, hits: list[dict[str, Any]]) -> list[str]:
    return [hit["url"].removeprefix(site.url) for hit in hits]


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
        one.page.evaluate("webmon.track('Mark')")
        assert "w" not in one.wait_for("Mark")[0]

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

        wait_until(stored, 10, "page view, time and vitals are stored")
    finally:
        own.close()
        assert server.stop() == 0


# What a page calls


def test_calls_from_before_the_script_has_arrived_are_not_lost(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    stub = "<script>window.webmon = function () { (webmon.q = webmon.q || []).push(arguments) };"
    early = "webmon('event', 'Early', {props: {plan: 'pro'}, interactive: false});</script>"
    site.pages["/"] = page(webmon.url, stub + early)
    one = visit()
    one.page.goto(f"{site.url}/")
    (hit,) = one.wait_for("Early")
    assert (hit["props"], hit["interactive"]) == ({"plan": "pro"}, False)
    assert [found["name"] for found in one.hits()] == ["pageview", "Early"]
    assert one.page.evaluate("webmon('event', 'Late')") is True
    assert one.page.evaluate("webmon('no such call')") is False
    assert one.loaded() == ["w"]


def test_changes_of_consent_are_heard_until_one_stops_listening(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, '<a href="#" data-webmon-show>Choices</a>', site="asks.example")
    one = visit()
    one.page.goto(f"{site.url}/")
    expect(one.page.locator("[data-webmon=banner]")).to_be_visible()
    one.page.evaluate(
        "window.heard = []; webmon.consent.on('change', () => { throw new Error('of the page') });"
        "window.stop = webmon.consent.on('change', now => heard.push(now.analytics));"
        "addEventListener('webmon:change', event => heard.push(event.detail.marketing))"
    )
    assert one.page.evaluate("webmon.consent.get().decided") is None
    one.page.locator("[data-webmon=accept]").click()
    wait_until(lambda: one.page.evaluate("heard") == [True, True], 10, "it is heard")
    hit = one.wait_for("pageview")[0]
    assert {"visitor", "visit", "consent"} <= hit.keys()
    one.page.get_by_role("link", name="Choices").click()
    one.page.evaluate("stop()")
    one.page.locator("[data-webmon=withdraw]").click()
    wait_until(lambda: one.page.evaluate("heard") == [True, True, False], 10, "no more than was asked for")
    assert one.page.evaluate("webmon.track('After')") is False
    assert one.cookies().keys() == {"webmon_consent"}


@pytest.mark.parametrize("kept", [[], ["functional"]], ids=["withdrawn", "changed"])
def test_what_was_decided_elsewhere_holds_here(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer, kept: list[str]
) -> None:
    for path in ("/", "/b"):
        site.pages[path] = page(webmon.url, site="asks.example")
    one = visit()
    one.page.goto(f"{site.url}/")
    one.page.locator("[data-webmon=accept]").click()
    one.wait_for("pageview")
    _, _, notice, _, receipt, _ = one.cookies()["webmon_consent"].split("~")
    decisions = {purpose: purpose in kept for purpose in ("analytics", "functional", "marketing")}
    changed = {"site": "asks.example", "notice": notice, "decisions": decisions, "previous": receipt}
    known = {"action": "custom" if kept else "withdraw", "ui_source": "form", "language": "en"}
    told = request("POST", f"{webmon.url}/api/consent", changed | known)
    assert told.status == 201
    one.page.goto(f"{site.url}/b")
    one.page.wait_for_function("webmon.consent.get().analytics === false")
    expect(one.page.locator("[data-webmon=banner]")).to_have_count(0)
    assert {key: one.page.evaluate("webmon.consent.get()")[key] for key in decisions} == decisions
    # What refuses has no number; and nothing else is left.
    assert one.cookies().keys() == {"webmon_consent"}
    assert bool(one.cookies()["webmon_consent"].split("~")[4]) is bool(kept)


def test_a_consent_that_webmon_no_longer_knows_is_forgotten_here(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, site="asks.example")
    one = visit()
    value = "1~2026-11-23~sha256-0~analytics:1~nobody-knows-this-number"
    one.context.add_cookies([{"name": "webmon_consent", "value": value, "url": site.url}])
    one.page.goto(f"{site.url}/")
    expect(one.page.locator("[data-webmon=banner]")).to_be_visible()
    assert one.cookies() == {}


# An answer whose page is left before it is on record


def consents(webmon: WebmonServer, domain: str) -> int:
    (found,) = json.loads(webmon.run("consent", "verify", "--site", domain, "--json").stdout)
    return int(found["checked"])


def answered(one: Visit) -> list[dict[str, Any]]:
    return [json.loads(asked.post_data or "") for asked in one.asked if asked.url.endswith("/api/consent")]


@pytest.fixture
def leaves(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> Callable[..., tuple[Visit, list[Route]]]:
    """Accept, and leave for the next page while the answer hangs: the visit, and what it asks to be recorded.

    With `arrives` webmon has heard of it before the page is left; otherwise when the browser lets go of it, if ever.
    """

    def make(domain: str, *, arrives: bool = False) -> tuple[Visit, list[Route]]:
        for path in ("/", "/b"):
            site.pages[path] = page(webmon.url, '<a href="#" data-webmon-show>Choices</a>', site=domain)
        one = visit()
        held: list[Route] = []

        def hold(route: Route) -> None:
            if arrives and not held:
                assert route.fetch().status == 201
            held.append(route)

        one.context.route("**/api/consent", hold)
        one.page.goto(f"{site.url}/")
        if domain == "localhost":
            one.page.get_by_role("link", name="Choices").click()
        one.page.locator("[data-webmon=accept]").click()
        wait_until(lambda: one.settled() and held, 10, "the answer is on its way")
        assert one.cookies().keys() == {"webmon_consent"}
        one.asked.clear()
        one.page.goto(f"{site.url}/b")
        wait_until(lambda: one.settled() and len(held) == 2, 10, "the answer is sent again")
        return one, held

    return make


@pytest.mark.parametrize(
    ("domain", "arrives"),
    [("asks.example", True), ("asks.example", False), ("until.example", False), ("localhost", False)],
)
def test_who_accepts_and_leaves_is_not_asked_again_and_measured_once_it_is_on_record(
    leaves: Callable[..., tuple[Visit, list[Route]]], webmon: WebmonServer, site: Website, domain: str, arrives: bool
) -> None:
    before = consents(webmon, domain)
    one, held = leaves(domain, arrives=arrives)
    # Until webmon has it on record nothing is measured, and nobody is known by a number.
    assert one.page.evaluate("webmon.track('Mark')") is False
    assert one.page.evaluate("[webmon.consent.get().decided, webmon.consent.get().analytics]") == [None, None]
    assert one.hits() == []
    assert one.cookies().keys() == {"webmon_consent"}
    held[1].continue_()
    (hit,) = one.wait_for("pageview")
    assert (hit["url"], hit["consent"]) == (f"{site.url}/b", answered(one)[0]["receipt"])
    assert held[0].request.post_data == held[1].request.post_data
    assert one.cookies().keys() == {"webmon_consent", "webmon_id", "webmon_visit"}
    assert one.cookies()["webmon_consent"].startswith("1~")
    expect(one.page.locator("[data-webmon=banner]")).to_have_count(0)
    assert consents(webmon, domain) == before + 1
    one.page.goto(f"{site.url}/")
    one.wait_for("pageview", 2)
    assert len(answered(one)) == 1


@pytest.mark.parametrize(("domain", "status"), [("asks.example", 409), ("asks.example", 0), ("until.example", 400)])
def test_an_answer_that_cannot_be_recorded_is_asked_for_again(
    leaves: Callable[..., tuple[Visit, list[Route]]], domain: str, status: int
) -> None:
    one, held = leaves(domain)
    if status:
        held[1].fulfill(status=status, headers={"Access-Control-Allow-Origin": "*"}, json={})
    else:
        held[1].abort()
        wait_until(lambda: one.settled() and len(held) == 3, 10, "it is tried once more")
        held[2].abort()
    expect(one.page.locator("[data-webmon=banner]")).to_be_visible()
    assert one.cookies() == {}
    # Where a page is counted without an answer it still is.
    hits = one.wait_for("pageview", 1 if domain == "until.example" else 0)
    assert not any({"visitor", "visit", "consent"} & hit.keys() for hit in hits)


def test_accepting_and_leaving_in_one_moment_is_one_record(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    for path in ("/", "/b"):
        site.pages[path] = page(webmon.url, site="asks.example")
    before = consents(webmon, "asks.example")
    one = visit()
    one.page.goto(f"{site.url}/")
    expect(one.page.locator("[data-webmon=banner]")).to_be_visible()
    one.page.locator("[data-webmon=accept]").evaluate("button => { button.click(); location = '/b' }")
    one.page.wait_for_url("**/b")
    wait_until(lambda: one.settled() and f"{site.url}/b" in [hit["url"] for hit in one.hits()], 10, "it is measured")
    expect(one.page.locator("[data-webmon=banner]")).to_have_count(0)
    assert consents(webmon, "asks.example") == before + 1


def test_a_refusal_holds_at_once_and_has_no_number(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    for path in ("/", "/b"):
        site.pages[path] = page(webmon.url, site="asks.example")
    one = visit()
    one.context.route("**/api/consent", lambda route: None)  # never answered
    one.page.goto(f"{site.url}/")
    one.page.locator("[data-webmon=reject]").click()
    wait_until(lambda: one.settled() and answered(one), 10, "the answer is on its way")
    (value,) = one.cookies().values()
    kind, _, notice, decisions, receipt, _ = value.split("~")
    assert (kind, decisions, receipt) == ("1", "analytics:0,functional:0,marketing:0", "")
    assert answered(one)[0].keys() == {"site", "notice", "decisions", "action", "ui_source", "language", "asked"}
    one.asked.clear()
    one.page.goto(f"{site.url}/b")
    one.page.wait_for_function("window.webmon?.consent")
    assert one.page.evaluate("webmon.track('Mark')") is False
    assert "banner" not in one.loaded()
    assert one.cookies() == {"webmon_consent": value}
    assert notice.startswith("sha256-")


def test_a_change_that_cannot_be_recorded_leaves_what_stood_but_for_what_was_taken_back(
    visit: Callable[..., Visit], site: Website, webmon: WebmonServer
) -> None:
    site.pages["/"] = page(webmon.url, '<a href="#" data-webmon-show>Choices</a>', site="asks.example")
    one = visit()

    def choose(what: str) -> list[str]:
        one.page.get_by_role("link", name="Choices").click()
        if what != "accept":
            one.page.get_by_label(what).click()
        one.page.locator(f"[data-webmon={'accept' if what == 'accept' else 'save'}]").click()
        one.page.locator("[data-webmon=preferences] [role=alert]").wait_for()
        one.page.keyboard.press("Escape")
        return one.cookies().get("webmon_consent", "").split("~")

    def fail(route: Route) -> None:
        route.fulfill(status=400, headers={"Access-Control-Allow-Origin": "*"}, json={})

    one.page.goto(f"{site.url}/")
    one.page.locator("[data-webmon=accept]").click()
    one.wait_for("pageview")
    stood = one.cookies()["webmon_consent"].split("~")
    one.context.route("**/api/consent", fail)
    assert choose("Marketing and embedded media") == [*stood[:3], "analytics:1,functional:1,marketing:0", *stood[4:]]
    one.page.get_by_role("link", name="Choices").click()
    one.page.locator("[data-webmon=reject]").click()
    expect(one.page.locator("[data-webmon=preferences]")).to_have_count(0)
    refused = one.cookies()["webmon_consent"].split("~")
    assert refused[3:] == ["analytics:0,functional:0,marketing:0", "", stood[5]]
    assert choose("accept") == refused
    assert one.cookies().keys() == {"webmon_consent"}


# What data-track turns on


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


# When something goes wrong


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


# Who is not counted


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
