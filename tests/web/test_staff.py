"""Staff: links, passwords, sessions, and who reaches which page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from werkzeug.test import Client, TestResponse

from tests.support.world import NOW, PASSWORD, World, csrf
from webmon.app import create_app
from webmon.domain.notice import default_body
from webmon.domain.register import RegisteredService, ServiceTexts
from webmon.domain.staff import Role
from webmon.errors import Conflict, InvalidInput, NotAuthenticated
from webmon.services.manage_staff import LINK_LIFETIME, SESSION_IDLE, SESSION_LIFETIME

SIGN_IN = "/staff/sign-in"


def sign_in(browser: Client, email: str, password: str, **more: str) -> TestResponse:
    form = {"csrf_token": csrf(browser.get(SIGN_IN)), "email": email, "password": password}
    return browser.post(SIGN_IN, data=form | more)


def test_a_link_sets_the_password_once(world: World) -> None:
    token = world.runtime.staff.add("owner@example.org", "owner", None, NOW, actor="test")
    browser, other = world.browser(), world.browser()
    page = browser.get(f"/staff/link/{token}")
    form = {"csrf_token": csrf(page), "password": PASSWORD, "again": PASSWORD}
    assert browser.post(f"/staff/link/{token}", data=form).status_code == 302
    assert browser.get("/admin/sites").status_code == 200
    assert other.get(f"/staff/link/{token}").status_code == 404
    assert sign_in(other, "Owner@Example.org ", PASSWORD).status_code == 302
    assert other.get("/admin/sites").status_code == 200


def test_a_link_ends_after_three_days_and_with_the_next_one(world: World) -> None:
    accounts = world.runtime.staff
    first = accounts.add("owner@example.org", "owner", None, NOW, actor="test")
    second = accounts.new_link("owner@example.org", NOW, actor="test")
    assert world.browser().get(f"/staff/link/{first}").status_code == 404
    world.clock.move(LINK_LIFETIME)
    assert world.browser().get(f"/staff/link/{second}").status_code == 404


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "owner@example.org", "x" * 257])
def test_a_poor_password_is_refused_beside_its_field(world: World, password: str) -> None:
    token = world.runtime.staff.add("owner@example.org", "owner", None, NOW, actor="test")
    browser = world.browser()
    form = {"csrf_token": csrf(browser.get(f"/staff/link/{token}")), "password": password, "again": password}
    answer = browser.post(f"/staff/link/{token}", data=form)
    assert 'aria-invalid="true"' in answer.get_data(as_text=True)
    assert browser.get(f"/staff/link/{token}").status_code == 200, "the link is not used up"


def test_nothing_of_a_password_or_a_link_is_stored_in_the_clear(world: World) -> None:
    token = world.runtime.staff.add("owner@example.org", "owner", None, NOW, actor="test")
    session = world.runtime.staff.use_link(token or "", PASSWORD, NOW).token
    assert world.found_in_files(PASSWORD.encode(), (token or "-").encode(), session.encode()) == []
    assert world.found_in_files(b"$argon2id$") != []


def test_whatever_is_wrong_the_refusal_says_the_same(world: World) -> None:
    world.staff("owner")
    world.runtime.staff.add("new@example.org", "marketing", None, NOW, actor="test")
    browser = world.browser()
    texts = set()
    for email, password in (
        ("owner@example.org", "wrong"),
        ("nobody@example.org", PASSWORD),
        ("new@example.org", "x"),
    ):
        answer = sign_in(browser, email, password)
        assert answer.status_code == 401
        texts.add(answer.get_data(as_text=True).replace(email, "").split("csrf_token")[0])
    assert len(texts) == 1


def test_guessing_is_slowed_down_and_ends(world: World) -> None:
    world.staff("owner")
    staff = world.runtime.staff
    for _ in range(6):
        with pytest.raises(NotAuthenticated):
            staff.sign_in("owner@example.org", "wrong", world.clock.now())
    with pytest.raises(NotAuthenticated):
        staff.sign_in("owner@example.org", PASSWORD, world.clock.now())
    world.move(seconds=3)
    assert staff.sign_in("owner@example.org", PASSWORD, world.clock.now())
    actions = [entry.action for entry in world.runtime.audit.newest()]
    assert actions.count("staff.sign_in_failed") == 6


def test_a_session_ends_by_itself_and_when_told(world: World) -> None:
    browser = world.staff("owner")
    world.clock.move(SESSION_IDLE + timedelta(seconds=1))
    assert browser.get("/admin/sites").headers["Location"].startswith(SIGN_IN)
    sign_in(browser, "owner@example.org", PASSWORD)
    for _ in range(int(SESSION_LIFETIME / timedelta(hours=11)) + 1):
        world.move(hours=11)
        browser.get("/admin/sites")
    assert browser.get("/admin/sites").status_code == 302
    sign_in(browser, "owner@example.org", PASSWORD)
    page = browser.get("/admin/sites")
    browser.post("/staff/sign-out", data={"csrf_token": csrf(page)})
    assert browser.get("/admin/sites").status_code == 302


def test_a_new_password_ends_the_other_sessions(world: World) -> None:
    here, there = world.staff("owner"), world.browser()
    sign_in(there, "owner@example.org", PASSWORD)
    form = {"old_password": "wrong", "new_password": "another sentence", "again": "another sentence"}
    page = here.get("/staff/account")
    refused = here.post("/staff/account", data=form | {"csrf_token": csrf(page)})
    assert "is not the right one" in refused.get_data(as_text=True)
    done = here.post("/staff/account", data=form | {"csrf_token": csrf(page), "old_password": PASSWORD})
    assert done.status_code == 302
    assert here.get("/admin/sites").status_code == 200
    assert there.get("/admin/sites").status_code == 302


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("/admin/staff", "/admin/staff"),
        ("/dashboard/example.org?period=7d", "/dashboard/example.org?period=7d"),
        ("//evil.example/", "/admin/"),
        ("/\\evil.example", "/admin/"),
        ("/\t/evil.example", "/admin/"),
        ("https://evil.example/", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("", "/admin/"),
    ],
)
def test_signing_in_leads_to_a_page_of_this_server_only(world: World, wanted: str, got: str) -> None:
    world.staff("owner")
    assert sign_in(world.browser(), "owner@example.org", PASSWORD, next=wanted).headers["Location"] == got


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    world.staff("owner")
    browser = world.browser()
    cookie = sign_in(browser, "owner@example.org", PASSWORD).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_behind_tls_cookies_are_secure_and_the_browser_is_told_to_stay_there(world: World) -> None:
    world.runtime.settings = world.settings.model_copy(update={"public_url": "https://webmon.example.org"})
    client = Client(create_app(world.runtime))
    answer = client.get(SIGN_IN)
    assert "__Host-webmon_session=" in answer.headers["Set-Cookie"]
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


# Who reaches what: every page for staff that there is, by every role

PAGES = {
    "/dashboard/example.org": {"owner", "privacy", "marketing"},
    "/dashboard/example.org/live": {"owner", "privacy", "marketing"},
    "/dashboard/example.org/consent": {"owner", "privacy", "marketing"},
    "/admin/sites": {"owner", "privacy", "marketing"},
    "/admin/sites/new": {"owner"},
    "/admin/sites/example.org": {"owner", "privacy", "marketing"},
    "/admin/sites/example.org/notices": {"owner", "privacy"},
    "/admin/sites/example.org/notices/en/edit": {"owner", "privacy"},
    "/admin/sites/example.org/notices/en/draft": {"owner", "privacy"},
    "/admin/sites/example.org/notices/import": {"owner", "privacy"},
    "/admin/sites/example.org/notices/compare": {"owner", "privacy"},
    "/admin/sites/example.org/notices/NOTICE": {"owner", "privacy"},
    "/admin/sites/example.org/services": {"owner", "privacy"},
    "/admin/sites/example.org/services/new": {"owner", "privacy"},
    "/admin/sites/example.org/services/film/edit": {"owner", "privacy"},
    "/admin/sites/example.org/services/film/texts/de": {"owner", "privacy"},
    "/admin/sites/example.org/services/film/delete": {"owner", "privacy"},
    "/admin/sites/example.org/notices/NAME/export": {"owner", "privacy"},
    "/admin/sites/example.org/notices/NAME/preview": {"owner", "privacy"},
    "/admin/sites/example.org/notices/NAME/preview/frame": {"owner", "privacy"},
    "/admin/sites/example.org/retention": {"owner", "privacy"},
    "/admin/sites/example.org/persons": {"privacy"},
    "/admin/staff": {"owner"},
    "/admin/audit": {"owner", "privacy"},
    "/staff/account": {"owner", "privacy", "marketing"},
    "/staff/second-factor": {"owner", "privacy", "marketing"},
    "/staff/second-factor/remove": {"owner", "privacy", "marketing"},
}


def test_every_page_for_staff_is_in_the_table(world: World) -> None:
    app = create_app(world.runtime)
    rules = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())}
    found = {one for one in rules if one.startswith(("/admin", "/dashboard", "/staff"))}
    without_a_page = {"/admin/", "/dashboard/", SIGN_IN, f"{SIGN_IN}/code", "/staff/link/<token>"}
    known = {path.replace("example.org", "<domain>") for path in PAGES}
    known = {path.replace("/NOTICE", "/<notice_hash>").replace("/en/", "/<language>/") for path in known}
    known = {path.replace("/film/", "/<key>/").replace("/texts/de", "/texts/<language>") for path in known}
    known = {path.replace("/NOTICE", "/<notice_hash>").replace("/NAME", "/<name>") for path in known}
    known = {path.replace("/en/", "/<language>/") for path in known}
    assert found - without_a_page == known


@pytest.mark.parametrize("role", ["owner", "privacy", "marketing"])
def test_each_role_reaches_its_pages_and_no_others(world: World, role: str) -> None:
    browser = world.staff(role)
    film = RegisteredService("film", "marketing", "", {"en": ServiceTexts("Film")})
    world.runtime.register.put(world.site, film, NOW, actor="test")
    notice = world.runtime.notices.current(world.site, world.clock.now())["en"]
    world.runtime.notices.save_draft(world.site, default_body("example.org", "en"), world.clock.now(), actor="test")
    for path, roles in PAGES.items():
        answer = browser.get(path.replace("NOTICE", notice).replace("NAME", "en"))
        assert answer.status_code == (200 if role in roles else 403), path
        assert '="None"' not in answer.get_data(as_text=True), path


@pytest.mark.parametrize("role", ["owner", "privacy", "marketing"])
def test_a_role_on_one_site_shows_nothing_of_another(world: World, role: str) -> None:
    world.runtime.add_site("secret.example", actor="test")
    browser = world.staff(role, site=True)
    for path in PAGES:
        if "example.org" in path:
            assert browser.get(path.replace("example.org", "secret.example")).status_code == 404, path
    for path in ("/admin/sites", "/dashboard/", "/admin/audit"):
        assert "secret.example" not in browser.get(path).get_data(as_text=True)


def test_nobody_signed_in_reaches_nothing(world: World) -> None:
    for path in PAGES:
        answer = world.browser().get(path)
        assert answer.status_code == 302, path
        assert answer.headers["Location"].startswith(SIGN_IN)


def test_a_marketer_s_forms_change_nothing(world: World) -> None:
    browser = world.staff("marketing")
    token = csrf(browser.get("/admin/sites"))
    forms = {
        "/admin/sites/new": {"domain": "new.example"},
        "/admin/sites/example.org": {"timezone": "Europe/Berlin", "mode": "cookieless_always"},
        "/admin/sites/example.org/login-keys": {},
        "/admin/sites/example.org/api-keys": {"scope": "stats"},
        "/admin/sites/example.org/api-keys/end": {"number": "1"},
        "/admin/sites/example.org/notices/en/edit": {},
        "/admin/sites/example.org/notices/en/publish": {"when": "now"},
        "/admin/sites/example.org/notices/en/delete": {"sure": "y"},
        "/admin/sites/example.org/notices/import": {},
        "/admin/sites/example.org/notices/scheduled/1/cancel": {},
        "/admin/sites/example.org/retention": {"event_log": "P1D"},
        "/admin/sites/example.org/retention/apply": {},
        "/admin/sites/example.org/persons": {"subject": "somebody", "reason": "to see what they do"},
        "/admin/sites/example.org/persons/download": {"subject": "somebody", "reason": "to see what they do"},
        "/admin/audit/export": {},
        "/admin/staff": {"email": "me@example.org", "role": "owner"},
        "/admin/staff/link": {"email": "marketing@example.org"},
        "/admin/staff/remove-role": {"staff_id": "1", "site_id": "0"},
        "/admin/staff/remove-second-factor": {"staff_id": "1"},
    }
    before = len(world.runtime.audit.newest())
    for path, form in forms.items():
        assert browser.post(path, data=form | {"csrf_token": token}).status_code == 403, path
    assert len(world.runtime.audit.newest()) == before


def test_who_gives_a_role_is_told_who_reads_rows_of_persons(world: World) -> None:
    page = world.staff("owner").get("/admin/staff").get_data(as_text=True)
    told = dict(re.findall(r'<option[^>]* value="(\w+)"[^>]*>\w+: ([^<]+)</option>', page))
    assert {role for role, text in told.items() if "rows of" in text and "but rows of" not in text} == {"privacy"}
    assert told["owner"] == "everything but rows of persons"
    assert set(told) == set(Role)


def test_a_form_without_its_token_is_refused(world: World) -> None:
    browser = world.staff("owner")
    answer = browser.post("/admin/staff", data={"email": "evil@example.org", "role": "owner"})
    assert answer.status_code == 400
    assert "The form has expired" in answer.get_data(as_text=True)
    assert len(world.runtime.staff.all()) == 1


def test_somebody_always_owns_the_whole(world: World) -> None:
    accounts = world.runtime.staff
    with pytest.raises(Conflict):
        accounts.add("first@example.org", "marketing", None, NOW, actor="test")
    assert accounts.all() == []
    accounts.add("first@example.org", "owner", None, NOW, actor="test")
    (first,) = accounts.all()
    with pytest.raises(Conflict):
        accounts.remove_role(first.staff.id, None, NOW, actor="test")
    accounts.add("second@example.org", "owner", None, NOW, actor="test")
    accounts.remove_role(first.staff.id, None, NOW, actor="test")
    assert [one.staff.email for one in accounts.all()] == ["second@example.org"]


@pytest.mark.parametrize(("email", "role"), [("no address", "owner"), ("a@example.org", "king"), ("", "owner")])
def test_a_staff_member_that_cannot_be_is_refused_by_field(world: World, email: str, role: str) -> None:
    with pytest.raises(InvalidInput):
        world.runtime.staff.add(email, role, None, NOW, actor="test")
