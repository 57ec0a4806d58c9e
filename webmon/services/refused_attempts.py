"""Attempts that were refused, in the audit trail: as counts, so that whoever knocks a million times fills no disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from webmon.services.adding_up import AddingUp
from webmon.stores.ports import Unit
from webmon.stores.ports.audit import Audited

# An entry a minute for each kind, however many attempts there were.
PAUSE_SECONDS = 60
NOBODY = "nobody"


class _Kind(NamedTuple):
    """What is counted together; of texts that stand in the program, and of staff and sites that there are."""

    action: str
    reason: str
    actor: str = NOBODY
    site_id: int = 0
    page: str = ""


class Refusals(Protocol):
    def note(self, action: str, reason: str, now: datetime, *, site_id: int | None = None) -> None: ...

    def note_staff(
        self, action: str, reason: str, now: datetime, *, actor: str, site_id: int | None, page: str
    ) -> None: ...


class RefusedAttempts(AddingUp[_Kind]):
    """Counts in memory; the server flushes it every minute. Nothing of what was sent is kept, and nothing of who
    tried, unless they are signed in as staff."""

    def __init__(self, unit: Unit[Audited]) -> None:
        super().__init__()
        self._unit = unit
        self._last: datetime | None = None

    def note(self, action: str, reason: str, now: datetime, *, site_id: int | None = None) -> None:
        """Count one attempt; `action` as in the trail (``api_key.refused``), `reason` one of few fixed texts."""
        self._count(_Kind(action, reason, site_id=site_id or 0), now)

    def note_staff(
        self, action: str, reason: str, now: datetime, *, actor: str, site_id: int | None, page: str
    ) -> None:
        """Count an attempt of a staff member, `actor`, whose role does not reach so far; `page` is the route."""
        self._count(_Kind(action, reason, actor, site_id or 0, page), now)

    def _count(self, kind: _Kind, now: datetime) -> None:
        self._last = now
        self._add(kind)

    def _write(self, counted: Mapping[_Kind, int]) -> None:
        if self._last is None:
            raise ValueError("Nothing was noted")
        with self._unit() as trail:
            for kind, count in sorted(counted.items()):
                detail: dict[str, str | int] = {"count": count, "reason": kind.reason}
                if kind.page:
                    detail["page"] = kind.page
                trail.audit.record(self._last, kind.actor, kind.action, site_id=kind.site_id or None, detail=detail)
