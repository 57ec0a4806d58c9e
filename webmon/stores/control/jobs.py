"""Claims on scheduled jobs in the control database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select, update

from webmon.stores.control.models import JobRow
from webmon.stores.control.repository import Repository


class SqlJobs(Repository):
    def claim(self, name: str, now: datetime, until: datetime, not_since: datetime) -> bool:
        if self._session.get(JobRow, name) is None:
            self._session.add(JobRow(name=name, outcome=""))
            self._session.flush()
        claimed = self._session.execute(
            update(JobRow)
            .where(
                JobRow.name == name,
                or_(JobRow.claimed_until_at.is_(None), JobRow.claimed_until_at <= now),
                or_(JobRow.started_at.is_(None), JobRow.started_at <= not_since),
            )
            .values(claimed_until_at=until, started_at=now)
        )
        return getattr(claimed, "rowcount", 0) == 1

    def finish(self, name: str, now: datetime, outcome: str) -> None:
        self._session.execute(
            update(JobRow).where(JobRow.name == name).values(claimed_until_at=None, finished_at=now, outcome=outcome)
        )

    def outcomes(self) -> list[tuple[str, datetime | None, str]]:
        """Name, end and outcome of every job that has run."""
        rows = self._session.scalars(select(JobRow).order_by(JobRow.name))
        return [(row.name, row.finished_at, row.outcome) for row in rows]
