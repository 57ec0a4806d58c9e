"""Sign-in and sign-out: a visit's rows leave the event log and stand, encrypted, in the account log.

A promotion is one durable row. From the moment it is written, whoever moves rows of its visit moves them to the
account log; `advance` fetches what had reached the event log before, step by step (`domain.promotion.State`). Each
step can be taken again, so a crash anywhere is followed by going on from the last that was noted.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from webmon.domain.hit import AccountRow, Basis, Hit, decode_hit, encode_hit
from webmon.domain.login import LoginClaims, LoginKey, check_token, clean_attribute, clean_subject
from webmon.domain.promotion import State
from webmon.domain.pseudonym import RAW_ID_FORM, PseudonymKey, day_of, is_raw_id
from webmon.domain.remainder import deidentify
from webmon.domain.site import Site
from webmon.domain.visit import INACTIVITY
from webmon.errors import InvalidInput, NotAuthenticated
from webmon.services.account_keys import AccountKeys, Opening, Vault
from webmon.services.common_pages import CommonPages
from webmon.services.signed_in import Going, Link, SignedIn, Turns
from webmon.services.together import LoopTogether, Together
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRepository, Promotion, SealedHit
from webmon.stores.ports.sites import WrappedLoginKey
from webmon.stores.ports.spool import Remainder, SpooledEntry, SpoolEntry

# How many are brought forward together: each batch rewrites the files of the rows once.
_AT_ONCE = 1000
# Renewed with each step; the longest rewrites a month of many millions of rows.
_CLAIM = timedelta(minutes=2)
# How long before its sign-in a visit may have begun that an earlier version wrote down without saying so.
_LONGEST_BEFORE = timedelta(days=31)
# A hit that had found its visit when the visit ended reaches the spool within this time.
_SETTLING = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class AccountName:
    """Who is signed in, as a backend says it: the opaque identifier and, where wanted, address and name."""

    subject: str
    email: str = ""
    name: str = ""


class VisitBegun(Protocol):
    @property
    def visit_id(self) -> int: ...
    @property
    def started_at(self) -> datetime: ...


class VisitBook(Protocol):
    def touch(self, site_id: int, visitor_id: int, now: datetime) -> VisitBegun: ...

    def current(self, site_id: int, visitor_id: int, now: datetime) -> int | None: ...

    def assign(
        self, site_id: int, visitor_id: int, visit_id: int, seen_at: datetime, *, account_id: int, promotion_id: int
    ) -> None: ...

    def end(self, site_id: int, visitor_id: int, visit_id: int | None = None) -> None: ...


class PseudonymSource(Protocol):
    def visitor_all(self, site_id: int, raw: str) -> list[int]: ...

    def of_the_day(self, site_id: int, moment: datetime, account_id: int, now: datetime) -> int | None: ...


class EventLog(Protocol):
    def visits_hits(self, visit_ids: Collection[int], since: datetime) -> list[Hit]: ...

    def consented_hits(self, site_id: int, visitor_ids: Collection[int], since: datetime) -> list[Hit]: ...

    def replace(self, rows: Mapping[int, Hit | None], since: datetime) -> int: ...

    def compact(self) -> list[str]: ...


class SpoolView(Protocol):
    def waiting(self, visit_ids: Collection[int], promotion_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Of which of these visits a row waits in the clear, and of which of these promotions a sealed one."""

    def holds_consented(self, site_id: int, visitor_ids: Collection[int]) -> bool: ...


@dataclass(frozen=True, slots=True)
class _SignIn:
    """A sign-in as it is asked for: `identify` says whose it is, within the transaction that writes it down.

    `names`: the visitor's pseudonyms, newest first; none where there is no visitor. `keeps`: whether something may be
    left for figures.
    """

    site: Site
    identify: Callable[[Opening], int]
    names: Sequence[int]
    consent: str
    keeps: bool
    now: datetime

    @property
    def visitor(self) -> tuple[int, int] | None:
        return (self.site.id, self.names[0]) if self.names else None


@dataclass(frozen=True, slots=True)
class _SignedIn:
    """What a sign-in has changed, once it is durable."""

    ended: Sequence[Going] = ()
    begun: Going | None = None


class AccountKeeper:
    """Moves signed-in visits to the account log, and keeps them coming there while they last."""

    def __init__(
        self,
        unit: Unit[AccountRepository],
        keys: AccountKeys,
        good_login_keys: Callable[[Site, Sequence[WrappedLoginKey], datetime], Sequence[LoginKey]],
        vault: Vault,
        pseudonyms: PseudonymSource,
        visits: VisitBook,
        events: EventLog,
        pages: CommonPages,
        log_lock: threading.Lock,
        spools: SpoolView,
        wipe: Callable[[], None],
        permits: Callable[[int, str, datetime], bool],
        node: str,
    ) -> None:
        """`good_login_keys` opens login keys as they are kept, without those that have ended.

        `wipe` empties the write-ahead logs of spool and control database: what was deleted is then nowhere.
        `permits(site_id, receipt, now)`: whether a consent to measurement is in force under a receipt. `node` names
        what only one process at a time can hold: what the one before it had taken on is free when this one begins.
        """
        self._unit = unit
        self._together = Together(keys.opening, lambda _, __: None, lambda _: None)
        self._on_loop = LoopTogether(keys.opening, lambda _, __: None, lambda _: None)
        self._keys = keys
        self._good_login_keys = good_login_keys
        self._vault = vault
        # A key that stays while those that wrap others are replaced: what it seals lives as long as a visit.
        self._link_sealer = vault.sealer(bytes.fromhex(vault.digest("promotion", "link")))
        self._pseudonyms = pseudonyms
        self._visits = visits
        self._events = events
        self._pages = pages
        self._log_lock = log_lock
        self._spools = spools
        self._wipe = wipe
        self._permits = permits
        self._node = node
        self._advancing = threading.Lock()
        # Sign-ins and sign-outs of one visitor wait for each other; those of others do not.
        self._turns = Turns()
        self._roster = SignedIn()
        self.wake = threading.Event()

    # What a website's page asks for

    def login(
        self,
        site: Site,
        token: str,
        visitor: str,
        visit: str,
        now: datetime,
        *,
        consent: str = "",
        objects: bool = False,
    ) -> None:
        """Say that the visitor is signed in; durable when this returns.

        Where no visit goes on yet, the next hit begins one of the account. Without a visitor (no consent) the token
        is used up and nothing is promoted. Something is left for figures where `consent`, the receipt, is in force;
        or where the page names none and the browser sends no signal that `objects`. Raises `NotAuthenticated` naming
        ``token``, `InvalidInput` for identifiers that are none.
        """
        self._sign_in(self._by_token(site, token, visitor, visit, now, consent, objects=objects))

    async def login_soon(
        self, site: Site, token: str, visitor: str, visit: str, now: datetime, consent: str, *, objects: bool
    ) -> bool:
        """Do as `login`, on an event loop that goes on meanwhile.

        False where it would have to wait for another sign-in or a sign-out of the same visitor: nothing was done.
        """
        asked = self._by_token(site, token, visitor, visit, now, consent, objects=objects)
        # To its end, also where whoever asked has gone: what is written down is known here as well.
        return await asyncio.shield(self._sign_in_soon(asked))

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
        keeps = not consent or self._permits(site.id, consent, now)

        def identify(opening: Opening) -> int:
            found = self._keys.find(opening.accounts, site, claims.subject)
            return self._keys.open_account(opening, site, found, claims, now)

        self._sign_in(_SignIn(site, identify, self._names(site, visitor), consent, keeps, now))

    def logout(self, site: Site, visitor: str, visit: str, now: datetime) -> None:
        """End the signed-in visit: what follows is a new visit, in the event log again."""
        _check_identifiers(visitor=visitor, visit=visit)
        if not visitor:
            return
        visitor_id = self._pseudonyms.visitor_all(site.id, visitor)[0]
        with self._turns.of((site.id, visitor_id)):
            self._visits.end(site.id, visitor_id)
            going = self._roster.of_visitor(site.id, visitor_id)
            if going:
                self._end(going, now)
        self.wake.set()

    # What the hot path and the ingester ask for

    def seal(self, account_id: int, hit: Hit, consent: str) -> bytes:
        return self._keys.seal(account_id, hit, consent)

    def promoted_visits(self) -> list[int]:
        """Return the visits of which rows may still be on their way; they are drawn, so no two sites share one."""
        return self._roster.visits()

    def take(self, entries: Sequence[SpooledEntry]) -> list[Remainder]:
        """Store entries of accounts and of promoted visits in the account log, durably; return what they leave.

        A plain row of a promoted visit was on its way when its visitor signed in: it is sealed now.
        """
        sealed: list[SealedHit] = []
        taken: list[tuple[SpooledEntry, Going | None, Hit]] = []
        for spooled in entries:
            entry = spooled.entry
            going = self._going_of(entry)
            account_id = entry.account_id or (going.promotion.account_id if going else None)
            if account_id is None:
                raise ValueError(f"entry {spooled.id} is of no promoted visit and of no account")
            if self._keys.is_gone(account_id):
                continue  # erased while its row was on its way
            hit, body = self._sealed(account_id, entry, going)
            sealed.append(SealedHit(account_id, hit.site_id, hit.hit_id, hit.occurred_at.date(), body))
            taken.append((spooled, going, hit))
        if not taken:
            return []
        seen = _last_seen(taken)
        with self._unit() as accounts:
            accounts.put_hits(sealed)
            accounts.seen(seen)
            restricted = accounts.restricted({one.account_id for one in sealed})
        self._roster.note_seen(seen)
        return self._left(taken, restricted)

    def is_leaving(self, hit: Hit) -> bool:
        """Whether a row of the event log is on its way to an account: until it is there, nobody is shown it."""
        if self._roster.of_visit(hit.visit_id) is not None:
            return True
        return any(_goes_along(one, hit) for one in self._roster.not_done())

    # What an erasure asks for

    def end_account(self, account_id: int, now: datetime) -> None:
        """End every signed-in visit of an account, on whatever browser: what follows is nobody's."""
        going = self._roster.of_account(account_id)
        for one in going:
            self._visits.end(one.site_id, one.link.visitor_id, one.link.visit_id)
        self._end(going, now)
        self.wake.set()

    def signed_in(self, site_id: int, pseudonyms: Sequence[int]) -> int | None:
        """Return the account that the visitor is signed in with, if any."""
        going = [one for name in pseudonyms for one in self._roster.of_visitor(site_id, name)]
        return going[-1].promotion.account_id if going else None

    def delete_rows(self, account_id: int, concerned: Callable[[AccountRow], bool]) -> int:
        """Delete the rows of an account that are concerned, and return how many there were.

        Of an account that was erased there are none.
        """
        if self._keys.is_gone(account_id):
            return 0
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
            for one in accounts.open_promotions():
                since = _naive(one.requested_at) - _LONGEST_BEFORE
                link = Link(one.visitor_id, one.visit_id, since, "UTC", consent=one.consent)
                accounts.seal_promotion(one.id, self._sealed_link(one.account_id, link))
            accounts.release_promotions(self._node)
            promotions = [self._open(one) for one in accounts.active_promotions()]
        for going in promotions:
            self._begin(going, lasts=now - going.promotion.last_seen_at < INACTIVITY)
        self.wake.set()

    def advance(self, now: datetime) -> int:
        """Bring every promotion forward as far as it goes, and return how many were completed."""
        with self._advancing:
            holder = f"{self._node}.{secrets.token_hex(4)}"
            with self._unit() as accounts:
                claimed = accounts.claim_promotions(holder, now, now + _CLAIM, _AT_ONCE)
            try:
                count = self._bring_forward(holder, [self._open(one) for one in claimed], now) if claimed else 0
            except Exception:
                self._release(holder)
                raise
            if count < len(claimed):
                self._release(holder)
                self.wake.set()
            self._forget_ended(now)
        return count

    def end_idle(self, now: datetime) -> int:
        """End the signed-in visits without a hit for half an hour, and return how many there were."""
        idle = [one for one in self._roster.lasting() if self._is_idle(one, now)]
        if idle:
            self._end(idle, now)
        for one in idle:
            self._visits.end(one.site_id, one.link.visitor_id, one.link.visit_id)
        self._forget_ended(now)
        return len(idle)

    # Signing in

    def _by_token(
        self, site: Site, token: str, visitor: str, visit: str, now: datetime, consent: str, *, objects: bool
    ) -> _SignIn:
        _check_identifiers(visitor=visitor, visit=visit, consent=consent)
        keeps = self._permits(site.id, consent, now) if consent else not objects

        def identify(opening: Opening) -> int:
            # What may be wrong is found before anything is written.
            accounts = opening.accounts
            keys = self._good_login_keys(site, accounts.login_keys(site.id), now)
            claims = check_token(token, keys, site.domain, now)
            found = self._keys.find(accounts, site, claims.subject)
            use_up(accounts, self._vault, site, claims)
            return self._keys.open_account(opening, site, found, claims, now)

        return _SignIn(site, identify, self._names(site, visitor), consent, keeps, now)

    def _names(self, site: Site, visitor: str) -> Sequence[int]:
        return self._pseudonyms.visitor_all(site.id, visitor) if visitor else ()

    def _sign_in(self, asked: _SignIn) -> None:
        with self._turns.of(asked.visitor):
            self._note(self._together.run(lambda opening: self._request(opening, asked)), asked.now)

    async def _sign_in_soon(self, asked: _SignIn) -> bool:
        if not self._turns.take(asked.visitor):
            return False
        try:
            self._note(await self._on_loop.run(lambda opening: self._request(opening, asked)), asked.now)
        finally:
            self._turns.give_up(asked.visitor)
        return True

    def _request(self, opening: Opening, asked: _SignIn) -> _SignedIn:
        """Write the promotion down, where there is one."""
        account_id, now = asked.identify(opening), asked.now
        if not asked.names:
            return _SignedIn()
        link = self._link(asked)
        going = self._roster.of_visitor(asked.site.id, link.visitor_id)
        if any(one.promotion.account_id == account_id for one in going):
            return _SignedIn()
        if going:
            # Another account on the same browser: its visit ends here, and a new one, of this account, begins.
            opening.accounts.end([one.id for one in going], now)
            link = msgspec.structs.replace(link, visit_id=secrets.randbits(63), since=_naive(now) - INACTIVITY)
        sealed = self._sealed_link(account_id, link)
        number = opening.accounts.add_promotion(asked.site.id, account_id, sealed, now)
        promotion = Promotion(number, asked.site.id, account_id, sealed, State.REQUESTED, now, None)
        return _SignedIn(going, Going(promotion, link))

    def _note(self, signed_in: _SignedIn, now: datetime) -> None:
        self._roster.note_ended((one.id for one in signed_in.ended), now)
        if signed_in.begun is not None:
            self._begin(signed_in.begun)
            self.wake.set()

    def _end(self, going: Sequence[Going], now: datetime) -> None:
        numbers = [one.id for one in going]
        self._together.run(lambda opening: opening.accounts.end(numbers, now))
        self._roster.note_ended(numbers, now)

    def _link(self, asked: _SignIn) -> Link:
        site, names, now = asked.site, asked.names, asked.now
        # Begun here where none goes on: a hit that comes at the same moment is of the same visit.
        visit = self._visits.touch(site.id, names[0], now)
        # A hit with a time of its own may be of half an hour before the first of its visit.
        since = _naive(min(visit.started_at, now)) - INACTIVITY
        if site.promote_days:
            since = min(since, _naive(now) - timedelta(days=site.promote_days))
        return Link(
            names[0],
            visit.visit_id,
            since,
            site.timezone,
            site.minimum_group_count,
            tuple(names) if site.promote_days else (),
            secrets.token_bytes(32) if asked.keeps else b"",
            asked.consent,
        )

    def _begin(self, one: Going, *, lasts: bool = True) -> None:
        """Have the hits of the visit go to the account log, unless that is so already or the visit is over."""

        def assign() -> None:
            if lasts and not one.ended:
                self._visits.assign(
                    one.site_id,
                    one.link.visitor_id,
                    one.link.visit_id,
                    one.promotion.last_seen_at,
                    account_id=one.promotion.account_id,
                    promotion_id=one.id,
                )

        self._roster.add(one, assign)

    def _is_idle(self, one: Going, now: datetime) -> bool:
        if now - one.promotion.last_seen_at < INACTIVITY:
            return False
        # What the ingester has not seen yet, the book of visits has.
        current = self._visits.current(one.site_id, one.link.visitor_id, now)
        return current != one.link.visit_id

    # The steps

    def _bring_forward(self, holder: str, batch: Sequence[Going], now: datetime) -> int:
        for one in batch:
            self._begin(one)
        batch = self._moved(holder, batch, State.REQUESTED, State.SEALED, now)
        with self._log_lock:
            batch = [one for one in batch if not self._has_to_wait(one)]
            rows = self._rows(batch)
            batch = self._copy(holder, batch, rows, now)
            self._remove(batch, rows, now)
            batch = self._moved(holder, batch, State.COPIED, State.REMOVED, now)
            self._events.compact()
        plain, _ = self._spools.waiting([one.link.visit_id for one in batch], [])
        batch = [one for one in batch if one.link.visit_id not in plain]
        self._wipe()
        return len(self._moved(holder, batch, State.REMOVED, State.DONE, now))

    def _has_to_wait(self, one: Going) -> bool:
        """Rows of earlier visits are fetched once the spool has none: the ingester does not know whose they are."""
        if one.state is State.REMOVED or not one.link.pseudonyms:
            return False
        return self._spools.holds_consented(one.site_id, one.link.pseudonyms)

    def _rows(self, batch: Sequence[Going]) -> dict[int, list[Hit]]:
        """Return each promotion's rows that are in the event log still, which is locked meanwhile."""
        fetched = [one for one in batch if one.state in {State.SEALED, State.COPIED}]
        if not fetched:
            return {}
        visits: dict[tuple[int, int], list[Hit]] = defaultdict(list)
        since = min(one.link.since for one in fetched)
        for hit in self._events.visits_hits([one.link.visit_id for one in fetched], since):
            visits[hit.site_id, hit.visit_id].append(hit)
        return {one.id: visits[one.site_id, one.link.visit_id] + self._earlier(one) for one in fetched}

    def _earlier(self, one: Going) -> list[Hit]:
        """The visitor's rows of other visits that go along; not those of a visit that is another account's."""
        if not one.link.pseudonyms:
            return []
        found = self._events.consented_hits(one.site_id, one.link.pseudonyms, one.link.since)
        known = self._roster.knows({hit.visit_id for hit in found})
        return [hit for hit in found if hit.visit_id not in known]

    def _copy(
        self, holder: str, batch: Sequence[Going], rows: Mapping[int, Sequence[Hit]], now: datetime
    ) -> list[Going]:
        """Store the rows in the account log and note it, in one transaction."""
        sealed = [
            self._seal_hit(one, hit)
            for one in batch
            if rows.get(one.id) and not self._keys.is_gone(one.promotion.account_id)
            for hit in rows[one.id]
        ]
        with self._unit() as accounts:
            accounts.put_hits(sealed)
            moved = _move(accounts, holder, batch, State.SEALED, State.COPIED, now)
        return self._note_state(batch, State.SEALED, State.COPIED, moved)

    def _remove(self, batch: Sequence[Going], rows: Mapping[int, Sequence[Hit]], now: datetime) -> None:
        """Put in the place of the rows what is left of them: exactly of those that the account log has."""
        gone = [(one, hit) for one in batch if one.state is State.COPIED for hit in rows.get(one.id, ())]
        with self._unit.reading() as accounts:
            restricted = accounts.restricted({one.promotion.account_id for one, _ in gone})
        left = [(hit.hit_id, self._remainder(one, hit, now, restricted), one.link.group) for one, hit in gone]
        told = self._pages.only((row, group) for _, row, group in left if row is not None)
        following = iter(told)
        replaced = {number: next(following) if row is not None else None for number, row, _ in left}
        if replaced:
            self._events.replace(replaced, min(one.link.since for one in batch))

    def _moved(self, holder: str, batch: Sequence[Going], before: State, after: State, now: datetime) -> list[Going]:
        """Note a step of those in the state before it, and return all but those that somebody else has taken on."""
        if not any(one.state is before for one in batch):
            return list(batch)
        with self._unit() as accounts:
            moved = _move(accounts, holder, batch, before, after, now)
        return self._note_state(batch, before, after, moved)

    def _note_state(self, batch: Sequence[Going], before: State, after: State, moved: Collection[int]) -> list[Going]:
        kept = [one.but(state=after) if one.id in moved else one for one in batch]
        kept = [one for one in kept if one.state is not before]
        self._roster.note_state({one.id: one.state for one in kept})
        return kept

    def _release(self, holder: str) -> None:
        with self._unit() as accounts:
            accounts.release_promotions(holder)

    def _forget_ended(self, now: datetime) -> None:
        """Destroy the links of visits that are over, once no row of theirs can still be on its way."""
        over = [one for one in self._roster.ended() if _is_over(one, now)]
        if not over:
            return
        with self._log_lock:
            visits, promotions = self._spools.waiting([one.link.visit_id for one in over], [one.id for one in over])
            over = [one for one in over if one.link.visit_id not in visits and one.id not in promotions]
            with self._unit() as accounts:
                accounts.forget([one.id for one in over])
            self._roster.forget(over)
        if over:
            self._wipe()

    # Rows

    def _going_of(self, entry: SpoolEntry) -> Going | None:
        # Of a sealed one, its promotion's number stands in the place of the visit's.
        return self._roster.of_visit(entry.visit_id) if entry.account_id is None else self._roster.get(entry.visit_id)

    def _sealed(self, account_id: int, entry: SpoolEntry, going: Going | None) -> tuple[Hit, bytes]:
        if entry.account_id is None:
            hit = decode_hit(entry.body)
            return hit, self._keys.seal(account_id, hit, going.link.consent if going else "")
        return self._keys.open(account_id, entry.hit_id, entry.body), entry.body

    def _seal_hit(self, one: Going, hit: Hit) -> SealedHit:
        account_id = one.promotion.account_id
        sealed = self._keys.seal(account_id, hit, one.link.consent)
        return SealedHit(account_id, hit.site_id, hit.hit_id, hit.occurred_at.date(), sealed)

    def _left(
        self, taken: Sequence[tuple[SpooledEntry, Going | None, Hit]], restricted: Collection[int]
    ) -> list[Remainder]:
        # Rows are of just now; where they waited over a day's end, they are of a day whose key may be gone.
        now = max(hit.occurred_at for _, _, hit in taken).replace(tzinfo=UTC)
        left = []
        for spooled, going, hit in taken:
            row = self._remainder(going, hit, now, restricted) if going else None
            if going is not None and row is not None:
                left.append((spooled, row, going.link.group))
        told = self._pages.only((row, group) for _, row, group in left)
        return [
            Remainder(spooled.id, spooled.entry.month, encode_hit(row))
            for (spooled, _, _), row in zip(left, told, strict=True)
        ]

    def _remainder(self, one: Going, hit: Hit, now: datetime, restricted: Collection[int]) -> Hit | None:
        """Return what is left of a row for figures, under numbers that nothing leads back from after the visit.

        None where nothing may be left: without consent, or of an account that is restricted.
        """
        if not one.link.remainder_key or hit.basis != Basis.CONSENT or one.promotion.account_id in restricted:
            return None
        key = PseudonymKey(one.link.remainder_key)
        moment = hit.occurred_at.replace(tzinfo=UTC)
        of_the_day = self._pseudonyms.of_the_day(one.site_id, moment, one.promotion.account_id, now)
        return deidentify(
            hit,
            ZoneInfo(one.link.zone),
            hit_id=secrets.randbits(63),
            # Of a day that is over there is no key any more: then nobody is told apart but by this promotion.
            visitor_id=of_the_day if of_the_day is not None else key.pseudonym("visitor", day_of(moment)),
            # A row that is sealed already does not say of which visit it was: it was of this one.
            visit_id=key.pseudonym("visit", str(hit.visit_id or one.link.visit_id)),
        )

    def _sealed_link(self, account_id: int, link: Link) -> bytes:
        return self._link_sealer.seal(msgspec.json.encode(link), _link_context(account_id))

    def _open(self, one: Promotion) -> Going:
        link = self._link_sealer.open(one.link or b"", _link_context(one.account_id))
        return Going(one, msgspec.json.decode(link, type=Link))


def _goes_along(one: Going, hit: Hit) -> bool:
    """Whether a row of another visit goes to the account with this one."""
    link = one.link
    if hit.site_id != one.site_id or hit.visitor_id not in link.pseudonyms:
        return False
    return hit.basis == Basis.CONSENT and hit.occurred_at >= link.since


def _move(
    accounts: AccountRepository, holder: str, batch: Sequence[Going], before: State, after: State, now: datetime
) -> Collection[int]:
    numbers = [one.id for one in batch if one.state is before]
    return accounts.move_promotions(numbers, before, after, holder, now + _CLAIM) if numbers else ()


def _is_over(one: Going, now: datetime) -> bool:
    ended_at = one.promotion.ended_at
    return one.state is State.DONE and ended_at is not None and now - ended_at >= _SETTLING


def _last_seen(taken: Sequence[tuple[SpooledEntry, Going | None, Hit]]) -> dict[int, datetime]:
    seen: dict[int, datetime] = {}
    for _, going, hit in taken:
        if going is not None:
            moment = hit.occurred_at.replace(tzinfo=UTC)
            seen[going.id] = max(moment, seen.get(going.id, moment))
    return seen


def _naive(moment: datetime) -> datetime:
    """The event log's times are UTC without offset."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _link_context(account_id: int) -> str:
    return f"promotion:{account_id}"


def use_up(accounts: AccountRepository, vault: Vault, site: Site, claims: LoginClaims) -> None:
    """Use a token's one-time id, or raise `NotAuthenticated` where it was used before."""
    digest = vault.digest("token", str(site.id), claims.token_id)
    if not accounts.use_token(digest, claims.expires_at):
        raise NotAuthenticated("The login token was used before (jti)", "token")


def _check_identifiers(**identifiers: str) -> None:
    for name, text in identifiers.items():
        if text and not is_raw_id(text):
            raise InvalidInput.field(name, RAW_ID_FORM)
