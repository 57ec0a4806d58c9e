"""The cookie register, as services see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from webmon.domain.register import RegisteredService
from webmon.stores.ports.audit import Audited


class RegisterRepository(Audited, Protocol):
    def services(self, site_id: int) -> Sequence[RegisteredService]:
        """Oldest first."""

    def put(self, site_id: int, service: RegisteredService, now: datetime, actor: str) -> None:
        """Add a service, or put it in the place of the one with its key."""

    def remove(self, site_id: int, key: str) -> None: ...
