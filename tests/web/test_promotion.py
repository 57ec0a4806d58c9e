"""What goes to the account at sign-in, and what it leaves for figures."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.world import World, problem
from webmon.domain.hit import Basis, Hit
from webmon.domain.remainder import SOME_PAGE, Cell, section_of
from webmon.errors import InvalidInput

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
KEPT = {"site_id", "occurred_at", "hit_id", "visitor_id", "visit_id", "basis", *Cell._fields}


def seen_by_others(world: World, *paths: str, count: int = 2) -> None:
    """So that these pages are no sign of anybody."""
    for _ in range(count):
        other = world.visitor()
        for path in paths:
            other.sees(path)
    world.settle()


def minimum(world: World, count: int) -> None:
    world.site = world.runtime.sites.change(
        world.site,
        world.clock.now(),
        actor="test",
        timezone="Europe/Berlin",
        mode=world.mode,
        minimum_group_count=count,
    )


def filled(row: Hit) -> set[str]:
    return {name for name in row.__struct_fields__ if getattr(row, name) not in {"", 0}}


# What is left


def test_a_visit_leaves_hours_pages_families_and_a_channel_and_is_counted_once(world: World) -> None:
    seen_by_others(world, "/imaging", "/doctors")
    visitor = world.visitor()
    visitor.sees("/imaging", referrer="https://news.example.net/article", screen_width=1200, props={"plan": "pro"})
    world.event("/imaging", name="engagement", engagement_ms=4000, **visitor.ids, consent=visitor.receipt)
    visitor.sees("/doctors")
    world.settle()
    before = world.ask("visitors", "visits", "pageviews")
    assert before == [3, 3, 6]
    visitor.signs_in()
    assert world.ask("visitors", "visits", "pageviews") == before, "until it is done"
    world.settle()
    assert world.ask("visitors", "visits", "pageviews") == before
    visitor.sees("/imaging")
    world.settle()
    assert world.ask("visitors", "visits", "pageviews") == [3, 3, 7]
    left = world.remainders()
    assert sorted(row.pathname for row in left) == ["/doctors", "/imaging", "/imaging"]
    assert len({(row.visitor_id, row.visit_id) for row in left}) == 1
    for row in left:
        assert (row.occurred_at.minute, row.occurred_at.second, row.occurred_at.microsecond) == (0, 0, 0)
        assert filled(row) <= KEPT
    assert "Referral" in {row.channel for row in left}


def test_nothing_that_is_left_is_under_a_number_of_the_visit_or_of_the_account_log(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    world.settle()
    (row,) = world.rows()
    visitor.signs_in()
    world.settle()
    (left,) = world.remainders()
    numbers = {row.hit_id, row.visitor_id, row.visit_id}
    with world.runtime.database.session() as session:
        numbers |= set(session.connection().exec_driver_sql("select hit_id from account_hit").scalars())
        account = str(session.connection().exec_driver_sql("select id from account").scalar_one())
    assert not numbers & {left.hit_id, left.visitor_id, left.visit_id}
    key = world.runtime.day_keys.key(world.site.id, "2026-11-23")
    assert left.visitor_id == key.pseudonym("account", account)
    world.move(days=2)
    world.runtime.destroy_day_keys(world.clock.now())
    other = world.runtime.day_keys.key(world.site.id, "2026-11-23")
    assert other.pseudonym("account", account) != left.visitor_id, "the key has died with the day"


def test_one_account_on_two_devices_is_one_visitor_of_the_day_with_two_visits(world: World) -> None:
    for _ in range(2):
        visitor = world.visitor()
        visitor.sees("/")
        visitor.signs_in()
    world.settle()
    assert world.ask("visitors", "visits", "pageviews") == [1, 2, 2]
    world.move(days=1)
    visitor.signs_out()
    visitor.sees("/")
    visitor.signs_in()
    world.settle()
    assert world.ask("visitors", "visits", "pageviews") == [2, 3, 3], "of another day, another one"


def test_how_long_a_signed_in_visit_was_is_not_known_and_does_not_count_as_none(world: World) -> None:
    stays, signs_in = world.visitor(), world.visitor()
    for visitor in (stays, signs_in):
        visitor.sees("/")
    world.move(minutes=4)
    for visitor in (stays, signs_in):
        visitor.sees("/")
    signs_in.signs_in()
    world.settle()
    assert world.ask("visits", "visit_duration", "bounce_rate") == [2, 240, 0]


def test_a_page_that_nobody_else_has_seen_is_not_named(world: World) -> None:
    seen_by_others(world, "/imaging/mri")
    visitor = world.visitor()
    for path in ("/imaging/mri", "/imaging/the-only-one", "/mine-alone/page"):
        visitor.sees(path)
    visitor.signs_in()
    world.settle()
    assert sorted(row.pathname for row in world.remainders()) == ["/*", "/imaging/*", "/imaging/mri"]
    visitor.sees("/mine-alone/page")
    world.settle()
    assert sorted(row.pathname for row in world.remainders()) == ["/*", "/*", "/imaging/*", "/imaging/mri"]


def test_a_page_that_is_not_named_is_none_of_those_that_are(world: World) -> None:
    seen_by_others(world, "/", "/imaging", count=2)
    visitor = world.visitor()
    for path in ("/mine-alone", "/mine-alone/page", "/imaging/the-only-one"):
        visitor.sees(path)
    visitor.signs_in()
    world.settle()
    asked = {"metrics": ["pageviews"], "date_range": "all", "dimensions": ["event:page"]}
    told = world.runtime.stats.ask(world.site, asked, world.clock.now())
    pages = {row.dimensions[0]: row.metrics[0] for row in told.rows}
    assert pages == {"/": 2, "/imaging": 2, "/imaging/*": 1, "/*": 2}


# Whether anything is left


@pytest.mark.parametrize(
    ("said", "headers", "count"),
    [
        ({}, {}, 1),
        ({"consent": ""}, {}, 0),
        ({}, {"Sec_GPC": "1"}, 1),
        ({"consent": "a-receipt-that-is-none"}, {}, 0),
    ],
    ids=["consent in force", "not said", "consent outweighs the signal", "no such consent"],
)
def test_something_is_left_where_the_person_s_choice_allows_it(
    world: World, said: dict[str, str], headers: dict[str, str], count: int
) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    sent = {"site": "example.org", "token": world.token(), **visitor.ids, "consent": visitor.receipt} | said
    assert world.post("/api/login", sent, **headers).status_code == 204
    world.settle()
    visitor.sees("/two")
    world.settle()
    assert world.account_paths() == ["/one", "/two"]
    assert len(world.remainders()) == 2 * count


def test_a_backend_that_names_no_consent_leaves_nothing(world: World) -> None:
    key = world.runtime.sites.new_api_key(world.site, "login", world.clock.now(), actor="test").text
    for said, count in (({}, 0), ({"consent": True}, 1)):
        visitor = world.visitor()
        visitor.sees("/one")
        sent = {"site": "example.org", "account": "patient-4711", **visitor.ids}
        sent |= {"consent": visitor.receipt} if said else {}
        assert world.post("/api/login", sent, Authorization=f"Bearer {key}").status_code == 204
        world.settle()
        assert len(world.remainders()) == count


def test_a_consent_that_was_withdrawn_leaves_nothing(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    world.settle()
    refused = dict.fromkeys(("analytics", "functional", "marketing"), False)
    assert world.consent(refused, action="withdraw", previous=visitor.receipt).status_code == 201
    visitor.signs_in()
    world.settle()
    assert (world.account_paths(), world.remainders()) == (["/one"], [])


def test_a_receipt_that_is_none_names_its_field(world: World) -> None:
    sent = {"site": "example.org", "token": world.token(), "visitor": "v" * 20, "consent": "short"}
    answer = world.post("/api/login", sent)
    assert (answer.status_code, list(problem(answer))) == (400, ["consent"])


# Small groups


def joined(world: World) -> list[int]:
    """For each row of the account log, how many people's remainders agree with it in every column that both have.

    A column of which a remainder says less agrees with all that it may have been.
    """
    people: dict[tuple[Any, ...], set[int]] = {}
    for row in world.remainders():
        people.setdefault(told(row), set()).add(row.visitor_id)
    found = []
    for row in account_rows(world):
        agreeing: set[int] = set()
        for cell, visitors in people.items():
            if agrees(row, cell):
                agreeing |= visitors
        found.append(len(agreeing))
    return found


def told(row: Hit) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in Cell._fields)


def agrees(row: Hit, cell: tuple[Any, ...]) -> bool:
    said = Cell(*cell)
    day = said.occurred_at.hour == 23  # the beginning of the day in Berlin
    if day and not 0 <= (row.occurred_at - said.occurred_at).total_seconds() < 86400:
        return False
    if not day and row.occurred_at.replace(minute=0, second=0, microsecond=0) != said.occurred_at:
        return False
    page = said.pathname in {SOME_PAGE, row.pathname, section_of(row.pathname)}
    traits = ("browser", "os", "device", "country", "channel")
    return page and all(getattr(said, name) in {"", getattr(row, name)} for name in traits)


def account_rows(world: World) -> list[Hit]:
    with world.runtime.database.session() as session:
        found = session.connection().exec_driver_sql("select account_id, hit_id, sealed from account_hit").all()
    return [world.runtime.account_keys.open(*row) for row in found]


@pytest.mark.parametrize("group", [3, 5])
def test_joining_what_is_left_with_the_account_log_singles_out_nobody(world: World, group: int) -> None:
    minimum(world, group)
    pages = ["/", "/imaging", "/imaging/mri", "/imaging/ct", "/doctors", "/doctors/berlin"]
    seen_by_others(world, *pages, count=group)
    # Many look at the same, some at what few look at, at hours of their own and with browsers of their own.
    for number in range(40):
        world.move(minutes=17)
        visitor = world.visitor()
        agent = {"User_Agent": FIREFOX} if number % 7 == 0 else {}
        for path in (pages[number % 3], pages[number % len(pages)]):
            known = {"name": "pageview", "url": f"https://example.org{path}", "domain": "example.org"}
            sent = known | visitor.ids | {"consent": visitor.receipt}
            assert world.post("/api/event", sent, **agent).status_code == 202
        assert visitor.signs_in(world.token(f"person-{number}")).status_code == 204
        world.settle()
    assert min(joined(world)) < group, "without more ado, somebody would be singled out"
    world.move(days=2)
    assert world.runtime.generalizer.run(world.clock.now()) > 0
    assert world.remainders(), "something is left"
    found = joined(world)
    assert len(found) == 80
    assert min(found) >= group
    kept = {told(row) for row in world.remainders()}
    assert {cell[1] for cell in kept} == {"example.org"}
    assert world.runtime.generalizer.run(world.clock.now()) == 0, "done again, nothing changes"
    assert list((world.folder / "events").glob("*.dirty")) == []


def test_what_too_few_share_on_a_day_is_not_left_at_all(world: World) -> None:
    minimum(world, 3)
    visitor = world.visitor()
    visitor.sees("/one")
    visitor.signs_in()
    world.settle()
    assert len(world.remainders()) == 1
    world.runtime.generalizer.run(world.clock.now())
    assert len(world.remainders()) == 1, "the day goes on"
    world.move(days=1)
    world.runtime.generalizer.run(world.clock.now())
    assert world.stored() == []
    assert world.account_paths() == ["/one"]


# How far back


def promote_days(world: World, days: int) -> None:
    world.site = world.runtime.sites.adjust(world.site, world.clock.now(), actor="test", promote_days=days)


def test_with_a_wider_scope_earlier_consented_rows_go_to_the_account_too(world: World) -> None:
    promote_days(world, 30)
    visitor, other = world.visitor(), world.visitor()
    visitor.sees("/too-long-ago")
    world.move(days=20)
    visitor.sees("/weeks-ago")
    other.sees("/other")
    world.move(days=15)
    visitor.sees("/today")
    world.settle()
    counted = world.ask("visits", "pageviews")
    visitor.signs_in()
    world.settle()
    assert world.paths() == ["/other", "/too-long-ago"]
    assert world.account_paths() == ["/today", "/weeks-ago"]
    assert world.ask("visits", "pageviews") == counted
    assert len({row.visit_id for row in world.remainders()}) == 2
    assert world.found_in_files(b"/weeks-ago", b"/today") == []


def test_rows_under_an_earlier_key_of_the_site_go_along(world: World) -> None:
    promote_days(world, 30)
    world.move(days=389)
    visitor = world.visitor()
    visitor.sees("/under-the-old-key")
    world.settle()
    world.move(days=2)
    world.runtime.rotate_epoch_keys(world.clock.now())
    visitor.sees("/under-the-new-key")
    world.settle()
    assert len({row.visitor_id for row in world.rows()}) == 2
    visitor.signs_in()
    world.settle()
    assert (world.paths(), world.account_paths()) == ([], ["/under-the-new-key", "/under-the-old-key"])


def test_by_itself_only_the_visit_goes(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/yesterday")
    world.move(days=1)
    visitor.sees("/today")
    visitor.signs_in()
    world.settle()
    assert (world.paths(), world.account_paths()) == (["/yesterday"], ["/today"])


def test_earlier_rows_that_are_in_the_spool_still_are_waited_for(world: World) -> None:
    promote_days(world, 7)
    visitor = world.visitor()
    visitor.sees("/before")
    world.move(hours=1)
    visitor.sees("/now")
    visitor.signs_in()
    assert world.runtime.accounts.advance(world.clock.now()) == 0
    world.settle()
    world.settle()
    assert (world.paths(), world.account_paths()) == ([], ["/before", "/now"])


def test_another_account_s_visit_does_not_go_along(world: World) -> None:
    promote_days(world, 7)
    visitor = world.visitor()
    visitor.sees("/of-the-first")
    visitor.signs_in(world.token("first"))
    visitor.signs_in(world.token("second"))
    visitor.sees("/of-the-second")
    world.settle()
    assert (world.account_paths("first"), world.account_paths("second")) == (["/of-the-first"], ["/of-the-second"])


def test_while_earlier_rows_are_on_their_way_nobody_is_shown_them(world: World) -> None:
    promote_days(world, 7)
    visitor = world.visitor()
    visitor.sees("/days-ago")
    world.move(days=2)
    visitor.sees("/today")
    world.settle()
    visitor.signs_in()
    page = world.browser().post("/privacy/example.org/open", data={"visitor": visitor.visitor}, follow_redirects=True)
    assert "days-ago" not in page.get_data(as_text=True)


@pytest.mark.parametrize("days", [-1, 391])
def test_a_scope_beyond_the_life_of_a_key_is_refused(world: World, days: int) -> None:
    with pytest.raises(InvalidInput) as told:
        promote_days(world, days)
    assert told.value.errors == {"promote_days": ["must be between 0 and 390"]}


def test_the_policy_is_in_the_audit_trail(world: World) -> None:
    promote_days(world, 30)
    entry = world.runtime.audit.newest()[0]
    assert (entry.action, entry.detail) == ("site.change", {"promote_days": 30})
    promote_days(world, 30)
    assert world.runtime.audit.newest()[0] == entry, "the same again is no change"


# Bad input


def test_signing_out_of_a_visit_that_was_not_signed_in_leaves_another_s_sign_in_alone(world: World) -> None:
    one, other = world.visitor(), world.visitor()
    one.sees("/private")
    one.signs_in()
    other.sees("/public")
    assert other.signs_out().status_code == 204
    one.sees("/private-too")
    other.sees("/public-too")
    world.settle()
    assert (world.paths(), world.account_paths()) == (["/public", "/public-too"], ["/private", "/private-too"])


def test_two_sign_ins_at_once_are_one(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    tokens = [world.token() for _ in range(8)]
    answers: list[int] = []

    def sign_in(token: str) -> None:
        world.runtime.sign_ins.login(world.site, token, visitor.visitor, visitor.visit, world.clock.now())
        answers.append(204)

    threads = [threading.Thread(target=sign_in, args=(token,)) for token in tokens]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    world.settle()
    with world.runtime.database.session() as session:
        assert session.connection().exec_driver_sql("select count(*) from promotion").scalar_one() == 1
        assert session.connection().exec_driver_sql("select count(*) from account").scalar_one() == 1
    assert (len(answers), world.account_paths()) == (8, ["/one"])


def test_an_event_that_is_sent_again_after_a_crash_is_one_row_and_leaves_one(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    visitor.signs_in()
    sent = "an-event-of-its-own-id"
    visitor.sees("/two", event_id=sent)
    world.settle()
    world.reopen()
    visitor.sees("/two", event_id=sent)
    world.settle()
    assert world.account_paths() == ["/one", "/two"]
    assert len(world.remainders()) == 2


def test_what_an_idle_visit_leaves_is_cut_from_what_follows(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in()
    world.settle()
    world.move(minutes=29)
    visitor.sees("/still-private")
    # The ingester is late: the book of visits knows better.
    world.move(minutes=2)
    assert world.runtime.accounts.end_over(world.clock.now()) == 0
    world.settle()
    world.move(minutes=31)
    assert world.runtime.accounts.end_over(world.clock.now()) == 1
    visitor.sees("/public")
    world.settle()
    (row,) = world.rows()
    assert row.pathname == "/public"
    assert row.visit_id not in {left.visit_id for left in world.remainders()}
    assert {left.basis for left in world.remainders()} == {Basis.DEIDENTIFIED}


# What is on disk


def test_no_file_holds_the_visit_but_encrypted_even_while_it_goes_on(world: World) -> None:
    promote_days(world, 30)
    visitor = world.visitor()
    visitor.sees("/secret-weeks-ago")
    world.move(days=10)
    for number in range(20):
        visitor.sees(f"/secret-page/{number}", referrer="https://secret-referrer.example/")
    world.settle()
    rows = world.rows()
    numbers = {number for row in rows for number in (row.visitor_id, row.visit_id)}
    sought = [form for number in numbers for form in forms(number)]
    assert world.found_in_files(*sought), "the search finds what is there"
    visitor.signs_in()
    world.settle()
    texts = [b"/secret-page", b"secret-weeks-ago", b"secret-referrer", b"patient-4711"]
    texts += [text.encode() for text in visitor.ids.values()]
    assert world.account_row_count() == 21
    assert world.found_in_files(*texts, *sought) == [], "the visitor is signed in still"
    visitor.sees("/secret-page/later")
    assert world.found_in_files(*texts, *sought) == [], "in the spool"
    world.settle()
    assert world.found_in_files(*texts, *sought) == []
    visitor.signs_out()
    world.move(minutes=10)
    world.settle()
    world.runtime.checkpoint()
    assert world.account_row_count() == 22
    assert world.found_in_files(*texts, *sought) == []
    # Files are compressed: what bytes do not show, a question would.
    kept = {number for row in world.stored() for number in (row.visitor_id, row.visit_id)}
    assert not kept & numbers
    assert [row.pathname for row in world.stored()] == ["/*"] * 22


def forms(number: int) -> list[bytes]:
    return [number.to_bytes(8, "little"), number.to_bytes(8, "big"), str(number).encode()]


def test_a_promotion_that_is_damaged_keeps_no_other_from_its_end_and_no_server_from_starting(world: World) -> None:
    visitors = [world.visitor() for _ in range(3)]
    for number, visitor in enumerate(visitors):
        visitor.sees(f"/{number}")
        if number:
            world.runtime.ingester.drain()
        visitor.signs_in(world.token(f"patient-{number}"))
        if number < 1:
            world.settle()
    with world.runtime.database.engine.begin() as connection:
        damaged = "update promotion set link = zeroblob(60) where id in (1, 2)"
        assert connection.exec_driver_sql(damaged).rowcount == 2
    with capture_logs() as said:
        world.reopen()
    assert {"promotions": [1, 2], "not_done": [2]}.items() <= said[0].items()
    world.settle()
    assert world.account_paths("patient-2") == ["/2"]
    assert world.account_paths("patient-0") == ["/0"]
    assert visitors[0].sees("/later").status_code == 202
    assert visitors[0].signs_in(world.token("patient-0")).status_code == 204
    world.settle()
    assert world.account_paths("patient-0") == ["/0", "/later"]
