"""Pages for staff and visitors on a telephone: nothing is cut, and a table stays one for who cannot see it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page
from werkzeug.serving import make_server

from tests.browser.test_consent import faults
from tests.support.world import World
from webmon.app import create_wsgi

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("narrow")]
Person = Callable[..., BrowserContext]
TELEPHONE = {"width": 390, "height": 844}


@pytest.fixture
def address(world: World) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_wsgi(world.runtime), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def is_whole(page: Page, headings: int) -> None:
    """Neither the page nor a table in it is wider than what is seen of it; its cells have labels."""
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 200))"
    assert page.locator("html, .table").evaluate_all(wide) == []
    table = page.get_by_role("table").first
    assert table.get_by_role("columnheader").count() == headings
    cells = table.get_by_role("cell").all()
    assert cells
    assert all(one.get_attribute("data-label") for one in cells)


def test_tables_are_cards_on_a_telephone(world: World, address: str, person: Person) -> None:
    long = "somebody.with.a.long.name@hospital-of-the-university.example.org"
    owner = world.staff("owner", long)
    session = owner.get_cookie("webmon_session")
    assert session is not None
    context = person(viewport=TELEPHONE)
    context.add_cookies([{"name": "webmon_session", "value": session.value, "url": address}])
    page = context.new_page()
    for path, headings in (("staff", 5), ("audit", 6), ("sites/example.org/retention?plan=1", 5)):
        page.goto(f"{address}/admin/{path}")
        is_whole(page, headings)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_anybody_can_use_the_visitor_s_pages(
    world: World, address: str, person: Person, language: str, scheme: str
) -> None:
    visitor = world.visitor()
    visitor.sees("/a-page")
    world.settle()
    portal = f"{address}/privacy/example.org"
    context = person(color_scheme=scheme, viewport=TELEPHONE, locale=language)
    page = context.new_page()
    page.set_content(
        f'<form method="post" action="{portal}/open?lang={language}"><input name="visitor" value="{visitor.visitor}">'
        f'<input name="consent" value="{visitor.receipt}"><button>Mine</button></form>'
    )
    page.get_by_role("button").click()
    page.locator("#receipts").wait_for()
    for path in ("", "/cookies", f"/receipts/{visitor.receipt}"):
        page.goto(f"{portal}{path}?lang={language}")
        assert page.locator("html").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
        assert faults(page, "body") == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_what_is_held_is_read_on_a_telephone(world: World, address: str, person: Person) -> None:
    visitor = world.visitor()
    visitor.sees("/a-path/that-goes-on/and-on/and-on/for-much-longer/than-a-telephone-is-wide")
    world.settle()
    page = person(viewport=TELEPHONE).new_page()
    page.set_content(
        f'<form method="post" action="{address}/privacy/example.org/open">'
        f'<input name="visitor" value="{visitor.visitor}">'
        f'<input name="consent" value="{visitor.receipt}"><button>Mine</button></form>'
    )
    page.get_by_role("button").click()
    page.get_by_role("heading", name="What is held about you").wait_for()
    is_whole(page, 7)
