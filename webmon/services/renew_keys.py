"""New data keys for accounts, in the background: their rows are sealed anew, then the old key is destroyed.

Whoever has stolen a data key reads nothing that is written a year later. Each step is idempotent: interrupted
anywhere, the next run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from cryptography.exceptions import InvalidTag

from webmon.errors import NotFound, SettingsError, told
from webmon.services.account_keys import IDENTITY, AccountKeys, Ring, hit_name
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRepository

LIFETIME = timedelta(days=365)
# A row that was sealed just before the renewal, under the old key, is in a store within this time.
SETTLING = timedelta(minutes=5)
_ACCOUNTS_AT_ONCE = 1000
_ROWS_AT_ONCE = 500
log = structlog.get_logger()


class SpoolView(Protocol):
    def holds_account(self, account_id: int) -> bool:
        """Whether a row that is sealed for the account still waits in a spool."""


@dataclass(frozen=True, slots=True)
class KeyRenewal:
    unit: Unit[AccountRepository]
    keys: AccountKeys
    spools: SpoolView

    def run(self, now: datetime) -> int:
        """Renew what is due, complete what was renewed before, and return how many accounts were completed."""
        for account_id in self.keys.store.made_before(now - LIFETIME, _ACCOUNTS_AT_ONCE):
            self.keys.renew(account_id, now)
        renewed = self.keys.store.renewed_before(now - SETTLING, _ACCOUNTS_AT_ONCE)
        completed = sum(self._complete(account_id) for account_id in renewed)
        if completed:
            self.keys.store.wipe()
            with self.unit() as accounts:
                accounts.audit.record(now, "scheduler", "data_key.renew", detail={"keys": completed})
        return completed

    def _complete(self, account_id: int) -> bool:
        try:
            ring = self.keys.ring(account_id)
        except NotFound:
            return False  # erased meanwhile, or left by a sign-in that was interrupted
        except SettingsError as error:
            log.error("data_key.unopened", account_id=account_id, error=told(error))
            return False  # nobody else is to wait for an account whose key is damaged
        self._reseal_identity(ring)
        self._reseal_rows(ring)
        # Rows that wait are sealed under the key in use when they arrive; until then the old one opens them.
        if self.spools.holds_account(account_id):
            return False
        self.keys.destroy_older(account_id)
        return True

    def _reseal_identity(self, ring: Ring) -> None:
        with self.unit() as accounts:
            renewed = _renewed(ring, accounts.subject(ring.account_id), IDENTITY)
            if renewed is not None:
                accounts.finish(ring.account_id, renewed)

    def _reseal_rows(self, ring: Ring) -> None:
        last = -1
        while True:
            with self.unit() as accounts:
                rows = accounts.rows(ring.account_id, last, _ROWS_AT_ONCE)
                for row in rows:
                    renewed = _renewed(ring, row.sealed, hit_name(row.hit_id))
                    if renewed is not None:
                        accounts.reseal(row, renewed)
            if not rows:
                return
            last = rows[-1].id


def _renewed(ring: Ring, sealed: bytes, what: str) -> bytes | None:
    """As `Ring.renewed`; None also for what none of the account's keys opens: they are not kept for it."""
    try:
        return ring.renewed(sealed, what)
    except InvalidTag:
        log.error("account_log.unopened", account_id=ring.account_id, rows=1)
        return None
