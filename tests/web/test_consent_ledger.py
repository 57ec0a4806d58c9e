"""The ledger under attack: whatever is changed in it is named; receipts and checkpoints are ours or are not."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.world import GRANTED, REFUSED, World
from webmon.cli import main
from webmon.domain.chain import Anchor
from webmon.domain.checkpoint import CONSENT_ANCHOR, sign_anchor
from webmon.domain.signing import document_fault, read_public_key
from webmon.stores.expiring import ExpiringConsents

SITE = {"site": "example.org"}
RECORDS = 4


def run(world: World, *arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main, ["consent", *arguments], env={"WEBMON_DATA_DIR": str(world.folder)})
    assert done.exit_code == status, done.output
    return done


def tamper(world: World, *statements: str) -> None:
    """As somebody with the file in hand: no constraint stands in their way."""
    with contextlib.closing(sqlite3.connect(world.folder / "control.db")) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


@pytest.fixture
def ledger(world: World) -> World:
    """Four records, a checkpoint after the third and one after the fourth."""
    world.runtime.add_site("other.example", actor="test")
    line = world.consent().get_json()["consent_receipt_id"]
    world.move(minutes=1)
    world.consent()
    world.move(minutes=1)
    world.consent(GRANTED | {"marketing": False}, previous=line)
    world.runtime.sign_checkpoints(world.clock.now())
    world.move(minutes=1)
    world.consent(REFUSED, action="withdraw", previous=line)
    world.runtime.sign_checkpoints(world.clock.now())
    assert broken(world) is None
    return world


def broken(world: World) -> int | None:
    """The first record that any site's walk names, as the command does."""
    verdicts = [world.runtime.consents.verify(site) for site in world.runtime.sites.all()]
    return next((verdict.broken_seq for verdict in verdicts if not verdict.holds), None)


def stored(world: World, table: str) -> list[dict[str, Any]]:
    with world.runtime.database.engine.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(f"select * from {table}").mappings()]  # noqa: S608


CONSENT_COLUMNS = (
    "site_id", "seq", "receipt_id", "previous_id", "notice_hash", "recorded_at", "expires_at", "body", "chain_hash",
)  # fmt: skip


@pytest.mark.parametrize("column", CONSENT_COLUMNS)
def test_any_byte_of_any_column_of_a_record_that_is_changed_is_named(ledger: World, column: str) -> None:
    draw = random.Random(column)  # noqa: S311 - reproducible, not secret
    for row in stored(ledger, "consent"):
        number, before = row["id"], row[column]
        length = len(str(before or ""))
        for place in draw.sample(range(length), min(10, length)) or [0]:
            tamper(ledger, f"update consent set {column} = {other(before, place)} where id = {number}")  # noqa: S608
            named = broken(ledger)
            # One that was moved elsewhere is missing here, or strange there.
            assert named is not None if column in {"site_id", "seq"} else named == number, (number, place)
            tamper(ledger, f"update consent set {column} = {quoted(before)} where id = {number}")  # noqa: S608
    assert broken(ledger) is None


def other(value: Any, place: int) -> str:
    """The value with one character changed, as SQL."""
    if value is None or isinstance(value, int):
        return str((value or 0) + 1000)
    return quoted(value[:place] + ("x" if value[place] != "x" else "y") + value[place + 1 :])


def quoted(value: Any) -> str:
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


@pytest.mark.parametrize("column", ["body", "chain_hash", "receipt_id", "recorded_at"])
def test_bytes_that_are_no_text_are_named_as_well(ledger: World, column: str) -> None:
    tamper(ledger, f"update consent set {column} = cast(x'c328' as text) where seq = 2")  # noqa: S608
    assert broken(ledger) == 2
    assert "record 2" in run(ledger, "verify", "--site", "example.org", status=1).output


@pytest.mark.parametrize(
    "statement",
    [
        "update consent_decision set granted = 1 - granted where consent_id = 3 and purpose = 'marketing'",
        "update consent_decision set granted = 2 where consent_id = 3 and purpose = 'analytics'",
        "update consent_decision set purpose = 'analyticz' where consent_id = 3 and purpose = 'analytics'",
        "update consent_decision set consent_id = 99 where consent_id = 3 and purpose = 'analytics'",
        "delete from consent_decision where consent_id = 3 and purpose = 'analytics'",
        "insert into consent_decision values (3, 'telepathy', 1)",
        "update consent set id = 77 where id = 3",
    ],
)
def test_a_decision_that_was_changed_is_named(ledger: World, statement: str) -> None:
    tamper(ledger, statement)
    assert broken(ledger) == 3


def places(world: World, found: bytes) -> list[int]:
    """Where something stands in the database's file, tables and indexes alike."""
    with contextlib.closing(sqlite3.connect(world.folder / "control.db")) as connection:
        assert connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0
    return [match.start() for match in re.finditer(re.escape(found), (world.folder / "control.db").read_bytes())]


@contextlib.contextmanager
def edited(world: World, place: int, byte: bytes) -> Iterator[None]:
    """One byte of the file another one, as by somebody who opens it in an editor and not as a database."""
    with (world.folder / "control.db").open("r+b", buffering=0) as file:
        file.seek(place)
        before = file.read(1)
        file.seek(place)
        file.write(byte)
        yield
        file.seek(place)
        file.write(before)


def test_a_byte_that_is_changed_in_the_file_is_named_wherever_it_stands(ledger: World) -> None:
    number = stored(ledger, "consent")[1]["receipt_id"].encode()
    decision = bytes([3]) + b"marketing"
    for found, least, seq in ((number, 3, 2), (decision, 2, 3)):
        known = places(ledger, found)
        assert len(known) >= least, "in the table, and in an index"
        for place in known:
            with edited(ledger, place + len(found) - 1, b"!"):
                said = run(ledger, "verify", "--site", "example.org", status=1).output
                assert f"; record {seq} " in said, said
    run(ledger, "verify")


@pytest.mark.parametrize("column", ["body", "chain_hash", "receipt_id", "recorded_at", "expires_at"])
def test_a_text_that_is_said_to_be_bytes_is_named(ledger: World, column: str) -> None:
    tamper(ledger, f"update consent set {column} = cast({column} as blob) where seq = 2")  # noqa: S608
    assert broken(ledger) == 2


def test_a_record_whose_row_cannot_be_read_any_more_is_named(ledger: World) -> None:
    # A row begins with how long its parts are: the answer's purpose now ends beyond it.
    for place in places(ledger, bytes([3]) + b"marketing"):
        with edited(ledger, place - 2, b"\x7f"):
            said = run(ledger, "verify", "--site", "example.org", status=1).output
            assert "; record 3 " in said, said


def test_damage_of_the_file_that_is_of_no_record_is_told_as_such(ledger: World) -> None:
    # How many bytes stand between the rows of a page, which is nobody's answer.
    (place, *_) = places(ledger, bytes([3]) + b"marketing")
    page = place // 4096 * 4096
    with edited(ledger, page + 7, b"\x05"):
        said = run(ledger, "verify", status=1).output
        assert "damaged" in said, said
    run(ledger, "verify")


@pytest.mark.parametrize("change", ["body = replace(body, 'measure', 'follow')", "body = body || ' '", "hash = 'x'"])
def test_a_notice_that_was_reworded_is_named_by_the_first_record_under_it(ledger: World, change: str) -> None:
    tamper(ledger, f"update notice set {change} where language = 'en' and site_id = {ledger.site.id}")  # noqa: S608
    assert broken(ledger) == 1


@pytest.mark.parametrize("change", ["language = 'xx'", "site_id = 2", "site_id = 99"])
def test_a_notice_that_was_given_to_others_is_named(ledger: World, change: str) -> None:
    tamper(ledger, f"update notice set {change} where language = 'en' and site_id = {ledger.site.id}")  # noqa: S608
    assert broken(ledger) == 1


@pytest.mark.parametrize("column", ["site_id", "seq", "chain_hash", "made_at", "signature"])
def test_any_byte_of_a_checkpoint_that_is_changed_is_named(ledger: World, column: str) -> None:
    for number, row in enumerate(stored(ledger, "consent_checkpoint"), start=1):
        before = row[column]
        for place in range(0, len(str(before)), 3):
            change = f"update consent_checkpoint set {column} = {other(before, place)} where rowid = {number}"  # noqa: S608
            tamper(ledger, change)
            named = broken(ledger)
            assert named is not None if isinstance(before, int) else named == row["seq"], place
            tamper(ledger, f"update consent_checkpoint set {column} = {quoted(before)} where rowid = {number}")  # noqa: S608
    assert broken(ledger) is None


def test_a_tail_that_was_cut_off_after_a_checkpoint_is_found(ledger: World) -> None:
    tamper(ledger, "delete from consent_decision where consent_id = 4", "delete from consent where seq = 4")
    said = run(ledger, "verify", "--site", "example.org", status=1).output
    assert "record 4 is missing: the checkpoint of 2026-11-23T10:33:00+00:00 has seen it" in said
    tamper(ledger, "delete from consent_decision", "delete from consent")
    assert broken(ledger) == 1


def test_the_last_record_that_was_taken_out_at_once_is_missed_at_once(world: World) -> None:
    """Before anything was signed: what is noted beside the ledger is one record ahead of it."""
    world.consent()
    world.consent()
    tamper(world, "delete from consent_decision where consent_id = 2", "delete from consent where seq = 2")
    said = run(world, "verify", "--site", "example.org", status=1).output
    assert said == "example.org: 1 records hold; record 2 is missing: record 2 was noted as the last\n"
    # What comes later does not take its place, and what is signed later says that it was there.
    world.consent()
    world.runtime.sign_checkpoints(world.clock.now())
    assert broken(world) == 2
    tamper(world, "delete from consent_decision", "delete from consent")
    assert broken(world) == 1


def test_a_record_that_is_put_behind_the_last_one_is_named(ledger: World) -> None:
    from webmon.domain.chain import link

    last = stored(ledger, "consent")[-1]
    columns = "site_id, notice_hash, recorded_at, expires_at, previous_id"
    body = last["body"].replace(last["receipt_id"], "forged")
    forged = f"'forged', 5, {quoted(body)}, {quoted(link(last['chain_hash'], body))}"
    tamper(
        ledger,
        f"insert into consent (receipt_id, seq, body, chain_hash, {columns})"  # noqa: S608
        f" select {forged}, {columns} from consent where seq = 4",
        "insert into consent_decision select 5, purpose, granted from consent_decision where consent_id = 4",
    )
    verdict = ledger.runtime.consents.verify(ledger.site)
    assert (verdict.broken_seq, verdict.reason) == (5, "was put behind record 4, noted as the last")
    # Nor does it come to belong there by what is recorded later.
    ledger.consent()
    assert broken(ledger) in {5, 6}


@pytest.mark.parametrize("change", ["seq = 5", "seq = 3", "seq = 'four'", "chain_hash = 'x'", "site_id = 2"])
def test_a_note_of_the_last_record_that_was_changed_is_named(ledger: World, change: str) -> None:
    tamper(ledger, f"update consent_head set {change}")  # noqa: S608
    assert broken(ledger) is not None


def test_a_ledger_without_the_note_of_its_last_record_does_not_hold(ledger: World) -> None:
    tamper(ledger, "delete from consent_head")
    said = run(ledger, "verify", "--site", "example.org", status=1).output
    assert "record 4 is not noted as the last" in said
    # And people can go on answering.
    ledger.consent()
    assert broken(ledger) is None


def test_a_chain_that_was_written_anew_from_some_record_on_is_found_at_the_checkpoint(ledger: World) -> None:
    from webmon.domain.chain import canonical, link

    rows = stored(ledger, "consent")
    body = json.loads(rows[1]["body"])
    body["action"] = "custom"
    previous, statements = rows[0]["chain_hash"], []
    for row, text in [(rows[1], canonical(body)), *((row, row["body"]) for row in rows[2:])]:
        previous = link(previous, text)
        quoted = text.replace("'", "''")
        statements.append(
            f"update consent set body = '{quoted}', chain_hash = '{previous}' where id = {row['id']}"  # noqa: S608
        )
    tamper(ledger, *statements)
    verdict = ledger.runtime.consents.verify(ledger.site)
    assert (verdict.broken_seq, verdict.checked_count) == (3, 2)
    assert "is not what the checkpoint of 2026-11-23T10:32:00+00:00 has seen" in verdict.reason


def test_a_checkpoint_kept_elsewhere_proves_what_was_cut_off_with_its_own(ledger: World, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text(run(ledger, "checkpoint").output)
    tamper(
        ledger,
        "delete from consent_decision where consent_id = 4",
        "delete from consent where seq = 4",
        "delete from consent_checkpoint where seq = 4",
        "update consent_head set (seq, chain_hash) = (select seq, chain_hash from consent where seq = 3)",
    )
    run(ledger, "verify")
    assert "record 4 is missing" in run(ledger, "verify", "--checkpoints", str(kept), status=1).output
    kept.write_text("no checkpoint\n")
    assert "no checkpoint" in run(ledger, "verify", "--checkpoints", str(kept), status=1).output


def test_a_site_that_was_taken_out_with_its_ledger_is_missed_by_a_checkpoint_kept_elsewhere(
    ledger: World, tmp_path: Path
) -> None:
    kept, folder = tmp_path / "kept.jsonl", tmp_path / "without"
    kept.write_text(run(ledger, "checkpoint").output)
    shutil.copytree(ledger.folder, folder)
    with contextlib.closing(sqlite3.connect(folder / "control.db")) as connection, connection:
        for table, column in (("consent", "site_id"), ("consent_checkpoint", "site_id"), ("site", "id")):
            connection.execute(f"delete from {table} where {column} = {ledger.site.id}")  # noqa: S608

    def said(status: int) -> str:
        asked = ["consent", "verify", "--checkpoints", str(kept)]
        done = CliRunner().invoke(main, asked, env={"WEBMON_DATA_DIR": str(folder)})
        assert done.exit_code == status, done.output
        return done.output

    assert "example.org: 0 records hold; record 1 is missing, and so is the site" in said(1)
    kept.write_text(kept.read_text().replace("example.org", "elsewhere.example"))
    assert "elsewhere" not in said(0), "that is signed by nobody"


def test_a_checkpoint_of_an_unchanged_ledger_is_the_one_that_there_is(ledger: World) -> None:
    ledger.move(days=1)
    assert ledger.runtime.sign_checkpoints(ledger.clock.now()) == 1
    assert [row["seq"] for row in stored(ledger, "consent_checkpoint")] == [3, 4]
    assert json.loads(run(ledger, "checkpoint", "--site", "example.org").output)["seq"] == 4
    assert run(ledger, "checkpoint", "--site", "other.example").output == ""


def test_what_retention_takes_off_the_beginning_breaks_nothing(ledger: World) -> None:
    site, now = ledger.site, ledger.clock.now()
    assert ExpiringConsents(ledger.runtime.database, ledger.runtime.signer.key).delete_before(site, now, now) == 3
    assert ledger.runtime.consents.verify(site).holds
    ledger.consent()
    ledger.runtime.sign_checkpoints(now)
    assert ledger.runtime.consents.verify(site).checked_count == 2
    tamper(ledger, f"update chain_anchor set chain_hash = '{'0' * 64}'")  # noqa: S608
    assert broken(ledger) == 3


def test_records_that_somebody_else_than_retention_took_off_the_beginning_are_missed(
    ledger: World, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text(run(ledger, "checkpoint").output)
    tamper(
        ledger,
        "insert into chain_anchor (chain, seq, chain_hash, removed_count, removed_at)"
        " select 'consent:1', seq, chain_hash, 4, recorded_at from consent where seq = 4",
        "delete from consent_decision",
        "delete from consent",
    )
    for also in ((), ("--checkpoints", str(kept))):
        told = run(ledger, "verify", *also, status=1).output
        assert "record 4 is said to be the last that retention took out, but that is not signed" in told
    # Nor does the beginning of another site's ledger prove anything, or what retention does later.
    other = sign_anchor(ledger.runtime.signer.key(), anchor_of(ledger), CONSENT_ANCHOR, "other.example")
    tamper(ledger, f"update chain_anchor set signature = '{other.signature}'")  # noqa: S608
    run(ledger, "verify", status=1)
    ledger.consent()
    ledger.move(minutes=1)
    expiring = ExpiringConsents(ledger.runtime.database, ledger.runtime.signer.key)
    assert expiring.delete_before(ledger.site, ledger.clock.now(), ledger.clock.now()) == 1
    assert "record 5 is said to be" in run(ledger, "verify", status=1).output


def anchor_of(world: World) -> Anchor:
    (row,) = stored(world, "chain_anchor")
    return Anchor(row["seq"], row["chain_hash"])


def test_the_published_key_is_the_same_for_ever_and_says_what_it_is(world: World) -> None:
    answer = world.client.get("/.well-known/webmon-consent-key.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    key = json.loads(answer.get_data())
    assert (key["kty"], key["crv"], key["use"]) == ("OKP", "Ed25519", "sig")
    assert "d" not in key
    world.reopen()
    assert json.loads(world.client.get("/.well-known/webmon-consent-key.json").get_data()) == key


def test_a_receipt_is_signed_and_is_the_same_wherever_it_is_read(world: World) -> None:
    receipt = world.consent().get_json()
    key = read_public_key(world.client.get("/.well-known/webmon-consent-key.json").get_json(force=True))
    assert document_fault(key, receipt) == ""
    (held,) = world.runtime.consents.line(world.site, receipt["consent_receipt_id"])
    assert held == receipt


def test_a_receipt_is_checked_offline_and_a_tampered_one_named(world: World, tmp_path: Path) -> None:
    receipt = world.consent().get_json()
    key, file = tmp_path / "key.json", tmp_path / "receipt.json"
    key.write_bytes(world.client.get("/.well-known/webmon-consent-key.json").get_data())
    file.write_text(json.dumps(receipt, indent=2))
    number = receipt["consent_receipt_id"]
    assert f"The receipt {number} holds." in run(world, "check-receipt", str(file)).output
    elsewhere = CliRunner().invoke(main, ["consent", "check-receipt", str(file), "--key", str(key)])
    assert elsewhere.exit_code == 0, elsewhere.output
    for name in receipt:
        changed = copy.deepcopy(receipt)
        changed[name] = "another"
        file.write_text(json.dumps(changed))
        said = run(world, "check-receipt", str(file), "--key", str(key), status=1).output
        assert "the receipt '" in said, name
    changed = copy.deepcopy(receipt)
    changed["decisions"]["marketing"] = False
    file.write_text(json.dumps(changed))
    assert "it was changed" in run(world, "check-receipt", str(file), "--key", str(key), status=1).output
    whole = json.dumps(receipt)
    for text in (whole.replace("{", '{"action": "reject_all",', 1), whole.replace('"alg"', '"alg": "none", "alg"')):
        file.write_text(text)
        assert "twice" in run(world, "check-receipt", str(file), "--key", str(key), status=1).output


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "7", "{}", "[" * 100_000])
def test_what_is_no_receipt_or_no_key_is_said_so(world: World, tmp_path: Path, text: str) -> None:
    file, good = tmp_path / "file.json", tmp_path / "good.json"
    file.write_text(text)
    good.write_text(json.dumps(world.consent().get_json()))
    assert str(file) in run(world, "check-receipt", str(file), status=1).output
    assert str(file) in run(world, "check-receipt", str(good), "--key", str(file), status=1).output


def test_the_receipt_of_another_installation_is_not_ours(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(other.consent().get_json()))
    other.close()
    assert "another key than this one" in run(world, "check-receipt", str(file), status=1).output


def test_each_record_says_everything_that_it_must(ledger: World) -> None:
    bodies = [json.loads(row["body"]) for row in stored(ledger, "consent")]
    assert {
        "notice", "decisions", "action", "ui_source", "language", "recorded_at", "expires_at", "previous",
    } <= bodies[0].keys()  # fmt: skip
    assert [body["action"] for body in bodies] == ["accept_all", "accept_all", "custom", "withdraw"]
    # The last two named the same receipt: the later takes the place of the earlier.
    assert [body["previous"] for body in bodies[2:]] == [bodies[0]["receipt_id"], bodies[2]["receipt_id"]]
    with_decisions = {row["consent_id"] for row in stored(ledger, "consent_decision")}
    assert with_decisions == {row["id"] for row in stored(ledger, "consent")}


def test_a_site_says_how_long_an_answer_holds(world: World) -> None:
    world.runtime.sites.adjust(world.site, world.clock.now(), actor="test", choice_days=30)
    settings = world.client.get("/api/settings/example.org").get_json()
    assert settings["choice_days"] == 30
    receipt = world.consent().get_json()
    assert receipt["validity_until"] == "2026-12-23T10:30:00+00:00"
    assert receipt["purposes"][0]["event"]["validity_duration"] == "P30D"
    refused = world.consent(REFUSED, action="withdraw", previous=receipt["consent_receipt_id"]).get_json()
    assert refused["validity_until"] == receipt["validity_until"]
