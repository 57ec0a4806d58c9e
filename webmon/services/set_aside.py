"""Hits that nothing can read: they are set aside, so that those around them reach their log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from prometheus_client import Counter

from webmon.domain.hit import decode_hit
from webmon.services.account_keys import AccountKeys
from webmon.stores.ports.spool import DrainedSpool, SpooledEntry, SpoolEntry

DAMAGED = Counter("webmon_spool_damaged_hits", "Hits that were set aside: nothing can read them")
log = structlog.get_logger()


class Place(Protocol):
    def set_aside(self, spool: DrainedSpool, entries: Sequence[SpooledEntry]) -> None:
        """Move entries out of the spool to where they are kept and hold up nobody."""


@dataclass(frozen=True, slots=True)
class DamagedHits:
    """Asked where entries cannot be moved: it reads each, which is too much to do before anything fails."""

    keys: AccountKeys
    place: Place

    def set_aside(self, spool: DrainedSpool, last_id: int) -> int:
        """Set aside the entries up to `last_id` that cannot be read, and return how many there were."""
        found = [one for one in spool.entries(last_id) if not self._is_readable(one.entry)]
        if found:
            self.place.set_aside(spool, found)
            DAMAGED.inc(len(found))
            # By their numbers alone: what is in them came from visitors.
            log.error("spool.damaged_hits", spool=spool.id, entries=[one.id for one in found[:20]], count=len(found))
        return len(found)

    def _is_readable(self, entry: SpoolEntry) -> bool:
        try:
            if entry.account_id is None:
                decode_hit(entry.body)
            elif not self.keys.is_lost(entry.account_id) and not self.keys.is_gone(entry.account_id):
                self.keys.open(entry.account_id, entry.hit_id, entry.body)
        except (InvalidTag, msgspec.MsgspecError, ValueError):
            return False
        return True
