"""Keys: the secrets file, wrapping, sealing, keyed digests.

One root secret per installation, made on first start, in a file that only its owner can read. Everything else is
derived from it (HKDF-SHA256, RFC 5869) or wrapped by it (AES-256-GCM, NIST SP 800-38D).
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from webmon.errors import SettingsError

KEY_BYTES = 32
_NONCE_BYTES = 12
_FILE = "secret.key"
_CHECK = "secret.check"
DATA = "control.db"


class Vault:
    """Wraps and seals under keys derived from the root secret."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._wrapping = AESGCM(self.derive("wrapping"))

    @classmethod
    def open(cls, folder: Path) -> Vault:
        """Open the vault of a data folder, making its secret on first start.

        Raises `SettingsError` for a key file that others can read, that is no key or another one than the folder's
        data were written with, and where it is missing beside data: never starts with a key that opens nothing.
        """
        path = folder / _FILE
        if not path.exists():
            # Whoever makes the data makes the key first: data without a key have lost it.
            if (folder / DATA).exists() and not path.exists():
                raise SettingsError(
                    f"{path} is missing, but {folder / DATA} was written with it; put it back from its backup"
                )
            _create_secret(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SettingsError(f"{path} can be read by others (mode {mode:04o}); run: chmod 600 {path}")
        try:
            root = bytes.fromhex(path.read_text("ascii").strip())
        except ValueError as error:
            raise SettingsError(f"{path} does not hold a key") from error
        if len(root) != KEY_BYTES:
            raise SettingsError(f"{path} does not hold a key of {KEY_BYTES} bytes")
        vault = cls(root)
        vault._check(folder / _CHECK, path)
        return vault

    def _check(self, path: Path, key_path: Path) -> None:
        """See that the key is the one that the folder began with."""
        expected = self.digest("check", "webmon")
        if not path.exists():
            write_private(path, expected + "\n")
        elif not hmac.compare_digest(path.read_text("ascii").strip(), expected):
            raise SettingsError(
                f"{key_path} is not the key that this data folder was written with; put that one back"
            )

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key of a purpose, always the same for one installation."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"webmon:{purpose}".encode()).derive(self._root)

    def digest(self, purpose: str, *parts: str) -> str:
        """Return a keyed digest in hex, for looking up what must not be stored in the clear."""
        message = "\0".join(parts).encode()
        return hmac.digest(self.derive(f"digest:{purpose}"), message, "sha256").hex()

    def wrap(self, key: bytes, context: str) -> bytes:
        """Encrypt a key under the wrapping key, bound to `context` (which key it is)."""
        return _seal(self._wrapping, key, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Undo `wrap`; raises `SettingsError` where the wrapping key or the context is another."""
        try:
            return _open(self._wrapping, wrapped, context)
        except InvalidTag as error:
            raise SettingsError(f"The key of {context} does not open with the secret of this data folder") from error

    def new_key(self) -> bytes:
        return new_key()

    def sealer(self, key: bytes) -> Sealer:
        return Sealer(key)


class Sealer:
    """Encrypts rows with one data key, each bound to its context."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> bytes:
        return _seal(self._cipher, plain, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Undo `seal`; raises `cryptography.exceptions.InvalidTag` for other bytes or another context."""
        return _open(self._cipher, sealed, context)


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only, durable before it is named."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _create_secret(path: Path) -> None:
    # Written beside and then linked: of two processes that start at once, both read the one that came first.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{_FILE}.{secrets.token_hex(4)}")
    write_private(partial, new_key().hex() + "\n")
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def _seal(cipher: AESGCM, plain: bytes, context: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, context.encode())


def _open(cipher: AESGCM, sealed: bytes, context: str) -> bytes:
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
