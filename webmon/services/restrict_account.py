"""Restricting an account (GDPR Art. 18): its rows are stored from then on, and nothing else is done with them.

Whoever leaves something of rows for figures, deletes what is old or shows rows to staff asks the control database
whether the account is restricted, each time anew: what is set here holds at once, and after a restart.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from webmon.domain.access import check_asked, clean_reason
from webmon.domain.site import Site
from webmon.domain.staff import Role, Staff
from webmon.errors import InvalidInput, NotAllowed, NotFound
from webmon.services.account_keys import AccountKeys
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import Account, AccountRepository


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked for: which account (identifier at the website, or account number) is to be restricted, or not to
    be any more, and why."""

    restricted: bool
    reason: str
    subject: str = ""
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How it is with an account now; `changed`: it was not so before."""

    account_id: int
    restricted_at: datetime | None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Restrictions:
    """`log_lock`: held by whoever moves rows."""

    unit: Unit[AccountRepository]
    keys: AccountKeys
    log_lock: threading.Lock

    def standing(self, site: Site, account_id: int) -> Standing | None:
        """Return how it is with an account; None where nothing is held about it, or not any more."""
        with self.unit.reading() as accounts:
            found = self.keys.named(accounts, site, "", account_id)
        return Standing(found.id, found.restricted_at) if found else None

    def change(self, site: Site, asked: Change, now: datetime, *, actor: str) -> Standing:
        """Restrict an account, or lift that; where it is so already, nothing changes and nothing is recorded.

        Nothing more is left of its rows for figures once this returns. Raises `InvalidInput` naming ``subject`` or
        ``reason``, and `NotFound` where nothing is held.
        """
        reason, errors = check_asked(asked.subject, asked.account_id, asked.reason)
        if errors:
            raise InvalidInput(errors)
        with self.unit() as accounts:
            account = self.keys.named(accounts, site, asked.subject, asked.account_id)
            if account is None:
                raise NotFound("Nothing is held about such an account")
            standing = _changed(accounts, account, now, restricted=asked.restricted)
            if standing.changed:
                action = "account.restrict" if asked.restricted else "account.lift_restriction"
                detail: dict[str, str | int | bool | None] = {"account_id": account.id, "reason": reason}
                accounts.audit.record(now, actor, action, site_id=site.id, detail=detail)
        if asked.restricted:
            # What had been decided before leaves something yet, while this is held.
            with self.log_lock:
                pass
        return standing

    def change_as(self, member: Staff, site: Site, asked: Change, now: datetime) -> Standing:
        """Do the same for a privacy officer; that nobody was found is on record as well.

        Raises `NotAllowed` for any other role.
        """
        if member.role_on(site.id) is not Role.PRIVACY:
            raise NotAllowed("Accounts are restricted by staff with the role privacy alone")
        try:
            return self.change(site, asked, now, actor=member.email)
        except NotFound:
            with self.unit() as accounts:
                detail: dict[str, str | int | bool | None] = {"found": False, "reason": clean_reason(asked.reason)}
                accounts.audit.record(now, member.email, "account_log.search", site_id=site.id, detail=detail)
            raise


def _changed(accounts: AccountRepository, account: Account, now: datetime, *, restricted: bool) -> Standing:
    if restricted:
        changed = accounts.restrict(account.id, now)
        return Standing(account.id, now if changed else account.restricted_at, changed)
    return Standing(account.id, None, accounts.lift_restriction(account.id))
