"""Hits that are not counted are counted by reason, and shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import NOW, World, problem
from webmon.domain.drop import DropReason
from webmon.domain.site import Mode
from webmon.services.drop_counts import DropCounts

TODAY = date(2026, 11, 23)
PAGE = "/dashboard/example.org"
BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS)
    yield made
    made.close()


def ask(world: World, document: dict[str, Any]) -> Any:
    key = world.runtime.sites.new_api_key(world.site, "stats", NOW, actor="test").text
    return world.post("/api/v2/not-counted", document, Authorization=f"Bearer {key}")


def test_what_is_dropped_is_on_the_dashboard_and_in_the_interface(world: World) -> None:
    hit = {"name": "pageview", "url": "https://example.org/", "domain": "example.org"}
    browser = world.staff("owner")
    assert "Not counted" not in browser.get(PAGE).get_data(as_text=True)
    for _ in range(3):
        world.post("/api/event", hit, User_Agent=BOT)
    world.post("/api/event", hit, Sec_GPC="1")
    tag = browser.get(f"{PAGE}/live").headers["ETag"]
    assert world.runtime.drop_counts.flush() == 4
    assert browser.get(f"{PAGE}/live", headers={"If-None-Match": tag}).status_code == 200
    page = browser.get(PAGE).get_data(as_text=True)
    assert "Not counted" in page
    assert "Privacy signal" in page
    answer = ask(world, {"site_id": "example.org", "date_range": "7d"}).get_json()
    assert [(one["reason"], one["hits"]) for one in answer["results"]] == [("bot", 3), ("gpc", 1)]
    assert answer["query"]["date_range"] == ["2026-11-17", "2026-11-23"]
    # Of these hits nothing is known that a filter could ask about.
    assert "Not counted" not in browser.get(f"{PAGE}?f=is,visit:country,DE").get_data(as_text=True)
    before = ask(world, {"site_id": "example.org", "date_range": ["2026-11-01", "2026-11-22"]}).get_json()
    assert before["results"] == []


def test_the_interface_wants_its_key_and_a_range(world: World) -> None:
    assert world.post("/api/v2/not-counted", {"site_id": "example.org", "date_range": "7d"}).status_code == 401
    assert "date_range" in problem(ask(world, {"site_id": "example.org"}))


def test_counts_are_by_the_site_s_own_day(world: World) -> None:
    zone = {"timezone": "Asia/Tokyo", "mode": "cookieless_always", "minimum_group_count": 1}
    world.runtime.sites.change(world.site, NOW, actor="test", **zone)
    world.move(hours=6)  # 16:30 UTC is 01:30 of the next day in Tokyo
    world.post(
        "/api/event", {"name": "pageview", "url": "https://example.org/", "domain": "example.org"}, User_Agent=""
    )
    world.runtime.drop_counts.flush()
    assert world.runtime.drop_counts.read(world.site.id, TODAY, TODAY) == {}
    assert world.runtime.drop_counts.read(world.site.id, date(2026, 11, 24), date(2026, 11, 24)) == {
        DropReason.BOT: 1
    }


def test_counts_are_written_when_the_server_ends(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.event("/")
    world.close()
    world.open()
    assert world.runtime.drop_counts.read(world.site.id, TODAY, TODAY) == {DropReason.NO_CONSENT: 1}
    world.close()


def test_many_threads_lose_no_count(world: World) -> None:
    counts = world.runtime.drop_counts

    def work() -> None:
        for number in range(500):
            counts.count(world.site.id, DropReason.BOT, TODAY)
            if number % 100 == 0:
                counts.flush()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    counts.flush()
    assert counts.read(world.site.id, TODAY, TODAY) == {DropReason.BOT: 2000}


def test_what_cannot_be_written_is_written_the_next_time(world: World) -> None:
    whole = world.runtime.drop_counts._unit
    full = True

    @contextmanager
    def unit() -> Iterator[Any]:
        if full:
            raise OSError("No space left on device")
        with whole() as drops:
            yield drops

    counts = DropCounts(unit)
    counts.count(world.site.id, DropReason.GPC, TODAY)
    with pytest.raises(OSError, match="No space"):
        counts.flush()
    full = False
    assert counts.flush() == 1
    assert counts.flush() == 0
    assert world.runtime.drop_counts.read(world.site.id, TODAY, TODAY) == {DropReason.GPC: 1}
