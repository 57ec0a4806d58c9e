"""The keys of accounts: bound to their place, renewed, destroyed; what a backup holds of them."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from structlog.testing import capture_logs
from werkzeug.test import Client, TestResponse

from tests.support.world import Visitor, World, csrf
from webmon.cli import main
from webmon.errors import NotFound, SettingsError, Unavailable
from webmon.services.account_keys import hit_name
from webmon.services.check_account_log import Checked
from webmon.services.renew_keys import LIFETIME, SETTLING
from webmon.services.restrict_account import Change
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.control.models import AccountHitRow, AccountRow, PromotionRow
from webmon.stores.ports.keys import FIRST_KEY, NewKey, key_context
from webmon.stores.vault import new_key
from webmon.stores.wrapping import derive, seal

NAMES = ("first", "second", "third")


def signed_in(world: World, name: str, *paths: str) -> Visitor:
    visitor = world.visitor()
    for path in paths or (f"/of/{name}",):
        visitor.sees(path)
    assert visitor.signs_in(world.token(name)).status_code == 204
    world.settle()
    return visitor


def account_of(world: World, name: str) -> int:
    return world.runtime.account_reader.identify(world.site, world.token(name), world.clock.now())


def read(world: World, name: str) -> list[str]:
    account, now = account_of(world, name), world.clock.now()
    rows = world.runtime.account_reader.hits(world.site, account, now, actor="test", reason="to see")
    return sorted(row.pathname for row in rows)


def erase(world: World, name: str) -> int:
    return world.runtime.account_eraser.erase(world.site, name, world.clock.now(), actor="test")


# Bound to their place


def test_a_row_opens_in_its_account_and_site_alone(world: World) -> None:
    for name in NAMES[:2]:
        signed_in(world, name)
    keys = world.runtime.account_keys
    ring, other = keys.ring(account_of(world, "first")), keys.ring(account_of(world, "second"))
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        (row,) = accounts.rows(ring.account_id, -1, 10)
    assert ring.open(row.sealed, hit_name(row.hit_id))
    elsewhere = type(ring)(ring.site_id + 1, ring.account_id, ring.current, ring.sealers)
    moved = type(ring)(ring.site_id, ring.account_id + 1, ring.current, ring.sealers)
    for who, name in ((other, row.hit_id), (elsewhere, row.hit_id), (moved, row.hit_id), (ring, row.hit_id + 1)):
        with pytest.raises(InvalidTag):
            who.open(row.sealed, hit_name(name))
    with pytest.raises(InvalidTag):
        ring.open(b"", hit_name(row.hit_id))


def test_the_identifier_of_an_account_is_kept_sealed_only(world: World) -> None:
    signed_in(world, "patient-4711")
    account = account_of(world, "patient-4711")
    assert world.runtime.account_keys.identity(account)["sub"] == "patient-4711"
    assert world.found_in_files(b"patient-4711") == []


# As they were before


def as_before(world: World) -> None:
    """Put the accounts back into the state of before their keys had a file of their own, and rows a head."""
    ring_of, vault, store = world.runtime.account_keys.ring, world.runtime.vault, world.runtime.data_keys
    with world.runtime.database.session() as session:
        for row in session.scalars(select(AccountRow)):
            ring = ring_of(row.id)
            (kept,) = store.keys(row.id)
            key = vault.sealer(vault.unwrap(kept.wrapped, key_context(row.id, 1)))
            identity = ring.open(row.subject_sealed, "identity")
            row.subject_sealed = key.seal(identity, f"account:{row.id}:identity")
            row.wrapped_key = kept.wrapped
            for hit in session.scalars(select(AccountHitRow).where(AccountHitRow.account_id == row.id)):
                name = hit_name(hit.hit_id)
                hit.sealed = key.seal(ring.open(hit.sealed, name), f"account:{row.id}:{name}")
    for suffix in ("", "-wal", "-shm"):
        (world.folder / "keys" / f"accounts.db{suffix}").unlink(missing_ok=True)


def test_what_was_sealed_before_keys_had_their_own_file_is_readable_and_renewed_in_todays_form(world: World) -> None:
    for name in NAMES:
        signed_in(world, name)
    as_before(world)
    world.reopen()
    for name in NAMES:
        assert read(world, name) == [f"/of/{name}"]
    with world.runtime.database.session() as session:
        assert set(session.scalars(select(AccountRow.wrapped_key))) == {b""}, "they are in one place"
    world.clock.move(LIFETIME + timedelta(days=1))
    world.runtime.key_renewal.run(world.clock.now())
    world.clock.move(SETTLING * 2)
    assert world.runtime.key_renewal.run(world.clock.now()) == 3
    for name in NAMES:
        assert read(world, name) == [f"/of/{name}"]


# Renewed


def test_once_a_year_rows_are_sealed_anew_and_the_old_key_is_gone(world: World) -> None:
    signed_in(world, "first", "/one", "/two")
    account = account_of(world, "first")
    (old,) = world.runtime.data_keys.keys(account)
    before = world.runtime.account_keys.ring(account)
    renewal = world.runtime.key_renewal
    assert renewal.run(world.clock.now()) == 0
    world.clock.move(LIFETIME + timedelta(days=1))
    assert renewal.run(world.clock.now()) == 0, "a row may still be on its way under the old key"
    assert len(world.runtime.data_keys.keys(account)) == 2
    signed_in(world, "first", "/three")
    world.clock.move(SETTLING * 2)
    assert renewal.run(world.clock.now()) == 1
    assert renewal.run(world.clock.now()) == 0
    entry = world.runtime.audit.newest()[0]
    assert (entry.action, entry.detail) == ("data_key.renew", {"keys": 1})
    (new,) = world.runtime.data_keys.keys(account)
    assert (old.number, new.number) == (1, 2)
    assert read(world, "first") == ["/one", "/three", "/two"]
    assert world.found_in_files(old.wrapped) == []
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        assert world.runtime.account_keys.identity(account)["sub"] == "first"
        for row in accounts.rows(account, -1, 10):
            with pytest.raises(InvalidTag):
                before.open(row.sealed, hit_name(row.hit_id))


def test_the_old_key_stays_while_a_row_under_it_waits_in_the_spool(world: World) -> None:
    visitor = signed_in(world, "first")
    world.clock.move(LIFETIME + timedelta(days=1))
    visitor = signed_in(world, "first", "/later")
    visitor.sees("/waits")  # sealed under the first key
    world.runtime.key_renewal.run(world.clock.now())
    world.clock.move(SETTLING * 2)
    assert world.runtime.key_renewal.run(world.clock.now()) == 0
    world.settle()
    assert world.runtime.key_renewal.run(world.clock.now()) == 1
    assert read(world, "first") == ["/later", "/of/first", "/waits"]


class Crash(BaseException):
    """As if the process had been killed here."""


@pytest.mark.parametrize("after", range(7))
def test_a_renewal_interrupted_anywhere_goes_on(world: World, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    signed_in(world, "first", *(f"/{number}" for number in range(3)))
    world.clock.move(LIFETIME + timedelta(days=1))
    world.runtime.key_renewal.run(world.clock.now())
    world.clock.move(SETTLING * 2)
    left = [after]

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if not left[0]:
                raise Crash
            left[0] -= 1
            return method(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("webmon.services.renew_keys._ROWS_AT_ONCE", 1)
        for owner, name in (
            (SqlAccounts, "finish"),
            (SqlAccounts, "reseal"),
            (SqlAccounts, "rows"),
            (type(world.runtime.data_keys), "destroy_older"),
        ):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        with pytest.raises(Crash):
            world.runtime.key_renewal.run(world.clock.now())
    world.reopen()
    assert read(world, "first") == ["/0", "/1", "/2"]
    assert world.runtime.key_renewal.run(world.clock.now()) == 1
    assert read(world, "first") == ["/0", "/1", "/2"]
    assert len(world.runtime.data_keys.keys(account_of(world, "first"))) == 1


# Destroyed


def test_an_erased_account_is_gone_and_every_other_is_readable(world: World) -> None:
    for name in NAMES:
        signed_in(world, name, "/one", "/two")
    account = account_of(world, "second")
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        sealed = [row.sealed for row in accounts.rows(account, -1, 10)]
    (key,) = world.runtime.data_keys.keys(account)
    assert world.found_in_files(key.wrapped, *sealed), "the search finds what is there"
    assert erase(world, "second") == 2
    assert world.found_in_files(key.wrapped, *sealed) == []
    entry = world.runtime.audit.newest()[0]
    with pytest.raises(NotFound):
        account_of(world, "second")
    with pytest.raises(NotFound):
        erase(world, "second")
    for name in ("first", "third"):
        assert read(world, name) == ["/one", "/two"]
    assert (entry.action, entry.detail) == ("account.erase", {"rows": 2}), "that it was done, and nothing of whom"


def test_whoever_reads_the_data_keys_from_outside_holds_up_no_erasure_and_no_sign_in(world: World) -> None:
    for name in NAMES[:2]:
        signed_in(world, name)
    (key,) = world.runtime.data_keys.keys(account_of(world, "first"))
    began = time.monotonic()
    with contextlib.closing(sqlite3.connect(world.folder / "keys" / "accounts.db")) as backup, capture_logs() as said:
        backup.execute("begin")
        backup.execute("select * from data_key").fetchall()
        assert erase(world, "first") == 1
    assert time.monotonic() - began < 10, "nobody waits for a key as long as somebody else reads"
    assert "keys.wipe_later" in {one["event"] for one in said}
    world.runtime.checkpoint()
    assert world.found_in_files(key.wrapped) == []


def test_a_key_that_is_destroyed_is_used_no_more_though_its_file_cannot_be_written_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(world, "first")
    account, keys = account_of(world, "first"), world.runtime.account_keys

    def full() -> None:
        raise Unavailable("no room")

    with monkeypatch.context() as disk:
        disk.setattr(keys.store, "wipe", full)
        with pytest.raises(Unavailable):
            erase(world, "first")
    assert keys.is_gone(account)
    assert erase(world, "first") == 1


def test_who_signs_in_again_begins_anew(world: World) -> None:
    visitor = signed_in(world, "first", "/before")
    erase(world, "first")
    visitor.sees("/between")
    world.settle()
    assert world.paths() == ["/between"], "the browser is nobody's any more"
    signed_in(world, "first", "/after")
    assert read(world, "first") == ["/after"]


def test_an_account_that_is_erased_while_its_visit_is_moved_leaves_nothing_for_figures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = world.visitor()
    visitor.sees("/mine")
    world.runtime.ingester.drain()
    visitor.signs_in(world.token("first"))
    copied = type(world.runtime.accounts)._copy

    def erased_meanwhile(*step: Any) -> Any:
        done = copied(*step)
        erase(world, "first")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(type(world.runtime.accounts), "_copy", erased_meanwhile)
        world.settle()
    world.settle()
    assert (world.stored(), world.account_row_count()) == ([], 0)


def test_what_was_on_its_way_to_an_erased_account_does_not_arrive(world: World) -> None:
    visitor = world.visitor()
    visitor.sees("/in-the-log")
    world.runtime.ingester.drain()
    visitor.sees("/in-the-spool")
    visitor.signs_in(world.token("first"))
    visitor.sees("/sealed-in-the-spool")
    erase(world, "first")
    world.settle()
    assert (world.paths(), world.account_row_count()) == ([], 0)
    world.move(minutes=2)
    world.settle()
    world.reopen()
    world.settle()
    assert (world.paths(), world.account_row_count()) == ([], 0)
    with world.runtime.database.session() as session:
        assert session.scalars(select(PromotionRow.id)).all() == []


def test_an_erasure_that_was_interrupted_is_completed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(world, "first")

    def stop(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(SqlAccounts, "erase", stop)
        with pytest.raises(Crash):
            erase(world, "first")
    world.reopen()
    assert world.account_row_count() == 1
    assert world.runtime.account_eraser.finish(world.clock.now()) == 1
    assert world.runtime.account_eraser.finish(world.clock.now()) == 0
    assert world.account_row_count() == 0
    with pytest.raises(NotFound):
        account_of(world, "first")


def test_a_page_that_an_erased_person_still_has_open_shows_nothing_held(world: World) -> None:
    signed_in(world, "first")
    browser = world.browser()
    assert browser.post("/privacy/example.org/open", data={"token": world.token("first")}).status_code == 303
    assert "/of/first" in browser.get("/privacy/example.org").get_data(as_text=True)
    erase(world, "first")
    page = browser.get("/privacy/example.org")
    assert page.status_code == 200
    assert "/of/first" not in page.get_data(as_text=True)
    assert browser.get("/privacy/example.org/data.json").get_json()["account_log"] == []


def test_a_backup_without_the_keys_opens_no_account_that_was_erased_since(world: World, tmp_path: Path) -> None:
    for name in NAMES:
        signed_in(world, name)
    backup, keys_backup = tmp_path / "backup", tmp_path / "backup-of-keys"
    world.runtime.checkpoint()
    shutil.copytree(world.folder, backup, ignore=shutil.ignore_patterns("keys", "ephemeral"))
    shutil.copytree(world.folder / "keys", keys_backup)
    account = account_of(world, "second")
    assert erase(world, "second") == 1
    world.runtime.checkpoint()

    # The database of before, with the keys as they are now: as it is restored.
    shutil.copytree(world.folder / "keys", backup / "keys")
    restored = World(backup)
    assert restored.account_row_count() == 3, "the rows are in the backup"
    for name in ("first", "third"):
        assert read(restored, name) == [f"/of/{name}"]
    with pytest.raises(NotFound):
        restored.runtime.account_keys.ring(account)
    assert restored.runtime.account_eraser.finish(restored.clock.now()) == 1, "and they go again"
    assert restored.account_row_count() == 2
    restored.close()

    # With a copy of the keys of before it would open: that is why such copies must not be kept.
    shutil.rmtree(backup / "keys")
    shutil.copytree(keys_backup, backup / "keys")
    assert World(backup).runtime.account_keys.ring(account)


def test_a_backup_of_the_databases_holds_no_data_key(world: World) -> None:
    for name in NAMES:
        signed_in(world, name)
    world.runtime.checkpoint()
    wrapped = [key.wrapped for name in NAMES for key in world.runtime.data_keys.keys(account_of(world, name))]
    places = {found.partition(":")[0] for found in world.found_in_files(*wrapped)}
    assert places == {"accounts.db"}


def test_a_privacy_officer_finds_nothing_about_an_erased_account(world: World) -> None:
    signed_in(world, "first")
    number, officer, place = account_of(world, "first"), world.staff("privacy"), "/admin/sites/example.org/persons"
    form = {
        "csrf_token": csrf(officer.get(place)),
        "account_id": str(number),
        "reason": "Request for access of last week",
        "fields": ["identity", "page"],
    }
    assert "/of/first" in officer.post(place, data=form).get_data(as_text=True)
    erase(world, "first")
    answer = officer.post(place, data=form)
    assert answer.status_code == 404
    assert "/of/first" not in answer.get_data(as_text=True)
    newest = world.runtime.audit.newest()[0]
    assert (newest.action, newest.detail["found"]) == ("account_log.search", False), "that it was asked is on record"


def test_an_erasure_of_consented_rows_that_waits_for_an_erased_account_comes_to_its_end(world: World) -> None:
    signed_in(world, "first")
    account = account_of(world, "first")
    assert world.runtime.accounts.delete_rows(account, lambda _: False) == 0
    world.runtime.account_keys.destroy(account, world.clock.now())
    assert world.runtime.accounts.delete_rows(account, lambda _: True) == 0


# Of which nothing is held any more


def accounts_and_promotions(world: World) -> tuple[int, int]:
    with world.runtime.database.engine.connect() as connection:
        tables = ("account", "promotion")
        accounts, promotions = (
            connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()  # noqa: S608
            for table in tables
        )
    return int(accounts), int(promotions)


def is_over(world: World, *visitors: Visitor) -> None:
    for visitor in visitors:
        visitor.signs_out()
    world.move(minutes=5)
    world.settle()


def test_when_somebody_was_signed_in_is_known_no_longer_than_the_visit_lasts(world: World) -> None:
    first, second = signed_in(world, "first"), signed_in(world, "second")
    assert accounts_and_promotions(world) == (2, 2)
    is_over(world, second)
    assert accounts_and_promotions(world) == (2, 1)
    is_over(world, first)
    assert accounts_and_promotions(world) == (2, 0)
    # Under a number that was given before, something may wait in the spool of a backup.
    signed_in(world, "first", "/again")
    with world.runtime.database.engine.connect() as connection:
        assert connection.exec_driver_sql("select id from promotion").scalar_one() == 3


def test_of_an_erased_account_nothing_is_left_but_that_it_was_erased(world: World) -> None:
    first, second = signed_in(world, "first"), signed_in(world, "second")
    is_over(world, first)
    number = account_of(world, "first")
    erase(world, "first")
    erase(world, "second")  # whose visit goes on
    is_over(world, second)
    assert accounts_and_promotions(world) == (0, 0)
    with world.runtime.database.engine.connect() as connection:
        names = connection.exec_driver_sql("select name from sqlite_master where type = 'table'").scalars().all()
        held = [connection.exec_driver_sql(f'select * from "{name}"').all() for name in names]  # noqa: S608
    kept = [row for rows in held for row in rows if number in row or str(number) in str(row)]
    assert all("account_log.read" in str(row) for row in kept), (
        "who read it stays in the audit trail, and nothing else"
    )
    assert world.runtime.account_eraser.finish(world.clock.now()) == 0


def test_an_account_goes_with_its_last_row_once_it_is_as_old_as_rows_get(world: World) -> None:
    first, second = signed_in(world, "first"), signed_in(world, "second")
    restricted = signed_in(world, "third")
    asked = Change(True, "A letter of last week", "third")
    world.runtime.restrictions.change(world.site, asked, world.clock.now(), actor="test")
    is_over(world, first, second, restricted)
    world.move(days=300)
    is_over(world, signed_in(world, "second", "/much-later"))
    assert world.runtime.erase_empty_accounts(world.clock.now()) == 0
    world.move(days=120)
    assert world.runtime.retention.apply(world.clock.now(), actor="test").complete
    assert world.runtime.erase_empty_accounts(world.clock.now()) == 1
    tombstone = world.runtime.audit.newest()[0]
    assert (tombstone.action, tombstone.detail) == ("account.erase", {"rows": 0})
    assert accounts_and_promotions(world) == (2, 0)
    assert read(world, "second") == ["/much-later"]
    assert len(world.runtime.data_keys.accounts()) == 2
    again = signed_in(world, "first", "/anew")
    assert read(world, "first") == ["/anew"]
    is_over(world, again)
    assert world.runtime.erase_empty_accounts(world.clock.now()) == 0


# Lost


def test_a_missing_key_is_no_destroyed_one(world: World) -> None:
    visitor = signed_in(world, "first")
    signed_in(world, "second")
    kept = world.folder.parent / "kept"
    visitor.sees("/waits")
    world.runtime.data_keys.wipe()

    def take_away() -> None:
        (world.folder / "keys").rename(kept)

    world.reopen(take_away)
    again = world.visitor()
    again.sees("/again")
    refused = again.signs_in(world.token("first"))
    assert refused.status_code == 503
    assert world.runtime.account_eraser.finish(world.clock.now()) == 0
    world.settle()  # what waits for such an account holds nobody up
    assert world.account_row_count() == 3, "rows are not given up because a folder was forgotten"
    assert len(world.runtime.account_eraser.lost()) == 2

    def put_back() -> None:
        shutil.rmtree(world.folder / "keys")
        kept.rename(world.folder / "keys")

    world.reopen(put_back)
    assert world.runtime.account_eraser.lost() == []
    assert read(world, "first") == ["/of/first", "/waits"]


def test_what_was_being_moved_to_an_account_whose_key_is_missing_is_moved_once_it_is_back(world: World) -> None:
    """A promotion that was cut short: rows in the event log, rows in the spool in the clear, and sealed ones."""
    visitor = world.visitor()
    visitor.sees("/in-the-log")
    world.runtime.ingester.drain()
    visitor.sees("/in-the-spool")
    assert visitor.signs_in(world.token("first")).status_code == 204
    visitor.sees("/sealed-in-the-spool")
    kept = world.folder.parent / "kept"
    world.runtime.data_keys.wipe()
    world.reopen(lambda: (world.folder / "keys").rename(kept))
    world.settle()
    assert visitor.sees("/meanwhile").status_code == 202
    world.settle()
    leaving = {row.pathname for row in world.rows() if world.runtime.accounts.is_leaving(row)}
    assert leaving == {"/in-the-log", "/in-the-spool"}, "they are the account's already, and nobody's else to see"

    def put_back() -> None:
        shutil.rmtree(world.folder / "keys")
        kept.rename(world.folder / "keys")

    world.reopen(put_back)
    world.settle()
    assert read(world, "first") == ["/in-the-log", "/in-the-spool", "/sealed-in-the-spool"]
    assert world.paths() == ["/meanwhile"]


def test_accounts_whose_keys_are_lost_for_good_begin_anew(world: World) -> None:
    signed_in(world, "first")
    world.reopen(lambda: shutil.rmtree(world.folder / "keys"))
    assert world.runtime.account_eraser.erase_lost(world.clock.now(), actor="test") == 1
    assert world.account_row_count() == 0
    signed_in(world, "first", "/anew")
    assert read(world, "first") == ["/anew"]


def test_who_signs_in_before_an_interrupted_erasure_is_completed_begins_anew(world: World) -> None:
    signed_in(world, "first")
    world.runtime.account_keys.destroy(account_of(world, "first"), world.clock.now())
    signed_in(world, "first", "/anew")
    assert read(world, "first") == ["/anew"]
    assert world.runtime.account_eraser.finish(world.clock.now()) == 0
    assert read(world, "first") == ["/anew"]


# Restored beside another wrapping key


def rotate(world: World) -> None:
    rotation = world.runtime.key_rotation
    rotation.begin()
    rotation.finish(rotation.run(lambda _: None), world.clock.now(), actor="test")


def contents_of(folder: Path) -> dict[str, bytes]:
    # But for what SQLite makes to read a database.
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".db-shm", ".db-wal"}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


BEFORE = ("control.db", "secret.root")


def rotated(world: World, tmp_path: Path, *restored: str) -> tuple[str, str]:
    """Rotate the wrapping key, and put back files of before; returns the key of before and that of after."""
    old = (world.folder / "secret.key").read_text()
    signed_in(world, "first")
    world.runtime.checkpoint()
    for name in BEFORE:
        shutil.copy2(world.folder / name, tmp_path / name)
    rotate(world)
    world.runtime.checkpoint()
    new = (world.folder / "secret.key").read_text()
    world.close()
    for name in restored:
        shutil.copy2(tmp_path / name, world.folder / name)
    return old, new


@pytest.mark.parametrize(
    ("restored", "whose", "named"), [(BEFORE, "old", "keys"), (("control.db",), "new", "control.db")]
)
def test_parts_of_before_and_after_a_rotation_are_served_with_both_wrapping_keys_alone(
    world: World, tmp_path: Path, restored: tuple[str, ...], whose: str, named: str
) -> None:
    keys = dict(zip(("old", "new"), rotated(world, tmp_path, *restored), strict=True))
    key_file = world.folder / "secret.key"
    key_file.write_text(keys[whose])
    before = contents_of(world.folder)
    with pytest.raises(
        SettingsError, match=rf"/{named} is wrapped under another wrapping key than the one of .*secret"
    ):
        world.open()
    told = CliRunner().invoke(main, ["doctor"], env={"WEBMON_DATA_DIR": str(world.folder)})
    assert (told.exit_code, "under another wrapping key" in told.output) == (1, True)
    assert contents_of(world.folder) == before
    key_file.write_text(keys["new"] + keys["old"])
    world.open()
    assert read(world, "first") == ["/of/first"]
    rotate(world)
    assert key_file.read_text() == keys["new"]
    world.reopen()
    assert read(world, "first") == ["/of/first"]


def test_a_data_key_that_is_damaged_keeps_nobody_else_out(world: World) -> None:
    for name in NAMES[:2]:
        signed_in(world, name)
    damage_key(world, account_of(world, "first"))
    world.reopen()
    assert read(world, "second") == ["/of/second"]


def test_a_data_key_that_is_damaged_holds_up_no_hit_and_no_sign_in_but_those_of_its_account(world: World) -> None:
    visitor = signed_in(world, "first")
    account = account_of(world, "first")
    good = world.runtime.data_keys.keys(account)
    waiting = world.visitor()
    waiting.sees("/waits-for-its-account")
    assert waiting.signs_in(world.token("first")).status_code == 204
    damage_key(world, account)
    world.reopen()
    assert visitor.sees("/under-another-pseudonym").status_code == 202
    refused = world.visitor().signs_in(world.token("first"))
    assert refused.status_code == 503
    signed_in(world, "second")
    world.settle()
    assert read(world, "second") == ["/of/second"]
    assert world.runtime.account_eraser.lost() == [account], "the doctor says so"
    leaving = [row.pathname for row in world.rows() if world.runtime.accounts.is_leaving(row)]
    assert leaving == ["/waits-for-its-account"]

    world.runtime.data_keys.add([NewKey(account, one.number, one.wrapped, world.clock.now()) for one in good])
    world.settle()
    assert read(world, "first") == ["/of/first", "/waits-for-its-account"]
    assert world.paths() == ["/under-another-pseudonym"]


def test_accounts_whose_keys_are_damaged_for_good_begin_anew(world: World) -> None:
    signed_in(world, "first")
    damage_key(world, account_of(world, "first"))
    world.reopen()
    assert world.runtime.account_eraser.erase_lost(world.clock.now(), actor="test") == 1
    signed_in(world, "first", "/anew")
    assert read(world, "first") == ["/anew"]


def test_a_data_key_that_is_damaged_keeps_no_other_from_being_wrapped_anew(world: World) -> None:
    for name in NAMES:
        signed_in(world, name)
    damage_key(world, account_of(world, "second"))
    world.reopen()
    with pytest.raises(SettingsError, match=r"^\d keys .* but 1 are damaged, so the old one is kept.*webmon doctor"):
        rotate(world)
    store, mark = world.runtime.data_keys, world.runtime.vault.mark
    assert (store.count_other(mark), world.runtime.vault.rotating) == (1, True)
    assert [read(world, name) for name in ("first", "third")] == [["/of/first"], ["/of/third"]]
    world.runtime.account_eraser.erase_lost(world.clock.now(), actor="test")
    rotate(world)
    assert (store.count_other(mark), world.runtime.vault.rotating) == (0, False)


def test_a_data_key_is_whole_where_its_mark_alone_is_damaged(world: World) -> None:
    signed_in(world, "first")
    account, store = account_of(world, "first"), world.runtime.data_keys
    (key,) = store.keys(account)
    store.add([NewKey(account, key.number, bytes([key.wrapped[0] ^ 4]) + key.wrapped[1:], world.clock.now())])
    world.reopen()
    assert read(world, "first") == ["/of/first"]


def test_data_keys_of_before_there_were_marks_are_told_from_those_of_another_key(world: World) -> None:
    text = (world.folder / "secret.key").read_text()
    keys = {"own": bytes.fromhex(text), "another": new_key()}
    for name, unopened in (("own", False), ("another", True)):
        wrapped = seal(AESGCM(derive(keys[name], "wrapping")), new_key(), key_context(7, FIRST_KEY))
        world.runtime.data_keys.add([NewKey(7, FIRST_KEY, wrapped, world.clock.now())])
        if unopened:
            with pytest.raises(SettingsError, match="wrapped under another wrapping key"):
                world.reopen()
        else:
            world.reopen()


# Rows that do not open


def tamper(world: World, statement: str, *values: int) -> None:
    """As somebody with the file in hand."""
    with contextlib.closing(sqlite3.connect(world.folder / "control.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount > 0, statement


@pytest.fixture
def moved(world: World) -> World:
    """Somebody with two rows of their own, and one that was put there from another account."""
    signed_in(world, "first", "/one", "/two")
    signed_in(world, "second", "/of-somebody-else")
    tamper(
        world,
        "update account_hit set account_id = ? where account_id = ?",
        account_of(world, "first"),
        account_of(world, "second"),
    )
    return world


def test_the_person_is_shown_all_rows_but_one_that_does_not_open_and_told_so(moved: World) -> None:
    browser = moved.browser()
    browser.post("/privacy/example.org/open", data={"token": moved.token("first")})
    with capture_logs() as said:
        page = browser.get("/privacy/example.org")
    told = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "Rows that cannot be opened: 1." in told
    assert ("/one" in told, "/two" in told, "/of-somebody-else" in told) == (True, True, False)
    (entry,) = said
    assert entry == {
        "event": "account_log.unopened",
        "log_level": "error",
        "account_id": account_of(moved, "first"),
        "rows": 1,
    }
    document = browser.get("/privacy/example.org/data.json").get_json()
    assert sorted(row["pathname"] for row in document["account_log"]) == ["/one", "/two"]
    assert document["account_log_unopened"] == 1
    page = browser.get("/privacy/example.org?lang=de").get_data(as_text=True)
    assert "Zeilen, die sich nicht öffnen lassen: 1." in page


PERSONS = "/admin/sites/example.org/persons"


def asked(browser: Client, path: str = "", **fields: str) -> TestResponse:
    form = {"subject": "first", "reason": "Asked for by letter", "fields": ["time", "page", "identity"]}
    return browser.post(PERSONS + path, data={"csrf_token": csrf(browser.get(PERSONS))} | form | fields)


def test_a_privacy_officer_is_shown_all_rows_but_one_that_does_not_open_and_told_so(moved: World) -> None:
    browser = moved.staff("privacy")
    answer = asked(browser)
    told = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "1 row cannot be opened, and is not shown" in told
    assert ("/one" in told, "/two" in told, "/of-somebody-else" in told) == (True, True, False)
    document = asked(browser, "/download").get_json()
    assert (len(document["rows"]), document["unopened"]) == (2, 1)


def test_pages_of_rows_neither_repeat_nor_leave_out_any_around_one_that_does_not_open(
    moved: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webmon.web.admin.persons.PAGE_COUNT", 1)
    browser, seen = moved.staff("privacy"), []
    for skip in range(3):
        told = asked(browser, skip=str(skip)).get_data(as_text=True)
        seen.append([one for one in ("/one", "/two", "cannot be opened") if one in told])
        assert ("Older rows" in told) == (skip < 2)
    assert seen == [["cannot be opened"], ["/two"], ["/one"]]


def test_an_identifier_that_does_not_open_hides_no_rows(world: World) -> None:
    for name in NAMES[:2]:
        signed_in(world, name)
    first, second = (account_of(world, name) for name in NAMES[:2])
    tamper(
        world,
        "update account set subject_sealed = (select subject_sealed from account where id = ?) where id = ?",
        second,
        first,
    )
    answer = asked(world.staff("privacy"))
    assert (answer.status_code, "/of/first" in answer.get_data(as_text=True)) == (200, True)
    assert "second" not in answer.get_data(as_text=True)


def test_where_the_data_key_is_damaged_no_row_is_shown_and_all_are_counted(world: World) -> None:
    signed_in(world, "first", "/one", "/two")
    damage_key(world, account_of(world, "first"))
    answer = asked(world.staff("privacy"))
    assert (answer.status_code, "2 rows cannot be opened, and are not shown" in answer.get_data(as_text=True)) == (
        200,
        True,
    )


def test_where_the_data_key_is_missing_it_is_not_said_that_nothing_is_held(world: World) -> None:
    signed_in(world, "first", "/one", "/two")
    world.reopen(lambda: shutil.rmtree(world.folder / "keys"))
    browser = world.browser()
    browser.post("/privacy/example.org/open", data={"token": world.token("first")})
    assert "Rows that cannot be opened: 2." in browser.get("/privacy/example.org").get_data(as_text=True)
    officer = world.staff("privacy")
    page = asked(officer)
    assert page.status_code == 200
    assert "2 rows cannot be opened" in page.get_data(as_text=True)
    form = {"erasure-csrf_token": csrf(officer.get(PERSONS), "erasure-csrf_token"), "erasure-subject": "first"}
    form |= {"erasure-reason": "Asked for by letter", "erasure-understood": "y"}
    assert officer.post(f"{PERSONS}/erase", data=form).status_code in {302, 303}
    assert world.account_row_count() == 0
    assert asked(officer).status_code == 404


def damage_key(world: World, account: int) -> None:
    store = world.runtime.data_keys
    (key,) = store.keys(account)
    store.add([NewKey(account, key.number, key.wrapped[:-1] + bytes([key.wrapped[-1] ^ 1]), world.clock.now())])
    world.runtime.account_keys.forget(account)


def doctor(world: World) -> Result:
    """What the command says while no server runs."""
    world.close()
    told = CliRunner().invoke(main, ["doctor"], env={"WEBMON_DATA_DIR": str(world.folder)})
    world.open()
    return told


def test_the_doctor_says_how_many_rows_do_not_open_and_whose_they_are(moved: World) -> None:
    first = account_of(moved, "first")
    told = doctor(moved)
    assert told.exit_code == 1
    assert f"account log        1 of 3 rows cannot be opened, of accounts {first};" in told.output
    assert "/of-somebody-else" not in told.output
    tamper(moved, "delete from account_hit where id = 3")
    assert "account log        2 rows, and every one opens" in doctor(moved).output


def test_the_doctor_names_some_of_many_accounts(world: World) -> None:
    for number in range(12):
        signed_in(world, f"p{number}")
        damage_key(world, account_of(world, f"p{number}"))
    assert world.runtime.account_log_check.run().unopened_count == 12
    told = doctor(world).output
    assert "12 of 12 rows cannot be opened, of accounts" in told
    assert " and 2 more; they were changed" in told


def test_rows_that_went_or_were_sealed_anew_meanwhile_are_none_that_do_not_open(moved: World) -> None:
    """As beside a server: what did not open is looked at once more."""
    check = moved.runtime.account_log_check
    with moved.runtime.database.unit(SqlAccounts)() as accounts:
        rows = accounts.all_rows((-1, -1), 10)
    tamper(moved, "delete from account_hit where id = 3")
    assert [check._is_still_closed(*one) for one in rows] == [False, False, False]
    assert check.run() == Checked(2, 0, [])


def test_a_row_or_a_key_that_does_not_open_holds_up_no_renewal(moved: World) -> None:
    signed_in(moved, "third")
    damage_key(moved, account_of(moved, "third"))
    moved.clock.move(LIFETIME + timedelta(days=1))
    moved.runtime.key_renewal.run(moved.clock.now())
    moved.clock.move(SETTLING + timedelta(seconds=1))
    assert moved.runtime.key_renewal.run(moved.clock.now()) == 2
    assert read(moved, "first") == ["/one", "/two"]
