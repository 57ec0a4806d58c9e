"""The visitor's own page, without JavaScript: seen, decided, withdrawn."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from tests.support.world import Visitor, World, csrf

PAGE = "/privacy/example.org"


def opened(world: World, **fields: str) -> Client:
    browser = world.browser()
    answer = browser.post(f"{PAGE}/open", data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    return browser


def by(visitor: Visitor) -> dict[str, str]:
    return {"visitor": visitor.visitor, "consent": visitor.receipt}


def send(browser: Client, path: str, page: TestResponse, **fields: str) -> TestResponse:
    return browser.post(f"{PAGE}/{path}", data={"form_token": csrf(page, "form_token"), **fields})


def notice_of(page: TestResponse) -> str:
    return csrf(page, "notice")


def test_a_mere_look_sets_no_cookie_and_says_how_to_come(world: World) -> None:
    page = world.browser().get(PAGE)
    assert page.status_code == 200
    assert "Set-Cookie" not in page.headers
    assert "Come here from the website" in page.get_data(as_text=True)
    assert "script-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.get_data(as_text=True)


def test_it_speaks_the_browser_s_language_or_the_one_asked_for(world: World) -> None:
    browser = world.browser()
    german = browser.get(PAGE, headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})
    assert 'lang="de"' in german.get_data(as_text=True)
    assert "Ihre Privatsphäre" in german.get_data(as_text=True)
    assert "Your privacy" in browser.get(f"{PAGE}?lang=en", headers={"Accept-Language": "de"}).get_data(as_text=True)
    assert "Your privacy" in browser.get(PAGE, headers={"Accept-Language": "tlh"}).get_data(as_text=True)


def test_who_comes_from_the_website_sees_their_rows_and_nobody_else_s(world: World) -> None:
    mine, theirs = world.visitor(), world.visitor()
    mine.sees("/mine")
    theirs.sees("/theirs")
    world.settle()
    browser = opened(world, **by(mine))
    page = browser.get(PAGE).get_data(as_text=True)
    assert "example.org/mine" in page
    assert "/theirs" not in page
    assert mine.visitor not in page
    cookie = browser.get_cookie("webmon_portal", path=PAGE)
    assert cookie is not None
    assert mine.visitor not in cookie.value
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", PAGE)


def test_after_half_an_hour_the_page_has_forgotten_who_it_was(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    browser = opened(world, **by(visitor))
    world.move(minutes=31)
    assert "/mine" not in browser.get(PAGE).get_data(as_text=True)


def test_an_account_s_rows_are_shown_to_who_holds_its_token_and_the_reading_is_on_record(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in()
    world.settle()
    assert "/private" not in opened(world, **by(visitor)).get(PAGE).get_data(as_text=True)
    token = world.token()
    browser = opened(world, token=token)
    page = browser.get(PAGE).get_data(as_text=True)
    assert "From your signed-in visits" in page
    assert "example.org/private" in page
    assert world.runtime.audit.newest()[0].action == "account_log.read"
    assert world.browser().post(f"{PAGE}/open", data={"token": token}).status_code == 401
    assert world.browser().post(f"{PAGE}/open", data={"token": world.token("nobody")}).status_code == 404


def test_withdrawing_stops_collection(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    world.settle()
    browser = opened(world, **by(visitor))
    answer = send(browser, "withdraw", browser.get(PAGE))
    assert answer.status_code == 303
    said = browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert "Collection has stopped" in said
    assert "example.org/one" in said, "what is held is still shown"
    assert visitor.sees("/two").headers["x-webmon-drop-reason"] == "no_consent"
    assert world.runtime.consents.verify(world.site).holds


def test_choices_can_be_changed_and_hold(world: World) -> None:
    visitor = world.visitor()
    browser = opened(world, **by(visitor))
    page = browser.get(PAGE)
    kept = {"notice": notice_of(page), "purpose-analytics": "y"}
    assert send(browser, "choices", page, **kept).status_code == 303
    (now, before) = world.runtime.consents.line(world.site, visitor.receipt)
    assert now["decisions"] == {"analytics": True, "functional": False, "marketing": False}
    assert now["previous_receipt_id"] == before["consent_receipt_id"] == visitor.receipt
    assert now["collection_method"] == "form"
    assert "x-webmon-dropped" not in visitor.sees("/still").headers
    page = browser.get(PAGE)
    assert send(browser, "choices", page, notice=notice_of(page)).status_code == 303
    assert visitor.sees("/no-more").headers["x-webmon-drop-reason"] == "no_consent"


@pytest.mark.parametrize("path", ["choices", "withdraw", "erase", "close"])
def test_a_form_from_elsewhere_changes_nothing(world: World, path: str) -> None:
    visitor = world.visitor()
    browser, other = opened(world, **by(visitor)), opened(world, **by(world.visitor()))
    token = csrf(browser.get(PAGE), "form_token")
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    refusals = [
        browser.post(f"{PAGE}/{path}", data={}),
        browser.post(f"{PAGE}/{path}", data={"form_token": "forged"}),
        browser.post(f"{PAGE}/{path}", data={"form_token": token}, headers=elsewhere),
        browser.post(f"{PAGE}/{path}", data={"form_token": token}, headers={"Origin": "https://evil.example"}),
        browser.post(
            f"{PAGE}/{path}", data={"form_token": csrf(other.get(PAGE), "form_token") if path == "" else ""}
        ),
    ]
    assert [one.status_code for one in refusals] == [400] * len(refusals)
    assert len(world.runtime.consents.line(world.site, visitor.receipt)) == 1
    assert "Set-Cookie" not in refusals[0].headers


def test_receipts_are_pages_and_files_for_their_holder_alone(world: World) -> None:
    visitor, other = world.visitor(), world.visitor()
    browser = opened(world, **by(visitor))
    page = browser.get(f"{PAGE}/receipts/{visitor.receipt}")
    assert page.status_code == 200
    assert "May we measure how this site is used?" in page.get_data(as_text=True)
    file = browser.get(f"{PAGE}/receipts/{visitor.receipt}.json")
    assert file.get_json()["consent_receipt_id"] == visitor.receipt
    assert "attachment" in file.headers["Content-Disposition"]
    assert file.get_json() == world.runtime.consents.receipt(world.site, visitor.receipt)
    assert f"check-receipt receipt-{visitor.receipt}.json" in page.get_data(as_text=True)
    assert browser.get(f"{PAGE}/receipts/{other.receipt}").status_code == 404
    assert world.browser().get(f"{PAGE}/receipts/{visitor.receipt}").status_code == 404
    assert browser.get(f"{PAGE}/receipts/{visitor.receipt}.exe").status_code == 404


def test_everything_held_can_be_taken_along_without_pseudonyms(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    document: dict[str, Any] = json.loads(opened(world, **by(visitor)).get(f"{PAGE}/data.json").get_data())
    assert [row["pathname"] for row in document["event_log"]] == ["/mine"]
    assert not {"visitor_id", "visit_id", "hit_id"} & document["event_log"][0].keys()
    assert document["consent_receipts"][0]["consent_receipt_id"] == visitor.receipt
    assert world.browser().get(f"{PAGE}/data.json").status_code == 404


def test_many_rows_come_in_pages(world: World) -> None:
    visitor = world.visitor()
    for number in range(51):
        visitor.sees(f"/page-{number:02}")
        world.move(seconds=1)
    world.settle()
    browser = opened(world, **by(visitor))
    first, second = (browser.get(f"{PAGE}?page={number}").get_data(as_text=True) for number in (1, 2))
    assert "/page-50" in first
    assert "/page-00" not in first
    assert "/page-00" in second
    assert browser.get(f"{PAGE}?page=-3").status_code == 200


def test_a_number_that_is_no_receipt_is_said_so(world: World) -> None:
    answer = world.browser().post(f"{PAGE}/open", data={"consent": "00000000-0000-0000-0000-000000000000"})
    assert answer.status_code == 404
    assert "no receipt of example.org" in answer.get_data(as_text=True)


def test_closing_forgets_who_it_was(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    browser = opened(world, **by(visitor))
    assert send(browser, "close", browser.get(PAGE)).status_code == 303
    assert "/mine" not in browser.get(PAGE).get_data(as_text=True)


def test_a_site_that_is_not_there_is_a_page_of_its_own(world: World) -> None:
    assert world.browser().get("/privacy/unknown.example").status_code == 404


def test_an_address_that_leads_nowhere_is_told_in_the_visitor_s_language(world: World) -> None:
    for path, status in (("/privacy/example.org/nothing/here", 404), ("/privacy/", 404), (f"{PAGE}/open", 405)):
        for language, direction in (("de", "ltr"), ("ar", "rtl")):
            answer = world.browser().get(path, headers={"Accept-Language": language})
            shown = answer.get_data(as_text=True)
            assert answer.status_code == status
            assert f'<html lang="{language}" dir="{direction}">' in shown
            assert not {"Not Found", "Method Not Allowed"} & set(re.findall("<h1[^>]*>([^<]*)", shown))


def test_receipts_name_purposes_as_the_notice_does(world: World) -> None:
    visitor = world.visitor()
    browser = opened(world, consent=visitor.receipt)
    shown = browser.get(f"{PAGE}/receipts/{visitor.receipt}").get_data(as_text=True)
    assert "<dt><bdi>Measurement</bdi>:" in shown


def test_a_staff_member_stays_signed_in_when_a_website_sends_a_visitor_here(world: World) -> None:
    staff = world.staff("owner")
    staff.post(f"{PAGE}/open", data={"consent": world.visitor().receipt})
    assert staff.get("/admin/sites").status_code == 200


# Signing out on the website


def signed_in_page(world: World) -> tuple[Visitor, Client]:
    """A visitor with a row in their account's log, and their page, opened from the account."""
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in()
    world.settle()
    browser = opened(world, token=world.token())
    assert "/private" in browser.get(PAGE).get_data(as_text=True)
    world.move(seconds=5)
    return visitor, browser


def test_signing_out_on_the_website_ends_the_page_of_the_account_also_after_a_restart(world: World) -> None:
    visitor, browser = signed_in_page(world)
    jar = browser._cookies
    visitor.signs_out()
    page = browser.get(PAGE).get_data(as_text=True)
    assert "You have signed out on example.org" in page
    assert "/private" not in page
    assert browser.get(f"{PAGE}/data.json").status_code == 404
    world.reopen()
    after = world.browser()
    after._cookies = jar
    page = after.get(PAGE).get_data(as_text=True)
    assert "You have signed out on example.org" in page
    assert "/private" not in page
    assert "/private" in opened(world, token=world.token()).get(PAGE).get_data(as_text=True), "signed in again"


@pytest.mark.parametrize("path", ["restrict", "lift-restriction", "choices", "withdraw", "erase", "opt-out"])
def test_forms_of_a_page_whose_account_has_signed_out_are_refused(world: World, path: str) -> None:
    visitor, browser = signed_in_page(world)
    page = browser.get(PAGE)
    visitor.signs_out()
    answer = send(browser, path, page)
    assert answer.status_code == 403
    assert "You have signed out on example.org" in answer.get_data(as_text=True)
    assert not [one for one in world.runtime.audit.newest() if one.action == "account.restrict"]


def test_another_account_on_the_same_browser_ends_the_page_of_the_first(world: World) -> None:
    visitor, browser = signed_in_page(world)
    visitor.signs_in(world.token("somebody-else"))
    assert "/private" not in browser.get(PAGE).get_data(as_text=True)


def test_the_sign_out_of_somebody_else_and_an_idle_visit_leave_the_page_its_half_hour(world: World) -> None:
    _, browser = signed_in_page(world)
    other = world.visitor()
    other.signs_in(world.token("somebody-else"))
    other.signs_out()
    world.move(minutes=29)
    world.runtime.accounts.advance(world.clock.now())
    assert "/private" in browser.get(PAGE).get_data(as_text=True)
    world.move(minutes=1)
    assert "/private" not in browser.get(PAGE).get_data(as_text=True)


def test_a_backend_signs_an_account_out_where_no_visit_goes_on(world: World) -> None:
    _, browser = signed_in_page(world)
    world.move(minutes=26)
    asked = {"site": "example.org", "account": "patient-4711"}
    assert world.post("/api/logout", asked).status_code == 401, "not without the key"
    assert "/private" in browser.get(PAGE).get_data(as_text=True)
    key = world.runtime.sites.new_api_key(world.site, "login", world.clock.now(), actor="test").text
    sent = {"Authorization": f"Bearer {key}"}
    assert world.post("/api/logout", asked, **sent).status_code == 204
    assert world.post("/api/logout", asked | {"account": "nobody"}, **sent).status_code == 204
    assert world.post("/api/logout", asked | {"account": "x" * 600}, **sent).status_code == 400
    assert "/private" not in browser.get(PAGE).get_data(as_text=True)


# Whom the account names


def test_the_account_s_holder_sees_identifier_address_and_name_and_the_reading_names_them(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in(world.token(email="a.person@example.net", name="A Person"))
    world.settle()
    texts = ("patient-4711", "a.person@example.net", "A Person")
    anonymous = opened(world, **by(visitor))
    for text in texts:
        assert text not in anonymous.get(PAGE).get_data(as_text=True)
        assert text not in anonymous.get(f"{PAGE}/data.json").get_data(as_text=True)
    assert anonymous.get(f"{PAGE}/data.json").get_json()["account"] is None
    browser = opened(world, token=world.token())
    page = browser.get(PAGE).get_data(as_text=True)
    assert page.index("Held about your account") < page.index("From your signed-in visits")
    for text in texts:
        assert f"<bdi>{text}</bdi>" in page
    assert world.runtime.audit.newest()[0].detail["fields"] == "identity, all"
    held = browser.get(f"{PAGE}/data.json").get_json()["account"]
    assert held == {"sub": "patient-4711", "email": "a.person@example.net", "name": "A Person"}
    assert world.runtime.audit.newest()[0].detail["fields"] == "identity, all"
    assert "Identifier, E-mail address, Name, every field of the rows" in browser.get(PAGE).get_data(as_text=True)


def test_of_an_account_without_address_and_name_the_identifier_is_shown_and_of_an_erased_one_nothing(
    world: World,
) -> None:
    _, browser = signed_in_page(world)
    page = browser.get(PAGE).get_data(as_text=True)
    assert "<dt>Identifier</dt>" in page
    assert "<dt>E-mail address</dt>" not in page
    world.runtime.account_eraser.erase(world.site, "patient-4711", world.clock.now(), actor="test")
    assert "Held about your account" not in browser.get(PAGE).get_data(as_text=True)
    assert browser.get(f"{PAGE}/data.json").get_json()["account"] is None
