"""Notices and the consent ledger in the control database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from webmon.domain.chain import Anchor, canonical, link
from webmon.domain.checkpoint import Checkpoint, MoveAnchor
from webmon.domain.consent import Collected, Record
from webmon.domain.notice import Notice, hash_of
from webmon.stores.control.anchors import note_signature, read_anchor, write_anchor
from webmon.stores.control.models import (
    CheckpointRow,
    ConsentDecisionRow,
    ConsentHeadRow,
    ConsentRow,
    ErasureRow,
    NoticeDraftRow,
    NoticeRow,
    PublicationRow,
    SigningKeyRow,
    SiteRow,
)
from webmon.stores.control.raw import moment as _moment
from webmon.stores.control.raw import raw
from webmon.stores.control.raw import text as _text
from webmon.stores.control.repository import Repository
from webmon.stores.ports.consent import Draft, Erasure, LedgerEntry, Publication, Standing

_ONE_KEY = 1
_READ_AT_ONCE = 500
_consents: Any = ConsentRow.__table__
_decisions: Any = ConsentDecisionRow.__table__
_heads: Any = ConsentHeadRow.__table__
_ADD_CONSENTS = insert(_consents)
_ADD_DECISIONS = insert(_decisions).from_select(
    ["consent_id", "purpose", "granted"],
    select(
        _consents.c.id,
        bindparam("key", type_=_decisions.c.purpose.type),
        bindparam("answer", type_=_decisions.c.granted.type),
    ).where(_consents.c.receipt_id == bindparam("receipt")),
)
_WHICH_ARE_TAKEN = select(_consents.c.receipt_id).where(
    _consents.c.receipt_id.in_(bindparam("receipts", expanding=True))
)
# The last record that there is, and the last that was written: they differ where it was taken out.
_LAST = (
    select(_consents.c.seq, _consents.c.chain_hash)
    .where(_consents.c.site_id == bindparam("site"))
    .order_by(_consents.c.seq.desc())
    .limit(1)
    .subquery()
)
_TIP = union_all(
    select(_LAST.c.seq, _LAST.c.chain_hash, literal(0).label("noted")),
    select(_heads.c.seq, _heads.c.chain_hash, literal(1)).where(_heads.c.site_id == bindparam("site")),
).order_by("noted")
_NOTE_HEAD = update(_heads).where(_heads.c.site_id == bindparam("site"))
_TAKEN = select(_consents.c.id).where(_consents.c.receipt_id == bindparam("receipt"))

_later = _consents.alias("later")
# Hits wait for this where their consent is not remembered: one statement, below the ORM.
_STANDING = select(
    _consents.c.body,
    _consents.c.expires_at,
    _consents.c.seq,
    select(_later.c.receipt_id)
    .where(
        _later.c.site_id == _consents.c.site_id,
        _later.c.previous_id == _consents.c.receipt_id,
        _later.c.seq > _consents.c.seq,
    )
    .order_by(_later.c.seq.desc())
    .limit(1)
    .scalar_subquery()
    .label("successor"),
).where(_consents.c.site_id == bindparam("site"), _consents.c.receipt_id == bindparam("receipt"))


class SqlConsents(Repository):
    def __init__(self, session: Session) -> None:
        super().__init__(session)
        # The last entries of this transaction's own: whoever appends holds the database.
        self._tips: dict[int, Anchor] = {}
        # What was appended and is not in the database yet.
        self._appended: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []
        # Numbers of which this transaction knows already that they are free, and those that it has taken itself.
        self._free: frozenset[str] = frozenset()
        self._own: set[str] = set()

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

    def has_been_in_force(self, notice_hash: str, now: datetime) -> bool:
        # What was published for at once was in force from then on, also by a clock that was set back since.
        came = or_(PublicationRow.effective_at <= now, PublicationRow.effective_at <= PublicationRow.published_at)
        found = select(PublicationRow.id).where(
            PublicationRow.notice_hash == notice_hash, came, PublicationRow.cancelled_at.is_(None)
        )
        return self._session.scalar(found.limit(1)) is not None

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

    def append(self, site_id: int, record: Record) -> int:
        tip = self._tips.get(site_id) or self.tip(site_id)
        text = canonical(record.body())
        own = self._tips[site_id] = Anchor(tip.seq + 1, link(tip.chain_hash, text))
        self._own.add(record.receipt_id)
        self._appended.append(
            {
                "site_id": site_id,
                "seq": own.seq,
                "receipt_id": record.receipt_id,
                "previous_id": record.answer.previous or None,
                "notice_hash": record.answer.notice.hash,
                "recorded_at": record.recorded_at,
                "expires_at": record.expires_at,
                "body": text,
                "chain_hash": own.chain_hash,
            }
        )
        self._answers += [
            {"receipt": record.receipt_id, "key": purpose, "answer": granted}
            for purpose, granted in record.answer.decisions.items()
        ]
        return own.seq

    def flush(self) -> None:
        # All at once, and below the ORM: statement by statement they take the longer part of what a consent costs.
        if self._appended:
            self._session.execute(_ADD_CONSENTS, self._appended)
            self._session.execute(_ADD_DECISIONS, self._answers)
            for site_id in {row["site_id"] for row in self._appended}:
                self._put_head(site_id, self._tips[site_id])
            self._appended, self._answers = [], []

    def _put_head(self, site_id: int, tip: Anchor) -> None:
        now = {"seq": tip.seq, "chain_hash": tip.chain_hash}
        if getattr(self._session.execute(_NOTE_HEAD, {"site": site_id} | now), "rowcount", 0) == 0:
            self._session.execute(insert(_heads), {"site_id": site_id} | now)

    def head(self, site_id: int) -> Anchor | None:
        seq, chain_hash = cast(ConsentHeadRow.seq, BigInteger), self._raw(ConsentHeadRow.chain_hash, "chain_hash")
        row = self._session.execute(
            select(seq.label("seq"), chain_hash).where(ConsentHeadRow.site_id == site_id)
        ).first()
        return Anchor(row.seq, _text(row.chain_hash)) if row else None

    def tip(self, site_id: int) -> Anchor:
        # What was noted goes before what stands there. Where the last record was taken out, its place stays empty;
        # what another hand puts behind it is followed by none that belongs to it.
        found = self._session.execute(_TIP, {"site": site_id}).all()
        return Anchor(max(row.seq for row in found), found[-1].chain_hash) if found else self.anchor(site_id)

    def put_checkpoint(self, site_id: int, checkpoint: Checkpoint) -> None:
        self._session.add(
            CheckpointRow(
                site_id=site_id,
                seq=checkpoint.seq,
                chain_hash=checkpoint.chain_hash,
                made_at=checkpoint.made_at,
                signature=checkpoint.signature,
            )
        )

    def checkpoints(self, site_id: int) -> Sequence[Checkpoint]:
        rows = self._session.execute(
            select(
                SiteRow.domain.label("site"),
                CheckpointRow.seq,
                self._raw(CheckpointRow.chain_hash, "chain_hash"),
                self._raw(CheckpointRow.made_at, "made_at"),
                self._raw(CheckpointRow.signature, "signature"),
            )
            .join(SiteRow, SiteRow.id == CheckpointRow.site_id, isouter=True)
            .where(or_(CheckpointRow.site_id == site_id, SiteRow.id.is_(None)))
            .order_by(CheckpointRow.seq)
        )
        return [
            Checkpoint(row.site or "", row.seq, _text(row.chain_hash), _text(row.made_at), _text(row.signature))
            for row in rows
        ]

    def signing_key(self) -> bytes | None:
        return self._session.scalar(select(SigningKeyRow.wrapped_key).where(SigningKeyRow.id == _ONE_KEY))

    def put_signing_key(self, wrapped: bytes) -> None:
        self._session.add(SigningKeyRow(id=_ONE_KEY, wrapped_key=wrapped))

    def add_erasure(self, site_id: int, whose: Collected, receipt_id: str, now: datetime) -> None:
        self._session.add(
            ErasureRow(
                site_id=site_id,
                pseudonyms=json.dumps(list(whose.pseudonyms)),
                account_id=whose.account_id,
                receipt_id=receipt_id,
                requested_at=now,
            )
        )

    def erasures(self) -> Sequence[Erasure]:
        rows = self._session.scalars(select(ErasureRow).order_by(ErasureRow.id))
        return [
            Erasure(
                row.id,
                row.site_id,
                Collected(tuple(json.loads(row.pseudonyms)), row.account_id),
                row.receipt_id,
                row.requested_at,
            )
            for row in rows
        ]

    def finish_erasure(self, erasure_id: int) -> None:
        self._session.execute(delete(ErasureRow).where(ErasureRow.id == erasure_id))

    def standing(self, site_id: int, receipt_id: str) -> Standing | None:
        self.flush()
        row = self._session.execute(_STANDING, {"site": site_id, "receipt": receipt_id}).one_or_none()
        return Standing(_json(row.body), row.expires_at, row.seq, row.successor) if row else None

    def look_up(self, receipt_ids: Sequence[str]) -> None:
        found = self._session.scalars(_WHICH_ARE_TAKEN, {"receipts": list(receipt_ids)}) if receipt_ids else ()
        self._free = frozenset(receipt_ids).difference(found)

    def is_taken(self, receipt_id: str) -> bool:
        if receipt_id in self._own:
            return True
        return receipt_id not in self._free and self._session.scalar(_TAKEN, {"receipt": receipt_id}) is not None

    def anchor(self, site_id: int) -> Anchor:
        return read_anchor(self._session, _chain(site_id))

    def put_anchor_signature(self, site_id: int, signature: str) -> None:
        note_signature(self._session, _chain(site_id), signature)

    def entries(self, site_id: int) -> Iterator[LedgerEntry]:
        # What stands in the columns, whatever that is: a byte that was changed may have left no time and no text.
        notice_site = aliased(SiteRow)
        rows = self._session.execute(
            select(
                ConsentRow.id,
                ConsentRow.seq,
                SiteRow.domain.label("site"),
                self._raw(ConsentRow.receipt_id, "receipt_id"),
                self._raw(ConsentRow.previous_id, "previous"),
                self._raw(ConsentRow.notice_hash, "notice"),
                self._raw(ConsentRow.recorded_at, "recorded_at"),
                self._raw(ConsentRow.expires_at, "expires_at"),
                self._raw(ConsentRow.body, "body"),
                self._raw(ConsentRow.chain_hash, "chain_hash"),
                self._raw(NoticeRow.body, "notice_text"),
                self._raw(NoticeRow.language, "notice_language"),
                notice_site.domain.label("notice_site"),
            )
            .join(SiteRow, SiteRow.id == ConsentRow.site_id, isouter=True)
            .join(NoticeRow, NoticeRow.hash == ConsentRow.notice_hash, isouter=True)
            .join(notice_site, notice_site.id == NoticeRow.site_id, isouter=True)
            .where(or_(ConsentRow.site_id == site_id, SiteRow.id.is_(None)))
            .order_by(ConsentRow.seq)
            .execution_options(yield_per=_READ_AT_ONCE)
        )
        for part in rows.partitions():
            decided = self._decided([row.id for row in part])
            yield from (_entry(row, decided.get(row.id, {})) for row in part)

    def count(self, site_id: int) -> int:
        statement = select(func.count()).select_from(ConsentRow).where(ConsentRow.site_id == site_id)
        return self._session.scalar(statement) or 0

    def count_before(self, site_id: int, cutoff: datetime) -> int:
        last = self._last_expired(site_id, cutoff)
        if last is None:
            return 0
        statement = select(func.count()).where(ConsentRow.site_id == site_id, ConsentRow.seq <= last.seq)
        return self._session.scalar(statement) or 0

    def delete_before(self, site_id: int, cutoff: datetime, now: datetime, move: MoveAnchor) -> int:
        last = self._last_expired(site_id, cutoff)
        if last is None:
            return 0
        expired = select(ConsentRow.id).where(ConsentRow.site_id == site_id, ConsentRow.seq <= last.seq)
        self._session.execute(delete(ConsentDecisionRow).where(ConsentDecisionRow.consent_id.in_(expired)))
        gone = self._session.execute(
            delete(ConsentRow).where(ConsentRow.site_id == site_id, ConsentRow.seq <= last.seq)
        )
        count = int(getattr(gone, "rowcount", 0))
        self._session.execute(
            delete(CheckpointRow).where(CheckpointRow.site_id == site_id, CheckpointRow.seq < last.seq)
        )
        moved = move(self.anchor(site_id), Anchor(last.seq, last.chain_hash))
        write_anchor(self._session, _chain(site_id), moved, count, now)
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

    def _raw(self, column: Any, name: str) -> ColumnElement[Any]:
        return raw(self._session, column, name)

    def _decided(self, numbers: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
        rows = self._session.execute(
            select(
                ConsentDecisionRow.consent_id,
                self._raw(ConsentDecisionRow.purpose, "purpose"),
                type_coerce(ConsentDecisionRow.granted, Integer).label("granted"),
            ).where(ConsentDecisionRow.consent_id.in_(numbers))
        )
        decided: dict[int, dict[str, Any]] = {}
        for row in rows:
            # Neither 2 nor a text is true.
            decided.setdefault(row.consent_id, {})[_text(row.purpose)] = {0: False, 1: True}.get(row.granted)
        return decided


def _entry(row: Any, decisions: Mapping[str, Any]) -> LedgerEntry:
    columns = {
        "site": row.site or "",
        "receipt_id": _text(row.receipt_id),
        "previous": _text(row.previous),
        "notice": _text(row.notice),
        "recorded_at": _moment(row.recorded_at),
        "expires_at": _moment(row.expires_at),
        "decisions": decisions,
    }
    notice_columns = {"site": row.notice_site or "", "language": _text(row.notice_language)}
    return LedgerEntry(
        row.seq, _text(row.body), _text(row.chain_hash), columns, _text(row.notice_text), notice_columns
    )


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
