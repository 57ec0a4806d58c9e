"""What every repository has: the session of its transaction, and the audit trail in it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from webmon.stores.control.audit import SqlAuditTrail


class Repository:
    """Lives as long as one transaction; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.audit = SqlAuditTrail(session)
