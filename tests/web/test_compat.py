"""The Events API as other trackers' clients speak it (tests/vectors/compat_http.json)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.vectors import cases
from tests.support.world import World
from webmon.domain.site import Mode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS)
    yield made
    made.close()


def of_events(parameter: Any) -> bool:
    found: bool = parameter.values[0]["req"]["path"] == "/api/event"
    return found


@pytest.mark.parametrize("case", [one for one in cases("compat_http.json", "vectors") if of_events(one)])
def test_a_client_of_the_events_api_is_understood(world: World, case: dict[str, Any]) -> None:
    asked, expected = case["req"], case["expected"]
    if case.get("prior_pageview"):
        world.event("/", url="https://test.com")
        world.move(seconds=5)
    body = asked["raw"] if "raw" in asked else json.dumps(asked["json"]).replace('"SITE"', '"example.org"')
    answer = world.post("/api/event", body.encode())
    assert answer.status_code == expected.get("status", 202)
    if "body" in expected:
        assert answer.get_data(as_text=True) == expected["body"]
    if "json" in expected:
        assert answer.get_json(force=True)["errors"] == expected["json"]["errors"]
    world.settle()
    rows = world.rows()
    for name, value in expected.get("stored", {}).items():
        assert _stored(rows[-1], name) == value
    if answer.status_code == 400:
        assert len(rows) == int(bool(case.get("prior_pageview")))


def _stored(row: Any, name: str) -> Any:
    if name == "props":
        return json.loads(row.props or "{}")
    return row.scroll_pct if name == "scroll_depth" else getattr(row, name)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"d": "www.example.org"}, {"pathname": "/"}),
        ({"d": " Example.org "}, {"pathname": "/"}),
        ({"u": "http://www.example.org/page "}, {"pathname": "/page"}),
        ({"u": "http://example.org/#page-a", "h": 1}, {"pathname": "/#page-a"}),
        ({"u": "http://example.org/app#page-a/b?x=1", "h": True}, {"pathname": "/app#page-a/b"}),
        ({"u": "http://example.org/#/page-a", "hashMode": "true"}, {"pathname": "/#/page-a"}),
        ({"u": "http://example.org/#page-a"}, {"pathname": "/"}),
        ({"u": "http://example.org/#page-a", "h": False}, {"pathname": "/"}),
        ({"u": "http://example.org/#access_token=abc", "h": 1}, {"pathname": "/"}),
        ({"u": "http://example.org/#patients/4711", "h": 1}, {"pathname": "/#patients/:id"}),
        ({"u": "http://example.org/#jane@example.org", "h": 1}, {"pathname": "/#:email"}),
        ({"n": " pageview\n"}, {"name": "pageview"}),
        ({"h": {}}, {"pathname": "/"}),
    ],
)
@pytest.mark.parametrize("odd", [True, False])
def test_what_such_clients_send_besides_is_understood(
    world: World, sent: dict[str, Any], stored: dict[str, str], *, odd: bool
) -> None:
    body = {"n": "pageview", "u": "http://example.org/", "d": "example.org"} | sent
    # A field of another type takes the way of what does not fit.
    assert world.post("/api/event", body | ({"w": "wide"} if odd else {})).status_code == 202
    world.settle()
    (row,) = world.rows()
    assert {name: getattr(row, name) for name in stored} == stored


def test_a_name_of_nothing_is_none(world: World) -> None:
    answer = world.event("/", name=" \n")
    assert (answer.status_code, answer.get_json(force=True)["errors"]) == (400, {"name": ["is required"]})


def test_a_site_of_its_own_is_not_taken_for_the_one_without_www(world: World) -> None:
    world.runtime.add_site("www.example.org", actor="test", mode=Mode.COOKIELESS_ALWAYS)
    world.move(seconds=3)
    world.event("/own", domain="www.example.org")
    world.settle()
    assert world.rows() == []


@pytest.mark.parametrize("domains", ["example.org,other.example", "other.example , www.example.org, nobody.example"])
def test_a_hit_of_several_sites_is_stored_for_each(world: World, domains: str) -> None:
    world.runtime.add_site("other.example", actor="test", mode=Mode.COOKIELESS_ALWAYS)
    world.runtime.add_site("asks.example", actor="test", mode=Mode.CONSENTED_ONLY)
    world.move(seconds=3)
    for _ in range(2):
        answer = world.event("/", domain=f"{domains},asks.example,example.org", event_id="0123456789abcdef")
        assert (answer.status_code, "x-webmon-dropped" in answer.headers) == (202, False)
    world.settle()
    other = world.runtime.sites.get("other.example")
    rows = world.runtime.event_log._hits("true", [], 10)
    assert sorted(row.site_id for row in rows) == sorted([world.site.id, other.id])
    assert len({row.visitor_id for row in rows}) == 2
    assert world.event("/", domain="asks.example,nobody.example").headers["x-webmon-drop-reason"] == "no_consent"
    assert world.event("/", domain="nobody.example,nowhere.example").status_code == 400
