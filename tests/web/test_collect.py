"""`POST /api/event` through the front door: what is stored, what is dropped, what is refused."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import ADDRESS, BROWSER, NOW, World, problem
from webmon.domain.site import Mode
from webmon.services.guard_counts import REMOVED

MAPS = Path(__file__).parents[1] / "data"
GOOD = {"name": "pageview", "url": "https://example.org/good", "domain": "example.org"}


@pytest.fixture
def open_world(tmp_path: Path) -> Any:
    """A site that measures without identifiers, so that a plain hit is stored."""
    made = World(tmp_path / "data", mode=Mode.COOKIELESS_ALWAYS)
    yield made
    made.close()


def test_a_page_view_is_stored_scrubbed_and_enriched(open_world: World) -> None:
    answer = open_world.event(
        "/results?email=a.person@example.net&utm_source=News", referrer="https://www.google.com/"
    )
    assert (answer.status_code, answer.get_data()) == (202, b"ok")
    open_world.settle()
    (row,) = open_world.rows()
    assert (row.pathname, row.utm_source, row.browser, row.os, row.device) == (
        "/results",
        "News",
        "Chrome",
        "GNU/Linux",
        "Desktop",
    )
    assert row.occurred_at == NOW.replace(tzinfo=None)
    assert row.basis == "exempt"


def test_nothing_that_identifies_is_on_disk(open_world: World) -> None:
    open_world.event("/a", title="Somebody's page", visitor="", props={"mail": "a.person@example.net"})
    named = open_world.visitor()
    named.sees("/b")
    before = open_world.found_in_files(ADDRESS.encode(), BROWSER.encode(), named.visitor.encode(), b"a.person@")
    open_world.settle()
    after = open_world.found_in_files(ADDRESS.encode(), BROWSER.encode(), named.visitor.encode(), b"a.person@")
    assert before == after == []


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, "body"),
        (b"", 400, "body"),
        (b"[]", 400, "body"),
        (b'{"name": "\xff\xfe", "url": "https://example.org/", "domain": "example.org"}', 400, "body"),
        (json.dumps({**GOOD, "domain": "unknown.example"}).encode(), 400, "domain"),
        (json.dumps({**GOOD, "url": "javascript:alert(1)"}).encode(), 400, "url"),
        (json.dumps({**GOOD, "url": "https://example.org/" + "a" * 2000}).encode(), 400, "url"),
        (json.dumps({"url": "https://example.org/", "domain": "example.org"}).encode(), 400, "name"),
        (json.dumps({**GOOD, "name": 7}).encode(), 400, "name"),
        (json.dumps({**GOOD, "visitor": "short"}).encode(), 400, "visitor"),
        (json.dumps({**GOOD, "timestamp": "yesterday"}).encode(), 400, "timestamp"),
        (json.dumps({**GOOD, "timestamp": (NOW + timedelta(hours=1)).isoformat()}).encode(), 400, "timestamp"),
        (b'{"name": "' + b"a" * 65_536 + b'"}', 413, "body"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, bytes) else None,
)
def test_what_is_wrong_is_named_and_no_neighbour_is_lost(
    open_world: World, body: bytes, status: int, field: str
) -> None:
    assert open_world.event("/before").status_code == 202
    answer = open_world.post("/api/event", body)
    assert answer.status_code == status
    assert problem(answer).keys() == {field}
    assert open_world.event("/after").status_code == 202
    open_world.settle()
    assert open_world.paths() == ["/after", "/before"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_and_told_which_there_are(open_world: World, method: str) -> None:
    answer = open_world.client.open("/api/event", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")
    problem(answer)
    assert answer.get_json(force=True)["detail"] == "/api/event takes POST or OPTIONS"


def test_any_page_may_ask_first_and_read_the_answer(open_world: World) -> None:
    asked = open_world.client.options("/api/event", headers={"Origin": "https://example.org"})
    assert asked.status_code == 204
    answer = open_world.event("/")
    for one in (asked, answer):
        assert one.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in one.headers
        assert "Set-Cookie" not in one.headers


@pytest.mark.parametrize(
    ("fields", "headers", "reason"),
    [
        ({}, {}, "no_consent"),
        ({"visitor": "v" * 22, "visit": "w" * 22}, {}, "no_consent"),
        ({"visitor": "v" * 22, "visit": "w" * 22, "consent": "f" * 36}, {}, "no_consent"),
        ({}, {"User_Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}, "bot"),
        ({}, {"User_Agent": ""}, "bot"),
    ],
)
def test_what_policy_drops_is_told_and_not_stored(
    world: World, fields: dict[str, str], headers: dict[str, str], reason: str
) -> None:
    answer = world.post("/api/event", GOOD | fields, **headers)
    assert answer.status_code == 202
    assert (answer.headers["x-webmon-dropped"], answer.headers["x-webmon-drop-reason"]) == ("1", reason)
    world.settle()
    assert world.rows() == []


@pytest.fixture
def listing_world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "centres.txt").write_text("# ours\n203.0.113.0/24\n", "utf-8")
    made = World(tmp_path / "data", Mode.COOKIELESS_UNTIL_CONSENT, datacenter_file=tmp_path / "centres.txt")
    yield made
    made.close()


def test_nobody_browses_from_a_data_centre_but_who_has_agreed(listing_world: World) -> None:
    assert listing_world.event("/").headers["x-webmon-drop-reason"] == "datacenter"
    assert "x-webmon-dropped" not in listing_world.visitor().sees("/agreed").headers
    listing_world.settle()
    assert listing_world.paths() == ["/agreed"]


def test_spam_in_the_referrer_is_not_counted(open_world: World) -> None:
    dropped = open_world.event("/", referrer="https://semalt.semalt.com/crawler.php")
    assert dropped.headers["x-webmon-drop-reason"] == "spam_referrer"
    assert "x-webmon-dropped" not in open_world.event("/", referrer="https://news.example.net/").headers


def test_what_a_hit_tells_is_stored_as_one_of_few_values(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS, city_file=MAPS / "GeoIP2-City-Test.mmdb")
    world.client.post(
        "/api/event",
        data=json.dumps({"n": "pageview", "u": "https://example.org/?gclid=secret", "d": "example.org", "w": 1200}),
        headers={"User-Agent": BROWSER, "Accept-Language": "de-AT,de;q=0.9,en;q=0.8"},
        environ_base={"REMOTE_ADDR": "2.125.160.216"},
    )
    world.move(seconds=1)
    world.event("/two", referrer="https://chatgpt.com/", screen_width=-4)
    world.settle()
    first, second = world.rows()
    assert (first.country, first.region, first.city) == ("GB", "GB-ENG", "Boxford")
    assert (first.language, first.screen, first.click_id, first.channel) == ("de", "Laptop", "gclid", "Direct")
    assert (second.language, second.screen, second.channel) == ("", "", "AI Assistants")
    assert world.found_in_files(b"secret") == []
    world.close()


def test_the_global_privacy_control_holds_where_nobody_was_asked(open_world: World) -> None:
    answer = open_world.post("/api/event", GOOD, Sec_GPC="1")
    assert answer.headers["x-webmon-drop-reason"] == "gpc"


def test_a_time_in_the_body_is_believed_only_with_a_key(open_world: World) -> None:
    earlier = (NOW - timedelta(days=3)).isoformat()
    key = open_world.runtime.sites.new_api_key(open_world.site, "events", NOW, actor="test").text
    open_world.event("/without", timestamp=earlier)
    open_world.post("/api/event", GOOD | {"timestamp": earlier}, Authorization=f"Bearer {key}")
    open_world.post("/api/event", GOOD | {"timestamp": earlier}, Authorization="Bearer wm_events_wrong")
    open_world.settle()
    days = sorted(row.occurred_at.day for row in open_world.rows())
    assert days == [20, 23, 23]


PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
    " Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(("header", "visitors"), [("", 2), ("x-forwarded-for", 1)])
def test_behind_a_proxy_whose_header_is_named_nobody_gives_themselves_an_address(
    tmp_path: Path, header: str, visitors: int
) -> None:
    with_proxy = World(
        tmp_path / "data", mode=Mode.COOKIELESS_ALWAYS, trusted_proxies=("203.0.113.0/24",), proxy_header=header
    )
    try:
        for address in ("192.0.2.1", "192.0.2.2"):
            with_proxy.post("/api/event", GOOD, X_Forwarded_For="198.51.100.7", CF_Connecting_IP=address)
        with_proxy.settle()
        assert len({row.visitor_id for row in with_proxy.rows()}) == visitors
    finally:
        with_proxy.close()


def test_what_is_sent_late_is_a_visit_of_its_time_and_leaves_the_one_that_goes_on_as_it_is(open_world: World) -> None:
    key = open_world.runtime.sites.new_api_key(open_world.site, "events", NOW, actor="test").text

    def late(path: str, **before: float) -> None:
        when = {"timestamp": (NOW - timedelta(**before)).isoformat(), "url": f"https://example.org{path}"}
        open_world.post("/api/event", GOOD | when, Authorization=f"Bearer {key}")

    open_world.event("/now")
    late("/earlier", minutes=120)
    late("/earlier-too", minutes=119)
    open_world.event("/still")
    late("/just-before", minutes=1)
    open_world.event("/at-last")
    open_world.settle()
    visits = {row.pathname: row.visit_id for row in open_world.rows()}
    assert visits["/now"] == visits["/still"] == visits["/just-before"] == visits["/at-last"] != visits["/earlier"]
    assert visits["/earlier"] == visits["/earlier-too"]


def test_a_website_s_server_says_for_whom_it_sends_and_nobody_else_can(open_world: World) -> None:
    key = open_world.runtime.sites.new_api_key(open_world.site, "events", NOW, actor="test").text
    said = {"ip": "133.242.187.207", "user_agent": PHONE}
    known = {"User_Agent": "python-requests/2.32", "Authorization": f"Bearer {key}", "X_Real_IP": "192.0.2.9"}
    open_world.event("/own", **said)
    assert open_world.post("/api/event", GOOD | said, User_Agent="curl/8", Authorization="Bearer x").headers[
        "x-webmon-drop-reason"
    ]
    for body in (said, said, said | {"ip": "133.242.187.208"}, {"ip": said["ip"]}):
        open_world.post("/api/event", GOOD | {"url": "https://example.org/sent"} | body, **known)
    open_world.settle()
    rows = open_world.rows()
    (own,) = [row for row in rows if row.pathname == "/own"]
    sent = [row for row in rows if row.pathname == "/sent"]
    assert (own.country, own.os) == ("", "GNU/Linux")
    assert [(row.country, row.os, row.device) for row in sent] == [("JP", "iOS", "Mobile")] * 3, (
        "a program has no page"
    )
    assert len({row.visitor_id for row in sent}) == 2
    assert open_world.found_in_files(b"133.242.187.207", b"python-requests", b"CPU iPhone") == []


@pytest.mark.parametrize(
    ("field", "value"), [("ip", "nobody"), ("ip", 1), ("ip", "10.0.0.1, 10.0.0.2"), ("user_agent", "x" * 2001)]
)
def test_of_whom_a_hit_is_must_make_sense(open_world: World, field: str, value: Any) -> None:
    assert [*problem(open_world.event(**{field: value}))] == [field]


def test_a_full_spool_says_when_to_come_back(tmp_path: Path) -> None:
    full = World(tmp_path / "data", mode=Mode.COOKIELESS_ALWAYS, spool_limit=1000)
    full.runtime.spools._limit = 2  # as if a thousand waited already
    try:
        answers = [full.event(f"/{number}") for number in range(3)]
        assert [one.status_code for one in answers] == [202, 202, 429]
        assert answers[-1].headers["Retry-After"] == "1"
        problem(answers[-1])
        full.settle()
        assert full.event("/again").status_code == 202
        full.settle()
        assert len(full.rows()) == 3
    finally:
        full.close()


def test_a_consented_visitor_is_one_visitor_on_two_pages_and_another_after_half_an_hour_is_another_visit(
    world: World,
) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    world.move(minutes=29)
    visitor.sees("/two")
    world.move(minutes=31)
    visitor.sees("/three")
    world.settle()
    rows = {row.pathname: row for row in world.rows()}
    assert len({row.visitor_id for row in rows.values()}) == 1
    assert rows["/one"].visit_id == rows["/two"].visit_id != rows["/three"].visit_id
    assert {row.basis for row in rows.values()} == {"consent"}
    assert {row.notice for row in rows.values()} == {
        world.runtime.notices.current(world.site, world.clock.now())["en"]
    }


def test_engagement_alone_begins_no_visit(open_world: World) -> None:
    answer = open_world.event("/", name="engagement", engagement_ms=5000)
    assert answer.headers["x-webmon-drop-reason"] == "orphan_engagement"


def test_without_consent_the_visitor_of_today_is_nobody_tomorrow(open_world: World) -> None:
    open_world.event("/one")
    open_world.move(days=1)
    open_world.event("/two")
    open_world.settle()
    assert len({row.visitor_id for row in open_world.rows()}) == 2
    open_world.runtime.destroy_day_keys(open_world.clock.now())
    assert list(json.loads((open_world.folder / "ephemeral" / "day-keys.json").read_text())) == ["2026-11-24"]


def test_a_page_without_javascript_is_counted_by_a_picture(open_world: World) -> None:
    headers = {"User-Agent": BROWSER, "Referer": "https://example.org/plain?secret=1"}
    by_referer = open_world.client.get("/p.gif?site=example.org", headers=headers)
    by_name = open_world.client.get(
        "/p.gif?d=example.org&u=https%3A%2F%2Fexample.org%2Fnamed&r=https%3A%2F%2Fwww.google.com%2F", headers=headers
    )
    for answer in (by_referer, by_name):
        assert (answer.status_code, answer.content_type, answer.get_data()[:6]) == (200, "image/gif", b"GIF89a")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
    open_world.settle()
    assert open_world.paths() == ["/named", "/plain"]
    assert [row.source for row in open_world.rows() if row.pathname == "/named"] == ["Google"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("", "domain"), ("?site=unknown.example&u=https://x.example/", "domain"), ("?site=example.org", "url")],
)
def test_a_picture_that_cannot_be_counted_names_the_field(open_world: World, query: str, field: str) -> None:
    answer = open_world.client.get(f"/p.gif{query}", headers={"User-Agent": BROWSER})
    assert answer.status_code == 400
    assert field in problem(answer)
    assert open_world.client.post("/p.gif").status_code == 405


def test_who_looks_whether_the_picture_is_there_has_seen_no_page(open_world: World) -> None:
    answer = open_world.client.head(
        "/p.gif?site=example.org&url=https://example.org/", headers={"User-Agent": BROWSER}
    )
    assert (answer.status_code, answer.content_type) == (200, "image/gif")
    open_world.settle()
    assert open_world.rows() == []


def test_a_picture_counts_nothing_where_consent_is_needed(world: World) -> None:
    headers = {"User-Agent": BROWSER, "Referer": "https://example.org/"}
    answer = world.client.get("/p.gif?site=example.org", headers=headers)
    assert (answer.status_code, answer.headers["x-webmon-drop-reason"]) == (200, "no_consent")


def test_metrics_are_for_who_has_the_token(tmp_path: Path) -> None:
    made = World(tmp_path / "data", mode=Mode.COOKIELESS_ALWAYS, metrics_token="a-token")
    try:
        made.event("/")
        made.post("/api/event", b"{")
        assert made.client.get("/metrics").status_code == 401
        text = made.client.get("/metrics", headers={"Authorization": "Bearer a-token"}).get_data(as_text=True)
    finally:
        made.close()
    for name in (
        'webmon_hits_total{outcome="stored"}',
        'webmon_hits_total{outcome="invalid"}',
        "webmon_collect_seconds",
    ):
        assert name in text
    assert "webmon_spool_waiting 1.0" in text
    assert "webmon_event_log_faults 0.0" in text


def test_without_a_token_there_are_no_metrics(world: World) -> None:
    assert world.client.get("/metrics").status_code == 404


def test_an_event_with_an_id_of_its_own_is_stored_once_however_often_it_is_sent(open_world: World) -> None:
    event = {"event_id": "a1B2c3D4e5F6g7H8i9J0kL"}
    for _ in range(3):
        assert open_world.event("/once", **event).get_data() == b"ok"
    open_world.event("/once", event_id="another-event-000000")
    open_world.event("/once")
    open_world.settle()
    assert len(open_world.rows()) == 3
    assert open_world.found_in_files(event["event_id"].encode()) == []
    assert list(problem(open_world.event("/", event_id="short"))) == ["event_id"]


def test_an_event_whose_answer_was_lost_in_a_crash_is_still_stored_once(open_world: World) -> None:
    event = {"event_id": "a1B2c3D4e5F6g7H8i9J0kL"}
    open_world.event("/once", **event)
    open_world.reopen()
    assert open_world.event("/once", **event).get_data() == b"ok"
    open_world.settle()
    assert open_world.paths() == ["/once"]


def test_what_the_guard_removed_is_counted_by_kind_and_nothing_else_is_told(open_world: World) -> None:
    def counted() -> dict[str, float]:
        samples = next(iter(REMOVED.collect())).samples
        return {one.labels["kind"]: one.value for one in samples if one.name.endswith("_total")}

    before = counted()
    answer = open_world.event(
        "/users/4711?email=jane@example.net&gclid=abc",
        referrer="https://elsewhere.example/u/jane%40example.net",
        props={"note": "call +1 555 010 0199", "patientName": "Jane Roe"},
    )
    assert answer.status_code == 202
    after = counted()
    grown = {kind: value - before.get(kind, 0) for kind, value in after.items() if value != before.get(kind, 0)}
    assert grown == {"path_id": 1, "parameter": 1, "click_id": 1, "email": 1, "phone": 1, "property": 1}


def test_an_imported_log_goes_by_the_rules_of_its_site(open_world: World) -> None:
    runtime = open_world.runtime
    site = runtime.sites.adjust(
        open_world.site,
        NOW,
        actor="test",
        parameters=["lang"],
        path_templates=["/patients/:name/*"],
        property_keys=[],
    )
    line = (
        f'203.0.113.5 - - [22/Nov/2026:10:00:00 +0000] "GET /patients/jane-roe/notes?lang=de&q=x HTTP/1.1" 200 9 '
        f'"https://elsewhere.example/u/jane%40example.net" "{BROWSER}"'
    )
    keys = runtime.import_keys("test")
    importer = runtime.log_importer(site, keys, runtime.spools.append, keep_numbers=False)
    importer.run([line.encode()])
    assert importer.report.kept_count == 1
    open_world.settle()
    (row,) = open_world.rows()
    assert (row.pathname, row.referrer) == ("/patients/:name/*?lang=de", "elsewhere.example/u/:email")


def test_a_hit_waits_for_nobody_who_writes_in_the_control_database(world: World) -> None:
    """Its consent and its site are read anew, while somebody else has the database for as long as they like."""
    visitor = world.visitor()
    world.reopen()
    sites = world.runtime.sites
    with contextlib.closing(sqlite3.connect(world.folder / "control.db", check_same_thread=False)) as writer:
        writer.execute("begin immediate")
        # More who wait to write than a pool of connections holds.
        with ThreadPoolExecutor(21) as others:
            written = [others.submit(sites.prune_login_keys, world.clock.now()) for _ in range(20)]
            answered = others.submit(visitor.sees, "/while-somebody-writes")
            try:
                answered.result(10)
                assert not any(one.done() for one in written)
            finally:
                writer.rollback()
    world.settle()
    assert [row.pathname for row in world.rows()] == ["/while-somebody-writes"]
