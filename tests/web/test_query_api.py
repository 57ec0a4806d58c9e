"""`POST /api/v2/query`: the figures as programs read them."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.world import NOW, World, problem

ASKED = {"site_id": "example.org", "metrics": ["visitors", "pageviews"], "date_range": "day"}


def ask(world: World, document: Any, key: str | None = None) -> TestResponse:
    given = world.runtime.sites.new_api_key(world.site, "stats", NOW, actor="test").text if key is None else key
    return world.post("/api/v2/query", document, Authorization=f"Bearer {given}")


def results(world: World, **more: Any) -> list[tuple[list[str], list[Any]]]:
    answer = ask(world, ASKED | more)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [(row["dimensions"], row["metrics"]) for row in answer.get_json()["results"]]


def test_figures_of_today(world: World) -> None:
    first, second = world.visitor(), world.visitor()
    for path in ("/one", "/two"):
        first.sees(path)
        world.move(seconds=60)
    second.sees("/one")
    world.settle()
    everything = ["visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration"]
    assert results(world, metrics=everything) == [([], [2, 2, 3, 1.5, 50.0, 30])]
    assert results(world, dimensions=["event:page"]) == [(["/one"], [2, 2]), (["/two"], [1, 1])]
    filtered = results(world, filters=[["is", "event:page", ["/two"]]])
    assert filtered == [([], [1, 1])]
    assert results(world, dimensions=["visit:entry_page"], metrics=["visits"]) == [(["/one"], [2])]
    assert results(world, dimensions=["visit:exit_page"], metrics=["visits"]) == [(["/one"], [1]), (["/two"], [1])]


def test_how_long_and_how_far_pages_were_read(world: World) -> None:
    first, second = world.visitor(), world.visitor()
    for visitor, scrolls in ((first, (20, 80)), (second, (40,))):
        visitor.sees("/one", props={"plan": "pro" if visitor is first else "free"})
        for depth in scrolls:
            world.move(seconds=10)
            visitor.sees("/one", name="engagement", engagement_ms=9000, scroll_pct=depth)
    second.sees("/two")
    world.settle()
    asked = ["scroll_depth", "time_on_page", "visitors"]
    # 80 and 40 per cent; 27 seconds in two visits.
    by_page = results(world, metrics=asked, dimensions=["event:page"], order_by=[["visitors", "desc"]])
    assert by_page == [(["/one"], [60.0, 14, 2]), (["/two"], [None, None, 1])]
    by_plan = results(world, metrics=["pageviews"], dimensions=["event:props:plan"])
    assert sorted(by_plan) == [(["(none)"], [1]), (["free"], [1]), (["pro"], [1])]
    only = results(world, metrics=["visitors"], filters=[["is", "event:props:plan", ["free", "basic"]]])
    assert only == [([], [1])]


def test_hours_and_days_are_the_site_s_own(world: World) -> None:
    world.runtime.sites.change(
        world.site, NOW, actor="test", timezone="Asia/Tokyo", mode="consented_only", minimum_group_count=1
    )
    visitor = world.visitor()
    visitor.sees("/one")  # 10:30 UTC is 19:30 in Tokyo
    world.move(hours=5)
    visitor.sees("/two")  # 15:30 UTC is 00:30 of the next day
    world.settle()
    by_day = results(world, dimensions=["time:day"], metrics=["pageviews"], date_range=["2026-11-23", "2026-11-24"])
    assert by_day == [(["2026-11-23"], [1]), (["2026-11-24"], [1])]
    by_hour = results(world, dimensions=["time:hour"], metrics=["pageviews"], date_range=["2026-11-23", "2026-11-23"])
    assert [row for row in by_hour if row[1] != [0]] == [(["2026-11-23 19:00:00"], [1])]
    assert len(by_hour) == 24


def test_small_groups_are_not_shown_where_the_site_says_so(world: World) -> None:
    world.runtime.sites.change(
        world.site, NOW, actor="test", timezone="UTC", mode="consented_only", minimum_group_count=2
    )
    world.visitor().sees("/rare")
    for _ in range(2):
        world.visitor().sees("/common")
    world.settle()
    assert results(world, dimensions=["event:page"]) == [(["/common"], [2, 2])]


def test_another_site_s_rows_are_never_in_it(world: World) -> None:
    world.runtime.add_site("other.example", actor="test")
    other = world.runtime.sites.get("other.example")
    world.visitor().sees("/mine")
    world.settle()
    key = world.runtime.sites.new_api_key(other, "stats", NOW, actor="test").text
    assert ask(world, ASKED, key).status_code in {401, 403}
    assert ask(world, ASKED | {"site_id": "other.example"}, key).get_json()["results"][0]["metrics"] == [0, 0]


@pytest.mark.parametrize("key", ["", "wm_stats_wrong"])
def test_without_a_key_that_opens_there_is_no_answer(world: World, key: str) -> None:
    answer = ask(world, ASKED, key)
    assert answer.status_code == 401
    problem(answer)


def test_a_key_for_events_reads_no_figures(world: World) -> None:
    key = world.runtime.sites.new_api_key(world.site, "events", NOW, actor="test").text
    assert ask(world, ASKED, key).status_code == 401


@pytest.mark.parametrize(
    ("document", "status", "field"),
    [
        (b"{", 400, "body"),
        ({}, 400, "site_id"),
        (ASKED | {"metrics": []}, 400, "metrics"),
        (ASKED | {"metrics": ["happiness"]}, 400, "metrics"),
        (ASKED | {"metrics": "visitors"}, 400, "metrics"),
        (ASKED | {"dimensions": ["visit:shoe_size"]}, 400, "dimensions"),
        (ASKED | {"date_range": "a while"}, 400, "date_range"),
        (ASKED | {"date_range": ["2026-11-24", "2026-11-23"]}, 400, "date_range"),
        (ASKED | {"date_range": ["2026-02-30", "2026-03-01"]}, 400, "date_range"),
        (ASKED | {"filters": [["resembles", "event:page", ["/"]]]}, 400, "filters"),
        (ASKED | {"filters": [["is", "visit:shoe_size", ["44"]]]}, 400, "filters"),
        (ASKED | {"filters": "none"}, 400, "filters"),
        (ASKED | {"order_by": [["happiness", "desc"]]}, 400, "order_by"),
        (ASKED | {"pagination": {"limit": -1}}, 400, "pagination"),
        (ASKED | {"filters": [["is", "event:page", ["x" * 70_000]]]}, 413, "body"),
    ],
    ids=lambda value: str(value)[-50:] if isinstance(value, dict | bytes) else None,
)
def test_a_question_that_cannot_be_answered_names_the_field(
    world: World, document: Any, status: int, field: str | None
) -> None:
    answer = ask(world, document)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert [name.partition(".")[0].partition("[")[0] for name in problem(answer)] == ([field] if field else [])
