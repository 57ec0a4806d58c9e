"""API keys: listed by number, ended at once and for good, on every endpoint that takes one and in every process."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from tests.support.asgi import Sent, ask
from tests.support.world import BROWSER, NOW, World, csrf
from webmon.app import create_asgi
from webmon.core import Core
from webmon.domain.site import Mode
from webmon.services.manage_sites import NewApiKey
from webmon.web.shared.problems import PROBLEM_TYPE

SITE = "/admin/sites/example.org"
Answer = tuple[int, Any]
# Path, body, and the status where the key holds.
ENDPOINTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "stats": ("/api/v2/query", {"site_id": "example.org", "metrics": ["visitors"], "date_range": "day"}, 200),
    "not counted": ("/api/v2/not-counted", {"site_id": "example.org", "date_range": "day"}, 200),
    "consent": ("/api/v2/consent", {"site_id": "example.org", "date_range": "day"}, 200),
    "login": (
        "/api/login",
        {"site": "example.org", "account": "4711", "visitor": "visitor-" + "0" * 14, "visit": "visit-" + "0" * 16},
        204,
    ),
}


def made(world: World, scope: str, domain: str = "example.org") -> NewApiKey:
    site = world.runtime.sites.get(domain)
    return world.runtime.sites.new_api_key(site, scope, world.clock.now(), actor="test")


def in_threads(world: World, path: str, body: dict[str, Any], key: str) -> Answer:
    answer = world.post(path, body, Authorization=f"Bearer {key}")
    return answer.status_code, answer.get_json(force=True, silent=True)


def on_the_loop(world: World, path: str, body: dict[str, Any], key: str) -> Answer:
    raw = json.dumps(body).encode()
    headers = {"user-agent": BROWSER, "content-length": str(len(raw)), "authorization": f"Bearer {key}"}
    (got,) = ask(create_asgi(world.runtime), Sent([raw], list(headers.items()), path=path))
    return got.status, json.loads(got.body) if got.headers.get("content-type") == PROBLEM_TYPE else None


def ended_here(world: World, number: int) -> None:
    world.runtime.sites.end_api_key(world.site, number, world.clock.now(), actor="test")


def ended_elsewhere(world: World, number: int) -> None:
    """As the command line does, with a connection of its own, while the server runs."""
    core = Core(world.settings, world.clock)
    core.sites.end_api_key(core.sites.get("example.org"), number, world.clock.now(), actor="operator")
    core.close()


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[World]:
    """A site that measures without identifiers, so that a plain hit is stored."""
    made = World(tmp_path / "data", mode=Mode.COOKIELESS_ALWAYS)
    yield made
    made.close()


@pytest.fixture
def owner(world: World) -> Client:
    return world.staff("owner")


@pytest.mark.parametrize("end", [ended_here, ended_elsewhere])
@pytest.mark.parametrize("asked", [in_threads, on_the_loop])
@pytest.mark.parametrize("kind", ["one scope", "admin"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_ended_key_is_refused_with_the_next_request(
    world: World,
    endpoint: str,
    kind: str,
    asked: Callable[..., Answer],
    end: Callable[[World, int], None],
) -> None:
    path, body, held = ENDPOINTS[endpoint]
    key = made(world, "admin" if kind == "admin" else "login" if endpoint == "login" else "stats")
    assert asked(world, path, body, key.text)[0] == held
    end(world, key.kept.number)
    status, problem = asked(world, path, body, key.text)
    assert (status, problem["errors"]) == (401, {"authorization": ["this API key has ended"]})


@pytest.mark.parametrize("end", [ended_here, ended_elsewhere])
@pytest.mark.parametrize("asked", [in_threads, on_the_loop])
def test_a_time_that_comes_with_an_ended_key_is_believed_no_more(
    open_world: World, asked: Callable[..., Answer], end: Callable[[World, int], None]
) -> None:
    key = made(open_world, "events")
    sent = {"name": "pageview", "domain": "example.org", "timestamp": (NOW - timedelta(days=3)).isoformat()}
    for path in ("/before", "/after"):
        assert asked(open_world, "/api/event", sent | {"url": f"https://example.org{path}"}, key.text)[0] == 202
        if path == "/before":
            end(open_world, key.kept.number)
    open_world.settle()
    assert {row.pathname: row.occurred_at.day for row in open_world.rows()} == {"/before": 20, "/after": 23}
    open_world.runtime.refused_attempts.flush()
    (told,) = (one for one in open_world.runtime.audit.newest() if one.action == "api_key.refused")
    assert told.detail["count"] == 1


def test_a_key_is_changed_without_a_request_that_is_refused(world: World) -> None:
    path, body, held = ENDPOINTS["stats"]
    old = made(world, "stats")
    new = made(world, "stats")
    assert [in_threads(world, path, body, one.text)[0] for one in (old, new)] == [held, held]
    ended_here(world, old.kept.number)
    assert [in_threads(world, path, body, one.text)[0] for one in (old, new)] == [401, held]


def test_keys_are_listed_and_ended_on_the_site_s_page(world: World, owner: Client) -> None:
    empty = owner.get(SITE).get_data(as_text=True)
    assert "There is none yet." in empty.partition("<h2>API keys</h2>")[2]
    token = csrf(owner.get(SITE))
    shown = owner.post(f"{SITE}/api-keys", data={"csrf_token": token, "scope": "login"}).get_data(as_text=True)
    (kept,) = world.runtime.sites.api_keys(world.site)
    assert f"API key {kept.number}, login, of example.org" in shown
    found = re.search(r"wm_login_[\w-]+", shown)
    assert found
    world.move(hours=1)
    form = {"csrf_token": token, "number": str(kept.number)}
    page = owner.get(SITE).get_data(as_text=True).partition("<h2>API keys</h2>")[2]
    for told in (f">{kept.number}</td>", ">login</td>", "2026-11-23 10:30 UTC", ">no end</td>", "data-confirm"):
        assert told in page
    done = owner.post(f"{SITE}/api-keys/end", data=form, follow_redirects=True)
    assert f"API key {kept.number} has ended." in done.get_data(as_text=True)
    page = owner.get(SITE).get_data(as_text=True).partition("<h2>API keys</h2>")[2]
    assert "2026-11-23 11:30 UTC" in page
    assert "data-confirm" not in page
    assert found[0] not in page
    assert world.found_in_files(found[0].encode()) == []
    ended, begun = world.runtime.audit.newest()[:2]
    said = {"number": kept.number, "scope": "login"}
    assert (begun.action, begun.actor, begun.detail) == ("api_key.add", "owner@example.org", said)
    assert (ended.action, ended.actor, ended.detail) == ("api_key.end", "owner@example.org", said)
    assert ended.site_id == world.site.id


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        ("9999", 400, "number 9999 is no API key of example.org"),
        ("-1", 400, "is no API key of example.org"),
        ("9" * 50, 400, "is no API key of example.org"),
        ("OTHER", 400, "is no API key of example.org"),
        ("ENDED", 409, "of example.org has ended already"),
        ("", 400, "must be the number of a key"),
        ("seven", 400, "Not a valid integer"),
    ],
)
def test_a_slip_about_an_api_key_is_said(world: World, owner: Client, number: str, status: int, said: str) -> None:
    world.runtime.add_site("other.example", actor="test")
    ended, other, good = made(world, "stats"), made(world, "stats", "other.example"), made(world, "stats")
    ended_here(world, ended.kept.number)
    sent = {"OTHER": str(other.kept.number), "ENDED": str(ended.kept.number)}.get(number, number)
    before = [*world.runtime.sites.api_keys(world.site), *world.runtime.audit.newest()]
    answer = owner.post(f"{SITE}/api-keys/end", data={"csrf_token": csrf(owner.get(SITE)), "number": sent})
    assert answer.status_code == status
    assert said in html.unescape(answer.get_data(as_text=True))
    assert [*world.runtime.sites.api_keys(world.site), *world.runtime.audit.newest()] == before
    for key, domain in ((good, "example.org"), (other, "other.example")):
        path, body, held = ENDPOINTS["stats"]
        assert in_threads(world, path, body | {"site_id": domain}, key.text)[0] == held


def test_only_an_owner_ends_an_api_key(world: World, owner: Client) -> None:
    number = str(made(world, "stats").kept.number)
    for role in ("marketing", "privacy"):
        member = world.staff(role)
        page = member.get(SITE)
        assert "API keys" not in page.get_data(as_text=True)
        form = {"csrf_token": csrf(page), "number": number}
        assert member.post(f"{SITE}/api-keys/end", data=form).status_code == 403
    assert owner.post(f"{SITE}/api-keys/end", data={"number": number}).status_code == 400, "without the CSRF token"
    assert [one.ended_at for one in world.runtime.sites.api_keys(world.site)] == [None]
