"""The spool, as services see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """One acknowledged hit. `body` is the row as JSON, or sealed for the account where `account_id` is set."""

    site_id: int
    month: str
    visit_id: int
    hit_id: int
    body: bytes
    account_id: int | None = None


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

    def read(self, limit: int) -> list[SpooledEntry]:
        """Return the oldest entries, at most `limit`, in the order of their numbers."""

    def delete_through(self, last_id: int, stored_count: int) -> None:
        """Forget the entries up to `last_id`, all of which are in their log now."""
