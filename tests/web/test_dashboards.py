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


def test_a_site_whose_visitors_signed_in_is_not_taken_for_one_without_data(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/")
    # Somebody who objects leaves nothing for figures.
    sent = {"site": "example.org", "token": world.token(), **visitor.ids}
    assert world.post("/api/login", sent, Sec_GPC="1").status_code == 204
    world.settle()
    page = text_of(world.staff("marketing"), PAGE)
    assert "No data yet" not in page
    assert "Nothing in this period. Visits of people who signed in are in the account log" in page


def test_a_site_of_which_nothing_was_counted_is_not_told_to_put_the_line_into_its_pages(world: World) -> None:
    assert world.event("/").headers["X-Webmon-Drop-Reason"] == "no_consent"
    world.runtime.drop_counts.flush()
    page = text_of(world.staff("marketing"), PAGE)
    assert "No data yet" not in page
    assert "Nothing in this period." in page
    assert "account log" not in page


def test_a_place_that_is_unknown_is_said_to_be(busy: World) -> None:
    page = text_of(busy.staff("marketing"), f"{PAGE}?period=day&places=country")
    assert "Where visitors are is not known: their addresses are private ones or not in the file" in page


def test_a_chart_over_several_years_says_which(busy: World) -> None:
    browser = busy.staff("marketing")
    assert re.search(r'class="tick[^>]*>\d+ Nov<', browser.get(f"{PAGE}?period=28d").get_data(as_text=True))
    source = browser.get(f"{PAGE}?from=2023-11-01&to=2026-11-23").get_data(as_text=True)
    ticks = re.findall(r'class="tick[^>]*>([^<]+)<', source)
    assert len(ticks) > 4
    assert all(re.fullmatch(r"[A-Z][a-z]{2} 202[3-6]", tick) for tick in ticks), ticks


def test_figures_of_visits_say_that_a_filter_leaves_visits_whole(busy: World) -> None:
    source = busy.staff("marketing").get(f"{PAGE}?period=day&f=is%2Cevent%3Apage%2C%2Ftwo").get_data(as_text=True)
    figures = dict(re.findall(r'id="figure-(\w+)".*?class="figure-value"[^>]*>\s*([^<]*?)\s*<', source, re.DOTALL))
    assert (figures["pageviews"], figures["visits"], figures["views_per_visit"]) == ("1", "1", "2")
    for key in ("views_per_visit", "bounce_rate", "visit_duration"):
        assert re.search(rf'id="figure-{key}"[^>]*title="[^"]*Always of whole visits', source), key


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
