"""Tables for staff on a screen that has room for them."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.test_every_page import context, signed_in  # noqa: F401
from tests.browser.test_narrow import address  # noqa: F401
from tests.support.world import World
from tests.web.test_persons import PAGE as PERSONS
from tests.web.test_persons import REASON, SUBJECT

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("narrow")]
# Runs of letters and digits of which a part stands on another line than the rest.
_BROKEN = """table => {
  const words = document.createTreeWalker(table, NodeFilter.SHOW_TEXT), broken = [], range = document.createRange();
  while (words.nextNode()) {
    for (const found of words.currentNode.data.matchAll(/[\\p{L}\\p{N}_]+/gu)) {
      range.setStart(words.currentNode, found.index);
      range.setEnd(words.currentNode, found.index + found[0].length);
      if (new Set([...range.getClientRects()].map(one => Math.round(one.top))).size > 1) broken.push(found[0]);
    }
  }
  return broken;
}"""


def broken_words(page: Page) -> list[str]:
    found: list[str] = page.get_by_role("table").first.evaluate(_BROKEN)
    return found


def test_no_word_is_broken_in_the_tables_of_persons_and_of_the_audit_trail(
    world: World,
    address: str,  # noqa: F811
    context: BrowserContext,  # noqa: F811
) -> None:
    visitor = world.visitor()
    came_from = {"referrer": "https://news.example.net/some/longer/article-about-hospitals.html"}
    visitor.sees("/departments/cardiology/appointments/new", props={"step": "confirmation"}, **came_from)
    visitor.signs_in()
    world.settle()
    world.runtime.staff.add(
        "a.rather.long.name@hospital-example.org", "owner", None, world.clock.now(), actor="operator"
    )
    signed_in(context, address, world.staff("privacy"))
    page = context.new_page()
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(address + PERSONS)
    page.get_by_label("Identifier at the website").first.fill(SUBJECT)
    page.get_by_label("Reason").first.fill(REASON)
    for box in page.locator("input[name=fields]").all():
        box.check()
    page.get_by_role("button", name="Write down and show").click()
    page.locator("#shown").wait_for()
    assert broken_words(page) == []
    page.goto(f"{address}/admin/audit")
    assert broken_words(page) == []
