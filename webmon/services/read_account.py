"""Reading the account log: by the person, and each reading is on record before a row is shown (invariant 8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from webmon.domain.hit import Hit
from webmon.domain.login import LoginKey, check_token
from webmon.domain.site import Site
from webmon.errors import NotFound
from webmon.services.account_keys import AccountKeys, Vault
from webmon.services.promote_visit import use_up
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRead, AccountRepository

ROWS_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class AccountReader:
    unit: Unit[AccountRepository]
    keys: AccountKeys
    login_keys: Callable[[Site, datetime], Sequence[LoginKey]]
    vault: Vault

    def identify(self, site: Site, token: str, now: datetime) -> int:
        """Return the account of whoever holds the token, using it up.

        Raises `NotAuthenticated` for a token that does not hold, `NotFound` for an account without any log.
        """
        claims = check_token(token, self.login_keys(site, now), site.domain, now)
        with self.unit() as accounts:
            use_up(accounts, self.vault, site, claims)
            found = accounts.find(site.id, self.keys.digest(site, claims.subject))
        if found is None:
            raise NotFound("Nothing is held about this account")
        return found.id

    def hits(self, site: Site, account_id: int, now: datetime, *, actor: str, reason: str) -> list[Hit]:
        """Return the newest rows of an account, decrypted; the reading is in the audit trail before.

        Of an account that was erased there are none.
        """
        if self.keys.is_gone(account_id):
            return []
        detail: dict[str, str | int] = {"account_id": account_id, "reason": reason, "fields": "all"}
        with self.unit() as accounts:
            accounts.audit.record(now, actor, "account_log.read", site_id=site.id, detail=detail)
        with self.unit() as accounts:
            rows = accounts.hits(account_id, ROWS_SHOWN)
        hits = [self.keys.open(account_id, hit_id, sealed) for hit_id, sealed in rows]
        return sorted(hits, key=lambda hit: hit.occurred_at)

    def holds_any(self, site: Site) -> bool:
        """Whether the site's account log holds anything, about whomever."""
        with self.unit() as accounts:
            return accounts.count_hits(site.id) > 0

    def reads(self, site: Site, account_id: int) -> Sequence[AccountRead]:
        """Return who read the account's rows, newest first."""
        with self.unit() as accounts:
            return accounts.reads(site.id, account_id)
