"""How often notices were shown and answered, in the control database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import ColumnElement, delete, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from webmon.domain.consent_figures import COUNTED, Figures
from webmon.stores.control.models import ConsentCountRow, NoticeRow
from webmon.stores.control.repository import Repository
from webmon.stores.ports.consent_figures import Counter

_COLUMNS: Mapping[str, ColumnElement[str] | InstrumentedAttribute[str]] = {
    "": literal(""),
    "notice": ConsentCountRow.notice_hash,
    "language": func.coalesce(NoticeRow.language, ""),
    "country": ConsentCountRow.country,
    "device": ConsentCountRow.device,
}


class SqlConsentFigures(Repository):
    def add(self, counter: Counter, count: int) -> None:
        key = (
            counter.site_id,
            counter.day,
            counter.notice,
            counter.country,
            counter.device,
            counter.action,
        )
        row = self._session.get(ConsentCountRow, key)
        if row is None:
            row = ConsentCountRow(
                site_id=counter.site_id,
                counted_on=counter.day,
                notice_hash=counter.notice,
                country=counter.country,
                device=counter.device,
                action=counter.action,
                answer_count=0,
            )
            self._session.add(row)
        row.answer_count += count

    def cells(self, site_id: int, first: date, last: date, dimension: str) -> Mapping[tuple[date, str], Figures]:
        value = _COLUMNS[dimension].label("value")
        statement = (
            select(ConsentCountRow.counted_on, value, ConsentCountRow.action, func.sum(ConsentCountRow.answer_count))
            .where(ConsentCountRow.site_id == site_id, ConsentCountRow.counted_on.between(first, last))
            .group_by(ConsentCountRow.counted_on, value, ConsentCountRow.action)
        )
        if dimension == "language":
            statement = statement.join(NoticeRow, NoticeRow.hash == ConsentCountRow.notice_hash, isouter=True)
        found: dict[tuple[date, str], Figures] = {}
        for day, name, action, count in self._session.execute(statement):
            if action in COUNTED:  # a later version may have known others
                found[day, name] = found.get((day, name), Figures()).counting(action, int(count))
        return found

    def first_day(self, site_id: int) -> date | None:
        return self._session.scalar(
            select(func.min(ConsentCountRow.counted_on)).where(ConsentCountRow.site_id == site_id)
        )

    def count(self, site_id: int) -> int:
        statement = select(func.count()).select_from(ConsentCountRow).where(ConsentCountRow.site_id == site_id)
        return self._session.scalar(statement) or 0

    def count_before(self, site_id: int, day: date) -> int:
        statement = select(func.count()).where(ConsentCountRow.site_id == site_id, ConsentCountRow.counted_on < day)
        return self._session.scalar(statement) or 0

    def delete_before(self, site_id: int, day: date) -> int:
        gone = self._session.execute(
            delete(ConsentCountRow).where(ConsentCountRow.site_id == site_id, ConsentCountRow.counted_on < day)
        )
        return int(getattr(gone, "rowcount", 0))
