"""One choice for a family of websites, on two origins: a link takes it along, and nobody is asked twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_choice import NUMBERS, RESEARCH, Place, answered, faults
from tests.support.server import WebmonServer, request, wait_until
from tests.support.settled import settle
from tests.support.website import page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("choice")]
Person = Callable[..., BrowserContext]
KEYS = ("analytics", "functional", "marketing")


@pytest.fixture(scope="module")
def webmon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path_factory.mktemp("family") / "data")
    server.run("site", "add", "localhost")
    server.start()
    yield server
    assert server.stop() == 0


class Two:
    """Two websites of one family, on hosts of their own; each page of the first leads to the second, in many ways."""

    def __init__(self, webmon: WebmonServer) -> None:
        number = next(NUMBERS)
        self.first, self.second = (Place(webmon, f"{name}-{number}.localhost") for name in ("one", "two"))
        self.there = self.at(self.second)
        links = (
            f'<a id="plain" href="{self.there}">There</a> <a id="part" href="{self.there}b?x=1#far">Further</a> '
            f'<a id="tab" href="{self.there}" target="_blank">Beside</a> '
            f'<a id="quiet" href="{self.there}" rel="noreferrer">Quietly</a> '
            f'<a id="own" href="{self.there}" onclick="event.preventDefault()">By a script</a>'
        )
        track = 'data-track="outbound"'
        self.first.website.pages["/"] = page(webmon.url, links, site=self.first.name, extra=track)
        far = '<p style="height:5000px"></p><p id="far">Far</p>'
        self.second.website.pages["/b"] = page(webmon.url, far, site=self.second.name, title="B")
        self.name(self.first, self.second)
        self.name(self.second, self.first)

    @staticmethod
    def at(place: Place) -> str:
        return f"http://{place.name}:{place.port}/"

    def name(self, site: Place, other: Place) -> None:
        found = site.core.sites.get(site.name)
        site.core.sites.adjust(found, site.core.clock.now(), actor="test", family=[other.name])

    def come(self, context: BrowserContext, answer: str = "") -> Page:
        """On the first website, with that answer given."""
        wait_until(lambda: self.first.settings()["family"] == [self.second.name], 10, "pages are told")
        wait_until(lambda: self.second.settings()["family"] == [self.first.name], 10, "pages are told")
        opened = context.new_page()
        opened.goto(self.at(self.first))
        opened.wait_for_function("window.webmon?.consent")
        if answer:
            # Links are looked after from then on.
            with opened.expect_response("**/handover.*.js"):
                opened.locator(f"[data-webmon={answer}]").click()
            answered(opened)
        return opened

    def close(self) -> None:
        self.first.close()
        self.second.close()


@pytest.fixture
def two(webmon: WebmonServer) -> Iterator[Two]:
    made = Two(webmon)
    yield made
    made.close()


def follow(opened: Page, two: Two, link: str = "plain") -> None:
    opened.locator(f"#{link}").click()
    opened.wait_for_url(lambda url: url.startswith(two.there))
    opened.wait_for_function("window.webmon?.consent")


def fields(context: BrowserContext, place: Place) -> list[str]:
    found = next(one for one in context.cookies(Two.at(place)) if one.get("name") == "webmon_consent")
    return str(found.get("value")).split("~")


def names(context: BrowserContext, place: Place) -> set[str]:
    return {str(one.get("name")) for one in context.cookies(Two.at(place))}


def hit_of(place: Place) -> Callable[[Any], bool]:
    """Whether a request is a hit of the place's own page."""
    return lambda one: one.url.endswith("/api/event") and f'"domain":"{place.name}"' in (one.post_data or "")


def listen(context: BrowserContext) -> list[tuple[str, Any]]:
    """Address and body of what is sent from now on."""
    sent: list[tuple[str, Any]] = []
    context.on("request", lambda one: sent.append((one.url, one.post_data)))
    return sent


def test_a_consent_goes_along_and_nobody_is_asked_again(person: Person, two: Two) -> None:
    context = person()
    opened = two.come(context, "accept")
    sent = listen(context)
    with opened.expect_request(hit_of(two.second)) as hit:
        follow(opened, two)
    assert opened.url == two.there, "the address holds nothing of it"
    assert opened.evaluate("webmon.consent.get().analytics") is True
    settle(opened)
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
    assert not [url for url, _ in sent if "/banner" in url], "nothing that asks is loaded"
    # The page view is measured under the second site's own consent, by its own visitor.
    told = json.loads(hit.value.post_data or "")
    own, other = fields(context, two.second), fields(context, two.first)
    assert (told["url"], told["consent"]) == (two.there, own[4])
    ids = {one["domain"]: one.get("value") for one in context.cookies() if one.get("name") == "webmon_id"}
    assert len(set(ids.values())) == 2
    assert (own[1], own[3]) == (other[1], other[3])
    assert own[4]
    assert own[4] != other[4]
    assert own[5] == two.second.settings()["version"]
    # Nothing of the first website's numbers is said on the second.
    about_second = [body for _, body in sent if re.search(f'"(site|domain)":"{two.second.name}"', body or "")]
    assert about_second
    assert not [body for body in about_second if other[4] in body or str(ids[two.first.name]) in body]
    state = request("GET", f"{two.second.webmon.url}/api/consent/{own[4]}?site={two.second.name}").json()
    assert (state["decisions"], state["ask"]) == (dict.fromkeys(KEYS, True), [])


def test_a_refusal_goes_along_and_leaves_nobody_known(person: Person, two: Two) -> None:
    context = person()
    opened = two.come(context, "reject")
    sent = listen(context)
    follow(opened, two)
    settle(opened)
    expect(opened.locator("[data-webmon=banner]")).to_have_count(0)
    assert opened.evaluate("webmon.consent.get().analytics") is False
    assert names(context, two.second) == {"webmon_consent"}
    assert fields(context, two.second)[4] == ""
    assert not [url for url, _ in sent if "/api/event" in url]


def test_what_a_link_led_to_is_come_to_and_the_page_s_own_link_stays(person: Person, two: Two) -> None:
    context = person()
    opened = two.come(context, "accept")
    sent = listen(context)
    with opened.expect_request(lambda one: one.url.endswith("/api/consent/handover")):
        follow(opened, two, "part")
    assert opened.url == f"{two.there}b?x=1#far"
    assert opened.evaluate("scrollY") > 1000
    clicks = [body for url, body in sent if url.endswith("/api/event") and "Outbound" in (body or "")]
    assert len(clicks) == 1, "one click is one click"
    opened.go_back()
    assert opened.locator("#part").get_attribute("href") == f"{two.there}b?x=1#far"


def test_a_link_that_opens_a_page_beside_does_so(person: Person, two: Two) -> None:
    context = person()
    opened = two.come(context, "accept")
    with context.expect_page() as beside:
        opened.locator("#tab").click()
    second = beside.value
    second.wait_for_function("window.webmon?.consent")
    # As `target=_blank` has it, the new page does not know who opened it; but where it was come from.
    assert second.url == two.there
    assert second.evaluate("webmon.consent.get().analytics") is True


@pytest.mark.parametrize("link", ["plain", "quiet"])
def test_without_a_choice_or_a_referrer_links_are_left_alone(person: Person, two: Two, link: str) -> None:
    context = person()
    opened = two.come(context, "accept" if link == "quiet" else "")
    sent = listen(context)
    follow(opened, two, link)
    expect(opened.locator("[data-webmon=banner]")).to_be_visible()
    assert not [url for url, _ in sent if "/handover" in url]


def test_a_link_that_a_script_handles_is_left_to_it(person: Person, two: Two) -> None:
    context = person()
    opened = two.come(context, "accept")
    sent = listen(context)
    opened.locator("#own").click()
    settle(opened)
    assert opened.url == two.at(two.first)
    assert not [url for url, _ in sent if "/handover" in url]


def test_a_link_opened_beside_with_the_keyboard_is_the_browser_s_own(person: Person, two: Two) -> None:
    context = person()
    opened = two.come(context, "accept")
    opened.locator("#plain").focus()
    with context.expect_page() as beside:
        opened.keyboard.press("Control+Enter")
    second = beside.value
    expect(second.locator("[data-webmon=banner]")).to_be_visible()
    assert opened.url == two.at(two.first)


@pytest.mark.parametrize("how", ["middle", "Control", "Shift"])
def test_a_link_opened_beside_takes_along_what_was_made_while_the_button_was_down(
    person: Person, two: Two, how: str
) -> None:
    context = person()
    opened = two.come(context, "accept")
    link = opened.locator("#part")
    link.hover()
    if how != "middle":
        opened.keyboard.down(how)
    button: Any = "middle" if how == "middle" else "left"
    with opened.expect_response("**/api/consent/handover"):
        opened.mouse.down(button=button)
    opened.wait_for_timeout(100)
    assert link.get_attribute("href") == f"{two.there}b?x=1#far", "nothing is in it that could be copied"
    with context.expect_page() as beside:
        opened.mouse.up(button=button)
    second = beside.value
    second.wait_for_function("window.webmon?.consent")
    assert second.url == f"{two.there}b?x=1#far"
    assert second.evaluate("webmon.consent.get().analytics") is True
    assert opened.url == two.at(two.first)
    assert link.get_attribute("href") == f"{two.there}b?x=1#far"
    # Once: what is opened again has a token of its own or none.
    with context.expect_page() as again:
        link.click(modifiers=["Control"])
    again.value.wait_for_function("window.webmon?.consent")
    expect(again.value.locator("[data-webmon=banner]")).to_have_count(0)


@pytest.mark.parametrize("what", ["the right button", "another link"])
def test_no_link_carries_what_was_made_for_another_or_opens_a_menu(person: Person, two: Two, what: str) -> None:
    context = person()
    opened = two.come(context, "reject")
    sent = listen(context)
    if what == "the right button":
        opened.locator("#plain").click(button="right")
        opened.wait_for_timeout(300)
        assert not [url for url, _ in sent if "/handover" in url]
        return
    opened.locator("#plain").hover()
    with opened.expect_response("**/api/consent/handover"):
        opened.mouse.down(button="middle")
    opened.locator("#part").hover()
    opened.mouse.up(button="middle")
    opened.wait_for_timeout(300)
    assert len(context.pages) == 1
    assert opened.locator("a[href*=webmon-choice]").count() == 0


def test_only_what_is_asked_besides_is_asked(person: Person, two: Two) -> None:
    two.second.publish(lambda body: body["purposes"].append(RESEARCH))
    for answer, granted in (("accept", True), ("reject", False)):
        context = person()
        opened = two.come(context, answer)
        follow(opened, two)
        banner = opened.locator("[data-webmon=banner]")
        expect(banner).to_contain_text(RESEARCH["description"])
        expect(banner).not_to_contain_text("Measurement")
        assert faults(opened) == []
        assert opened.evaluate("webmon.consent.get().analytics") is granted
        opened.locator(f"[data-webmon={answer}]").click()
        answered(opened)
        assert opened.evaluate("webmon.consent.get().research") is granted
        assert opened.evaluate("webmon.consent.get().analytics") is granted


def test_a_shared_computer_stays_one(person: Person, two: Two) -> None:
    context = person()
    opened = two.come(context)
    opened.locator("[data-webmon=choose]").click()
    opened.get_by_label("This is a shared computer").check()
    with opened.expect_response("**/handover.*.js"):
        opened.locator("[data-webmon=preferences] [data-webmon=accept]").click()
    answered(opened)
    with opened.expect_request(hit_of(two.second)):
        follow(opened, two)
    kept = context.cookies(two.there)
    assert {one.get("name"): one.get("expires") for one in kept} == {
        "webmon_consent": -1,
        "webmon_id": -1,
        "webmon_visit": -1,
    }


def test_a_refusal_of_the_same_day_takes_the_consent_back_with_what_it_brought(person: Person, two: Two) -> None:
    context = person()
    opened = context.new_page()
    opened.goto(two.there)
    with opened.expect_request("**/api/event"):
        opened.locator("[data-webmon=accept]").click()
    answered(opened)
    own = fields(context, two.second)[4]
    assert names(context, two.second) == {"webmon_consent", "webmon_id", "webmon_visit"}
    opened = two.come(context, "reject")
    follow(opened, two)
    assert opened.evaluate("webmon.consent.get().analytics") is False
    assert names(context, two.second) == {"webmon_consent"}
    state = request("GET", f"{two.second.webmon.url}/api/consent/{own}?site={two.second.name}").json()
    assert (state["superseded"], state["decisions"]) == (True, dict.fromkeys(KEYS, False))


def test_an_own_choice_of_the_same_day_stays_where_a_consent_comes(person: Person, two: Two) -> None:
    context = person()
    opened = context.new_page()
    opened.goto(two.there)
    opened.locator("[data-webmon=reject]").click()
    answered(opened)
    opened = two.come(context, "accept")
    before = fields(context, two.second)
    follow(opened, two)
    assert opened.url == two.there
    assert fields(context, two.second) == before


def token(two: Two, context: BrowserContext) -> str:
    """What a link of the visitor's would carry."""
    _, day, _, _, number, _ = fields(context, two.first)
    asked = {"site": two.first.name, "to": two.second.name, "decided": day, "receipt": number}
    answer = request("POST", f"{two.first.webmon.url}/api/consent/handover", json.dumps(asked).encode())
    return str(answer.json()["token"])


def test_nobody_can_be_sent_an_answer_from_elsewhere(person: Person, two: Two) -> None:
    somebody, victim = person(), person()
    two.come(somebody, "accept")
    sent = listen(victim)
    elsewhere = Place(two.first.webmon, f"else-{next(NUMBERS)}.localhost")
    link = f'<a id="plain" href="{two.there}#webmon-choice={token(two, somebody)}">There</a>'
    elsewhere.website.pages["/"] = page(two.first.webmon.url, link, site=elsewhere.name)
    for start in ("", two.at(elsewhere)):
        opened = victim.new_page()
        if start:
            opened.goto(start)
            opened.locator("#plain").click()
        else:
            opened.goto(f"{two.there}#webmon-choice={token(two, somebody)}")
        expect(opened.locator("[data-webmon=banner]")).to_be_visible()
        assert opened.url == two.there
    assert names(victim, two.second) == set()
    assert not [url for url, _ in sent if "redeem" in url]
    elsewhere.close()


@pytest.mark.parametrize("what", ["forged", "used", "unreachable"])
def test_where_it_does_not_hold_the_question_is_asked(browser: Any, two: Two, what: str) -> None:
    context = browser.new_context(locale="en-GB")  # whose console says what was refused
    opened = two.come(context, "accept")
    carried = {"forged": "a.b", "used": token(two, context), "unreachable": token(two, context)}[what]
    if what == "used":
        told = {"site": two.second.name, "token": carried}
        assert request("POST", f"{two.first.webmon.url}/api/consent/redeem", json.dumps(told).encode()).status == 201
    if what == "unreachable":
        context.route("**/api/consent/redeem", lambda route: route.abort())
    opened.evaluate("to => { location.href = to }", f"{two.there}#webmon-choice={carried}#far")
    expect(opened.locator("[data-webmon=banner]")).to_be_visible()
    assert opened.url == f"{two.there}#far"
    assert names(context, two.second) == set()
    opened.locator("[data-webmon=reject]").click()
    answered(opened)
    context.close()


@pytest.mark.parametrize("how", ["refused", "late", "unreachable"])
def test_a_link_leads_on_whatever_webmon_says(browser: Any, two: Two, how: str) -> None:
    context = browser.new_context(locale="en-GB")
    opened = two.come(context, "accept")

    def answer(route: Any) -> None:
        if how == "refused":
            route.fulfill(status=400, json={}, headers={"Access-Control-Allow-Origin": "*"})
        elif how == "unreachable":
            route.abort()

    context.route("**/api/consent/handover", answer)
    follow(opened, two)
    expect(opened.locator("[data-webmon=banner]")).to_be_visible()
    context.close()
