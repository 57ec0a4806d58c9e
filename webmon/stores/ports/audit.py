"""The audit trail, as services see it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from webmon.domain.chain import Anchor, Link
from webmon.domain.checkpoint import Checkpoint

EVERYTHING: Collection[int | None] | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry(Link):
    """An entry with what stands beside the chain for look-ups, named as in the body; both must agree."""

    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are meant; what is empty leaves nothing out.

    `sites`: ids, and None for what is of no site; without it, all of them. `action`: a noun (``staff``) or one whole
    action (``staff.add``). `since` and `until`: from and before these moments.
    """

    sites: Collection[int | None] | None = EVERYTHING
    actor: str = ""
    action: str = ""
    account_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


ANY = AuditFilter()


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

        `actor`: a staff member's address, ``operator`` (command line), ``account:ID``, ``scheduler`` or ``nobody``.
        `action` is noun.verb, such as ``site.add``. `detail` holds no personal data.
        """


class Audited(Protocol):
    """A repository whose transaction also holds the audit trail."""

    @property
    def audit(self) -> AuditTrail: ...


class ReadableTrail(AuditTrail, Protocol):
    def newest(self, limit: int, before_seq: int | None = None, where: AuditFilter = ANY) -> Sequence[Link]: ...

    def following(self, limit: int, after_seq: int, where: AuditFilter = ANY) -> Sequence[Link]:
        """Entries after a number, oldest first."""

    def actions(self, where: AuditFilter = ANY) -> Sequence[str]:
        """Every action that some entry has, of those that are meant."""

    def anchor(self) -> Anchor: ...

    def put_anchor_signature(self, signature: str) -> None: ...

    def tip(self) -> Anchor:
        """Number and hash of the last entry; the anchor's where there is none."""

    def entries(self) -> Iterator[AuditEntry]:
        """Every entry, oldest first."""

    def checkpoints(self) -> Sequence[Checkpoint]:
        """Oldest first."""

    def put_checkpoint(self, checkpoint: Checkpoint) -> None: ...

    def holds_before(self, moment: datetime) -> bool:
        """Whether any entry is older than that."""


class AuditReading(Protocol):
    """A transaction in which the trail is read."""

    @property
    def audit(self) -> ReadableTrail: ...
