"""Every metric by every breakdown, against the same figures counted in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract import reference
from tests.support.rows import store, visits_at_random
from webmon.domain.breakdowns import BREAKDOWNS
from webmon.domain.hit import Hit
from webmon.domain.metrics import METRICS
from webmon.domain.query import parse_query
from webmon.domain.site import Mode, Site
from webmon.services.read_stats import Stats
from webmon.stores.events.duckdb import DuckDBEventLog
from webmon.stores.events.reader import EventStats

NOW = datetime(2026, 11, 2, 15, 30, tzinfo=UTC)
# The clocks of Berlin go back on 25 October 2026.
START = datetime(2026, 10, 20, 3, tzinfo=UTC).replace(tzinfo=None)  # as rows hold their times
SITE = Site(1, "example.org", "Europe/Berlin", Mode.CONSENTED_ONLY, 1, NOW)
FILTERS: dict[str, list[Any]] = {
    "no filter": [],
    "a page": [["is", "event:page", ["/imaging", "/doctors"]]],
    "a country": [["is", "visit:country", ["DE"]]],
    "not a source": [["is_not", "visit:source", ["Direct / None"]]],
    "a page and a browser": [["contains", "event:page", ["imag"]], ["is", "visit:browser", ["Chrome", "Firefox"]]],
    "an entry page": [["is", "visit:entry_page", ["/"]]],
    "an event": [["is", "event:name", ["Signup"]]],
    "a property": [["is", "event:props:plan", ["pro"]]],
    "not a property and a channel": [["is_not", "event:props:a/b~c", ["x"]], ["is", "visit:channel", ["Direct"]]],
}


@pytest.fixture(scope="module")
def hits() -> list[Hit]:
    others = visits_at_random(8, 40, START, timedelta(days=10), site=2)
    return visits_at_random(7, 300, START, timedelta(days=13)) + others


@pytest.fixture(scope="module")
def stats(hits: list[Hit], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stats]:
    folder: Path = tmp_path_factory.mktemp("events")
    log = DuckDBEventLog(folder)
    store(log, hits)
    yield Stats(EventStats(log))
    log.close()


def check(stats: Stats, hits: list[Hit], document: dict[str, Any]) -> None:
    query = parse_query(document, SITE.zone, NOW, date(2026, 10, 20))
    expected = reference.answer([one for one in hits if one.site_id == SITE.id], query, SITE.zone)
    found = stats.ask(SITE, document, NOW)
    empty = tuple(0 if METRICS[name].unit == "count" else None for name in query.metrics)
    shown = {row.dimensions: row.metrics for row in found.rows if row.metrics != empty}
    wanted = {
        key: tuple(figures[name] for name in query.metrics)
        for key, figures in expected.items()
        if tuple(figures.values()) != empty
    }
    assert shown.keys() == wanted.keys()
    for key, figures in wanted.items():
        assert shown[key] == pytest.approx(figures, abs=0.011), key


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("dimension", [*BREAKDOWNS, "event:props:plan", "event:props:a/b~c"])
def test_every_metric_by_every_breakdown_equals_a_plain_count(
    stats: Stats, hits: list[Hit], dimension: str, filters: list[Any]
) -> None:
    check(
        stats,
        hits,
        {"metrics": list(METRICS), "date_range": "28d", "dimensions": [dimension], "filters": filters},
    )


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_alone_equals_a_plain_count(
    stats: Stats, hits: list[Hit], metric: str, filters: list[Any]
) -> None:
    check(stats, hits, {"metrics": [metric], "date_range": ["2026-10-23", "2026-10-27"], "filters": filters})


@pytest.mark.parametrize(
    "dimensions",
    [
        ["visit:country", "visit:device"],
        ["time:day", "event:page"],
        ["event:page", "visit:source"],
        ["visit:exit_page_hostname", "event:props:plan"],
    ],
    ids=" and ".join,
)
def test_two_breakdowns_at_once_equal_a_plain_count(stats: Stats, hits: list[Hit], dimensions: list[str]) -> None:
    check(stats, hits, {"metrics": list(METRICS), "date_range": "28d", "dimensions": dimensions})
