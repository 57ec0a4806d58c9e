"""The preview of a notice, in Chromium: the banner itself, in the colours asked for, and telling nobody anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page

from tests.support.server import WebmonServer
from tests.support.world import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("preview")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebmonServer]:
    made = WebmonServer(tmp_path_factory.mktemp("preview") / "data")
    made.run("site", "add", "example.org")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def link(server: WebmonServer) -> str:
    return server.last_line("staff", "add", "owner@example.org", "--role", "owner")


def sign_in(page: Page, server: WebmonServer, link: str) -> None:
    page.goto(link)
    if page.locator("[name=again]").count():
        page.fill("[name=password]", PASSWORD)
        page.fill("[name=again]", PASSWORD)
    else:
        page.goto(f"{server.url}/staff/sign-in")
        page.fill("[name=email]", "owner@example.org")
        page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_load_state()


def test_a_preview_shows_each_colouring_direction_and_layer_and_records_nothing(
    person: Callable[..., BrowserContext], server: WebmonServer, link: str, tmp_path: Path
) -> None:
    context = person(color_scheme="light")
    page = context.new_page()
    sign_in(page, server, link)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(server.url)}"))
    notice = f"{server.url}/admin/sites/example.org/notices/en/preview"

    def shown(**view: str) -> FrameLocator:
        page.goto(notice + "?" + "&".join(f"{name}={value}" for name, value in view.items()))
        frame = page.frame_locator("iframe")
        frame.locator(".webmon").first.wait_for()
        return frame

    def colour(frame: FrameLocator) -> str:
        return str(frame.locator(".webmon .w").first.evaluate("one => getComputedStyle(one).backgroundColor"))

    assert colour(shown(scheme="light")) == "rgb(255, 255, 255)"
    assert colour(shown(scheme="dark")) == "rgb(23, 28, 36)"
    named = (
        shown().locator(".webmon").first.evaluate("one => getComputedStyle(one).getPropertyValue('--webmon-accent')")
    )
    assert named == "#1f4f8f", "the look is the notice's own"
    second = shown(layer="second", direction="rtl", width="phone")
    assert second.locator("[data-webmon=preferences]").get_attribute("dir") == "rtl"
    assert page.locator("iframe").evaluate("one => one.offsetWidth") == 390
    first = shown()
    page.locator("iframe").scroll_into_view_if_needed()
    for name in ("accept", "reject"):
        first.locator(f"[data-webmon={name}]").dispatch_event("click")
        first.locator(".webmon").wait_for(state="detached")
        first.locator("#again").dispatch_event("click")
        first.locator(".webmon").wait_for()
    assert [one for one in asked if not one.startswith(("GET /admin/", "GET /static/"))] == []
    assert not [one for one in context.cookies() if one["name"] not in {"webmon_session"}]
