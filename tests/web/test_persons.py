"""Rows of a person, read by staff: only by a privacy officer, only with a reason, and written down before."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest
from werkzeug.test import Client, TestResponse

from tests.support.world import World, csrf
from webmon.domain.access import FIELD_GROUPS, clean_reason

PAGE = "/admin/sites/example.org/persons"
REASON = "Request for access of last week"
SUBJECT = "patient-4711"


@pytest.fixture
def signed_in(world: World) -> World:
    """Somebody whose pages are in the account log."""
    visitor = world.visitor()
    for path in ("/one", "/two"):
        visitor.sees(path)
        world.move(seconds=10)
    visitor.signs_in(world.token(SUBJECT, email="a.person@example.net", name="A Person"))
    world.settle()
    assert world.account_row_count() == 2
    return world


def ask(browser: Client, path: str = PAGE, **fields: str | list[str]) -> TestResponse:
    known = {"subject": SUBJECT, "reason": REASON, "fields": ["time", "page"]}
    return browser.post(path, data={"csrf_token": csrf(browser.get(PAGE))} | known | fields)


def account(world: World) -> int:
    """The number that the person's account has been given."""
    with world.runtime.account_reader.unit() as accounts:
        digest = world.runtime.vault.digest("account", str(world.site.id), SUBJECT)
        found = accounts.find(world.site.id, digest)
    assert found is not None
    return found.id


def entries(world: World, noun: str = "account_log") -> list[tuple[str, str, dict[str, object]]]:
    return [
        (one.actor, one.action, dict(one.detail))
        for one in world.runtime.audit.newest()
        if one.action.startswith(f"{noun}.")
    ]


def test_a_privacy_officer_reads_with_a_reason_what_was_asked_for_and_the_trail_says_so(signed_in: World) -> None:
    browser = signed_in.staff("privacy")
    answer = ask(browser)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "/one" in page
    assert "/two" in page
    assert "a.person@example.net" not in page, "it was not asked for"
    assert "Chrome" not in page
    detail = {"account_id": account(signed_in), "reason": REASON, "fields": "time, page"}
    assert entries(signed_in) == [("privacy@example.org", "account_log.read", detail)]
    everything = ask(browser, fields=list(FIELD_GROUPS)).get_data(as_text=True)
    for text in ("a.person@example.net", "A Person", SUBJECT, "Chrome", "/one"):
        assert text in everything
    assert entries(signed_in)[0][2]["fields"] == ", ".join(FIELD_GROUPS)


def test_the_person_sees_who_read_their_rows_and_why(signed_in: World) -> None:
    ask(signed_in.staff("privacy"))
    signed_in.client.post("/privacy/example.org/open", data={"token": signed_in.token(SUBJECT)})
    page = signed_in.client.get("/privacy/example.org").get_data(as_text=True)
    assert "privacy@example.org" in page
    assert REASON in page
    assert '<td role="cell" data-label="Which fields">When (UTC), What, Page</td>' in page
    assert (
        '<td role="cell" data-label="Which fields">Identifier, E-mail address, Name, every field of the rows</td>'
        in page
    )
    (_, read) = signed_in.client.get("/privacy/example.org/data.json").get_json()["account_log_reads"][-2:]
    assert (read["actor"], read["reason"], read["fields"]) == ("privacy@example.org", REASON, "time, page")


def test_a_download_is_told_apart_from_a_look_and_the_person_sees_it_as_well(signed_in: World) -> None:
    browser = signed_in.staff("privacy")
    assert ask(browser, f"{PAGE}/download", fields=["identity", "page"]).mimetype == "application/json"
    detail = {"account_id": account(signed_in), "reason": REASON, "fields": "identity, page"}
    assert entries(signed_in) == [("privacy@example.org", "account_log.export", detail)]
    signed_in.client.post("/privacy/example.org/open", data={"token": signed_in.token(SUBJECT)})
    reads = signed_in.client.get("/privacy/example.org/data.json").get_json()["account_log_reads"]
    assert [(one["actor"], one["fields"]) for one in reads if one["actor"] == "privacy@example.org"] == [
        ("privacy@example.org", "identity, page")
    ]
    page = signed_in.client.get("/privacy/example.org").get_data(as_text=True)
    assert REASON in page.partition("Who has read them")[2]
    nobody = ask(browser, f"{PAGE}/download", subject="patient-0000")
    assert nobody.status_code == 404
    assert entries(signed_in)[0][1] == "account_log.search", "nothing was written out"


@pytest.mark.parametrize("reason", ["", "   ", "short", "aaaaaaaaaaaaaa", "..........", "x" * 301, "\n\n\t\n"])
def test_without_a_reason_nothing_is_shown_and_nothing_is_read(signed_in: World, reason: str) -> None:
    browser = signed_in.staff("privacy")
    for path in (PAGE, f"{PAGE}/download"):
        answer = ask(browser, path, reason=reason)
        assert answer.status_code == 400
        assert "/one" not in answer.get_data(as_text=True)
        assert "Reason " in answer.get_data(as_text=True)
    assert entries(signed_in) == []


def test_a_reason_is_kept_without_what_identifies_a_person() -> None:
    assert clean_reason("Asked by  a.person@example.net,\ntwice") == "Asked by [email], twice"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"fields": []}, "must be at least one"),
        ({"fields": ["everything"]}, "not a valid choice"),
        ({"subject": ""}, "is required, or the account"),
        ({"subject": "x" * 513}, "at most 512"),
        ({"account_id": "1"}, "is required, or the account"),
        ({"subject": "", "account_id": "0"}, "must be a number"),
        ({"subject": "", "account_id": "one"}, "Not a valid integer"),
    ],
)
def test_a_question_that_cannot_be_is_said_beside_its_field(
    signed_in: World, fields: dict[str, str | list[str]], said: str
) -> None:
    answer = ask(signed_in.staff("privacy"), **fields)
    assert answer.status_code == 400
    assert said in answer.get_data(as_text=True)
    assert entries(signed_in) == []


def test_an_account_is_found_by_its_number_on_its_own_site_only(signed_in: World) -> None:
    signed_in.runtime.add_site("other.example", actor="test")
    browser = signed_in.staff("privacy")
    number = str(account(signed_in))
    assert "/one" in ask(browser, subject="", account_id=number).get_data(as_text=True)
    for fields in ({"subject": "", "account_id": number}, {"subject": SUBJECT}):
        answer = ask(browser, PAGE.replace("example.org", "other.example"), **fields)
        assert answer.status_code == 404
        assert "/one" not in answer.get_data(as_text=True)


def test_that_nobody_was_found_is_on_record_without_whom(signed_in: World) -> None:
    answer = ask(signed_in.staff("privacy"), subject="patient-0000")
    assert answer.status_code == 404
    assert "is not known" in answer.get_data(as_text=True)
    detail = {"found": False, "reason": REASON}
    assert entries(signed_in) == [("privacy@example.org", "account_log.search", detail)]
    assert signed_in.found_in_files(b"patient-0000") == []


@pytest.mark.parametrize("role", ["owner", "marketing"])
def test_nobody_but_a_privacy_officer_reads_rows(signed_in: World, role: str) -> None:
    browser = signed_in.staff(role)
    token = csrf(browser.get("/staff/account"))
    for path in (PAGE, f"{PAGE}/download"):
        form = {"csrf_token": token, "subject": SUBJECT, "reason": REASON, "fields": ["time", "page"]}
        answer = browser.post(path, data=form)
        assert answer.status_code == 403
        assert "/one" not in answer.get_data(as_text=True)
    assert browser.get(PAGE).status_code == 403
    assert entries(signed_in) == []


@pytest.mark.parametrize("role", ["owner", "marketing"])
def test_who_tries_without_the_role_is_in_the_trail_once_a_minute_for_each_page(signed_in: World, role: str) -> None:
    browser = signed_in.staff(role)
    token = csrf(browser.get("/staff/account"))
    for _ in range(50):
        assert browser.get(PAGE).status_code == 403
    for path in ("/download", "/restrict", "/lift-restriction"):
        form = {"csrf_token": token, "subject": SUBJECT, "reason": REASON}
        assert browser.post(f"{PAGE}{path}", data=form).status_code == 403
    assert entries(signed_in) == [], "counted, and written together"
    signed_in.runtime.refused_attempts.flush()
    route = "/admin/sites/<domain>/persons"
    counts = {route: 50, f"{route}/download": 1, f"{route}/restrict": 1, f"{route}/lift-restriction": 1}
    assert {one[2]["page"]: one[2]["count"] for one in entries(signed_in)} == counts
    assert {(who, what, said["reason"]) for who, what, said in entries(signed_in)} == {
        (f"{role}@example.org", "account_log.refused", f"role {role}")
    }
    assert {one.site_id for one in signed_in.runtime.audit.newest(limit=4)} == {signed_in.site.id}
    assert signed_in.found_in_files(SUBJECT.encode(), REASON.encode()) == []


def test_who_tries_from_another_site_is_in_the_trail_of_the_one_they_tried(signed_in: World) -> None:
    signed_in.site = signed_in.runtime.add_site("other.example", actor="test")
    browser = signed_in.staff("privacy", site=True)
    assert browser.get(PAGE).status_code == 404
    assert browser.get(PAGE.replace("example.org", "unheard-of.example")).status_code == 404
    signed_in.runtime.refused_attempts.flush()
    (entry,) = entries(signed_in)
    assert (entry[0], entry[1], entry[2]["reason"]) == ("privacy@example.org", "account_log.refused", "no role")
    assert signed_in.runtime.audit.newest()[0].site_id == signed_in.runtime.sites.get("example.org").id


def test_a_privacy_officer_s_own_asks_are_no_refused_attempts(signed_in: World) -> None:
    browser = signed_in.staff("privacy")
    assert ask(browser, reason="").status_code == 400
    assert browser.get("/admin/audit").status_code == 200
    assert signed_in.runtime.refused_attempts.flush() == 0


def test_where_the_trail_cannot_be_written_nothing_is_shown(signed_in: World) -> None:
    browser = signed_in.staff("privacy")
    token = csrf(browser.get(PAGE))
    with contextlib.closing(sqlite3.connect(signed_in.folder / "control.db")) as connection, connection:
        connection.execute(
            "create trigger full before insert on audit begin select raise(abort, 'database or disk is full'); end"
        )
    form = {"csrf_token": token, "subject": SUBJECT, "reason": REASON, "fields": ["time", "page"]}
    for path in (PAGE, f"{PAGE}/download"):
        answer = browser.post(path, data=form)
        assert answer.status_code == 500
        assert "/one" not in answer.get_data(as_text=True)
    person = signed_in.browser()
    with contextlib.closing(sqlite3.connect(signed_in.folder / "control.db")) as connection, connection:
        connection.execute("drop trigger full")
    person.post("/privacy/example.org/open", data={"token": signed_in.token(SUBJECT)})
    with contextlib.closing(sqlite3.connect(signed_in.folder / "control.db")) as connection, connection:
        connection.execute("create trigger full before insert on audit begin select raise(abort, 'full'); end")
    for path in ("/privacy/example.org", "/privacy/example.org/data.json"):
        answer = person.get(path)
        assert answer.status_code == 500
        assert "/one" not in answer.get_data(as_text=True)


def test_many_rows_are_turned_page_by_page_each_on_record_and_downloaded_whole(
    signed_in: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webmon.web.admin.persons.PAGE_COUNT", 1)
    browser = signed_in.staff("privacy")
    first = ask(browser).get_data(as_text=True)
    assert "/two" in first
    assert "/one" not in first
    second = ask(browser, skip="1").get_data(as_text=True)
    assert "/one" in second
    assert "Older rows" not in second
    assert len(entries(signed_in)) == 2
    answer = ask(browser, f"{PAGE}/download", fields=["identity", "page"])
    document = json.loads(answer.get_data())
    assert [row["pathname"] for row in document["rows"]] == ["/two", "/one"]
    assert set(document["rows"][0]) == {"name", "hostname", "pathname"}
    assert document["identity"] == {"sub": SUBJECT, "email": "a.person@example.net", "name": "A Person"}
    assert (document["made_by"], document["reason"]) == ("privacy@example.org", REASON)
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_person_downloads_every_row_however_many(signed_in: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webmon.services.read_held.ROWS_SHOWN", 1)
    signed_in.client.post("/privacy/example.org/open", data={"token": signed_in.token(SUBJECT)})
    assert len(signed_in.client.get("/privacy/example.org/data.json").get_json()["account_log"]) == 2
