"""Figures from the event log, as services see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from webmon.domain.breakdowns import Breakdown
from webmon.domain.query import Filter, Offset


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compute: times are UTC without offset, `[start, end)`; `offsets` turn them into the site's."""

    site_id: int
    start: datetime
    end: datetime
    offsets: tuple[Offset, ...]
    metrics: tuple[str, ...]
    dimensions: tuple[Breakdown, ...] = ()
    filters: tuple[Filter, ...] = ()
    order_by: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    offset: int = 0


class StatsReader(Protocol):
    def run(self, plan: Plan) -> Sequence[tuple[Any, ...]]:
        """Return rows: the dimensions' values, then the metrics', in the plan's order.

        Times are the beginning of their bucket in the site's zone, without offset. A figure of no visits is None.
        """

    def first_day(self, site_id: int) -> date | None:
        """The UTC day of the site's oldest row."""
