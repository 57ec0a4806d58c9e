"""A choice over time: asked again for what is new, taken back with what it brought, on a computer of many."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.test_consent import VIDEO, faults
from tests.support.server import WebmonServer, request, wait_until
from tests.support.settled import settle
from tests.support.website import Website, page
from webmon.core import Core
from webmon.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("choice")]
Person = Callable[..., BrowserContext]
RESEARCH = {
    "key": "research",
    "name": "Research",
    "description": "A university studies how health pages are read.",
    "required": False,
}
KEYS = ("analytics", "functional", "marketing")
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def webmon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path_factory.mktemp("choice") / "data")
    server.run("site", "add", "localhost")
    server.start()
    yield server
    assert server.stop() == 0


class Place:
    """A website that is a site of its own, and webmon's staff, who change it beside the running server."""

    def __init__(self, webmon: WebmonServer, domain: str = "") -> None:
        self.webmon = webmon
        self.website = Website({})
        self.port = self.website.url.rpartition(":")[2]
        self.name = domain or f"localhost:{self.port}"
        self.website.pages["/"] = page(webmon.url, site=self.name)
        self.website.pages["/b"] = page(webmon.url, site=self.name, title="B")
        self.core = Core(Settings(data_dir=webmon.folder))
        self.core.add_site(self.name, actor="test")
        self.site = self.core.sites.get(self.name)
        self.settings()

    @property
    def url(self) -> str:
        return self.website.url

    def settings(self) -> dict[str, Any]:
        def asked() -> Any:
            answer = request("GET", f"{self.webmon.url}/api/settings/{self.name}")
            return answer.json() if answer.status == 200 else None

        found: dict[str, Any] = wait_until(asked, 10, "the site is known")
        return found

    def publish(self, change: Callable[[dict[str, Any]], object], language: str = "en") -> str:
        """Put a changed notice in force, and wait until pages hear that there is another one."""
        before, now = self.settings()["version"], self.core.clock.now()
        body = copy.deepcopy(self.core.notices.in_force(self.site, language, now).body)
        change(body)
        published = self.core.notices.publish(self.site, body, now, actor="test").hash
        wait_until(lambda: self.settings()["version"] != before, 10, "it is in force")
        return published

    def close(self) -> None:
        self.core.close()
        self.website.close()


@pytest.fixture
def place(webmon: WebmonServer) -> Iterator[Place]:
    made = Place(webmon)
    yield made
    made.close()


def arrive(context: BrowserContext, place: Place, path: str = "/") -> Page:
    opened = context.new_page()
    opened.goto(place.url + path)
    opened.wait_for_function("window.webmon?.consent")
    return opened


def answered(opened: Page) -> None:
    expect(opened.locator("[data-webmon=banner], [data-webmon=preferences]")).to_have_count(0)
    opened.wait_for_function("webmon.consent.get().decided")


def cookie(context: BrowserContext, place: Place, name: str = "webmon_consent") -> Any:
    return next((one for one in context.cookies(place.url) if one.get("name") == name), None)


def another_day(person: Person, context: BrowserContext, **options: Any) -> BrowserContext:
    """The same browser once what it had loaded is too old to be used again."""
    kept = context.storage_state()
    kept["cookies"] = [one for one in kept["cookies"] if one["expires"] != -1]
    return person(storage_state=kept, **options)


def posted(context: BrowserContext) -> list[dict[str, Any]]:
    """Answers that are sent from now on, as they are sent."""
    sent: list[dict[str, Any]] = []

    def look(asked: Any) -> None:
        if asked.url.endswith("/api/consent"):
            sent.append(json.loads(asked.post_data or ""))

    context.on("request", look)
    return sent


def receipt(place: Place, context: BrowserContext) -> dict[str, Any]:
    number = cookie(context, place)["value"].split("~")[4]
    found = request("GET", f"{place.webmon.url}/api/consent/{number}?site={place.name}").json()
    assert found["superseded"] is False
    return dict(found)


# Asked again is only what is new


def test_who_has_agreed_is_asked_for_the_new_purpose_alone(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=choose]").click()
    opened.get_by_label("Measurement").check()
    opened.locator("[data-webmon=save]").click()
    answered(opened)
    notice = place.publish(lambda body: body["purposes"].append(RESEARCH))

    later = another_day(person, context)
    sent = posted(later)
    opened = arrive(later, place)
    banner = opened.locator("[data-webmon=banner]")
    expect(banner).to_contain_text("We ask only about that.")
    expect(banner).to_contain_text(RESEARCH["description"])
    expect(banner).not_to_contain_text("Measurement")
    assert faults(opened) == []
    # Until then what was answered before holds.
    assert opened.evaluate("webmon.consent.get().analytics") is True
    opened.locator("[data-webmon=accept]").click()
    answered(opened)
    told = dict.fromkeys(KEYS, False) | {"analytics": True, "research": True}
    assert [(one["decisions"], one["action"], one["notice"]) for one in sent] == [(told, "custom", notice)]
    assert receipt(place, later)["decisions"] == told
    assert receipt(place, later)["ask"] == []
    opened = arrive(later, place, "/b")
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)


@pytest.mark.parametrize("layer", ["banner", "preferences"])
def test_who_rejects_all_when_asked_again_allows_nothing_more(person: Person, place: Place, layer: str) -> None:
    place.publish(lambda body: body["services"].append(VIDEO))
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=accept]").click()
    answered(opened)
    opened.evaluate("document.cookie = 'vid_id=1;path=/;max-age=999'")
    place.publish(lambda body: body["purposes"].append(RESEARCH))

    later = another_day(person, context)
    sent = posted(later)
    opened = arrive(later, place)
    expect(opened.locator("[data-webmon=banner]")).to_contain_text("We ask only about that.")
    assert cookie(later, place, "vid_id")
    if layer == "preferences":
        opened.locator("[data-webmon=choose]").click()
    opened.locator(f"[data-webmon={layer}] [data-webmon=reject]").click()
    answered(opened)
    told = dict.fromkeys((*KEYS, "research"), False)
    assert [(one["decisions"], one["action"], one["ui_source"]) for one in sent] == [(told, "reject_all", layer)]
    _, _, _, decisions, number, _ = cookie(later, place)["value"].split("~")
    assert (decisions, number) == ("analytics:0,functional:0,marketing:0,research:0", "")
    for gone in ("vid_id", "webmon_id", "webmon_visit"):
        assert cookie(later, place, gone) is None


def test_who_has_refused_is_asked_for_the_new_purpose_alone_and_stays_unknown(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=reject]").click()
    answered(opened)
    place.publish(lambda body: body["purposes"].append(RESEARCH))
    later = another_day(person, context)
    sent = posted(later)
    opened = arrive(later, place)
    expect(opened.locator("[data-webmon=banner]")).to_contain_text("We ask only about that.")
    opened.locator("[data-webmon=reject]").click()
    answered(opened)
    (told,) = sent
    assert (told["action"], set(told["decisions"].values())) == ("reject_all", {False})
    assert "receipt" not in told
    _, _, _, decisions, number, version = cookie(later, place)["value"].split("~")
    assert (decisions, number) == ("analytics:0,functional:0,marketing:0,research:0", "")
    assert version == place.settings()["version"]


def test_choosing_shows_the_new_purpose_alone_and_closing_decides_nothing(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=accept]").click()
    answered(opened)
    place.publish(lambda body: body["purposes"].append(RESEARCH))
    later = another_day(person, context)
    opened = arrive(later, place)
    opened.locator("[data-webmon=choose]").click()
    preferences = opened.locator("[data-webmon=preferences]")
    expect(preferences).to_contain_text("Research")
    expect(opened.get_by_label("Research")).not_to_be_checked()
    expect(preferences).not_to_contain_text("Measurement")
    opened.keyboard.press("Escape")
    expect(opened.locator("[data-webmon=banner]")).to_contain_text("We ask only about that.")
    # From elsewhere on the page, all of them.
    opened.evaluate("void webmon.consent.show()")
    expect(opened.get_by_label("Measurement")).to_be_checked()
    opened.keyboard.press("Escape")
    opened.locator("[data-webmon=choose]").click()
    opened.get_by_label("Research").check()
    opened.locator("[data-webmon=save]").click()
    answered(opened)
    assert receipt(place, later)["decisions"] == dict.fromkeys((*KEYS, "research"), True)


def test_another_wording_of_the_question_is_no_new_question_and_looked_at_once(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=accept]").click()
    answered(opened)
    before = cookie(context, place)
    place.publish(lambda body: body["texts"].update(title="Shall we?"))
    later = another_day(person, context)
    loaded: list[str] = []
    later.on("request", lambda one: loaded.append(one.url))
    opened = arrive(later, place)
    wait_until(lambda: cookie(later, place)["value"] != before["value"], 10, "it is noted")
    after = cookie(later, place)
    assert after["value"].split("~")[:5] == before["value"].split("~")[:5]
    assert abs(after["expires"] - before["expires"]) < 86400
    assert opened.locator("[data-webmon=banner]").count() == 0
    loaded.clear()
    settle(arrive(later, place, "/b"))
    assert not [url for url in loaded if "/banner." in url]


def test_a_purpose_that_reads_otherwise_is_asked_for_again(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=accept]").click()
    answered(opened)

    def change(body: dict[str, Any]) -> None:
        next(one for one in body["purposes"] if one["key"] == "marketing")["description"] = "Advertisements."

    place.publish(change)
    later = another_day(person, context)
    opened = arrive(later, place)
    expect(opened.locator("[data-webmon=banner]")).to_contain_text("Advertisements.")
    opened.locator("[data-webmon=choose]").click()
    # What was agreed to before ticks nothing that reads otherwise now.
    expect(opened.locator("[data-webmon=preferences] [name=marketing]")).not_to_be_checked()
    opened.locator("[data-webmon=preferences] [data-webmon=save]").click()
    answered(opened)
    assert receipt(place, later)["decisions"] == dict.fromkeys(KEYS, True) | {"marketing": False}


def test_where_webmon_cannot_be_asked_what_was_answered_stays(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=accept]").click()
    answered(opened)
    place.publish(lambda body: body["purposes"].append(RESEARCH))
    later = another_day(person, context)
    headers = {"Access-Control-Allow-Origin": "*"}
    later.route("**/api/consent/*", lambda route: route.fulfill(status=200, json={}, headers=headers))
    later.route("**/api/consent/*?*", lambda route: route.fulfill(status=200, body="{", headers=headers))
    before = cookie(later, place)["value"]
    with later.expect_event("requestfinished", lambda one: "/api/consent/" in one.url):
        opened = arrive(later, place)
    settle(opened)
    assert cookie(later, place)["value"] == before
    assert opened.evaluate("webmon.consent.get().analytics") is True


# Withdrawal


def rows(place: Place) -> int:
    key = place.core.sites.new_api_key(place.site, "stats", place.core.clock.now(), actor="test").text
    found = place.webmon.query(key, site_id=place.name, metrics=["pageviews"], date_range="day")
    return int(found["results"][0]["metrics"][0])


@pytest.mark.parametrize("erase", [True, False])
def test_withdrawing_offers_to_erase_what_was_recorded(person: Person, place: Place, erase: bool) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=accept]").click()
    answered(opened)
    wait_until(lambda: opened.evaluate("1") and rows(place) == 1, 10, "the page view is stored")
    opened.evaluate("void webmon.consent.show()")
    offer = opened.get_by_label("Erase what was recorded with my consent")
    expect(offer).not_to_be_checked()
    assert faults(opened) == []
    if erase:
        offer.check()
    opened.locator("[data-webmon=withdraw]").click()
    if erase:
        said = opened.locator("[data-webmon=preferences] [role=status]")
        expect(said).to_have_text("What was recorded with your consent has been erased.")
        opened.locator("[data-webmon=close]").click()
    answered(opened)
    assert opened.evaluate("webmon.consent.get().analytics") is False
    assert {one.get("name") for one in context.cookies(place.url)} == {"webmon_consent"}
    assert rows(place) == (0 if erase else 1)


def test_who_has_given_no_consent_is_offered_no_erasure(person: Person, place: Place) -> None:
    opened = arrive(person(), place)
    opened.locator("[data-webmon=reject]").click()
    answered(opened)
    opened.evaluate("void webmon.consent.show()")
    expect(opened.locator("[data-webmon=preferences]")).to_be_visible()
    assert opened.locator("[data-webmon=withdraw]").count() == 0
    assert opened.get_by_label("Erase what was recorded").count() == 0


def test_an_erasure_that_webmon_does_not_hear_of_refuses_at_once_and_can_be_asked_for_again(
    browser: Browser, place: Place
) -> None:
    context = browser.new_context(locale="en-GB")  # whose console says that webmon could not be reached
    opened = arrive(context, place)
    opened.locator("[data-webmon=accept]").click()
    answered(opened)
    wait_until(lambda: opened.evaluate("1") and rows(place) == 1, 10, "the page view is stored")
    headers = {"Access-Control-Allow-Origin": "*"}
    opened.route("**/api/consent", lambda route: route.fulfill(status=429, json={}, headers=headers))
    opened.evaluate("void webmon.consent.show()")
    opened.get_by_label("Erase what was recorded with my consent").check()
    opened.locator("[data-webmon=withdraw]").click()
    expect(opened.locator("[data-webmon=preferences] [role=alert]")).to_be_visible()
    assert opened.evaluate("webmon.consent.get().analytics") is False
    assert opened.evaluate("webmon.track('Mark')") is False
    opened.unroute("**/api/consent")
    opened.locator("[data-webmon=withdraw]").click()
    expect(opened.locator("[data-webmon=preferences] [role=status]")).to_be_visible()
    assert {one.get("name") for one in context.cookies(place.url)} == {"webmon_consent"}
    assert rows(place) == 0
    context.close()


# A computer that others use too


def kept_for(context: BrowserContext, place: Place) -> dict[str, float]:
    return {one.get("name", ""): one.get("expires", 0) for one in context.cookies(place.url)}


SHARED = "This is a shared computer"


def test_on_a_shared_computer_nothing_outlives_the_browser(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=choose]").click()
    expect(opened.get_by_label(SHARED)).not_to_be_checked()
    opened.get_by_label(SHARED).check()
    with opened.expect_request("**/api/event"):
        opened.locator("[data-webmon=preferences] [data-webmon=accept]").click()
    answered(opened)
    # w.js renews what is there with every hit, on other pages too.
    opened = context.new_page()
    with opened.expect_request("**/api/event"):
        opened.goto(f"{place.url}/b")
    assert kept_for(context, place) == {"webmon_consent": -1, "webmon_id": -1, "webmon_visit": -1}
    assert opened.evaluate("webmon.consent.get().analytics") is True
    assert opened.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    opened.evaluate("void webmon.consent.show()")
    expect(opened.get_by_label(SHARED)).to_be_checked()
    opened.get_by_label(SHARED).uncheck()
    opened.locator("[data-webmon=save]").click()
    answered(opened)
    assert all(until > 0 for until in kept_for(context, place).values())


def test_a_refusal_on_a_shared_computer_is_kept_until_the_browser_is_closed(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    opened.locator("[data-webmon=choose]").click()
    opened.get_by_label(SHARED).check()
    opened.locator("[data-webmon=preferences] [data-webmon=reject]").click()
    answered(opened)
    assert kept_for(context, place) == {"webmon_consent": -1}
    later = arrive(another_day(person, context), place)
    expect(later.locator("[data-webmon=banner]")).to_be_visible()


def test_what_was_kept_before_is_kept_no_longer_than_the_browser_is_open(person: Person, place: Place) -> None:
    context = person()
    opened = arrive(context, place)
    with opened.expect_request("**/api/event"):
        opened.locator("[data-webmon=accept]").click()
    answered(opened)
    assert all(until > 0 for until in kept_for(context, place).values())
    opened.evaluate("void webmon.consent.show()")
    opened.get_by_label(SHARED).check()
    opened.locator("[data-webmon=save]").click()
    answered(opened)
    assert kept_for(context, place) == {"webmon_consent": -1, "webmon_id": -1, "webmon_visit": -1}


def test_webmon_is_not_told_that_a_computer_is_shared(person: Person, place: Place) -> None:
    context = person()
    sent = posted(context)
    opened = arrive(context, place)
    opened.locator("[data-webmon=choose]").click()
    opened.get_by_label(SHARED).check()
    opened.locator("[data-webmon=preferences] [data-webmon=accept]").click()
    answered(opened)
    (told,) = sent
    assert told["decisions"].keys() == set(KEYS)
    assert "session" not in json.dumps(told)


# One choice for all subdomains


@pytest.fixture
def domain(webmon: WebmonServer) -> Iterator[Place]:
    """A website on a domain with subdomains, all of them on this machine."""
    made = Place(webmon, f"example-{next(NUMBERS)}.localhost")
    yield made
    made.close()


def share(place: Place, shared: bool) -> None:
    before = place.settings()["version"]
    site = place.core.sites.get(place.name)
    place.core.sites.adjust(site, place.core.clock.now(), actor="test", share_subdomains=shared)
    wait_until(lambda: place.settings()["version"] != before, 10, "pages hear of it")


def on(context: BrowserContext, place: Place, host: str) -> Page:
    opened = context.new_page()
    opened.goto(f"http://{host}{place.name}:{place.port}/")
    opened.wait_for_function("window.webmon?.consent")
    return opened


def own(context: BrowserContext) -> dict[tuple[str, str], str]:
    """Name and domain of each cookie to its value; a domain that begins with a dot has all below it."""
    return {(one.get("name", ""), one.get("domain", "")): one.get("value", "") for one in context.cookies()}


def test_one_choice_holds_on_all_subdomains_where_the_site_says_so(person: Person, domain: Place) -> None:
    share(domain, True)
    context = person()
    first = on(context, domain, "www.")
    with first.expect_request("**/api/event"):
        first.locator("[data-webmon=accept]").click()
    answered(first)
    names = ("webmon_consent", "webmon_id", "webmon_visit")
    assert own(context).keys() == {(name, f".{domain.name}") for name in names}
    second = context.new_page()
    with second.expect_request("**/api/event") as asked:
        second.goto(f"http://shop.{domain.name}:{domain.port}/")
    assert json.loads(asked.value.post_data or "")["visitor"] == own(context)["webmon_id", f".{domain.name}"]
    expect(second.locator("[data-webmon=banner]")).to_have_count(0)
    second.wait_for_function("window.webmon?.consent")
    second.evaluate("void webmon.consent.show()")
    second.locator("[data-webmon=withdraw]").click()
    answered(second)
    third = on(context, domain, "")
    assert third.evaluate("webmon.consent.get().analytics") is False
    assert own(context).keys() == {("webmon_consent", f".{domain.name}")}


def test_each_host_has_a_choice_of_its_own_otherwise(person: Person, domain: Place) -> None:
    context = person()
    first = on(context, domain, "www.")
    first.locator("[data-webmon=reject]").click()
    answered(first)
    assert own(context).keys() == {("webmon_consent", f"www.{domain.name}")}
    expect(on(context, domain, "shop.").locator("[data-webmon=banner]")).to_be_visible()


@pytest.mark.parametrize("to", [True, False])
def test_choices_move_with_the_setting_and_leave_nothing_behind(person: Person, domain: Place, to: bool) -> None:
    if not to:
        share(domain, True)
    context = person()
    opened = on(context, domain, "www.")
    with opened.expect_request("**/api/event"):
        opened.locator("[data-webmon=accept]").click()
    answered(opened)
    before = own(context)
    share(domain, to)
    later = another_day(person, context)
    opened = on(later, domain, "www.")
    where = f".{domain.name}" if to else f"www.{domain.name}"
    names = ("webmon_consent", "webmon_id", "webmon_visit")
    wait_until(
        lambda: opened.evaluate("1") and own(later).keys() == {(name, where) for name in names}, 10, "they moved"
    )
    # It is the same choice of the same visitor.
    was = {name: value for (name, _), value in before.items()}
    now = {name: value for (name, _), value in own(later).items()}
    assert now["webmon_id"] == was["webmon_id"]
    assert now["webmon_consent"].split("~")[:5] == was["webmon_consent"].split("~")[:5]
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
