"""Wrapping keys (key-encryption keys): what every other key is encrypted under, and where they come from.

`WrappingKeys` never hands a key out: it wraps and unwraps, so that a key management service fits in its place. What
is wrapped begins with the mark of the key that it is wrapped under, so several can be known at once: one is in use,
the others open what is older until `webmon key rotate` has wrapped all of it anew.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from webmon.errors import SettingsError
from webmon.stores.folders import make_durable, make_folder

KEY_BYTES = 32
NONCE_BYTES = 12
VARIABLE = "WEBMON_WRAPPING_KEY"
_OLDER_BACKUPS = "older backups open with the old key only; destroy it with them."
_FORM = b"\x01"
_ID_BYTES = 8
_READINGS = 3


class WrappingKeys(Protocol):
    """What wraps keys: the keys of a file or of the environment, or a service that keeps them to itself."""

    @property
    def name(self) -> str:
        """What an operator knows it by."""

    @property
    def mark(self) -> bytes:
        """How everything begins that is wrapped under the key in use."""

    def wrap(self, key: bytes, context: str) -> bytes:
        """Encrypt a key under the key in use, bound to `context` (which key it is)."""

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Undo `wrap`, whichever known key it was; raises `SettingsError`."""

    def knows(self, wrapped: bytes) -> bool:
        """Whether it bears the mark of a known key, and so is damaged where it does not open."""

    @property
    def rotating(self) -> bool:
        """Whether older keys are still known."""

    @property
    def after_rotation(self) -> str:
        """What an operator has to do once all is wrapped under a new key."""

    def reload(self) -> None:
        """Take up the keys as they are now."""

    def begin_rotation(self) -> None:
        """Have a new key in use, and the one that was still known; where that is so already, do nothing."""

    def end_rotation(self) -> None:
        """Forget every key but the one in use."""


class KeySource(Protocol):
    """Where the bytes of wrapping keys are kept. The first is in use."""

    @property
    def name(self) -> str:
        """What an operator knows it by."""

    @property
    def after_rotation(self) -> str:
        """What an operator has to do once the older keys are of no more use."""

    def read(self) -> list[bytes]:
        """Return the keys; raises `SettingsError` for what is none."""

    def put_first(self, key: bytes) -> None:
        """Keep a new key before the others, durably; raises `SettingsError` where that is for the operator to do."""

    def keep_first(self) -> None:
        """Destroy all but the first, where they can be destroyed from here."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file for its owner alone, with a key in hexadecimal digits on each line."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def after_rotation(self) -> str:
        return f"Back up {self.path} and all else anew: {_OLDER_BACKUPS}"

    def read(self) -> list[bytes]:
        mode = self._mode()
        if mode & 0o077:
            raise SettingsError(f"{self.path} can be read by others (mode {mode:04o}); run: chmod 600 {self.path}")
        try:
            lines = read_private(self.path).split()
        except ValueError as error:
            raise SettingsError(f"{self.path} does not hold a key") from error
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be read: {error.strerror}") from error
        return [_key(line, self.name) for line in lines] or [_key("", self.name)]

    def _mode(self) -> int:
        try:
            found = self.path.stat().st_mode
        except FileNotFoundError as error:
            raise SettingsError(f"{self.path} is missing; put it back from its backup") from error
        if not stat.S_ISREG(found):
            raise SettingsError(f"{self.path} is no file; put the file back from its backup")
        return stat.S_IMODE(found)

    def create(self) -> None:
        """Make the file with a key. Of two processes that start at once, both use the one that came first."""
        create_once(self.path, new_key().hex() + "\n")

    def put_first(self, key: bytes) -> None:
        self._write([key, *self.read()])

    def keep_first(self) -> None:
        self._write(self.read()[:1])

    def _write(self, keys: list[bytes]) -> None:
        replace_private(self.path, "".join(f"{key.hex()}\n" for key in keys))


@dataclass(frozen=True, slots=True)
class KeyEnvironment:
    """A setting with one key, or more with commas between them."""

    text: str

    @property
    def name(self) -> str:
        return VARIABLE

    @property
    def after_rotation(self) -> str:
        return f"Take the old key out of {VARIABLE}, and back up all else anew: {_OLDER_BACKUPS}"

    def read(self) -> list[bytes]:
        parts = [part.strip() for part in self.text.split(",")]
        if len(parts) > 1 and not all(parts):
            raise SettingsError(f"{VARIABLE} has a comma beside which there is no key; take the comma out")
        return [_key(part, self.name) for part in parts]

    def put_first(self, key: bytes) -> None:  # noqa: ARG002
        raise SettingsError(
            f"{VARIABLE} is yours to change: put a new key before the old one, with a comma between them, "
            "start the server again, then run: webmon key rotate"
        )

    def keep_first(self) -> None:
        """It is the operator's to take the others out."""


@dataclass(frozen=True, slots=True)
class _Known:
    mark: bytes
    cipher: AESGCM


class LocalKeys:
    """`WrappingKeys` with AES-256-GCM (NIST SP 800-38D) under keys that this process holds."""

    def __init__(self, source: KeySource) -> None:
        self.source = source
        self._known: tuple[_Known, ...] = ()
        self.reload()

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def mark(self) -> bytes:
        return self._known[0].mark

    @property
    def rotating(self) -> bool:
        return len(self._known) > 1

    @property
    def after_rotation(self) -> str:
        return self.source.after_rotation

    def wrap(self, key: bytes, context: str) -> bytes:
        first = self._known[0]
        return first.mark + seal(first.cipher, key, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        for _ in range(2):
            for known in self._known:
                plain = _opened(known, wrapped, context)
                if plain is not None:
                    return plain
            self.reload()  # another process may have begun a rotation since
        raise SettingsError(f"The key of {context} does not open with the secret of this data folder")

    def knows(self, wrapped: bytes) -> bool:
        return any(wrapped.startswith(known.mark) for known in self._known)

    def reload(self) -> None:
        self._known = tuple(_known(key) for key in self.source.read())

    def begin_rotation(self) -> None:
        self.reload()
        if len(self._known) == 1:
            self.source.put_first(new_key())
            self.reload()

    def end_rotation(self) -> None:
        self.source.keep_first()
        self.reload()


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def derive(secret: bytes, purpose: str) -> bytes:
    """Return the 32-byte key of a purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"webmon:{purpose}".encode()).derive(secret)


def seal(cipher: AESGCM, plain: bytes, context: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, context.encode())


def unseal(cipher: AESGCM, sealed: bytes, context: str) -> bytes:
    """Undo `seal`; raises `InvalidTag` for other bytes or another context."""
    if len(sealed) < NONCE_BYTES:
        raise InvalidTag
    return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only, durable before it is named."""
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    make_durable(path.parent)  # else a power cut may bring the old file back


def replace_private(path: Path, text: str) -> None:
    """Write a file as `write_private` does, and then zeros over what it held before.

    For one process at a time: what another that was killed has left beside the file goes too.
    """
    with path.open("r+b") if path.exists() else nullcontext() as old:
        write_private(path, text)
        if old is not None:
            overwrite(old.fileno())
    for left in path.parent.glob(f".{path.name}.*"):
        with left.open("r+b") as file:
            overwrite(file.fileno())
        left.unlink()


def read_private(path: Path) -> str:
    """Read a file that `replace_private` may be replacing; raises `ValueError` for what is no ASCII."""
    for _ in range(_READINGS):
        text = path.read_text("ascii")
        if "\0" not in text:
            break  # else it was opened before it was replaced, and read when zeros were over it
    return text


def create_once(path: Path, text: str) -> None:
    """Make a file unless it is there: written beside and then linked, so that nobody reads half of it."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_private(partial, text)
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def overwrite(descriptor: int) -> None:
    # The blocks of a replaced file go back to the file system; they should not hold a key when they do.
    size = os.fstat(descriptor).st_size
    os.pwrite(descriptor, b"\0" * size, 0)
    os.fsync(descriptor)


def _known(key: bytes) -> _Known:
    return _Known(_FORM + derive(key, "wrapping-id")[:_ID_BYTES], AESGCM(derive(key, "wrapping")))


def _opened(known: _Known, wrapped: bytes, context: str) -> bytes | None:
    body = wrapped[len(known.mark) :]
    # Keys that were wrapped before there were marks have none; and of one that is damaged the key may be whole.
    for one in (body,) if wrapped.startswith(known.mark) else (wrapped, body):
        with suppress(InvalidTag):
            return unseal(known.cipher, one, context)
    return None


def _key(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise SettingsError(f"{where} does not hold a key") from error
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{where} does not hold a key of {KEY_BYTES} bytes in hexadecimal digits")
    return key
