"""A disk that is full under the control database or the data keys: said as such, and over once there is room."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from tests.support.asgi import Sent, ask
from tests.support.world import BROWSER, Visitor, World
from webmon.app import create_asgi

# Each takes a page of the file sooner or later.
TRIES = 400


def fill(world: World) -> Callable[[], None]:
    """Let neither database grow; returns what gives them room again. SQLite answers as it does on a full disk."""
    keys, engine = world.runtime.data_keys._connection, world.runtime.database.engine

    def stop(connection: Any, *_: Any) -> None:
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {pages}")

    def go_on(connection: Any, *_: Any) -> None:
        connection.execute("pragma max_page_count = 1000000")

    stop(keys)
    event.listen(engine, "checkout", stop)

    def give_room() -> None:
        event.remove(engine, "checkout", stop)
        event.listen(engine, "checkout", go_on)
        go_on(keys)

    return give_room


def consent(world: World) -> dict[str, Any]:
    notice = world.runtime.notices.current(world.site, world.clock.now())["en"]
    decisions = dict.fromkeys(("analytics", "functional", "marketing"), True)
    asked = {"site": "example.org", "notice": notice, "decisions": decisions, "action": "accept_all"}
    return asked | {"ui_source": "banner", "language": "en"}


def login(world: World, number: int) -> dict[str, Any]:
    visitor = Visitor(world, 1_000_000 + number, "")
    return {"site": "example.org", "token": world.token(f"patient-{number}"), **visitor.ids}


ASKED = {"/api/consent": lambda world, _: consent(world), "/api/login": login}


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("front", ["loop", "threads"])
def test_a_full_disk_is_no_error_of_webmon_s_and_passes(world: World, front: str, path: str) -> None:
    def tried(number: int) -> int:
        document = ASKED[path](world, number)
        if front == "threads":
            return world.post(path, document).status_code
        raw = json.dumps(document).encode()
        headers = [("user-agent", BROWSER), ("content-length", str(len(raw)))]
        (got,) = ask(create_asgi(world.runtime), Sent([raw], headers, path=path))
        return got.status

    good = tried(0)
    assert good < 300
    give_room = fill(world)
    statuses = []
    while len(statuses) < TRIES and 503 not in statuses:
        statuses.append(tried(1 + len(statuses)))
    assert statuses[-1] == 503, "it never became full"
    assert set(statuses) <= {good, 503}
    give_room()
    assert tried(TRIES + 1) == good
    assert world.runtime.consents.verify(world.site).holds
