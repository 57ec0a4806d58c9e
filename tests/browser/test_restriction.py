"""Restricting an account in a browser, as the person does it and as a privacy officer does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.test_every_page import context, look, signed_in  # noqa: F401
from tests.browser.test_narrow import address  # noqa: F401
from tests.support.world import World
from tests.web.test_persons import PAGE as PERSONS
from tests.web.test_persons import REASON, SUBJECT
from webmon.web.portal.words import WORDS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("narrow")]
Person = Callable[..., BrowserContext]


@pytest.fixture
def held(world: World) -> World:
    visitor = world.visitor()
    visitor.sees("/imaging/mri")
    visitor.signs_in()
    world.settle()
    return world


@pytest.mark.parametrize("language", ["de", "ar"])
def test_a_person_restricts_their_account_and_lifts_that_without_javascript(
    held: World,
    address: str,  # noqa: F811
    person: Person,
    language: str,
) -> None:
    words, page = WORDS[language].texts, person(java_script_enabled=False).new_page()
    opened(page, address, held.token(), language)
    page.get_by_role("button", name=words["restrict"]).click()
    page.get_by_text(words["restricted"], exact=True).wait_for()
    page.get_by_text(words["restricted_since"].format(date="2026-11-23")).wait_for()
    assert page.get_by_role("button", name=words["restrict"], exact=True).count() == 0
    page.get_by_role("button", name=words["lift"]).click()
    page.get_by_text(words["lifted"], exact=True).wait_for()
    page.get_by_role("button", name=words["restrict"], exact=True).wait_for()


def opened(page: Page, address: str, token: str, language: str) -> None:  # noqa: F811
    page.set_content(
        f'<form method="post" action="{address}/privacy/example.org/open?lang={language}">'
        f'<input name="token" value="{token}"><button>Mine</button></form>'
    )
    page.get_by_role("button").click()
    page.locator("#held").wait_for()


@pytest.mark.parametrize("schemes", [("light", "dark"), ("dark", "light")])
def test_both_pages_can_be_used_by_anybody_while_an_account_is_restricted(
    held: World,
    address: str,  # noqa: F811
    context: BrowserContext,  # noqa: F811
    schemes: tuple[str, str],
) -> None:
    page = context.new_page()
    opened(page, address, held.token(), "en")
    assert look(page, schemes) == []
    page.get_by_role("button", name="Restrict processing").click()
    page.get_by_text("Processing restricted since").wait_for()
    assert look(page, schemes) == []
    signed_in(context, address, held.staff("privacy"))
    staff = context.new_page()
    staff.goto(address + PERSONS)
    asked = staff.locator(f'form[action="{PERSONS}"]').last
    asked.get_by_label("Identifier at the website").fill(SUBJECT)
    asked.get_by_label("Reason").fill(REASON)
    asked.get_by_role("button").click()
    staff.get_by_text(
        "must be ticked, where it is so: the account is restricted since 2026-11-23 10:30 UTC"
    ).wait_for()
    assert look(staff, schemes) == []
    staff.get_by_label("At the person's request, or for legal claims").check()
    staff.get_by_role("button", name="Write down and show").click()
    staff.get_by_text("Restricted since 2026-11-23 10:30 UTC").wait_for()
    assert staff.get_by_role("cell", name="/imaging/mri").count() == 1
    assert look(staff, schemes) == []
    form = staff.locator("#restriction")
    form.get_by_label("Reason").fill(REASON)
    form.get_by_role("button", name="Lift the restriction").click()
    staff.get_by_text("is not restricted any more").wait_for()
    assert look(staff, schemes) == []
