"""Sign-in and sign-out: where the rows are before and after."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from tests.support.world import World, problem
from webmon.errors import Conflict
from webmon.login_token import mint
from webmon.stores.control.accounts import SqlAccounts


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
        assert session.connection().exec_driver_sql("select * from promotion").all() == []


def test_half_an_hour_without_a_hit_signs_out(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in()
    world.settle()
    world.move(minutes=31)
    assert world.runtime.accounts.end_over(world.clock.now()) == 1
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
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        assert accounts.ids() == [], "nor that there is such an account, or its address and name"


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


@pytest.mark.parametrize(
    "claims", [{"sub": "a\u0000b"}, {"email": {"a": 1}}, {"name": ["a"]}, {"email": 7}, {"jti": "one\n"}], ids=str
)
def test_a_token_whose_claims_cannot_be_is_401_says_why_and_is_not_used_up(
    world: World, claims: dict[str, object]
) -> None:
    visitor = world.visitor()
    visitor.sees("/one")
    refused = visitor.signs_in(world.token(**{"jti": "the-one"} | claims))
    assert refused.status_code == 401
    ((said,),) = problem(refused).values()
    assert next(iter(claims)) in said
    world.settle()
    assert (world.paths(), world.account_row_count()) == (["/one"], 0)
    assert visitor.signs_in(world.token(jti="the-one")).status_code == 204


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


# Login keys


def private_key() -> tuple[str, str]:
    """A private key in PEM, and its public half."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_token_signed_with_a_registered_key_s_private_half_signs_in(world: World) -> None:
    private, public = private_key()
    visitor = world.visitor()
    visitor.sees("/one")
    at = int(world.clock.now().timestamp())
    assert "has no login key" in problem(visitor.signs_in(world.token(key="x" * 43)))["token"][0]
    key = world.runtime.sites.add_public_key(world.site, public, world.clock.now(), actor="test")
    assert visitor.signs_in(mint("patient-1", "example.org", private, now=at)).status_code == 204
    world.settle()
    assert (world.rows(), world.account_row_count()) == ([], 1)
    for secret in (public, key.text):
        refused = visitor.signs_in(mint("patient-1", "example.org", secret, now=at))
        assert list(problem(refused)) == ["token"]
    with pytest.raises(Conflict):
        world.runtime.sites.add_public_key(world.site, public, world.clock.now(), actor="test")


def test_a_key_that_ended_is_refused_and_its_successor_holds(world: World) -> None:
    visitor, sites = world.visitor(), world.runtime.sites
    first = sites.new_login_key(world.site, world.clock.now(), actor="test")
    second = sites.new_login_key(world.site, world.clock.now(), actor="test", overlap=timedelta(hours=24))
    world.move(hours=23, minutes=59)
    for key in (first, second):
        assert visitor.signs_in(world.token(key=key)).status_code == 204
    world.move(minutes=2)
    refused = visitor.signs_in(world.token(key=first))
    assert refused.status_code == 401
    assert "not signed with a login key" in problem(refused)["token"][0]
    assert visitor.signs_in(world.token(key=second)).status_code == 204
    assert len(sites.kept_login_keys(world.site)) == 2
    assert world.runtime.prune(world.clock.now()) >= 1
    (kept,) = sites.kept_login_keys(world.site)
    assert (kept.key.text, kept.ends_at) == (second, None)
    sites.end_login_key(world.site, kept.key.id, world.clock.now(), actor="test", after=timedelta(0))
    assert visitor.signs_in(world.token(key=second)).status_code == 401


def test_a_token_of_another_site_s_key_is_refused(world: World) -> None:
    world.runtime.add_site("other.example", actor="test")
    other = world.runtime.sites.new_login_key(
        world.runtime.sites.get("other.example"), world.clock.now(), actor="test"
    )
    world.login_key()
    refused = world.visitor().signs_in(world.token(key=other))
    assert (refused.status_code, list(problem(refused))) == (401, ["token"])


# From server to server


def as_backend(world: World, key: str, **fields: object) -> TestResponse:
    return world.post("/api/login", {"site": "example.org"} | fields, Authorization=f"Bearer {key}")


def test_a_backend_signs_in_by_itself(world: World) -> None:
    key = world.runtime.sites.new_api_key(world.site, "login", world.clock.now(), actor="test").text
    visitor = world.visitor()
    visitor.sees("/one")
    for _ in range(2):
        assert as_backend(world, key, account="patient-4711", **visitor.ids).status_code == 204
    visitor.sees("/two")
    world.settle()
    assert (world.rows(), world.account_row_count()) == ([], 2)
    account = world.runtime.account_reader.identify(world.site, world.token("patient-4711"), world.clock.now())
    assert world.runtime.account_keys.ring(account)


@pytest.mark.parametrize("scope", ["stats", "events", "elsewhere", "none", "wrong"])
def test_who_is_no_backend_of_the_site_signs_nobody_in(world: World, scope: str) -> None:
    world.runtime.add_site("other.example", actor="test")
    site = world.runtime.sites.get("other.example") if scope == "elsewhere" else world.site
    kind = scope if scope in {"stats", "events"} else "login"
    key = world.runtime.sites.new_api_key(site, kind, world.clock.now(), actor="test").text
    visitor = world.visitor()
    visitor.sees("/one")
    sent = {"site": "example.org", "account": "patient-4711", **visitor.ids}
    headers = {"none": {}, "wrong": {"Authorization": f"Basic {key}"}}
    refused = world.post("/api/login", sent, **headers.get(scope, {"Authorization": f"Bearer {key}"}))
    assert refused.status_code == 401
    assert list(problem(refused)) == ["authorization"]
    world.settle()
    assert (world.paths(), world.account_row_count()) == (["/one"], 0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"account": "a", "token": "b"}, "account"),
        ({"account": "x" * 256}, "account"),
        ({"account": "a", "visitor": "short"}, "visitor"),
        ({"account": 7}, "account"),
        ({"account": "a\u0000b"}, "account"),
        ({"account": "a", "email": {"a": 1}}, "email"),
        ({"account": ""}, "token"),
    ],
)
def test_a_slip_of_a_backend_is_named(world: World, fields: dict[str, object], field: str) -> None:
    key = world.runtime.sites.new_api_key(world.site, "login", world.clock.now(), actor="test").text
    refused = as_backend(world, key, **fields)
    assert refused.status_code == 400
    assert list(problem(refused)) == [field]


def test_a_sign_in_that_a_damaged_key_keeps_from_being_written_down_uses_no_token_up(world: World) -> None:
    visitor, token = world.visitor(), world.token()
    with world.runtime.database.engine.begin() as connection:
        kept = connection.exec_driver_sql("select wrapped_key from epoch_key").scalar_one()
        connection.exec_driver_sql("update epoch_key set wrapped_key = zeroblob(69)")
    with capture_logs() as said:
        assert [visitor.sees("/").status_code, visitor.signs_in(token).status_code] == [500, 500]
    assert "collect.failed" in {one["event"] for one in said}
    with world.runtime.database.engine.begin() as connection:
        connection.exec_driver_sql("update epoch_key set wrapped_key = ?", (kept,))
    assert [visitor.sees("/").status_code, visitor.signs_in(token).status_code] == [202, 204]
