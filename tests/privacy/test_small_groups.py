"""Invariant 9: no two questions, subtracted, show a group that is smaller than the site allows to be shown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract import reference
from tests.support.rows import hit, store
from tests.support.world import World, problem
from tests.web.test_query_api import ask
from webmon.domain.grouping import Row
from webmon.domain.hit import Hit
from webmon.domain.metrics import METRICS
from webmon.domain.query import parse_query
from webmon.domain.site import Mode, Site
from webmon.services.read_stats import Result, Stats
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.events.reader import EventStats

NOW = datetime(2026, 11, 4, 15, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, 9)  # noqa: DTZ001 - as rows hold their times
COUNTS = [name for name, metric in METRICS.items() if metric.unit == "count"]
VALUES = {
    "visit:country": ["DE", "AT", "LI"],
    "visit:browser": ["Chrome", "Firefox"],
    "event:page": ["/", "/rare", "/prices"],
    "visit:entry_page": ["/", "/rare", "/prices"],
}
RANGES: list[Any] = ["7d", "day", ["2026-11-01", "2026-11-02"], ["2026-11-01", "2026-11-03"]]
numbers = itertools.count(1)

clauses = st.sampled_from(list(VALUES)).flatmap(
    lambda name: st.tuples(
        st.sampled_from(["is", "is_not", "contains", "contains_not"]),
        st.just(name),
        st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=2, unique=True),
    )
)
people = st.lists(
    st.tuples(
        st.sampled_from(["DE", "DE", "DE", "AT", "LI"]),
        st.sampled_from(["Chrome", "Chrome", "Firefox"]),
        st.lists(st.sampled_from(["/", "/", "/prices", "/rare"]), min_size=1, max_size=4),
        st.integers(0, 3),
    ),
    max_size=24,
)


@dataclass(frozen=True)
class Pair:
    """Two questions that differ in one clause: one more, another one, or another range."""

    first: dict[str, Any]
    second: dict[str, Any]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    filters = draw(st.lists(clauses, max_size=2))
    dimension = draw(st.sampled_from([None, None, *VALUES, "time:day", "time:hour"]))
    first = {
        "metrics": list(METRICS),
        "date_range": draw(st.sampled_from(RANGES)),
        "dimensions": [dimension] if dimension else [],
        "filters": [list(one) for one in filters],
    }
    if draw(st.booleans()):
        return Pair(first, first | {"date_range": draw(st.sampled_from(RANGES))})
    kept = filters[:-1] if draw(st.booleans()) else filters
    return Pair(first, first | {"filters": [list(one) for one in (*kept, draw(clauses))]})


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBEventLog]:
    found = DuckDBEventLog(tmp_path_factory.mktemp("events"))
    yield found
    found.close()


def rows_of(site: Site, drawn: Sequence[tuple[str, str, list[str], int]]) -> list[Hit]:
    return [
        hit(
            FIRST + timedelta(days=day, minutes=7 * number),
            visitor=number,
            visit=number,
            site=site.id,
            country=country,
            browser=browser,
            pathname=page,
        )
        for number, (country, browser, pages, day) in enumerate(drawn, 1)
        for page in pages
    ]


def figures(result: Result) -> dict[tuple[str, ...], dict[str, Any]]:
    return {row.dimensions: dict(zip(result.query.metrics, row.metrics, strict=True)) for row in result.rows}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people, pairs(), st.integers(2, 5))
def test_no_difference_of_two_answers_is_a_small_group(
    log: DuckDBEventLog, drawn: list[Any], pair: Pair, minimum: int
) -> None:
    site = Site(next(numbers), "example.org", "UTC", Mode.CONSENTED_ONLY, minimum, NOW)
    hits = rows_of(site, drawn)
    if hits:
        store(log, hits)
    stats = Stats(EventStats(log))
    small = range(1, minimum)
    answers = []
    for document in (pair.first, pair.second):
        query = parse_query(document, site.zone, NOW, date(2026, 11, 1))
        shown = figures(stats.ask(site, document, NOW))
        there = reference.answer(hits, query, site.zone)
        enough = {key for key, one in there.items() if one["visitors"] >= minimum}
        assert {key for key, one in shown.items() if one["visitors"] is not None} == enough
        whole = figures(stats.ask(site, document | {"dimensions": []}, NOW)).get((), dict.fromkeys(METRICS, 0))
        for name in COUNTS:
            parts = sum(one[name] or 0 for one in shown.values())
            assert abs(whole[name] - parts) not in small or not document["dimensions"], name
        answers.append(shown)
    first, second = answers
    for key, name in itertools.product(first.keys() | second.keys(), COUNTS):
        before, after = (one.get(key, {}).get(name) or 0 for one in (first, second))
        assert abs(before - after) not in small, (key, name)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people, pairs(), st.integers(2, 5))
def test_too_few_are_answered_as_nobody(log: DuckDBEventLog, drawn: list[Any], pair: Pair, minimum: int) -> None:
    """Whether the one visitor of a group did something is not to be told from whether there is any visitor."""
    site = Site(next(numbers), "example.org", "UTC", Mode.CONSENTED_ONLY, minimum, NOW)
    hits = rows_of(site, drawn[: minimum - 1])
    if hits:
        store(log, hits)
    stats = Stats(EventStats(log))
    nobody = replace(site, id=10**6)
    asked = pair.first | {"include": {"time_labels": True, "total_rows": True}}
    assert stats.ask(site, asked, NOW).document() == stats.ask(nobody, asked, NOW).document()


@pytest.fixture
def hiding(world: World) -> World:
    """Twenty visitors from Germany, who look at one page, and one from Liechtenstein, who looks at four."""
    world.site = world.runtime.sites.change(
        world.site, world.clock.now(), actor="test", timezone="UTC", mode="consented_only", minimum_group_count=5
    )
    at = world.clock.now().replace(tzinfo=None)
    rows = [hit(at, visitor=one, visit=one, country="DE") for one in range(1, 21)]
    rows += [hit(at, visitor=21, visit=21, country="LI", pathname=page) for page in ("/", "/b", "/c", "/d")]
    store(world.runtime.event_log, rows)
    return world


def told(world: World, **more: Any) -> list[Row]:
    asked = {"metrics": [*METRICS], "date_range": "day"} | more
    return list(world.runtime.stats.ask(world.site, asked, world.clock.now()).rows)


def test_everybody_less_those_from_elsewhere_gives_nobody_away(hiding: World) -> None:
    everybody = told(hiding)
    assert everybody[0].metrics[:3] == (20, 20, 20)
    assert told(hiding, filters=[["is_not", "visit:country", ["LI"]]]) == everybody
    assert told(hiding, filters=[["is", "visit:country", ["DE"]]]) == everybody
    assert told(hiding, filters=[["is", "visit:country", ["DE", "LI"]]]) == everybody
    (germany,) = told(hiding, dimensions=["visit:country"])
    assert germany.metrics == everybody[0].metrics


def test_what_the_one_visitor_did_and_did_not_do_looks_the_same(hiding: World) -> None:
    only = ["is", "visit:country", ["LI"]]
    did, did_not = ([only, ["is", "event:page", [page]]] for page in ("/b", "/elsewhere"))
    assert told(hiding, filters=did) == told(hiding, filters=did_not) == []


def test_a_range_finer_than_an_hour_is_refused_where_small_groups_are_hidden(hiding: World) -> None:
    asked = {
        "site_id": "example.org",
        "metrics": ["visitors"],
        "date_range": ["2026-11-23T00:00:00", "2026-11-23T10:31:00"],
    }
    answer = ask(hiding, asked)
    assert answer.status_code == 400
    assert "must begin and end with an hour" in problem(answer)["date_range"][0]
    whole = ask(hiding, asked | {"date_range": ["2026-11-23T00:00:00", "2026-11-23T11:00:00"]})
    assert whole.get_json()["meta"] == {"minimum_group": 5}
    assert whole.get_json()["results"] == [{"metrics": [20], "dimensions": []}]


def test_the_dashboard_says_why_figures_are_round(hiding: World) -> None:
    staff = hiding.staff("marketing")
    page = staff.get("/dashboard/example.org?period=day").get_data(as_text=True)
    assert "groups of fewer than 5 visitors are left out, and counts are rounded to multiples of 5" in page
    few = staff.get("/dashboard/example.org?period=day&f=is,visit:country,LI").get_data(as_text=True)
    assert "Fewer than 5 visitors in this period to whom the filters apply, or none" in few


def test_rows_stand_in_the_order_of_what_is_shown(hiding: World) -> None:
    at = hiding.clock.now().replace(tzinfo=None)
    for start, count, browser in ((100, 9, "Ants"), (200, 11, "Bees"), (300, 10, "Cats")):
        store(
            hiding.runtime.event_log,
            [hit(at, visitor=one, visit=one, browser=browser) for one in range(start, start + count)],
        )
    asked: dict[str, Any] = {"metrics": ["visitors"], "dimensions": ["visit:browser"]}
    others = [["is_not", "visit:browser", ["(not set)"]]]
    for direction in ("asc", "desc"):
        rows = told(hiding, **asked, filters=others, order_by=[["visitors", direction]])
        assert [(row.dimensions[0], row.visitors) for row in rows] == [("Ants", 10), ("Bees", 10), ("Cats", 10)]
    second = told(hiding, **asked, filters=others, pagination={"limit": 1, "offset": 1})
    assert [row.dimensions[0] for row in second] == ["Bees"]
