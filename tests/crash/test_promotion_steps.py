"""The promotion, interrupted between any two of its steps, and what is on disk after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.world import World

SECRETS = ("/secret-page", "patient-4711")


class Crash(BaseException):
    """As if the process had been killed here: no handler of ours catches it."""


def crash_before(target: Any, name: str) -> Callable[..., Any]:
    def stop(*_: Any, **__: Any) -> Any:
        raise Crash(name)

    return stop


STEPS = {
    "taking it on": ("accounts_repository", "claim"),
    "reading the rows": ("event_log", "visit_hits"),
    "writing them to the account log": ("accounts_repository", "put_hits"),
    "deleting them from the event log": ("event_log", "delete_visit"),
    "rewriting the month": ("event_log", "compact"),
    "swapping the month's file": ("event_log", "_rewrite"),
    "noting that it is done": ("accounts_repository", "mark_done"),
    "emptying the write-ahead logs": ("accounts", "_wipe"),
}


@pytest.mark.parametrize("step", STEPS)
def test_interrupted_before_any_step_it_completes_on_restart(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from webmon.stores.control.accounts import SqlAccounts

    visitor, other = world.visitor(), world.visitor()
    for number in range(3):
        visitor.sees(f"/secret-page/{number}")
        other.sees(f"/other/{number}")
    world.runtime.ingester.drain()
    visitor.sees("/secret-page/late")
    assert visitor.signs_in().status_code == 204

    where, name = STEPS[step]
    target = {
        "accounts_repository": SqlAccounts,
        "event_log": world.runtime.event_log,
        "accounts": world.runtime.accounts,
    }[where]
    with monkeypatch.context() as patch:
        patch.setattr(target, name, crash_before(target, name))
        with pytest.raises(Crash):
            world.settle()
    world.move(minutes=6)  # the claim of the process that died has run out
    world.reopen()
    world.settle()

    assert world.paths() == ["/other/0", "/other/1", "/other/2"]
    account = world.runtime.account_reader.identify(world.site, world.token(), world.clock.now())
    rows = world.runtime.account_reader.hits(world.site, account, world.clock.now(), actor="test", reason="to see")
    assert sorted(row.pathname for row in rows) == [
        "/secret-page/0",
        "/secret-page/1",
        "/secret-page/2",
        "/secret-page/late",
    ]
    _nothing_left(world, visitor.ids.values())


def test_after_the_sign_in_no_file_holds_the_visit_but_encrypted(world: World) -> None:
    visitor = world.visitor()
    for number in range(20):
        visitor.sees(f"/secret-page/{number}", referrer="https://secret-referrer.example/")
    world.settle()
    (row, *_) = world.rows()
    pseudonyms = [
        number.to_bytes(8, order) for number in (row.visitor_id, row.visit_id) for order in ("little", "big")
    ]
    written = [str(number).encode() for number in (row.visitor_id, row.visit_id)]
    assert world.found_in_files(*pseudonyms), "the search finds what is there"
    visitor.signs_in()
    world.settle()
    visitor.sees("/secret-page/later")
    world.settle()
    visitor.signs_out()
    world.move(minutes=10)
    world.settle()
    assert world.account_row_count() == 21
    _nothing_left(world, visitor.ids.values())
    assert world.found_in_files(b"secret-referrer", *pseudonyms, *written) == []


def _nothing_left(world: World, raw: Any) -> None:
    texts = [text.encode() for text in (*SECRETS, *raw)]
    assert world.found_in_files(*texts) == []
    world.runtime.event_log.checkpoint()
    assert world.found_in_files(*texts) == []
