"""Erasing an account: its key is destroyed, and so is all that was sealed under it, wherever a copy may lie.

That comes first and is durable. Deleting the rows comes after, and is done again where it was interrupted or where a
backup of before has brought them back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from webmon.domain.site import Site
from webmon.errors import NotFound
from webmon.services.account_keys import AccountKeys
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRepository

_AT_ONCE = 200


class SignedInVisits(Protocol):
    def end_account(self, account_id: int, now: datetime) -> None:
        """End every signed-in visit of an account."""


@dataclass(frozen=True, slots=True)
class AccountEraser:
    """`wipe` leaves nothing of deleted rows in write-ahead logs."""

    unit: Unit[AccountRepository]
    keys: AccountKeys
    visits: SignedInVisits
    wipe: Callable[[], None]

    def erase(self, site: Site, subject: str, now: datetime, *, actor: str) -> int:
        """Erase the account that the website knows by `subject`, and return how many rows it had.

        Raises `NotFound` where nothing is held.
        """
        with self.unit() as accounts:
            found = accounts.find(site.id, self.keys.digest(site, subject))
        if found is None:
            raise NotFound(f"Nothing is held about this account of {site.domain}")
        self._destroy(found.id, now)
        return self._delete(found.id, now, actor) or 0

    def lost(self) -> list[int]:
        """Return the accounts whose keys are missing without having been destroyed."""
        with self.unit() as accounts:
            there = set(accounts.ids())
        return sorted(there - set(self.keys.store.accounts()) - set(self.keys.store.destroyed()))

    def erase_lost(self, now: datetime, *, actor: str) -> int:
        """Erase the accounts that nothing opens any more, and return how many there were."""
        lost = self.lost()
        for account_id in lost:
            self._destroy(account_id, now)
            self._delete(account_id, now, actor)
        return len(lost)

    def finish(self, now: datetime) -> int:
        """Bring erasures to their end whose rows are still there, and return how many there were."""
        found = [self._delete(account_id, now, "scheduler") for account_id in self.keys.store.destroyed()]
        return sum(count is not None for count in found)

    def erase_empty(self, before: Mapping[int, datetime], now: datetime) -> int:
        """Erase the accounts of which nothing is held any more, and return how many there were.

        `before`: for each site, since when an account must have been there. In one transaction: who signs in
        meanwhile waits for it, and begins anew.
        """
        count = 0
        for site_id, cutoff in before.items():
            while found := self._erase_empty(site_id, cutoff, now):
                count += found
        if count:
            self.wipe()
        return count

    def _erase_empty(self, site_id: int, cutoff: datetime, now: datetime) -> int:
        with self.unit() as accounts:
            found = accounts.empty(site_id, cutoff, _AT_ONCE)
            if found:
                self.keys.destroy_all(found, now)
            for account_id in found:
                accounts.erase(account_id)
                accounts.audit.record(now, "scheduler", "account.erase", site_id=site_id, detail={"rows": 0})
        return len(found)

    def _destroy(self, account_id: int, now: datetime) -> None:
        self.visits.end_account(account_id, now)
        self.keys.destroy(account_id, now)
        # Who signed in meanwhile has found the account still.
        self.visits.end_account(account_id, now)

    def _delete(self, account_id: int, now: datetime, actor: str) -> int | None:
        with self.unit() as accounts:
            account, count = accounts.get(account_id), accounts.erase(account_id)
            if account is None or count is None:
                return None
            # The tombstone: that it was done, and nothing of whom.
            accounts.audit.record(now, actor, "account.erase", site_id=account.site_id, detail={"rows": count})
        self.wipe()
        return count
