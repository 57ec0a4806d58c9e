"""The data keys of accounts: made, wrapped, opened, renewed, destroyed.

What is sealed begins with the number of its key, so an account can have two while its rows are sealed anew. Each row
is bound to its site, its account, its key and its own number: moved anywhere else, it does not open.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag

from webmon.domain.hit import AccountRow, Hit, account_row, decode_row, encode_hit
from webmon.domain.login import LoginClaims
from webmon.domain.site import Site
from webmon.errors import NotFound, Unavailable
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRepository
from webmon.stores.ports.keys import FIRST_KEY, DataKey, DataKeyStore, key_context

_OPEN_KEYS = 10_000
_FORM = b"\x01"
_NUMBER_BYTES = 4
_HEAD_BYTES = len(_FORM) + _NUMBER_BYTES
IDENTITY = "identity"


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
        for number, sealer in self.sealers.items():
            if sealed.startswith(_head(number)):
                try:
                    return sealer.open(sealed[_HEAD_BYTES:], self._context(number, what))
                except InvalidTag:
                    break  # or it is of before there were heads, and begins like one by chance
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
class AccountKeys:
    """`store` keeps the keys, apart from the accounts; a few are kept open."""

    unit: Unit[AccountRepository]
    vault: Vault
    store: DataKeyStore
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: OrderedDict[int, Ring] = field(default_factory=OrderedDict)

    def find_or_add(self, accounts: AccountRepository, site: Site, claims: LoginClaims, now: datetime) -> int:
        """Return the account of the claims, made with a key of its own where it is new.

        Raises `Unavailable` where the key of the account is lost: a copy of it may yet be put back.
        """
        digest = self.digest(site, claims.subject)
        found = accounts.find(site.id, digest)
        if found is not None and not self.is_gone(found.id):
            return found.id
        if found is not None and not self.store.was_destroyed(found.id):
            raise Unavailable("The data key of this account is missing")
        if found is not None:
            # An erasure that was interrupted is completed here: the account begins anew.
            detail = {"rows": accounts.erase(found.id) or 0}
            accounts.audit.record(now, "scheduler", "account.erase", site_id=site.id, detail=detail)
        account_id = accounts.add(site.id, digest, now)
        key = self.vault.new_key()
        # Durable before the account is, so that none is ever without; one that a crash leaves over opens nothing.
        self.store.add(account_id, FIRST_KEY, self.vault.wrap(key, key_context(account_id, FIRST_KEY)), now)
        ring = Ring(site.id, account_id, FIRST_KEY, {FIRST_KEY: self.vault.sealer(key)})
        identity = msgspec.json.encode({"sub": claims.subject, "email": claims.email, "name": claims.name})
        accounts.finish(account_id, ring.seal(identity, IDENTITY))
        return account_id

    def digest(self, site: Site, subject: str) -> str:
        """Return what an account is found by: its own identifier is nowhere in the clear."""
        return self.vault.digest("account", str(site.id), subject)

    def seal(self, account_id: int, hit: Hit, consent: str) -> bytes:
        """Encrypt a row under its account's key, without the pseudonyms that it had; `consent` is its receipt."""
        return self.ring(account_id).seal(encode_hit(account_row(hit, consent)), hit_name(hit.hit_id))

    def open(self, account_id: int, hit_id: int, sealed: bytes) -> AccountRow:
        return decode_row(self.ring(account_id).open(sealed, hit_name(hit_id)))

    def identity(self, account_id: int) -> Mapping[str, str]:
        """Return `sub`, `email` and `name` of an account, as its first token said them."""
        with self.unit() as accounts:
            sealed = accounts.subject(account_id)
        return msgspec.json.decode(self.ring(account_id).open(sealed, IDENTITY), type=dict[str, str])

    def is_gone(self, account_id: int) -> bool:
        """Whether the account's keys are destroyed, or lost: what is still on its way to it cannot arrive."""
        with self._lock:
            if account_id in self._open:
                return False
        return not self.store.keys(account_id)

    def ring(self, account_id: int) -> Ring:
        """Return the account's keys; raises `NotFound` where there are none, or not any more."""
        with self._lock:
            if account_id in self._open:
                self._open.move_to_end(account_id)
                return self._open[account_id]
        with self.unit() as accounts:
            account = accounts.get(account_id)
        keys = self.store.keys(account_id) if account else ()
        if account is None or not keys:
            raise NotFound("Nothing is held about this account")
        ring = Ring(account.site_id, account_id, keys[0].number, self._opened(account_id, keys))
        with self._lock:
            self._open[account_id] = ring
            if len(self._open) > _OPEN_KEYS:
                self._open.popitem(last=False)
        return ring

    def renew(self, account_id: int, now: datetime) -> None:
        """Give the account a new key: what is sealed from now on is sealed under it, the older open what is there."""
        number = self.store.keys(account_id)[0].number + 1
        self.store.add(
            account_id, number, self.vault.wrap(self.vault.new_key(), key_context(account_id, number)), now
        )
        self.forget(account_id)

    def destroy_older(self, account_id: int) -> None:
        """Destroy the keys of an account but that in use: nothing may be sealed under them any more."""
        self.store.destroy_older(account_id, self.ring(account_id).current)
        self.forget(account_id)

    def destroy(self, account_id: int, now: datetime) -> None:
        """Destroy all keys of an account: what was sealed under them opens nowhere any more."""
        self.store.destroy(account_id, now)
        self.forget(account_id)

    def forget(self, account_id: int) -> None:
        """Keep the account's keys open no longer."""
        with self._lock:
            self._open.pop(account_id, None)

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
