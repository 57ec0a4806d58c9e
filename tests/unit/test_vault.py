"""Keys: made once, kept to their owner, and each good for just what it was made for."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webmon.errors import Conflict, SettingsError
from webmon.stores.vault import KEY_BYTES, Vault, new_key
from webmon.stores.wrapping import derive, read_private, replace_private, seal, unseal, write_private


def test_the_first_start_makes_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    for name in ("secret.key", "secret.root"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert len(bytes.fromhex((tmp_path / "secret.key").read_text().strip())) == KEY_BYTES
    assert Vault.open(tmp_path).derive("a") == vault.derive("a")
    assert vault.derive("a") != vault.derive("b")


def test_many_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Vault.open(tmp_path).derive("a"), range(16)))
    assert len(keys) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.key", "secret.lock", "secret.root"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    Vault.open(tmp_path)
    (tmp_path / "secret.key").chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        Vault.open(tmp_path)


def test_a_wrapped_key_opens_in_its_context_alone(tmp_path: Path) -> None:
    vault, key = Vault.open(tmp_path), new_key()
    wrapped = vault.wrap(key, "account:1")
    assert vault.unwrap(wrapped, "account:1") == key
    assert key not in wrapped
    assert wrapped != vault.wrap(key, "account:1"), "never the same twice"
    turned = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for text, context in ((wrapped, "account:2"), (turned, "account:1"), (wrapped[:20], "account:1"), (b"", "a")):
        with pytest.raises(SettingsError, match="does not open"):
            vault.unwrap(text, context)


def test_a_sealed_row_opens_in_its_place_alone(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    sealer, other = vault.sealer(new_key()), vault.sealer(new_key())
    sealed = sealer.seal(b"a row", "account:1:hit:7")
    assert sealer.open(sealed, "account:1:hit:7") == b"a row"
    for who, context in ((sealer, "account:1:hit:8"), (sealer, "account:2:hit:7"), (other, "account:1:hit:7")):
        with pytest.raises(InvalidTag):
            who.open(sealed, context)
    with pytest.raises(InvalidTag):
        sealer.open(bytes([sealed[0] ^ 1]) + sealed[1:], "account:1:hit:7")


def test_digests_tell_their_parts_apart(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    assert vault.digest("account", "1", "23") != vault.digest("account", "12", "3")
    assert vault.digest("account", "1") != vault.digest("token", "1")


def test_the_key_may_come_from_the_environment(tmp_path: Path) -> None:
    first, second = (new_key().hex() for _ in range(2))
    wrapped = Vault.open(tmp_path, first).wrap(b"a key", "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.lock", "secret.root"], "no file holds it"
    assert Vault.open(tmp_path, f"{second}, {first}").unwrap(wrapped, "a") == b"a key"
    for text in (second, second.upper()):
        with pytest.raises(SettingsError, match="WEBMON_WRAPPING_KEY is not the key that this data folder"):
            Vault.open(tmp_path, text)
    for text in ("nonsense", first[:-2]):
        with pytest.raises(SettingsError, match="WEBMON_WRAPPING_KEY does not hold a key"):
            Vault.open(tmp_path, text)
    for text in (f"{first},", f", {first}", f"{first},,{second}", ","):
        with pytest.raises(SettingsError, match="WEBMON_WRAPPING_KEY has a comma beside which there is no key"):
            Vault.open(tmp_path, text)
    with pytest.raises(SettingsError, match="put a new key before the old one"):
        Vault.open(tmp_path, first).begin_rotation()


def test_after_a_rotation_only_the_new_key_opens_and_what_is_derived_is_the_same(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    old, digest, wrapped = (tmp_path / "secret.key").read_text(), vault.digest("account", "1"), vault.wrap(b"k", "a")
    running = Vault.open(tmp_path)
    vault.begin_rotation()
    assert vault.rotating
    assert (tmp_path / "secret.key").read_text().endswith(old)
    mark = vault.mark
    Vault.open(tmp_path).begin_rotation()  # begun again after an interruption: there is no third key
    assert Vault.open(tmp_path).mark == mark
    again = vault.rewrap(wrapped, "a")
    assert again.startswith(mark)
    assert running.unwrap(again, "a") == b"k", "another process finds the new key by itself"
    vault.end_rotation()
    assert not vault.rotating
    assert old.strip() not in (tmp_path / "secret.key").read_text()
    later = Vault.open(tmp_path)
    assert (later.unwrap(again, "a"), later.digest("account", "1")) == (b"k", digest)
    with pytest.raises(SettingsError, match="does not open"):
        later.unwrap(wrapped, "a")
    (tmp_path / "secret.key").write_text(old)
    with pytest.raises(SettingsError, match="is not the key"):
        Vault.open(tmp_path)


def test_of_many_rotations_that_begin_at_once_none_loses_the_root(tmp_path: Path) -> None:
    vaults = [Vault.open(tmp_path) for _ in range(8)]
    start = threading.Barrier(len(vaults))

    def rotate(vault: Vault) -> bool:
        start.wait()
        try:
            vault.begin_rotation()
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(len(vaults)) as pool:
        assert any(pool.map(rotate, vaults))
    assert len((tmp_path / "secret.key").read_text().split()) == 2
    assert Vault.open(tmp_path).derive("a") == vaults[0].derive("a")


def test_who_rotates_is_alone(tmp_path: Path) -> None:
    first, second = Vault.open(tmp_path), Vault.open(tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with first.alone():
        for act in (second.begin_rotation, second.end_rotation):
            with pytest.raises(Conflict, match="is being changed already"):
                act()
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
        first.begin_rotation()
        first.end_rotation()
    second.begin_rotation()
    assert second.rotating


def test_what_a_rotation_that_was_killed_left_beside_the_secrets_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault.open(tmp_path)

    def killed(*_: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            vault.begin_rotation()
    assert len(list(tmp_path.glob(".secret.key.*"))) == 1, "it holds the old key and the new one"
    vault.begin_rotation()
    vault.end_rotation()
    assert list(tmp_path.glob(".secret.*")) == []
    assert Vault.open(tmp_path).rotating is False


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret.key"
    write_private(path, "a key")
    opened, of_the_file = Path.open, []

    def slow(self: Path, *args: Any, **kwargs: Any) -> Any:
        file = opened(self, *args, **kwargs)
        if self == path and not of_the_file:
            of_the_file.append(file)
            replace_private(path, "another")
        return file

    monkeypatch.setattr(Path, "open", slow)
    assert read_private(path) == "another"
    assert of_the_file


def folder_of_before(folder: Path) -> str:
    """As webmon left it when everything came from one secret: the key and a digest that tells whether it is right."""
    secret = bytes(range(32))
    (folder / "secret.key").write_text(secret.hex() + "\n")
    (folder / "secret.key").chmod(0o600)
    check = hmac.digest(derive(secret, "digest:check"), b"webmon", "sha256").hex()
    (folder / "secret.check").write_text(check + "\n")
    (folder / "control.db").touch()
    return secret.hex()


def test_a_folder_of_before_there_was_a_root_opens_and_finds_the_same(tmp_path: Path) -> None:
    secret = bytes.fromhex(folder_of_before(tmp_path))
    wrapped = seal(AESGCM(derive(secret, "wrapping")), b"a key", "account:1")
    vault = Vault.open(tmp_path)
    assert vault.unwrap(wrapped, "account:1") == b"a key"
    assert vault.derive("session") == derive(secret, "session")
    assert not (tmp_path / "secret.check").exists()
    vault.begin_rotation()
    again = vault.rewrap(wrapped, "account:1")
    vault.end_rotation()
    later = Vault.open(tmp_path)
    assert later.derive("session") == derive(secret, "session")
    assert later.unwrap(again, "account:1") == b"a key"


def test_a_folder_of_before_does_not_open_with_another_key(tmp_path: Path) -> None:
    folder_of_before(tmp_path)
    (tmp_path / "secret.key").write_text("ab" * 32)
    with pytest.raises(SettingsError, match="is not the key that this data folder was written with"):
        Vault.open(tmp_path)


def test_a_root_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    Vault.open(tmp_path)
    (tmp_path / "keys").mkdir()
    root = tmp_path / "secret.root"
    kept = root.read_text()
    root.write_text("nonsense")
    with pytest.raises(SettingsError, match=r"secret\.root is damaged"):
        Vault.open(tmp_path)
    root.unlink()
    with pytest.raises(SettingsError, match=r"secret\.root is missing"):
        Vault.open(tmp_path)
    assert not root.exists(), "none is made beside keys that it does not open"
    root.write_text(kept)
    Vault.open(tmp_path)


@pytest.mark.parametrize("text", ["00", "", "ab" * 68])
def test_a_root_that_is_damaged_is_not_taken_for_one_under_another_key(tmp_path: Path, text: str) -> None:
    Vault.open(tmp_path)
    (tmp_path / "secret.root").write_text(text)
    with pytest.raises(SettingsError, match=r"secret\.root is damaged"):
        Vault.open(tmp_path)


def test_a_root_of_which_a_byte_was_changed_is_damaged(tmp_path: Path) -> None:
    Vault.open(tmp_path)
    root = tmp_path / "secret.root"
    root.write_text(root.read_text().strip()[:-2] + "00")
    with pytest.raises(SettingsError, match=r"secret\.root is damaged"):
        Vault.open(tmp_path)


@pytest.mark.parametrize("name", ["secret.key", "secret.root"])
def test_a_folder_in_the_place_of_a_secret_is_named(tmp_path: Path, name: str) -> None:
    Vault.open(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir(0o700)
    with pytest.raises(SettingsError, match=re.escape(name)):
        Vault.open(tmp_path)


def test_a_key_file_that_is_gone_while_webmon_runs_is_named(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    (tmp_path / "secret.key").unlink()
    with pytest.raises(SettingsError, match=r"secret\.key is missing"):
        vault.reload()


class Service:
    """A service that keeps keys to itself, as a key management service does: all that webmon needs of one."""

    name = "the service"
    after_rotation = ""

    def __init__(self) -> None:
        self._keys = [new_key()]

    @property
    def mark(self) -> bytes:
        return b"service:" + hashlib.sha256(self._keys[0]).digest()[:8]

    @property
    def rotating(self) -> bool:
        return len(self._keys) > 1

    def wrap(self, key: bytes, context: str) -> bytes:
        return self.mark + seal(AESGCM(self._keys[0]), key, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        for key in self._keys:
            with contextlib.suppress(InvalidTag):
                return unseal(AESGCM(key), wrapped[len(self.mark) :], context)
        raise SettingsError("not ours")

    def knows(self, wrapped: bytes) -> bool:
        return wrapped.startswith(self.mark)

    def reload(self) -> None:
        pass

    def begin_rotation(self) -> None:
        self._keys.insert(0, new_key())

    def end_rotation(self) -> None:
        del self._keys[1:]


def test_a_service_that_keeps_the_keys_to_itself_fits(tmp_path: Path) -> None:
    service = Service()
    vault = Vault(tmp_path, service)
    wrapped, digest = vault.wrap(b"k", "a"), vault.digest("account", "1")
    vault.begin_rotation()
    again = vault.rewrap(wrapped, "a")
    vault.end_rotation()
    assert again.startswith(service.mark)
    later = Vault(tmp_path, service)
    assert (later.unwrap(again, "a"), later.digest("account", "1")) == (b"k", digest)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.lock", "secret.root"]
    with pytest.raises(SettingsError, match="the service is not the key that this data folder"):
        Vault(tmp_path, Service())


def test_a_folder_of_before_does_not_open_with_a_service_that_never_had_its_key(tmp_path: Path) -> None:
    folder_of_before(tmp_path)
    with pytest.raises(SettingsError, match="the service is not the key"):
        Vault(tmp_path, Service())
    assert not (tmp_path / "secret.root").exists()
