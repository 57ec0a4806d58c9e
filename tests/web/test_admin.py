"""The admin pages: what an owner and a privacy officer do there, and what becomes of a slip."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.test import Client, TestResponse

from tests.support.world import World, csrf
from webmon.domain.language import LANGUAGES
from webmon.domain.scrub import NO_RULES
from webmon.domain.site import Mode

SITE = "/admin/sites/example.org"


def fields_of(page: TestResponse, action: str = "") -> dict[str, str]:
    """What a browser would send back unchanged from the page's form (the one with that action, if given)."""
    text = page.get_data(as_text=True)
    forms = re.findall(r"<form[^>]*>.*?</form>", text, re.DOTALL)
    form = next(one for one in forms if action in one.split(">")[0] and "sign-out" not in one.split(">")[0])
    found = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form))
    for name, body in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\s*(.*?)</textarea>', form, re.DOTALL):
        found[name] = body
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option[^>]*selected[^>]*value="([^"]*)"', body) or re.search(r'value="([^"]*)"', body)
        found[name] = chosen[1] if chosen else ""
    return {name: html.unescape(value) for name, value in found.items()}


@pytest.fixture
def owner(world: World) -> Client:
    return world.staff("owner")


def test_a_site_is_added_with_its_notices_and_its_snippet_to_copy(world: World, owner: Client) -> None:
    form = fields_of(owner.get("/admin/sites/new")) | {"domain": "New.Example", "timezone": "Europe/Berlin"}
    answer = owner.post("/admin/sites/new", data=form)
    assert answer.headers["Location"] == "/admin/sites/new.example"
    page = owner.get("/admin/sites/new.example").get_data(as_text=True)
    assert "w.js&#34; data-site=&#34;new.example&#34;" in page
    assert world.runtime.notices.current(world.runtime.sites.get("new.example"), world.clock.now()).keys() == set(
        LANGUAGES
    )


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ({"domain": "example.org"}, "is there already"),
        ({"domain": "not a host"}, "must be a host name"),
        ({"domain": ""}, "is required"),
        ({"timezone": "Mars/Olympus"}, "must be a time zone"),
        ({"minimum_group_count": "0"}, "must be between 1 and 1000"),
        ({"choice_days": "396"}, "must be between 1 and 395"),
        ({"promote_days": "391"}, "must be between 0 and 390"),
        ({"minimum_group_count": "many"}, "Not a valid integer"),
        ({"mode": "whatever"}, "Not a valid choice"),
    ],
)
def test_a_slip_in_a_new_site_is_said_beside_the_field(
    world: World, owner: Client, slip: dict[str, str], said: str
) -> None:
    form = fields_of(owner.get("/admin/sites/new")) | {"domain": "new.example"} | slip
    answer = owner.post("/admin/sites/new", data=form)
    assert answer.status_code == 200
    assert said in answer.get_data(as_text=True)
    assert len(world.runtime.sites.all()) == 1


def test_settings_are_changed_and_on_record(world: World, owner: Client) -> None:
    form = fields_of(owner.get(SITE), SITE) | {
        "timezone": "Asia/Tokyo",
        "minimum_group_count": "10",
        "honour_dnt": "y",
        "choice_days": "30",
        "share_subdomains": "y",
        "promote_days": "7",
    }
    assert owner.post(SITE, data=form).status_code == 302
    site = world.runtime.sites.get("example.org")
    assert (site.timezone, site.minimum_group_count, site.honour_dnt) == ("Asia/Tokyo", 10, True)
    assert (site.choice_days, site.cookie_domain) == (30, "example.org")
    assert (site.choice_days, site.promote_days) == (30, 7)
    assert world.runtime.audit.newest()[0].action == "site.change"


def test_the_guards_rules_are_set_and_hold_for_the_next_hit(tmp_path: Path) -> None:
    world = World(tmp_path / "data", Mode.COOKIELESS_ALWAYS)
    officer = world.staff("privacy")
    form = fields_of(officer.get(SITE), f"{SITE}/guard") | {
        "parameters": "lang",
        "path_templates": "/patients/:id/*\n/rooms/:name",
        "property_keys": "plan",
    }
    for _ in range(2):
        assert officer.post(f"{SITE}/guard", data=form).status_code == 302
    changes = [entry for entry in world.runtime.audit.newest() if entry.action == "site.change"]
    assert len(changes) == 1, "the same rules again are no change"
    assert fields_of(officer.get(SITE), f"{SITE}/guard")["parameters"] == "lang"
    world.move(seconds=5)
    world.event("/patients/jane/notes/1?lang=de&x=1", props={"plan": "pro", "step": "1"})
    world.settle()
    (row,) = world.rows()
    assert (row.pathname, row.props) == ("/patients/:id/*?lang=de", '{"plan":"pro"}')
    world.close()


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ({"path_templates": "/fine\npatients/:id"}, "line 2, “patients/:id”: must begin with /"),
        ({"parameters": "lang\n\ngclid"}, "line 3, “gclid”: is a click identifier"),
        ({"property_keys": "patientName"}, "line 1, “patientName”: is named after something of a person"),
    ],
)
def test_a_slip_in_the_guards_rules_is_said_with_its_line(
    world: World, owner: Client, slip: dict[str, str], said: str
) -> None:
    form = fields_of(owner.get(SITE), f"{SITE}/guard") | slip
    answer = owner.post(f"{SITE}/guard", data=form)
    assert said in html.unescape(answer.get_data(as_text=True))
    # The token holds the second it was made in.
    assert fields_of(answer, f"{SITE}/guard") | {"csrf_token": ""} == form | {"csrf_token": ""}
    assert world.runtime.sites.get("example.org").rules == NO_RULES


def test_marketing_sets_no_rules_of_the_guard(world: World) -> None:
    marketer = world.staff("marketing")
    page = marketer.get(SITE)
    assert "What the guard keeps" not in page.get_data(as_text=True)
    assert marketer.post(f"{SITE}/guard", data={"csrf_token": csrf(page)}).status_code == 403


def test_keys_are_shown_once(world: World, owner: Client) -> None:
    token = csrf(owner.get(SITE))
    shown = owner.post(f"{SITE}/login-keys", data={"csrf_token": token}).get_data(as_text=True)
    key = world.login_key()
    assert key in shown
    assert key not in owner.get(SITE).get_data(as_text=True)
    shown = owner.post(f"{SITE}/api-keys", data={"csrf_token": token, "scope": "stats"}).get_data(as_text=True)
    found = re.search(r"wm_stats_[\w-]+", shown)
    assert found
    assert world.found_in_files(key.encode(), found[0].encode()) == []
    asked = {"site_id": "example.org", "metrics": ["visitors"], "date_range": "day"}
    answer = world.post("/api/v2/query", asked, Authorization=f"Bearer {found[0]}")
    assert answer.status_code == 200


def test_rules_are_changed_looked_at_and_applied(world: World) -> None:
    world.visitor().sees("/old")
    world.settle()
    world.move(days=100)
    world.visitor().sees("/new")
    world.settle()
    officer = world.staff("privacy")
    form = fields_of(officer.get(f"{SITE}/retention"), f"{SITE}/retention") | {"event_log": "p90d"}
    answer = officer.post(f"{SITE}/retention", data=form)
    assert answer.headers["Location"].endswith("?plan=1")
    page = officer.get(f"{SITE}/retention?plan=1")
    assert "90 days" in page.get_data(as_text=True)
    assert world.paths() == ["/new", "/old"], "a plan deletes nothing"
    officer.post(f"{SITE}/retention/apply", data={"csrf_token": csrf(page)})
    assert world.paths() == ["/new"]
    assert "1 rows deleted" in officer.get(f"{SITE}/retention").get_data(as_text=True)


def test_a_run_on_another_site_is_no_run_on_this_one(world: World) -> None:
    other = world.runtime.add_site("other.example", actor="test")
    world.runtime.retention.apply(world.clock.now(), other, actor="test")
    officer = world.staff("privacy")
    page = officer.get(f"{SITE}/retention").get_data(as_text=True)
    assert "have not run lately" in page
    assert "<table" not in page
    assert "<table" in officer.get("/admin/sites/other.example/retention").get_data(as_text=True)


@pytest.mark.parametrize("keep", ["", "90 days", "P0D", "PT5M", "P1000Y", "P-1D"])
def test_a_duration_that_is_none_changes_no_rule(world: World, keep: str) -> None:
    officer = world.staff("privacy")
    form = fields_of(officer.get(f"{SITE}/retention"), f"{SITE}/retention")
    answer = officer.post(f"{SITE}/retention", data=form | {"event_log": keep, "account_log": "P1M"})
    assert answer.status_code == 200
    assert 'id="event_log-error"' in answer.get_data(as_text=True)
    assert {rule.origin.value for rule in world.runtime.retention.rules(world.site)} == {"default"}


def test_an_owner_gives_and_takes_roles(world: World, owner: Client) -> None:
    form = fields_of(owner.get("/admin/staff"), 'action="/admin/staff"') | {
        "email": "new@example.org",
        "role": "marketing",
        "site": "example.org",
    }
    page = owner.post("/admin/staff", data=form)
    link = re.search(r"/staff/link/[\w-]+", page.get_data(as_text=True))
    assert link
    assert world.browser().get(link[0]).status_code == 200
    member = next(one.staff for one in world.runtime.staff.all() if one.staff.email == "new@example.org")
    gone = {"csrf_token": csrf(page), "staff_id": str(member.id), "site_id": str(world.site.id)}
    owner.post("/admin/staff/remove-role", data=gone | {"site_id": "999"})
    assert len(world.runtime.staff.all()) == 2, "a site that is not there takes nobody's role"
    owner.post("/admin/staff/remove-role", data=gone)
    assert [one.staff.email for one in world.runtime.staff.all()] == ["owner@example.org"]
    assert world.browser().get(link[0]).status_code == 404


def test_the_last_owner_cannot_be_taken_away(world: World, owner: Client) -> None:
    (one,) = world.runtime.staff.all()
    token = csrf(owner.get("/admin/staff"))
    owner.post("/admin/staff/remove-role", data={"csrf_token": token, "staff_id": one.staff.id, "site_id": "0"})
    assert "Somebody must own the whole" in owner.get("/admin/staff").get_data(as_text=True)


def test_the_audit_trail_is_read_and_verified(world: World, owner: Client) -> None:
    page = owner.get("/admin/audit?verify=1").get_data(as_text=True)
    assert "entries hold" in page
    assert "site.add" in page
    with world.runtime.database.engine.connect() as connection:
        connection.exec_driver_sql("update audit set body = replace(body, 'test', 'fest') where seq = 2")
        connection.commit()
    assert "entry 2 was changed" in owner.get("/admin/audit?verify=1").get_data(as_text=True)


def test_login_keys_are_listed_registered_and_ended(world: World, owner: Client) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"p" * 32).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    token = csrf(owner.get(SITE))
    owner.post(f"{SITE}/login-keys", data={"csrf_token": token})
    added = owner.post(f"{SITE}/login-keys/public", data={"csrf_token": token, "public_key": pem, "older": "24"})
    assert added.status_code == 302
    public, shared = world.runtime.sites.kept_login_keys(world.site)
    assert (public.key.algorithm, public.ends_at) == ("EdDSA", None)
    assert shared.ends_at == world.clock.now() + timedelta(hours=24)
    page = owner.get(SITE).get_data(as_text=True)
    for told in (public.key.id, shared.key.id, "EdDSA", "HS256", "2026-11-24 10:30 UTC"):
        assert told in page
    assert shared.key.text not in page
    again = owner.post(f"{SITE}/login-keys/public", data={"csrf_token": token, "public_key": pem})
    assert "is one of example.org already" in again.get_data(as_text=True)
    assert [one.action for one in world.runtime.audit.newest()][:2] == ["login_key.add", "login_key.add"]
    ended = owner.post(f"{SITE}/login-keys/end", data={"csrf_token": token, "key_id": public.key.id, "when": "0"})
    assert ended.status_code == 302
    assert [one.id for one in world.runtime.sites.login_keys(world.site, world.clock.now())] == [shared.key.id]


@pytest.mark.parametrize(
    ("place", "slip", "said"),
    [
        ("login-keys/public", {"public_key": ""}, "is required"),
        ("login-keys/public", {"public_key": "nonsense"}, "neither PEM nor a JWK"),
        ("login-keys/public", {"public_key": "-----BEGIN PRIVATE KEY-----"}, "is a private key"),
        ("login-keys/public", {"public_key": "x" * 5000}, "longer than"),
        ("login-keys", {"older": "whatever"}, "Not a valid choice"),
        ("login-keys/end", {"key_id": "unheard-of", "when": "0"}, "no login key of example.org"),
        ("login-keys/end", {"key_id": "", "when": "0"}, "is required"),
        ("login-keys/end", {"key_id": "x", "when": "soon"}, "Not a valid choice"),
    ],
)
def test_a_slip_about_a_login_key_is_said(
    world: World, owner: Client, place: str, slip: dict[str, str], said: str
) -> None:
    answer = owner.post(f"{SITE}/{place}", data={"csrf_token": csrf(owner.get(SITE))} | slip)
    assert answer.status_code in {200, 400}
    assert said in html.unescape(answer.get_data(as_text=True))
    assert world.runtime.sites.kept_login_keys(world.site) == []


@pytest.mark.parametrize("place", ["login-keys", "login-keys/public", "login-keys/end"])
def test_only_an_owner_keeps_login_keys(world: World, owner: Client, place: str) -> None:
    for role in ("marketing", "privacy"):
        member = world.staff(role)
        page = member.get(SITE)
        assert "Login keys" not in page.get_data(as_text=True)
        assert member.post(f"{SITE}/{place}", data={"csrf_token": csrf(page)}).status_code == 403
    assert owner.post(f"{SITE}/{place}", data={}).status_code == 400, "without the CSRF token"
    assert world.runtime.sites.kept_login_keys(world.site) == []
