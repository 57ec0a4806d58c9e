"""`POST /api/login` as `webmon serve` answers it: many to a commit, durable first, and otherwise as everywhere."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.support.asgi import Got, Sent, ask
from tests.support.world import ADDRESS, BROWSER, Visitor, World
from webmon.app import create_asgi
from webmon.errors import Unavailable
from webmon.services.together import _Transactions
from webmon.stores.accountkeys import AccountKeyFile
from webmon.stores.control.accounts import SqlAccounts

PATH = "/api/login"


def sent(document: Any, **headers: str) -> Sent:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    given = {"user-agent": BROWSER, "content-length": str(len(raw))} | headers
    return Sent([raw], list(given.items()), path=PATH)


def login(visitor: Visitor, token: str | None = None, /, **fields: Any) -> dict[str, Any]:
    known = {"site": "example.org", "token": token or visitor.world.token(), "consent": visitor.receipt}
    return known | visitor.ids | fields


def people(world: World, count: int) -> list[Visitor]:
    found = [world.visitor() for _ in range(count)]
    for number, one in enumerate(found):
        one.sees(f"/of/{number}")
    return found


@pytest.fixture
def no_flask(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """What is not answered on the loop is an error."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("went on to Flask")

    monkeypatch.setattr("webmon.app.WSGIMiddleware", lambda *_, **__: refuse)
    return world


def accounts_of(world: World) -> int:
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        return len(accounts.ids())


def test_many_at_once_are_each_signed_in_and_share_their_commits(
    no_flask: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, sizes, keys = no_flask, list[int](), list[int]()
    run, add = _Transactions._run, AccountKeyFile.add

    def counting(self: Any, group: Any) -> None:
        sizes.append(len(group))
        run(self, group)

    def counting_keys(self: AccountKeyFile, new: Any) -> None:
        keys.append(len(new))
        add(self, new)

    visitors = people(world, 100)
    documents = [login(one, world.token(f"patient-{number}")) for number, one in enumerate(visitors)]
    monkeypatch.setattr(_Transactions, "_run", counting)
    monkeypatch.setattr(AccountKeyFile, "add", counting_keys)
    got = ask(create_asgi(world.runtime), *map(sent, documents))
    assert {one.status for one in got} == {204}
    assert (sum(sizes), sum(keys)) == (100, 100)
    assert max(len(sizes), len(keys)) < 10
    world.settle()
    assert (world.paths(), world.account_row_count(), accounts_of(world)) == ([], 100, 100)
    assert world.account_paths("patient-7") == ["/of/7"]


def test_one_account_on_many_browsers_at_once_is_one_account(no_flask: World) -> None:
    visitors = people(no_flask, 20)
    got = ask(create_asgi(no_flask.runtime), *[sent(login(one)) for one in visitors])
    assert {one.status for one in got} == {204}
    no_flask.settle()
    assert accounts_of(no_flask) == 1
    assert no_flask.account_paths() == sorted(f"/of/{number}" for number in range(20))


def test_a_token_at_once_from_many_browsers_is_used_once(world: World) -> None:
    visitors, token = people(world, 10), world.token()
    got = ask(create_asgi(world.runtime), *[sent(login(one, token)) for one in visitors])
    assert sorted(one.status for one in got) == [204, *[401] * 9]
    world.settle()
    assert (len(world.paths()), world.account_row_count()) == (9, 1)


def test_the_same_visitor_signing_in_at_once_is_signed_in_once(world: World) -> None:
    (visitor,) = people(world, 1)
    got = ask(create_asgi(world.runtime), *[sent(login(visitor)) for _ in range(5)])
    assert {one.status for one in got} == {204}
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        assert len(accounts.active_promotions()) == 1
    world.settle()
    assert (world.paths(), world.account_row_count()) == ([], 1)


def test_without_consent_a_token_is_used_up_and_nobody_is_promoted(no_flask: World) -> None:
    document = {"site": "example.org", "token": no_flask.token()}
    (got,) = ask(create_asgi(no_flask.runtime), sent(document))
    assert got.status == 204
    assert no_flask.post(PATH, document).status_code == 401


def test_what_is_signed_in_without_a_consent_leaves_nothing_for_figures(no_flask: World) -> None:
    visitors = people(no_flask, 2)
    no_flask.runtime.ingester.drain()
    ask(create_asgi(no_flask.runtime), sent(login(visitors[0])), sent(login(visitors[1], consent="")))
    no_flask.settle()
    assert (no_flask.account_row_count(), len(no_flask.remainders())) == (2, 1)


FAULTS: dict[str, Callable[[World, Visitor], Any]] = {
    "holds": lambda _, one: login(one),
    "no consent named": lambda _, one: login(one, consent=""),
    "unknown consent": lambda _, one: login(one, consent="unheard-of-receipt"),
    "forged": lambda world, one: login(one, world.token(key="x" * 43)),
    "expired": lambda world, one: login(one, world.token(exp=1)),
    "other site": lambda world, one: login(one, world.token(aud="other.example")),
    "no jti": lambda world, one: login(one, world.token(jti=None)),
    "alg none": lambda _, one: login(one, "eyJhbGciOiJub25lIn0.e30."),
    "token no text": lambda _, one: login(one, 7),  # type: ignore[arg-type]
    "no token": lambda _, one: {"site": "example.org"} | one.ids,
    "account and token": lambda _, one: login(one, account="somebody"),
    "account without a key": lambda _, one: {"site": "example.org", "account": "somebody"} | one.ids,
    "unknown site": lambda _, one: login(one, site="unknown.example"),
    "site written otherwise": lambda _, one: login(one, site="EXAMPLE.org "),
    "no visitor": lambda _, one: login(one, visitor="short"),
    "no visit": lambda _, one: login(one, visit="short"),
    "no receipt": lambda _, one: login(one, consent="short"),
    "too long": lambda _, one: login(one, "x" * 70_000),
    "no JSON": lambda _, __: b"{",
    "no text": lambda _, __: b"\xff",
    "no object": lambda _, __: b"[]",
    "nothing": lambda _, __: b"",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_answered_as_by_any_other_server(world: World, fault: str) -> None:
    one, other = people(world, 2)
    raws = [
        document if isinstance(document, bytes) else json.dumps(document).encode()
        for document in (FAULTS[fault](world, visitor) for visitor in (one, other))
    ]
    here = ask(create_asgi(world.runtime), sent(raws[0]))[0]
    there = world.client.post(
        PATH, data=raws[1], headers={"User-Agent": BROWSER}, environ_base={"REMOTE_ADDR": ADDRESS}
    )
    assert (here.status, here.body) == (there.status_code, there.get_data())
    expected = {name.lower(): value for name, value in there.headers.items()}
    if there.status_code == 204:  # what kind no content is of is not compared
        here.headers.pop("content-type", None)
        expected.pop("content-type", None)
    assert here.headers == expected
    world.settle()
    assert world.account_row_count() == (2 if there.status_code == 204 else 0)


def test_a_token_that_was_used_is_refused_and_the_refusal_counted_once(world: World) -> None:
    (visitor,) = people(world, 1)
    document, app = login(visitor), create_asgi(world.runtime)
    assert [ask(app, sent(document))[0].status for _ in range(2)] == [204, 401]
    world.runtime.refused_attempts.flush()
    (refused,) = [one for one in world.runtime.audit.newest() if one.action == "login_token.refused"]
    assert refused.detail.get("count", 1) == 1


def test_a_login_key_that_was_ended_elsewhere_is_refused_at_once(world: World) -> None:
    one, other = people(world, 2)
    app = create_asgi(world.runtime)
    assert ask(app, sent(login(one)))[0].status == 204
    document = login(other)
    (kept,) = world.runtime.sites.kept_login_keys(world.site)
    world.runtime.sites.end_login_key(
        world.site, kept.key.id, world.clock.now(), actor="test", after=timedelta(seconds=0)
    )
    got = ask(app, sent(document))[0]
    assert got.status == 401
    assert "no login key" in got.json()["errors"]["token"][0]


def test_a_consent_that_is_not_at_hand_is_looked_up(world: World) -> None:
    (visitor,) = people(world, 1)
    world.runtime.consents._memory.grants.clear()
    assert ask(create_asgi(world.runtime), sent(login(visitor)))[0].status == 204
    world.settle()
    assert (world.account_row_count(), len(world.remainders())) == (1, 1)


def test_the_key_is_durable_before_the_account_and_both_before_the_answer(
    no_flask: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, go_on, got = no_flask, threading.Event(), list[Got]()
    (visitor,) = people(world, 1)
    add, document = AccountKeyFile.add, login(visitor)

    def waiting(self: AccountKeyFile, keys: Sequence[Any]) -> None:
        add(self, keys)
        go_on.wait(10)

    monkeypatch.setattr(AccountKeyFile, "add", waiting)
    app = create_asgi(world.runtime)
    asking = threading.Thread(target=lambda: got.extend(ask(app, sent(document))))
    asking.start()
    asking.join(0.3)
    assert got == []
    assert len(world.runtime.data_keys.accounts()) == 1
    go_on.set()
    asking.join(10)
    assert [one.status for one in got] == [204]
    assert accounts_of(world) == 1


def test_what_cannot_be_written_is_not_acknowledged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise Unavailable("the disk is full")

    documents = [login(one, world.token(f"patient-{n}")) for n, one in enumerate(people(world, 5))]
    app = create_asgi(world.runtime)
    with monkeypatch.context() as patch:
        patch.setattr(AccountKeyFile, "add", fail)
        got = ask(app, *map(sent, documents))
    assert {one.status for one in got} == {503}
    assert b"the disk is full" not in got[0].body
    assert accounts_of(world) == 0
    assert {one.status for one in ask(app, *map(sent, documents))} == {204}, "and no token was used up"


def test_a_sign_in_whose_page_has_gone_is_known_all_the_same(
    no_flask: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, started, go_on = no_flask, threading.Event(), threading.Event()
    (visitor,) = people(world, 1)
    add, document = AccountKeyFile.add, login(visitor)

    def waiting(self: AccountKeyFile, keys: Sequence[Any]) -> None:
        started.set()
        go_on.wait(10)
        add(self, keys)

    monkeypatch.setattr(AccountKeyFile, "add", waiting)
    keeper, now = world.runtime.accounts, world.clock.now()

    async def go_away() -> None:
        soon = world.runtime.sign_ins.login_soon(
            world.site, document["token"], visitor.visitor, visitor.visit, now, visitor.receipt
        )
        asking = asyncio.ensure_future(soon)
        await asyncio.to_thread(started.wait, 10)
        asking.cancel()
        go_on.set()
        while not keeper.promoted_visits():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(go_away(), 10))
    visitor.sees("/after")
    world.settle()
    assert (world.paths(), world.account_row_count()) == ([], 2)
