"""Sign-in and sign-out: a visit's rows leave the event log and stand, encrypted, in the account log.

A promotion is one durable row. From the moment it is written, whoever moves rows of its visit moves them to the
account log; `advance` fetches what had reached the event log before. Everything is idempotent by hit id, so a crash
anywhere is followed by doing it again.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from webmon.domain.hit import AccountRow, Hit, decode_hit
from webmon.domain.login import LoginClaims, LoginKey, check_token, clean_attribute, clean_subject
from webmon.domain.pseudonym import RAW_ID_FORM, is_raw_id
from webmon.domain.site import Site
from webmon.domain.visit import INACTIVITY
from webmon.errors import InvalidInput, NotAuthenticated
from webmon.services.account_keys import AccountKeys, Vault
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRepository, Promotion, SealedHit
from webmon.stores.ports.spool import SpooledEntry, SpoolEntry

_CLAIM = timedelta(minutes=2)
# A hit that had found its visit when the visit ended reaches the spool within this time.
_SETTLING = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class AccountName:
    """Who is signed in, as a backend says it: the opaque identifier and, where wanted, address and name."""

    subject: str
    email: str = ""
    name: str = ""


class VisitBook(Protocol):
    def current(self, site_id: int, visitor_id: int, now: datetime) -> int | None: ...

    def assign(self, site_id: int, visitor_id: int, account_id: int, visit_id: int, seen_at: datetime) -> None: ...

    def end(self, site_id: int, visitor_id: int) -> None: ...


class PseudonymSource(Protocol):
    def visitor(self, site_id: int, raw: str) -> int: ...


class EventLog(Protocol):
    def visit_hits(self, site_id: int, visit_id: int) -> list[Hit]: ...

    def delete_visit(self, site_id: int, visit_id: int) -> int: ...

    def compact(self) -> list[str]: ...


class SpoolView(Protocol):
    def holds_visit(self, site_id: int, visit_id: int) -> bool:
        """Whether a row of the visit still waits in a spool."""


class AccountKeeper:
    """Moves signed-in visits to the account log, and keeps them coming there while they last."""

    def __init__(
        self,
        unit: Unit[AccountRepository],
        keys: AccountKeys,
        login_keys: Callable[[Site, datetime], Sequence[LoginKey]],
        vault: Vault,
        pseudonyms: PseudonymSource,
        visits: VisitBook,
        events: EventLog,
        log_lock: threading.Lock,
        spools: SpoolView,
        wipe: Callable[[], None],
    ) -> None:
        """`wipe` empties the write-ahead logs of spool and control database: what was deleted is then nowhere."""
        self._unit = unit
        self._keys = keys
        self._login_keys = login_keys
        self._vault = vault
        self._pseudonyms = pseudonyms
        self._visits = visits
        self._events = events
        self._log_lock = log_lock
        self._spools = spools
        self._wipe = wipe
        self._lock = threading.Lock()
        # Promotions whose visits may still have rows on their way, by (site, visit).
        self._active: dict[tuple[int, int], Promotion] = {}
        self.wake = threading.Event()

    # What a website's page asks for

    def login(self, site: Site, token: str, visitor: str, visit: str, now: datetime, *, consent: str = "") -> None:
        """Say that the visitor is signed in; durable when this returns.

        `consent` is the receipt under which the visit was collected so far, where it is known.
        Where no visit goes on yet, the next hit begins one of the account. Without a visitor (no consent) the token
        is used up and nothing is promoted. Raises `NotAuthenticated` naming ``token``, `InvalidInput` for
        identifiers that are none.
        """
        _check_identifiers(visitor=visitor, visit=visit, consent=consent)
        claims = check_token(token, self._login_keys(site, now), site.domain, now)
        self._sign_in(
            site, claims, visitor, consent, now, lambda accounts: use_up(accounts, self._vault, site, claims)
        )

    def login_as(
        self, site: Site, account: AccountName, visitor: str, visit: str, now: datetime, consent: str = ""
    ) -> None:
        """Say the same on the word of the website's backend, which holds an API key: no token is needed.

        Raises `InvalidInput` naming the field.
        """
        _check_identifiers(visitor=visitor, visit=visit, consent=consent)
        try:
            subject = clean_subject(account.subject)
        except ValueError as error:
            raise InvalidInput.field("account", str(error)) from error
        claims = LoginClaims(subject, "", now, clean_attribute(account.email), clean_attribute(account.name))
        self._sign_in(site, claims, visitor, consent, now, lambda _: None)

    def _sign_in(
        self,
        site: Site,
        claims: LoginClaims,
        visitor: str,
        consent: str,
        now: datetime,
        use: Callable[[AccountRepository], None],
    ) -> None:
        """`use`: what is done first, in the same transaction."""
        visitor_id = self._pseudonyms.visitor(site.id, visitor) if visitor else None
        with self._lock, self._unit() as accounts:
            use(accounts)
            account_id = self._keys.find_or_add(accounts, site, claims, now)
            promotion = self._request(accounts, site, account_id, visitor_id, consent, now)
        if promotion is not None and promotion.visitor_id is not None and promotion.visit_id is not None:
            self._active[site.id, promotion.visit_id] = promotion
            self._visits.assign(site.id, promotion.visitor_id, account_id, promotion.visit_id, now)
            self.wake.set()

    def logout(self, site: Site, visitor: str, visit: str, now: datetime) -> None:
        """End the signed-in visit: what follows is a new visit, in the event log again."""
        _check_identifiers(visitor=visitor, visit=visit)
        if not visitor:
            return
        visitor_id = self._pseudonyms.visitor(site.id, visitor)
        self._visits.end(site.id, visitor_id)
        with self._lock, self._unit() as accounts:
            self._end(accounts, [one for one in self._going() if one.visitor_id == visitor_id], now)
        self.wake.set()

    def end_account(self, account_id: int, now: datetime) -> None:
        """End every signed-in visit of an account, on whatever browser: what follows is nobody's."""
        with self._lock, self._unit() as accounts:
            going = [one for one in self._going() if one.account_id == account_id]
            self._end(accounts, going, now)
        for one in going:
            if one.visitor_id is not None:
                self._visits.end(one.site_id, one.visitor_id)
        self.wake.set()

    # What the hot path and the ingester ask for

    def seal(self, account_id: int, hit: Hit, consent: str) -> bytes:
        return self._keys.seal(account_id, hit, consent)

    def promoted_visits(self) -> list[int]:
        """Return the visits of which rows may still be on their way; they are drawn, so no two sites share one."""
        return [visit_id for _, visit_id in list(self._active)]

    def take(self, entries: Sequence[SpooledEntry]) -> None:
        """Store entries of accounts and of promoted visits in the account log, durably.

        A plain row of a promoted visit was on its way when its visitor signed in: it is sealed now.
        """
        sealed: list[SealedHit] = []
        seen: dict[int, datetime] = {}
        for spooled in entries:
            entry = spooled.entry
            promotion = self._active.get((entry.site_id, entry.visit_id))
            account_id = entry.account_id or (promotion.account_id if promotion else None)
            if account_id is None:
                raise ValueError(f"entry {spooled.id} is of no promoted visit and of no account")
            if self._keys.is_gone(account_id):
                continue  # erased while its row was on its way
            hit = self._open(account_id, entry)
            sealed.append(self._seal_hit(account_id, hit, promotion.consent if promotion else ""))
            if promotion is not None:
                seen[promotion.id] = hit.occurred_at.replace(tzinfo=UTC)
        with self._unit() as accounts:
            accounts.put_hits(sealed)
            for number, moment in seen.items():
                accounts.seen(number, moment)
        self._note_seen(seen)

    # What an erasure asks for

    def signed_in(self, site_id: int, pseudonyms: Sequence[int]) -> int | None:
        """Return the account that the visitor is signed in with, if any."""
        going = [one for one in self._going() if one.site_id == site_id and one.visitor_id in pseudonyms]
        return going[-1].account_id if going else None

    def delete_rows(self, account_id: int, concerned: Callable[[AccountRow], bool]) -> int:
        """Delete the rows of an account that are concerned, and return how many there were."""
        with self._unit() as accounts:
            rows = accounts.hits(account_id, None)
        gone = [hit_id for hit_id, sealed in rows if concerned(self._keys.open(account_id, hit_id, sealed))]
        with self._unit() as accounts:
            accounts.delete_hits(account_id, gone)
        return len(gone)

    # What the worker does

    def restore(self, now: datetime) -> None:
        """Take up what was going on before a restart: promotions on their way, visits still signed in."""
        with self._unit() as accounts:
            promotions = accounts.active_promotions()
        with self._lock:
            self._active = {(one.site_id, one.visit_id): one for one in promotions if one.visit_id is not None}
        for one in promotions:
            if one.visit_id is None or one.visitor_id is None or one.ended_at is not None:
                continue
            if now - one.last_seen_at < INACTIVITY:
                self._visits.assign(one.site_id, one.visitor_id, one.account_id, one.visit_id, one.last_seen_at)
        self.wake.set()

    def advance(self, now: datetime) -> int:
        """Bring every promotion forward as far as it goes, and return how many were completed."""
        with self._lock:
            waiting = [one for one in self._active.values() if not one.done]
        completed = [one for one in waiting if self._complete(one, now)]
        if completed:
            self._wipe()
        self._forget_ended(now)
        return len(completed)

    def end_idle(self, now: datetime) -> int:
        """End the signed-in visits without a hit for half an hour, and return how many there were."""
        with self._lock, self._unit() as accounts:
            idle = [one for one in self._going() if self._idle(one, now)]
            self._end(accounts, idle, now)
        for one in idle:
            if one.visitor_id is not None:
                self._visits.end(one.site_id, one.visitor_id)
        self._forget_ended(now)
        return len(idle)

    # Inner workings

    def _request(
        self,
        accounts: AccountRepository,
        site: Site,
        account_id: int,
        visitor_id: int | None,
        consent: str,
        now: datetime,
    ) -> Promotion | None:
        if visitor_id is None:
            return None
        going = [one for one in self._going() if one.visitor_id == visitor_id and one.site_id == site.id]
        if any(one.account_id == account_id for one in going):
            return None
        # Another account on the same browser: its visit ends here, and a new one, of this account, begins.
        self._end(accounts, going, now)
        current = None if going else self._visits.current(site.id, visitor_id, now)
        visit_id = secrets.randbits(63) if current is None else current
        number = accounts.add_promotion(site.id, account_id, visitor_id, visit_id, now, consent)
        return Promotion(number, site.id, account_id, visitor_id, visit_id, False, now, None, consent)

    def _going(self) -> list[Promotion]:
        return [one for one in self._active.values() if one.ended_at is None]

    def _idle(self, one: Promotion, now: datetime) -> bool:
        return now - one.last_seen_at >= INACTIVITY

    def _end(self, accounts: AccountRepository, promotions: Sequence[Promotion], now: datetime) -> None:
        for one in promotions:
            accounts.end(one.id, now)
            self._active[one.site_id, one.visit_id or 0] = replace(one, ended_at=now)

    def _complete(self, one: Promotion, now: datetime) -> bool:
        visit_id = one.visit_id or 0
        with self._unit() as accounts:
            if not accounts.claim(one.id, now + _CLAIM, now):
                return False
        with self._log_lock:
            hits = self._events.visit_hits(one.site_id, visit_id)
            erased = self._keys.is_gone(one.account_id)
            sealed = [] if erased else [self._seal_hit(one.account_id, hit, one.consent) for hit in hits]
            with self._unit() as accounts:
                accounts.put_hits(sealed)
            self._events.delete_visit(one.site_id, visit_id)
            self._events.compact()
        with self._lock, self._unit() as accounts:
            accounts.mark_done(one.id)
            known = self._active.get((one.site_id, visit_id))
            if known is not None:
                self._active[one.site_id, visit_id] = replace(known, done=True)
        return True

    def _forget_ended(self, now: datetime) -> None:
        """Empty the pseudonyms of visits that are over, once no row of theirs can still be on its way."""
        with self._log_lock, self._lock:
            over = [one for one in self._active.values() if self._is_over(one, now)]
            if not over:
                return
            with self._unit() as accounts:
                for one in over:
                    accounts.forget(one.id)
                    del self._active[one.site_id, one.visit_id or 0]
        self._wipe()

    def _is_over(self, one: Promotion, now: datetime) -> bool:
        ended = one.done and one.ended_at is not None and now - one.ended_at >= _SETTLING
        return ended and not self._spools.holds_visit(one.site_id, one.visit_id or 0)

    def _note_seen(self, seen: Mapping[int, datetime]) -> None:
        with self._lock:
            for place, one in self._active.items():
                if one.id in seen:
                    self._active[place] = replace(one, last_seen_at=max(seen[one.id], one.last_seen_at))

    def _open(self, account_id: int, entry: SpoolEntry) -> Hit:
        if entry.account_id is None:
            return decode_hit(entry.body)
        return self._keys.open(account_id, entry.hit_id, entry.body)

    def _seal_hit(self, account_id: int, hit: Hit, consent: str) -> SealedHit:
        sealed = self._keys.seal(account_id, hit, consent)
        return SealedHit(account_id, hit.site_id, hit.hit_id, hit.occurred_at.date(), sealed)


def use_up(accounts: AccountRepository, vault: Vault, site: Site, claims: LoginClaims) -> None:
    """Use a token's one-time id, or raise `NotAuthenticated` where it was used before."""
    digest = vault.digest("token", str(site.id), claims.token_id)
    if not accounts.use_token(digest, claims.expires_at):
        raise NotAuthenticated("The login token was used before (jti)", "token")


def _check_identifiers(**identifiers: str) -> None:
    for name, text in identifiers.items():
        if text and not is_raw_id(text):
            raise InvalidInput.field(name, RAW_ID_FORM)
