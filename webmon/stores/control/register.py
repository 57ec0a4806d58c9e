"""The cookie register in the control database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete, select

from webmon.domain.register import RegisteredService
from webmon.stores.control.models import ServiceRow
from webmon.stores.control.repository import Repository


class SqlRegister(Repository):
    def services(self, site_id: int) -> Sequence[RegisteredService]:
        bodies = self._session.scalars(
            select(ServiceRow.body).where(ServiceRow.site_id == site_id).order_by(ServiceRow.id)
        )
        return [msgspec.json.decode(body, type=RegisteredService) for body in bodies]

    def put(self, site_id: int, service: RegisteredService, now: datetime, actor: str) -> None:
        row = self._session.scalar(
            select(ServiceRow).where(ServiceRow.site_id == site_id, ServiceRow.key == service.key)
        )
        if row is None:
            row = ServiceRow(site_id=site_id, key=service.key)
            self._session.add(row)
        row.body = json.dumps(service.document(), ensure_ascii=False)
        row.changed_at, row.changed_by = now, actor
        self._session.flush()

    def remove(self, site_id: int, key: str) -> None:
        self._session.execute(delete(ServiceRow).where(ServiceRow.site_id == site_id, ServiceRow.key == key))
