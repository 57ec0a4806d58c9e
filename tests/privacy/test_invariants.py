"""The privacy invariants that no other file of tests proves already; numbers as in docs/privacy.md."""

from __future__ import annotations

import hmac
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import BROWSER, WebmonServer, contents, request, wait_until
from tests.support.world import REFUSED, World
from webmon.domain.address import packed_address
from webmon.domain.handling import InfoClass
from webmon.domain.site import Mode

ADDRESSES = ("203.0.113.77", "2001:db8:77::7")
SECRETS = {
    "e-mail": "a.person@example.net",
    "e-mail, escaped": "a.person%40example.net",
    "telephone": "+49 30 901820",
    "social security": "078-05-1120",
    "card": "4111 1111 1111 1111",
    "IBAN": "DE89370400440532013000",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "record": "MRN-00482913",
    "birthday": "1961-04-12",
}
UUID = "7f9c24e8-3b12-4fef-91e0-56a2d5a1c7b2"


def test_3_no_address_is_in_any_file_or_in_the_log_of_a_real_server(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data", WEBMON_TRUSTED_PROXIES="127.0.0.1/32", WEBMON_LOG_LEVEL="debug")
    server.run("site", "add", "example.org", "--mode", "cookieless_always", "--policy", "by_place")
    server.start()
    try:
        for address in ADDRESSES:
            headers = {"User-Agent": BROWSER, "X-Forwarded-For": address, "Referer": "https://example.org/"}
            good = {"name": "pageview", "url": "https://example.org/", "domain": "example.org"}
            assert request("POST", f"{server.url}/api/event", good, headers).status == 202
            assert request("POST", f"{server.url}/api/event", b"{", headers).status == 400
            for path in (
                "/w.js",
                "/privacy/example.org",
                "/api/policy?site=example.org",
                "/nothing",
                "/staff/link/x",
            ):
                request("GET", server.url + path, headers=headers)
        _searched(server, *ADDRESSES, BROWSER)
        wait_until(lambda: list((server.folder / "events").glob("*.duckdb")), 10, "the rows are in the event log")
        _searched(server, *ADDRESSES, BROWSER)
    finally:
        server.stop()
    _searched(server, *ADDRESSES, BROWSER)


def _searched(server: WebmonServer, *texts: str) -> None:
    files = contents(server.log, server.folder)
    assert files
    packed = [packed_address(address) for address in ADDRESSES]
    forms = [
        *(text.encode() for text in texts),
        *(one.hex().encode() for one in packed),
        *(one for one in packed if len(one) == 16),  # four bytes stand in any file by chance
    ]
    found = [(path.name, form) for path, content in files.items() for form in forms if form in content]
    assert found == []


def test_4_a_day_s_key_is_gone_from_every_file_when_the_day_is_over(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS)
    try:
        world.event("/one")
        world.settle()
        path = world.folder / "ephemeral" / "day-keys.json"
        (key,) = json.loads(path.read_text()).values()
        derived = hmac.digest(bytes.fromhex(key), f"site:{world.site.id}".encode(), "sha256")
        world.move(hours=15)
        assert world.runtime.destroy_day_keys(world.clock.now()) == 1
        kept = (key.encode(), bytes.fromhex(key), derived, derived.hex().encode())
        assert world.found_in_files(*kept) == []
    finally:
        world.close()


@pytest.mark.parametrize("kind", SECRETS)
def test_5_what_is_in_an_address_a_referrer_or_a_property_by_mistake_is_not_written(
    tmp_path: Path, kind: str
) -> None:
    world = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS)
    secret = SECRETS[kind]
    try:
        answer = world.event(
            f"/results/{secret}?q={secret}&utm_campaign={secret}",
            referrer=f"https://elsewhere.example/{secret}?q={secret}",
            title=secret,
            props={"note": secret},
        )
        assert answer.status_code == 202
        assert world.found_in_files(secret.encode()) == [], "the spool holds scrubbed rows"
        world.settle()
        (row,) = world.rows()
        assert row.pathname.startswith("/results/")
        # The files of the event log are compressed: what bytes do not show, a question would.
        assert secret not in str(row)
        assert world.found_in_files(secret.encode()) == []
    finally:
        world.close()


def test_5_a_number_in_a_path_is_a_placeholder(world: World) -> None:
    visitor = world.visitor()
    for path in (f"/patients/{UUID}/results", "/patients/48291337/results"):
        visitor.sees(path, referrer=f"https://elsewhere.example/{UUID}")
    world.settle()
    assert set(world.paths()) == {"/patients/:id/results"}
    assert world.found_in_files(UUID.encode(), b"48291337") == []


def test_2_who_refuses_is_told_apart_from_nobody(world: World) -> None:
    def counted() -> list[bytes]:
        world.runtime.consent_counts.flush()
        with world.runtime.database.session() as session:
            rows = session.connection().exec_driver_sql("select * from consent_count").all()
        return [repr(row).encode() for row in rows]

    world.consent(REFUSED, action="reject_all")
    (first,) = counted()
    world.move(hours=3)
    world.consent(REFUSED, action="reject_all")
    (second,) = counted()
    assert second == first.replace(b", 1)", b", 2)"), "nothing but a count tells two refusals from one"


def test_9_no_question_shows_a_group_that_is_too_small(world: World) -> None:
    minimum, now = 3, world.clock.now()
    site = world.runtime.sites.change(
        world.site, now, actor="test", timezone="UTC", mode="consented_only", minimum_group_count=minimum
    )
    for number in range(8):
        world.visitor().sees("/common" if number < 6 else "/rare")
    world.settle()
    for dimension in ("event:page", "visit:entry_page", "time:day", "time:hour", "visit:browser"):
        for filters in ([], [["is", "event:page", ["/rare"]]], [["is_not", "event:page", ["/common"]]]):
            asked = {
                "metrics": ["visitors", "pageviews"],
                "date_range": "day",
                "dimensions": [dimension],
                "filters": filters,
            }
            rows = world.runtime.stats.ask(site, asked, now).rows
            assert not [row for row in rows if row.metrics[0] not in {0, None} and row.metrics[0] < minimum], asked


def test_10_a_rule_that_cannot_run_raises_the_alarm_and_the_others_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms: list[int] = []
    rung: Callable[[], None] = lambda: alarms.append(1)  # noqa: E731
    retention = world.runtime.retention
    object.__setattr__(retention, "alarm", rung)

    def fail(*_: Any) -> int:
        raise OSError("the disk is gone")

    monkeypatch.setattr(retention.stores[InfoClass.ACCOUNT_LOG], "count", fail)
    report = retention.apply(world.clock.now(), actor="scheduler")
    lines = {line.info_class: line.error for line in report.lines}
    assert not report.complete
    assert lines["account_log"] == "OSError: the disk is gone"
    assert {name for name, error in lines.items() if not error} == {"event_log", "consent_records", "audit"}
    assert alarms == [1]


def test_13_nobody_is_ever_asked_anything(world: World) -> None:
    asked: list[Any] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event in {"socket.connect", "socket.getaddrinfo", "urllib.Request"}:
            asked.append((event, arguments))

    sys.addaudithook(hook)  # it cannot be taken away again, so it is told when to look
    visitor = world.visitor()
    visitor.sees("/one", referrer="https://www.google.com/")
    visitor.signs_in()
    world.settle()
    staff = world.staff("owner")
    for path in ("/dashboard/example.org", "/admin/sites", "/admin/audit?verify=1", "/privacy/example.org"):
        assert staff.get(path).status_code == 200
    world.runtime.retention.apply(world.clock.now(), actor="test")
    watching = False
    assert asked == []
