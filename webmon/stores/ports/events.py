"""The event log, as services see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

# Stands before the name of an event where pages are named too: no page begins with it.
EVENT = "event "


@dataclass(frozen=True, slots=True)
class Chunk:
    """Spooled rows of one month on their way in: one JSON object a line, and the last number that they reach."""

    month: str
    last_id: int
    lines: bytes


@dataclass(frozen=True, slots=True)
class VisitSeen:
    """A visit that may go on: who, which, and when it began and was last seen (UTC without offset)."""

    site_id: int
    visitor_id: int
    visit_id: int
    started_at: datetime
    last_seen_at: datetime


class EventSink(Protocol):
    def mark(self, spool_id: str, month: str) -> int:
        """Return the last number of the spool that the month holds already, 0 where there is none."""

    def append(self, spool_id: str, chunk: Chunk, *, deduplicate: bool = False) -> int:
        """Store rows above the mark, move the mark with them, and return how many rows came to stand.

        A chunk that the mark has passed adds nothing, however often it is offered.
        """

    def forget_spool(self, spool_id: str) -> None:
        """Drop what is remembered of a spool that is gone for good."""
