"""How many hits were not counted, in the control database: numbers by site, day and reason, about nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import func, select

from webmon.domain.drop import DropReason
from webmon.stores.control.models import DropCountRow
from webmon.stores.control.repository import Repository

_KNOWN = frozenset(DropReason)


class SqlDrops(Repository):
    def add(self, site_id: int, day: date, reason: DropReason, count: int) -> None:
        row = self._session.get(DropCountRow, (site_id, day, reason.value))
        if row is None:
            row = DropCountRow(site_id=site_id, counted_on=day, reason=reason.value, hit_count=0)
            self._session.add(row)
        row.hit_count += count

    def counts(self, site_id: int, first: date, last: date) -> Mapping[DropReason, int]:
        total = func.sum(DropCountRow.hit_count)
        within = (DropCountRow.site_id == site_id, DropCountRow.counted_on.between(first, last))
        rows = self._session.execute(select(DropCountRow.reason, total).where(*within).group_by(DropCountRow.reason))
        # A later version may have known reasons that this one does not.
        return {DropReason(reason): int(count) for reason, count in rows if reason in _KNOWN}
