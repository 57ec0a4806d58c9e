"""An answer whose page is left before it is on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.snippet.visit import Visit
from tests.support.server import WebmonServer, wait_until
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]


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
