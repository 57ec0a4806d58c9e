"""The audit trail in the control database: append only, hash-chained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from webmon.domain.chain import Anchor, Link, canonical, link
from webmon.stores.control.models import AuditRow, ChainAnchorRow

CHAIN = "audit"


class SqlAuditTrail:
    """Part of a repository's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(
        self,
        now: datetime,
        actor: str,
        action: str,
        *,
        site_id: int | None = None,
        detail: Mapping[str, str | int | bool | None] | None = None,
    ) -> None:
        self._session.flush()
        tip = self._session.execute(
            select(AuditRow.seq, AuditRow.chain_hash).order_by(AuditRow.seq.desc()).limit(1)
        ).first()
        anchor = self.anchor()
        seq, previous = (tip.seq, tip.chain_hash) if tip else (anchor.seq, anchor.chain_hash)
        body = canonical(
            {
                "at": now.isoformat(),
                "actor": actor,
                "action": action,
                "site_id": site_id,
                "detail": dict(detail or {}),
            }
        )
        self._session.add(
            AuditRow(
                seq=seq + 1,
                site_id=site_id,
                occurred_at=now,
                action=action,
                body=body,
                chain_hash=link(previous, body),
            )
        )

    def anchor(self) -> Anchor:
        row = self._session.get(ChainAnchorRow, CHAIN)
        return Anchor(row.seq, row.chain_hash) if row else Anchor()

    def links(self) -> Iterator[Link]:
        """Every entry, oldest first."""
        rows = self._session.execute(
            select(AuditRow.seq, AuditRow.body, AuditRow.chain_hash)
            .order_by(AuditRow.seq)
            .execution_options(yield_per=500)
        )
        return (Link(row.seq, row.body, row.chain_hash) for row in rows)

    def newest(self, limit: int, before_seq: int | None = None) -> list[Link]:
        """The last entries, newest first."""
        statement = select(AuditRow).order_by(AuditRow.seq.desc()).limit(limit)
        if before_seq is not None:
            statement = statement.where(AuditRow.seq < before_seq)
        return [Link(row.seq, row.body, row.chain_hash) for row in self._session.scalars(statement)]

    def count(self) -> int:
        return self._session.scalar(select(func.count()).select_from(AuditRow)) or 0

    def count_before(self, cutoff: datetime) -> int:
        last = self._last_expired(cutoff)
        if last is None:
            return 0
        return self._session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.seq <= last.seq)) or 0

    def delete_before(self, cutoff: datetime, now: datetime) -> int:
        """Take the oldest entries, older than `cutoff`, off the chain and move its anchor; return how many."""
        last = self._last_expired(cutoff)
        if last is None:
            return 0
        gone = self._session.execute(delete(AuditRow).where(AuditRow.seq <= last.seq))
        count = int(getattr(gone, "rowcount", 0))
        anchor = self._session.get(ChainAnchorRow, CHAIN)
        if anchor is None:
            anchor = ChainAnchorRow(chain=CHAIN, removed_count=0)
            self._session.add(anchor)
        anchor.seq, anchor.chain_hash, anchor.removed_at = last.seq, last.chain_hash, now
        anchor.removed_count += count
        self._session.flush()
        return count

    def _last_expired(self, cutoff: datetime) -> AuditRow | None:
        """The last entry before the first one that must stay: a chain loses its beginning, never a middle."""
        first_kept = self._session.scalar(select(func.min(AuditRow.seq)).where(AuditRow.occurred_at >= cutoff))
        statement = select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)
        if first_kept is not None:
            statement = statement.where(AuditRow.seq < first_kept)
        return self._session.scalar(statement)
