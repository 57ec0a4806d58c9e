"""Erasing an account: its key is destroyed, and so is all that was sealed under it, wherever a copy may lie.

That comes first and is durable. Deleting the rows comes after, and is done again where it was interrupted or where a
backup of before has brought them back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from webmon.domain.access import check_asked
from webmon.domain.site import Site
from webmon.domain.staff import Role, Staff
from webmon.errors import InvalidInput, NotAllowed, NotFound
from webmon.services.account_keys import AccountKeys
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRepository

_AT_ONCE = 200
_Detail = dict[str, str | int | bool | None]
# Who asks on their own page: the tombstone says no number of the account either.
_PERSON = "person"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a privacy officer asks for: which account (identifier at the website, or account number) goes, and why.

    `understood`: they say that they know that it cannot be undone.
    """

    subject: str
    account_id: int | None
    reason: str
    understood: bool


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
        return self._erase(found.id, now, actor)

    def erase_own(self, site: Site, account_id: int, now: datetime) -> int:
        """Erase the account of a person who asks for it on their own page, and return how many rows it had.

        Raises `NotFound` where nothing is held, or not any more.
        """
        with self.unit() as accounts:
            found = self.keys.named(accounts, site, "", account_id)
        if found is None:
            raise NotFound("Nothing is held about this account")
        return self._erase(found.id, now, _PERSON)

    def erase_as(self, member: Staff, site: Site, asked: Wish, now: datetime) -> int:
        """Do the same for a privacy officer, whose reason goes on record; that nobody was found as well.

        Raises `NotAllowed` for any other role, `InvalidInput` naming the field, and `NotFound` where nothing is held.
        """
        if member.role_on(site.id) is not Role.PRIVACY:
            raise NotAllowed("Accounts are erased by staff with the role privacy alone")
        reason = _checked(asked)
        with self.unit() as accounts:
            found = self.keys.named(accounts, site, asked.subject, asked.account_id)
            if found is None:
                detail: _Detail = {"found": False, "reason": reason}
                accounts.audit.record(now, member.email, "account_log.search", site_id=site.id, detail=detail)
        if found is None:
            raise NotFound("Nothing is held about such an account")
        return self._erase(found.id, now, member.email, reason)

    def lost(self) -> list[int]:
        """Return the accounts whose keys are missing without having been destroyed, or damaged."""
        with self.unit() as accounts:
            there = set(accounts.ids())
        return sorted(filter(self.keys.is_lost, there - set(self.keys.store.destroyed())))

    def erase_lost(self, now: datetime, *, actor: str) -> int:
        """Erase the accounts that nothing opens any more, and return how many there were."""
        lost = self.lost()
        for account_id in lost:
            self._erase(account_id, now, actor)
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

    def _erase(self, account_id: int, now: datetime, actor: str, reason: str = "") -> int:
        self._destroy(account_id, now)
        return self._delete(account_id, now, actor, reason) or 0

    def _delete(self, account_id: int, now: datetime, actor: str, reason: str = "") -> int | None:
        with self.unit() as accounts:
            account, count = accounts.get(account_id), accounts.erase(account_id)
            if account is None or count is None:
                return None
            # The tombstone: that it was done, and nothing of whom.
            detail: _Detail = {"rows": count} | ({"reason": reason} if reason else {})
            accounts.audit.record(now, actor, "account.erase", site_id=account.site_id, detail=detail)
        self.wipe()
        return count


def _checked(asked: Wish) -> str:
    """Return the reason as it goes on record; raises `InvalidInput`."""
    reason, errors = check_asked(asked.subject, asked.account_id, asked.reason)
    if not asked.understood:
        errors["understood"] = ["must be ticked: it cannot be undone"]
    if errors:
        raise InvalidInput(errors)
    return reason
