"""What is left of a signed-in visit: hours and templates, and less where too few people share it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rows import hit
from webmon.domain.hit import Basis, Hit
from webmon.domain.remainder import Cell, day_of, deidentify, generalize, hour_of, section_of

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
MORNING = datetime(2026, 11, 23, 9)  # noqa: DTZ001 - as the event log holds times
EVENING = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
DAYS_LATER = datetime(2026, 11, 26, 8, tzinfo=UTC)


def cell(path: str = "/imaging/mri", hour: int = 0, browser: str = "Firefox", **fields: object) -> Cell:
    known = {
        "occurred_at": MORNING + timedelta(hours=hour),
        "hostname": "example.org",
        "pathname": path,
        "name": "pageview",
        "interactive": True,
        "browser": browser,
        "os": "Windows",
        "device": "Desktop",
        "country": "DE",
        "channel": "Direct",
    }
    return Cell(**known | fields)  # type: ignore[arg-type]


def test_a_row_leaves_its_hour_page_families_country_and_channel_and_nothing_else() -> None:
    row = hit(
        datetime(2026, 11, 23, 9, 41, 7, 5),  # noqa: DTZ001
        visitor=11,
        visit=12,
        pathname="/imaging/:id",
        referrer="news.example.net/article",
        source="news.example.net",
        medium="referral",
        utm_source="letter",
        utm_campaign="autumn",
        channel="Referral",
        click_id="gclid",
        country="DE",
        region="DE-BE",
        city="Berlin",
        provider="Example Telecom",
        browser="Firefox",
        browser_version="144.0",
        os="Windows",
        os_version="11",
        device="Desktop",
        screen="Laptop",
        language="de",
        scroll_pct=70,
        engagement_ms=5000,
        props='{"plan":"pro"}',
        notice="sha256-0",
    )
    left = deidentify(row, BERLIN, hit_id=1, visitor_id=2, visit_id=3)
    kept = {"channel": "Referral", "country": "DE", "browser": "Firefox", "os": "Windows", "device": "Desktop"}
    assert left == Hit(
        site_id=1,
        occurred_at=MORNING,
        hit_id=1,
        visitor_id=2,
        visit_id=3,
        name="pageview",
        hostname="example.org",
        pathname="/imaging/:id",
        basis=Basis.DEIDENTIFIED,
        **kept,
    )


def test_how_long_a_page_was_read_leaves_nothing() -> None:
    assert deidentify(hit(MORNING, name="engagement"), BERLIN, hit_id=1, visitor_id=2, visit_id=3) is None


@pytest.mark.parametrize(
    ("zone", "hour", "day"),
    [(BERLIN, "09:00", "22T23:00"), (KOLKATA, "09:30", "22T18:30"), (ZoneInfo("UTC"), "09:00", "23T00:00")],
)
def test_hours_and_days_are_those_of_the_site(zone: ZoneInfo, hour: str, day: str) -> None:
    moment = datetime(2026, 11, 23, 9, 41)  # noqa: DTZ001
    assert hour_of(moment, zone).isoformat().startswith(f"2026-11-23T{hour}")
    assert day_of(moment, zone).isoformat().startswith(f"2026-11-{day}")


@pytest.mark.parametrize(
    ("path", "section"),
    [("/", "/"), ("/a", "/a/*"), ("/a/b/c", "/a/*"), ("", ""), ("/a/*", "/a/*"), ("/*", "/*")],
)
def test_the_section_is_the_first_part_of_a_path_and_no_page(path: str, section: str) -> None:
    assert section_of(path) == section


def test_enough_people_in_a_cell_leave_it_as_it_is_and_one_is_not_enough_for_two() -> None:
    rows = [(cell(), person) for person in range(3)]
    assert generalize(rows, 3, BERLIN, DAYS_LATER) == {}
    assert generalize(rows[:1], 1, BERLIN, DAYS_LATER) == {}
    assert generalize([(cell(), 1), (cell(), 1)], 2, BERLIN, DAYS_LATER) == {cell(): None}, "one person is one"


def test_section_site_day_and_traits_are_given_up_one_after_another() -> None:
    section = [(cell("/imaging/mri"), 1), (cell("/imaging/ct"), 2)]
    assert set(generalize(section, 2, BERLIN, EVENING).values()) == {cell("/imaging/*")}
    site = [(cell("/imaging/mri"), 1), (cell("/doctors"), 2)]
    assert set(generalize(site, 2, BERLIN, EVENING).values()) == {cell("/*")}
    day = [(cell(hour=0), 1), (cell(hour=3), 2)]
    assert set(generalize(day, 2, BERLIN, EVENING).values()) == {cell("/*", occurred_at=day_of(MORNING, BERLIN))}
    traits = [(cell(browser="Firefox"), 1), (cell(browser="Safari"), 2)]
    bare = cell("/*", occurred_at=day_of(MORNING, BERLIN), browser="", os="", device="", country="", channel="")
    assert set(generalize(traits, 2, BERLIN, DAYS_LATER).values()) == {bare}


def test_a_time_that_is_not_over_may_still_fill_up() -> None:
    rows = [(cell(hour=11), 1)]
    assert generalize(rows, 2, BERLIN, EVENING) == {}, "the hour goes on"
    later = generalize(rows, 2, BERLIN, EVENING + timedelta(hours=1))
    assert later == {cell(hour=11): cell("/*", occurred_at=day_of(MORNING, BERLIN))}, "the day goes on"
    assert generalize(rows, 2, BERLIN, DAYS_LATER) == {cell(hour=11): None}


CELLS = st.builds(
    cell,
    st.sampled_from(["/", "/imaging", "/imaging/mri", "/imaging/ct", "/doctors"]),
    st.integers(-6, 6),
    st.sampled_from(["Firefox", "Safari"]),
    device=st.sampled_from(["Desktop", "Mobile"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELLS, st.integers(1, 12)), max_size=80), st.integers(1, 6))
def test_when_the_day_is_over_no_cell_has_fewer_people_than_the_minimum(
    rows: list[tuple[Cell, int]], minimum: int
) -> None:
    changes = generalize(rows, minimum, BERLIN, DAYS_LATER)
    people: dict[Cell, set[int]] = {}
    for one, person in rows:
        told = changes.get(one, one)
        if told is not None:
            people.setdefault(told, set()).add(person)
    assert all(len(found) >= minimum for found in people.values())
    again = [(one, person) for one, found in people.items() for person in found]
    assert generalize(again, minimum, BERLIN, DAYS_LATER) == {}, "done again, nothing changes"
    assert Counter(one for one, _ in rows).keys() >= changes.keys()
