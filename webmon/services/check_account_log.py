"""Whether every row of the account log opens. For who keeps the server: no row is shown, and none is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webmon.services.account_keys import AccountKeys
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import Account, AccountRepository, SealedRow

_AT_ONCE = 2000
_FIRST = (-1, -(2**63))


@dataclass(frozen=True, slots=True)
class Checked:
    """How many rows there are, how many of them do not open, and whose these are."""

    row_count: int
    unopened_count: int
    account_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class AccountLogCheck:
    unit: Unit[AccountRepository]
    keys: AccountKeys

    def run(self) -> Checked:
        """Open every row, in parts: nobody who writes waits for it."""
        row_count, found, after = 0, list[tuple[Account, SealedRow]](), _FIRST
        while rows := self._rows(after, _AT_ONCE):
            row_count += len(rows)
            found += [(account, row) for account, row in rows if not self.keys.opens(account, row.hit_id, row.sealed)]
            after = (rows[-1][0].id, rows[-1][1].hit_id)
        unopened = [account.id for account, row in found if self._is_still_closed(account, row)]
        return Checked(row_count, len(unopened), sorted(set(unopened)))

    def _is_still_closed(self, account: Account, row: SealedRow) -> bool:
        """Look again: meanwhile it may have been deleted, or sealed under a new key."""
        self.keys.forget(account.id)
        again = self._rows((account.id, row.hit_id - 1), 1)
        return any(one.id == row.id and not self.keys.opens(account, one.hit_id, one.sealed) for _, one in again)

    def _rows(self, after: tuple[int, int], limit: int) -> Sequence[tuple[Account, SealedRow]]:
        with self.unit.reading() as accounts:
            return accounts.all_rows(after, limit)
