"""The promotion, interrupted at every boundary of its steps, and what is on disk after it."""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.world import Visitor, World
from webmon.services.ingest import Ingester
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.spool import Spool

SECRETS = ("/secret-page", "patient-4711")
# The whole run, as `make soak` does it, is 100.
CRASHES = int(os.environ.get("WEBMON_TEST_PROMOTION_CRASHES", "5"))
SEED = int(os.environ.get("WEBMON_TEST_SEED", str(secrets.randbits(32))))
# Visitors whose last sign-in was acknowledged.
SIGNED_IN: set[str] = set()


class Crash(BaseException):
    """As if the process had been killed here: no handler of ours catches it."""


# What is done in a promotion, in its order, and whose function does it; of a function that is called several times
# the number says which call is meant.
STEPS: dict[str, tuple[str, str, int]] = {
    "taking it on": ("store", "claim_promotions", 1),
    "having later hits sealed": ("keeper", "_begin", 1),
    "noting that it is sealed": ("store", "move_promotions", 1),
    "reading the rows": ("log", "visits_hits", 1),
    "writing them to the account log": ("store", "put_hits", 1),
    "noting that they are copied": ("store", "move_promotions", 2),
    "taking them out of the event log": ("log", "replace", 1),
    "taking them out of a file": ("log", "_replace", 1),
    "noting that they are removed": ("store", "move_promotions", 3),
    "rewriting the files": ("log", "compact", 1),
    "rewriting a file": ("files", "rewrite", 1),
    "emptying the write-ahead logs": ("keeper", "_wipe", 1),
    "noting that it is done": ("store", "move_promotions", 4),
}
LATER: dict[str, tuple[str, str, int]] = {
    "reading the spool": ("spool", "personal", 1),
    "taking entries": ("keeper", "take", 1),
    "writing them to the account log": ("store", "put_hits", 1),
    "storing what they leave": ("log", "append", 1),
    "emptying the spool": ("spool", "delete_through", 1),
}


def interrupt(world: World, patch: pytest.MonkeyPatch, where: str, name: str, number: int, *, after: bool) -> None:
    """Have the process end at the call of that number, before it does anything or after it has done everything."""
    runtime = world.runtime
    targets: dict[str, Any] = {
        "store": SqlAccounts,
        "log": runtime.event_log,
        "files": runtime.event_log._files,
        "keeper": runtime.accounts,
        "spool": Spool,
    }
    target = targets[where]
    whole: Callable[..., Any] = getattr(target, name)
    calls: list[int] = []

    def stop(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == number and not after:
            raise Crash(name)
        done = whole(*given, **named)
        if len(calls) == number:
            raise Crash(name)
        return done

    patch.setattr(target, name, stop)


def crashed(world: World) -> None:
    world.reopen()
    world.settle()
    world.settle()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_interrupted_at_any_step_it_completes_on_restart(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    visitor, other = world.visitor(), world.visitor()
    for number in range(3):
        visitor.sees(f"/secret-page/{number}")
        other.sees(f"/other/{number}")
    world.runtime.ingester.drain()
    visitor.sees("/secret-page/late")
    assert visitor.signs_in().status_code == 204
    if step == "noting that it is done":
        world.runtime.ingester.drain()  # before that, it is not
    with monkeypatch.context() as patch:
        interrupt(world, patch, *STEPS[step], after=after)
        if step == "having later hits sealed":
            # It was done at the sign-in; here it is as if the process had ended before that.
            world.runtime.accounts._roster.clear()
        with pytest.raises(Crash):
            world.runtime.accounts.advance(world.clock.now())
    crashed(world)
    _each_in_one_place(world, visitor.ids.values())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", LATER)
def test_hits_on_their_way_are_in_one_place_wherever_moving_them_is_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    visitor, other = world.visitor(), world.visitor()
    for number in range(3):
        other.sees(f"/other/{number}")
    for number in range(2):
        visitor.sees(f"/secret-page/{number}")
    assert visitor.signs_in().status_code == 204
    visitor.sees("/secret-page/2")
    visitor.sees("/secret-page/late")
    with monkeypatch.context() as patch:
        interrupt(world, patch, *LATER[step], after=after)
        with pytest.raises(Crash):
            world.runtime.ingester.drain()
    crashed(world)
    _each_in_one_place(world, visitor.ids.values())


def test_crashes_at_moments_drawn_by_chance_leave_each_row_in_one_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visitors come, sign in and out all the time; the process ends before or after a call that is drawn."""
    draw = random.Random(SEED)  # noqa: S311 - which moments, to be had again with the seed
    visitors: list[Visitor] = []
    seen: dict[str, int] = {}
    crashes = 0
    while crashes < CRASHES:
        visitors = [*visitors[-3:], world.visitor()]
        with monkeypatch.context() as patch:
            where, name, _ = draw.choice([*STEPS.values(), *LATER.values()])
            interrupt(world, patch, where, name, draw.randint(1, 4), after=draw.random() < 0.5)
            try:
                for _ in range(draw.randint(3, 8)):
                    _something_happens(world, draw, visitors, seen)
            except Crash:
                crashes += 1
                world.reopen()
    world.settle()
    world.settle()
    public, private = Counter(world.paths()), Counter(world.account_paths())
    said = f"seed {SEED}: {CRASHES} crashes, {len(seen)} pages, {len(private)} of them in the account log"
    print(said)
    # A visit whose sign-in was broken off may have gone to the account or not, but each row is once and none is lost.
    assert {page: public[page] + private[page] for page in seen} == dict.fromkeys(seen, 1), said
    assert set(public) | set(private) == set(seen), said
    assert [page for page, number in seen.items() if number and not private[page]] == [], said
    assert len(world.remainders()) == len(private), said
    assert state(world) == "done", said


def _something_happens(world: World, draw: random.Random, visitors: list[Visitor], seen: dict[str, int]) -> None:
    visitor = draw.choice(visitors)
    what = draw.choice(["sees", "sees", "sees", "signs in", "signs out", "drain", "advance", "advance", "compact"])
    if what == "sees":
        page = f"/seen-{letters(len(seen))}"
        signed_in = visitor.visitor in SIGNED_IN
        visitor.sees(page)
        seen[page] = int(signed_in)
    elif what == "signs in":
        SIGNED_IN.discard(visitor.visitor)
        visitor.signs_in()
        SIGNED_IN.add(visitor.visitor)
    elif what == "signs out":
        SIGNED_IN.discard(visitor.visitor)
        visitor.signs_out()
    elif what == "drain":
        world.runtime.ingester.run_once()
    elif what == "advance":
        world.runtime.accounts.advance(world.clock.now())
    else:
        world.runtime.compact()


def letters(number: int) -> str:
    """A number that the guard takes for a word."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def test_a_sign_in_that_was_not_acknowledged_has_moved_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    with monkeypatch.context() as patch:
        interrupt(world, patch, "store", "add_promotion", 1, after=True)
        with pytest.raises(Crash):
            visitor.signs_in()
    world.reopen()
    world.settle()
    assert (world.paths(), world.account_row_count()) == (["/one"], 0)


def test_a_promotion_that_somebody_else_has_is_left_to_them(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    visitor.signs_in()
    now = world.clock.now()
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        (taken,) = accounts.claim_promotions("another process", now, now.replace(hour=11), 10)
    world.settle()
    assert (state(world), world.runtime.accounts.advance(now)) == ("requested", 0)
    world.move(hours=1)
    assert taken.id
    world.settle()
    assert state(world) == "done"


def test_a_step_that_fails_is_tried_again_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    visitor.signs_in()
    world.runtime.ingester.drain()

    def fail() -> list[str]:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.runtime.event_log, "compact", fail)
        with pytest.raises(OSError, match="full"):
            world.runtime.accounts.advance(world.clock.now())
    assert state(world) == "removed"
    assert world.runtime.accounts.advance(world.clock.now()) == 1
    assert state(world) == "done"


def test_while_it_is_not_done_nobody_is_shown_the_visit_s_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = world.visitor()
    visitor.sees("/secret-page")
    world.settle()

    def shown() -> str:
        data = {"visitor": visitor.visitor, "consent": visitor.receipt}
        page = world.browser().post("/privacy/example.org/open", data=data, follow_redirects=True)
        assert page.status_code == 200
        return page.get_data(as_text=True)

    assert "/secret-page" in shown()
    visitor.signs_in()
    assert [hit.pathname for hit in world.rows()] == ["/secret-page"], "it is in the event log still"
    assert "/secret-page" not in shown()
    world.settle()
    assert world.rows() == []
    assert "/secret-page" not in shown()


def test_done_is_said_only_when_no_row_waits_in_the_spool(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    visitor.signs_in()
    assert world.runtime.accounts.advance(world.clock.now()) == 0
    assert state(world) == "removed"
    world.runtime.ingester.drain()
    assert world.runtime.accounts.advance(world.clock.now()) == 1
    assert (state(world), world.account_paths()) == ("done", ["/one"])


def test_what_an_earlier_version_wrote_down_is_taken_up_and_sealed(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    world.settle()
    (row,) = world.rows()
    visitor.signs_in()
    with world.runtime.database.session() as session:
        session.connection().exec_driver_sql(
            "update promotion set link = null, visitor_id = ?, visit_id = ?", (row.visitor_id, row.visit_id)
        )
    world.reopen()
    world.settle()
    assert (world.rows(), world.account_paths()) == ([], ["/one"])
    with world.runtime.database.session() as session:
        kept = session.connection().exec_driver_sql("select visitor_id, visit_id from promotion").all()
    assert [tuple(one) for one in kept] == [(None, None)]


def state(world: World) -> str:
    with world.runtime.database.session() as session:
        (found,) = session.connection().exec_driver_sql("select distinct state from promotion").scalars()
    return str(found)


def _each_in_one_place(world: World, raw: Any) -> None:
    assert world.paths() == ["/other/0", "/other/1", "/other/2"]
    pages = ["/secret-page/0", "/secret-page/1", "/secret-page/2", "/secret-page/late"]
    assert world.account_paths() == pages
    assert state(world) == "done"
    # What is left for figures is there once too, is one visit of one visitor, and names no page of its own.
    assert [row.pathname for row in world.remainders()] == ["/*"] * 4
    assert world.ask("visitors", "visits", "pageviews") == [2, 2, 7]
    _no_file_holds(world, *SECRETS, *raw)


def _no_file_holds(world: World, *texts: str) -> None:
    sought = [text.encode() for text in texts]
    assert world.found_in_files(*sought) == []
    world.runtime.event_log.checkpoint()
    assert world.found_in_files(*sought) == []


def test_the_ingester_holds_what_was_left_by_the_mark_alone(world: World) -> None:
    """A row that the event log had when its visitor signed in leaves what it leaves once: by its removal."""
    visitor = world.visitor()
    visitor.sees("/secret-page/0")
    spool = world.runtime.spools.all()[0]
    last = spool.through(10)
    marks = {"2026-11": 0}
    for chunk in spool.chunks(last, [], marks):
        world.runtime.event_log.append(spool.id, chunk)  # and there the process ended, before it emptied the spool
    visitor.signs_in()
    world.settle()
    assert isinstance(world.runtime.ingester, Ingester)
    assert (world.account_paths(), len(world.remainders())) == (["/secret-page/0"], 1)
