"""Erasing everything that is held about an account: by its holder on their own page, and by a privacy officer."""

from __future__ import annotations

from html import unescape

import pytest
from werkzeug.test import Client, TestResponse

from tests.support.world import Visitor, World, csrf
from tests.web.test_persons import PAGE as PERSONS
from tests.web.test_persons import REASON, SUBJECT, account, entries
from tests.web.test_portal import PAGE, opened, send
from webmon.domain.language import LANGUAGES
from webmon.web.portal.words import WORDS


@pytest.fixture
def person(world: World) -> Visitor:
    """Somebody who is signed in, and has seen one page before."""
    visitor = world.visitor()
    visitor.sees("/before")
    visitor.signs_in()
    world.settle()
    assert world.account_paths() == ["/before"]
    return visitor


def erase(world: World, browser: Client, **fields: str) -> TestResponse:
    return send(browser, "erase-account", browser.get(PAGE), **{"understood": "y"} | fields)


def erasures(world: World) -> list[tuple[str, object]]:
    return [(actor, detail) for actor, action, detail in entries(world, "account") if action == "account.erase"]


def is_held(world: World) -> bool:
    return world.account_row_count() > 0 and len(world.runtime.data_keys.accounts()) > 0


# On the person's own page


def test_somebody_erases_all_that_is_held_about_their_account(world: World, person: Visitor) -> None:
    other = world.visitor()
    other.sees("/other")
    other.signs_in(world.token("patient-0815"))
    world.settle()
    browser, beside = opened(world, token=world.token()), opened(world, token=world.token())
    number, form = account(world), browser.get(PAGE)
    assert form.get_data(as_text=True).count("I understand that it cannot be undone") == 1
    answer = erase(world, browser)
    assert answer.status_code == 303
    said = browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert "Everything that was held about your account is erased." in said
    assert "Come here from the website" in said, "the page knows nobody any more"
    assert browser.get(f"{PAGE}/data.json").status_code == 404
    assert "/before" not in beside.get(PAGE).get_data(as_text=True)
    assert erasures(world) == [("person", {"rows": 1})], "and nothing of whom"
    assert world.account_paths("patient-0815") == ["/other"]
    assert number not in world.runtime.data_keys.accounts()
    # Nobody is signed in any more, and whoever signs in begins anew.
    person.sees("/after")
    world.settle()
    assert world.paths() == ["/after"]
    person.signs_in()
    world.settle()
    assert world.account_paths() == ["/after"]
    assert account(world) != number


@pytest.mark.parametrize("fields", [{"understood": ""}, {"understood": "no"}])
def test_without_the_tick_nothing_is_erased_and_that_is_said(
    world: World, person: Visitor, fields: dict[str, str]
) -> None:
    answer = erase(world, opened(world, token=world.token()), **fields)
    assert answer.status_code == 400
    assert "Nothing was erased. Please tick first" in answer.get_data(as_text=True)
    assert (is_held(world), erasures(world)) == (True, [])


def test_a_form_from_elsewhere_of_nobody_or_of_who_has_signed_out_erases_nothing(
    world: World, person: Visitor
) -> None:
    browser = opened(world, token=world.token())
    token = csrf(browser.get(PAGE), "form_token")
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    for form, headers in (({}, {}), ({"form_token": "forged"}, {}), ({"form_token": token}, elsewhere)):
        answer = browser.post(f"{PAGE}/erase-account", data=form | {"understood": "y"}, headers=headers)
        assert answer.status_code == 400
    visitor = opened(world, visitor=person.visitor, consent=person.receipt)
    assert "erase-account" not in visitor.get(PAGE).get_data(as_text=True)
    assert erase(world, visitor).status_code == 404, "it knows a visitor, and no account"
    form = browser.get(PAGE)
    world.move(seconds=1)
    person.signs_out()
    assert send(browser, "erase-account", form, understood="y").status_code == 403
    assert (is_held(world), erasures(world)) == (True, [])


def test_a_restriction_does_not_stand_in_the_way(world: World, person: Visitor) -> None:
    browser = opened(world, token=world.token())
    assert send(browser, "restrict", browser.get(PAGE)).status_code == 303
    assert erase(world, browser).status_code == 303
    assert (is_held(world), len(erasures(world))) == (False, 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_in_every_language(world: World, person: Visitor, language: str) -> None:
    words, browser = WORDS[language].texts, opened(world, token=world.token())
    asked = f"{PAGE}?lang={language}"
    page = unescape(browser.get(asked).get_data(as_text=True))
    for name in ("erase_all", "erase_all_goes", "erase_all_stays", "erase_all_confirm"):
        assert words[name] in page
    token = csrf(browser.get(asked), "form_token")
    path = f"{PAGE}/erase-account?lang={language}"
    missing = browser.post(path, data={"form_token": token}).get_data(as_text=True)
    assert words["erase_all_missing"] in unescape(missing)
    done = browser.post(path, data={"form_token": token, "understood": "y"})
    assert words["erased_all"] in unescape(browser.get(done.headers["Location"]).get_data(as_text=True))


# By staff


def staff_sends(browser: Client, **fields: str) -> TestResponse:
    token = csrf(browser.get(PERSONS), "erasure-csrf_token")
    form = {"subject": SUBJECT, "reason": REASON, "understood": "y"} | fields
    sent = {f"erasure-{name}": text for name, text in form.items()}
    return browser.post(f"{PERSONS}/erase", data={"erasure-csrf_token": token} | sent)


def test_a_privacy_officer_erases_an_account_with_a_reason_on_record(world: World, person: Visitor) -> None:
    browser = world.staff("privacy")
    answer = staff_sends(browser)
    assert answer.status_code == 302
    assert "The account is erased, and with it 1 row." in browser.get(answer.headers["Location"]).get_data(
        as_text=True
    )
    assert erasures(world) == [("privacy@example.org", {"rows": 1, "reason": REASON})]
    assert not is_held(world)
    again = staff_sends(browser)
    assert again.status_code == 404
    assert "is not known" in again.get_data(as_text=True).partition('id="erasure"')[2], "in its own form"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": ""}, "Reason is required"),
        ({"reason": "short"}, "Reason must say in words why"),
        ({"understood": ""}, "must be ticked: it cannot be undone"),
        ({"subject": ""}, "is required, or the account"),
        ({"account_id": "none"}, "Not a valid integer"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    world: World, person: Visitor, fields: dict[str, str], said: str
) -> None:
    answer = staff_sends(world.staff("privacy"), **fields)
    assert answer.status_code == 400
    assert said in answer.get_data(as_text=True).partition('id="erasure"')[2]
    assert (is_held(world), erasures(world)) == (True, [])


@pytest.mark.parametrize("role", ["owner", "marketing"])
def test_no_other_role_erases_anybody(world: World, person: Visitor, role: str) -> None:
    browser = world.staff(role)
    form = {"csrf_token": csrf(browser.get("/staff/account")), "erasure-subject": SUBJECT}
    answer = browser.post(f"{PERSONS}/erase", data=form | {"erasure-reason": REASON, "erasure-understood": "y"})
    assert answer.status_code == 403
    assert (is_held(world), erasures(world)) == (True, [])
