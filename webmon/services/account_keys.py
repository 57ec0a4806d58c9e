"""The data keys of accounts: made, wrapped, opened, renewed, destroyed.

What is sealed begins with the number of its key, so an account can have two while its rows are sealed anew. Each row
is bound to its site, its account, its key and its own number: moved anywhere else, it does not open.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec
import structlog
from cryptography.exceptions import InvalidTag

from webmon.domain.hit import AccountRow, Hit, account_row, decode_row, encode_hit
from webmon.domain.login import LoginClaims
from webmon.domain.site import Site
from webmon.errors import NotFound, SettingsError, Unavailable
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import Account, AccountRepository
from webmon.stores.ports.keys import FIRST_KEY, DataKey, DataKeyStore, NewKey, key_context

_OPEN_KEYS = 10_000
# What JSON's numbers hold exactly; enough that no two accounts ever draw the same.
_ID_BITS = 52
_FORM = b"\x01"
_NUMBER_BYTES = 4
_HEAD_BYTES = len(_FORM) + _NUMBER_BYTES
IDENTITY = "identity"
log = structlog.get_logger()


class Vault(Protocol):
    def new_key(self) -> bytes: ...

    def wrap(self, key: bytes, context: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes: ...

    def digest(self, purpose: str, *parts: str) -> str: ...

    def sealer(self, key: bytes) -> Sealer: ...


class Sealer(Protocol):
    def seal(self, plain: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys of one account, opened; `current` is the number of that in use."""

    site_id: int
    account_id: int
    current: int
    sealers: Mapping[int, Sealer]

    def seal(self, plain: bytes, what: str) -> bytes:
        return _head(self.current) + self.sealers[self.current].seal(plain, self._context(self.current, what))

    def open(self, sealed: bytes, what: str) -> bytes:
        """Undo `seal`; raises `InvalidTag` for other bytes, another place, or a key that was destroyed."""
        number = int.from_bytes(sealed[len(_FORM) : _HEAD_BYTES], "big")
        if number in self.sealers and sealed.startswith(_FORM):
            try:
                return self.sealers[number].open(sealed[_HEAD_BYTES:], self._context(number, what))
            except InvalidTag:
                pass  # or it is of before there were heads, and begins like one by chance
        if FIRST_KEY not in self.sealers:
            raise InvalidTag
        return self.sealers[FIRST_KEY].open(sealed, f"account:{self.account_id}:{what}")

    def renewed(self, sealed: bytes, what: str) -> bytes | None:
        """Return the same under the key in use and in today's form; None where it is that already."""
        if sealed.startswith(_head(self.current)):
            try:
                self.sealers[self.current].open(sealed[_HEAD_BYTES:], self._context(self.current, what))
            except InvalidTag:
                pass
            else:
                return None
        return self.seal(self.open(sealed, what), what)

    def _context(self, number: int, what: str) -> str:
        return f"site:{self.site_id}:account:{self.account_id}:key:{number}:{what}"


@dataclass(frozen=True, slots=True)
class Opening:
    """A transaction in which accounts are opened, and the keys of those that are new in it."""

    accounts: AccountRepository
    new_keys: list[NewKey] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of an account that is known by its digest; `gone`: its keys are destroyed."""

    digest: str
    account: Account | None
    gone: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """Rows of an account, and how many more there are that do not open."""

    rows: Sequence[AccountRow]
    unopened_count: int = 0


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """`store` keeps the keys, apart from the accounts; a few are kept open."""

    unit: Unit[AccountRepository]
    vault: Vault
    store: DataKeyStore
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: OrderedDict[int, Ring] = field(default_factory=OrderedDict)

    @contextmanager
    def opening(self) -> Iterator[Opening]:
        """One transaction, in which accounts may be opened.

        Their keys are durable before it is, all at once, so that no account is ever without; those that a crash
        leaves over open nothing.
        """
        with self.unit() as accounts:
            opening = Opening(accounts)
            yield opening
            if opening.new_keys:
                self.store.add(opening.new_keys)

    def find(self, accounts: AccountRepository, site: Site, subject: str) -> Found:
        """Return what there is of an account.

        Raises `Unavailable` where its key is lost: a copy of it may yet be put back.
        """
        digest = self.digest(site, subject)
        account = accounts.find(site.id, digest)
        if account is not None:
            self.check_not_lost(account.id)
        return Found(digest, account, gone=account is not None and self.is_gone(account.id))

    def named(self, accounts: AccountRepository, site: Site, subject: str, account_id: int | None) -> Account | None:
        """Return the site's account of that number, or else that which the website calls so.

        None where nothing is held, or its keys are destroyed; where they are missing, something is held.
        """
        # By a keyed digest: the identifier itself is stored nowhere in the clear.
        names = () if account_id is not None else dict.fromkeys((subject, subject.strip()))  # as it is, then as meant
        tried = (accounts.find(site.id, self.digest(site, name)) for name in names)
        found = accounts.get(account_id) if account_id is not None else next(filter(None, tried), None)
        if found is None or found.site_id != site.id or self.is_destroyed(found.id):
            return None
        return found

    def open_account(self, opening: Opening, site: Site, found: Found, claims: LoginClaims, now: datetime) -> int:
        """Return the account that was found, or a new one with a key of its own where none was."""
        if found.account is not None and not found.gone:
            return found.account.id
        if found.account is not None:
            # An erasure that was interrupted is completed here: the account begins anew.
            detail = {"rows": opening.accounts.erase(found.account.id) or 0}
            opening.accounts.audit.record(now, "scheduler", "account.erase", site_id=site.id, detail=detail)
        return self._new(opening, site, found.digest, claims, now)

    def _new(self, opening: Opening, site: Site, digest: str, claims: LoginClaims, now: datetime) -> int:
        # Drawn by chance: the number of an erased account never comes again.
        account, key = Account(secrets.randbits(_ID_BITS), site.id), self.vault.new_key()
        wrapped = self.vault.wrap(key, key_context(account.id, FIRST_KEY))
        opening.new_keys.append(NewKey(account.id, FIRST_KEY, wrapped, now))
        ring = Ring(site.id, account.id, FIRST_KEY, {FIRST_KEY: self.vault.sealer(key)})
        identity = msgspec.json.encode({"sub": claims.subject, "email": claims.email, "name": claims.name})
        opening.accounts.add(account, digest, ring.seal(identity, IDENTITY), now)
        self._keep_open(ring)  # known at once, also to who signs in with the same account in the same transaction
        return account.id

    def digest(self, site: Site, subject: str) -> str:
        """Return what an account is found by: its own identifier is nowhere in the clear."""
        return self.vault.digest("account", str(site.id), subject)

    def seal(self, account_id: int, hit: Hit, consent: str) -> bytes:
        """Encrypt a row under its account's key, without the pseudonyms that it had; `consent` is its receipt."""
        return self.ring(account_id).seal(encode_hit(account_row(hit, consent)), hit_name(hit.hit_id))

    def open(self, account_id: int, hit_id: int, sealed: bytes) -> AccountRow:
        return decode_row(self.ring(account_id).open(sealed, hit_name(hit_id)))

    def open_or_none(self, account_id: int, hit_id: int, sealed: bytes) -> AccountRow | None:
        """Open a row of an account; None for one that was changed, or moved here from elsewhere."""
        plain = self._opened_or_none(account_id, hit_name(hit_id), sealed)
        return None if plain is None else decode_row(plain)

    def open_all(self, account_id: int, rows: Sequence[tuple[int, bytes]]) -> Opened:
        """Open rows of one account: their hit ids, and what is sealed. One that does not open hides no other."""
        found = [self._opened_or_none(account_id, hit_name(hit_id), sealed) for hit_id, sealed in rows]
        opened = [decode_row(plain) for plain in found if plain is not None]
        if len(opened) < len(rows):
            log.error("account_log.unopened", account_id=account_id, rows=len(rows) - len(opened))
        return Opened(opened, len(rows) - len(opened))

    def identity(self, account_id: int) -> Mapping[str, str]:
        """Return `sub`, `email` and `name` of an account, as its first token said them; nothing where that fails."""
        with self.unit() as accounts:
            sealed = accounts.subject(account_id)
        plain = self._opened_or_none(account_id, IDENTITY, sealed)
        if plain is None:
            log.error("account.identity_unopened", account_id=account_id)
            return {}
        return msgspec.json.decode(plain, type=dict[str, str])

    def opens(self, account: Account, hit_id: int, sealed: bytes) -> bool:
        """Whether a row of an account opens, without a look at what is in it; of one that is gone none has to."""
        try:
            self.ring_of(account).open(sealed, hit_name(hit_id))
        except NotFound:
            return True
        except (InvalidTag, SettingsError):
            return False
        return True

    def _opened_or_none(self, account_id: int, what: str, sealed: bytes) -> bytes | None:
        """What was sealed; None for what was changed, or moved here from elsewhere, and where the key is lost."""
        try:
            return self.ring(account_id).open(sealed, what)
        except (InvalidTag, SettingsError):
            return None
        except NotFound:
            if self.is_destroyed(account_id):
                raise
            return None

    def is_gone(self, account_id: int) -> bool:
        """Whether the account's keys are destroyed, or lost: what is still on its way to it cannot arrive."""
        with self._lock:
            if account_id in self._open:
                return False
        return not self.store.keys(account_id)

    def is_destroyed(self, account_id: int) -> bool:
        """Whether the account's keys were destroyed: nothing is held any more."""
        return self.is_gone(account_id) and self.store.was_destroyed(account_id)

    def is_lost(self, account_id: int) -> bool:
        """Whether the account's keys are missing without having been destroyed, or damaged: they may be put back."""
        if self._known(account_id) is not None:
            return False
        keys = self.store.keys(account_id)
        return not self._open_all(account_id, keys) if keys else not self.store.was_destroyed(account_id)

    def check_not_lost(self, account_id: int) -> None:
        """Raise `Unavailable` where the keys of an account are lost."""
        if self.is_lost(account_id):
            raise Unavailable(
                "The data key of an account is missing or damaged: put the newest copy of the folder keys back, or "
                "run `webmon account erase-lost`; what is on its way to the account waits until then"
            )

    def ring(self, account_id: int) -> Ring:
        """Return the account's keys.

        Raises `NotFound` where there are none, or not any more, and `SettingsError` where one is damaged.
        """
        known = self._known(account_id)
        if known is not None:
            return known
        with self.unit() as accounts:
            account = accounts.get(account_id)
        if account is None:
            raise NotFound("Nothing is held about this account")
        return self.ring_of(account)

    def ring_of(self, account: Account) -> Ring:
        """Return the keys of an account that was found already; raises `NotFound` as `ring` does."""
        known = self._known(account.id)
        if known is not None:
            return known
        keys = self.store.keys(account.id)
        if not keys:
            raise NotFound("Nothing is held about this account")
        ring = Ring(account.site_id, account.id, keys[0].number, self._opened(account.id, keys))
        self._keep_open(ring)
        if not self.store.keys(account.id):
            # Destroyed between the look and the keeping, when there was nothing to forget yet.
            self.forget(account.id)
            raise NotFound("Nothing is held about this account")
        return ring

    def _known(self, account_id: int) -> Ring | None:
        with self._lock:
            if account_id in self._open:
                self._open.move_to_end(account_id)
            return self._open.get(account_id)

    def renew(self, account_id: int, now: datetime) -> None:
        """Give the account a new key: what is sealed from now on is sealed under it, the older open what is there."""
        number = self.store.keys(account_id)[0].number + 1
        wrapped = self.vault.wrap(self.vault.new_key(), key_context(account_id, number))
        self.store.add([NewKey(account_id, number, wrapped, now)])
        self.forget(account_id)

    def destroy_older(self, account_id: int) -> None:
        """Destroy the keys of an account but that in use: nothing may be sealed under them any more."""
        self.store.destroy_older(account_id, self.ring(account_id).current)
        self.forget(account_id)

    def destroy(self, account_id: int, now: datetime) -> None:
        """Destroy all keys of an account: what was sealed under them opens nowhere any more."""
        self.destroy_all([account_id], now)

    def destroy_all(self, account_ids: Collection[int], now: datetime) -> None:
        try:
            self.store.destroy(account_ids, now)
        finally:
            # Also where the file could not be written anew after it: what is destroyed is not to be used any more.
            for account_id in account_ids:
                self.forget(account_id)

    def forget(self, account_id: int) -> None:
        """Keep the account's keys open no longer."""
        with self._lock:
            self._open.pop(account_id, None)

    def _keep_open(self, ring: Ring) -> None:
        with self._lock:
            self._open[ring.account_id] = ring
            if len(self._open) > _OPEN_KEYS:
                self._open.popitem(last=False)

    def _open_all(self, account_id: int, keys: Sequence[DataKey]) -> bool:
        try:
            self._opened(account_id, keys)
        except SettingsError:
            return False
        return True

    def _opened(self, account_id: int, keys: Sequence[DataKey]) -> Mapping[int, Sealer]:
        return {
            key.number: self.vault.sealer(self.vault.unwrap(key.wrapped, key_context(account_id, key.number)))
            for key in keys
        }


def hit_name(hit_id: int) -> str:
    """What a row is called where it is bound to its place."""
    return f"hit:{hit_id}"


def _head(number: int) -> bytes:
    return _FORM + number.to_bytes(_NUMBER_BYTES, "big")
