"""A restricted account (GDPR Art. 18): its rows are stored and nothing more, until that is lifted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from tests.support.server import wait_until
from tests.support.world import NOW, Visitor, World, csrf
from tests.web.test_persons import PAGE as PERSONS
from tests.web.test_persons import REASON, SUBJECT, account, ask, entries
from tests.web.test_portal import PAGE, opened, send
from webmon.cli.on_runtime import on_runtime
from webmon.domain.language import LANGUAGES
from webmon.domain.promotion import State
from webmon.errors import NotFound
from webmon.services.restrict_account import Change
from webmon.stores.control.accounts import SqlAccounts
from webmon.web.portal.words import WORDS

EVENTS = ("visitors", "visits", "pageviews")
YEAR = timedelta(days=400)


@pytest.fixture
def person(world: World) -> Visitor:
    """Somebody who is signed in, and has seen one page before."""
    visitor = world.visitor()
    visitor.sees("/before")
    visitor.signs_in()
    world.settle()
    assert (len(world.remainders()), world.account_paths()) == (1, ["/before"])
    return visitor


def own_page(world: World) -> Client:
    return opened(world, token=world.token())


def restrict(world: World, path: str = "restrict") -> TestResponse:
    browser = own_page(world)
    answer = send(browser, path, browser.get(PAGE))
    assert answer.status_code == 303
    return browser.get(answer.headers["Location"])


def lift(world: World) -> TestResponse:
    return restrict(world, "lift-restriction")


def staff_sends(browser: Client, path: str, **fields: str) -> TestResponse:
    token = csrf(browser.get(PERSONS), "restriction-csrf_token")
    form = {"subject": SUBJECT, "reason": REASON} | fields
    sent = {f"restriction-{name}": text for name, text in form.items()}
    return browser.post(f"{PERSONS}/{path}", data={"restriction-csrf_token": token} | sent)


def restricted_at(world: World) -> Any:
    answer = own_page(world).get(f"{PAGE}/data.json")
    return answer.get_json()["restricted_at"]


# What is left for figures


def test_a_restricted_person_s_visit_leaves_nothing_for_figures_and_stays_in_their_log(world: World) -> None:
    world.login_key()
    first = world.visitor()
    first.signs_in()
    restrict(world)
    first.signs_out()
    visitor = world.visitor()
    visitor.sees("/copied")
    world.runtime.ingester.drain()
    visitor.sees("/on-its-way")
    visitor.signs_in()
    visitor.sees("/sealed")
    world.settle()
    assert world.stored() == []
    assert world.ask(*EVENTS) == [0, 0, 0]
    assert world.account_paths() == ["/copied", "/on-its-way", "/sealed"]
    assert world.found_in_files(b"/copied", b"/on-its-way", b"/sealed") == []


def test_restricted_in_the_middle_of_a_visit_what_was_left_before_stays_and_nothing_is_added(
    world: World, person: Visitor
) -> None:
    (before,) = world.remainders()
    restrict(world)
    person.sees("/during")
    world.settle()
    assert world.remainders() == [before]
    assert world.ask(*EVENTS) == [1, 1, 1]
    assert world.account_paths() == ["/before", "/during"]


def test_the_restriction_is_known_after_a_restart_to_rows_that_waited(world: World, person: Visitor) -> None:
    restrict(world)
    person.sees("/during")
    world.reopen()
    world.settle()
    person.sees("/after-the-restart")
    world.settle()
    assert len(world.remainders()) == 1
    assert world.account_paths() == ["/after-the-restart", "/before", "/during"]


def test_restricted_again_before_the_start_what_waits_in_a_restored_spool_leaves_nothing(
    world: World, person: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup of before knows of no restriction and has rows in its spool: restricting one moves none of them."""
    person.sees("/waits")
    monkeypatch.setenv("WEBMON_DATA_DIR", str(world.folder))

    def restricted() -> None:
        files = sorted(path.name for path in (world.folder / "spool").glob("*.db"))
        asked = {"site": "example.org", "account": SUBJECT, "reason": REASON}
        assert on_runtime("account.restrict", asked)["changed"] is True
        assert sorted(path.name for path in (world.folder / "spool").glob("*.db")) == files

    world.reopen(restricted)
    world.settle()
    assert len(world.remainders()) == 1, "what was left before"
    assert world.account_paths() == ["/before", "/waits"]


def test_once_it_is_lifted_something_is_left_again(world: World, person: Visitor) -> None:
    restrict(world)
    person.sees("/during")
    world.settle()
    lift(world)
    person.sees("/after")
    world.settle()
    assert len(world.remainders()) == 2
    assert world.ask(*EVENTS) == [1, 1, 2]
    assert world.account_paths() == ["/after", "/before", "/during"]


def test_another_account_s_rows_go_on_to_leave_what_they_leave(world: World, person: Visitor) -> None:
    restrict(world)
    other = world.visitor()
    other.signs_in(world.token("patient-0815"))
    for visitor in (person, other):
        visitor.sees("/both")
    world.settle()
    assert len(world.remainders()) == 2, "that of before, and the other's"


@pytest.mark.parametrize("state", [State.REQUESTED, State.SEALED])
def test_a_promotion_that_was_going_on_when_the_restriction_came_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    world.login_key()
    visitor = world.visitor()
    visitor.sees("/copied")
    world.runtime.ingester.drain()
    visitor.signs_in()
    whole = SqlAccounts.move_promotions

    def fail(accounts: SqlAccounts, numbers: Any, before: State, after: State, *more: Any) -> Any:
        if before is state:
            raise OSError("the disk is full")
        return whole(accounts, numbers, before, after, *more)

    with monkeypatch.context() as patch:
        patch.setattr(SqlAccounts, "move_promotions", fail)
        with pytest.raises(OSError, match="full"):
            world.runtime.accounts.advance(world.clock.now())
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        assert [one.state for one in accounts.active_promotions()] == [state]
    assert len(world.rows()) == 1, "its rows have not moved yet"
    restrict(world)
    world.reopen()
    world.settle()
    assert (world.stored(), world.account_paths()) == ([], ["/copied"])


def test_whoever_is_told_that_an_account_is_restricted_is_told_after_the_last_was_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = world.visitor()
    visitor.sees("/copied")
    world.runtime.ingester.drain()
    visitor.signs_in()
    told = threading.Event()

    def change() -> None:
        asked = Change(restricted=True, reason=REASON, subject=SUBJECT)
        world.runtime.restrictions.change(world.site, asked, world.clock.now(), actor="test")
        told.set()

    meanwhile = threading.Thread(target=change)
    whole: Callable[..., int] = world.runtime.event_log.replace
    seen: list[bool] = []

    def replace(rows: Mapping[int, Any], since: Any) -> int:
        # The rows that are left are made: too late for these, so nobody is told yet.
        meanwhile.start()
        wait_until(lambda: restricted_in_database(world), 10, "the restriction is written")
        seen.append(told.is_set())
        return whole(rows, since)

    monkeypatch.setattr(world.runtime.event_log, "replace", replace)
    world.settle()
    meanwhile.join(10)
    assert (seen, told.is_set()) == ([False], True)
    left = world.remainders()
    visitor.sees("/later")
    world.settle()
    assert world.remainders() == left


def restricted_in_database(world: World) -> bool:
    with world.runtime.database.unit(SqlAccounts).reading() as accounts:
        found = accounts.find(world.site.id, world.runtime.account_keys.digest(world.site, SUBJECT))
    return found is not None and found.restricted_at is not None


# Keeping, and erasing nevertheless


def test_retention_leaves_a_restricted_account_s_rows_and_says_so_until_it_is_lifted(
    world: World, person: Visitor
) -> None:
    other = world.visitor()
    other.signs_in(world.token("patient-0815"))
    other.sees("/other")
    world.settle()
    restrict(world)
    later = NOW + YEAR

    def line(report: Any) -> tuple[int, ...]:
        (found,) = [one for one in report.lines if one.info_class == "account_log"]
        return found.looked_at_count, found.expired_count, found.deleted_count, found.restricted_count

    assert line(world.runtime.retention.plan(later)) == (2, 1, 0, 1)
    assert line(world.runtime.retention.apply(later, actor="test")) == (2, 1, 1, 1)
    assert world.account_paths() == ["/before"]
    page = world.staff("privacy").get("/admin/sites/example.org/retention").get_data(as_text=True)
    assert "restricted, so kept: 1" in page
    lift(world)
    assert line(world.runtime.retention.apply(later, actor="test")) == (1, 1, 1, 0)
    assert world.account_paths() == []


def test_the_person_s_own_erasure_works_nevertheless(world: World, person: Visitor) -> None:
    restrict(world)
    page = own_page(world)
    page.post(f"{PAGE}/open", data={"visitor": person.visitor, "consent": person.receipt})
    assert send(page, "erase", page.get(PAGE)).status_code == 303
    world.settle()
    assert world.account_paths() == []
    assert restricted_at(world) is not None, "of what was kept under no consent, it holds"


def test_erasing_the_account_ends_it_and_a_new_one_is_not_restricted(world: World, person: Visitor) -> None:
    restrict(world)
    page = own_page(world)
    form = page.get(PAGE)
    number = account(world)
    world.runtime.account_eraser.erase(world.site, SUBJECT, world.clock.now(), actor="test")
    assert send(page, "lift-restriction", form).status_code == 404
    assert send(page, "restrict", form).status_code == 404
    assert page.get(f"{PAGE}/data.json").get_json()["restricted_at"] is None
    shown = page.get(PAGE).get_data(as_text=True)
    assert "Restrict processing" not in shown
    assert "Lift the restriction" not in shown
    staff = world.staff("privacy")
    gone = staff_sends(staff, "restrict", subject="", account_id=str(number))
    assert gone.status_code == 404
    assert "is not known" in gone.get_data(as_text=True)
    world.move(minutes=1)
    person.sees("/anew")
    person.signs_in()
    world.settle()
    assert restricted_at(world) is None
    assert world.account_paths() == ["/anew"]


# The person's own page


def test_the_person_restricts_and_lifts_on_their_own_page_and_each_is_on_record(
    world: World, person: Visitor
) -> None:
    assert restricted_at(world) is None
    said = restrict(world).get_data(as_text=True)
    assert "The processing of your account&#39;s rows is restricted." in said
    assert "Processing restricted since 2026-11-23" in said
    assert "Restrict processing" not in said
    assert restricted_at(world) == "2026-11-23T10:30:00+00:00"
    world.move(days=1)
    said = lift(world).get_data(as_text=True)
    assert "is not restricted any more" in said
    assert "Processing restricted since" not in said
    assert restricted_at(world) is None
    number = account(world)
    detail = {"account_id": number, "reason": "asked for by the person on their own page"}
    assert entries(world, "account") == [
        (f"account:{number}", "account.lift_restriction", detail),
        (f"account:{number}", "account.restrict", detail),
    ]


def test_doing_it_twice_changes_and_records_nothing_more(world: World, person: Visitor) -> None:
    lift(world)
    assert entries(world, "account") == []
    restrict(world)
    world.move(days=1)
    restrict(world)
    assert restricted_at(world) == "2026-11-23T10:30:00+00:00", "since the first time"
    assert len(entries(world, "account")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_in_every_language(world: World, person: Visitor, language: str) -> None:
    words, browser = WORDS[language].texts, own_page(world)
    asked = f"{PAGE}?lang={language}"
    for path, button, offered, since in (
        ("restrict", "restrict", "lift", True),
        ("lift-restriction", "lift", "restrict", False),
    ):
        page = browser.get(asked)
        assert words[button] in page.get_data(as_text=True)
        assert words[f"{button}_help"] in page.get_data(as_text=True)
        form = {"form_token": csrf(page, "form_token")}
        answer = browser.post(f"{PAGE}/{path}?lang={language}", data=form)
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (303, PAGE)
        shown = browser.get(answer.headers["Location"]).get_data(as_text=True).replace("&#39;", "'")
        assert words["restricted" if since else "lifted"] in shown
        assert words[offered] in shown
        assert (words["restricted_since"].format(date="2026-11-23") in shown) is since


@pytest.mark.parametrize("path", ["restrict", "lift-restriction"])
def test_a_form_from_elsewhere_or_of_nobody_changes_nothing(world: World, person: Visitor, path: str) -> None:
    browser = own_page(world)
    token = csrf(browser.get(PAGE), "form_token")
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    for form, headers in (({}, {}), ({"form_token": "forged"}, {}), ({"form_token": token}, elsewhere)):
        answer = browser.post(f"{PAGE}/{path}", data=form, headers=headers)
        assert answer.status_code == 400
    visitor = opened(world, visitor=person.visitor, consent=person.receipt)
    assert "Restrict processing" not in visitor.get(PAGE).get_data(as_text=True)
    assert send(visitor, path, visitor.get(PAGE)).status_code == 404, "it knows a visitor, and no account"
    assert restricted_at(world) is None
    assert entries(world, "account") == []


# Staff


def test_a_privacy_officer_restricts_and_lifts_with_a_reason_and_the_person_sees_it(
    world: World, person: Visitor
) -> None:
    browser, number = world.staff("privacy"), account(world)
    said = []
    for path, fields in (
        ("lift-restriction", {}),
        ("restrict", {}),
        ("restrict", {"subject": "", "account_id": str(number)}),
    ):
        answer = staff_sends(browser, path, **fields)
        assert answer.status_code == 302
        said.append(browser.get(answer.headers["Location"]).get_data(as_text=True))
    assert f"Account {number} is not restricted." in said[0]
    assert f"Account {number} is restricted, since 2026-11-23 10:30 UTC." in said[1]
    assert f"Account {number} is restricted already, since 2026-11-23 10:30 UTC." in said[2]
    assert "Processing restricted since 2026-11-23" in own_page(world).get(PAGE).get_data(as_text=True)
    lifted = staff_sends(browser, "lift-restriction")
    assert "is not restricted any more" in browser.get(lifted.headers["Location"]).get_data(as_text=True)
    assert restricted_at(world) is None
    form = {"restriction-subject": SUBJECT, "restriction-reason": REASON}
    assert browser.post(f"{PERSONS}/restrict", data=form).status_code == 400, "not without the form's own token"
    detail = {"account_id": number, "reason": REASON}
    assert entries(world, "account") == [
        ("privacy@example.org", "account.lift_restriction", detail),
        ("privacy@example.org", "account.restrict", detail),
    ]


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"reason": ""}, 400, "Reason is required"),
        ({"reason": "short"}, 400, "Reason must say in words why"),
        ({"subject": ""}, 400, "is required, or the account"),
        ({"account_id": "1"}, 400, "is required, or the account"),
        ({"account_id": "none"}, 400, "Not a valid integer"),
        ({"subject": "x" * 513}, 400, "at most 512"),
        ({"subject": "nobody"}, 404, "is not known"),
    ],
)
@pytest.mark.parametrize("path", ["restrict", "lift-restriction"])
def test_what_cannot_be_is_said_beside_its_field(
    world: World, person: Visitor, path: str, fields: dict[str, str], status: int, said: str
) -> None:
    answer = staff_sends(world.staff("privacy"), path, **fields)
    text = answer.get_data(as_text=True)
    assert answer.status_code == status
    assert said in text.partition('id="restriction"')[2], "in its own form"
    assert entries(world, "account") == []
    assert restricted_at(world) is None
    searched = [one for one in entries(world) if one[1] == "account_log.search"]
    assert len(searched) == (status == 404), "that nobody was found is on record"


@pytest.mark.parametrize("role", ["owner", "marketing"])
def test_no_other_role_restricts_anybody(world: World, person: Visitor, role: str) -> None:
    browser = world.staff(role)
    form = {"csrf_token": csrf(browser.get("/staff/account")), "restriction-subject": SUBJECT}
    for path in ("restrict", "lift-restriction"):
        answer = browser.post(f"{PERSONS}/{path}", data=form | {"restriction-reason": REASON})
        assert answer.status_code == 403
    assert entries(world, "account") == []
    world.runtime.add_site("other.example", actor="test")
    stranger = world.staff("privacy", site=True)
    elsewhere = PERSONS.replace("example.org", "other.example")
    form["csrf_token"] = csrf(stranger.get("/staff/account"))
    assert stranger.post(f"{elsewhere}/restrict", data=form).status_code == 404


def test_an_account_is_restricted_on_its_own_site_only(world: World, person: Visitor) -> None:
    world.runtime.add_site("other.example", actor="test")
    number, other = account(world), world.runtime.sites.get("other.example")
    for asked in (Change(True, REASON, SUBJECT), Change(True, REASON, account_id=number)):
        with pytest.raises(NotFound, match="Nothing is held"):
            world.runtime.restrictions.change(other, asked, world.clock.now(), actor="test")
    assert restricted_at(world) is None


def test_rows_of_a_restricted_account_are_read_with_one_more_tick_and_the_trail_says_so(
    world: World, person: Visitor
) -> None:
    restrict(world)
    number, browser = account(world), world.staff("privacy")
    assert 'name="restricted_use"' not in browser.get(PERSONS).get_data(as_text=True)
    for path in (PERSONS, f"{PERSONS}/download"):
        refused = ask(browser, path)
        text = refused.get_data(as_text=True)
        assert refused.status_code == 400
        assert "/before" not in text
        assert "must be ticked, where it is so: the account is restricted since 2026-11-23 10:30 UTC" in text
        assert 'aria-describedby="restricted_use-help restricted_use-error"' in text
        searched = {"account_id": number, "found": True, "restricted": True, "reason": REASON}
        assert entries(world)[0] == ("privacy@example.org", "account_log.search", searched)
    shown = ask(browser, restricted_use="y").get_data(as_text=True)
    assert "/before" in shown
    assert "Restricted since 2026-11-23 10:30 UTC: only at the person's request, or for legal claims." in shown
    read = {"account_id": number, "restricted": True, "reason": REASON, "fields": "time, page"}
    assert entries(world)[0] == ("privacy@example.org", "account_log.read", read)
    # The buttons of the page that is shown say it along; the next question says it anew.
    form, rest = shown.partition("Ask anew")[::2]
    assert '<input type="hidden" name="restricted_use" value="y">' in form
    assert 'name="restricted_use"' in rest
    assert "checked" not in rest.partition('name="restricted_use"')[2].partition(">")[0]
    file = ask(browser, f"{PERSONS}/download", restricted_use="y").get_json()
    assert file["restricted_at"] == "2026-11-23T10:30:00+00:00"
    assert [row["pathname"] for row in file["rows"]] == ["/before"]
    lift(world)
    assert ask(browser).status_code == 200
    assert "restricted" not in entries(world)[0][2]


def test_the_person_reads_their_own_rows_as_before(world: World, person: Visitor) -> None:
    restrict(world)
    browser = own_page(world)
    assert "example.org/before" in browser.get(PAGE).get_data(as_text=True)
    (row,) = browser.get(f"{PAGE}/data.json").get_json()["account_log"]
    assert row["pathname"] == "/before"


def test_where_the_trail_cannot_be_written_nothing_changes(
    world: World, person: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = own_page(world)
    form = browser.get(PAGE)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("webmon.stores.control.audit.SqlAuditTrail.record", fail)
        assert send(browser, "restrict", form).status_code == 500
    assert restricted_at(world) is None
