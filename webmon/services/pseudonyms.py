"""From raw identifiers and addresses to pseudonyms; the raw ones go no further."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from webmon.domain.hostname import registrable
from webmon.domain.pseudonym import PseudonymKey, day_key_expired, day_of
from webmon.services.manage_sites import KeyWrapper
from webmon.stores.ports import Unit
from webmon.stores.ports.sites import LeftPseudonym, SiteRepository

# CNIL: an audience-measurement identifier lives at most 13 months; so does the key behind it.
EPOCH_LIFETIME = timedelta(days=390)
_ACTOR = "scheduler"


class DayKeySource(Protocol):
    def key(self, site_id: int, day: str) -> PseudonymKey: ...


# How many visitors are known by the last of the pseudonyms that they have had; the others are looked up anew.
_REACHED = 100_000


@dataclass(slots=True)
class _Epoch:
    """A key, and which of the pseudonyms under it were left behind (`PseudonymKey.mark`)."""

    number: int
    key: PseudonymKey
    left: set[int] = field(default_factory=set)
    # From a visitor's first pseudonym to the last: who signs in every day leaves many in a year.
    _reached: dict[int, int] = field(default_factory=dict)

    def visitor(self, raw: str) -> int:
        first = self.key.pseudonym("visitor", raw)
        if not self.left:
            return first
        start = self._reached.get(first, first)
        *_, last = self._from(start)
        if last != start:
            if len(self._reached) >= _REACHED:
                self._reached.clear()
            self._reached[first] = last
        return last

    def visitor_ever(self, raw: str) -> list[int]:
        """Return every pseudonym that the visitor has had, the last first."""
        return [*self._from(self.key.pseudonym("visitor", raw))][::-1]

    def _from(self, pseudonym: int) -> Iterator[int]:
        yield pseudonym
        while self.key.mark(pseudonym) in self.left:
            pseudonym = self.key.following(pseudonym)
            yield pseudonym


@dataclass(slots=True)
class Pseudonyms:
    """Keyed hashes per site: under the epoch key with consent, under the day's key without.

    Once a signed-in visit is over, its visitor goes by another pseudonym: nothing then leads from what the same
    browser does to the account, nor to what it did before.
    """

    unit: Unit[SiteRepository]
    vault: KeyWrapper
    day_keys: DayKeySource
    _epochs: dict[int, list[_Epoch]] = field(default_factory=dict)

    def visitor(self, site_id: int, raw: str) -> int:
        """Return the pseudonym of a consented visitor, under the site's newest key."""
        return self._keys(site_id)[0].visitor(raw)

    def visitor_all(self, site_id: int, raw: str) -> list[int]:
        """Return the visitor's pseudonym under every key that still lives, newest first."""
        return [epoch.visitor(raw) for epoch in self._keys(site_id)]

    def visitor_ever(self, site_id: int, raw: str) -> list[int]:
        """Return the same with those that the visitor went by before the end of a signed-in visit."""
        return [name for epoch in self._keys(site_id) for name in epoch.visitor_ever(raw)]

    def following(self, site_id: int, visitor_id: int) -> int:
        """Return what a visitor is called once that pseudonym has been left."""
        return self._keys(site_id)[0].key.following(visitor_id)

    def leave(self, site_id: int, visitor_id: int) -> LeftPseudonym:
        """Have the visitor of that pseudonym go by the following one, and return what makes that durable.

        Known at once, so that no row is under the old one from here on.
        """
        newest = self._keys(site_id)[0]
        mark = newest.key.mark(visitor_id)
        newest.left.add(mark)
        return LeftPseudonym(site_id, newest.number, mark)

    def event(self, site_id: int, event_id: str) -> int:
        """Return the row's id of an event that has one of its own: sent again, it is the same row."""
        return self._keys(site_id)[0].key.pseudonym("event", event_id)

    def cookieless(self, site_id: int, moment: datetime, address: bytes, user_agent: str, host: str) -> int:
        """Return the pseudonym of the day of `moment` for whoever asks from `address` with `user_agent`.

        `host` is the page's: one site may measure several, and who visits two that are not of one domain is not
        linked.
        """
        key = self.day_keys.key(site_id, day_of(moment))
        return key.pseudonym(address.hex(), user_agent, registrable(host))

    def of_the_day(self, site_id: int, moment: datetime, account_id: int, now: datetime) -> int | None:
        """Return the pseudonym of an account on the day of `moment`, under the day's key; None where that is gone."""
        day = day_of(moment)
        if day_key_expired(day, now):
            return None
        return self.day_keys.key(site_id, day).pseudonym("account", str(account_id))

    def rotate(self, now: datetime, keep: Mapping[int, timedelta]) -> int:
        """Begin a new epoch where the newest key is old, destroy keys that no kept row was made with.

        `keep`: for how long each site keeps event-log rows. Returns how many keys were destroyed.
        """
        destroyed = 0
        for site_id, kept in keep.items():
            begun, dead = self._rotate(site_id, kept, now)
            destroyed += len(dead)
            if begun or dead:
                self._epochs.pop(site_id, None)
        return destroyed

    def _rotate(self, site_id: int, kept: timedelta, now: datetime) -> tuple[bool, Sequence[int]]:
        """Return whether an epoch was begun, and those whose keys were destroyed."""
        with self.unit() as sites:
            keys = sites.epoch_keys(site_id)
            epoch, _, made_at = keys[0]
            begun = now - made_at >= EPOCH_LIFETIME
            if begun:
                wrapped = self.vault.wrap(secrets.token_bytes(32), f"epoch:{site_id}:{epoch + 1}")
                sites.add_epoch_key(site_id, epoch + 1, wrapped, now)
                sites.audit.record(now, _ACTOR, "epoch_key.add", site_id=site_id, detail={"epoch": epoch + 1})
            dead = [old for old, _, at in keys[1:] if now - at >= EPOCH_LIFETIME + kept]
            sites.destroy_epoch_keys(site_id, dead)
            if dead:
                detail = {"epochs": ", ".join(map(str, dead))}
                sites.audit.record(now, _ACTOR, "epoch_key.destroy", site_id=site_id, detail=detail)
        return begun, dead

    def _keys(self, site_id: int) -> list[_Epoch]:
        found = self._epochs.get(site_id)
        if found is None:
            with self.unit.reading() as sites:
                rows, left = sites.epoch_keys(site_id), sites.left_pseudonyms(site_id)
            found = [self._epoch(site_id, epoch, wrapped, left) for epoch, wrapped, _ in rows]
            found = self._epochs.setdefault(site_id, found)  # another may know already of one that was left
        return found

    def _epoch(self, site_id: int, number: int, wrapped: bytes, left: Sequence[LeftPseudonym]) -> _Epoch:
        key = PseudonymKey(self.vault.unwrap(wrapped, f"epoch:{site_id}:{number}"))
        return _Epoch(number, key, {one.mark for one in left if one.epoch == number})
