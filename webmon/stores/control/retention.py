"""Retention rules and the reports of their runs in the control database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from webmon.stores.control.models import RetentionRuleRow, RetentionRunRow
from webmon.stores.control.repository import Repository


class SqlRetention(Repository):
    def rules(self, site_id: int) -> Mapping[str, str]:
        rows = self._session.scalars(select(RetentionRuleRow).where(RetentionRuleRow.site_id == site_id))
        return {row.info_class: row.keep for row in rows}

    def set_rule(self, site_id: int, info_class: str, keep: str, now: datetime, actor: str) -> None:
        row = self._session.get(RetentionRuleRow, (site_id, info_class))
        if row is None:
            row = RetentionRuleRow(site_id=site_id, info_class=info_class)
            self._session.add(row)
        row.keep, row.changed_at, row.changed_by = keep, now, actor

    def drop_rule(self, site_id: int, info_class: str) -> None:
        self._session.execute(
            delete(RetentionRuleRow).where(
                RetentionRuleRow.site_id == site_id, RetentionRuleRow.info_class == info_class
            )
        )

    def add_run(self, started_at: datetime, finished_at: datetime, report: str) -> None:
        self._session.add(RetentionRunRow(started_at=started_at, finished_at=finished_at, report=report))

    def runs(self, limit: int) -> Sequence[tuple[datetime, datetime, Mapping[str, Any]]]:
        rows = self._session.scalars(select(RetentionRunRow).order_by(RetentionRunRow.id.desc()).limit(limit))
        return [(row.started_at, row.finished_at, json.loads(row.report)) for row in rows]
