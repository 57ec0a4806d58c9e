"""Erasing what was collected under a consent that was withdrawn: those rows, from every file, and no other.

Rows of the event log are found by the visitor's pseudonym. Those of the account log have none; while the visitor is
signed in, the account is known, and each of its rows says under which consent it was collected.

A request is written down with the withdrawal itself, so that a crash does not lose it, and crossed out once nothing
is left. Until then it holds the visitor's pseudonyms.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from webmon.domain.consent import Collected, collected_under
from webmon.domain.hit import AccountRow
from webmon.domain.pseudonym import RAW_ID_FORM, is_raw_id
from webmon.domain.site import Site
from webmon.errors import InvalidInput, Unavailable, told
from webmon.services.record_consent import account_for, line_of
from webmon.stores.ports import Unit
from webmon.stores.ports.consent import ConsentRepository, Erasure

# A hit that was let in just before the withdrawal reaches the spool within this time.
SETTLING = timedelta(seconds=10)
_ACTOR = "visitor"

log = structlog.get_logger()


class PseudonymSource(Protocol):
    def visitor_ever(self, site_id: int, raw: str) -> list[int]: ...


class Rows(Protocol):
    def delete_consented(self, site_id: int, visitor_ids: Collection[int]) -> int:
        """Delete the visitors' rows that were collected under consent; return how many there were."""


class Spools(Rows, Protocol):
    def holds_account(self, account_id: int) -> bool:
        """Whether a row that is sealed for the account still waits."""


class EventLog(Rows, Protocol):
    def compact(self) -> list[str]:
        """Rewrite the files from which rows were deleted."""


class SignIns(Protocol):
    def signed_in(self, site_id: int, pseudonyms: Sequence[int]) -> int | None:
        """Return the account that the visitor is signed in with, if any."""

    def accounts_of(self, site_id: int, pseudonyms: Sequence[int], since: datetime) -> set[int]:
        """Return the accounts that the visitor has been signed in with since then."""

    def is_moving(self, account_id: int) -> bool:
        """Whether rows are on their way to the account that came before a sign-in."""


class AccountLog(Protocol):
    def delete_rows(self, account_id: int, concerned: Callable[[AccountRow], bool]) -> int:
        """Delete the rows of an account that are concerned; return how many there were."""


class VisitBook(Protocol):
    def end(self, site_id: int, visitor_id: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Eraser:
    """`log_lock`: held by whoever moves rows. `wipe` leaves nothing of deleted rows in write-ahead logs."""

    unit: Unit[ConsentRepository]
    source: PseudonymSource
    visits: VisitBook
    events: EventLog
    spools: Spools
    sign_ins: SignIns
    accounts: AccountLog
    log_lock: threading.Lock
    wipe: Callable[[], None]
    wake: threading.Event = field(default_factory=threading.Event)

    def whose(self, site: Site, visitor: str, account_id: int | None = None) -> Collected:
        """Return whose rows are concerned: the visitor's, by the browser's own identifier, and their account's.

        The pseudonyms are all that the visitor has had, under every key that still lives. The account is the one that
        is given, or that the visitor is signed in with. Raises `InvalidInput` for what is no identifier.
        """
        if visitor and not is_raw_id(visitor):
            raise InvalidInput.field("visitor", RAW_ID_FORM)
        pseudonyms = self.source.visitor_ever(site.id, visitor) if visitor else ()
        if account_id is None:
            account_id = self.sign_ins.signed_in(site.id, pseudonyms)
        return Collected(tuple(pseudonyms), account_id)

    def erase(self, site: Site, whose: Collected, receipt_id: str, now: datetime) -> int | None:
        """Delete the rows, and return how many there were; `advance` then sees that they are in no file either.

        The request was recorded with the withdrawal (`ConsentRequest.erase`): None where the event log cannot be
        written just now, which is done when it can be again.
        """
        for visitor_id in whose.pseudonyms:
            self.visits.end(site.id, visitor_id)
        try:
            count = self._delete(Erasure(0, site.id, whose, receipt_id, now), now)
        except Unavailable as error:
            log.error("erasure.waits", error=told(error))
            return None
        self._record(site.id, count, now)
        self.wake.set()
        return count

    def advance(self, now: datetime) -> int:
        """Bring every erasure to its end as far as that can be yet, and return how many are done."""
        with self.unit() as consents:
            waiting = consents.erasures()
        if not waiting:
            return 0
        tried = [one for one in waiting if self._is_deleted(one, now)]
        with self.log_lock:
            self.events.compact()
            done = [one for one in tried if self._is_done(one, now)]
        self._finish(done)
        self.wipe()
        return len(done)

    def _delete(self, asked: Erasure, now: datetime) -> int:
        with self.log_lock:
            # First where rows come from: one that is on its way is found here or there.
            count = self.spools.delete_consented(asked.site_id, asked.whose.pseudonyms)
            count += self.events.delete_consented(asked.site_id, asked.whose.pseudonyms)
            return count + sum(self._delete_from_account(asked, one) for one in self._accounts_of(asked, now))

    def _is_deleted(self, asked: Erasure, now: datetime) -> bool:
        """Delete what there is; False where that cannot be just now, for which nobody else's has to wait."""
        try:
            count = self._delete(asked, now)
        except Unavailable as error:
            log.error("erasure.waits", error=told(error))
            return False
        if count:
            self._record(asked.site_id, count, now)
        return True

    def _accounts_of(self, asked: Erasure, now: datetime) -> set[int]:
        """Return the account that is concerned, and those to which a sign-in beside the withdrawal has moved rows.

        The latter are concerned from now on: on record, and for as long as rows may be on their way to them.
        """
        known = set() if asked.whose.account_id is None else {asked.whose.account_id}
        found = self.sign_ins.accounts_of(asked.site_id, asked.whose.pseudonyms, asked.requested_at) - known
        if found:
            with self.unit() as consents:
                of_it = {
                    one.whose.account_id
                    for one in consents.erasures()
                    if (one.site_id, one.receipt_id) == (asked.site_id, asked.receipt_id)
                }
                for account_id in found - of_it:
                    whose = Collected(account_id=account_id)
                    consents.add_erasure(asked.site_id, whose, asked.receipt_id, now)
                    account_for(consents, asked.site_id, whose, now)
        return known | found

    def _delete_from_account(self, asked: Erasure, account_id: int) -> int:
        with self.unit() as consents:
            line = line_of(consents, asked.site_id, asked.receipt_id)
        return self.accounts.delete_rows(account_id, lambda row: collected_under(line, row))

    def _is_done(self, one: Erasure, now: datetime) -> bool:
        """Whether none of the rows can come to the account log any more, which takes what waits for it again."""
        account_id = one.whose.account_id
        if account_id is not None and (self.spools.holds_account(account_id) or self.sign_ins.is_moving(account_id)):
            return False
        return now - one.requested_at >= SETTLING

    def _record(self, site_id: int, count: int, now: datetime) -> None:
        """The tombstone: that it was done, and nothing of whom."""
        with self.unit() as consents:
            consents.audit.record(now, _ACTOR, "consent.erase", site_id=site_id, detail={"rows": count})

    def _finish(self, done: Sequence[Erasure]) -> None:
        with self.unit() as consents:
            for one in done:
                consents.finish_erasure(one.id)
