"""Answers without JavaScript, in a real browser: a form on the website's own page, and the opt-out on webmon's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support.server import WebmonServer, request
from tests.support.website import Website

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("policy")]
FORM = """<!doctype html><html lang="en"><title>Privacy</title>
<form method="post" action="{webmon}/privacy/{site}/answer">
<input type="hidden" name="notice" value="{notice}"><input type="hidden" name="return" value="{back}">
<label><input type="checkbox" name="purpose-analytics" value="y"> Measurement</label>
<button name="action" value="reject_all">Reject all</button>
<button name="action" value="custom">Save choices</button></form>"""


@pytest.fixture(scope="module")
def website() -> Iterator[Website]:
    made = Website({"/thanks": "<!doctype html><title>Thanks</title><h1>Thank you</h1>"})
    yield made
    made.close()


@pytest.fixture(scope="module")
def webmon(tmp_path_factory: pytest.TempPathFactory, website: Website) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path_factory.mktemp("policy") / "data")
    server.run("site", "add", name_of(website), "--policy", "opt_out")
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def plain(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without JavaScript."""
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    yield context
    context.close()


def name_of(website: Website) -> str:
    return website.url.removeprefix("http://")


def form(website: Website, webmon: WebmonServer, back: str) -> str:
    site = name_of(website)
    shown = json.loads(request("GET", f"{webmon.url}/api/notice?site={site}").body)
    return FORM.format(webmon=webmon.url, site=site, notice=shown["hash"], back=back)


def test_a_refusal_by_form_comes_back_to_the_website_and_leaves_no_cookie(
    plain: BrowserContext, website: Website, webmon: WebmonServer
) -> None:
    website.pages["/"] = form(website, webmon, f"{website.url}/thanks")
    page = plain.new_page()
    page.goto(website.url)
    page.get_by_role("button", name="Reject all").click()
    expect(page).to_have_url(f"{website.url}/thanks")
    assert plain.cookies() == []


def test_a_consent_by_form_shows_its_receipt_and_is_withdrawn_there(
    plain: BrowserContext, website: Website, webmon: WebmonServer
) -> None:
    website.pages["/"] = form(website, webmon, "")
    page = plain.new_page()
    page.goto(website.url)
    page.get_by_label("Measurement").check()
    page.get_by_role("button", name="Save choices").click()
    expect(page.get_by_role("status")).to_contain_text("Your choices are saved")
    page.locator("#receipts a").first.click()
    expect(page.locator("main")).to_contain_text("opt_out")
    page.go_back()
    page.locator("[data-webmon=withdraw]").click()
    expect(page.get_by_role("status")).to_contain_text("withdrawn")


def test_the_opt_out_is_one_press_of_a_button(plain: BrowserContext, website: Website, webmon: WebmonServer) -> None:
    page = plain.new_page()
    page.goto(f"{webmon.url}/privacy/{name_of(website)}")
    page.get_by_role("button", name="Do not sell or share my personal information").click()
    expect(page.get_by_role("status")).to_contain_text("Your answer is counted")
    assert plain.cookies() == []


@pytest.mark.parametrize(
    ("hook", "said", "receipts"), [("reject", "counted", 0), ("accept", "saved", 1), ("save", "saved", 1)]
)
def test_the_linked_page_asks_whoever_it_does_not_know(
    plain: BrowserContext, website: Website, webmon: WebmonServer, hook: str, said: str, receipts: int
) -> None:
    page = plain.new_page()
    page.goto(f"{webmon.url}/privacy/{name_of(website)}")
    assert plain.cookies() == []
    boxes = page.locator("#choices input[type=checkbox]:not(:disabled)")
    assert [box.is_checked() for box in boxes.all()] == [False] * 3
    heights = page.locator("#choices button").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert len(heights) == 3
    assert len(set(heights)) == 1
    if hook == "save":
        page.get_by_label("Measurement").check()
    page.locator(f"#choices [data-webmon={hook}]").click()
    expect(page.get_by_role("status")).to_contain_text(said)
    expect(page.locator("#receipts li")).to_have_count(receipts)
    assert bool(plain.cookies()) is bool(receipts), "a refusal leaves nothing"


def test_where_scripts_run_the_linked_page_leaves_the_question_to_the_website(
    browser: Browser, website: Website, webmon: WebmonServer
) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{webmon.url}/privacy/{name_of(website)}")
    expect(page.locator("#opt-out")).to_be_visible()
    expect(page.locator("#choices")).to_have_count(0)
    context.close()
