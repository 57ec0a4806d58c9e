"""Claims on scheduled jobs, as the scheduler sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class JobRepository(Protocol):
    def claim(self, name: str, now: datetime, until: datetime, not_since: datetime) -> bool:
        """Take a job on; False where another process has it, or began it after `not_since`."""

    def finish(self, name: str, now: datetime, outcome: str) -> None: ...
