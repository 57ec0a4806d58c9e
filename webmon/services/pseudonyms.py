"""From raw identifiers and addresses to pseudonyms; the raw ones go no further."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from webmon.domain.hostname import registrable
from webmon.domain.pseudonym import PseudonymKey, day_key_expired, day_of
from webmon.services.manage_sites import KeyWrapper
from webmon.stores.ports import Unit
from webmon.stores.ports.sites import SiteRepository

# CNIL: an audience-measurement identifier lives at most 13 months; so does the key behind it.
EPOCH_LIFETIME = timedelta(days=390)
_ACTOR = "scheduler"


class DayKeySource(Protocol):
    def key(self, site_id: int, day: str) -> PseudonymKey: ...


@dataclass(slots=True)
class Pseudonyms:
    """Keyed hashes per site: under the epoch key with consent, under the day's key without."""

    unit: Unit[SiteRepository]
    vault: KeyWrapper
    day_keys: DayKeySource
    _epochs: dict[int, list[PseudonymKey]] = field(default_factory=dict)

    def visitor(self, site_id: int, raw: str) -> int:
        """Return the pseudonym of a consented visitor, under the site's newest key."""
        return self._keys(site_id)[0].pseudonym("visitor", raw)

    def visitor_all(self, site_id: int, raw: str) -> list[int]:
        """Return the visitor's pseudonym under every key that still lives, newest first."""
        return [key.pseudonym("visitor", raw) for key in self._keys(site_id)]

    def event(self, site_id: int, event_id: str) -> int:
        """Return the row's id of an event that has one of its own: sent again, it is the same row."""
        return self._keys(site_id)[0].pseudonym("event", event_id)

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
            with self.unit() as sites:
                keys = sites.epoch_keys(site_id)
                epoch, _, made_at = keys[0]
                if now - made_at >= EPOCH_LIFETIME:
                    wrapped = self.vault.wrap(secrets.token_bytes(32), f"epoch:{site_id}:{epoch + 1}")
                    sites.add_epoch_key(site_id, epoch + 1, wrapped, now)
                    sites.audit.record(now, _ACTOR, "epoch_key.add", site_id=site_id, detail={"epoch": epoch + 1})
                dead = [old for old, _, at in keys[1:] if now - at >= EPOCH_LIFETIME + kept]
                sites.destroy_epoch_keys(site_id, dead)
                if dead:
                    detail = {"epochs": ", ".join(map(str, dead))}
                    sites.audit.record(now, _ACTOR, "epoch_key.destroy", site_id=site_id, detail=detail)
            destroyed += len(dead)
            self._epochs.pop(site_id, None)
        return destroyed

    def _keys(self, site_id: int) -> list[PseudonymKey]:
        found = self._epochs.get(site_id)
        if found is None:
            with self.unit.reading() as sites:
                rows = sites.epoch_keys(site_id)
            unwrapped = (self.vault.unwrap(wrapped, f"epoch:{site_id}:{epoch}") for epoch, wrapped, _ in rows)
            found = [PseudonymKey(key) for key in unwrapped]
            self._epochs[site_id] = found
        return found
