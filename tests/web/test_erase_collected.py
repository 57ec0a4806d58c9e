"""Withdrawal with erasure: exactly what was collected under that consent goes, from every file."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import pytest

from tests.support.world import REFUSED, Visitor, World, csrf, problem
from tests.web.test_portal import PAGE, by, opened, send
from webmon.domain.hit import Basis
from webmon.errors import Unavailable
from webmon.stores.ports.keys import NewKey

OTHERS = 1_000_000


def withdraw(world: World, visitor: Visitor, /, **more: Any) -> Any:
    sent = {"action": "withdraw", "previous": visitor.receipt, "erase": True, "visitor": visitor.visitor}
    return world.consent(REFUSED, **sent | more)


def settled(world: World) -> None:
    """Until the erasure is at its end."""
    world.settle()
    world.move(seconds=11)
    world.settle()


def erasures(world: World) -> int:
    with world.runtime.database.engine.connect() as connection:
        return int(connection.exec_driver_sql("select count(*) from erasure").scalar_one())


def fill(world: World, count: int, visitor_id: int) -> None:
    """Rows of many others in two months, some of them under every kind of basis; and the visitor's own of another."""
    log = world.runtime.event_log
    for name, alias in sorted(log._files.open.items()):
        month = name[:7]
        log._connection.execute(
            f"insert into {alias}.event select * exclude (range) replace ("  # noqa: S608
            " range as hit_id, 1000000 + range % 5000 as visitor_id, 2000000 + range % 9000 as visit_id,"
            " case range % 3 when 0 then 'consent' when 1 then 'exempt' else 'import' end as basis,"
            f" '/other/' || range as pathname) from (select * from {alias}.event limit 1), range(?)",
            [count // 2],
        )
        # The same number under another basis, and on another site, is another person's.
        for site, basis in ((1, Basis.EXEMPT), (1, Basis.IMPORT), (2, Basis.CONSENT)):
            log._connection.execute(
                f"insert into {alias}.event select * replace ("  # noqa: S608
                f" ? as visitor_id, ? as basis, ? as site_id, '/kept-{month}-{site}-{basis}' as pathname)"
                f" from (select * from {alias}.event limit 1)",
                [visitor_id, basis, site],
            )


def digest(world: World, *without: str) -> tuple[int, ...]:
    """Of every value of every row but those of some pages: how many there are, and two sums over the rows' hashes."""
    sums = "select count(*), sum(hash(one)::hugeint)::varchar, bit_xor(hash(one)) from event as one"
    (found,) = world.runtime.event_log._fetch(f"{sums} where not list_contains(?, pathname)", [list(without)])
    return tuple(map(int, found))


def paths_like(world: World, pattern: str) -> set[str]:
    found = world.runtime.event_log._fetch("select pathname from event where pathname like ?", [pattern])
    return {row[0] for row in found}


def test_exactly_the_rows_of_the_consent_go_among_a_million_others(world: World) -> None:
    visitor, other = world.visitor(), world.visitor()
    for day in (0, 10):
        world.move(days=day)
        visitor.sees(f"/mine-{day}")
        other.sees(f"/theirs-{day}")
    world.settle()
    assert world.runtime.event_log.months == ["2026-11", "2026-12"]
    (pseudonym,) = world.runtime.pseudonyms.visitor_all(world.site.id, visitor.visitor)
    fill(world, OTHERS, pseudonym)
    mine, later = ("/mine-0", "/mine-10"), "/theirs-in-the-spool"
    others = digest(world, *mine)
    assert others[0] == OTHERS + 2 + 6
    assert digest(world, "")[0] == others[0] + len(mine)
    assert digest(world, "/theirs-0", *mine) != others, "one row fewer is another digest"

    visitor.sees("/mine-in-the-spool")
    other.sees("/theirs-in-the-spool")
    began = time.perf_counter()
    answer = withdraw(world, visitor)
    assert (answer.status_code, answer.headers["x-webmon-erased"]) == (201, "3")
    assert "x-webmon-not-erased" not in answer.headers
    settled(world)
    assert time.perf_counter() - began < 30

    assert digest(world, later) == others, "not one value of the others' rows has changed"
    assert paths_like(world, "/mine%") == set()
    assert paths_like(world, later) == {later}
    assert erasures(world) == 0
    found = world.found_in_files(b"/mine-", str(pseudonym).encode())
    assert found == [], "nothing of it is in any file"
    assert world.runtime.consents.verify(world.site).holds


def test_its_pseudonyms_are_in_no_file_afterwards(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    (pseudonym,) = world.runtime.pseudonyms.visitor_all(world.site.id, visitor.visitor)
    withdraw(world, visitor)
    settled(world)
    world.runtime.checkpoint()
    assert world.found_in_files(pseudonym.to_bytes(8, "little"), str(pseudonym).encode(), b"/mine") == []


def test_rows_of_every_key_that_still_lives_go(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/under-the-first-key")
    world.settle()
    world.move(days=391)
    world.runtime.rotate_epoch_keys(world.clock.now())
    assert len(world.runtime.pseudonyms.visitor_all(world.site.id, visitor.visitor)) == 2
    again = world.consent().get_json()["consent_receipt_id"]
    visitor.receipt = again
    visitor.sees("/under-the-second-key")
    world.settle()
    assert withdraw(world, visitor).headers["x-webmon-erased"] == "2"
    assert world.paths() == []


def test_a_hit_that_was_let_in_just_before_goes_too(world: World) -> None:
    visitor = world.visitor()
    now = world.clock.now()
    from webmon.domain.event import decode_event
    from webmon.services.collect_hit import Client

    sent = {
        "name": "pageview",
        "url": "https://example.org/late",
        "domain": "example.org",
        "consent": visitor.receipt,
    }
    import json

    event = decode_event(json.dumps(sent | visitor.ids).encode(), now)
    ready = world.runtime.collector.prepare(world.site, event, Client("203.0.113.77", {"user-agent": "x"}), now)
    withdraw(world, visitor)
    world.runtime.spools.append([ready.entry])  # type: ignore[union-attr]
    settled(world)
    assert world.paths() == []
    assert erasures(world) == 0


def test_an_erasure_that_a_crash_has_interrupted_is_completed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    with monkeypatch.context() as patch:
        patch.setattr(type(world.runtime.eraser), "erase", lambda *_: None)
        assert withdraw(world, visitor).headers["x-webmon-not-erased"] == "later"
    assert world.paths() == ["/mine"]
    world.reopen()
    settled(world)
    assert (world.paths(), erasures(world)) == ([], 0)


def test_while_the_event_log_cannot_be_opened_it_is_said_that_it_will_be_done_later(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    path = world.folder / "events" / "2026-11.1.duckdb"
    whole = b""

    def break_it() -> None:
        nonlocal whole
        whole = path.read_bytes()
        path.write_bytes(b"no database")

    world.reopen(break_it)
    answer = withdraw(world, visitor)
    assert (answer.status_code, answer.headers["x-webmon-not-erased"]) == (201, "later")
    path.write_bytes(whole)
    settled(world)
    assert (world.paths(), erasures(world)) == ([], 0)


def test_without_the_visitor_the_consent_alone_is_withdrawn_and_that_is_said(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    answer = withdraw(world, visitor, visitor="")
    assert answer.status_code == 201
    assert (answer.headers["x-webmon-erased"], answer.headers["x-webmon-not-erased"]) == ("0", "no_visitor")
    assert "x-webmon-not-erased" in answer.headers["Access-Control-Expose-Headers"]
    settled(world)
    assert world.paths() == ["/mine"]
    assert visitor.sees("/two").headers["x-webmon-drop-reason"] == "no_consent"


def test_somebody_else_s_rows_stay(world: World) -> None:
    visitor, other = world.visitor(), world.visitor()
    visitor.sees("/mine")
    other.sees("/theirs")
    world.settle()
    withdraw(world, visitor)
    settled(world)
    assert world.paths() == ["/theirs"]
    assert "x-webmon-dropped" not in other.sees("/still").headers


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"visitor": "<script>"}, "visitor"),
        ({"visitor": "x" * 65}, "visitor"),
        ({"previous": None}, "previous"),
        ({"action": "reject_all"}, "erase"),
        ({"erase": "yes"}, "erase"),
    ],
)
def test_an_erasure_that_cannot_be_meant_is_refused_and_nothing_done(
    world: World, fields: dict[str, Any], field: str
) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    answer = withdraw(world, visitor, **fields)
    assert (answer.status_code, list(problem(answer))) == (400, [field])
    settled(world)
    assert world.paths() == ["/mine"]
    assert len(world.runtime.consents.line(world.site, visitor.receipt)) == 1


def test_that_it_was_done_is_on_record_without_whom(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    withdraw(world, visitor)
    entry = world.runtime.audit.newest()[0]
    assert (entry.action, entry.actor, dict(entry.detail)) == ("consent.erase", "visitor", {"rows": 1})


def account_paths(world: World) -> list[str]:
    account = world.runtime.account_reader.identify(world.site, world.token(), world.clock.now())
    rows = world.runtime.account_reader.hits(world.site, account, world.clock.now(), actor="test", reason="test")
    return sorted(row.pathname for row in rows)


def test_who_withdraws_while_signed_in_has_the_account_s_rows_of_that_consent_erased_and_no_other(
    world: World,
) -> None:
    laptop, phone = world.visitor(), world.visitor()
    for device, name in ((laptop, "laptop"), (phone, "phone")):
        device.sees(f"/{name}-before")
        device.signs_in(consent=device.receipt)
        world.settle()
        device.sees(f"/{name}-after")
        world.settle()
    stranger = world.visitor()
    stranger.sees("/stranger")
    stranger.signs_in(world.token("patient-1"), consent=stranger.receipt)
    world.settle()
    assert world.account_row_count() == 5

    laptop.sees("/laptop-in-the-spool")
    phone.sees("/phone-in-the-spool")
    answer = withdraw(world, laptop)
    assert (answer.status_code, answer.headers["x-webmon-erased"]) == (201, "2")
    settled(world)
    assert account_paths(world) == ["/phone-after", "/phone-before", "/phone-in-the-spool"]
    assert world.account_row_count() == 4, "nor is anything of another account erased"
    assert (world.paths(), erasures(world)) == ([], 0)
    assert world.runtime.consents.verify(world.site).holds


def test_a_consent_that_was_changed_meanwhile_is_one_line(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/first")
    visitor.signs_in(consent=visitor.receipt)
    world.settle()
    changed = world.consent({**REFUSED, "analytics": True}, previous=visitor.receipt).get_json()
    visitor.receipt = changed["consent_receipt_id"]
    visitor.sees("/second")
    world.settle()
    assert withdraw(world, visitor).headers["x-webmon-erased"] == "2"
    assert world.account_row_count() == 0


def test_where_nobody_told_the_receipt_at_sign_in_notice_and_time_tell_the_rows(world: World) -> None:
    before = world.visitor()
    before.sees("/earlier")
    before.signs_in()
    world.settle()
    before.signs_out()
    world.move(minutes=40)
    visitor = world.visitor()
    visitor.sees("/mine")
    visitor.signs_in()
    world.settle()
    assert withdraw(world, visitor).headers["x-webmon-erased"] == "1"
    assert account_paths(world) == ["/earlier"]


def test_after_signing_out_nothing_joins_the_browser_to_the_account_s_rows(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/private")
    visitor.signs_in(consent=visitor.receipt)
    world.settle()
    visitor.signs_out()
    world.settle()
    assert withdraw(world, visitor).headers["x-webmon-erased"] == "0"
    settled(world)
    assert account_paths(world) == ["/private"]


def test_who_opens_their_page_with_the_account_can_erase_the_account_s_rows_there(world: World) -> None:
    visitor, other = world.visitor(), world.visitor()
    for one, path in ((visitor, "/mine"), (other, "/other-device")):
        one.sees(path)
        one.signs_in(consent=one.receipt)
        world.settle()
        one.signs_out()
    world.settle()
    browser = opened(world, consent=visitor.receipt, token=world.token())
    page = browser.get(PAGE)
    assert send(browser, "erase", page).status_code == 303
    settled(world)
    assert account_paths(world) == ["/other-device"]


def test_a_sign_in_beside_the_withdrawal_saves_no_row_from_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose rows they are is looked up first: whoever signs in before the withdrawal is on record has them moved."""
    visitor, other = world.visitor(), world.visitor()
    for one, path in ((visitor, "/mine"), (other, "/other-device")):
        one.sees(path)
    world.settle()
    other.signs_in()
    world.settle()
    record = type(world.runtime.consents).record

    def signed_in_meanwhile(*asked: Any, **more: Any) -> Any:
        assert visitor.signs_in().status_code == 204
        visitor.sees("/sealed")
        return record(*asked, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(world.runtime.consents), "record", signed_in_meanwhile)
        assert withdraw(world, visitor).status_code == 201
    settled(world)
    settled(world)
    assert account_paths(world) == ["/other-device"]
    assert (world.account_row_count(), world.paths(), erasures(world)) == (1, [], 0)
    reads = [one for one in world.runtime.audit.newest() if "withdrawn" in str(one.detail.get("reason"))]
    assert [one.action for one in reads] == ["account_log.read"]


@pytest.mark.parametrize("held", ["sealed in the spool", "moved by a promotion that waits"])
def test_no_row_comes_to_the_account_after_its_erasure(world: World, held: str) -> None:
    visitor = world.visitor()
    visitor.sees("/first")
    if held == "sealed in the spool":
        visitor.signs_in()
        visitor.sees("/sealed")
    else:
        world.runtime.ingester.drain()
        visitor.signs_in()
        visitor.signs_out()
    browser = opened(world, consent=visitor.receipt, token=world.token())
    assert send(browser, "erase", browser.get(PAGE)).status_code == 303
    for _ in range(2):  # neither the ingester nor the promoter has had its turn
        world.runtime.eraser.advance(world.clock.now())
        world.move(seconds=11)
    assert erasures(world) == 1
    world.settle()
    settled(world)
    assert (account_paths(world), erasures(world)) == ([], 0)


def test_a_row_that_is_taken_again_after_its_erasure_goes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event log cannot be written: what was taken for the account before is taken anew at each try."""
    visitor, other = world.visitor(), world.visitor()
    visitor.signs_in()
    visitor.sees("/sealed")
    other.sees("/other")

    def refuses(*_: Any, **__: Any) -> int:
        raise Unavailable("The disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.runtime.event_log), "append", refuses)
        with pytest.raises(Unavailable):
            world.runtime.ingester.drain()
        withdraw(world, visitor)
        for _ in range(2):
            world.runtime.eraser.advance(world.clock.now())
            world.move(seconds=11)
        assert world.account_row_count() == 0
    world.settle()
    settled(world)
    assert (account_paths(world), world.paths(), erasures(world)) == ([], ["/other"], 0)


def test_an_erasure_that_had_to_wait_is_on_record_once_it_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()

    def locked(*_: Any) -> Any:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("webmon.stores.spool.transaction", locked)
        answer = withdraw(world, visitor)
    assert (answer.status_code, answer.headers["x-webmon-not-erased"]) == (201, "later")
    settled(world)
    assert (world.paths(), erasures(world)) == ([], 0)
    (entry,) = (one for one in world.runtime.audit.newest() if one.action == "consent.erase")
    assert entry.detail == {"rows": 1}


def test_that_the_account_s_rows_are_read_to_that_end_is_on_record(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    visitor.signs_in(consent=visitor.receipt)
    world.settle()
    withdraw(world, visitor)
    erased, read = world.runtime.audit.newest()[:2]
    assert (erased.action, read.action) == ("consent.erase", "account_log.read")
    assert "withdrawn" in str(read.detail["reason"])


def test_an_erasure_of_an_account_s_rows_that_a_crash_has_interrupted_is_completed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    visitor.signs_in(consent=visitor.receipt)
    world.settle()
    with monkeypatch.context() as patch:
        patch.setattr(type(world.runtime.eraser), "erase", lambda *_: None)
        withdraw(world, visitor)
    assert world.account_row_count() == 1
    world.reopen()
    settled(world)
    assert (world.account_row_count(), erasures(world)) == (0, 0)


def test_a_receipt_at_sign_in_that_is_none_is_refused(world: World) -> None:
    answer = world.visitor().signs_in(consent="<script>")
    assert (answer.status_code, list(problem(answer))) == (400, ["consent"])


def test_the_person_s_page_offers_it_and_does_it_without_javascript(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    browser = opened(world, **by(visitor))
    page = browser.get(PAGE)
    assert 'data-webmon="erase"' in page.get_data(as_text=True)
    answer = send(browser, "erase", page)
    assert answer.status_code == 303
    said = browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert "is being erased" in said
    assert "example.org/mine" not in said
    settled(world)
    assert world.paths() == []
    assert visitor.sees("/two").headers["x-webmon-drop-reason"] == "no_consent"


def test_who_came_by_a_receipt_alone_is_told_that_nothing_was_erased(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    browser = opened(world, consent=visitor.receipt)
    page = browser.get(PAGE)
    assert 'data-webmon="erase"' not in page.get_data(as_text=True)
    answer = send(browser, "erase", page)
    assert "Nothing was erased" in browser.get(answer.headers["Location"]).get_data(as_text=True)
    settled(world)
    assert world.paths() == ["/mine"]


def test_a_form_from_elsewhere_erases_nothing(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.settle()
    browser = opened(world, **by(visitor))
    token = csrf(browser.get(PAGE), "form_token")
    for data, headers in (({}, {}), ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"})):
        assert browser.post(f"{PAGE}/erase", data=data, headers=headers).status_code == 400
    settled(world)
    assert world.paths() == ["/mine"]


def signed_in_with_a_row(world: World, subject: str) -> Visitor:
    visitor = world.visitor()
    visitor.sees(f"/of/{subject}")
    assert visitor.signs_in(world.token(subject)).status_code == 204
    world.settle()
    return visitor


def test_a_row_that_does_not_open_keeps_no_erasure_from_its_end(world: World) -> None:
    first, second = (signed_in_with_a_row(world, name) for name in ("first", "second"))
    with sqlite3.connect(world.folder / "control.db") as connection:
        connection.execute("update account_hit set sealed = zeroblob(9) where id = (select min(id) from account_hit)")
    connection.close()
    answers = [withdraw(world, one) for one in (first, second)]
    assert [one.status_code for one in answers] == [201, 201]
    settled(world)
    assert (erasures(world), world.account_row_count()) == (0, 0)


def test_an_erasure_waits_for_a_data_key_that_is_missing_and_no_other_does(world: World) -> None:
    first, second = (signed_in_with_a_row(world, name) for name in ("first", "second"))
    keys, now = world.runtime.data_keys, world.clock.now()
    account = keys.accounts()[0]
    (kept,) = keys.keys(account)
    with sqlite3.connect(world.folder / "keys" / "accounts.db") as connection:
        connection.execute("delete from data_key where account_id = ?", (account,))
    connection.close()
    world.runtime.account_keys.forget(account)
    for one in (first, second):
        withdraw(world, one)
    settled(world)
    assert (erasures(world), world.account_row_count()) == (1, 1), "those of the other are erased"
    keys.add([NewKey(account, kept.number, kept.wrapped, now)])
    settled(world)
    assert (erasures(world), world.account_row_count()) == (0, 0)
