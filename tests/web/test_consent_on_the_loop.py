"""`POST /api/consent` as `webmon serve` answers it: many to a commit, durable first, and otherwise as everywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.asgi import Got, Sent, ask
from tests.support.world import ADDRESS, BROWSER, GRANTED, REFUSED, World
from tests.web.test_consent_api import counts, records
from webmon.app import create_asgi
from webmon.errors import Unavailable
from webmon.stores.control.consent import SqlConsents

PATH = "/api/consent"


def answer_of(world: World, **fields: Any) -> dict[str, Any]:
    known = {
        "site": "example.org",
        "notice": world.runtime.notices.current(world.site, world.clock.now())["en"],
        "decisions": GRANTED,
        "action": "accept_all",
        "ui_source": "banner",
        "language": "en",
    }
    return known | fields


def sent(document: Any, **headers: str) -> Sent:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    given = {"user-agent": BROWSER, "content-length": str(len(raw))} | headers
    return Sent([raw], list(given.items()), path=PATH)


@pytest.fixture
def warm(world: World) -> World:
    """The notice has been asked for once, so that the loop has it at hand."""
    world.consent(REFUSED, action="reject_all")
    return world


@pytest.fixture
def no_flask(warm: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """What is not answered on the loop is an error."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("went on to Flask")

    monkeypatch.setattr("webmon.app.WSGIMiddleware", lambda *_, **__: refuse)
    return warm


@contextmanager
def counted_transactions(world: World) -> Iterator[list[int]]:
    """How many answers each transaction of the loop holds."""
    sizes: list[int] = []
    transactions = world.runtime.consents._on_loop._transactions
    run = type(transactions)._run

    def counting(self: Any, group: Any) -> None:
        sizes.append(len(group))
        run(self, group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(transactions), "_run", counting)
        yield sizes


def test_many_at_once_are_each_recorded_once_and_share_their_commits(no_flask: World) -> None:
    world, answers = no_flask, [sent(answer_of(no_flask, receipt=f"number-{n:010d}")) for n in range(200)]
    with counted_transactions(world) as sizes:
        got = ask(create_asgi(world.runtime), *answers)
    assert {one.status for one in got} == {201}
    assert [one.json()["consent_receipt_id"] for one in got] == [f"number-{n:010d}" for n in range(200)]
    assert sum(sizes) == 200
    assert len(sizes) < 20
    assert len(records(world)) == 200
    verdict = world.runtime.consents.verify(world.site)
    assert (verdict.holds, verdict.checked_count) == (True, 200)
    assert counts(world) == {"accept_all": 200, "reject_all": 1}


def test_the_same_answer_twenty_times_at_once_is_one_record(no_flask: World) -> None:
    once = sent(answer_of(no_flask, receipt="drawn-by-the-browser-1"))
    got = ask(create_asgi(no_flask.runtime), *[once] * 20)
    assert {one.status for one in got} == {201}
    assert all(one.json() == got[0].json() for one in got)
    assert len(records(no_flask)) == 1


def test_two_tabs_at_once_are_a_line_of_which_the_later_is_in_force(no_flask: World) -> None:
    world = no_flask
    (first,) = ask(create_asgi(world.runtime), sent(answer_of(world)))
    previous = first.json()["consent_receipt_id"]
    tabs = [GRANTED | {"marketing": False}, GRANTED | {"functional": False}]
    documents = [answer_of(world, decisions=one, action="custom", previous=previous) for one in tabs]
    got = ask(create_asgi(world.runtime), *map(sent, documents))
    assert [one.status for one in got] == [201, 201]
    line = world.runtime.consents.line(world.site, previous)
    assert len(line) == 3
    assert line[0]["previous_receipt_id"] == line[1]["consent_receipt_id"]
    assert world.runtime.consents.verify(world.site).holds


def test_a_refusal_is_counted_and_recorded_against_nobody(no_flask: World) -> None:
    refusal = answer_of(no_flask, decisions=REFUSED, action="reject_all")
    (got,) = ask(create_asgi(no_flask.runtime), sent(refusal))
    assert (got.status, got.json()) == (200, {"counted": True})
    assert records(no_flask) == []
    assert counts(no_flask) == {"reject_all": 2}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"decisions": REFUSED, "action": "reject_all"},
        {"decisions": REFUSED, "action": "gpc"},
        {"preview": "US-CA"},
        {"preview": "the moon"},
        {"site": "unknown.example"},
        {"site": "EXAMPLE.org "},
        {"site": 7},
        {"notice": "sha256-" + "0" * 64},
        {"decisions": GRANTED | {"unheard_of": True}},
        {"decisions": GRANTED | {"analytics": "yes"}},
        {"action": "perhaps"},
        {"receipt": "short"},
        {"receipt": "taken-already-01", "decisions": GRANTED | {"marketing": False}, "action": "custom"},
        {"previous": "00000000-0000-0000-0000-000000000000"},
        {"previous": "taken-already-01", "decisions": REFUSED, "action": "withdraw"},
        {
            "previous": "taken-already-01",
            "decisions": REFUSED,
            "action": "withdraw",
            "erase": True,
            "visitor": "v" * 22,
        },
        {"erase": True},
        {"language": "x" * 70_000},
        b"{",
        b"\xff",
        b"[]",
        b"",
    ],
    ids=lambda value: str(value)[:60],
)
def test_it_is_answered_as_by_any_other_server(warm: World, fields: Any) -> None:
    world = warm
    world.consent(receipt="taken-already-01")
    document = fields if isinstance(fields, bytes) else answer_of(world, **fields)
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    here = ask(create_asgi(world.runtime), sent(raw))[0]
    there = world.client.post(PATH, data=raw, headers={"User-Agent": BROWSER}, environ_base={"REMOTE_ADDR": ADDRESS})
    assert here.status == there.status_code
    assert without_numbers(here.body) == without_numbers(there.get_data())
    expected = {name.lower(): value for name, value in there.headers.items()}
    assert {name: value for name, value in here.headers.items() if name != "content-length"} == {
        name: value for name, value in expected.items() if name != "content-length"
    }
    assert int(here.headers["content-length"]) == len(here.body)
    assert world.runtime.consents.verify(world.site).holds


def without_numbers(raw: bytes) -> Any:
    document = json.loads(raw)
    new = {"consent_receipt_id", "consent_record_id", "signature", "previous_receipt_id"}
    return {key: value for key, value in document.items() if key not in new}


def test_a_notice_that_is_not_at_hand_is_looked_up_and_then_is(world: World) -> None:
    app, document = create_asgi(world.runtime), answer_of(world)
    assert not world.runtime.notices.at_hand(document["notice"])
    assert ask(app, sent(document))[0].status == 201
    assert world.runtime.notices.at_hand(document["notice"])


def test_a_body_in_pieces_is_one_answer(no_flask: World) -> None:
    whole = sent(answer_of(no_flask))
    raw = whole.parts[0]
    pieces = Sent([raw[:10], raw[10:90], raw[90:]], whole.headers, path=PATH)
    assert ask(create_asgi(no_flask.runtime), pieces)[0].status == 201
    endless = Sent([b"x" * 10_000] * 9, [("user-agent", BROWSER)], path=PATH)
    assert ask(create_asgi(no_flask.runtime), sent(answer_of(no_flask)))[0].status == 201
    with pytest.raises(AssertionError, match="went on to Flask"):
        ask(create_asgi(no_flask.runtime), endless)


def test_it_is_in_the_ledger_when_it_is_acknowledged(no_flask: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world, go_on, got = no_flask, threading.Event(), list[Got]()
    flush = SqlConsents.flush

    def waiting(self: SqlConsents) -> None:
        go_on.wait(10)
        flush(self)

    monkeypatch.setattr(SqlConsents, "flush", waiting)
    app = create_asgi(world.runtime)
    asking = threading.Thread(target=lambda: got.extend(ask(app, sent(answer_of(world)))))
    asking.start()
    asking.join(0.3)
    assert got == []
    go_on.set()
    asking.join(10)
    assert [one.status for one in got] == [201]
    assert len(records(world)) == 1


def test_what_cannot_be_written_is_not_acknowledged(warm: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = warm

    def fail(_: SqlConsents) -> None:
        raise Unavailable("the disk is full")

    answers = [sent(answer_of(world, receipt=f"number-{n:010d}")) for n in range(5)]
    with monkeypatch.context() as patch:
        patch.setattr(SqlConsents, "flush", fail)
        got = ask(create_asgi(world.runtime), *answers)
    assert {one.status for one in got} == {503}
    assert b"the disk is full" not in got[0].body
    assert records(world) == []
    assert {one.status for one in ask(create_asgi(world.runtime), *answers)} == {201}
    assert len(records(world)) == 5


def test_what_was_agreed_to_is_known_at_once_and_nothing_is_asked_of_the_disk(no_flask: World) -> None:
    world = no_flask
    (given,) = ask(create_asgi(world.runtime), sent(answer_of(world)))
    receipt = given.json()["consent_receipt_id"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlConsents, "standing", lambda *_: pytest.fail("the ledger was read"))
        grant = world.runtime.consents.grant(world.site.id, receipt, world.clock.now())
    assert grant is not None
    assert grant.purposes == {key for key, granted in GRANTED.items() if granted}


def test_a_withdrawal_that_is_known_of_before_what_it_takes_back_holds(
    warm: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tab takes an answer back once it is durable, and before the one who gave it is told so."""
    world, number = warm, "drawn-by-the-browser-1"
    count = type(world.runtime.consent_counts).count

    def withdraw_meanwhile(self: Any, site: Any, notice: str, action: str, *rest: Any) -> None:
        count(self, site, notice, action, *rest)
        if action == "accept_all":
            taken_back = world.consent(REFUSED, action="withdraw", previous=number)
            assert taken_back.status_code == 201, taken_back.get_data(as_text=True)

    monkeypatch.setattr(type(world.runtime.consent_counts), "count", withdraw_meanwhile)
    assert world.consent(receipt=number).status_code == 201
    line = [body["receipt_id"] for body in records(world)]
    assert len(line) == 2
    assert [world.runtime.consents.grant(world.site.id, one, world.clock.now()) for one in line] == [None, None]
