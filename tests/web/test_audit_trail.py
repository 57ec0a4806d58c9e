"""The audit trail: what is in it, who sees it, and that whatever is changed in it is named."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.test import Client

from tests.support.world import PASSWORD, World, csrf
from webmon.cli import main
from webmon.domain.chain import canonical, link
from webmon.services.read_audit import PAGE_COUNT

OWNER = "owner@example.org"


def run(world: World, *arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main, ["audit", *arguments], env={"WEBMON_DATA_DIR": str(world.folder)})
    assert done.exit_code == status, done.output
    return done


def tamper(world: World, *statements: str) -> None:
    """As somebody with the file in hand: no constraint stands in their way."""
    with contextlib.closing(sqlite3.connect(world.folder / "control.db")) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


def stored(world: World, table: str) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(world.folder / "control.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"select * from {table} order by rowid")]  # noqa: S608


def actions(world: World) -> list[str]:
    return [entry.action for entry in world.runtime.audit.newest()]


@pytest.fixture
def trail(world: World) -> World:
    """Some entries, signed in the middle and at the end."""
    world.staff("owner")
    assert world.runtime.audit.checkpoint(world.clock.now())
    world.move(minutes=1)
    world.runtime.sites.adjust(world.site, world.clock.now(), actor="test", choice_days=30)
    world.runtime.add_site("other.example", actor="test")
    world.runtime.audit.checkpoint(world.clock.now())
    assert "entries hold" in run(world, "verify").output
    return world


def test_every_column_and_every_byte_of_an_entry_that_is_changed_is_named(trail: World) -> None:
    changes = {
        "body": "replace(body, 'test', 'tess')",
        "chain_hash": "'0' || substr(chain_hash, 2, 62) || 'x'",
        "occurred_at": "'2020-01-01 00:00:00.000000'",
        "actor": "'somebody'",
        "action": "'site.read'",
        "site_id": "2",
        "account_id": "7",
    }
    last = len(stored(trail, "audit"))
    for column, value in changes.items():
        before = stored(trail, "audit")
        number = last - 1 if column != "site_id" else last - 2
        tamper(trail, f"update audit set {column} = {value} where seq = {number}")  # noqa: S608
        assert f"entry {number} " in run(trail, "verify", status=1).output, column
        with contextlib.closing(sqlite3.connect(trail.folder / "control.db")) as connection, connection:
            connection.execute(
                f"update audit set {column} = ? where seq = ?",  # noqa: S608
                (before[number - 1][column], number),
            )
        run(trail, "verify")


def test_a_tail_that_was_cut_off_and_a_trail_that_was_written_anew_are_found(trail: World, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text(run(trail, "checkpoint").output)
    rows = stored(trail, "audit")
    last = rows[-1]
    tamper(trail, f"delete from audit where seq = {last['seq']}")  # noqa: S608
    assert f"entry {last['seq']} is missing: the checkpoint of" in run(trail, "verify", status=1).output

    body = canonical(json.loads(last["body"]) | {"actor": "somebody-else"})
    forged = last | {
        "body": body,
        "actor": "somebody-else",
        "chain_hash": link(rows[-2]["chain_hash"], body),
    }
    with contextlib.closing(sqlite3.connect(trail.folder / "control.db")) as connection, connection:
        marks = ", ".join("?" for _ in forged)
        connection.execute(f"insert into audit ({', '.join(forged)}) values ({marks})", list(forged.values()))  # noqa: S608
    said = json.loads(run(trail, "verify", "--json", status=1).output)
    assert said["broken"] == last["seq"]
    assert "is not what the checkpoint of" in said["reason"]

    # Whoever deletes the checkpoint as well is found out by the one that was kept elsewhere.
    tamper(trail, f"delete from audit_checkpoint where seq = {last['seq']}")  # noqa: S608
    run(trail, "verify")
    assert "is not what the checkpoint of" in run(trail, "verify", "--checkpoints", str(kept), status=1).output


@pytest.mark.parametrize("column", ["chain_hash", "made_at", "signature"])
def test_a_checkpoint_that_was_changed_is_named(trail: World, column: str) -> None:
    tamper(trail, f"update audit_checkpoint set {column} = 'x' || substr({column}, 2)")  # noqa: S608
    assert "checkpoint that was changed" in run(trail, "verify", status=1).output


def test_the_checkpoint_of_a_ledger_is_none_of_the_trail(trail: World, tmp_path: Path) -> None:
    trail.consent()
    trail.runtime.sign_checkpoints(trail.clock.now())
    made = trail.runtime.signer.checkpoint(trail.site, trail.clock.now())
    assert made is not None
    kept = tmp_path / "kept.jsonl"
    kept.write_text(json.dumps(made.document()))
    assert "checkpoint that was changed" in run(trail, "verify", "--checkpoints", str(kept), status=1).output


def test_after_retention_the_trail_still_verifies_with_its_checkpoints(trail: World) -> None:
    trail.move(days=8 * 365)
    assert trail.runtime.retention.apply(trail.clock.now(), actor="scheduler").complete
    assert actions(trail) == ["retention.apply"]
    trail.runtime.audit.checkpoint(trail.clock.now())
    assert run(trail, "verify").output.strip() == "1 entries hold"


@pytest.mark.parametrize("up_to", ["4", "9999"])
def test_entries_that_somebody_else_than_retention_took_off_the_beginning_are_missed(
    trail: World, tmp_path: Path, up_to: str
) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text(run(trail, "checkpoint").output)
    tamper(
        trail,
        "insert into chain_anchor (chain, seq, chain_hash, removed_count, removed_at)"
        " select 'audit', seq, chain_hash, seq, occurred_at from audit where seq <= LAST"
        " order by seq desc limit 1".replace("LAST", up_to),
        "delete from audit where seq <= (select seq from chain_anchor)",
    )
    for also in ((), ("--checkpoints", str(kept))):
        told = run(trail, "verify", *also, status=1).output
        assert "is said to be the last that retention took out, but that is not signed" in told
    # A checkpoint is signed too, and says something else.
    tamper(trail, "update chain_anchor set signature = (select max(signature) from audit_checkpoint)")
    run(trail, "verify", status=1)
    trail.move(days=8 * 365)
    assert trail.runtime.retention.apply(trail.clock.now(), actor="scheduler").complete
    run(trail, "verify", status=1)


def as_of_before_there_were_signatures(world: World) -> None:
    tamper(world, "update alembic_version set version_num = '0020'")
    with contextlib.closing(sqlite3.connect(world.folder / "control.db")) as connection, connection:
        connection.execute("alter table chain_anchor drop column signature")
        connection.execute("alter table account drop column signed_out_at")  # which came after them


@pytest.fixture
def shortened(trail: World) -> World:
    """A trail and a ledger from which retention has taken what there was, and one entry behind that."""
    trail.consent()
    trail.move(days=8 * 365)
    assert trail.runtime.retention.apply(trail.clock.now(), actor="scheduler").complete
    assert len(stored(trail, "chain_anchor")) == 2
    return trail


def test_what_retention_took_before_that_was_signed_is_signed_once_where_the_chain_holds(shortened: World) -> None:
    signed = stored(shortened, "chain_anchor")
    as_of_before_there_were_signatures(shortened)
    shortened.reopen()
    assert stored(shortened, "chain_anchor") == signed
    run(shortened, "verify")
    assert shortened.runtime.consents.verify(shortened.site).holds
    tamper(shortened, "update chain_anchor set signature = ''")
    shortened.reopen()
    run(shortened, "verify", status=1)
    assert not shortened.runtime.consents.verify(shortened.site).holds


def test_where_the_chain_does_not_hold_no_beginning_is_signed(shortened: World) -> None:
    tamper(shortened, "update audit set actor = 'somebody'", "delete from consent_head")
    as_of_before_there_were_signatures(shortened)
    shortened.reopen()
    assert {row["signature"] for row in stored(shortened, "chain_anchor")} == {""}
    run(shortened, "verify", status=1)


def test_without_any_checkpoint_it_is_said_that_there_is_none(world: World) -> None:
    world.move(days=-7300)  # of long ago, whatever the clock of the command says
    world.runtime.sites.adjust(world.site, world.clock.now(), actor="test", choice_days=30)
    told = "no signed checkpoint is there"
    assert (told in run(world, "verify").output, verified(world)["unsigned"]) == (True, True)
    world.close()
    doctor = CliRunner().invoke(main, ["doctor"], env={"WEBMON_DATA_DIR": str(world.folder)})
    assert f"warning  audit trail        {told}" in doctor.output
    world.open()
    world.runtime.audit.checkpoint(world.clock.now())
    assert (told in run(world, "verify").output, verified(world)["unsigned"]) == (False, False)


def test_nobody_is_told_of_a_checkpoint_that_is_not_due(world: World) -> None:
    assert not world.runtime.audit.lacks_checkpoint(world.clock.now())
    world.move(hours=1, seconds=1)
    assert world.runtime.audit.lacks_checkpoint(world.clock.now())


def verified(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(world, "verify", "--json").output)
    return document


def test_an_unchanged_trail_is_signed_once_and_an_empty_one_not_at_all(trail: World) -> None:
    first, again = run(trail, "checkpoint").output, run(trail, "checkpoint").output
    assert first == again
    assert len(stored(trail, "audit_checkpoint")) == 2


def test_the_export_is_one_entry_a_line_and_proves_itself(trail: World) -> None:
    lines = [json.loads(line) for line in run(trail, "export").output.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    previous = "0" * 64
    for line in lines:
        body = canonical({name: line[name] for name in ("at", "actor", "action", "site_id", "detail")})
        assert line["chain_hash"] == link(previous, body)
        previous = line["chain_hash"]
    newest = trail.runtime.audit.newest()[0]
    assert (newest.actor, newest.action) == ("operator", "audit.export")


def test_the_export_is_narrowed(trail: World) -> None:
    def exported(*options: str) -> list[str]:
        return [json.loads(line)["action"] for line in run(trail, "export", *options).output.splitlines()]

    assert exported("--action", "staff.sign_out") == []
    assert set(exported("--action", "staff")) == {"staff.add", "staff.password", "staff.sign_in"}
    assert exported("--actor", OWNER) == ["staff.password", "staff.sign_in"]
    assert exported("--site", "other.example")[0] == "site.add"
    assert exported("--since", "2090-01-01") == []
    assert exported("--until", "2026-11-22") == []
    assert "site.add" in exported("--since", "2026-11-23", "--until", "2026-11-23")
    run(trail, "export", "--site", "unknown.example", status=1)
    run(trail, "export", "--since", "yesterday", status=2)


def test_what_is_refused_is_in_the_trail_as_counts_and_says_nothing_of_who_tried(world: World) -> None:
    for _ in range(3):
        assert world.post("/api/v2/query", {}, Authorization="Bearer wm_stats_forged").status_code == 401
    assert world.post("/api/login", {"site": "example.org", "token": "forged"}).status_code == 401
    assert world.client.post("/internal/ping", json={}).status_code == 401
    world.event("/", timestamp="2026-11-23T10:00:00Z")
    world.runtime.refused_attempts.flush()
    found = {entry.action: dict(entry.detail) for entry in world.runtime.audit.newest() if "refused" in entry.action}
    assert found == {
        "api_key.refused": {"count": 3, "reason": "did not hold"},
        "login_token.refused": {"count": 1, "reason": "did not hold"},
        "operator_token.refused": {"count": 1, "reason": "did not hold"},
    }
    assert {entry.actor for entry in world.runtime.audit.newest() if "refused" in entry.action} == {"nobody"}
    sites = {entry.action: entry.site_id for entry in world.runtime.audit.newest() if "refused" in entry.action}
    assert sites["login_token.refused"] == world.site.id, "so who answers for that site alone sees it"


def test_a_marketer_who_asks_for_the_trail_is_in_it(world: World) -> None:
    browser = world.staff("marketing")
    assert browser.get("/admin/audit").status_code == 403
    form = {"csrf_token": csrf(browser.get("/staff/account"))}
    assert browser.post("/admin/audit/export", data=form).status_code == 403
    assert browser.get("/admin/sites/example.org/notices").status_code == 403, "which shows nobody's rows"
    assert world.runtime.refused_attempts.flush() == 2
    page, export = world.runtime.audit.newest(limit=2)[::-1]
    for entry, path in ((page, "/admin/audit"), (export, "/admin/audit/export")):
        assert (entry.actor, entry.action, entry.site_id) == ("marketing@example.org", "audit.refused", None)
        assert entry.detail == {"count": 1, "page": path, "reason": "role marketing"}


def test_keys_that_begin_and_end_are_in_the_trail(world: World) -> None:
    world.move(days=400)
    world.runtime.rotate_epoch_keys(world.clock.now())
    world.move(days=2000)
    world.runtime.rotate_epoch_keys(world.clock.now())
    assert {"epoch_key.add", "epoch_key.destroy"} <= set(actions(world))


def test_the_page_filters_and_turns(world: World) -> None:
    browser = world.staff("privacy")
    for number in range(PAGE_COUNT + 5):
        world.move(minutes=1)
        world.runtime.sites.adjust(world.site, world.clock.now(), actor="many@example.org", choice_days=30 + number)

    def shown(**query: str) -> str:
        answer = browser.get("/admin/audit", query_string=query)
        assert answer.status_code == 200
        return answer.get_data(as_text=True)

    first = shown(action="site.change", actor="many@example.org")
    assert first.count('<td role="cell" data-label="No."') == PAGE_COUNT
    assert "Older" in first
    before = str(world.runtime.audit.newest()[PAGE_COUNT - 1].seq)
    assert f"before={before}" in first
    rest = shown(action="site.change", actor="many@example.org", before=before)
    assert rest.count('<td role="cell" data-label="No."') == 5
    assert "Older" not in rest
    assert "staff.add" not in shown(action="site").split("<tbody")[1]
    assert "No entry is like that" in shown(actor="nobody-at-all")
    assert "No entry is like that" in shown(site="unknown.example")
    assert "No entry is like that" in shown(until="2026-01-01")
    assert "site.change" in shown(since="2026-11-23", until="2026-11-23").split("<tbody")[1]


def test_the_filter_offers_what_its_reader_can_be_shown(world: World) -> None:
    world.runtime.add_site("other.example", actor="test")
    here, everywhere = (
        world.staff("privacy", "here@example.org", site=True),
        world.staff("privacy", "all@example.org"),
    )

    def offered(browser: Client) -> set[str]:
        page = browser.get("/admin/audit").get_data(as_text=True)
        return set(re.findall(r'<option value="([^"]+)"', page.partition('id="action"')[2].partition("</select>")[0]))

    staff = {"staff.add", "staff.password", "staff.sign_in"}
    assert staff <= offered(everywhere)
    assert offered(here) & staff == {"staff.add"}, "their own role on the site is about it"
    for action in offered(here):
        page = here.get("/admin/audit", query_string={"action": action}).get_data(as_text=True)
        assert "No entry is like that" not in page, action


@pytest.mark.parametrize(
    ("query", "status"),
    [("since=yesterday", 400), ("until=9999-12-31", 400), ("before=-1", 404), ("before=99999999999999999999", 404)],
)
def test_a_filter_that_cannot_be_is_said(world: World, query: str, status: int) -> None:
    assert world.staff("privacy").get(f"/admin/audit?{query}").status_code == status


def test_the_page_s_download_is_what_one_answers_for_and_leaves_an_entry(world: World) -> None:
    world.runtime.add_site("other.example", actor="test")
    here, everywhere = (
        world.staff("privacy", "here@example.org", site=True),
        world.staff("privacy", "all@example.org"),
    )
    for browser, sees_all in ((here, False), (everywhere, True)):
        form = {"csrf_token": csrf(browser.get("/admin/audit"))}
        answer = browser.post("/admin/audit/export", data=form)
        assert answer.headers["Content-Disposition"].endswith('"webmon-audit.jsonl"')
        lines = [json.loads(line) for line in answer.get_data(as_text=True).splitlines()]
        assert lines
        assert (len({line["site_id"] for line in lines}) > 1) is sees_all
    assert actions(world)[0] == "audit.export"
    assert world.staff("marketing").post("/admin/audit/export").status_code == 400


def test_who_sets_the_password_by_a_link_is_signed_in_and_the_trail_says_so(world: World) -> None:
    world.staff("owner")
    signed_in, password = world.runtime.audit.newest(limit=2)
    assert (password.actor, password.action, password.detail) == (OWNER, "staff.password", {"by": "link"})
    assert (signed_in.actor, signed_in.action, signed_in.detail) == (OWNER, "staff.sign_in", {"by": "link"})


def test_the_trail_says_by_their_address_whom_something_was_done_to(world: World) -> None:
    world.staff("owner")
    staff, now = world.runtime.staff, world.clock.now()
    staff.add("a@example.org", "marketing", None, now, actor=OWNER)
    staff.new_link("a@example.org", now, actor=OWNER)
    number = staff.id_of("a@example.org")
    world.runtime.second_factors.remove(number, now, actor=OWNER)
    staff.remove_role(number, None, now, actor=OWNER)
    entries = world.runtime.audit.newest()[:4]
    assert [(one.action, one.detail["member"]) for one in entries] == [
        ("staff.remove_role", "a@example.org"),
        ("staff.second_factor_off", "a@example.org"),
        ("staff.link", "a@example.org"),
        ("staff.add", "a@example.org"),
    ]


def test_what_staff_do_at_the_door_is_in_the_trail(world: World) -> None:
    world.staff("owner")
    browser = world.browser()
    form = {"csrf_token": csrf(browser.get("/staff/sign-in")), "email": OWNER}
    browser.post("/staff/sign-in", data=form | {"password": "wrong"})
    browser.post("/staff/sign-in", data=form | {"password": PASSWORD})
    browser.post("/staff/sign-out", data={"csrf_token": csrf(browser.get("/staff/account"))})
    assert actions(world)[:3] == ["staff.sign_out", "staff.sign_in", "staff.sign_in_failed"]
