"""Notices and the consent ledger in the control database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
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
    literal_column,
    or_,
    select,
    text,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from webmon.domain.chain import Anchor, canonical, link
from webmon.domain.checkpoint import Checkpoint, MoveAnchor
from webmon.domain.consent import Collected, Record
from webmon.domain.notice import Notice, hash_of
from webmon.errors import Unavailable
from webmon.stores.broken import is_of_the_file
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
# What a ledger is read from.
_READ = ("consent", "consent_decision", "notice")
# How SQLite tells of a row that says something else than an index does, which lookups may read in its stead. Rows are
# counted in it, not named.
_UNLIKE = re.compile(r"row (\d+) missing from index ")
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
        statement = select(seq.label("seq"), chain_hash).where(ConsentHeadRow.site_id == site_id)
        try:
            row = self._session.execute(statement).first()
        except Unavailable as error:
            if not is_of_the_file(error.__cause__):
                raise
            return None  # one that cannot be read is as good as none
        return Anchor(row.seq or 0, _text(row.chain_hash)) if row else None

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
        last = self.anchor(site_id).seq
        try:
            for entry in self._read(site_id):
                last = entry.seq
                yield entry
        except Unavailable as error:
            if not is_of_the_file(error.__cause__):
                raise
            yield from self._one_by_one(site_id, last, error)

    def _one_by_one(self, site_id: int, last: int, fault: Unavailable) -> Iterator[LedgerEntry]:
        """Go on behind entry `last`, where entries cannot be read together, up to the one that cannot be read at all.

        That one comes as an empty entry, which agrees with nothing. Raises the `fault` where it is none of theirs.
        """
        head = self.head(site_id)
        for seq in range(last + 1, head.seq + 1 if head else last + 2):
            try:
                yield from self._read(site_id, seq)
            except Unavailable:
                yield LedgerEntry(seq, "", "", {}, "", {})
                return
        raise fault

    def _read(self, site_id: int, seq: int | None = None) -> Iterator[LedgerEntry]:
        # What stands in the columns, whatever that is: a byte that was changed may have left no time and no text.
        notice_site = aliased(SiteRow)
        statement = (
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
                self._row_of("notice").label("notice_row"),
            )
            .join(SiteRow, SiteRow.id == ConsentRow.site_id, isouter=True)
            .join(NoticeRow, NoticeRow.hash == ConsentRow.notice_hash, isouter=True)
            .join(notice_site, notice_site.id == NoticeRow.site_id, isouter=True)
            .where(or_(ConsentRow.site_id == site_id, SiteRow.id.is_(None)))
            .order_by(ConsentRow.seq)
        )
        if seq is not None:
            statement = statement.where(ConsentRow.seq == seq)
        unlike = self._unlike_indexes
        rows = self._session.execute(statement.execution_options(yield_per=_READ_AT_ONCE))
        for part in rows.partitions():
            decided = self._decided([row.id for row in part])
            for row in part:
                in_notice = row.notice_row in unlike["notice"]
                where = "notice" if in_notice else "consent" if row.id in unlike["consent"] else ""
                yield _entry(row, decided.get(row.id, {}), where)

    @property
    def damage(self) -> str:
        """What is wrong with the tables of the ledger that no row of theirs could be named for, or nothing."""
        return self._faults[1]

    @property
    def _unlike_indexes(self) -> Mapping[str, frozenset[int]]:
        """By table, the rows that say something else than the index by which they are found."""
        return self._faults[0]

    @cached_property
    def _faults(self) -> tuple[Mapping[str, frozenset[int]], str]:
        """Look through the file, once in a transaction: other databases keep their own."""
        unlike: dict[str, frozenset[int]] = dict.fromkeys(_READ, frozenset())
        damage = ""
        for table in _READ if self._is_sqlite else ():
            try:
                told = [row[0] for row in self._session.execute(text(f"pragma integrity_check({table})"))]
            except Unavailable as error:
                damage = damage or str(error)
                continue
            lines = [line for one in told for line in one.splitlines() if one != "ok" and not line.startswith("***")]
            counted = [found for line in lines if (found := _UNLIKE.match(line))]
            unlike[table] = frozenset(self._row_number(table, int(found[1])) for found in counted)
            damage = damage or next((line for line in lines if not _UNLIKE.match(line)), "")
        return unlike, damage

    def _row_number(self, table: str, place: int) -> int:
        """The number of the row that stands at a place of the table, counted from 1."""
        statement = f"select rowid from {table} not indexed order by rowid limit 1 offset {place - 1}"  # noqa: S608
        return self._session.scalar(text(statement)) or 0

    @property
    def _is_sqlite(self) -> bool:
        return self._session.get_bind().dialect.name == "sqlite"

    def _row_of(self, table: str) -> ColumnElement[Any]:
        return literal_column(f"{table}.rowid") if self._is_sqlite else literal(0)

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
                self._row_of("consent_decision").label("row"),
            ).where(ConsentDecisionRow.consent_id.in_(numbers))
        )
        unlike = self._unlike_indexes["consent_decision"]
        decided: dict[int, dict[str, Any]] = {}
        for row in rows:
            # Neither 2 nor a text is true, nor what stands in a row that does not say what its index does.
            said = {0: False, 1: True}.get(row.granted) if row.row not in unlike else None
            decided.setdefault(row.consent_id, {})[_text(row.purpose)] = said
        return decided


def _entry(row: Any, decisions: Mapping[str, Any], unlike_index: str) -> LedgerEntry:
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
        row.seq,
        _text(row.body),
        _text(row.chain_hash),
        columns,
        _text(row.notice_text),
        notice_columns,
        unlike_index,
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
