"""Once a signed-in visit is over, nothing leads from what the same browser does to the account or to before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import jwt
import pytest

from tests.support.world import REFUSED, Visitor, World, problem
from tests.web.test_promotion import forms, promote_days
from webmon.services.account_keys import AccountKeys
from webmon.services.pseudonyms import EPOCH_LIFETIME


@pytest.fixture
def person(world: World) -> Visitor:
    """Somebody who is signed in on their second visit."""
    visitor = world.visitor()
    visitor.sees("/long-before")
    world.move(minutes=40)
    visitor.sees("/before")
    world.settle()
    visitor.signs_in()
    visitor.sees("/during")
    world.settle()
    return visitor


def sign_out(world: World, visitor: Visitor) -> None:
    assert visitor.signs_out().status_code == 204


def stay_away(world: World, _: Visitor) -> None:
    world.move(minutes=31)


def be_ended(world: World, visitor: Visitor) -> None:
    stay_away(world, visitor)
    assert world.runtime.accounts.end_over(world.clock.now()) == 1


def restart(world: World, visitor: Visitor) -> None:
    stay_away(world, visitor)
    world.reopen()


def erase_account(world: World, _: Visitor) -> None:
    world.runtime.account_eraser.erase(world.site, "patient-4711", world.clock.now(), actor="test")


ENDS = [sign_out, stay_away, be_ended, restart, erase_account]


@pytest.mark.parametrize("end", ENDS)
def test_what_follows_is_under_another_pseudonym_for_good(
    world: World, person: Visitor, end: Callable[[World, Visitor], None]
) -> None:
    (before,) = world.rows()
    assert before.pathname == "/long-before"
    end(world, person)
    person.sees("/after")
    person.sees("/after-that")
    world.settle()
    after = {row.pathname: row for row in world.rows()}
    assert set(after) == {"/long-before", "/after", "/after-that"}
    assert after["/after"].visitor_id == after["/after-that"].visitor_id != before.visitor_id
    assert after["/after"].visit_id == after["/after-that"].visit_id
    # Whether or not the end has been written down since, and in the next process.
    world.move(minutes=40)
    world.settle()
    world.runtime.accounts.end_over(world.clock.now())
    world.reopen()
    person.sees("/much-later")
    world.settle()
    (later,) = (row for row in world.rows() if row.pathname == "/much-later")
    assert later.visitor_id == after["/after"].visitor_id


def test_the_pseudonym_of_the_signed_in_visit_is_in_no_file_after_it_either(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/before")
    world.settle()
    (row,) = world.rows()
    sought = [*forms(row.visitor_id), *forms(row.visit_id)]
    assert world.found_in_files(*sought), "the search finds what is there"
    for _ in range(2):
        visitor.signs_in()
        world.settle()
        world.move(minutes=31)
        world.runtime.accounts.end_over(world.clock.now())
        visitor.sees("/after")
        world.settle()
        world.move(minutes=31)
    world.runtime.checkpoint()
    assert world.found_in_files(*sought) == []


def test_each_signed_in_visit_is_cut_from_the_next(world: World, person: Visitor) -> None:
    seen = {row.visitor_id for row in world.rows()}
    for number in range(3):
        world.move(minutes=31)
        person.sees(f"/in-between-{number}")
        world.settle()
        (row,) = (row for row in world.rows() if row.pathname.startswith("/in-between"))
        assert row.visitor_id not in seen
        seen.add(row.visitor_id)
        person.signs_in()
        world.settle()
    assert world.account_paths() == ["/before", "/during", *(f"/in-between-{number}" for number in range(3))]


@pytest.mark.parametrize("subject", ["patient-4711", "somebody-else"])
def test_who_signs_in_after_half_an_hour_has_the_visit_that_goes_on_moved(
    world: World, person: Visitor, subject: str
) -> None:
    """Also where nobody has noted yet that the visit before is over."""
    world.move(minutes=30, seconds=20)
    person.sees("/again")
    assert person.signs_in(world.token(subject)).status_code == 204
    person.sees("/and-again")
    world.runtime.accounts.end_over(world.clock.now())
    person.sees("/still")
    world.settle()
    assert world.paths() == ["/long-before"]
    assert set(world.account_paths(subject)) >= {"/again", "/and-again", "/still"}
    assert "/before" in world.account_paths("patient-4711")


def test_a_sign_in_before_the_first_page_after_half_an_hour_is_of_a_visit_of_its_own(
    world: World, person: Visitor
) -> None:
    world.move(minutes=30, seconds=20)
    assert person.signs_in().status_code == 204
    world.runtime.accounts.end_over(world.clock.now())
    person.sees("/again")
    world.settle()
    assert world.account_paths() == ["/again", "/before", "/during"]


def test_a_signed_in_visit_that_the_book_of_visits_has_no_room_for_goes_on(world: World, person: Visitor) -> None:
    (name,) = world.runtime.pseudonyms.visitor_all(world.site.id, person.visitor)
    world.runtime.visits.end(world.site.id, name)
    person.sees("/later")
    world.settle()
    assert world.account_paths() == ["/before", "/during", "/later"]


def test_what_follows_goes_to_no_account_of_before_where_earlier_rows_go_along(world: World) -> None:
    promote_days(world, 30)
    visitor = world.visitor()
    for account in ("first", "second"):
        visitor.sees(f"/of-{account}")
        visitor.signs_in(world.token(account))
    visitor.signs_out()
    visitor.sees("/in-between")
    world.runtime.ingester.drain()
    visitor.signs_in(world.token("third"))
    world.settle()
    assert [world.account_paths(name) for name in ("first", "second", "third")] == [
        ["/of-first", "/of-second"],  # seen while the first was signed in
        [],
        ["/in-between"],
    ]


# A session of the website's that ends by itself


def in_minutes(world: World, minutes: int) -> int:
    return int((world.clock.now() + timedelta(minutes=minutes)).timestamp())


@pytest.mark.parametrize("front", ["token", "backend"])
@pytest.mark.parametrize("again", [False, True], ids=["one process", "restarted"])
def test_with_the_website_s_session_the_visit_is_over_though_somebody_goes_on(
    world: World, front: str, again: bool
) -> None:
    visitor = world.visitor()
    visitor.sees("/before")
    world.runtime.ingester.drain()
    (before,) = world.rows()
    if front == "token":
        visitor.signs_in(world.token(session_expiry=in_minutes(world, 20)))
    else:
        key = world.runtime.sites.new_api_key(world.site, "login", world.clock.now(), actor="test").text
        sent = {"site": "example.org", "account": "patient-4711", "session_expiry": in_minutes(world, 20)}
        answer = world.post("/api/login", sent | visitor.ids, Authorization=f"Bearer {key}")
        assert answer.status_code == 204
    world.settle()
    world.move(minutes=19)
    visitor.sees("/during")
    world.settle()
    if again:
        world.reopen()
    world.move(minutes=1)
    visitor.sees("/the-next-person")
    world.settle()
    assert world.account_paths() == ["/before", "/during"]
    (row,) = world.rows()
    assert (row.pathname, row.visitor_id == before.visitor_id) == ("/the-next-person", False)
    assert world.runtime.accounts.end_over(world.clock.now()) == 1


def test_a_session_that_is_prolonged_lasts_as_long_as_was_said_last(world: World) -> None:
    visitor = world.visitor()
    for number in range(3):
        visitor.sees(f"/{number}")
        visitor.signs_in(world.token(session_expiry=in_minutes(world, 20)))
        world.settle()
        world.move(minutes=15)
    world.reopen()
    visitor.sees("/still")
    world.settle()
    assert world.account_paths() == ["/0", "/1", "/2", "/still"]
    visitor.signs_in(world.token())  # one that says nothing of an end
    world.move(minutes=25)
    visitor.sees("/longer")
    world.settle()
    assert (world.paths(), "/longer" in world.account_paths()) == ([], True)


@pytest.mark.parametrize("end", [1, "soon", True, None, 10**30, -1])
def test_a_session_that_is_over_or_has_no_end_that_can_be_is_refused(world: World, end: object) -> None:
    visitor = world.visitor()
    visitor.sees("/before")
    token = jwt.encode(
        jwt.decode(world.token(), options={"verify_signature": False}) | {"session_expiry": end},
        world.login_key(),
        algorithm="HS256",
    )
    answer = visitor.signs_in(token)
    assert (answer.status_code, list(problem(answer))) == (401, ["token"])
    world.settle()
    assert world.paths() == ["/before"]


@pytest.mark.parametrize("end", [1, 10**30])
def test_a_backend_s_session_that_cannot_be_names_its_field(world: World, end: float) -> None:
    key = world.runtime.sites.new_api_key(world.site, "login", world.clock.now(), actor="test").text
    sent = {"site": "example.org", "account": "patient-4711", "session_expiry": end, **world.visitor().ids}
    answer = world.post("/api/login", sent, Authorization=f"Bearer {key}")
    assert (answer.status_code, list(problem(answer))) == (400, ["session_expiry"])


def test_all_that_somebody_did_is_shown_to_them_and_erased_with_their_consent(world: World, person: Visitor) -> None:
    person.signs_out()
    person.sees("/after")
    world.settle()
    sent = {"action": "withdraw", "previous": person.receipt, "erase": True, "visitor": person.visitor}
    assert world.paths() == ["/after", "/long-before"]
    answer = world.consent(REFUSED, **sent)
    assert (answer.status_code, answer.headers["x-webmon-erased"]) == (201, "2")
    world.settle()
    assert world.paths() == []


def test_what_is_known_of_pseudonyms_goes_with_their_key(world: World, person: Visitor) -> None:
    def marks() -> int:
        with world.runtime.database.engine.connect() as connection:
            return int(connection.exec_driver_sql("select count(*) from left_pseudonym").scalar_one())

    person.signs_out()
    assert marks() == 1
    world.move(days=EPOCH_LIFETIME.days)
    world.runtime.rotate_epoch_keys(world.clock.now())
    assert marks() == 1, "rows under it may be there yet"
    kept = world.runtime._kept(world.site)
    world.move(days=kept.days)
    world.runtime.rotate_epoch_keys(world.clock.now())
    assert marks() == 0


def test_a_new_key_of_the_site_ends_no_signed_in_visit(world: World) -> None:
    world.move(days=EPOCH_LIFETIME.days, minutes=-5)
    person = world.visitor()
    person.sees("/before")
    assert person.signs_in().status_code == 204
    world.settle()
    world.move(minutes=10)
    world.runtime.rotate_epoch_keys(world.clock.now())
    person.sees("/under-the-new-key")
    world.settle()
    assert world.paths() == []
    assert person.signs_in().status_code == 204
    person.sees("/signed-in-once-more")
    world.reopen()
    person.sees("/after-a-restart")
    world.settle()
    assert world.paths() == []
    assert world.account_paths() == ["/after-a-restart", "/before", "/signed-in-once-more", "/under-the-new-key"]
    person.signs_out()
    person.sees("/nobodys")
    world.settle()
    assert world.paths() == ["/nobodys"]


# An account that is erased while somebody signs in


def test_who_signs_in_while_their_account_is_erased_is_nobody_and_loses_no_hit(
    world: World, person: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = world.visitor()
    phone.sees("/phone")
    destroy = AccountKeys.destroy

    def signed_in_before(keys: AccountKeys, *account: object) -> None:
        assert phone.signs_in().status_code == 204
        destroy(keys, *account)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(AccountKeys, "destroy", signed_in_before)
        erase_account(world, person)
    assert phone.sees("/phone-after").status_code == 202
    world.settle()
    assert "/phone-after" in world.paths()
    world.reopen()
    assert phone.sees("/phone-later").status_code == 202
    world.settle()
    assert "/phone-later" in world.paths()
    assert world.account_row_count() == 0


def test_a_hit_of_a_visit_whose_account_is_gone_is_taken_as_nobody_s(
    world: World, person: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visit is assigned to the account at the last moment: nobody could have ended it."""
    with monkeypatch.context() as patch:
        patch.setattr(type(world.runtime.sign_ins), "end_account", lambda *_: None)
        erase_account(world, person)
    for path in ("/after", "/after-that"):
        assert person.sees(path).status_code == 202
    world.settle()
    assert world.paths() == ["/after", "/after-that", "/long-before"]
    assert len({row.visit_id for row in world.rows()}) == 2
    world.move(minutes=31)
    assert world.runtime.accounts.end_over(world.clock.now()) == 1
