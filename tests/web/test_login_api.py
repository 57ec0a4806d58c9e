"""Sign-in and sign-out: where the rows are before and after."""

from __future__ import annotations

import pytest

from tests.support.world import World, problem


def test_signing_in_moves_the_visit_and_what_follows_to_the_account_log(world: World) -> None:
    visitor, other = world.visitor(), world.visitor()
    for path in ("/one", "/two"):
        visitor.sees(path)
    other.sees("/other")
    world.settle()
    visitor.sees("/on-its-way")  # acknowledged, still in the spool when the sign-in comes
    assert visitor.signs_in().status_code == 204
    visitor.sees("/after")
    world.settle()
    assert world.paths() == ["/other"]
    assert world.account_row_count() == 4

    account = world.runtime.account_reader.identify(world.site, world.token(), world.clock.now())
    rows = world.runtime.account_reader.hits(world.site, account, world.clock.now(), actor="test", reason="to see")
    assert sorted(row.pathname for row in rows) == ["/after", "/on-its-way", "/one", "/two"]
    assert {(row.visitor_id, row.visit_id) for row in rows} == {(0, 0)}


def test_every_reading_of_an_account_is_in_the_audit_trail_before(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    visitor.signs_in()
    world.settle()
    account = world.runtime.account_reader.identify(world.site, world.token(), world.clock.now())
    world.runtime.account_reader.hits(world.site, account, world.clock.now(), actor="dpo@example.org", reason="asked")
    entry = world.runtime.audit.newest()[0]
    assert (entry.actor, entry.action, entry.site_id) == ("dpo@example.org", "account_log.read", world.site.id)
    assert entry.detail == {"account_id": account, "reason": "asked", "fields": "all"}


def test_signing_out_begins_a_visit_that_nothing_joins_to_the_account(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in()
    world.settle()
    assert visitor.signs_out().status_code == 204
    visitor.sees("/public")
    world.move(minutes=5)
    world.settle()
    (row,) = world.rows()
    assert row.pathname == "/public"
    with world.runtime.database.session() as session:
        kept = (
            session.connection().exec_driver_sql("select link, visitor_id, visit_id, ended_at from promotion").all()
        )
    assert [tuple(one[:3]) for one in kept] == [(None, None, None)]
    assert kept[0][3] is not None


def test_half_an_hour_without_a_hit_signs_out(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in()
    world.settle()
    world.move(minutes=31)
    assert world.runtime.accounts.end_idle(world.clock.now()) == 1
    visitor.sees("/later")
    world.settle()
    assert world.paths() == ["/later"]


def test_signing_in_before_the_first_page_view_counts_for_the_visit_that_follows(world: World) -> None:
    visitor = world.visitor()
    visitor.signs_in()
    visitor.sees("/first")
    world.settle()
    assert world.rows() == []
    assert world.account_row_count() == 1


def test_without_consent_signing_in_records_nothing(world: World) -> None:
    answer = world.post("/api/login", {"site": "example.org", "token": world.token()})
    assert answer.status_code == 204
    assert world.event("/").headers["x-webmon-drop-reason"] == "no_consent"
    world.settle()
    assert world.account_row_count() == 0


def test_signing_in_twice_changes_nothing(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    assert [visitor.signs_in().status_code, visitor.signs_in().status_code] == [204, 204]
    visitor.sees("/two")
    world.settle()
    assert (world.rows(), world.account_row_count()) == ([], 2)


def test_another_account_on_the_same_browser_gets_only_its_own_visit(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/of-the-first")
    visitor.signs_in(world.token("first"))
    visitor.signs_in(world.token("second"))
    visitor.sees("/of-the-second")
    world.settle()
    reader, now = world.runtime.account_reader, world.clock.now()
    seen = {}
    for name in ("first", "second"):
        account = reader.identify(world.site, world.token(name), now)
        seen[name] = [row.pathname for row in reader.hits(world.site, account, now, actor="test", reason="to see")]
    assert seen == {"first": ["/of-the-first"], "second": ["/of-the-second"]}


def test_a_login_moves_no_visit_but_the_visitor_s_own(world: World) -> None:
    mine, theirs = world.visitor(), world.visitor()
    mine.sees("/mine")
    theirs.sees("/theirs")
    world.settle()
    sent = {"site": "example.org", "token": world.token(), "visitor": mine.visitor, "visit": theirs.visit}
    assert world.post("/api/login", sent).status_code == 204
    world.settle()
    assert world.paths() == ["/theirs"]


def test_signing_out_without_having_signed_in_does_nothing(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    assert visitor.signs_out().status_code == 204
    assert world.post("/api/logout", {"site": "example.org"}).status_code == 204
    world.settle()
    assert world.paths() == ["/one"]


@pytest.mark.parametrize("fault", ["forged", "expired", "other site", "none"])
def test_a_token_that_does_not_hold_is_401_and_moves_nothing(world: World, fault: str) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    at = int(world.clock.now().timestamp())
    tokens = {
        "forged": world.token(key="x" * 43),
        "expired": world.token(iat=at - 400, exp=at - 200),
        "other site": world.token(aud="other.example"),
        "none": "eyJhbGciOiJub25lIn0.e30.",
    }
    answer = visitor.signs_in(tokens[fault])
    assert answer.status_code == 401
    assert list(problem(answer)) == ["token"]
    world.settle()
    assert (world.paths(), world.account_row_count()) == (["/one"], 0)


def test_a_token_is_used_once_even_after_a_restart(world: World) -> None:
    visitor, token = world.visitor(), world.token()
    assert visitor.signs_in(token).status_code == 204
    world.reopen()
    again = visitor.signs_in(token)
    assert again.status_code == 401
    assert "used before" in problem(again)["token"][0]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, "body"),
        ({"token": "x"}, 400, "site"),
        ({"site": "example.org"}, 400, "token"),
        ({"site": "unknown.example", "token": "x"}, 400, "site"),
        ({"site": "example.org", "token": 7}, 400, "token"),
        ({"site": "example.org", "token": "x", "visitor": "short"}, 400, "visitor"),
        ({"site": "example.org", "token": "x" * 70_000}, 413, "body"),
    ],
)
def test_a_login_that_cannot_be_read_names_the_field(
    world: World, body: object, status: int, field: str | None
) -> None:
    answer = world.post("/api/login", body)
    assert answer.status_code == status
    assert list(problem(answer)) == ([field] if field else [])


def test_after_a_crash_a_signed_in_visit_goes_on_as_one(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/before")
    visitor.signs_in()
    world.reopen()
    visitor.sees("/after")
    world.settle()
    assert (world.rows(), world.account_row_count()) == ([], 2)
