"""The way in of `webmon serve`: many at once on one loop, each durable before it is acknowledged."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.asgi import Sent, ask, event, one
from tests.support.world import BROWSER, World
from webmon.app import create_asgi
from webmon.domain.site import Mode
from webmon.errors import SpoolFull, Unavailable
from webmon.stores.ports.spool import SpoolEntry
from webmon.web.collect.door import Asked, Door
from webmon.web.shared.body import BODY_LIMIT


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS, trusted_proxies="203.0.113.0/24")
    yield made
    made.close()


def test_many_at_once_are_each_stored_once_and_share_their_commits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    append = world.runtime.spools.append

    def counted(entries: Sequence[SpoolEntry]) -> None:
        groups.append(len(entries))
        append(entries)

    monkeypatch.setattr(world.runtime.spools, "append", counted)
    answers = ask(create_asgi(world.runtime), *(event(f"/page-{number}") for number in range(60)))
    assert [(one.status, one.body) for one in answers] == [(202, b"ok")] * 60
    assert sum(groups) == 60
    assert len(groups) < 10
    world.settle()
    assert world.paths() == sorted(f"/page-{number}" for number in range(60))


def test_a_hit_that_takes_long_to_read_does_not_hold_up_the_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_on, prepare = threading.Event(), Door.prepare

    def slowly(door: Door, asked: Asked) -> Any:
        if len(asked.body) > 8192:
            assert read_on.wait(10), "the small one is read meanwhile"
        else:
            read_on.set()
        return prepare(door, asked)

    monkeypatch.setattr(Door, "prepare", slowly)
    large = event("/large", props={f"p{number}": "word " * 300 for number in range(10)})
    answers = ask(create_asgi(world.runtime), large, event("/small"))
    assert [one.status for one in answers] == [202, 202]
    world.settle()
    assert world.paths() == ["/large", "/small"]


def test_it_is_in_the_file_when_it_is_acknowledged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, answered = threading.Event(), threading.Event()
    append = world.runtime.spools.append

    def slowly(entries: Sequence[SpoolEntry]) -> None:
        go_on.wait(10)
        append(entries)

    monkeypatch.setattr(world.runtime.spools, "append", slowly)
    app = create_asgi(world.runtime)
    asking = threading.Thread(target=lambda: (ask(app, event("/slow")), answered.set()))
    asking.start()
    assert not answered.wait(0.2)
    go_on.set()
    asking.join(10)
    assert answered.is_set()
    assert world.runtime.spools.depth == 1


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [(SpoolFull("The spool is full"), 429, "1"), (Unavailable("The spool cannot be written"), 503, None)],
)
def test_what_cannot_be_stored_is_not_acknowledged_to_anybody(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, retry: str | None
) -> None:
    def fail(entries: Sequence[SpoolEntry]) -> None:
        raise error

    events = [event(f"/{number}", event_id=f"{number:016d}") for number in range(9)]
    with monkeypatch.context() as patched:
        patched.setattr(world.runtime.spools, "append", fail)
        refused = ask(create_asgi(world.runtime), *events)
    assert {one.status for one in refused} == {status}
    assert {one.headers.get("retry-after") for one in refused} == {retry}
    assert refused[0].headers["content-type"] == "application/problem+json"
    # Sent again, they are stored: an event that failed is not remembered as one that was stored.
    again = ask(create_asgi(world.runtime), *events)
    assert {one.status for one in again} == {202}
    world.settle()
    assert len(world.rows()) == 9


def test_the_same_event_twenty_times_at_once_is_stored_once(world: World) -> None:
    answers = ask(create_asgi(world.runtime), *[event("/once", event_id="a1B2c3D4e5F6g7H8i9J0kL")] * 20)
    assert {(one.status, one.body) for one in answers} == {(202, b"ok")}
    world.settle()
    assert world.paths() == ["/once"]


@pytest.mark.parametrize("fails", [False, True])
def test_an_event_whose_sender_leaves_while_it_is_committed_is_stored_once(
    world: World, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """What the commit does decides whether it is stored when it is sent again, not who waited for it."""
    begun, go_on = threading.Event(), threading.Event()
    append = world.runtime.spools.append

    def slowly(entries: Sequence[SpoolEntry]) -> None:
        is_first = not begun.is_set()
        begun.set()
        go_on.wait(10)
        if is_first and fails:
            raise Unavailable("The spool cannot be written")
        append(entries)

    monkeypatch.setattr(world.runtime.spools, "append", slowly)
    app, sent = create_asgi(world.runtime), event("/once", event_id="a1B2c3D4e5F6g7H8i9J0kL")

    async def leave_and_send_again() -> int:
        first = asyncio.create_task(one(app, sent))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
        first.cancel()
        await asyncio.wait([first])
        again = asyncio.create_task(one(app, sent))
        await asyncio.sleep(0)
        go_on.set()
        return (await again).status

    assert asyncio.run(leave_and_send_again()) == 202
    world.settle()
    assert world.paths() == ["/once"]


def test_a_body_in_pieces_is_read_whole_and_only_up_to_the_limit(world: World) -> None:
    whole = event("/in-pieces").parts[0]
    endless = Sent([b"x" * 10_000] * 50)
    just_too_large = Sent([b" " * (BODY_LIMIT + 1)])
    answers = ask(
        create_asgi(world.runtime), Sent([whole[:10], b"", whole[10:]]), endless, just_too_large, Sent([b""])
    )
    assert [one.status for one in answers] == [202, 413, 413, 400]
    world.settle()
    assert world.paths() == ["/in-pieces"]


def test_a_header_that_is_sent_twice_is_one_list(world: World) -> None:
    """Whoever is not trusted could otherwise hide behind the first of two."""
    said = [("user-agent", BROWSER), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "81.2.69.142")]
    ask(create_asgi(world.runtime), Sent(event("/a").parts, said))
    world.settle()
    assert [row.country for row in world.rows()] == ["GB"]


def test_other_methods_and_pages_are_answered_too(world: World) -> None:
    app = create_asgi(world.runtime)
    options, wrong, pixel, health, unknown = ask(
        app,
        Sent(method="OPTIONS"),
        Sent(method="PUT"),
        Sent(method="GET", path="/p.gif", query="site=example.org&url=https%3A%2F%2Fexample.org%2Fpixel"),
        Sent(method="GET", path="/healthz"),
        Sent(method="GET", path="/api/nothing"),
    )
    assert (options.status, options.headers["access-control-allow-methods"]) == (204, "POST, OPTIONS")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST, OPTIONS")
    assert (pixel.status, pixel.headers["content-type"]) == (200, "image/gif")
    assert (health.status, health.body) == (200, b"ok\n")
    assert (unknown.status, unknown.json()["status"]) == (404, 404)


def test_an_error_of_ours_says_nothing_of_what_was_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("https://example.org/secret-page")

    monkeypatch.setattr(type(world.runtime.collector), "prepare", fail)
    (answer,) = ask(create_asgi(world.runtime), event("/secret-page"))
    assert answer.status == 500
    assert answer.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    told = "".join(capsys.readouterr())
    assert "ValueError" in told
    assert "secret-page" not in told


def test_both_ways_in_answer_alike(world: World) -> None:
    for sent in (
        event("/same"),
        Sent([b"{"]),
        Sent([b"[]"]),
        event("/same", url="mailto:x"),
        event("/", domain="no"),
    ):
        (loop,) = ask(create_asgi(world.runtime), sent)
        thread = world.post("/api/event", sent.parts[0])
        assert (loop.status, loop.body) == (thread.status_code, thread.get_data())
        wsgi = {name.lower(): value for name, value in thread.headers.items()}
        assert loop.headers == wsgi
    assert json.loads(ask(create_asgi(world.runtime), Sent([b"{"]))[0].body)["errors"].keys() == {"body"}


def test_a_body_in_chunks_is_read_by_every_endpoint_and_bounded(world: World) -> None:
    app = create_asgi(world.runtime)
    body = json.dumps({"site": "example.org", "visitor": "", "visit": ""}).encode()
    answers = ask(
        app,
        Sent([body[:9], body[9:]], path="/api/logout"),
        Sent([b"[" * 1000] * 70, path="/api/logout"),
        Sent([b"[" * 1000] * 1200, path="/api/login"),
    )
    assert [one.status for one in answers] == [204, 413, 413]


LENGTH = [("user-agent", BROWSER), ("content-length", "600")]


@pytest.mark.parametrize("parts", [[b'{"site":'], []])
def test_who_sends_slowly_holds_up_nobody_and_is_given_up(world: World, parts: list[bytes]) -> None:
    app = create_asgi(world.runtime, body_seconds=0.2)
    slow = [
        Sent(parts, LENGTH, path=path, ends=False)
        for path in ("/api/logout", "/api/consent", "/api/event", "/staff/link/none")
        for _ in range(world.runtime.settings.threads + 1)
    ]

    async def asked() -> tuple[Any, list[Any]]:
        waiting = [asyncio.create_task(one(app, sent)) for sent in slow]
        page = await asyncio.wait_for(one(app, Sent(method="GET", path="/healthz")), 10)
        return page, await asyncio.gather(*waiting)

    page, given_up = asyncio.run(asked())
    assert page.status == 200
    assert {one.status for one in given_up} == {408}
    assert {one.headers["connection"] for one in given_up} == {"close"}
    assert {json.dumps(one.json()["errors"]) for one in given_up} == {'{"body": ["did not arrive in time"]}'}
    world.settle()
    assert world.paths() == []


def test_who_ends_the_connection_ends_the_reading(world: World) -> None:
    """What ends a request for another reason is no slow body."""

    async def ended() -> bool:
        task = asyncio.create_task(one(create_asgi(world.runtime), Sent([b"{"], LENGTH, ends=False)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(ended())


@pytest.mark.parametrize("sizes", [(BODY_LIMIT + 1,), (BODY_LIMIT, 5), (40_000, 40_000, 40_000), (700_000, 700_000)])
def test_a_long_body_is_there_as_a_whole(world: World, sizes: tuple[int, ...]) -> None:
    parts = [b" " * size for size in sizes]
    app = create_asgi(world.runtime)
    headers = [("user-agent", BROWSER), ("transfer-encoding", "chunked")]
    # As many at once as would take each other's place.
    answers = ask(app, *[Sent(parts, headers, path="/api/logout")] * 9)
    assert {one.status for one in answers} == {413}
    (answer,) = ask(app, Sent([*parts[:1], b"{"], headers, path="/api/notice", method="GET"))
    assert answer.status == 400, "whoever does not read it is not asked to"
