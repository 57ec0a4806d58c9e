"""Keys: wrapping, sealing, keyed digests.

Three kinds. The *wrapping key* comes from outside (`webmon.stores.wrapping`) and encrypts all other keys. The *root*
is a secret of the installation, made once and kept wrapped: what must stay the same for good, such as the keyed
digests by which accounts are found, is derived from it, so a new wrapping key changes nothing else. All other keys
are random, one for each thing, wrapped.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webmon.errors import Conflict, SettingsError
from webmon.stores.locks import hold_file
from webmon.stores.wrapping import (
    KEY_BYTES,
    VARIABLE,
    KeyEnvironment,
    KeyFile,
    KeySource,
    LocalKeys,
    WrappingKeys,
    create_once,
    derive,
    new_key,
    read_private,
    replace_private,
    seal,
    unseal,
)

__all__ = ["DATA", "KEYS", "KEY_BYTES", "Sealer", "Vault", "new_key"]

DATA = "control.db"
# Apart from the data that they open, so that no backup of the data holds them.
KEYS = "keys"
_FILE = "secret.key"
_ROOT = "secret.root"
_ROOT_CONTEXT = "root"
# Held while secrets are made or replaced. A file of its own: those that are replaced are other files afterwards.
_LOCK = "secret.lock"
# What told, before there was a root, whether the key was the right one.
_CHECK = "secret.check"
# The version of the control database that came together with the root.
_FIRST_WITH_ROOT = "0012"


class Vault:
    """Wraps and seals, and derives from the installation's root."""

    def __init__(self, folder: Path, keys: WrappingKeys, before: Sequence[bytes] = ()) -> None:
        """Open a folder's vault with whatever wraps its keys, making its root on first start.

        `before`: keys of which one may be what everything was derived from before there was a root.
        """
        self._root_path, self._lock_path = folder / _ROOT, folder / _LOCK
        self._is_alone = False
        if not self._root_path.exists():
            with hold_file(self._lock_path, wait=True):
                _make_root(folder, keys, before)
        self._keys = keys
        wrapped = _read_hex(self._root_path)
        try:
            self._root = keys.unwrap(wrapped, _ROOT_CONTEXT)
        except SettingsError as error:
            # Under another key it is as long, and bears that one's mark.
            whole = len(keys.wrap(bytes(KEY_BYTES), _ROOT_CONTEXT))
            is_damaged = keys.knows(wrapped) or len(wrapped) != whole
            raise (_damaged(self._root_path) if is_damaged else _not_the_key(keys.name)) from error

    @classmethod
    def open(cls, folder: Path, wrapping_key: str = "") -> Vault:
        """Open the vault of a data folder, making its secrets on first start.

        `wrapping_key`: the setting, in whose absence the key is in a file of the folder. Raises `SettingsError` for a
        key that is none, that others can read or that is another one than the folder's data were written with, and
        where it is missing beside data: never starts with a key that opens nothing.
        """
        source: KeySource = KeyEnvironment(wrapping_key) if wrapping_key else _key_file(folder)
        return cls(folder, LocalKeys(source), source.read())

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key of a purpose, always the same for one installation."""
        return derive(self._root, purpose)

    def digest(self, purpose: str, *parts: str) -> str:
        """Return a keyed digest in hex, for looking up what must not be stored in the clear."""
        return _digest(self._root, purpose, *parts)

    @property
    def mark(self) -> bytes:
        """How everything begins that is wrapped under the wrapping key in use."""
        return self._keys.mark

    @property
    def key_name(self) -> str:
        """What an operator knows the wrapping key by."""
        return self._keys.name

    @property
    def rotating(self) -> bool:
        """Whether a rotation of the wrapping key has begun and not ended."""
        return self._keys.rotating

    @property
    def after_rotation(self) -> str:
        """What an operator has to do once a rotation has ended."""
        return self._keys.after_rotation

    def wrap(self, key: bytes, context: str) -> bytes:
        """Encrypt a key under the wrapping key, bound to `context` (which key it is)."""
        return self._keys.wrap(key, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Undo `wrap`; raises `SettingsError` where the wrapping key or the context is another."""
        return self._keys.unwrap(wrapped, context)

    def is_foreign(self, wrapped: bytes, context: str) -> bool:
        """Whether something is wrapped under a key that is not known; what is merely damaged is not."""
        try:
            self.unwrap(wrapped, context)
        except SettingsError:
            return not self._keys.knows(wrapped)
        return False

    def rewrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the same key, wrapped under the wrapping key in use."""
        return self.wrap(self.unwrap(wrapped, context), context)

    def reload(self) -> None:
        """Take up the wrapping keys as they are now."""
        self._keys.reload()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process from replacing secrets meanwhile; raises `Conflict` where one does so already."""
        if self._is_alone:
            yield
            return
        with ExitStack() as held:
            try:
                held.enter_context(hold_file(self._lock_path, wait=False))
            except BlockingIOError as error:
                raise Conflict("The wrapping key is being changed already; nothing was done here") from error
            self._is_alone = True
            held.callback(setattr, self, "_is_alone", False)
            yield

    def begin_rotation(self) -> None:
        """Put a new wrapping key in use, the one that was still known, and wrap the root under it."""
        # Two at once would each put a key before the old one, and the root be left under one that the other dropped.
        with self.alone():
            self._keys.begin_rotation()
            replace_private(self._root_path, self.wrap(self._root, _ROOT_CONTEXT).hex() + "\n")

    def end_rotation(self) -> None:
        """Forget the wrapping keys that are no longer in use."""
        with self.alone():
            self._keys.end_rotation()

    def new_key(self) -> bytes:
        return new_key()

    def sealer(self, key: bytes) -> Sealer:
        return Sealer(key)


class Sealer:
    """Encrypts rows with one data key, each bound to its context."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> bytes:
        return seal(self._cipher, plain, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Undo `seal`; raises `cryptography.exceptions.InvalidTag` for other bytes or another context."""
        return unseal(self._cipher, sealed, context)


def _key_file(folder: Path) -> KeyFile:
    """Return the key file of a folder, making it on first start."""
    path = folder / _FILE
    if not path.exists():
        with hold_file(folder / _LOCK, wait=True):
            _make_key(folder, path)
    return KeyFile(path)


def _make_key(folder: Path, path: Path) -> None:
    if path.exists():
        return  # by another process, meanwhile
    # Whoever makes the data makes the key first: data without a key have lost it.
    if (folder / DATA).exists():
        raise SettingsError(
            f"{path} is missing, but {folder / DATA} was written with it; put it back from its backup, "
            f"or set {VARIABLE}"
        )
    KeyFile(path).create()


def _make_root(folder: Path, keys: WrappingKeys, before: Sequence[bytes]) -> None:
    path, check = folder / _ROOT, folder / _CHECK
    if path.exists():
        return  # by another process, meanwhile
    written = _written_with_root(folder)
    if written is not None:
        raise SettingsError(f"{path} is missing, but {written} was written with it; put it back from its backup")
    is_older = check.exists() or (folder / DATA).exists()
    root = _root_of_before(check, keys.name, before) if is_older else new_key()
    create_once(path, keys.wrap(root, _ROOT_CONTEXT).hex() + "\n")
    check.unlink(missing_ok=True)


def _written_with_root(folder: Path) -> Path | None:
    """What there is in a folder that nobody makes before the root: beside it, none may be made anew."""
    if (folder / KEYS).exists():
        return folder / KEYS
    return folder / DATA if _is_of_a_root(folder / DATA) else None


def _is_of_a_root(path: Path) -> bool:
    """Whether a control database is of a version that has a root; where that cannot be told, it may be."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            if not connection.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchall():
                return False
            versions = connection.execute("select version_num from alembic_version").fetchall()
    except sqlite3.Error:
        return True
    return any(str(version) >= _FIRST_WITH_ROOT for (version,) in versions)


def _root_of_before(check: Path, name: str, candidates: Sequence[bytes]) -> bytes:
    """Before there was a root of its own, everything was derived from the key in the file."""
    if candidates and not check.exists():
        return candidates[-1]
    expected = check.read_text("ascii").strip() if check.exists() else ""
    for key in candidates:
        if hmac.compare_digest(_digest(key, "check", "webmon"), expected):
            return key
    raise _not_the_key(name)


def _not_the_key(name: str) -> SettingsError:
    return SettingsError(f"{name} is not the key that this data folder was written with; put that one back")


def _damaged(path: Path) -> SettingsError:
    return SettingsError(f"{path} is damaged; put it back from its backup")


def _read_hex(path: Path) -> bytes:
    try:
        return bytes.fromhex(read_private(path).strip())
    except ValueError as error:
        raise _damaged(path) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; put it back from its backup") from error


def _digest(root: bytes, purpose: str, *parts: str) -> str:
    return hmac.digest(derive(root, f"digest:{purpose}"), "\0".join(parts).encode(), "sha256").hex()
