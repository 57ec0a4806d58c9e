"""The audit trail, as services see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from webmon.domain.chain import Anchor, Link


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


class ReadableTrail(Protocol):
    def newest(self, limit: int, before_seq: int | None = None) -> Sequence[Link]: ...

    def anchor(self) -> Anchor: ...

    def links(self) -> Iterator[Link]:
        """Every entry, oldest first."""


class AuditReading(Protocol):
    """A transaction in which the trail is read."""

    @property
    def audit(self) -> ReadableTrail: ...
