"""Pages for staff and visitors on a telephone: nothing is cut, and a table stays one for who cannot see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.demo import Demo
from tests.support.server import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("narrow")]
Person = Callable[..., BrowserContext]
TELEPHONE = {"width": 390, "height": 844}


def nothing_is_cut(page: Page) -> None:
    """Neither the page nor a table in it is wider than what is seen of it."""
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 200))"
    assert page.locator("html, .table").evaluate_all(wide) == []


def test_tables_are_cards_on_a_telephone(demo: Demo, person: Person) -> None:
    page = person(viewport=TELEPHONE).new_page()
    page.goto(demo.address("Demo website"))
    with page.expect_response("**/api/event"):
        page.locator("[data-webmon=accept]").click()
    page.get_by_role("button", name="Privacy choices").click()
    with page.expect_popup() as opened:
        page.locator("button[data-webmon=held]").click()
    mine = opened.value
    wait_until(lambda: mine.reload() and mine.get_by_role("table").count(), 10, "the row is held")
    expect(mine.get_by_role("columnheader", name="Page")).to_be_attached()
    expect(mine.get_by_role("cell", name="localhost/")).to_be_visible()
    nothing_is_cut(mine)
    staff = person(viewport=TELEPHONE).new_page()
    staff.goto(demo.link())
    staff.get_by_label("New password").fill("a sentence to remember")
    staff.get_by_label("The same once more").fill("a sentence to remember")
    staff.get_by_role("button", name="Set password and sign in").click()
    for path, heading in (("staff", "Roles"), ("audit", "Detail"), ("sites/localhost/retention?plan=1", "Would go")):
        staff.goto(demo.address("Admin pages") + path)
        expect(staff.get_by_role("columnheader", name=heading)).to_be_attached()
        assert staff.get_by_role("cell").count() > 3
        nothing_is_cut(staff)
