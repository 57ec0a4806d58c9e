"""The dashboard: the same figures as through the API, in a page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client

from tests.support.world import World
from webmon.web.dashboards.panels import PANELS

PAGE = "/dashboard/example.org"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    first, second = made.visitor(), made.visitor()
    for path in ("/one", "/two"):
        first.sees(path, referrer="https://www.google.com/")
        made.move(seconds=60)
    second.sees("/one")
    made.settle()
    yield made
    made.close()


def text_of(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, address
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)))


def test_an_empty_dashboard_says_what_to_do(world: World) -> None:
    page = world.staff("marketing").get(PAGE).get_data(as_text=True)
    assert "No data yet" in page
    assert "w.js" in page


def test_it_shows_every_figure_and_list(busy: World) -> None:
    browser = busy.staff("marketing")
    page = text_of(browser, f"{PAGE}?period=day")
    for panel in PANELS.values():
        page += "".join(text_of(browser, f"{PAGE}?period=day&{panel.key}={tab.key}") for tab in panel.tabs)
    for label in ("Visitors", "Visits", "Pageviews", "Views per visit", "Bounce rate", "Visit duration"):
        assert label.lower() in page.lower(), label
    for value in ("1.5", "50", "/one", "/two", "Google", "Chrome", "GNU/Linux", "Desktop"):
        assert value in page, value


def test_every_link_of_the_page_leads_somewhere_and_a_row_filters(busy: World) -> None:
    browser = busy.staff("marketing")
    source = browser.get(f"{PAGE}?period=day").get_data(as_text=True)
    links = {html.unescape(link) for link in re.findall(r'href="(/dashboard[^"]*|\?[^"]*)"', source)}
    assert len(links) > 15
    for link in links:
        address = link if link.startswith("/") else PAGE + link
        assert browser.get(address, follow_redirects=True).status_code == 200, link
    filtering = [link for link in links if "%2Ftwo" in link or "/two" in link]
    assert filtering
    page = text_of(browser, filtering[0] if filtering[0].startswith("/") else PAGE + filtering[0])
    assert "/two" in page


def test_no_page_asks_anything_of_another_host(busy: World) -> None:
    source = busy.staff("owner").get(PAGE).get_data(as_text=True)
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*"', source) == []


def test_a_hostile_path_is_text(busy: World) -> None:
    visitor = busy.visitor()
    visitor.sees("/%3Cscript%3Ealert(1)%3C/script%3E")
    visitor.sees("/<img src=x onerror=alert(1)>")
    busy.settle()
    source = busy.staff("owner").get(f"{PAGE}?period=day").get_data(as_text=True)
    assert "<script>alert" not in source
    assert "<img src=x" not in source


def test_the_changing_part_is_sent_only_when_it_has_changed(busy: World) -> None:
    browser = busy.staff("marketing")
    first = browser.get(f"{PAGE}/live")
    tag = first.headers["ETag"]
    assert browser.get(f"{PAGE}/live", headers={"If-None-Match": tag}).status_code == 304
    busy.visitor().sees("/fresh")
    busy.settle()
    again = browser.get(f"{PAGE}/live", headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert "/fresh" in again.get_data(as_text=True)


@pytest.mark.parametrize(
    "query",
    [
        "period=nonsense",
        "period=custom&from=x&to=y",
        "f=is,nothing,x",
        "f=%00",
        "from=2026-99-99",
        "limit=-1",
        "f=is",
    ],
)
def test_an_address_that_makes_no_sense_still_shows_a_page(busy: World, query: str) -> None:
    assert busy.staff("marketing").get(f"{PAGE}?{query}").status_code in {200, 400}


def test_a_figure_of_too_few_is_not_said_to_be_nothing(busy: World) -> None:
    busy.runtime.sites.change(
        busy.site, busy.clock.now(), actor="test", timezone="UTC", mode="consented_only", minimum_group_count=2
    )
    source = busy.staff("marketing").get(f"{PAGE}?period=day&f=is%2Cevent%3Apage%2C%2Ftwo").get_data(as_text=True)
    figures = re.findall(r'class="figure-value"[^>]*>\s*([^<]*?)\s*<', source)
    assert len(figures) == 6
    assert not any(re.search(r"\d", figure) for figure in figures), figures
