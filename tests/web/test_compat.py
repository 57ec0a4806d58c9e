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
