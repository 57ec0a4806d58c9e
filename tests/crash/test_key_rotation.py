"""The wrapping key is replaced while there are many accounts, killed in the midst of it, and while a server runs."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from sqlalchemy import LargeBinary, insert

from tests.support.server import ROOT, WEBMON, WebmonServer, request, wait_until
from tests.support.world import NOW, World
from webmon.core import Core
from webmon.errors import SettingsError
from webmon.services.rotate_keys import KeyRotation
from webmon.settings import Settings
from webmon.stores.control.models import AccountRow, Base
from webmon.stores.control.wrapped import WRAPPED
from webmon.stores.ports.keys import FIRST_KEY, key_context

ACCOUNTS = 100_000


def data_key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def fill(folder: Path) -> Core:
    """A site, its keys, and a hundred thousand accounts."""
    core = Core(Settings(data_dir=folder))
    site = core.add_site("example.org", actor="test")
    core.sites.new_login_key(site, NOW, actor="test")
    core.signer.key()
    wrap = core.vault.wrap
    numbers = range(1, ACCOUNTS + 1)
    core.data_keys.take_over((n, wrap(data_key(n), key_context(n, FIRST_KEY)), NOW) for n in numbers)
    rows = [
        {
            "id": n,
            "site_id": site.id,
            "subject_digest": f"{n:064x}",
            "subject_sealed": b"",
            "wrapped_key": b"",
            "created_at": NOW,
        }
        for n in numbers
    ]
    with core.database.session() as session:
        session.execute(insert(AccountRow), rows)
    return core


def rotate_and_kill(core: Core, old_mark: bytes, below: int) -> None:
    """Begin, or go on, and kill -9 when there are fewer keys under the old one than `below`."""

    def left() -> int:
        sql = "select count(*) from data_key where substr(wrapped, 1, ?) = ?"
        return int(core.data_keys._rows(sql, len(old_mark), old_mark)[0][0])

    process = subprocess.Popen(
        [WEBMON, "key", "rotate"], env={"WEBMON_DATA_DIR": str(core.folder)}, cwd=ROOT, stderr=subprocess.PIPE
    )
    wait_until(lambda: left() < below or process.poll() is not None, 60, f"fewer than {below} keys are left")
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL, said
    assert 0 < left() < below


def test_a_hundred_thousand_accounts_are_under_a_new_key_after_two_kills(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    core = fill(folder)
    old_mark, old_key = core.vault.mark, (folder / "secret.key").read_text().strip()
    digest, signing = core.vault.digest("account", "1"), core.signer.public()
    rotate_and_kill(core, old_mark, ACCOUNTS * 3 // 4)
    assert len((folder / "secret.key").read_text().split()) == 2, "both keys are known meanwhile"
    rotate_and_kill(core, old_mark, ACCOUNTS // 3)
    assert len((folder / "secret.key").read_text().split()) == 2, "and no third"
    core.close()

    done = WebmonServer(folder).run("key", "rotate")
    assert "keys are wrapped under the new key" in done.stdout
    (new_key,) = (folder / "secret.key").read_text().split()
    assert new_key != old_key
    core = Core(Settings(data_dir=folder))
    assert core.vault.mark != old_mark
    assert sum(store.count_other(core.vault.mark) for store in core.key_rotation.stores) == 0
    for number in range(1, ACCOUNTS + 1):
        (kept,) = core.data_keys.keys(number)
        assert core.vault.unwrap(kept.wrapped, key_context(number, FIRST_KEY)) == data_key(number)
    assert core.vault.digest("account", "1") == digest, "accounts are found as before"
    assert core.signer.public() == signing
    assert core.sites.login_keys(core.sites.get("example.org"), NOW)
    assert core.audit.newest()[0].action == "wrapping_key.rotate"
    core.close()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if old_mark in path.read_bytes()] == [], "nothing of it is in any file"

    (folder / "secret.key").write_text(old_key)
    with pytest.raises(SettingsError, match="is not the key that this data folder was written with"):
        Core(Settings(data_dir=folder))


def steps(rotation: KeyRotation) -> Iterator[str]:
    """A rotation, stopping between any two of its steps."""
    yield "nothing"
    rotation.vault.begin_rotation()
    yield "a new key"
    for store in rotation.stores:
        while store.rewrap(rotation.vault.mark, 2, rotation.vault.rewrap):
            yield "a batch"
    rotation.vault.end_rotation()
    yield "the end"


def test_interrupted_between_any_two_steps_it_ends_and_everything_opens(tmp_path: Path) -> None:
    for number in range(7):
        world = World(tmp_path / str(number))
        names = [f"patient-{letter}" for letter in "abc"]
        for name in names:
            visitor = world.visitor()
            visitor.sees(f"/of/{name}")
            visitor.signs_in(world.token(name))
        world.settle()
        going = steps(world.runtime.key_rotation)
        told = [next(going, "the end") for _ in range(number + 1)]
        world.reopen()
        rotation = world.runtime.key_rotation
        if told[-1] != "the end":
            rotation.begin()
            rotation.finish(rotation.run(lambda _: None), NOW, actor="test")
        assert not world.runtime.vault.rotating
        world.reopen()
        reader = world.runtime.account_reader
        for name in names:
            account = reader.identify(world.site, world.token(name), NOW)
            rows = reader.hits(world.site, account, NOW, actor="test", reason="to see")
            assert [row.pathname for row in rows] == [f"/of/{name}"]
        world.close()


def test_of_rotations_that_begin_at_once_the_first_goes_on_and_the_others_change_nothing(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    server.run("site", "login-key", "example.org")
    many = [
        subprocess.Popen([WEBMON, "key", "rotate"], env=server.env, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [(process.communicate(timeout=120)[1], process.returncode) for process in many]
    assert 0 in {status for _, status in told}
    for said, status in told:
        assert status == 0 or "The wrapping key is being changed already; nothing was done here" in said, said
    assert len((server.folder / "secret.key").read_text().split()) == 1
    core = Core(Settings(data_dir=server.folder))
    assert core.sites.login_keys(core.sites.get("example.org"), NOW)
    kept = (server.folder / "secret.key").read_bytes()
    with core.vault.alone():
        done = server.run("key", "rotate", check=False)
    assert (done.returncode, (server.folder / "secret.key").read_bytes()) == (1, kept)
    assert "nothing was done here" in done.stderr
    core.close()
    assert "under the new key" in server.run("key", "rotate").stdout


def test_a_server_goes_on_while_the_key_changes(tmp_path: Path) -> None:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", "example.org")
    key = server.last_line("site", "login-key", "example.org")
    server.start()
    refused: list[int] = []
    stop = threading.Event()

    def sign_in() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            now = int(time.time())
            claims = {"sub": f"p{number}", "aud": "example.org", "iat": now, "exp": now + 60, "jti": f"j{number}"}
            ids = {"visitor": f"visitor-{number:014d}", "visit": f"visit-{number:016d}"}
            body = {"site": "example.org", "token": jwt.encode(claims, key, "HS256"), **ids}
            status = request("POST", f"{server.url}/api/login", body).status
            if status != 204:
                refused.append(status)

    people = threading.Thread(target=sign_in)
    people.start()
    try:
        for _ in range(2):
            server.run("key", "rotate")
    finally:
        stop.set()
        people.join()
    assert refused == []
    server.kill()
    core = Core(Settings(data_dir=server.folder))
    accounts = {row[0] for row in core.data_keys._rows("select account_id from data_key")}
    assert len(accounts) > 10
    for account in accounts:
        (kept,) = core.data_keys.keys(account)
        core.vault.unwrap(kept.wrapped, key_context(account, FIRST_KEY))
    core.close()
    server.start()
    assert server.stop() == 0


def test_a_server_with_another_key_is_told_of_before_anything_is_forgotten(tmp_path: Path) -> None:
    first, second = "ab" * 32, "cd" * 32
    server = WebmonServer(tmp_path / "data", WEBMON_WRAPPING_KEY=first)
    server.run("site", "add", "example.org")
    assert "put a new key before the old one" in server.run("key", "rotate", check=False).stderr
    server.start()
    server.env["WEBMON_WRAPPING_KEY"] = f"{second},{first}"
    done = server.run("key", "rotate", check=False)
    assert done.returncode == 1
    assert "start it again with the same WEBMON_WRAPPING_KEY" in done.stderr
    assert [
        one["state"] for one in json.loads(server.run("doctor", "--json").stdout) if one["check"] == "wrapping key"
    ] == ["warning"]
    server.stop()
    server.start()
    assert "Take the old key out" in server.run("key", "rotate").stdout
    server.stop()
    server.env["WEBMON_WRAPPING_KEY"] = second
    server.run("site", "list")
    server.env["WEBMON_WRAPPING_KEY"] = first
    done = server.run("site", "list", check=False)
    assert done.returncode == 1
    assert "WEBMON_WRAPPING_KEY is not the key that this data folder was written with" in done.stderr


def test_every_wrapped_column_is_known_to_the_rotation() -> None:
    """Bytes in the control database are wrapped, and so in the table, or sealed under a key that is."""
    columns = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    # A promotion's link is sealed under a key that is derived from the root, which stays.
    sealed = {("account", "subject_sealed"), ("account_hit", "sealed"), ("promotion", "link")}
    # An account's data keys are in a file of their own; what this column held is taken in there at the start.
    moved = {("account", "wrapped_key")}
    assert columns - sealed - moved == {(one.model.__tablename__, one.column.key) for one in WRAPPED}
