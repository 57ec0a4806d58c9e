"""Accounts, the account log and promotions in the control database."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from webmon.domain.access import READINGS
from webmon.domain.promotion import State
from webmon.stores.control.models import (
    AccountHitRow,
    AccountRow,
    AuditRow,
    LeftPseudonymRow,
    LoginKeyRow,
    PromotionRow,
    UsedTokenRow,
)
from webmon.stores.control.repository import Repository
from webmon.stores.ports.accounts import Account, AccountRead, OpenPromotion, Promotion, SealedHit, SealedRow
from webmon.stores.ports.sites import LeftPseudonym, WrappedLoginKey

# Parameters of one statement: databases allow so many and no more.
_AT_ONCE = 500
# In the place of a digest, which has 64 hexadecimal digits: the account names nobody any more.
_ERASED = "erased"
# What is written at every sign-in goes round the unit of work of the ORM, which costs more than the statement.
# And it is put together once: that costs as much again.
_ACCOUNT, _ACCOUNT_HIT, _LEFT_PSEUDONYM, _PROMOTION, _USED_TOKEN = (
    cast(Table, row.__table__) for row in (AccountRow, AccountHitRow, LeftPseudonymRow, PromotionRow, UsedTokenRow)
)
_FIND = select(_ACCOUNT.c.id, _ACCOUNT.c.site_id, _ACCOUNT.c.restricted_at).where(
    _ACCOUNT.c.site_id == bindparam("site"), _ACCOUNT.c.subject_digest == bindparam("digest")
)
_RESTRICTED = select(_ACCOUNT.c.id).where(
    _ACCOUNT.c.id.in_(bindparam("accounts", expanding=True)), _ACCOUNT.c.restricted_at.is_not(None)
)
_LOGIN_KEYS = (
    select(LoginKeyRow.id, LoginKeyRow.wrapped_key, LoginKeyRow.created_at, LoginKeyRow.ends_at)
    .where(LoginKeyRow.site_id == bindparam("site"))
    .order_by(LoginKeyRow.id.desc())
)
_ADD = insert(_ACCOUNT)
_ADD_PROMOTION = insert(_PROMOTION).returning(_PROMOTION.c.id)
_INSERTS: Mapping[str, Any] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}
_USE_TOKEN = {
    name: insert_(_USED_TOKEN).on_conflict_do_nothing().returning(_USED_TOKEN.c.digest)
    for name, insert_ in _INSERTS.items()
}
_PUT_HITS = {name: insert_(_ACCOUNT_HIT).on_conflict_do_nothing() for name, insert_ in _INSERTS.items()}
_LEFT = {name: insert_(_LEFT_PSEUDONYM).on_conflict_do_nothing() for name, insert_ in _INSERTS.items()}
_OF_IT = update(_PROMOTION).where(_PROMOTION.c.id == bindparam("promotion"))
_SEEN = _OF_IT.values(last_seen_at=bindparam("moment"))
_ENDED = _OF_IT.values(ended_at=bindparam("moment"))
_SIGNED_OUT = update(_ACCOUNT).where(_ACCOUNT.c.id == bindparam("account")).values(signed_out_at=bindparam("moment"))


class SqlAccounts(Repository):
    def find(self, site_id: int, subject_digest: str) -> Account | None:
        row = self._connection.execute(_FIND, {"site": site_id, "digest": subject_digest}).first()
        return Account(row.id, row.site_id, row.restricted_at) if row else None

    def get(self, account_id: int) -> Account | None:
        row = self._session.get(AccountRow, account_id)
        return Account(row.id, row.site_id, row.restricted_at) if row else None

    def login_keys(self, site_id: int) -> Sequence[WrappedLoginKey]:
        return [WrappedLoginKey(*row) for row in self._connection.execute(_LOGIN_KEYS, {"site": site_id})]

    def add(self, account: Account, subject_digest: str, subject_sealed: bytes, now: datetime) -> None:
        values = {
            "id": account.id,
            "site_id": account.site_id,
            "subject_digest": subject_digest,
            "subject_sealed": subject_sealed,
            "wrapped_key": b"",
            "created_at": now,
        }
        self._connection.execute(_ADD, values)

    def finish(self, account_id: int, subject_sealed: bytes) -> None:
        self._session.execute(
            update(AccountRow).where(AccountRow.id == account_id).values(subject_sealed=subject_sealed)
        )

    def subject(self, account_id: int) -> bytes:
        return self._session.scalar(select(AccountRow.subject_sealed).where(AccountRow.id == account_id)) or b""

    def rows(self, account_id: int, after: int, limit: int) -> Sequence[SealedRow]:
        found = self._session.execute(
            select(AccountHitRow.id, AccountHitRow.hit_id, AccountHitRow.sealed)
            .where(AccountHitRow.account_id == account_id, AccountHitRow.id > after)
            .order_by(AccountHitRow.id)
            .limit(limit)
        )
        return [SealedRow(row.id, row.hit_id, row.sealed) for row in found]

    def all_rows(self, after: tuple[int, int], limit: int) -> Sequence[tuple[Account, SealedRow]]:
        account, hit = _ACCOUNT.c, _ACCOUNT_HIT.c
        found = self._connection.execute(
            select(account.id.label("account_id"), account.site_id, hit.id, hit.hit_id, hit.sealed)
            .join_from(_ACCOUNT_HIT, _ACCOUNT, account.id == hit.account_id)
            .where(tuple_(hit.account_id, hit.hit_id) > after)
            .order_by(hit.account_id, hit.hit_id)
            .limit(limit)
        )
        return [(Account(row.account_id, row.site_id), SealedRow(row.id, row.hit_id, row.sealed)) for row in found]

    def reseal(self, row: SealedRow, sealed: bytes) -> None:
        self._session.execute(
            update(AccountHitRow)
            .where(AccountHitRow.id == row.id, AccountHitRow.sealed == row.sealed)
            .values(sealed=sealed)
        )

    def ids(self) -> Sequence[int]:
        return self._session.scalars(
            select(AccountRow.id).where(AccountRow.subject_digest.not_like(f"{_ERASED}:%"))
        ).all()

    def erase(self, account_id: int) -> int | None:
        row = self._session.get(AccountRow, account_id)
        if row is None or row.subject_digest.startswith(_ERASED):
            return None
        gone = self._session.execute(delete(AccountHitRow).where(AccountHitRow.account_id == account_id))
        row.subject_digest, row.subject_sealed, row.wrapped_key = f"{_ERASED}:{account_id}", b"", b""
        row.restricted_at = None
        self._session.flush()
        self._session.expunge(row)
        self._delete_erased([account_id])
        return int(getattr(gone, "rowcount", 0))

    def empty(self, site_id: int, cutoff: datetime, limit: int) -> Sequence[int]:
        where = [
            AccountRow.site_id == site_id,
            AccountRow.created_at < cutoff,
            AccountRow.restricted_at.is_(None),
            AccountRow.subject_digest.not_like(f"{_ERASED}:%"),
            _without(AccountHitRow),
            _without(PromotionRow),
        ]
        return self._session.scalars(select(AccountRow.id).where(*where).limit(limit)).all()

    def sign_out(self, account_ids: Collection[int], now: datetime) -> None:
        if account_ids:
            rows = [{"account": number, "moment": now} for number in account_ids]
            self._connection.execute(_SIGNED_OUT, rows)

    def signed_out_at(self, account_id: int) -> datetime | None:
        return self._session.scalar(select(AccountRow.signed_out_at).where(AccountRow.id == account_id))

    def forget_sign_outs(self, before: datetime) -> None:
        self._session.execute(
            update(AccountRow)
            .where(AccountRow.signed_out_at < before)
            .values(signed_out_at=None)
            .execution_options(synchronize_session=False)
        )

    def restrict(self, account_id: int, now: datetime) -> bool:
        return self._set_restricted(account_id, AccountRow.restricted_at.is_(None), now)

    def lift_restriction(self, account_id: int) -> bool:
        return self._set_restricted(account_id, AccountRow.restricted_at.is_not(None), None)

    def _set_restricted(self, account_id: int, where: ColumnElement[bool], value: datetime | None) -> bool:
        changed = self._session.execute(
            update(AccountRow)
            .where(AccountRow.id == account_id, where)
            .values(restricted_at=value)
            .execution_options(synchronize_session=False)
        )
        return int(getattr(changed, "rowcount", 0)) == 1

    def restricted(self, account_ids: Collection[int]) -> Collection[int]:
        asked, found = list(account_ids), set[int]()
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            found.update(self._connection.scalars(_RESTRICTED, {"accounts": part}))
        return found

    def kept_keys(self) -> Iterable[tuple[int, bytes, datetime]]:
        """Accounts whose keys are still here, as all were before these had a file of their own."""
        rows = self._session.execute(
            select(AccountRow.id, AccountRow.wrapped_key, AccountRow.created_at).where(AccountRow.wrapped_key != b"")
        )
        return ((row.id, row.wrapped_key, row.created_at) for row in rows)

    def forget_keys(self) -> None:
        self._session.execute(update(AccountRow).where(AccountRow.wrapped_key != b"").values(wrapped_key=b""))

    def use_token(self, digest: str, expires_at: datetime) -> bool:
        statement = _USE_TOKEN[self._connection.dialect.name]
        return self._connection.scalar(statement, {"digest": digest, "expires_at": expires_at}) is not None

    def put_hits(self, hits: Sequence[SealedHit]) -> None:
        if not hits:
            return
        rows = [
            {
                "account_id": hit.account_id,
                "site_id": hit.site_id,
                "hit_id": hit.hit_id,
                "occurred_on": hit.occurred_on,
                "sealed": hit.sealed,
            }
            for hit in hits
        ]
        self._connection.execute(_PUT_HITS[self._connection.dialect.name], rows)

    def hits(self, account_id: int, limit: int | None, skip: int = 0) -> Sequence[tuple[int, bytes]]:
        rows = self._connection.execute(
            select(_ACCOUNT_HIT.c.hit_id, _ACCOUNT_HIT.c.sealed)
            .where(_ACCOUNT_HIT.c.account_id == account_id)
            .order_by(_ACCOUNT_HIT.c.id.desc())
            .limit(limit)
            .offset(skip)
        )
        return rows.all()

    def delete_hits(self, account_id: int, hit_ids: Sequence[int]) -> None:
        for start in range(0, len(hit_ids), _AT_ONCE):
            part = hit_ids[start : start + _AT_ONCE]
            self._session.execute(
                delete(AccountHitRow).where(AccountHitRow.account_id == account_id, AccountHitRow.hit_id.in_(part))
            )

    def recent_hits(self, since: date, limit: int) -> Sequence[tuple[int, int]]:
        rows = self._session.execute(
            select(AccountHitRow.site_id, AccountHitRow.hit_id)
            .where(AccountHitRow.occurred_on >= since)
            .order_by(AccountHitRow.id.desc())
            .limit(limit)
        ).all()
        return [(row.site_id, row.hit_id) for row in reversed(rows)]

    def add_promotion(self, site_id: int, account_id: int, link: bytes, now: datetime) -> int:
        values = {
            "site_id": site_id,
            "account_id": account_id,
            "link": link,
            "state": State.REQUESTED.value,
            "requested_at": now,
            "last_seen_at": now,
        }
        return int(self._connection.execute(_ADD_PROMOTION, values).scalar_one())

    def active_promotions(self) -> Sequence[Promotion]:
        rows = self._session.scalars(
            select(PromotionRow).where(PromotionRow.link.is_not(None)).order_by(PromotionRow.id)
        )
        return [_promotion(row) for row in rows]

    def open_promotions(self) -> Sequence[OpenPromotion]:
        rows = self._session.scalars(select(PromotionRow).where(PromotionRow.visit_id.is_not(None)))
        return [
            OpenPromotion(
                row.id, row.account_id, row.visitor_id or 0, row.visit_id or 0, row.requested_at, row.consent or ""
            )
            for row in rows
        ]

    def seal_promotion(self, promotion_id: int, link: bytes) -> None:
        self._session.execute(
            update(PromotionRow)
            .where(PromotionRow.id == promotion_id)
            .values(link=link, visitor_id=None, visit_id=None, consent=None)
        )

    def claim_promotions(self, holder: str, now: datetime, until: datetime, limit: int) -> Sequence[Promotion]:
        free = or_(PromotionRow.claimed_until_at.is_(None), PromotionRow.claimed_until_at <= now)
        open_ = [PromotionRow.link.is_not(None), PromotionRow.state != State.DONE.value, free]
        oldest = select(PromotionRow.id).where(*open_).order_by(PromotionRow.id).limit(limit)
        self._session.execute(
            update(PromotionRow)
            .where(PromotionRow.id.in_(oldest), *open_)
            .values(claimed_until_at=until, claimed_by=holder)
            .execution_options(synchronize_session=False)
        )
        rows = self._session.scalars(
            select(PromotionRow).where(PromotionRow.claimed_by == holder).order_by(PromotionRow.id)
        )
        return [_promotion(row) for row in rows]

    def move_promotions(
        self, promotion_ids: Collection[int], before: State, after: State, holder: str, until: datetime
    ) -> Collection[int]:
        done = after is State.DONE
        moved = self._session.scalars(
            update(PromotionRow)
            .where(
                PromotionRow.id.in_(promotion_ids),
                PromotionRow.state == before.value,
                PromotionRow.claimed_by == holder,
            )
            .values(
                state=after.value,
                claimed_until_at=None if done else until,
                claimed_by=None if done else holder,
            )
            .returning(PromotionRow.id)
            .execution_options(synchronize_session=False)
        )
        return set(moved)

    def release_promotions(self, holder: str) -> None:
        self._session.execute(
            update(PromotionRow)
            .where(or_(PromotionRow.claimed_by == holder, PromotionRow.claimed_by.startswith(f"{holder}.")))
            .values(claimed_until_at=None, claimed_by=None)
            .execution_options(synchronize_session=False)
        )

    def seen(self, moments: Mapping[int, datetime]) -> None:
        if moments:
            rows = [{"promotion": number, "moment": moment} for number, moment in moments.items()]
            self._connection.execute(_SEEN, rows)

    def end(self, promotion_ids: Collection[int], left: Collection[LeftPseudonym], now: datetime) -> None:
        if promotion_ids:
            rows = [{"promotion": number, "moment": now} for number in promotion_ids]
            self._connection.execute(_ENDED, rows)
        if left:
            marks = [{"site_id": one.site_id, "epoch": one.epoch, "mark": one.mark} for one in left]
            self._connection.execute(_LEFT[self._connection.dialect.name], marks)

    def forget(self, promotion_ids: Collection[int]) -> None:
        forgotten = list(promotion_ids)
        for start in range(0, len(forgotten), _AT_ONCE):
            part = forgotten[start : start + _AT_ONCE]
            of_them = select(PromotionRow.account_id).where(PromotionRow.id.in_(part))
            accounts = set(self._session.scalars(of_them))
            self._session.execute(delete(PromotionRow).where(PromotionRow.id.in_(part)))
            self._delete_erased(accounts)

    def _delete_erased(self, account_ids: Collection[int]) -> None:
        """Delete what is left of erased accounts, where no promotion of theirs is under way any more."""
        self._session.execute(
            delete(AccountRow)
            .where(
                AccountRow.id.in_(account_ids),
                AccountRow.subject_digest.startswith(f"{_ERASED}:"),
                _without(PromotionRow),
            )
            .execution_options(synchronize_session=False)
        )

    def reads(self, site_id: int, account_id: int) -> Sequence[AccountRead]:
        rows = self._session.scalars(
            select(AuditRow.body)
            .where(AuditRow.account_id == account_id, AuditRow.site_id == site_id, AuditRow.action.in_(READINGS))
            .order_by(AuditRow.seq.desc())
        )
        entries = [json.loads(body) for body in rows]
        return [
            AccountRead(
                datetime.fromisoformat(entry["at"]),
                entry["actor"],
                entry["detail"].get("reason", ""),
                entry["detail"].get("fields", ""),
            )
            for entry in entries
        ]

    def count_hits(self, site_id: int) -> int:
        return self._count(AccountHitRow.site_id == site_id)

    def count_hits_before(self, site_id: int, cutoff: datetime) -> int:
        """How many rows of a site are of a day before that of `cutoff`; not those of restricted accounts."""
        return self._count(*_before(site_id, cutoff), _of_restricted(site_id, is_so=False))

    def count_restricted_before(self, site_id: int, cutoff: datetime) -> int:
        """How many such rows there are of accounts that are restricted."""
        return self._count(*_before(site_id, cutoff), _of_restricted(site_id, is_so=True))

    def delete_hits_before(self, site_id: int, cutoff: datetime) -> int:
        """Delete what `count_hits_before` counts."""
        # The person may need for a claim what would otherwise be deleted (GDPR Art. 18(1)(b), (c)).
        gone = self._session.execute(
            delete(AccountHitRow)
            .where(*_before(site_id, cutoff), _of_restricted(site_id, is_so=False))
            .execution_options(synchronize_session=False)
        )
        return int(getattr(gone, "rowcount", 0))

    def _count(self, *where: ColumnElement[bool]) -> int:
        return self._session.scalar(select(func.count()).select_from(AccountHitRow).where(*where)) or 0

    def prune_used_tokens(self, now: datetime) -> int:
        gone = self._session.execute(delete(UsedTokenRow).where(UsedTokenRow.expires_at <= now))
        return int(getattr(gone, "rowcount", 0))

    @property
    def _connection(self) -> Connection:
        return self._session.connection()


def _without(rows: type[AccountHitRow | PromotionRow]) -> ColumnElement[bool]:
    return ~exists().where(rows.account_id == AccountRow.id)


def _before(site_id: int, cutoff: datetime) -> tuple[ColumnElement[bool], ...]:
    return AccountHitRow.site_id == site_id, AccountHitRow.occurred_on < cutoff.date()


def _of_restricted(site_id: int, *, is_so: bool) -> ColumnElement[bool]:
    restricted = select(AccountRow.id).where(AccountRow.site_id == site_id, AccountRow.restricted_at.is_not(None))
    return AccountHitRow.account_id.in_(restricted) if is_so else AccountHitRow.account_id.not_in(restricted)


def _promotion(row: PromotionRow) -> Promotion:
    return Promotion(row.id, row.site_id, row.account_id, row.link, State(row.state), row.last_seen_at, row.ended_at)
