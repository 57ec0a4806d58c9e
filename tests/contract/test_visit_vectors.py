"""Visits, entry and exit pages as another tracker counts them, from hits that come in at the front door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.vectors import cases
from tests.support.world import BROWSER, NOW, World
from webmon.domain.address import packed_address
from webmon.domain.breakdowns import find_breakdown
from webmon.domain.metrics import METRICS
from webmon.domain.site import Mode

ADDRESS = packed_address("192.0.2.1")
MIDNIGHT = NOW.replace(hour=0, minute=0)
# Other names there, or figures that are not there for a visit without a page view.
FIGURES = {
    "visits": "visits",
    "pageviews": "pageviews",
    "events": "events",
    "bounce": "bounce_rate",
    "duration": "visit_duration",
}
PAGES = {"entry_page": "visit:entry_page", "exit_page": "visit:exit_page"}
Rows = list[tuple[list[str], list[Any]]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS)
    yield made
    made.close()


def happens(world: World, events: Sequence[dict[str, Any]], begin: timedelta) -> None:
    """Send the events at their times; whoever visits is told apart by the browser."""
    for number, event in enumerate(events):
        if "flush" in event:
            world.settle()
            continue
        # A millisecond apart, as the order of hits at one and the same moment is nobody's to know.
        at = MIDNIGHT + begin + timedelta(seconds=event["t"], milliseconds=number)
        world.clock.move(at - world.clock.now())
        url = f"https://{event.get('host', 'example.org')}{event['path']}"
        browser = BROWSER.replace("142", str(100 + event["user"]))
        more = {"engagement_ms": 1000} if event["name"] == "engagement" else {}
        sent = {"name": event["name"], "url": url, "domain": "example.org", "props": event.get("props", {})} | more
        answer = world.post("/api/event", sent, User_Agent=browser)
        assert answer.status_code == 202
        assert "x-webmon-dropped" not in answer.headers
    world.settle()


def ask(world: World, **question: Any) -> Rows:
    found = world.runtime.stats.ask(world.site, {"date_range": "7d"} | question, world.clock.now())
    return [(list(row.dimensions), list(row.metrics)) for row in found.rows]


def asks_what_is_known(parameter: Any) -> bool:
    """Whether the case keeps to dimensions that there are: no goals."""
    query = parameter.values[0]["query"]
    return all(map(find_breakdown, (*query["dimensions"], *(one[1] for one in query.get("filters", [])))))


@pytest.mark.parametrize("case", [one for one in cases("entry_exit.json", "vectors") if asks_what_is_known(one)])
def test_entry_and_exit_pages_are_counted_as_elsewhere(world: World, case: dict[str, Any]) -> None:
    happens(world, case["events"], timedelta())
    asked = case["query"]["metrics"]
    known = [name for name in asked if name in METRICS]
    expected = [
        (values, [figure for name, figure in zip(asked, figures, strict=True) if name in METRICS])
        for values, figures in case["expected"]
    ]
    assert ask(world, **case["query"] | {"metrics": known}) == expected


@pytest.mark.parametrize("case", [one for one in cases("identity.json", "vectors") if "a" in one.values[0]])
def test_who_is_the_same_without_a_cookie_is_as_elsewhere(world: World, case: dict[str, Any]) -> None:
    first, second = (
        world.runtime.pseudonyms.cookieless(len(one["site"]), NOW, packed_address(one["ip"]), one["ua"], one["host"])
        for one in (case["a"], case["b"])
    )
    assert (first == second) is case["same"]


@pytest.mark.parametrize(("other", "same"), [("www.example.org", True), ("blog.example.org", True), ("x.net", False)])
def test_hosts_of_one_domain_have_the_same_visitors(world: World, other: str, same: bool) -> None:
    names = [world.runtime.pseudonyms.cookieless(1, NOW, ADDRESS, "U", one) for one in ("example.org", other)]
    assert (names[0] == names[1]) is same


def test_the_next_day_everybody_is_somebody_else(world: World) -> None:
    (case,) = (one.values[0] for one in cases("identity.json", "vectors") if "a" not in one.values[0])
    days = (NOW, NOW + timedelta(days=1))
    names = [world.runtime.pseudonyms.cookieless(1, day, ADDRESS, "U", "example.org") for day in days]
    assert (names[0] == names[1]) is case["same"]


@pytest.mark.parametrize("case", cases("sessions.json", "vectors"))
def test_visits_begin_go_on_and_end_as_elsewhere(world: World, case: dict[str, Any]) -> None:
    over_midnight = any(event.get("rotate_after") for event in case["events"])
    happens(world, case["events"], timedelta(hours=-1 / 120) if over_midnight else timedelta(hours=9))
    expected = case["expected"]
    known = [name for name in FIGURES if name in expected]
    wanted = [100 * expected[name] if name == "bounce" else expected[name] for name in known]
    if known:
        assert ask(world, metrics=[FIGURES[name] for name in known]) == [([], wanted)]
    for name in PAGES.keys() & expected.keys():
        pages = [values for values, _ in ask(world, metrics=["visits"], dimensions=[PAGES[name]])]
        assert pages == ([[expected[name]]] if expected[name] else [])


@pytest.mark.parametrize(("seconds", "visits"), [(30 * 60, 1), (31 * 60 - 1, 1), (31 * 60 + 1, 2)])
@pytest.mark.parametrize("restarted", [True, False])
def test_a_visit_goes_on_for_half_an_hour_in_whole_minutes(
    world: World, seconds: int, visits: int, *, restarted: bool
) -> None:
    first, second = ({"name": "pageview", "path": "/", "t": t, "user": 1} for t in (0, seconds))
    happens(world, [first], timedelta(hours=9))
    if restarted:
        world.clock.move(timedelta(seconds=seconds))
        world.reopen()
    happens(world, [second], timedelta(hours=9))
    assert ask(world, metrics=["visits", "visitors"]) == [([], [visits, 1])]
