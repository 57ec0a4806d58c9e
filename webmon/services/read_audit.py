"""The audit trail, read and proven."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webmon.domain.chain import Verdict, verify
from webmon.stores.ports import Unit
from webmon.stores.ports.audit import AuditReading

PAGE_COUNT = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what, when. `detail` holds no personal data; `actor` is a staff member or a part of webmon."""

    seq: int
    at: datetime
    actor: str
    action: str
    site_id: int | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditLog:
    unit: Unit[AuditReading]

    def newest(self, before_seq: int | None = None, limit: int = PAGE_COUNT) -> Sequence[Entry]:
        """Return entries, newest first, from the one before `before_seq` on."""
        with self.unit() as reading:
            return [_entry(link.seq, link.body) for link in reading.audit.newest(limit, before_seq)]

    def verify(self) -> Verdict:
        """Walk the whole trail and name the first entry that is missing or was changed."""
        with self.unit() as reading:
            return verify(reading.audit.anchor(), reading.audit.links())


def _entry(seq: int, body: str) -> Entry:
    found = json.loads(body)
    at = datetime.fromisoformat(found["at"])
    return Entry(seq, at, found["actor"], found["action"], found["site_id"], found["detail"])
