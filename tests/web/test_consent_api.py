"""Consent: what is recorded, what is only counted, what is refused, and the proof of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.world import GRANTED, REFUSED, World, problem
from webmon.cli import main
from webmon.domain.chain import canonical


def records(world: World) -> list[dict[str, Any]]:
    with world.runtime.database.session() as session:
        return [json.loads(row[0]) for row in session.connection().exec_driver_sql("select body from consent").all()]


def counts(world: World) -> dict[str, int]:
    world.runtime.consent_counts.flush()
    with world.runtime.database.session() as session:
        rows = session.connection().exec_driver_sql("select action, answer_count from consent_count").all()
    return {row[0]: row[1] for row in rows}


def test_a_consent_is_recorded_with_the_very_notice_that_was_shown(world: World) -> None:
    answer = world.consent()
    assert answer.status_code == 201
    receipt = answer.get_json()
    notice = world.runtime.notices.current(world.site, world.clock.now())["en"]
    assert receipt["notice_hash"] == notice
    assert receipt["decisions"] == GRANTED
    assert (receipt["consent_type"], receipt["collection_method"], receipt["language"]) == (
        "explicit_consent",
        "banner",
        "en",
    )
    shown = world.client.get(f"/api/notices/{notice}")
    assert f"sha256-{hashlib.sha256(shown.get_data()).hexdigest()}" == notice
    assert canonical(json.loads(shown.get_data())) == shown.get_data(as_text=True)
    (record,) = records(world)
    assert record["receipt_id"] == receipt["consent_receipt_id"]


@pytest.mark.parametrize("where", ["banner", "preferences", "placeholder", "form"])
def test_a_record_says_where_it_was_answered(world: World, where: str) -> None:
    receipt = world.consent(REFUSED | {"marketing": True}, ui_source=where).get_json()
    assert receipt["collection_method"] == where
    (record,) = records(world)
    assert (record["ui_source"], record["decisions"]) == (where, REFUSED | {"marketing": True})


def test_a_notice_that_was_replaced_is_still_there_word_for_word(world: World) -> None:
    before = world.client.get(f"/api/notices/{world.runtime.notices.current(world.site, world.clock.now())['en']}")
    body = json.loads(before.get_data())
    body["texts"]["title"] = "Another question"
    world.runtime.notices.publish(world.site, body, world.clock.now(), actor="test")
    after = world.runtime.notices.current(world.site, world.clock.now())["en"]
    assert not before.request.path.endswith(after)
    assert world.client.get(before.request.path).get_data() == before.get_data()


def test_a_refusal_is_counted_and_recorded_against_nobody(world: World) -> None:
    for _ in range(3):
        answer = world.consent(REFUSED, action="reject_all")
        assert (answer.status_code, answer.get_json()) == (200, {"counted": True})
    assert records(world) == []
    assert counts(world) == {"reject_all": 3}


def test_a_withdrawal_stops_what_was_granted_at_once(world: World) -> None:
    visitor = world.visitor()
    assert "x-webmon-dropped" not in visitor.sees("/one").headers
    answer = world.consent(REFUSED, action="withdraw", previous=visitor.receipt)
    assert answer.status_code == 201
    assert visitor.sees("/two").headers["x-webmon-drop-reason"] == "no_consent"
    world.settle()
    assert world.paths() == ["/one"]


def test_an_answer_that_is_sent_again_under_its_number_is_one_record(world: World) -> None:
    number = "drawn-by-the-browser-1"
    first = world.consent(receipt=number)
    assert (first.status_code, first.get_json()["consent_receipt_id"]) == (201, number)
    again = world.consent(receipt=number)
    assert (again.status_code, again.get_json()) == (201, first.get_json())
    assert len(records(world)) == 1
    assert counts(world) == {"accept_all": 1}
    other = world.consent(GRANTED | {"marketing": False}, receipt=number)
    assert other.status_code == 409
    assert len(records(world)) == 1


def test_the_number_of_another_site_s_receipt_is_taken(world: World) -> None:
    number = "drawn-by-the-browser-1"
    world.consent(receipt=number)
    second = world.runtime.add_site("second.example", actor="test")
    notice = world.runtime.notices.current(second, world.clock.now())["en"]
    assert world.consent(site="second.example", notice=notice, receipt=number).status_code == 409


@pytest.mark.parametrize("number", ["short", "x" * 37, "with a blank in it", 7])
def test_a_number_that_is_none_is_named(world: World, number: object) -> None:
    answer = world.consent(receipt=number)
    assert answer.status_code == 400
    assert list(problem(answer)) == ["receipt"]


def test_a_hit_that_is_faster_than_its_consent_does_not_stand_in_the_way_of_the_next(world: World) -> None:
    number = "drawn-by-the-browser-1"
    hit = {"visitor": "v" * 22, "visit": "w" * 22, "consent": number}
    assert world.event("/early", **hit).headers["x-webmon-drop-reason"] == "no_consent"
    world.consent(receipt=number)
    assert "x-webmon-dropped" not in world.event("/later", **hit).headers


def test_a_changed_choice_holds_for_whoever_still_has_the_older_receipt(world: World) -> None:
    visitor = world.visitor()
    second = world.consent(GRANTED | {"marketing": False}, previous=visitor.receipt).get_json()
    assert "x-webmon-dropped" not in visitor.sees("/one").headers
    world.consent(REFUSED, action="withdraw", previous=second["consent_receipt_id"])
    assert visitor.sees("/two").headers["x-webmon-drop-reason"] == "no_consent"


def test_a_consent_ends_after_half_a_year(world: World) -> None:
    visitor = world.visitor()
    world.move(days=181)
    assert "x-webmon-dropped" not in visitor.sees("/one").headers
    world.move(days=2)
    assert visitor.sees("/two").headers["x-webmon-drop-reason"] == "no_consent"


def test_measurement_alone_is_refused_where_only_marketing_was_granted(world: World) -> None:
    receipt = world.consent(REFUSED | {"marketing": True}).get_json()["consent_receipt_id"]
    hit = world.event("/", visitor="v" * 22, visit="w" * 22, consent=receipt)
    assert hit.headers["x-webmon-drop-reason"] == "no_consent"


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"site": "unknown.example"}, 400, "site"),
        ({"notice": "sha256-" + "0" * 64}, 400, "notice"),
        ({"notice": "not a hash"}, 400, "notice"),
        ({"decisions": {"analytics": True}}, 400, "decisions"),
        ({"decisions": GRANTED | {"unheard_of": True}}, 400, "decisions"),
        ({"decisions": GRANTED | {"analytics": "yes"}}, 400, "decisions"),
        ({"decisions": []}, 400, "decisions"),
        ({"action": "perhaps"}, 400, "action"),
        ({"action": "accept_all", "decisions": REFUSED}, 400, "decisions"),
        ({"action": "withdraw", "decisions": GRANTED}, 400, "decisions"),
        ({"ui_source": "telepathy"}, 400, "ui_source"),
        ({"previous": "00000000-0000-0000-0000-000000000000"}, 404, None),
        ({"language": "x" * 70_000}, 413, "body"),
    ],
)
def test_an_answer_that_does_not_fit_names_the_field_and_records_nothing(
    world: World, fields: dict[str, Any], status: int, field: str | None
) -> None:
    answer = world.consent(**fields)
    assert answer.status_code == status
    assert list(problem(answer)) == ([field] if field else [])
    assert records(world) == []


def test_two_sites_do_not_share_notices_or_receipts(world: World) -> None:
    world.runtime.add_site("other.example", actor="test")
    visitor = world.visitor()
    assert list(problem(world.consent(site="other.example"))) == ["notice"]
    hit = world.event(
        "/", domain="other.example", url="https://other.example/", **visitor.ids, consent=visitor.receipt
    )
    assert hit.headers["x-webmon-drop-reason"] == "no_consent"


# What is done to the ledger of four records, and the first one that is broken by it.
TAMPERINGS: dict[str, tuple[list[str], int]] = {
    "a decision changed": (["update consent set body = replace(body, ':true', ':false') where seq = 2"], 2),
    "a row taken out": (["delete from consent where seq = 2"], 2),
    "the first row taken out": (["delete from consent where seq = 1"], 1),
    "two rows swapped": (
        [
            "update consent set seq = 99 where seq = 2",
            "update consent set seq = 2 where seq = 3",
            "update consent set seq = 3 where seq = 99",
        ],
        2,
    ),
    "a column changed beside the chain": (["update consent set recorded_at = '2020-01-01 00:00' where seq = 3"], 3),
    "a notice reworded": (["update notice set body = replace(body, 'measure', 'follow') where language = 'en'"], 1),
}


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_whoever_changes_the_ledger_is_found_out_and_the_first_broken_row_named(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for _ in range(4):
        world.consent()
        world.move(minutes=1)
    assert world.runtime.consents.verify(world.site).holds
    statements, broken = TAMPERINGS[kind]
    with world.runtime.database.engine.connect() as connection:
        connection.exec_driver_sql("pragma foreign_keys = off")
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()
    verdict = world.runtime.consents.verify(world.site)
    assert (verdict.holds, verdict.broken_seq) == (False, broken)

    monkeypatch.setenv("WEBMON_DATA_DIR", str(world.folder))
    said = CliRunner().invoke(main, ["consent", "verify", "--site", "example.org"])
    assert said.exit_code == 1
    assert f"record {broken}" in said.output


def test_the_ledger_of_an_honest_site_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.consent()
    monkeypatch.setenv("WEBMON_DATA_DIR", str(world.folder))
    said = CliRunner().invoke(main, ["consent", "verify"])
    assert (said.exit_code, said.output.strip()) == (0, "example.org: 1 records hold")


def test_no_record_says_who(world: World) -> None:
    world.consent()
    assert world.found_in_files(b"203.0.113.77", b"Mozilla/5.0") == []
