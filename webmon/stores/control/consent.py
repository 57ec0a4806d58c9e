"""Notices and the consent ledger in the control database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from webmon.domain.chain import Anchor, Link, canonical, link
from webmon.domain.consent import Record
from webmon.domain.notice import Notice, hash_of
from webmon.stores.control.models import (
    ChainAnchorRow,
    ConsentDecisionRow,
    ConsentRow,
    NoticeDraftRow,
    NoticeRow,
    PublicationRow,
)
from webmon.stores.control.repository import Repository
from webmon.stores.ports.consent import Draft, LedgerEntry, Publication, Standing


class SqlConsents(Repository):
    def put_notice(self, site_id: int, notice: Notice, now: datetime) -> None:
        if self._session.get(NoticeRow, notice.hash) is None:
            row = NoticeRow(
                hash=notice.hash, site_id=site_id, language=notice.language, body=notice.text, created_at=now
            )
            self._session.add(row)
            self._session.flush()

    def publish(self, site_id: int, notice: Notice, now: datetime, actor: str, effective_at: datetime) -> None:
        self.put_notice(site_id, notice, now)
        self._session.add(
            PublicationRow(
                site_id=site_id,
                language=notice.language,
                notice_hash=notice.hash,
                published_at=now,
                published_by=actor,
                effective_at=effective_at,
            )
        )
        self._session.flush()

    def current_notices(self, site_id: int, now: datetime) -> Mapping[str, str]:
        rows = self._session.execute(
            select(PublicationRow.language, PublicationRow.notice_hash)
            .where(
                PublicationRow.site_id == site_id,
                PublicationRow.effective_at <= now,
                PublicationRow.cancelled_at.is_(None),
            )
            .order_by(PublicationRow.effective_at, PublicationRow.id)
        )
        return {row.language: row.notice_hash for row in rows}

    def publications(self, site_id: int, limit: int) -> Sequence[Publication]:
        rows = self._session.scalars(
            select(PublicationRow)
            .where(PublicationRow.site_id == site_id)
            .order_by(PublicationRow.id.desc())
            .limit(limit)
        )
        return [_publication(row) for row in rows]

    def scheduled(self, site_id: int, now: datetime) -> Sequence[Publication]:
        rows = self._session.scalars(
            select(PublicationRow)
            .where(
                PublicationRow.site_id == site_id,
                PublicationRow.effective_at > now,
                PublicationRow.cancelled_at.is_(None),
            )
            .order_by(PublicationRow.effective_at, PublicationRow.id)
        )
        return [_publication(row) for row in rows]

    def cancel(self, site_id: int, publication_id: int, now: datetime) -> Publication | None:
        # In one statement: what has come into force meanwhile is not taken back.
        cancelled = self._session.execute(
            update(PublicationRow)
            .where(
                PublicationRow.id == publication_id,
                PublicationRow.site_id == site_id,
                PublicationRow.effective_at > now,
                PublicationRow.cancelled_at.is_(None),
            )
            .values(cancelled_at=now)
        )
        if getattr(cancelled, "rowcount", 0) != 1:
            return None
        row = self._session.get(PublicationRow, publication_id)
        return _publication(row) if row else None

    def draft(self, site_id: int, language: str) -> Draft | None:
        row = self._session.get(NoticeDraftRow, (site_id, language))
        return _draft(row) if row else None

    def drafts(self, site_id: int) -> Sequence[Draft]:
        rows = self._session.scalars(
            select(NoticeDraftRow).where(NoticeDraftRow.site_id == site_id).order_by(NoticeDraftRow.language)
        )
        return [_draft(row) for row in rows]

    def put_draft(self, site_id: int, draft: Draft) -> None:
        row = NoticeDraftRow(
            site_id=site_id,
            language=draft.notice.language,
            revision=draft.revision,
            body=draft.notice.text,
            saved_at=draft.saved_at,
            saved_by=draft.saved_by,
        )
        self._session.merge(row)
        self._session.flush()

    def delete_draft(self, site_id: int, language: str) -> None:
        self._session.execute(
            delete(NoticeDraftRow).where(NoticeDraftRow.site_id == site_id, NoticeDraftRow.language == language)
        )

    def notice(self, notice_hash: str) -> Notice | None:
        row = self._session.get(NoticeRow, notice_hash)
        return Notice(row.hash, row.body, _json(row.body)["site"], row.language) if row else None

    def append(self, site_id: int, record: Record) -> None:
        tip = self._session.execute(
            select(ConsentRow.seq, ConsentRow.chain_hash)
            .where(ConsentRow.site_id == site_id)
            .order_by(ConsentRow.seq.desc())
            .limit(1)
        ).first()
        anchor = self.anchor(site_id)
        seq, previous = (tip.seq, tip.chain_hash) if tip else (anchor.seq, anchor.chain_hash)
        body = canonical(record.body())
        row = ConsentRow(
            site_id=site_id,
            seq=seq + 1,
            receipt_id=record.receipt_id,
            previous_id=record.answer.previous or None,
            notice_hash=record.answer.notice.hash,
            recorded_at=record.recorded_at,
            expires_at=record.expires_at,
            body=body,
            chain_hash=link(previous, body),
        )
        self._session.add(row)
        self._session.flush()
        for purpose, granted in record.answer.decisions.items():
            self._session.add(ConsentDecisionRow(consent_id=row.id, purpose=purpose, granted=granted))

    def standing(self, site_id: int, receipt_id: str) -> Standing | None:
        row = self._session.scalar(
            select(ConsentRow).where(ConsentRow.site_id == site_id, ConsentRow.receipt_id == receipt_id)
        )
        if row is None:
            return None
        later = select(ConsentRow.receipt_id).where(
            ConsentRow.site_id == site_id, ConsentRow.previous_id == receipt_id, ConsentRow.seq > row.seq
        )
        successor = self._session.scalar(later.order_by(ConsentRow.seq.desc()).limit(1))
        return Standing(_json(row.body), row.expires_at, successor)

    def is_taken(self, receipt_id: str) -> bool:
        return self._session.scalar(select(ConsentRow.id).where(ConsentRow.receipt_id == receipt_id)) is not None

    def anchor(self, site_id: int) -> Anchor:
        row = self._session.get(ChainAnchorRow, _chain(site_id))
        return Anchor(row.seq, row.chain_hash) if row else Anchor()

    def entries(self, site_id: int) -> Iterator[LedgerEntry]:
        rows = self._session.execute(
            select(ConsentRow, NoticeRow.body)
            .join(NoticeRow, NoticeRow.hash == ConsentRow.notice_hash, isouter=True)
            .where(ConsentRow.site_id == site_id)
            .order_by(ConsentRow.seq)
            .execution_options(yield_per=500)
        )
        for row, notice_text in rows:
            yield LedgerEntry(Link(row.seq, row.body, row.chain_hash), self._columns(row), notice_text or "")

    def count(self, site_id: int) -> int:
        statement = select(func.count()).select_from(ConsentRow).where(ConsentRow.site_id == site_id)
        return self._session.scalar(statement) or 0

    def count_before(self, site_id: int, cutoff: datetime) -> int:
        last = self._last_expired(site_id, cutoff)
        if last is None:
            return 0
        statement = select(func.count()).where(ConsentRow.site_id == site_id, ConsentRow.seq <= last.seq)
        return self._session.scalar(statement) or 0

    def delete_before(self, site_id: int, cutoff: datetime, now: datetime) -> int:
        last = self._last_expired(site_id, cutoff)
        if last is None:
            return 0
        expired = select(ConsentRow.id).where(ConsentRow.site_id == site_id, ConsentRow.seq <= last.seq)
        self._session.execute(delete(ConsentDecisionRow).where(ConsentDecisionRow.consent_id.in_(expired)))
        gone = self._session.execute(
            delete(ConsentRow).where(ConsentRow.site_id == site_id, ConsentRow.seq <= last.seq)
        )
        count = int(getattr(gone, "rowcount", 0))
        anchor = self._session.get(ChainAnchorRow, _chain(site_id))
        if anchor is None:
            anchor = ChainAnchorRow(chain=_chain(site_id), removed_count=0)
            self._session.add(anchor)
        anchor.seq, anchor.chain_hash, anchor.removed_at = last.seq, last.chain_hash, now
        anchor.removed_count += count
        self._session.flush()
        return count

    def _last_expired(self, site_id: int, cutoff: datetime) -> ConsentRow | None:
        """The last entry before the first one that must stay: a chain loses its beginning, never a middle."""
        first_kept = self._session.scalar(
            select(func.min(ConsentRow.seq)).where(ConsentRow.site_id == site_id, ConsentRow.recorded_at >= cutoff)
        )
        statement = select(ConsentRow).where(ConsentRow.site_id == site_id).order_by(ConsentRow.seq.desc()).limit(1)
        if first_kept is not None:
            statement = statement.where(ConsentRow.seq < first_kept)
        return self._session.scalar(statement)

    def _columns(self, row: ConsentRow) -> Mapping[str, Any]:
        decisions = self._session.execute(
            select(ConsentDecisionRow.purpose, ConsentDecisionRow.granted).where(
                ConsentDecisionRow.consent_id == row.id
            )
        )
        return {
            "receipt_id": row.receipt_id,
            "previous": row.previous_id or "",
            "notice": row.notice_hash,
            "recorded_at": row.recorded_at.isoformat(),
            "expires_at": row.expires_at.isoformat(),
            "decisions": {decision.purpose: decision.granted for decision in decisions},
        }


def _publication(row: PublicationRow) -> Publication:
    return Publication(
        row.id,
        row.language,
        row.notice_hash,
        row.published_at,
        row.published_by,
        row.effective_at,
        row.cancelled_at,
    )


def _draft(row: NoticeDraftRow) -> Draft:
    notice = Notice(hash_of(row.body), row.body, _json(row.body)["site"], row.language)
    return Draft(notice, row.revision, row.saved_at, row.saved_by)


def _chain(site_id: int) -> str:
    return f"consent:{site_id}"


def _json(text: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded
