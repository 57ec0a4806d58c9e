"""The audit trail in the control database: append only, hash-chained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from webmon.domain.chain import Anchor, Link, canonical, link
from webmon.domain.checkpoint import AUDIT, Checkpoint, MoveAnchor
from webmon.stores.control.anchors import note_signature, read_anchor, write_anchor
from webmon.stores.control.models import AuditCheckpointRow, AuditRow
from webmon.stores.control.raw import moment, raw, text
from webmon.stores.ports.audit import ANY, AuditEntry, AuditFilter

CHAIN = "audit"
_READ_AT_ONCE = 500


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
        said = dict(detail or {})
        tip = self.tip()
        body = canonical(
            {"at": now.isoformat(), "actor": actor, "action": action, "site_id": site_id, "detail": said}
        )
        self._session.add(
            AuditRow(
                seq=tip.seq + 1,
                site_id=site_id,
                occurred_at=now,
                action=action,
                actor=actor,
                account_id=said.get("account_id"),
                body=body,
                chain_hash=link(tip.chain_hash, body),
            )
        )

    def anchor(self) -> Anchor:
        return read_anchor(self._session, CHAIN)

    def put_anchor_signature(self, signature: str) -> None:
        note_signature(self._session, CHAIN, signature)

    def tip(self) -> Anchor:
        last = self._session.execute(
            select(AuditRow.seq, AuditRow.chain_hash).order_by(AuditRow.seq.desc()).limit(1)
        ).first()
        return Anchor(last.seq, last.chain_hash) if last else self.anchor()

    def entries(self) -> Iterator[AuditEntry]:
        rows = self._session.execute(
            select(
                AuditRow.seq,
                AuditRow.site_id,
                AuditRow.account_id,
                raw(self._session, AuditRow.occurred_at, "occurred_at"),
                raw(self._session, AuditRow.actor, "actor"),
                raw(self._session, AuditRow.action, "action"),
                raw(self._session, AuditRow.body, "body"),
                raw(self._session, AuditRow.chain_hash, "chain_hash"),
            )
            .order_by(AuditRow.seq)
            .execution_options(yield_per=_READ_AT_ONCE)
        )
        return (_entry(row) for row in rows)

    def checkpoints(self) -> Sequence[Checkpoint]:
        rows = self._session.execute(
            select(
                AuditCheckpointRow.seq,
                raw(self._session, AuditCheckpointRow.chain_hash, "chain_hash"),
                raw(self._session, AuditCheckpointRow.made_at, "made_at"),
                raw(self._session, AuditCheckpointRow.signature, "signature"),
            ).order_by(AuditCheckpointRow.seq)
        )
        return [
            Checkpoint("", row.seq, text(row.chain_hash), text(row.made_at), text(row.signature), AUDIT)
            for row in rows
        ]

    def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._session.add(
            AuditCheckpointRow(
                seq=checkpoint.seq,
                chain_hash=checkpoint.chain_hash,
                made_at=checkpoint.made_at,
                signature=checkpoint.signature,
            )
        )

    def newest(self, limit: int, before_seq: int | None = None, where: AuditFilter = ANY) -> list[Link]:
        """The last entries, newest first."""
        statement = select(AuditRow).where(*_conditions(where)).order_by(AuditRow.seq.desc()).limit(limit)
        if before_seq is not None:
            statement = statement.where(AuditRow.seq < before_seq)
        return [Link(row.seq, row.body, row.chain_hash) for row in self._session.scalars(statement)]

    def following(self, limit: int, after_seq: int, where: AuditFilter = ANY) -> list[Link]:
        statement = select(AuditRow).where(AuditRow.seq > after_seq, *_conditions(where))
        rows = self._session.scalars(statement.order_by(AuditRow.seq).limit(limit))
        return [Link(row.seq, row.body, row.chain_hash) for row in rows]

    def actions(self, where: AuditFilter = ANY) -> list[str]:
        statement = select(AuditRow.action).where(*_conditions(where)).distinct().order_by(AuditRow.action)
        return list(self._session.scalars(statement))

    def count(self) -> int:
        return self._session.scalar(select(func.count()).select_from(AuditRow)) or 0

    def count_before(self, cutoff: datetime) -> int:
        last = self._last_expired(cutoff)
        if last is None:
            return 0
        return self._session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.seq <= last.seq)) or 0

    def holds_before(self, moment: datetime) -> bool:
        return self._session.scalar(select(AuditRow.seq).where(AuditRow.occurred_at < moment).limit(1)) is not None

    def delete_before(self, cutoff: datetime, now: datetime, move: MoveAnchor) -> int:
        """Take the oldest entries, older than `cutoff`, off the chain and `move` its anchor; return how many."""
        last = self._last_expired(cutoff)
        if last is None:
            return 0
        gone = self._session.execute(delete(AuditRow).where(AuditRow.seq <= last.seq))
        count = int(getattr(gone, "rowcount", 0))
        self._session.execute(delete(AuditCheckpointRow).where(AuditCheckpointRow.seq < last.seq))
        moved = move(self.anchor(), Anchor(last.seq, last.chain_hash))
        write_anchor(self._session, CHAIN, moved, count, now)
        return count

    def _last_expired(self, cutoff: datetime) -> AuditRow | None:
        """The last entry before the first one that must stay: a chain loses its beginning, never a middle."""
        first_kept = self._session.scalar(select(func.min(AuditRow.seq)).where(AuditRow.occurred_at >= cutoff))
        statement = select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)
        if first_kept is not None:
            statement = statement.where(AuditRow.seq < first_kept)
        return self._session.scalar(statement)


def _conditions(where: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if where.sites is not None:
        of_sites = AuditRow.site_id.in_([one for one in where.sites if one is not None])
        found.append(or_(of_sites, AuditRow.site_id.is_(None)) if None in where.sites else of_sites)
    if where.actor:
        found.append(AuditRow.actor == where.actor)
    if where.action:
        noun = AuditRow.action.startswith(f"{where.action}.", autoescape=True)
        found.append(or_(AuditRow.action == where.action, noun))
    if where.account_id is not None:
        found.append(AuditRow.account_id == where.account_id)
    if where.since is not None:
        found.append(AuditRow.occurred_at >= where.since)
    if where.until is not None:
        found.append(AuditRow.occurred_at < where.until)
    return found


def _entry(row: Any) -> AuditEntry:
    columns = {
        "at": moment(row.occurred_at),
        "actor": text(row.actor),
        "action": text(row.action),
        "site_id": row.site_id,
        "account_id": row.account_id,
    }
    return AuditEntry(row.seq, text(row.body), text(row.chain_hash), columns)
