"""The audit trail, as services see it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class AuditTrail(Protocol):
    def record(
        self,
        now: datetime,
        actor: str,
        action: str,
        *,
        site_id: int | None = None,
        detail: Mapping[str, str | int | bool | None] | None = None,
    ) -> None:
        """Append who did what, in the transaction at hand.

        `actor`: a staff member's address, ``operator`` (command line), ``account:ID`` or ``scheduler``. `action` is
        noun.verb, such as ``site.add``. `detail` holds no personal data.
        """


class Audited(Protocol):
    """A repository whose transaction also holds the audit trail."""

    @property
    def audit(self) -> AuditTrail: ...
