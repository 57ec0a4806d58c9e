"""What a page calls, and hears, of w.js."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.snippet.visit import Visit
from tests.support.server import WebmonServer, request, wait_until
from tests.support.website import Website, page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]


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
