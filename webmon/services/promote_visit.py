"""Promotions: the rows of a signed-in visit leave the event log and stand, encrypted, in the account log.

A promotion is one durable row (`sign_in`). From the moment it is written, whoever moves rows of its visit moves them
to the account log; `advance` fetches what had reached the event log before, step by step (`domain.promotion.State`).
Each step can be taken again, so a crash anywhere is followed by going on from the last that was noted.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from webmon.domain.hit import AccountRow, Basis, Hit, decode_hit, encode_hit
from webmon.domain.promotion import State
from webmon.domain.visit import INACTIVITY
from webmon.services.account_keys import AccountKeys
from webmon.services.leave_remainder import Remainders
from webmon.services.sign_in import SignIns
from webmon.services.signed_in import Going, Link, Links, SignedIn, naive
from webmon.stores.ports import Unit
from webmon.stores.ports.accounts import AccountRepository, Promotion, SealedHit
from webmon.stores.ports.spool import Remainder, SpooledEntry, SpoolEntry

# How many are brought forward together: each batch rewrites the files of the rows once.
_AT_ONCE = 1000
# Renewed with each step; the longest rewrites a month of many millions of rows.
_CLAIM = timedelta(minutes=2)
# How long before its sign-in a visit may have begun that an earlier version wrote down without saying so.
_LONGEST_BEFORE = timedelta(days=31)
# A hit that had found its visit when the visit ended reaches the spool within this time.
_SETTLING = timedelta(seconds=10)
log = structlog.get_logger()


class EventLog(Protocol):
    def visits_hits(self, visit_ids: Collection[int], since: datetime) -> list[Hit]: ...

    def consented_hits(self, site_id: int, visitor_ids: Collection[int], since: datetime) -> list[Hit]: ...

    def replace(self, rows: Mapping[int, Hit | None], since: datetime) -> int: ...

    def compact(self) -> list[str]: ...


class SpoolView(Protocol):
    def waiting(self, visit_ids: Collection[int], promotion_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Of which of these visits a row waits in the clear, and of which of these promotions a sealed one."""

    def holds_consented(self, site_id: int, visitor_ids: Collection[int]) -> bool: ...

    def forget_damaged(self, site_id: int, visit_ids: Collection[int], visitor_ids: Collection[int]) -> int:
        """Delete what was set aside, since nothing can read it, of these visits and visitors."""


class AccountKeeper:
    """Moves signed-in visits to the account log, and keeps them coming there while they last."""

    def __init__(
        self,
        unit: Unit[AccountRepository],
        keys: AccountKeys,
        sign_ins: SignIns,
        roster: SignedIn,
        links: Links,
        events: EventLog,
        remainders: Remainders,
        log_lock: threading.Lock,
        spools: SpoolView,
        wipe: Callable[[], None],
        node: str,
    ) -> None:
        """`wipe` leaves nothing of deleted rows in the spool and the control database.

        `node` names what only one process at a time can hold: what the one before it had taken on is free when this
        one begins.
        """
        self._unit = unit
        self._keys = keys
        self._sign_ins = sign_ins
        self._roster = roster
        self._links = links
        self._events = events
        self._remainders = remainders
        self._log_lock = log_lock
        self._spools = spools
        self._wipe = wipe
        self._node = node
        self._advancing = threading.Lock()
        self.wake = sign_ins.wake

    # What the hot path and the ingester ask for

    def seal(self, account_id: int, hit: Hit, consent: str) -> bytes:
        return self._keys.seal(account_id, hit, consent)

    def leave_if_over(
        self, site_id: int, visitor_id: int, visit_id: int, now: datetime, earlier: Sequence[int] = ()
    ) -> bool:
        return self._sign_ins.leave_if_over(site_id, visitor_id, visit_id, now, earlier)

    def leave(self, site_id: int, visitor_id: int) -> None:
        self._sign_ins.leave(site_id, visitor_id)

    def promoted_visits(self) -> list[int]:
        """Return the visits of which rows may still be on their way; they are drawn, so no two sites share one."""
        return self._roster.visits()

    def take(self, entries: Sequence[SpooledEntry]) -> list[Remainder]:
        """Store entries of accounts and of promoted visits in the account log, durably; return what they leave.

        A plain row of a promoted visit was on its way when its visitor signed in: it is sealed now. Where the
        account's key is missing, but was not destroyed, or damaged, it goes on as it is; the promotion fetches it
        later.
        """
        sealed: list[SealedHit] = []
        taken: list[tuple[SpooledEntry, Going | None, Hit]] = []
        as_it_is: list[Remainder] = []
        for spooled in entries:
            entry = spooled.entry
            going = self._going_of(entry)
            account_id = entry.account_id or (going.promotion.account_id if going else None)
            if account_id is None:
                raise ValueError(f"entry {spooled.id} is of no promoted visit and of no account")
            if self._keys.is_lost(account_id):
                if entry.account_id is None:
                    as_it_is.append(self._unsealed(spooled, going))
                else:
                    sealed.append(_unopened(account_id, entry, going))
                continue
            if self._keys.is_gone(account_id):
                continue  # erased while its row was on its way
            hit, body = self._sealed(account_id, entry, going)
            sealed.append(SealedHit(account_id, hit.site_id, hit.hit_id, hit.occurred_at.date(), body))
            taken.append((spooled, going, hit))
        if not sealed:
            return as_it_is
        seen = _last_seen(taken)
        with self._unit() as accounts:
            accounts.put_hits(sealed)
            accounts.seen(seen)
            restricted = accounts.restricted({one.account_id for one in sealed})
        self._roster.note_seen(seen)
        return as_it_is + self._left(taken, restricted) if taken else as_it_is

    def is_leaving(self, hit: Hit) -> bool:
        """Whether a row of the event log is on its way to an account: until it is there, nobody is shown it."""
        if self._roster.of_visit(hit.visit_id) is not None:
            return True
        return any(_goes_along(one, hit) for one in self._roster.not_done())

    def delete_rows(self, account_id: int, concerned: Callable[[AccountRow], bool]) -> int:
        """Delete the rows of an account that are concerned, and return how many there were.

        Of an account that was erased there are none. A row that does not open is concerned: nobody can tell that it
        is not, nor read it. Raises `Unavailable` where the account's key is lost: it may be put back.
        """
        self._keys.check_not_lost(account_id)
        if self._keys.is_gone(account_id):
            return 0
        with self._unit() as accounts:
            rows = accounts.hits(account_id, None)
        opened = ((hit_id, self._keys.open_or_none(account_id, hit_id, sealed)) for hit_id, sealed in rows)
        gone = [hit_id for hit_id, row in opened if row is None or concerned(row)]
        with self._unit() as accounts:
            accounts.delete_hits(account_id, gone)
        return len(gone)

    # What the worker does

    def restore(self, now: datetime) -> None:
        """Take up what was going on before a restart: promotions on their way, visits still signed in."""
        with self._unit() as accounts:
            for one in accounts.open_promotions():
                since = naive(one.requested_at) - _LONGEST_BEFORE
                link = Link(one.visitor_id, one.visit_id, since, "UTC", consent=one.consent)
                accounts.seal_promotion(one.id, self._links.seal(one.account_id, link))
            accounts.release_promotions(self._node)
            active = accounts.active_promotions()
            promotions = self._links.open_good(active)
            self._give_up_damaged(accounts, active, {going.id for going in promotions})
        for going in promotions:
            self._begin(going, lasts=now - going.promotion.last_seen_at < INACTIVITY)
        self.wake.set()

    def advance(self, now: datetime) -> int:
        """Bring every promotion forward as far as it goes, and return how many were completed."""
        with self._advancing:
            holder = f"{self._node}.{secrets.token_hex(4)}"
            with self._unit() as accounts:
                claimed = accounts.claim_promotions(holder, now, now + _CLAIM, _AT_ONCE)
            # A key that is missing, but was not destroyed, or damaged, may come back: until then the rows of its
            # account stay, and nobody else's wait for them.
            here = self._links.open_good([one for one in claimed if not self._keys.is_lost(one.account_id)])
            try:
                count = self._bring_forward(holder, here, now) if here else 0
            except Exception:  # of any kind: the next try, by whomever, is not to wait for the claim to end
                self._release(holder)
                raise
            if count < len(claimed):
                self._release(holder)
            if count < len(here):
                self.wake.set()
            self._forget_ended(now)
        return count

    def end_over(self, now: datetime) -> int:
        """End the signed-in visits that are over, and return how many there were."""
        count = self._sign_ins.end_over(now)
        self._forget_ended(now)
        return count

    def _give_up_damaged(
        self, accounts: AccountRepository, active: Sequence[Promotion], good: Collection[int]
    ) -> None:
        """End the visits whose links do not open any more, and say so: nobody else's is to wait for them.

        One that was not done stays written down: its rows may be in the event log still.
        """
        damaged = [one for one in active if one.id not in good]
        if damaged:
            accounts.forget([one.id for one in damaged if one.state is State.DONE])
            left = [one.id for one in damaged if one.state is not State.DONE]
            log.error("promotion.damaged", promotions=[one.id for one in damaged], not_done=left)

    # The steps

    def _begin(self, one: Going, *, lasts: bool = True) -> None:
        self._sign_ins.begin(one, lasts=lasts)

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
        for one in batch:
            # What nothing can read cannot be sealed for the account; in the clear it must not stay.
            self._spools.forget_damaged(one.site_id, [one.link.visit_id], one.link.pseudonyms)
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
            if rows.get(one.id) and not self._keys.is_gone(one.promotion.account_id)  # erased, or it were not here
            for hit in rows[one.id]
        ]
        with self._unit() as accounts:
            accounts.put_hits(sealed)
            moved = _move(accounts, holder, batch, State.SEALED, State.COPIED, now)
        return self._note_state(batch, State.SEALED, State.COPIED, moved)

    def _remove(self, batch: Sequence[Going], rows: Mapping[int, Sequence[Hit]], now: datetime) -> None:
        """Put in the place of the rows what is left of them: exactly of those that the account log has."""
        gone = [(one, hit) for one in batch if one.state is State.COPIED for hit in rows.get(one.id, ())]
        concerned = {one.promotion.account_id for one, _ in gone}
        with self._unit.reading() as accounts:
            silent = {*accounts.restricted(concerned), *filter(self._keys.is_gone, concerned)}
        left = self._remainders.of(gone, now, silent)
        if gone:
            replaced = {hit.hit_id: row for (_, hit), row in zip(gone, left, strict=True)}
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

    def _unsealed(self, spooled: SpooledEntry, going: Going | None) -> Remainder:
        if going is None or going.state is State.DONE:
            # Nobody would fetch it any more: it waits for the key.
            self._keys.check_not_lost(going.promotion.account_id if going else 0)
        return Remainder(spooled.id, spooled.entry.month, spooled.entry.body)

    def _sealed(self, account_id: int, entry: SpoolEntry, going: Going | None) -> tuple[Hit, bytes]:
        if entry.account_id is None:
            hit = decode_hit(entry.body)
            return hit, self._keys.seal(account_id, hit, going.link.consent if going else "")
        return self._keys.open(account_id, entry.hit_id, entry.body), entry.body

    def _left(
        self, taken: Sequence[tuple[SpooledEntry, Going | None, Hit]], restricted: Collection[int]
    ) -> list[Remainder]:
        # Rows are of just now; where they waited over a day's end, they are of a day whose key may be gone.
        now = max(hit.occurred_at for _, _, hit in taken).replace(tzinfo=UTC)
        left = self._remainders.of([(going, hit) for _, going, hit in taken], now, restricted)
        return [
            Remainder(spooled.id, spooled.entry.month, encode_hit(row))
            for (spooled, _, _), row in zip(taken, left, strict=True)
            if row is not None
        ]

    def _seal_hit(self, one: Going, hit: Hit) -> SealedHit:
        account_id = one.promotion.account_id
        sealed = self._keys.seal(account_id, hit, one.link.consent)
        return SealedHit(account_id, hit.site_id, hit.hit_id, hit.occurred_at.date(), sealed)


def _unopened(account_id: int, entry: SpoolEntry, going: Going | None) -> SealedHit:
    """A sealed row that nothing opens just now: of when it is, is known about."""
    moment = going.promotion.last_seen_at if going else datetime.fromisoformat(f"{entry.month}-01")
    return SealedHit(account_id, entry.site_id, entry.hit_id, moment.date(), entry.body)


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
