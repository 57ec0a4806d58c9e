"""The whole way on the demo website: refused, accepted, signed in, looked at, signed out, withdrawn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.support.demo import Demo
from tests.support.server import contents, request, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("demo")]
Person = Callable[..., BrowserContext]
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{20,}")


def cookies(context: BrowserContext) -> dict[str, str]:
    """Webmon's cookies on the website's own origin."""
    found = [one for one in context.cookies("http://localhost") if one.get("name", "").startswith("webmon")]
    return {one.get("name", ""): one.get("value", "") for one in found}


def stored(page: Page) -> int:
    return int(page.evaluate("localStorage.length + sessionStorage.length"))


def sent(context: BrowserContext, port: int) -> list[Request]:
    found: list[Request] = []
    context.on("request", lambda one: found.append(one) if f":{port}/" in one.url else None)
    return found


def figures(demo: Demo, key: str) -> dict[str, int]:
    document = {"metrics": ["visitors", "pageviews"], "date_range": "day", "site_id": "localhost"}
    answer = request(
        "POST", f"http://127.0.0.1:{demo.port}/api/v2/query", document, {"Authorization": f"Bearer {key}"}
    )
    return dict(zip(document["metrics"], answer.json()["results"][0]["metrics"], strict=True))


def test_whoever_refuses_leaves_nothing_behind(demo: Demo, person: Person) -> None:
    context = person()
    asked = sent(context, demo.port)
    page = context.new_page()
    page.goto(demo.address("Demo website"))
    expect(page.locator("[data-webmon=banner]")).to_be_visible()
    assert cookies(context) == {}
    assert stored(page) == 0

    page.locator("[data-webmon=reject]").click()
    expect(page.locator("[data-webmon=banner]")).to_have_count(0)
    for path in ("services", "article", "guide/after"):
        page.goto(demo.address("Demo website") + path)
        expect(page.locator("h1")).to_be_visible()
    expect(page.locator("[data-webmon=banner]")).to_have_count(0)

    assert cookies(context).keys() == {"webmon_consent"}
    value = cookies(context)["webmon_consent"]
    assert re.fullmatch(r"1~\d{4}-\d\d-\d\d~sha256-[0-9a-f]{64}~(\w+:0,?)+~~[0-9a-f]{8}", value), value
    assert stored(page) == 0
    # The version of banner and notice is the same for everybody.
    queries = {re.sub(r"&v=[0-9a-f]{8}$", "", one.url.partition("?")[2]) for one in asked}
    assert queries == {"", "site=localhost"}
    told = [one for one in asked if one.method == "POST"]
    assert [one.url.partition("/api/")[2] for one in told] == ["consent/shown", "consent"]
    for one in told:
        said = (one.post_data or "").replace(value.split("~")[2], "")
        assert IDENTIFIER.search(said) is None, said
    assert not any("cookie" in one.all_headers() for one in asked)


def test_from_page_view_to_account_log_and_back_to_nobody(demo: Demo, person: Person) -> None:
    key = demo.webmon("key", "add", "--site", "localhost", "--scope", "stats")
    staff, visitor = person(), person()
    dashboard = _owner_on_the_dashboard(demo, staff)
    page = visitor.new_page()

    # Accepted: measured, and seen by itself on the dashboard
    before = figures(demo, key)
    page.goto(demo.address("Demo website") + "guide/arrive")
    page.locator("[data-webmon=accept]").click()
    wait_until(lambda: figures(demo, key)["pageviews"] == before["pageviews"] + 1, 10, "the page view is counted")
    expect(dashboard.get_by_text("/guide/arrive").first).to_be_visible()
    ids = cookies(visitor)
    assert ids.keys() == {"webmon_consent", "webmon_id", "webmon_visit"}
    page.get_by_role("link", name="Afterwards").click()  # routed in the page
    wait_until(lambda: figures(demo, key)["pageviews"] == before["pageviews"] + 2, 10, "so is the routed one")

    # Signed in: the visit's rows are gone from every file but encrypted; what they leave is counted on
    page.goto(demo.address("Demo website") + "sign-in")
    with page.expect_response(re.compile("/api/login$")) as answer:
        page.get_by_role("button", name="Sign in as the demo patient").click()
    assert answer.value.status == 204
    wait_until(lambda: not _in_a_file(demo, b"/guide/a"), 10, "no file has them in the clear")
    assert not _in_a_file(demo, b"demo-patient")

    # Readable to the person alone, decrypted
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Show what is held").click()
    held = opened.value
    expect(held.get_by_role("heading", name="From your signed-in visits")).to_be_visible()
    for path in ("/guide/arrive", "/guide/after", "/sign-in", "/account"):
        expect(held.locator("table.rows").last.get_by_text(f"localhost{path}", exact=True).first).to_be_visible()

    # Signed out: another visitor, who is measured anew
    page.bring_to_front()
    signed_in = figures(demo, key)["pageviews"]
    assert signed_in >= before["pageviews"] + 3
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    wait_until(lambda: figures(demo, key)["pageviews"] > signed_in, 10, "the new visit is measured")
    after = cookies(visitor)
    assert after["webmon_id"] != ids["webmon_id"]
    assert after["webmon_visit"] != ids["webmon_visit"]

    # Withdrawn: nothing more is sent, and the identifiers are gone
    page.get_by_role("button", name="Privacy choices").click()
    page.locator("[data-webmon=withdraw]").click()
    wait_until(lambda: cookies(visitor).keys() == {"webmon_consent"}, 10, "the identifiers are removed")
    asked = sent(visitor, demo.port)
    for path in ("services", "doctors"):
        page.goto(demo.address("Demo website") + path)
        expect(page.locator("h1")).to_be_visible()
    assert not [one.url for one in asked if one.method == "POST"]


def _owner_on_the_dashboard(demo: Demo, staff: BrowserContext) -> Page:
    page = staff.new_page()
    page.goto(demo.link())
    page.get_by_label("New password").fill("a sentence to remember")
    page.get_by_label("The same once more").fill("a sentence to remember")
    page.get_by_role("button", name="Set password and sign in").click()
    page.goto(demo.address("Dashboard"))
    expect(page.get_by_role("heading", name="localhost")).to_be_visible()
    return page


def _in_a_file(demo: Demo, text: bytes) -> list[str]:
    files = contents(demo.data).items()
    return [path.name for path, content in files if path.name != "demo.env" and text in content]


def test_the_demo_website_shows_what_data_track_turns_on(demo: Demo, person: Person) -> None:
    context = person()
    hits: list[tuple[str, dict[str, str]]] = []

    def keep(one: Request) -> None:
        if one.url.endswith("/api/event"):
            hit = json.loads(one.post_data or "{}")
            hits.append((hit["name"], hit.get("props", {})))

    context.on("request", keep)
    context.route("https://www.example.org/**", lambda route: route.fulfill(body="elsewhere"))
    page = context.new_page()
    home = demo.address("Demo website")
    page.goto(home)
    with page.expect_response("**/more.*.js"):
        page.locator("[data-webmon=accept]").click()

    def seen(name: str, props: dict[str, str]) -> None:
        wait_until(lambda: page.evaluate("1") and (name, props) in hits, 10, name, lambda: hits)

    def ready() -> None:
        """The file that hears of clicks has run: it is a module, and modules are run once."""
        name = json.loads(
            request("GET", f"{demo.address('Preference page').partition('/privacy')[0]}/api/settings/localhost").body
        )["more"]
        page.evaluate("url => import(url)", f"http://127.0.0.1:{demo.port}{name}")

    ready()
    page.get_by_role("button", name="When are we open?").click()
    seen("Opening hours", {"place": "home"})
    page.goto(home + "contact")
    ready()
    page.get_by_label("What is it about?").fill("Somebody's knee")
    page.get_by_role("button", name="Send").click()
    seen("Form: Submission", {"path": "/contact", "form": "contact"})
    page.goto(home + "imaging")
    ready()
    page.evaluate(
        "void document.querySelector('a[href$=pdf]').addEventListener('click', one => one.preventDefault())"
    )
    page.get_by_role("link", name="the checklist for your scan").click()
    seen("File Download", {"url": f"{home}files/imaging-checklist.pdf"})
    assert request("GET", f"{home}files/imaging-checklist.pdf").body.startswith(b"%PDF-")
    page.goto(home + "services")
    ready()
    page.get_by_role("link", name="example.org").click()
    seen("Outbound Link: Click", {"url": "https://www.example.org/pharmacies"})
    context.remove_listener("request", keep)
