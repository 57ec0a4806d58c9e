"""Every page that webmon renders, as anybody may meet it: on a telephone, on a desk, light, dark, and in Arabic."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route
from werkzeug.test import Client

from tests.browser.test_consent import faults
from tests.browser.test_narrow import address  # noqa: F401
from tests.support.server import wait_until
from tests.support.world import NOW, PASSWORD, World
from tests.web.test_register import VIDEO
from tests.web.test_staff_security import turned_on
from webmon.app import create_app
from webmon.domain.notice import default_body

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("narrow")]
SITE = "/admin/sites/example.org"
DRAFT = f"{SITE}/notices/en"
LONG = {**VIDEO["cookies"][0], "name": "a_name_that_is_rather_long_for_a_telephone_*"}  # type: ignore[index]
OWNER = {
    "dashboards.index": ("/dashboard/",),
    "dashboards.show": ("/dashboard/example.org", "/dashboard/empty.example"),
    "dashboards.consent": ("/dashboard/example.org/consent", "/dashboard/empty.example/consent"),
    "admin.list_sites": ("/admin/sites",),
    "admin.new_site": ("/admin/sites/new",),
    "admin.show_site": (SITE,),
    "admin.list_services": (f"{SITE}/services", "/admin/sites/empty.example/services"),
    "admin.new_service": (f"{SITE}/services/new",),
    "admin.edit_service": (f"{SITE}/services/video/edit",),
    "admin.translate_service": (f"{SITE}/services/video/texts/de",),
    "admin.delete_service": (f"{SITE}/services/video/delete",),
    "admin.list_notices": (f"{SITE}/notices",),
    "admin.show_notice": (f"{SITE}/notices/NOTICE",),
    "admin.edit_notice": (f"{DRAFT}/edit",),
    "admin.show_draft": (f"{DRAFT}/draft",),
    "admin.import_notice": (f"{SITE}/notices/import",),
    "admin.compare_notices": (f"{SITE}/notices/compare?before=NOTICE&after=en",),
    "admin.preview_notice": (f"{DRAFT}/preview",),
    "admin.show_retention": (f"{SITE}/retention?plan=1",),
    "admin.list_staff": ("/admin/staff",),
    "admin.show_audit": ("/admin/audit?verify=1",),
    "staff.account": ("/staff/account",),
    "staff.second_factor": ("/staff/second-factor",),
    "staff.remove_second_factor": ("/staff/second-factor/remove",),
}
PRIVACY = {"admin.ask_person": (f"{SITE}/persons",)}
STRANGER = {
    "staff.sign_in": ("/staff/sign-in",),
    "staff.enter_code": ("/staff/sign-in/code",),
    "staff.link": ("/staff/link/LINK", "/staff/link/none"),
    "errors": ("/nowhere", "/admin/nowhere", "/privacy/unknown.example", "/privacy/a/b/c"),
}
VISITOR = {
    "portal.show": ("/privacy/example.org",),
    "portal.cookies": ("/privacy/example.org/cookies",),
    "portal.receipt": ("/privacy/example.org/receipts/RECEIPT",),
}
WIDE = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 150))"
# What leads on, is a file or a part of another page.
NO_PAGES = {
    *("admin.index", "admin.export_notice", "admin.preview_frame"),
    *("dashboards.root", "dashboards.live", "portal.data"),
}


@pytest.fixture
def kept(world: World) -> World:
    """A site with something on each of its pages, and one with nothing."""
    world.runtime.add_site("empty.example", actor="test")
    for _ in range(3):
        world.visitor().sees("/a-path/that-goes-on/and-on/for-much-longer/than-a-telephone-is-wide")
    world.post("/api/consent/shown", {"site": "example.org", "notice": notice_of(world)})
    world.settle()
    world.runtime.consent_counts.flush()
    world.runtime.register.replace(world.site, [VIDEO | {"cookies": [LONG]}], NOW, actor="test")
    body = default_body("example.org", "en")
    body["texts"] = body["texts"] | {"title": "May we count?"}
    world.runtime.notices.save_draft(world.site, body, NOW, actor="test")
    for scope in ("stats", "admin"):
        made = world.runtime.sites.new_api_key(world.site, scope, NOW, actor="test")
    world.runtime.sites.end_api_key(world.site, made.kept.number, NOW, actor="test")
    return world


def notice_of(world: World) -> str:
    return world.runtime.notices.current(world.site, world.clock.now())["en"]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    # The console of whoever meets a page that does not exist says so: no fault of ours.
    made = browser.new_context(locale="en-GB", reduced_motion="reduce")
    refused: list[str] = []
    made.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    yield made
    made.close()
    assert refused == []


def signed_in(context: BrowserContext, address: str, client: Client) -> None:  # noqa: F811
    cookie = client.get_cookie("webmon_session")
    assert cookie is not None
    context.add_cookies([{"name": "webmon_session", "value": cookie.value, "url": address}])


def look(page: Page, schemes: tuple[str, str] = ("light", "dark")) -> list[object]:
    """What is wrong with a page on a desk and on a telephone."""
    found: list[object] = []
    for scheme, width in zip(schemes, (1280, 320), strict=True):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 720})
        found += [(page.url, scheme, width, one) for one in faults(page, "html")]
        found += [(page.url, width, one) for one in page.locator("html, .table").evaluate_all(WIDE)]
    return found


def walk(page: Page, address: str, *paths: str, schemes: tuple[str, str] = ("light", "dark")) -> None:  # noqa: F811
    found = []
    for path in paths:
        page.goto(address + path)
        found += look(page, schemes)
    assert found == []


def test_no_page_is_left_out(world: World) -> None:
    audiences = ("admin", "dashboards", "portal", "staff")
    known = {
        rule.endpoint
        for rule in create_app(world.runtime).url_map.iter_rules()
        if rule.endpoint.startswith(tuple(f"{one}." for one in audiences)) and "GET" in (rule.methods or ())
    }
    assert known == {*OWNER, *PRIVACY, *STRANGER, *VISITOR, *NO_PAGES} - {"errors"}


@pytest.mark.parametrize("part", ["dashboards", "admin", "staff"])
def test_anybody_on_the_staff_can_use_their_pages(
    kept: World,
    address: str,  # noqa: F811
    context: BrowserContext,
    part: str,
) -> None:
    signed_in(context, address, kept.staff("owner"))
    paths = [path for name, paths in OWNER.items() if name.startswith(part) for path in paths]
    walk(context.new_page(), address, *(path.replace("NOTICE", notice_of(kept)) for path in paths))


def test_a_privacy_officer_can_use_theirs(
    kept: World,
    address: str,  # noqa: F811
    context: BrowserContext,
) -> None:
    signed_in(context, address, kept.staff("privacy"))
    page = context.new_page()
    walk(page, address, *PRIVACY["admin.ask_person"])


def test_anybody_can_sign_in_with_a_second_factor(
    world: World,
    address: str,  # noqa: F811
    context: BrowserContext,
) -> None:
    turned_on(world)
    link = world.runtime.staff.add("new@example.org", "owner", None, NOW, actor="test")
    walk(context.new_page(), address, *(path.replace("LINK", link) for path in STRANGER["staff.link"]))
    walk(context.new_page(), address, *STRANGER["staff.sign_in"], *STRANGER["errors"])
    page = context.new_page()
    page.goto(f"{address}/staff/sign-in")
    page.get_by_label("E-mail").fill("owner@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    page.wait_for_url("**/sign-in/code")
    assert look(page) == []
    signed_in(context, address, world.staff("privacy"))
    page.goto(f"{address}/staff/second-factor")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("heading", name="Show this to your app").wait_for()
    assert look(page) == []


def test_what_somebody_has_put_into_a_page_does_not_run_and_its_own_script_does(
    kept: World,
    address: str,  # noqa: F811
    browser: Browser,
) -> None:
    put = (
        "<script>window.put = 'inline'</script><script src='/put.js'></script>"
        "<script nonce='a guess'>window.put = 'guessed'</script><img src='/none' onerror='window.put = 1'></body>"
    )
    context = browser.new_context()
    signed_in(context, address, kept.staff("owner"))
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)

    def change(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</body>", put))

    page.route(f"{address}{SITE}", change)
    page.route("**/put.js", lambda route: route.fulfill(content_type="text/javascript", body="window.put = 'file'"))
    page.goto(address + SITE)
    page.get_by_role("button", name="Copy").wait_for()
    wait_until(lambda: page.evaluate("document.images[0].complete") and len(refused) > 3, 10, "all are refused")
    assert page.evaluate("window.put") is None
    context.close()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_any_visitor_can_use_theirs(
    kept: World,
    address: str,  # noqa: F811
    context: BrowserContext,
    language: str,
) -> None:
    visitor = kept.visitor()
    visitor.sees("/")
    kept.settle()
    page = context.new_page()
    page.set_content(
        f'<form method="post" action="{address}/privacy/example.org/open">'
        f'<input name="visitor" value="{visitor.visitor}">'
        f'<input name="consent" value="{visitor.receipt}"><button>Mine</button></form>'
    )
    page.get_by_role("button").click()
    page.locator("#receipts").wait_for()
    paths = [
        f"{path}?lang={language}".replace("RECEIPT", visitor.receipt) for one in VISITOR.values() for path in one
    ]
    walk(page, address, *paths, schemes=("dark", "light"))
    # A name is broken only where it is longer than the line.
    page.goto(f"{address}/privacy/example.org/cookies?lang={language}")
    lines = page.locator(".cookies .name", has_text="webmon_consent").evaluate("one => one.getClientRects().length")
    assert lines == 1
