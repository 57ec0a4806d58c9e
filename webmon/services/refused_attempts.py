"""Attempts that were refused, in the audit trail: as counts, so that whoever knocks a million times fills no disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from webmon.services.adding_up import AddingUp
from webmon.stores.ports import Unit
from webmon.stores.ports.audit import Audited

# An entry a minute for each kind, however many attempts there were.
PAUSE_SECONDS = 60
NOBODY = "nobody"
_Key = tuple[str, str]


class Refusals(Protocol):
    def note(self, action: str, reason: str, now: datetime) -> None: ...


class RefusedAttempts(AddingUp[_Key]):
    """Counts in memory; the server flushes it every minute. Nothing of who tried is kept, nor of what they sent."""

    def __init__(self, unit: Unit[Audited]) -> None:
        super().__init__()
        self._unit = unit
        self._last: datetime | None = None

    def note(self, action: str, reason: str, now: datetime) -> None:
        """Count one attempt; `action` as in the trail (``api_key.refused``), `reason` one of few fixed texts."""
        self._last = now
        self._add((action, reason))

    def _write(self, counted: Mapping[_Key, int]) -> None:
        if self._last is None:
            raise ValueError("Nothing was noted")
        with self._unit() as trail:
            for (action, reason), count in sorted(counted.items()):
                trail.audit.record(self._last, NOBODY, action, detail={"count": count, "reason": reason})
