"""The spool, as services see it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from webmon.stores.ports.events import Chunk


class SpoolEntry(msgspec.Struct, frozen=True, gc=False):
    """One acknowledged hit: `body` is the row as JSON.

    Where `account_id` is set it is sealed for that account, and `visit_id` is the number of the promotion: no
    pseudonym of a signed-in visit is in the spool.
    """

    site_id: int
    month: str
    visit_id: int
    hit_id: int
    body: bytes
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Remainder:
    """What an entry that went to the account log leaves for figures: a row of the event log, as JSON."""

    entry_id: int
    month: str
    line: bytes


@dataclass(frozen=True, slots=True)
class SpooledEntry:
    """An entry as it waits: `id` counts up and is never used twice."""

    id: int
    entry: SpoolEntry


class DrainedSpool(Protocol):
    """A spool on its way to the event log."""

    @property
    def id(self) -> str: ...

    @property
    def deduplicate(self) -> bool: ...

    def through(self, limit: int) -> int:
        """Return the number of the last of at most `limit` of the oldest entries, 0 where none waits."""

    def months(self, last_id: int, visits: Collection[int]) -> Mapping[str, bool]:
        """Return the months that the entries up to `last_id` belong to, and whether `personal` has any of it."""

    def personal(self, last_id: int, visits: Collection[int]) -> list[SpooledEntry]:
        """Return the entries up to `last_id` that are an account's, or of one of these visits."""

    def entries(self, last_id: int) -> list[SpooledEntry]:
        """Return all entries up to `last_id` that have not moved on."""

    def chunks(self, last_id: int, visits: Collection[int], after: Mapping[str, int]) -> Iterator[Chunk]:
        """Yield all the others up to `last_id` by month, those of a month numbered above ``after[month]``."""

    def delete_through(self, last_id: int, stored_count: int) -> int:
        """Forget the entries up to `last_id`, all of which are in their log now; return how many there were."""

    def forget(self, entries: Collection[int]) -> None:
        """Delete these entries, which are somewhere else by now."""
