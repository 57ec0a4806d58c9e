"""Runs plans on the event log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

from sqlalchemy import Select, func, select

from webmon.stores.events.queries import statement
from webmon.stores.events.schema import event
from webmon.stores.ports.stats import Plan


class Engine(Protocol):
    def rows(self, statement: Select[Any]) -> list[tuple[Any, ...]]: ...


class EventStats:
    """The event log's figures, on any engine that SQLAlchemy reaches."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, plan: Plan) -> Sequence[tuple[Any, ...]]:
        return self._engine.rows(statement(plan))

    def first_day(self, site_id: int) -> date | None:
        found = self._engine.rows(select(func.min(event.c.occurred_at)).where(event.c.site_id == site_id))
        return found[0][0].date() if found and found[0][0] is not None else None
