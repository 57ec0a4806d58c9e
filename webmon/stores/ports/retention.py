"""Retention rules and what they act on, as services see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from webmon.domain.site import Site
from webmon.stores.ports.audit import Audited


class RetentionRepository(Audited, Protocol):
    def rules(self, site_id: int) -> Mapping[str, str]:
        """Class of information to duration, as set in the admin pages."""

    def set_rule(self, site_id: int, info_class: str, keep: str, now: datetime, actor: str) -> None: ...

    def drop_rule(self, site_id: int, info_class: str) -> None: ...

    def add_run(self, started_at: datetime, finished_at: datetime, report: str) -> None: ...

    def runs(self, limit: int) -> Sequence[tuple[datetime, datetime, Mapping[str, Any]]]:
        """Beginning, end and report, newest first."""


class Expiring(Protocol):
    """A store whose rows grow old. `site` is None for what is of the whole installation."""

    def count(self, site: Site | None) -> int: ...

    def count_before(self, site: Site | None, cutoff: datetime) -> int:
        """How many rows would go."""

    def count_restricted_before(self, site: Site | None, cutoff: datetime) -> int:
        """How many more are as old, but stay because their account is restricted."""

    def delete_before(self, site: Site | None, cutoff: datetime, now: datetime) -> int:
        """Delete for good, leaving nothing on disk, and return how many rows went."""
