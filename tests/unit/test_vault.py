"""Keys: made once, kept to their owner, and each good for just what it was made for."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from webmon.errors import SettingsError
from webmon.stores.vault import KEY_BYTES, Vault, new_key


def test_the_first_start_makes_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    for name in ("secret.key", "secret.check"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert len(bytes.fromhex((tmp_path / "secret.key").read_text().strip())) == KEY_BYTES
    assert Vault.open(tmp_path).derive("a") == vault.derive("a")
    assert vault.derive("a") != vault.derive("b")
    assert (tmp_path / "secret.check").read_text().strip() not in (tmp_path / "secret.key").read_text()


def test_many_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Vault.open(tmp_path).derive("a"), range(16)))
    assert len(keys) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.check", "secret.key"]


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
    for text, context in ((wrapped, "account:2"), (wrapped[:-1] + b"x", "account:1"), (wrapped[:20], "account:1")):
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
