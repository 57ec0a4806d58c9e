"""The event log, as services see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LogLine:
    """A spooled row on its way in: its number in the spool, the month it belongs to, and its JSON."""

    id: int
    month: str
    hit_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class VisitSeen:
    """A visit that may go on: who, which, and when it began and was last seen (UTC without offset)."""

    site_id: int
    visitor_id: int
    visit_id: int
    started_at: datetime
    last_seen_at: datetime


class EventSink(Protocol):
    def append(self, spool_id: str, lines: Sequence[LogLine], *, deduplicate: bool = False) -> int:
        """Store the lines exactly once, however often they are offered, and return how many rows came to stand."""

    def forget_spool(self, spool_id: str) -> None:
        """Drop what is remembered of a spool that is gone for good."""
