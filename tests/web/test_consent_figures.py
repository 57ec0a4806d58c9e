"""How notices are answered, counted: by whom it is asked for, what is told apart, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import ADDRESS, BROWSER, GRANTED, NOW, REFUSED, World, problem
from webmon.domain.consent_figures import METRICS, OTHER, Figures, Segment, by_value
from webmon.services.consent_counts import ConsentCounts

TODAY = date(2026, 11, 23)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


def shown(world: World, language: str = "en", **headers: str) -> Any:
    notice = world.runtime.notices.current(world.site, world.clock.now())[language]
    return world.post("/api/consent/shown", {"site": "example.org", "notice": notice}, **headers)


def ask(world: World, **document: Any) -> Any:
    world.runtime.consent_counts.flush()
    key = world.runtime.sites.new_api_key(world.site, "stats", NOW, actor="test").text
    known = {"site_id": "example.org", "date_range": "7d"}
    return world.post("/api/v2/consent", known | document, Authorization=f"Bearer {key}")


def some(world: World) -> None:
    for _ in range(5):
        assert shown(world).status_code == 204
    shown(world, "de", User_Agent=PHONE)
    world.consent(REFUSED, action="reject_all", asked=True)
    receipt = world.consent(asked=True).get_json()["consent_receipt_id"]
    world.consent({**GRANTED, "marketing": False}, asked=True)
    # A change of mind answers no question that stood open.
    world.consent(REFUSED, action="withdraw", previous=receipt)
    world.consent(REFUSED, action="gpc")


def test_what_was_shown_and_answered_is_told_in_all_and_by_day(world: World) -> None:
    some(world)
    answer = ask(world).get_json()
    told = dict(zip(METRICS, (6, 1, 1, 1, 3, 1, 1), strict=True))
    assert answer["totals"] == told
    assert answer["days"] == [{"day": "2026-11-23"} | told]
    assert answer["groups"] == []
    assert answer["query"] == {
        "site_id": "example.org",
        "date_range": ["2026-11-17", "2026-11-23"],
        "dimension": None,
    }
    earlier = ask(world, date_range=["2026-11-01", "2026-11-22"]).get_json()
    assert (earlier["totals"]["shown"], earlier["days"]) == (0, [])


@pytest.mark.parametrize(
    ("dimension", "told"),
    [("language", {"en": 5, "de": 1}), ("device", {"Desktop": 5, "Mobile": 1}), ("country", {"": 6})],
)
def test_figures_are_told_apart_by_one_dimension(world: World, dimension: str, told: dict[str, int]) -> None:
    some(world)
    groups = ask(world, dimension=dimension).get_json()["groups"]
    assert {one["value"]: one["shown"] for one in groups} == told


def test_figures_are_told_apart_by_notice(world: World) -> None:
    some(world)
    current = world.runtime.notices.current(world.site, world.clock.now())
    groups = ask(world, dimension="notice").get_json()["groups"]
    assert {one["value"]: one["shown"] for one in groups} == {current["en"]: 5, current["de"]: 1}


def test_the_country_is_that_of_the_address_and_the_address_is_in_no_file(world: World) -> None:
    address = "81.2.69.142"
    expected = world.runtime.geo.locate(bytes(map(int, address.split(".")))).country
    notice = world.runtime.notices.current(world.site, world.clock.now())["en"]
    sent = {"site": "example.org", "notice": notice}
    world.client.post(
        "/api/consent/shown", json=sent, headers={"User-Agent": BROWSER}, environ_base={"REMOTE_ADDR": address}
    )
    assert [one["value"] for one in ask(world, dimension="country").get_json()["groups"]] == [expected]
    assert world.found_in_files(address.encode(), ADDRESS.encode(), BROWSER.encode()) == []


def test_programs_are_not_counted_and_told_why(world: World) -> None:
    answer = shown(world, User_Agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    assert (answer.status_code, answer.headers["x-webmon-drop-reason"]) == (204, "bot")
    assert ask(world).get_json()["totals"]["shown"] == 0


def test_a_display_sets_no_cookie_and_may_come_from_any_page(world: World) -> None:
    answer = shown(world)
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"site": "elsewhere.example", "notice": "sha256-0"}, "site"),
        ({"site": "example.org", "notice": "sha256-0"}, "notice"),
        ({"site": "example.org", "notice": "<script>"}, "notice"),
        ({"site": "example.org"}, "notice"),
        ({"site": 1, "notice": "x"}, "site"),
        (b"{", "body"),
        ([], "body"),
    ],
)
def test_what_is_no_display_is_refused_by_field_and_not_counted(world: World, body: Any, field: str) -> None:
    answer = world.post("/api/consent/shown", body)
    assert answer.status_code == 400
    assert field in problem(answer)
    assert ask(world).get_json()["totals"]["shown"] == 0


def test_a_notice_of_another_site_is_none_of_this_one(world: World) -> None:
    other = world.runtime.add_site("other.example", actor="test")
    notice = world.runtime.notices.current(other, world.clock.now())["en"]
    assert "notice" in problem(world.post("/api/consent/shown", {"site": "example.org", "notice": notice}))
    assert world.post("/api/consent/shown", b" " * 5000).status_code == 413


def test_more_answers_than_displays_leave_nobody_who_ignored(world: World) -> None:
    world.consent(REFUSED, action="reject_all")
    totals = ask(world).get_json()["totals"]
    assert (totals["shown"], totals["refused"], totals["ignored"]) == (0, 1, 0)


def test_the_interface_wants_its_key_a_range_and_a_dimension_that_is_one(world: World) -> None:
    assert world.post("/api/v2/consent", {"site_id": "example.org", "date_range": "7d"}).status_code == 401
    assert "date_range" in problem(ask(world, date_range="ever"))
    for wrong in ("action", "visit:country", 1, ["country"]):
        assert "dimension" in problem(ask(world, dimension=wrong))
    assert ask(world, date_range="all").get_json()["query"]["date_range"] == ["2026-11-23", "2026-11-23"]


def test_9_small_groups_are_folded_on_each_day_so_that_no_two_ranges_tell_them(world: World) -> None:
    zone = {"timezone": "UTC", "mode": "consented_only", "minimum_group_count": 3}
    world.site = world.runtime.sites.change(world.site, NOW, actor="test", **zone)
    for _ in range(4):
        shown(world)
    shown(world, User_Agent=PHONE)
    world.move(days=1)
    for agent in (BROWSER, PHONE, PHONE, PHONE):
        shown(world, User_Agent=agent)
    first = ["2026-11-23", "2026-11-23"]
    both = ["2026-11-23", "2026-11-24"]
    one = {
        group["value"]: group["shown"] for group in ask(world, dimension="device", date_range=first).json["groups"]
    }
    two = {group["value"]: group["shown"] for group in ask(world, dimension="device", date_range=both).json["groups"]}
    assert one == {"Desktop": 4, OTHER: 1}
    assert two == {"Desktop": 4, "Mobile": 3, OTHER: 2}
    assert all(two[value] - one.get(value, 0) in {0, 3} for value in two if value != OTHER)


def test_groups_are_in_order_of_size_and_the_folded_ones_last() -> None:
    cells = {(TODAY, value): Figures(shown=count) for value, count in (("a", 5), ("b", 1), ("c", 9), ("d", 1))}
    assert [(value, figures.shown) for value, figures in by_value(cells, 5).items()] == [
        ("c", 9),
        ("a", 5),
        (OTHER, 2),
    ]


def test_an_answer_that_is_sent_again_counts_once(world: World) -> None:
    for _ in range(2):
        assert world.consent(receipt="a-number-drawn-by-the-page").status_code == 201
    assert ask(world).get_json()["totals"]["accepted"] == 1


def test_a_day_is_the_site_s_own(world: World) -> None:
    zone = {"timezone": "Asia/Tokyo", "mode": "consented_only", "minimum_group_count": 1}
    world.site = world.runtime.sites.change(world.site, NOW, actor="test", **zone)
    world.move(hours=6)  # 16:30 UTC is 01:30 of the next day in Tokyo
    shown(world)
    assert [one["day"] for one in ask(world).get_json()["days"]] == ["2026-11-24"]


def test_counts_are_written_when_the_server_ends(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    shown(world)
    world.close()
    world.open()
    assert ask(world).get_json()["totals"]["shown"] == 1
    world.close()


def test_what_cannot_be_written_is_written_the_next_time(world: World) -> None:
    whole = world.runtime.consent_counts._unit
    full = True

    @contextmanager
    def unit() -> Iterator[Any]:
        if full:
            raise OSError("No space left on device")
        with whole() as figures:
            yield figures

    counts = ConsentCounts(unit, world.runtime.notices)
    counts.count(
        world.site,
        world.runtime.notices.current(world.site, world.clock.now())["en"],
        "shown",
        Segment("DE", "Mobile"),
        NOW,
    )
    with pytest.raises(OSError, match="No space"):
        counts.flush()
    full = False
    assert (counts.flush(), counts.flush()) == (1, 0)
    assert world.runtime.consent_counts.read(world.site, "day", NOW, "country").groups == {"DE": Figures(shown=1)}


def test_figures_are_kept_as_long_as_consent_records(world: World) -> None:
    shown(world)
    world.runtime.consent_counts.flush()
    world.runtime.retention.set_rules(world.site, {"consent_records": "P90D"}, NOW, actor="test")
    world.move(days=89)
    shown(world)
    world.runtime.consent_counts.flush()
    world.move(days=2)
    line = next(
        one
        for one in world.runtime.retention.apply(world.clock.now(), world.site, actor="test").lines
        if one.info_class == "consent_records"
    )
    assert (line.looked_at_count, line.deleted_count) == (2, 1)
    assert ask(world, date_range="all").get_json()["totals"]["shown"] == 1


PAGE = "/dashboard/example.org/consent"


def test_the_page_shows_figures_a_chart_and_groups(world: World) -> None:
    browser = world.staff("marketing")
    assert "Nothing counted yet" in browser.get(PAGE).get_data(as_text=True)
    some(world)
    world.runtime.consent_counts.flush()
    page = browser.get(f"{PAGE}?period=7d&metric=refused&by=device").get_data(as_text=True)
    for said in ("Refused", "Privacy signal", "Mobile", "Desktop", 'class="chart"', "As a table"):
        assert said in page
    assert 'name="metric" value="refused"' in page
    assert "German" in browser.get(PAGE).get_data(as_text=True)
    assert "(unknown)" in browser.get(f"{PAGE}?by=country").get_data(as_text=True)
    assert "sha256-" in browser.get(f"{PAGE}?by=notice").get_data(as_text=True)
    nothing = browser.get(f"{PAGE}?from=2026-11-01&to=2026-11-02").get_data(as_text=True)
    assert "No notice was shown or answered in this time" in nothing
    assert "style=" not in page


@pytest.mark.parametrize("period", ["day", "91d", "12mo", "all", "last_month"])
def test_the_page_stands_for_every_period(world: World, period: str) -> None:
    browser = world.staff("privacy")
    some(world)
    world.runtime.consent_counts.flush()
    assert browser.get(f"{PAGE}?period={period}").status_code == 200


@pytest.mark.parametrize("query", ["by=person", "metric=visitors", "period=ever", "from=x", "by="])
def test_an_address_that_says_nothing_is_said_to(world: World, query: str) -> None:
    answer = world.staff("owner").get(f"{PAGE}?{query}")
    assert answer.status_code == 400
    assert "cannot be read" in answer.get_data(as_text=True)


def test_the_page_folds_small_groups_and_says_so(world: World) -> None:
    zone = {"timezone": "UTC", "mode": "consented_only", "minimum_group_count": 4}
    world.site = world.runtime.sites.change(world.site, NOW, actor="test", **zone)
    some(world)
    world.runtime.consent_counts.flush()
    page = world.staff("owner").get(f"{PAGE}?by=device").get_data(as_text=True)
    assert "groups of fewer than 4 on a day" in page
    assert "Mobile" not in page


def test_who_changes_an_answer_is_none_of_those_who_were_asked(world: World) -> None:
    for _ in range(3):
        shown(world)
    world.consent(REFUSED, action="reject_all", asked=True)
    for _ in range(2):
        world.consent(REFUSED, action="reject_all", ui_source="preferences")
    totals = ask(world).get_json()["totals"]
    assert (totals["shown"], totals["refused"], totals["ignored"]) == (3, 3, 2)


def test_a_browser_that_sends_the_privacy_signal_is_counted_as_such_when_it_is_shown(world: World) -> None:
    shown(world, Sec_GPC="1")
    shown(world, Sec_GPC="0")
    totals = ask(world).get_json()["totals"]
    assert (totals["shown"], totals["gpc"], totals["ignored"]) == (2, 1, 2)


def test_what_has_expired_is_told_as_deleted_while_somebody_reads(world: World) -> None:
    """And is in no file once a checkpoint comes that nobody is in the way of."""
    receipt = world.consent().get_json()["consent_receipt_id"]
    world.runtime.retention.set_rules(world.site, {"consent_records": "P90D"}, NOW, actor="test")
    world.move(days=91 + 400)
    with world.runtime.database.session(reads=True) as reader:
        assert reader.connection().exec_driver_sql("select count(*) from consent").scalar() == 1
        report = world.runtime.retention.apply(world.clock.now(), actor="test")
        assert report.complete
        assert sum(line.deleted_count for line in report.lines if line.info_class == "consent_records") >= 1
        assert world.found_in_files(receipt.encode())
    world.runtime.checkpoint()
    assert not world.found_in_files(receipt.encode())
